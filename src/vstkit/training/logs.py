"""What a run says of itself: log.jsonl, a live line on a terminal, and trackers where they are installed."""

from __future__ import annotations

import fcntl
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from vstkit.errors import DataError

NAME = "log.jsonl"
PATIENCE = 10.0  # seconds: readers of pictures outlive a killed process, and hold its files, for about half of that
CLEAR = "\r\033[K"  # what stands on the terminal's last line
Entry = dict[str, Any]


class Log:
    """The log of the run in `folder`, going on after `step` steps: what an earlier run wrote beyond them is cut.

    Every line is in the file when `write` returns. Raises DataError while another run writes to the folder.
    """

    def __init__(self, folder: Path, step: int = 0, *, run: Entry | None = None, steps: int = 0) -> None:
        self._file = (folder / NAME).open("a+b")
        try:
            self._lock(folder)
            self._cut(step)
        except BaseException:
            self._file.close()
            raise
        run = run or {}
        self._steps = steps if run.get("progress") else 0
        self._trackers = [TRACKERS[name](folder, step, run) for name in run.get("track", ())]
        self._start = time.perf_counter(), step

    def _lock(self, folder: Path) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise DataError(f"{folder}: another run is writing to it") from None
                time.sleep(0.2)

    def _cut(self, step: int) -> None:
        self._file.seek(0)
        kept = 0
        for line in self._file:
            if not line.endswith(b"\n") or orjson.loads(line)["step"] > step:
                break
            kept += len(line)
        self._file.truncate(kept)

    def write(self, entry: Entry) -> None:
        """Add a line; what tells of a step is shown and tracked too."""
        self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        for track in self._trackers:
            track(entry["step"], flat(entry))
        for reason in entry.get("lost", ()):
            sys.stderr.write(f"{CLEAR if self._steps else ''}vstkit sft: left out: {reason}\n")
        if self._steps and "loss" in entry:
            self._show(entry)

    def _show(self, entry: Entry) -> None:
        """One line on the terminal, overwritten by the next step's."""
        clock, first = self._start
        left = (time.perf_counter() - clock) / (entry["step"] - first) * (self._steps - entry["step"])
        shown = [f"step {entry['step']}/{self._steps}", f"loss {entry['loss']:.4f}"]
        shown += [f"{entry['tokens_per_s']:,.0f} tok/s"]
        shown += [f"MFU {entry['mfu']:.0%}"] if "mfu" in entry else []
        shown += [f"data wait {entry['wait']:.0%}"] if entry.get("wait", 0) > 0.02 else []
        shown += [f"{left // 3600:.0f}:{left // 60 % 60:02.0f}:{left % 60:02.0f} left"]
        end = "\n" if entry["step"] == self._steps else ""
        sys.stderr.write(f"{CLEAR}{'  '.join(shown)}{end}")
        sys.stderr.flush()

    def close(self) -> None:
        """Write through what trackers hold back."""
        for track in self._trackers:
            track(None, {})
        self._file.close()


def flat(entry: Entry) -> dict[str, float]:
    """The numbers of an entry, those by task as loss/TASK and eval_loss/TASK."""
    numbers: dict[str, float] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            numbers |= {f"{name.replace('tasks', 'loss')}/{key}": number for key, number in value.items()}
        elif name != "step" and not isinstance(value, list):
            numbers[name] = value
    return numbers


def entries(folder: Path) -> list[Entry]:
    """The lines of a run's log, a half one at the end left out."""
    try:
        lines = (folder / NAME).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [orjson.loads(line) for line in lines if line.endswith(b"\n")]


Track = Callable[[int | None, dict[str, float]], None]  # a step and its numbers; no step: the end


def _tensorboard(folder: Path, step: int, run: Entry) -> Track:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def track(step: int | None, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            writer.add_scalar(name, value, step)
        if step is None:
            writer.close()

    return track


def _wandb(folder: Path, step: int, run: Entry) -> Track:
    tracked = importlib.import_module("wandb").init(
        project="vstkit", name=folder.name, id=run["id"], dir=str(folder), config=run, resume="allow"
    )

    def track(step: int | None, numbers: dict[str, float]) -> None:
        if step is None:
            tracked.finish()
        else:
            tracked.log(numbers, step=step)

    return track


TRACKERS: dict[str, Callable[[Path, int, Entry], Track]] = {"tensorboard": _tensorboard, "wandb": _wandb}
