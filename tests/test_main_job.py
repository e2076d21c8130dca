"""The main job through the installed program: scenes to samples to packs to a tuned model to boxes to a score."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import tiny
from support import DATA, PROGRAM, environment, run


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def shell(command: str, cwd: Path) -> str:
    """Run a pipeline as a user would type it; it must succeed. Returns what it said on standard error."""
    env = environment({"VSTKIT_ROOT": str(DATA), "DS_ACCELERATOR": "cpu"})
    env["PATH"] = f"{PROGRAM.parent}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
def test_the_main_job(tmp_path: Path) -> None:
    model = tiny.model("qwen2_5_vl")
    said = shell(
        f"vstkit check --files {DATA}/scenes.jsonl | vstkit fov-unify"
        " | vstkit gen-depth -k --tasks depth-nearest --per-view 1 | vstkit gen-det3d --tasks det3d -o samples.jsonl",
        tmp_path,
    )
    assert "vstkit gen-depth: " in said
    assert "vstkit gen-det3d: " in said
    samples = lines(tmp_path / "samples.jsonl")
    assert {s["task"] for s in samples} == {"depth-nearest", "det3d"}
    said = shell(f"vstkit pack --model {model} --length 2048 samples.jsonl -o packs.jsonl", tmp_path)
    packs = lines(tmp_path / "packs.jsonl")
    assert sum(len(p["samples"]) for p in packs) == len(samples)
    assert max(p["length"] for p in packs) <= 2048
    assert f"{len(samples)} samples" in said
    sft = f"vstkit sft packs.jsonl --model {model} -o run --max-steps 4 --global-batch 2 --lr 1e-3"
    shell(f"{sft} --dry-run > command; {sft}", tmp_path)
    assert "vstkit.training.worker run/run.json" in (tmp_path / "command").read_text()
    log = lines(tmp_path / "run" / "log.jsonl")
    assert [entry["step"] for entry in log] == [1, 2, 3, 4]
    assert log[-1]["loss"] < log[0]["loss"]
    shell('grep \'"task":"det3d"\' samples.jsonl > det3d.jsonl', tmp_path)
    detect = "vstkit detect3d --model run --max-new-tokens 24 det3d.jsonl --draw pictures"
    shell(f"{detect} | tee predictions.jsonl | vstkit score --suite det3d > scores.jsonl", tmp_path)
    asked, told = lines(tmp_path / "det3d.jsonl"), lines(tmp_path / "predictions.jsonl")
    assert [(s["id"], s["answer"]) for s in asked] == [(p["id"], p["answer"]) for p in told]
    assert all(p["kind"] == "prediction" and isinstance(p["response"], str) for p in told)
    scores = {s["metric"]: s["value"] for s in lines(tmp_path / "scores.jsonl")}
    assert 0 <= scores["AP15"] <= 1
    (view,) = {s["images"][0]["path"] for s in asked}
    with Image.open(tmp_path / "pictures" / f"{Path(view).stem}.png") as picture:
        assert list(picture.size) == asked[0]["meta"]["size"]
    # A model that was trained here is not overwritten, and packs of one model are not trained on another.
    again = run(*sft.split()[1:], cwd=tmp_path, env={"VSTKIT_ROOT": str(DATA)})
    assert (again.returncode, again.stdout) == (1, b"")
    assert b"already holds a trained model" in again.stderr


def test_one_picture(tmp_path: Path) -> None:
    """The first thing that a visitor tries."""
    argv = [
        "detect3d",
        DATA / "plain.jpg",
        "--model",
        tiny.model("qwen2_5_vl"),
        "--labels",
        "chair,table",
        "--hfov",
        "69",
    ]
    done = run(*argv, "--max-new-tokens", "16", "--draw", tmp_path / "out.png")
    assert (done.returncode, done.stderr) == (0, b"")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [p["meta"]["labels"] for p in told] == [["chair"], ["table"]]
    with Image.open(tmp_path / "out.png") as picture:
        assert list(picture.size) == told[0]["meta"]["size"]
    assert run(*argv[:2], "--model", tmp_path, "--labels", "chair").stderr.count(b"\n") <= 2
