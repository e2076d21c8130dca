"""Work done ahead in processes of its own: in order, a bounded number of pieces early, arrays handed over in place."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import numpy as np

from vstkit.errors import DataError
from vstkit.training.launch import die_with_parent

Made = TypeVar("Made")
Batch = dict[str, np.ndarray[Any, Any]]

AHEAD = 2  # pieces that a worker may be early: one that waits, and the one it is at
LARGE = 2**14  # bytes from which an array does not go through the pipe, which holds little


def ahead(
    make: Callable[[Any], tuple[Batch, Any]],
    given: Sequence[Any],
    workers: int,
    room: int,
    lent: Collection[str] = (),
) -> Iterator[tuple[Batch, Any]]:
    """`make` of each of `given`, in order: named arrays, and anything that can be pickled.

    `workers` processes are forked before this returns, and see what this process holds now. Each has memory for
    AHEAD pieces of `room` bytes that this process sees too; it is taken from no file system, because containers keep
    /dev/shm too small for images. The arrays named in `lent` stay there, and are valid until the next piece is asked
    for; others are copied. With 0 workers everything is made here, when it is asked for.

    A DataError of `make` is raised where the piece would have come. Raises DataError when a worker is killed, and
    RuntimeError, with its traceback, when it fails otherwise. Closing the iterator ends the workers.
    """
    if not workers:
        return map(make, given)
    started = [_Worker(make, given[number::workers], room, lent) for number in range(min(workers, len(given)))]
    return _in_turn(started, len(given))


def _in_turn(started: list[_Worker], count: int) -> Iterator[tuple[Batch, Any]]:
    try:
        for number in range(count):
            worker = started[number % len(started)]
            yield worker.next()
            worker.release()
    finally:
        for worker in started:
            worker.end()


class _Worker:
    """One process, and the slots of memory that it shares with this one."""

    def __init__(
        self, make: Callable[[Any], tuple[Batch, Any]], given: Sequence[Any], room: int, lent: Collection[str]
    ) -> None:
        self._lent = lent
        # Pages that nothing is written to take no memory.
        self._slots = [mmap.mmap(-1, max(room, 1)) for _ in range(AHEAD)]
        self._taken = 0
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_work, args=(make, given, self._slots, theirs, os.getpid()), daemon=True
        )
        self._process.start()
        theirs.close()  # so that nobody else holds it, and its end is noticed

    def next(self) -> tuple[Batch, Any]:
        try:
            batch, large, about = self._ours.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            raise DataError(f"--workers: {_ending(self._process.exitcode)}") from None
        if isinstance(about, DataError):
            raise about
        if batch is None:
            raise RuntimeError(f"in a process that reads ahead:\n{about}")
        slot = self._slots[self._taken % AHEAD]
        self._taken += 1
        for name, dtype, shape, start in large:
            array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, buffer=slot, offset=start)
            batch[name] = array if name in self._lent else array.copy()
        return batch, about

    def release(self) -> None:
        """Let the worker have the oldest slot again."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it is done, or it died and `next` will say so
            self._ours.send_bytes(b"")

    def end(self) -> None:
        self._process.terminate()
        self._process.join()
        self._ours.close()


def _work(
    make: Callable[[Any], tuple[Batch, Any]],
    given: Sequence[Any],
    slots: Sequence[mmap.mmap],
    connection: Connection,
    parent: int,
) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from the keyboard it is for the parent, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    if os.getppid() != parent:
        return
    torch.set_num_threads(1)
    for number, piece in enumerate(given):
        if number >= AHEAD:
            connection.recv_bytes()
        try:
            batch, about = make(piece)
            connection.send((*_placed(batch, slots[number % AHEAD]), about))
        except DataError as error:
            connection.send((None, [], error))
            return
        except Exception:
            connection.send((None, [], traceback.format_exc()))
            return


def _placed(batch: Batch, slot: mmap.mmap) -> tuple[Batch, list[tuple[str, str, tuple[int, ...], int]]]:
    """The small arrays of a batch, and where in the slot the large ones are now: name, type, shape, start."""
    small, large, start = dict(batch), [], 0
    for name, array in batch.items():
        if LARGE <= array.nbytes <= len(slot) - start:
            np.ndarray(array.shape, array.dtype, buffer=slot, offset=start)[...] = array
            large.append((name, array.dtype.str, array.shape, start))
            start += -(-array.nbytes // 64) * 64
            del small[name]
    return small, large


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        memory = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"a process that reads ahead was killed by {signal.Signals(-status).name}{memory}"
    return f"a process that reads ahead ended with status {status}"
