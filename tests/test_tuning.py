"""What a step does to the weights: whose rates, which parts, how samples are weighed, over how many processes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranks
import tiny
from packed import SAMPLES, packed, pictures, write
from vstkit.errors import UsageError
from vstkit.models.chat import Chat
from vstkit.training import data, lora, losses, parts, runs

# Names as transformers writes them for Qwen2.5-VL.
VISION, MERGER, LLM = "visual.blocks", "visual.merger", "model.layers"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def records(root: str) -> list[dict[str, Any]]:
    """Two packs of one sample, and one of two."""
    chat = Chat(tiny.model())
    return [packed(group, chat, root)[0] for group in (SAMPLES[1:2], SAMPLES[3:], SAMPLES[:3:2])]


Tune = Callable[..., Path]


@pytest.fixture
def tune(tmp_path: Path, records: list[dict[str, Any]], root: str) -> Tune:
    """One step over all packs, or more; returns the run's folder."""

    def tuned(name: str = "run", **options: Any) -> Path:
        packs = write(tmp_path / "packs.jsonl", records)
        options = {"max_steps": 1, "global_batch": 3, "warmup": 0.0, "workers": 0, "save_every": 0, **options}
        world = options.get("processes", 1)
        path = runs.write_run(str(tmp_path / name), packs=[packs], model=str(tiny.model()), root=root, **options)
        assert ranks.run(path, world) == [0] * world, (path.parent / "said").read_text()
        assert (path.parent / "said").read_text() == ""
        return path.parent

    return tuned


