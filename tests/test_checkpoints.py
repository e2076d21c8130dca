"""A run that is killed goes on as if nothing had been: checkpoints that are whole or absent, and exact resumption."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ranks
import tiny
from packed import SAMPLES, packed, pictures, write
from vstkit.errors import DataError, UsageError
from vstkit.models.chat import Chat
from vstkit.training import checkpoints, runs

# What a run does. Times and memory are of the machine.
CURVE = ("step", "epoch", "loss", "tasks", "lr", "vision_lr", "merger_lr", "grad_norm", "tokens", "trained", "samples")


# Files


def fill(folder: Path, text: str = "weights", parts: int = 3) -> None:
    (folder / "state").mkdir()
    for number in range(parts):
        (folder / "state" / f"{number}.pt").write_text(text * 1000)


def save(run: Path, step: int, text: str = "weights") -> Path:
    return checkpoints.write(run, step, lambda part: fill(part, text), lambda _: True, lambda: None)


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_the_newest_whole_checkpoint_is_found_and_cut_ones_are_named(tmp_path: Path) -> None:
    said: list[str] = []
    assert checkpoints.newest(tmp_path, said.append) is None
    paths = [save(tmp_path, step) for step in (5, 10, 100)]
    found = checkpoints.newest(tmp_path, said.append)
    assert found
    assert (found.path, found.about["step"], said) == (paths[2], 100, [])

    (paths[2] / "state" / "1.pt").write_text("we")
    (paths[1] / "complete.json").write_text('{"step": 10, "fi')
    found = checkpoints.newest(tmp_path, said.append)
    assert found
    assert found.path == paths[0]
    assert said == [
        f"{paths[2]}: not whole, left out: state/1.pt: expected 7000 bytes, got 2",
        f"{paths[1]}: not whole, left out: complete.json is cut",
    ]
    (paths[0] / "complete.json").unlink()
    assert checkpoints.newest(tmp_path, said.append) is None
    assert said[-1] == f"{paths[0]}: not whole, left out: complete.json is missing"


def test_old_and_cut_checkpoints_are_removed_but_never_the_last_whole_one(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save(tmp_path, step)
    (tmp_path / "checkpoints" / "step-00000004" / "state" / "0.pt").unlink()
    (tmp_path / "checkpoints" / ".step-00000005.part").mkdir()
    checkpoints.prune(tmp_path, keep=1)
    assert names(tmp_path) == ["step-00000003"]


def test_what_fails_while_writing_leaves_no_checkpoint(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        fill(part)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        checkpoints.write(tmp_path, 1, fail, lambda _: True, lambda: None)
    assert checkpoints.newest(tmp_path, print) is None
    save(tmp_path, 1)
    assert names(tmp_path) == ["step-00000001"]


def test_a_writer_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """A process writes checkpoint after checkpoint and is killed at a random moment, many times."""
    chance = random.Random(0)
    halves = 0
    for _ in range(40):
        child = os.fork()
        if child == 0:
            for step in range(1, 1000):
                save(tmp_path, step, f"{step:04d}")
                checkpoints.prune(tmp_path, keep=2)
        time.sleep(chance.uniform(0.001, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not (tmp_path / "checkpoints").exists():
            continue
        halves += any(name.startswith(".") for name in names(tmp_path))
        found = checkpoints.newest(tmp_path, lambda _: None)
        if found is None:
            assert len(names(tmp_path)) <= 1  # the first was not whole yet
        else:
            texts = {(found.path / "state" / f"{n}.pt").read_text() for n in range(3)}
            assert texts == {f"{found.about['step']:04d}" * 1000}
        shutil.rmtree(tmp_path / "checkpoints")
    assert halves > 3  # else this has not been a test


# Runs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory, root: str) -> str:
    """Four packs, one without pictures."""
    chat = Chat(tiny.model())
    records = [packed([record], chat, root)[0] for record in SAMPLES]
    return write(tmp_path_factory.mktemp("packs") / "packs.jsonl", records)


Begin = Callable[..., Path]


@pytest.fixture
def begin(packs: str, root: str) -> Begin:
    """Write the run.json of nine steps, every one of them saved."""

    def prepared(output: Path, **more: Any) -> Path:
        options = {"epochs": 3, "global_batch": 3, "max_steps": 9, "lr": 1e-3, "vision_lr": 1e-4, "zero": 2}
        options |= {"workers": 0, "save_every": 1, "root": root, **more}
        return runs.write_run(str(output), packs=[packs], model=str(tiny.model()), **options)

    return prepared


def curve(output: Path) -> list[dict[str, Any]]:
    log = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return [{name: entry[name] for name in CURVE if name in entry} for entry in log]


def weights(output: Path) -> bytes:
    return (output / "model.safetensors").read_bytes()


def after(output: Path, step: int) -> Callable[[], bool]:
    """Kill once that many steps are in the log."""
    return lambda: (output / "log.jsonl").exists() and (output / "log.jsonl").read_bytes().count(b"\n") >= step


def half_written(output: Path, step: int) -> Callable[[], bool]:
    """Kill when a checkpoint after that step is being written."""
    late = after(output, step)
    return lambda: late() and any((output / "checkpoints").glob(".*.part"))


def whole(begin: Begin, output: Path, world: int, **options: Any) -> Path:
    path = begin(output, processes=world, **options)
    assert ranks.run(path, world) == [0] * world, (output / "said").read_text()
    return output


def killed(begin: Begin, output: Path, world: int, kills: list[Callable[[], bool]], **options: Any) -> int:
    """Kill a run as `kills` say, resume it each time, and let it end; returns how often a half checkpoint was left."""
    halves = 0
    for number, kill in enumerate(kills):
        path = begin(output, processes=world, resume=number > 0, **options)
        statuses = ranks.run(path, world, kill)
        assert statuses == [-signal.SIGKILL] * world, (output / "said").read_text()
        assert not runs.finished(str(output))
        halves += any((output / "checkpoints").glob(".*.part"))
    path = begin(output, processes=world, resume=True, **options)
    assert ranks.run(path, world) == [0] * world, (output / "said").read_text()
    return halves


@pytest.mark.parametrize(("world", "zero"), [(1, 2), (2, 3)])
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path, begin: Begin, world: int, zero: int) -> None:
    options = {"zero": zero, "max_steps": 6}
    expected = whole(begin, tmp_path / "whole", world, save_every=0, **options)
    output = tmp_path / "killed"
    # The resumed processes read their pictures ahead, which has to start at the right pack as well.
    halves = killed(begin, output, world, [after(output, 1), half_written(output, 3)], workers=1, **options)
    assert halves
    assert curve(output) == curve(expected)
    assert weights(output) == weights(expected)
    assert names(output) == ["step-00000005", "step-00000006"]


def test_a_run_killed_after_its_last_step_still_gets_its_model(tmp_path: Path, begin: Begin) -> None:
    output = whole(begin, tmp_path / "run", 1, max_steps=2)
    expected, log = weights(output), (output / "log.jsonl").read_bytes()
    for name in ("config.json", "model.safetensors"):
        (output / name).unlink()
    whole(begin, output, 1, max_steps=2, resume=True)
    assert weights(output) == expected
    assert (output / "log.jsonl").read_bytes() == log


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize(
    ("zero", "more"),
    [
        (0, {}),
        (1, {}),
        (2, {"gradient_checkpointing": True, "loss_weight": "sqrt"}),
        (3, {"freeze": ["vision"]}),
        (3, {"lora": 4}),
        (0, {"dtype": "bfloat16"}),
        (1, {"dtype": "bfloat16"}),
        (2, {"dtype": "bfloat16"}),
        (3, {"dtype": "bfloat16"}),
    ],
)
def test_killed_five_times(tmp_path: Path, begin: Begin, world: int, zero: int, more: dict[str, Any]) -> None:
    """At five random steps, at one of them while a checkpoint is being written."""
    expected = whole(begin, tmp_path / "whole", world, zero=zero, save_every=0, **more)
    output = tmp_path / "killed"
    steps = sorted(random.Random(f"{world} {zero} {more}").sample(range(9), 5))
    kills = [(half_written if number == 3 else after)(output, step) for number, step in enumerate(steps)]
    killed(begin, output, world, kills, zero=zero, save_every=1 if world == 1 else 2, **more)
    assert curve(output) == curve(expected)
    assert weights(output) == weights(expected)


def test_a_cut_checkpoint_is_skipped_and_other_processes_take_the_weights(
    tmp_path: Path, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    """From two processes to one, at ZeRO 3, where no process has the weights."""
    output = tmp_path / "run"
    path = begin(output, processes=2, zero=3, save_every=2)
    assert ranks.run(path, 2, after(output, 7)) == [-signal.SIGKILL] * 2
    first = curve(output)
    for shard in sorted((output / "checkpoints" / "step-00000006" / "state").glob("*optim*"))[:1]:
        os.truncate(shard, 1000)
    with pytest.raises(UsageError, match=r"--resume: processes: the checkpoint has 2, not 1: --weights-only"):
        begin(output, resume=True, zero=3)
    assert "step-00000006: not whole, left out: state/" in caplog.text
    path = begin(output, resume=True, weights_only=True, zero=2)
    assert ranks.run(path) == [0], (output / "said").read_text()
    second = curve(output)
    assert [entry["step"] for entry in second] == list(range(1, 10))
    assert second[:4] == first[:4]
    # The fifth step asks the same of the same weights; what AdamW makes of it has forgotten the four before.
    assert second[4] == {
        **first[4],
        **{name: pytest.approx(first[4][name], rel=1e-5) for name in ("loss", "grad_norm")},
        "tasks": pytest.approx(first[4]["tasks"], rel=1e-5),
    }
    assert second[5]["loss"] != first[5]["loss"]
    assert second[5]["loss"] == pytest.approx(first[5]["loss"], abs=1.0)


def test_the_folder_holds_all_that_a_model_needs(tmp_path: Path, begin: Begin) -> None:
    import torch
    import transformers
    from safetensors.torch import load_file

    from vstkit.models import loading

    output = whole(begin, tmp_path / "run", 2, zero=3, max_steps=2)
    model = loading.load(output, device="cpu")
    stock = transformers.Qwen2_5_VLForConditionalGeneration.from_pretrained(output)
    assert all((a == b).all() for a, b in zip(model.parameters(), stock.parameters(), strict=True))
    before = loading.load(tiny.model(), device="cpu").state_dict()
    after = load_file(output / "model.safetensors")
    assert after.keys() == load_file(tiny.model() / "model.safetensors").keys()
    assert sum(bool((before[name] != value).any()) for name, value in model.state_dict().items()) > 0.9 * len(before)
    assert Chat(output).fingerprint == Chat(tiny.model()).fingerprint
    assert transformers.AutoTokenizer.from_pretrained(output).chat_template
    assert (output / "preprocessor_config.json").read_bytes() == (
        tiny.model() / "preprocessor_config.json"
    ).read_bytes()
    assert not (output / ".model").exists()
    # Every checkpoint is a model too.
    step = output / "checkpoints" / "step-00000001" / "model"
    assert Chat(step).fingerprint == Chat(output).fingerprint
    early = loading.load(step, device="cpu").state_dict()
    assert any(bool((early[name] != value).any()) for name, value in model.state_dict().items())
    assert isinstance(early["lm_head.weight"], torch.Tensor)

    run = json.loads((output / "run.json").read_text())
    assert (run["zero"], run["processes"], run["max_steps"], run["lr"]) == (3, 2, 2, 1e-3)
    assert set(run["versions"]) == {"vstkit", "python", "torch", "transformers", "deepspeed", "numpy"}
    assert [len(digest) for digest in [run["digests"]["model"], *run["digests"]["packs"]]] == [64, 64]
    assert run["git"] is None or len(run["git"].removesuffix("+")) == 40


@pytest.fixture
def started(tmp_path: Path, begin: Begin) -> Path:
    """A run's folder with a checkpoint after four steps, as if by one process."""
    begin(tmp_path / "run")
    about = {"processes": 1, "zero": 2, "dtype": None}
    checkpoints.write(tmp_path / "run", 4, fill, lambda _: True, lambda: None, about=about)
    return tmp_path / "run"


