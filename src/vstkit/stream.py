"""One runner for every command over records: errors, workers, order, counts and progress, as vstkit(1) says.

with Stream("fov-unify", files=["scenes.jsonl"], jobs=2) as stream:
    stream.map(unify, kinds=("scene",))
"""

from __future__ import annotations

import functools
import itertools
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from vstkit.errors import DataError, UsageError
from vstkit.lineio import Convert, Line, Output, Record, ResumedOutput, decode, encode, lines, shown

log = logging.getLogger("vstkit")

Tally = Counter[str]
Function = Callable[[Record, Tally], Iterable[Any]]
# What became of one line: where it stood, its results, or what was wrong with it.
Outcome = tuple[Line, list[Any], str]
CHUNK_SECONDS, CHUNK_LINES = 0.05, 64  # what a worker gets at once: worth handing over, and results still flow


def left_out(tally: Tally, besides: Collection[str] = ()) -> str:
    """Every reason that a tally counts, the commonest first, as the end of a sentence; nothing without reasons."""
    drops = sorted(((-n, reason) for reason, n in tally.items() if n and reason not in besides))
    return f"; left out: {', '.join(f'{reason} {-n}' for n, reason in drops)}" if drops else ""


class Stream:
    """How one command reads, fails and writes.

    `function(record, tally)` is called for records of the given kinds (None: of all); records of other kinds pass
    through unchanged, in place. It raises DataError for a bad record and counts in `tally` what it leaves out and why.
    With `jobs` above 1 it runs in that many processes and must be picklable; order and output stay the same.
    `convert` makes records of a name that is not a file of lines; `report_all` goes on to the end after a fault and
    then fails. With `resume` a run that was killed is gone on with; `done` are the ids that it had written.
    """

    def __init__(
        self,
        command: str,
        *,
        files: Sequence[str] = (),
        output: str | None = None,
        on_error: str = "stop",
        max_bad: float = 0.01,
        rejects: str | None = None,
        jobs: int = 1,
        limit: int | None = None,
        shard: tuple[int, int] = (1, 1),
        quiet: bool = False,
        convert: Convert | None = None,
        report_all: bool = False,
        resume: bool = False,
    ) -> None:
        if resume and output in (None, "-"):
            raise UsageError("--resume: expected -o FILE, which a run can go on with")
        self.command = command
        self.tally: Tally = Counter()
        self.read = self.bad = 0
        self._files, self._convert, self._limit, self._shard = files, convert, limit, shard
        self._skip = on_error == "skip" or report_all
        self._max_bad = max_bad if on_error == "skip" else 0.0
        self._jobs = jobs
        self._watched = sys.stderr.isatty() and not quiet
        self._progress: Progress | None = None
        self._outcomes: Generator[Outcome] | None = None
        self._unread: DataError | None = None
        self._rejects = Output(rejects) if rejects else None
        try:
            self._output = ResumedOutput(str(output)) if resume else Output(output)
        except DataError:
            if self._rejects:
                self._rejects.discard()
            raise
        self.done = frozenset(self._output.done) if isinstance(self._output, ResumedOutput) else frozenset[str]()
        self.to_stdout = output in (None, "-")
        self.folder = "." if self.to_stdout else os.path.dirname(str(output)) or "."  # where the output goes

    def map(self, function: Function, *, kinds: Sequence[str] | None, keep: bool = False) -> None:
        """Write what `function` gives for each record; with `keep`, the record itself after it."""
        for data in self.results(function, kinds=kinds, keep=keep, encoded=True):
            self._output.write(data)

    def results(
        self, function: Function, *, kinds: Sequence[str] | None, keep: bool = False, encoded: bool = False
    ) -> Iterator[Any]:
        """What `function` gives for each record, in order; for commands that hold several records.

        Records of other kinds are written through at once, in place.
        """
        work = functools.partial(_work, function, None if kinds is None else frozenset(kinds), keep, encoded)
        self._outcomes = self._parallel(work) if self._jobs > 1 else self._serial(work)
        for line, found, error in self._outcomes:
            self.read += 1
            if error:
                self._fail(line, error)
            elif line[2]:  # passed through
                self._output.write(line[2])
            else:
                yield from found
            self._output.flush()
            if self._watched:
                self._progress = self._progress or Progress(self.command)
                self._progress.show(self.read)
        if self._unread:
            raise self._unread

    def write(self, record: Record) -> None:
        """Write one record."""
        self._output.write(encode(record))

    def reject(self, record: Record, error: str) -> None:
        """Write a record that the command made, but does not stand by, to the rejects; it counts as no bad record."""
        if self._rejects:
            place = {"kind": "reject", "id": record["id"], "file": "", "line": 0}
            self._rejects.write(encode({**place, "error": error, "record": record}))

    def write_bytes(self, data: bytes) -> None:
        """Write a piece of a file that is no lines at all."""
        self._output.write(data)

    def write_text(self, text: str) -> None:
        """Write lines that are no records."""
        self._output.write(text.encode() + b"\n")

    def _inputs(self) -> Iterator[Line]:
        index, count = self._shard
        mine = itertools.islice(lines(self._files, self._convert), index - 1, None, count)
        try:
            yield from itertools.islice(mine, self._limit)
        except DataError as e:  # told when the lines before it are done
            self._unread = e

    def _serial(self, work: Callable[[Line, Tally], Outcome]) -> Generator[Outcome]:
        for line in self._inputs():
            yield work(line, self.tally)

    def _parallel(self, work: Callable[[Line, Tally], Outcome]) -> Generator[Outcome]:
        # Data commands start no threads before this, so fork is safe, and it is the quickest start.
        context = multiprocessing.get_context("fork")
        source = self._inputs()
        theirs, ours = os.pipe()
        with ProcessPoolExecutor(self._jobs, context, _end_with_parent, (theirs, ours)) as pool:
            waiting: deque[Future[tuple[list[Outcome], Tally, float]]] = deque()
            size = 1
            try:
                while True:
                    began = time.perf_counter()
                    chunk = list(itertools.islice(source, size))
                    reading = (time.perf_counter() - began) / max(len(chunk), 1)
                    if chunk:
                        waiting.append(pool.submit(_chunk, work, chunk))
                    elif not waiting:
                        return
                    while waiting and (not chunk or waiting[0].done() or len(waiting) == 4 * self._jobs):
                        outcomes, tally, seconds = waiting.popleft().result()
                        self.tally.update(tally)
                        yield from outcomes
                        slower = max(reading, seconds / len(outcomes))
                        size = min(2 * size, CHUNK_LINES, 1 + int(CHUNK_SECONDS / slower))
            except BrokenProcessPool as e:
                raise DataError("a worker was killed (out of memory?); try fewer with -j") from e
            finally:
                os.close(ours)
                os.close(theirs)

    def _fail(self, line: Line, error: str) -> None:
        self.bad += 1
        file, number, raw = line
        where = f"{shown(file)}{f':{number}' if number else ''}"
        if self._rejects:
            self._rejects.write(encode(_reject(file, number, raw, error)))
        self._output.flush()  # what was right so far reaches the reader before the message
        if not self._skip:
            raise DataError(f"{where}: {error}")
        for fault in error.split("\n"):
            log.error("%s: %s", where, fault)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outcomes:
            self._outcomes.close()  # a run that ends early does not wait for its workers
        if self._progress:
            self._progress.close()
        try:
            if self._rejects:
                self._rejects.finish()
            if kind is None:
                if self.bad > self._max_bad * self.read:
                    raise DataError(f"{self.bad} of {self.read} records were bad")
                if self.bad:
                    log.warning("%d of %d records were bad and left out", self.bad, self.read)
                self._output.finish()
        finally:
            self._output.discard()
            if self._rejects:
                self._rejects.discard()


