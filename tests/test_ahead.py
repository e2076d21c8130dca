"""Work ahead of the step: in order, bounded, and no process left behind whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vstkit.errors import DataError
from vstkit.training.ahead import AHEAD, LARGE, ahead

ROOM = 4 * LARGE


def make(number: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Arrays in the shared memory, too large for what is left of it, and too small to be there."""
    return {
        "large": np.full((2, LARGE), number, dtype=np.uint8),
        "larger": np.full(LARGE, number, dtype=np.float32),
        "small": np.array([number]),
    }, {"number": number, "pid": os.getpid()}


def gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.01)
    return holds()


@pytest.mark.parametrize("workers", [0, 1, 3, 20])
def test_pieces_come_in_order_and_whole(workers: int) -> None:
    pids = set()
    numbers = []
    kept = []
    for batch, about in ahead(make, range(11), workers, ROOM, lent=["large"]):
        expected, _ = make(about["number"])
        assert batch.keys() == expected.keys()
        assert all((batch[n] == expected[n]).all() and batch[n].dtype == expected[n].dtype for n in batch)
        numbers.append(about["number"])
        kept.append({name: array for name, array in batch.items() if name != "large"})
        pids.add(about["pid"])
    assert numbers == list(range(11))
    assert all((array == number).all() for number, held in enumerate(kept) for array in held.values())
    assert len(pids) == min(max(workers, 1), 11)
    assert (os.getpid() in pids) == (workers == 0)
    assert workers == 0 or all(gone(pid) for pid in pids)


def test_nothing_to_do_is_no_work() -> None:
    assert list(ahead(make, [], 2, ROOM)) == []


def test_workers_are_a_bounded_number_of_pieces_early(tmp_path: Path) -> None:
    def noted(number: int) -> tuple[dict[str, Any], int]:
        (tmp_path / str(number)).touch()
        return {"large": make(number)[0]["large"]}, number

    def begun() -> int:
        return len(list(tmp_path.iterdir()))

    stream = ahead(noted, range(100), 2, ROOM, lent=["large"])
    assert within(20, lambda: begun() == 2 * AHEAD)
    batch, number = next(stream)
    time.sleep(0.1)
    assert (number, begun()) == (0, 2 * AHEAD)  # its memory is still in use
    assert (batch["large"] == 0).all()
    next(stream)
    assert within(20, lambda: begun() == 2 * AHEAD + 1)
    time.sleep(0.1)
    assert begun() == 2 * AHEAD + 1


def test_errors_are_raised_in_their_place_and_end_the_workers() -> None:
    def bad(number: int) -> tuple[dict[str, Any], int]:
        if number == 3:
            raise DataError("three")
        if number == 5:
            raise KeyError("five")
        return make(number)[0], os.getpid()

    for workers in (0, 1, 2):
        stream = ahead(bad, range(9), workers, ROOM)
        pids = {next(stream)[1] for _ in range(3)}
        with pytest.raises(DataError, match=r"^three$"):
            next(stream)
        assert workers == 0 or within(5, lambda pids=pids: all(map(gone, pids)))  # type: ignore[misc]
    stream = ahead(bad, [4, 5], 1, ROOM)
    next(stream)
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*in bad.*KeyError: 'five'"):
        next(stream)


def test_a_killed_worker_is_told() -> None:
    stream = ahead(make, range(100), 2, ROOM)
    _, about = next(stream)
    os.kill(about["pid"], signal.SIGKILL)
    with pytest.raises(DataError, match=r"^--workers: .* was killed by SIGKILL \(out of memory\?\)$"):
        list(stream)

    def leaves(number: int) -> Any:
        os._exit(3)

    with pytest.raises(DataError, match=r"ended with status 3$"):
        next(ahead(leaves, [0], 1, ROOM))


def test_closing_ends_the_workers() -> None:
    stream: Iterator[Any] = ahead(make, range(100), 2, ROOM)
    pids = [next(stream)[1]["pid"] for _ in range(2)]
    stream.close()  # type: ignore[attr-defined]
    assert all(map(gone, pids))


def test_workers_do_not_outlive_a_killed_parent() -> None:
    code = (
        "import sys, os, time; sys.path.insert(0, sys.argv[1]); from test_ahead import make, ROOM\n"
        "from vstkit.training.ahead import ahead\n"
        "stream = ahead(make, range(100), 2, ROOM)\n"
        "print(*(next(stream)[1]['pid'] for _ in range(2)), flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", code, str(Path(__file__).parent)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert within(5, lambda: all(map(gone, pids)))
