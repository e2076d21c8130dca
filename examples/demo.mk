# The main job, end to end: scenes -> samples -> packs -> a tuned model -> 3D boxes -> a score. Run by `make demo`.
#
# Every line is a plain vstkit command as you would type it. Input: SCENES (with the pictures' folder in VSTKIT_ROOT), by
# default a real kitchen, and where that is not at hand a room that `vstkit synth` makes. The model has the architecture
# of Qwen2.5-VL, but it is tiny and begins with random weights: it can only learn these pictures by heart, and shows that
# it did.

OUT ?= demo
SHARED := $(or $(VSTKIT_SHARED),../shared/data)
ROOMS := $(OUT)/rooms.jsonl
SCENES ?= $(firstword $(wildcard $(SHARED)/scenes/adt/scenes.jsonl) $(ROOMS))
export VSTKIT_ROOT ?= $(if $(filter $(ROOMS),$(SCENES)),.,$(dir $(SCENES)))
export DS_ACCELERATOR ?= cpu
# How many scenes: the kitchen's second one is the same moment, 33 ms later.
LIMIT ?= 1

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: demo
demo: $(OUT)/untrained.scores.jsonl $(OUT)/trained.scores.jsonl
	@python examples/demo_table.py $(OUT)

$(ROOMS):
	@mkdir -p $(OUT)
	vstkit synth $(OUT)/rooms --scenes 1 -o $@

$(OUT)/scenes.jsonl: $(SCENES)
	@mkdir -p $(OUT)
	vstkit check --files --limit $(LIMIT) $< | vstkit fov-unify -o $@

# One pipe, two generators: -k passes the scenes on.
$(OUT)/samples.jsonl: $(OUT)/scenes.jsonl
	vstkit gen-depth -k --tasks depth-nearest --per-view 3 $< | vstkit gen-det3d --tasks det3d --per-view 100 -o $@

$(OUT)/det3d.jsonl: $(OUT)/samples.jsonl
	grep '"task":"det3d"' $< > $@

$(OUT)/tiny: examples/tiny_model.py
	python examples/tiny_model.py $@ --max-pixels 50176

$(OUT)/packs.jsonl: $(OUT)/samples.jsonl | $(OUT)/tiny
	vstkit pack --model $(OUT)/tiny --length 2048 $< -o $@

$(OUT)/sft: $(OUT)/packs.jsonl
	rm -rf $@
	vstkit sft $< --model $(OUT)/tiny -o $@ --gpus 2 --zero 2 --global-batch 2 --max-steps 450 \
	  --lr 2e-3 --vision-lr 2e-3 --warmup 0.05

$(OUT)/untrained.predictions.jsonl: $(OUT)/det3d.jsonl | $(OUT)/tiny
	vstkit detect3d --model $(OUT)/tiny --max-new-tokens 64 $< -o $@

$(OUT)/trained.predictions.jsonl: $(OUT)/det3d.jsonl $(OUT)/sft
	vstkit detect3d --model $(OUT)/sft $< --draw $(OUT)/pictures -o $@

$(OUT)/%.scores.jsonl: $(OUT)/%.predictions.jsonl
	vstkit score --suite det3d $< -o $@