def _work(
    function: Function, kinds: frozenset[str] | None, keep: bool, encoded: bool, line: Line, tally: Tally
) -> Outcome:
    """One line's outcome; the bytes of a line are sent on only where they are needed."""
    file, number, raw = line
    try:
        record = decode(raw)
        if kinds is not None and record["kind"] not in kinds:
            return (file, number, raw if raw.endswith(b"\n") else raw + b"\n"), [], ""
        found = list(function(record, tally))
    except DataError as e:
        return line, [], "\n".join(e.args)
    except Exception as e:
        e.add_note(f"at {file}:{number}")
        raise
    if encoded:
        found = [encode(item) for item in found]
        if keep:
            found.append(raw if raw.endswith(b"\n") else raw + b"\n")
    return (file, number, b""), found, ""


def _chunk(work: Callable[[Line, Tally], Outcome], chunk: list[Line]) -> tuple[list[Outcome], Tally, float]:
    tally: Tally = Counter()
    began = time.perf_counter()
    return [work(line, tally) for line in chunk], tally, time.perf_counter() - began


def _end_with_parent(theirs: int, ours: int) -> None:
    """A worker ends when the parent closes its end of the pipe, or is killed, which closes it too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    os.close(ours)

    def wait() -> None:
        os.read(theirs, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _reject(file: str, number: int, raw: bytes, error: str) -> Record:
    try:
        record: Any = decode(raw)
    except DataError:
        record = raw.decode(errors="replace").rstrip("\n")
    return {
        "kind": "reject",
        "id": f"{file}:{number}",
        "file": file,
        "line": number,
        "error": error,
        "record": record,
    }


class Progress:
    """A count and a rate on a terminal, redrawn at most ten times a second."""

    def __init__(self, command: str) -> None:
        from rich.console import Console
        from rich.status import Status

        self._command, self._began, self._next = command, time.monotonic(), 0.0
        self._status = Status(command, console=Console(stderr=True))
        self._status.start()

    def show(self, read: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.1
            self._status.update(f"{self._command}: {read:,} records, {read / (now - self._began + 1e-9):,.0f}/s")

    def close(self) -> None:
        self._status.stop()