def log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def state(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def moves(output: Path) -> dict[str, np.ndarray[Any, Any]]:
    """How far every weight has gone."""
    before, after = state(tiny.model()), state(output)
    assert before.keys() == after.keys()
    return {name: np.abs(after[name] - before[name]) for name in before}


def typical(moved: dict[str, np.ndarray[Any, Any]], part: str) -> float:
    """The largest move of a part's weights that is usual: AdamW's first step goes by the rate, whatever the gradient,
    where that is not nearly zero."""
    return float(np.quantile(np.concatenate([m.ravel() for name, m in moved.items() if name.startswith(part)]), 0.9))


@pytest.mark.parametrize("zero", [0, 2, 3])
def test_each_part_moves_by_its_own_rate(tune: Tune, zero: int) -> None:
    output = tune(lr=4e-3, vision_lr=2e-4, merger_lr=6e-4, zero=zero)
    moved = moves(output)
    for part, rate in (
        (LLM, 4e-3),
        ("lm_head", 4e-3),
        (VISION, 2e-4),
        ("visual.patch_embed", 2e-4),
        (MERGER, 6e-4),
    ):
        assert typical(moved, part) == pytest.approx(rate, rel=0.01), part
    (entry,) = log(output)
    assert (entry["lr"], entry["vision_lr"], entry["merger_lr"]) == (4e-3, 2e-4, 6e-4)


def test_the_merger_learns_with_the_vision_tower_and_matrices_decay(
    tune: Tune, records: list[dict[str, Any]], root: str
) -> None:
    """Weight decay alone moves a weight by rate x decay x itself: seen where there is no gradient."""
    moved, before = moves(tune(lr=1e-3, vision_lr=5e-4, weight_decay=0.5)), state(tiny.model())
    assert typical(moved, MERGER) == pytest.approx(5e-4, rel=0.02)
    chat = Chat(tiny.model())
    used = {token for record in records for sample in record["samples"] for token in chat.encode(sample, root).ids}
    words = "model.embed_tokens.weight"
    idle = [row for row in range(len(before[words])) if row not in used]
    assert len(idle) > 500
    assert moved[words][idle] == pytest.approx(np.abs(before[words][idle]) * 1e-3 * 0.5, abs=1e-8)
    assert float(np.median(moved["model.norm.weight"])) == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize(
    ("frozen", "zero"), [(["vision"], 2), (["llm"], 3), (["vision", "merger"], 0), (["merger"], 1)]
)
def test_frozen_parts_do_not_move(tune: Tune, frozen: list[str], zero: int) -> None:
    output = tune(lr=1e-3, vision_lr=1e-3, freeze=frozen, zero=zero, processes=2)
    moved = moves(output)
    for name, move in moved.items():
        part = parts.part_of(name)
        if part in frozen:
            assert not move.any(), name
        else:
            assert move.any(), name
    assert {name for name in ("lr", "vision_lr", "merger_lr") if name in log(output)[0]} == {
        rate for part, rate in parts.RATES.items() if part not in frozen
    }


@pytest.mark.parametrize(("arch", "zero", "world"), [("qwen2_5_vl", 3, 2), ("qwen3_vl", 2, 1)])
def test_adapters_are_merged_into_what_is_written(tmp_path: Path, root: str, arch: str, zero: int, world: int) -> None:
    """Only linear layers that are not frozen move, each by a matrix of at most the rank; the model that is written has
    the loss that the run had."""
    model = tiny.model(arch)
    chat = Chat(model)
    packs = write(tmp_path / "packs.jsonl", packed(SAMPLES, chat, root))
    options: dict[str, Any] = {"lr": 2e-2, "vision_lr": 2e-2, "warmup": 0.0, "workers": 0, "save_every": 0}
    options |= {"lora": 2, "freeze": ["vision"], "zero": zero, "processes": world, "global_batch": 1, "root": root}
    path = runs.write_run(str(tmp_path / "run"), packs=[packs], model=str(model), max_steps=4, eval=[packs], **options)
    assert ranks.run(path, world) == [0] * world, (path.parent / "said").read_text()
    before, after = state(model), state(path.parent)
    assert before.keys() == after.keys()
    moved = [name for name in before if (before[name] != after[name]).any()]
    assert {parts.part_of(name) for name in moved} == {"llm", "merger"}
    assert all(name.endswith("proj.weight") or "merger" in name for name in moved)
    assert sum(name.endswith("_proj.weight") for name in moved) == 2 * 7
    for name in moved:
        shares = np.linalg.svd(after[name] - before[name], compute_uv=False)
        assert shares[2] < 1e-4 * shares[0], name

    from vstkit.models import loading
    from vstkit.training import attention

    last = log(path.parent)[-1]
    (record,) = packed(SAMPLES, chat, root)
    batch, _ = data.prepare(record, chat, data.Pixels(model, root), root)
    merged = loading.load(path.parent, device="cpu", attention=attention.register())
    assert losses.loss_sum(merged, batch).item() / record["targets"] == pytest.approx(last["eval_loss"], rel=1e-5)
    assert last["eval_loss"] < log(path.parent)[0]["loss"] - 0.1


def test_an_adapter_begins_as_nothing() -> None:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 4, bias=False))
    x = torch.randn(3, 6)
    before, names = model(x), {name: value.clone() for name, value in model.state_dict().items()}
    assert lora.adapt(model, 2, lambda name: name == "0") == ["0"]
    assert (model(x) == before).all()
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"0.lora_down", "0.lora_up"}
    plain = lora.merged(dict(model.named_parameters()))
    assert plain.keys() == names.keys()
    assert all((plain[name] == names[name]).all() for name in names)
    with torch.no_grad():
        model[0].lora_up.normal_()
    again = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 4, bias=False))
    again.load_state_dict(lora.merged(dict(model.named_parameters())))
    assert torch.allclose(again(x), model(x), atol=1e-6)


# How samples are weighed


def nats(records: list[dict[str, Any]], root: str) -> list[list[tuple[float, int]]]:
    """Summed loss and trained tokens of every sample of every pack, each in a forward pass of its own."""
    from vstkit.models import loading
    from vstkit.training import attention

    chat = Chat(tiny.model())
    pixels = data.Pixels(chat.folder, root)
    model = loading.load(tiny.model(), device="cpu", attention=attention.register())

    def alone(sample: dict[str, Any]) -> tuple[float, int]:
        (record,) = packed([sample], chat, root)
        return losses.loss_sum(model, data.collate(record, chat, pixels, root)).item(), record["targets"]

    return [[alone(sample) for sample in record["samples"]] for record in records]