def test_a_run_goes_on_only_as_it_began(started: Path, begin: Begin, root: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds checkpoints of a run: --resume goes on with it"):
        begin(started)
    with pytest.raises(UsageError, match="--weights-only: goes with --resume"):
        begin(started, weights_only=True)
    for name, value in (("lr", 2e-3), ("seed", 1), ("global_batch", 2), ("loss_weight", "sample"), ("lora", 2)):
        with pytest.raises(UsageError, match=rf"--resume: {name}: the run has .*, not {value}"):
            begin(started, resume=True, **{name: value})
    other = write(tmp_path / "packs.jsonl", packed(SAMPLES[:2], Chat(tiny.model()), root))
    with pytest.raises(UsageError, match="--resume: packs or model differ from the run's"):
        runs.write_run(
            str(started), packs=[other], model=str(tiny.model()), resume=True, epochs=3, global_batch=3, max_steps=9,
            lr=1e-3, vision_lr=1e-4,
        )  # fmt: skip
    with pytest.raises(UsageError, match="zero: the checkpoint has 2, not 3: --weights-only"):
        begin(started, resume=True, zero=3)
    run = json.loads(begin(started, resume=True, workers=2, save_every=7, keep=5).read_text())
    path = str(started / "checkpoints" / "step-00000004")
    assert run["resume"] == {"checkpoint": path, "step": 4, "weights_only": False}

    (started / "config.json").write_text("{}")
    for resume in (False, True):
        with pytest.raises(DataError, match="already holds a trained model"):
            begin(started, resume=resume)


def test_a_run_without_a_checkpoint_begins(tmp_path: Path, begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    run = json.loads(begin(tmp_path / "run", resume=True).read_text())
    assert run["resume"] is None
    assert "no checkpoint to go on from: the run begins" in caplog.text
