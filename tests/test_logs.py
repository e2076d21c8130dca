"""What a run tells: its log, the held-out loss, how much arithmetic it did, curves, trackers."""

from __future__ import annotations

import json
import math
import sys
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranks
import tiny
from packed import SAMPLES, packed, pictures, sample, write
from vstkit.errors import DataError
from vstkit.models.chat import Chat
from vstkit.training import curves, data, flops, logs, losses, runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pictures(tmp_path_factory.mktemp("images"))


def test_a_log_goes_on_where_the_checkpoint_is(tmp_path: Path) -> None:
    log = logs.Log(tmp_path)
    for step in range(1, 6):
        log.write({"step": step, "loss": 1.0 / step})
    log.write({"step": 5, "eval_loss": 3.0})
    log.close()
    whole = (tmp_path / "log.jsonl").read_bytes()
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'{"step":6,"lo')
    assert [entry["step"] for entry in logs.entries(tmp_path)] == [1, 2, 3, 4, 5, 5]
    logs.Log(tmp_path, 5).close()
    assert (tmp_path / "log.jsonl").read_bytes() == whole
    log = logs.Log(tmp_path, 3)
    log.write({"step": 4, "loss": 7.0})
    log.close()
    assert [entry["step"] for entry in logs.entries(tmp_path)] == [1, 2, 3, 4]
    logs.Log(tmp_path).close()
    assert logs.entries(tmp_path) == []
    assert logs.entries(tmp_path / "none") == []


def test_two_runs_do_not_write_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "PATIENCE", 0.1)
    log = logs.Log(tmp_path)
    with pytest.raises(DataError, match="another run is writing to it"):
        logs.Log(tmp_path)
    log.close()
    logs.Log(tmp_path).close()


def test_the_live_line_and_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.Log(tmp_path, 8, run={"progress": True}, steps=10)
    entry = {"loss": 1.5, "tokens_per_s": 12345.6, "mfu": 0.431, "wait": 0.2}
    log.write({"step": 9, **entry, "lost": ["packs.jsonl:3: samples[1]: gone"]})
    log.write({"step": 9, "eval_loss": 2.0})
    log.write({"step": 10, **entry})
    log.close()
    said = capsys.readouterr().err
    shown = "loss 1.5000  12,346 tok/s  MFU 43%  data wait 20%  0:00:00 left"
    clear = "\r\033[K"
    assert said == (
        f"{clear}vstkit sft: left out: packs.jsonl:3: samples[1]: gone\n"
        f"{clear}step 9/10  {shown}{clear}step 10/10  {shown}\n"
    )


def test_trackers_are_told_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    class Run:
        def log(self, numbers: dict[str, float], step: int) -> None:
            told.append((step, numbers))

        def finish(self) -> None:
            told.append("end")

    def init(**options: Any) -> Run:
        told.append(options)
        return Run()

    wandb = types.ModuleType("wandb")
    wandb.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    run = {"track": ["wandb"], "id": "0123"}
    log = logs.Log(tmp_path, run=run)
    log.write({"step": 1, "loss": 2.0, "tasks": {"det3d": 1.0}, "lost": ["why"]})
    log.write({"step": 1, "eval_loss": 3.0, "eval_tasks": {"det3d": 4.0}})
    log.close()
    assert told[0]["id"] == "0123"
    assert told[1:] == [
        (1, {"loss": 2.0, "loss/det3d": 1.0}), (1, {"eval_loss": 3.0, "eval_loss/det3d": 4.0}), "end"
    ]  # fmt: skip


def test_curves_are_drawn(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = [
        {"step": s, "loss": 3 / s, "tasks": {"a": 2 / s, "b": 1.0}, "lr": 1e-5 * s, "vision_lr": 1e-6, "grad_norm": 1.0,
         "tokens_per_s": 100.0, "fill": 0.9, "wait": 0.1, "memory_gib": 3.0} for s in range(1, 50)
    ]  # fmt: skip
    entries += [{"step": 20, "eval_loss": 0.5, "eval_tasks": {"a": 0.4}}]
    found = curves.curves(entries)
    assert found["loss"][:2] == [(1, 3.0), (2, 1.5)]
    assert found["eval_loss/a"] == [(20, 0.4)]
    image = curves.plot(entries)
    assert image.size == (2 * curves.WIDE, 4 * curves.HIGH)
    # The loss falls from the upper left to the lower right of the first panel.
    blue = np.argwhere((np.asarray(image)[: curves.HIGH, : curves.WIDE] == curves.COLOURS[0]).all(axis=2))
    blue = blue[blue[:, 0] > curves.TOP - 2]
    down, across = blue[:, 0], blue[:, 1]
    assert down[across < across.min() + 5].min() < curves.TOP + 20
    assert down[across > across.max() - 5].min() > curves.HIGH - curves.BOTTOM - 50
    assert curves.plot(entries[:1]).size[0] == 2 * curves.WIDE
    with pytest.raises(ValueError, match="empty log"):
        curves.plot([])


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (6.91, 6.93), (1e-7, 5e-5), (0, 16384), (-3, 40), (2.0, 2.0)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    found = curves.ticks(low, high)
    assert 1 <= len(found) <= 5
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in found)
    steps = {f"{b - a:.2g}" for a, b in pairwise(found)}
    assert len(steps) <= 1
    assert all(step[0] in "125" for step in (f"{float(s):e}" for s in steps))