def closed_form(found: list[list[tuple[float, int]]], weighting: str) -> float:
    samples = list(chain.from_iterable(found))
    if weighting == "token":
        return sum(spent for spent, _ in samples) / sum(n for _, n in samples)
    if weighting == "micro-mean":
        return sum(sum(s for s, _ in pack) / sum(n for _, n in pack) for pack in found) / len(found)
    if weighting == "sample":
        return sum(spent / n for spent, n in samples) / len(samples)
    return sum(spent / math.sqrt(n) for spent, n in samples) / sum(math.sqrt(n) for _, n in samples)


@pytest.mark.parametrize("weighting", sorted(losses.WEIGHTS))
def test_the_loss_is_weighed_as_it_says(tune: Tune, records: list[dict[str, Any]], root: str, weighting: str) -> None:
    expected = closed_form(nats(records, root), weighting)
    (entry,) = log(tune(loss_weight=weighting, processes=2, zero=2))
    assert entry["loss"] == pytest.approx(expected, rel=1e-5)
    others = {closed_form(nats(records, root), other) for other in losses.WEIGHTS}
    assert len({round(value, 4) for value in others}) == len(losses.WEIGHTS)  # else this would not tell them apart


@pytest.mark.parametrize("weighting", sorted(losses.WEIGHTS))
def test_the_gradient_is_that_of_the_loss(tune: Tune, records: list[dict[str, Any]], root: str, weighting: str) -> None:
    """The norm in the log is that of the closed form's gradient, made by torch out of a single forward pass a pack."""
    import torch

    from vstkit.models import loading
    from vstkit.training import attention

    chat = Chat(tiny.model())
    pixels = data.Pixels(chat.folder, root)
    model = loading.load(tiny.model(), device="cpu", attention=attention.register()).train()
    total, divisor = torch.zeros(()), 0.0
    power = {"sample": 1.0, "sqrt": 0.5}.get(weighting)
    for record in records:
        for sample in record["samples"]:
            (single,) = packed([sample], chat, root)
            spent, n = losses.loss_sum(model, data.collate(single, chat, pixels, root)), single["targets"]
            if weighting == "micro-mean":
                total, divisor = total + spent / record["targets"], divisor + n / record["targets"]
            else:
                total, divisor = total + spent / n ** (power or 0), divisor + n ** (1 - (power or 0))
    (total / divisor).backward()
    norm = float(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm())
    (entry,) = log(tune(loss_weight=weighting, zero=0))
    assert entry["loss"] == pytest.approx((total / divisor).item(), rel=1e-5)
    assert entry["grad_norm"] == pytest.approx(norm, rel=1e-4)


# How a step is shared


@pytest.mark.parametrize("world", [1, 2, 3, 4, 7, 8, 16])
@pytest.mark.parametrize("global_batch", [1, 2, 5, 8, 128])
def test_a_step_has_every_pack_once_whatever_the_processes(world: int, global_batch: int) -> None:
    from vstkit.training import worker

    run = {"max_steps": None, "epochs": 2, "global_batch": global_batch, "seed": 0}
    plan = worker.planned(run, 13)
    assert [len(step) for _, step in plan[: len(plan) // 2]] == [global_batch] * (13 // global_batch) + (
        [13 % global_batch] if 13 % global_batch else []
    )
    size = math.ceil(min(global_batch, 13) / world)
    for _, step in plan:
        shares = [data.share(step, rank, world, size) for rank in range(world)]
        assert {len(share) for share in shares} == {size}
        assert sorted(n for n in chain.from_iterable(shares) if n is not None) == sorted(step)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
@pytest.mark.parametrize("global_batch", [1, 2, 3])
def test_processes_and_accumulation_make_no_difference(tune: Tune, zero: int, global_batch: int) -> None:
    """Packs a process: 1 to 3, the last of them with nothing to do."""
    options = {"zero": zero, "global_batch": global_batch, "max_steps": 4, "lr": 1e-3, "vision_lr": 1e-4}
    alone = log(tune("alone", **options))
    for world in (2, 3):
        for a, b in zip(alone, log(tune(f"with {world}", processes=world, **options)), strict=True):
            assert [a[n] for n in ("tokens", "trained", "samples")] == [b[n] for n in ("tokens", "trained", "samples")]
            assert [b[n] for n in ("loss", "grad_norm")] == pytest.approx(
                [a[n] for n in ("loss", "grad_norm")], rel=2e-4
            )


def test_every_stage_of_zero_takes_the_same_steps(tune: Tune) -> None:
    """Stage 0 too, whose gradients DeepSpeed neither clips nor measures. In bfloat16 they agree roughly."""
    options = {"max_steps": 3, "lr": 2e-3, "vision_lr": 2e-3, "global_batch": 2}
    first = log(tune("0", zero=0, **options))
    assert any(entry["grad_norm"] > 1.5 for entry in first)  # so that clipping matters
    for zero in (1, 2, 3):
        for a, b in zip(first, log(tune(str(zero), zero=zero, **options)), strict=True):
            assert [b[n] for n in ("loss", "grad_norm")] == pytest.approx(
                [a[n] for n in ("loss", "grad_norm")], rel=1e-4
            )
    for zero in (0, 1, 2, 3):
        for a, b in zip(first, log(tune(f"b{zero}", zero=zero, dtype="bfloat16", **options)), strict=True):
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-2)
            assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=0.1)


def test_bfloat16_is_what_is_written(tune: Tune) -> None:
    import torch
    from safetensors.torch import load_file

    for zero in (0, 2):
        output = tune(f"run{zero}", zero=zero, dtype="bfloat16")
        assert {value.dtype for value in load_file(output / "model.safetensors").values()} == {torch.bfloat16}
        assert json.loads((output / "config.json").read_text())["dtype"] == "bfloat16"


# Options


def test_stages_are_the_papers_and_options_beat_them(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    packs = write(tmp_path / "packs.jsonl", records)

    def written(**options: Any) -> dict[str, Any]:
        path = runs.write_run(str(tmp_path / "run"), packs=[packs], model=str(tiny.model()), **options)
        return dict(json.loads(path.read_text()))

    shared = {"global_batch": 128, "warmup": 0.03}
    sft, cold = written(), written(stage="coldstart")
    assert sft.items() >= {"lr": 5e-5, "vision_lr": 5e-6, "merger_lr": 5e-6, "epochs": 1, **shared}.items()
    assert cold.items() >= {"lr": 1e-5, "vision_lr": 1e-6, "merger_lr": 1e-6, "epochs": 2, **shared}.items()
    mixed = written(stage="coldstart", lr=3e-5, epochs=1, merger_lr=2e-5)
    assert mixed.items() >= {"lr": 3e-5, "vision_lr": 1e-6, "merger_lr": 2e-5, "epochs": 1}.items()
    assert written(vision_lr=0.0)["vision_lr"] == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_weight": "word"}, "--loss-weight: expected one of token, micro-mean, sample, sqrt, got word"),
        ({"freeze": ["vision", "head"]}, "--freeze: expected one of llm, vision, merger, got head"),
        ({"freeze": ["llm", "merger", "vision"]}, "--freeze: nothing is left to learn"),
        ({"stage": "rl"}, "--stage: expected one of sft, coldstart, got rl"),
        ({"dtype": "float16"}, "--dtype: expected one of bfloat16, float32, got float16"),
        ({"track": ["wandb"]}, "--track: wandb is not installed"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        runs.write_run(str(tmp_path / "run"), packs=[], model=str(tiny.model()), **options)
    assert not (tmp_path / "run").exists()