@pytest.mark.parametrize("learning", [{"llm", "vision", "merger"}, {"llm"}, {"merger"}, {"vision", "merger"}])
def test_the_arithmetic_is_what_torch_counts(tiny_model: Path, root: str, learning: set[str]) -> None:
    """Against torch's own counter of what is executed, in which causal attention is computed whole."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from vstkit.models import loading
    from vstkit.training import attention, parts

    chat = Chat(tiny_model)
    model = loading.load(tiny_model, device="cpu", attention=attention.register()).train()
    parts.freeze(model, {"llm", "vision", "merger"} - learning)
    (record,) = packed(SAMPLES, chat, root)
    batch = data.collate(record, chat, data.Pixels(tiny_model, root), root)
    with FlopCounterMode(display=False) as counter:
        losses.loss_sum(model, batch).backward()
    lengths = [chat.encode(sample, root).length for sample in record["samples"]]
    found = flops.Arithmetic.of(model, learning)
    ours = found.pack(lengths, record["targets"], batch["image_grid_thw"].tolist())
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.1)
    assert torch.is_grad_enabled()


def test_peaks_are_found_by_name() -> None:
    assert flops.peak("NVIDIA H200") == 989e12
    assert flops.peak("NVIDIA H100 PCIe") == 756e12
    assert flops.peak("NVIDIA A100-SXM4-80GB") == 312e12
    assert flops.peak("an unknown device") is None


def test_a_run_tells_its_tasks_its_held_out_loss_and_what_it_lost(tmp_path: Path, root: str) -> None:
    from vstkit.models import loading
    from vstkit.training import attention

    chat = Chat(tiny.model())
    (good,) = packed(SAMPLES[:2], chat, root)
    (other,) = packed(SAMPLES[3:], chat, root)
    lost = sample("lost", ["gone.png"], "Where?", "here")
    bad = {**other, "samples": [*other["samples"], lost], "length": other["length"] + 50}
    packs = write(tmp_path / "packs.jsonl", [good, bad])
    held_out = write(tmp_path / "held.jsonl", packed(SAMPLES[:3:2], chat, root) + packed(SAMPLES[1:2], chat, root))
    path = runs.write_run(
        str(tmp_path / "run"), packs=[packs], model=str(tiny.model()), root=root, eval=[held_out], eval_every=2,
        max_steps=3, global_batch=2, workers=1, lr=1e-3, processes=2, warmup=0.0,
    )  # fmt: skip
    assert ranks.run(path, 2) == [0, 0], (path.parent / "said").read_text()
    first, second, held, last, end = logs.entries(path.parent)
    assert [entry["step"] for entry in (first, second, held, last, end)] == [1, 2, 2, 3, 3]

    model = loading.load(tiny.model(), device="cpu", attention=attention.register())
    pixels = data.Pixels(tiny.model(), root)

    def mean(samples: list[dict[str, Any]]) -> float:
        (record,) = packed(samples, chat, root)
        return losses.loss_sum(model, data.collate(record, chat, pixels, root)).item() / record["targets"]

    trained = [SAMPLES[0], SAMPLES[1], SAMPLES[3]]
    assert first["loss"] == pytest.approx(mean(trained), rel=1e-5)
    assert first["tasks"] == pytest.approx({s["task"]: mean([s]) for s in trained}, rel=1e-5)
    assert (first["samples"], first["left_out"]) == (3, 1)
    assert first["tokens"] == sum(chat.encode(s, root).length for s in trained)
    (reason,) = first["lost"]
    assert reason.startswith(f"{packs}:2: samples[1].images[0]: ")
    assert (path.parent / "said").read_text().splitlines() == [f"vstkit sft: left out: {reason}"] * 3
    assert 0 < first["fill"] <= 1
    assert 0 <= first["wait"] < 1
    assert first["memory_gib"] > 0.05
    assert first["tokens_per_s"] == pytest.approx(first["tokens"] / first["seconds"], rel=0.01)
    assert "mfu" not in first  # nobody knows what a CPU can do

    model = loading.load(path.parent, device="cpu", attention=attention.register())
    assert end["eval_loss"] == pytest.approx(mean(SAMPLES[:3]), rel=1e-5)
    assert end["eval_tasks"] == pytest.approx({s["task"]: mean([s]) for s in SAMPLES[:2]}, rel=1e-5)
    assert end["eval_loss"] < held["eval_loss"]
    assert math.isfinite(held["eval_loss"])
    assert json.loads(path.read_text())["eval_digests"]
