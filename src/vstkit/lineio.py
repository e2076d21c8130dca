"""Lines of JSON in files and pipes: opening, decoding, encoding, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import math
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from vstkit.errors import DataError, UsageError

Record = dict[str, Any]
Line = tuple[str, int, bytes]  # source, number from 1 (0: the source is not made of lines), the bytes


def decode(raw: bytes) -> Record:
    """One line as a record; raises DataError when it is not a JSON object with a kind and an id."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise DataError(_non_finite(raw) or f"not JSON: {e}") from None
    if not isinstance(record, dict):
        raise DataError(f"expected a JSON object, got {type(record).__name__}")
    for field in ("kind", "id"):
        if not isinstance(record.get(field), str):
            raise DataError(f"{field}: missing" if field not in record else f"{field}: expected str")
    return record


def encode(record: Record) -> bytes:
    """A record as a line. orjson would write NaN as null, so the library keeps its numbers finite."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def _non_finite(raw: bytes) -> str | None:
    """Python's json reads NaN and Infinity where orjson only says 'unexpected character': find the field."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    found: list[str] = []
    stack = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, float) and not math.isfinite(item):
            found.append(f"{path}: expected a finite number, got {item}")
        elif isinstance(item, dict):
            stack += [(f"{path}.{key}".lstrip("."), inner) for key, inner in reversed(item.items())]
        elif isinstance(item, list):
            stack += [(f"{path}[{i}]", item[i]) for i in reversed(range(len(item)))]
    return "; ".join(found) or None


Convert = Callable[[str], Iterable[Record] | None]


def lines(files: Iterable[str], convert: Convert | None = None) -> Iterator[Line]:
    """The lines of `files` ("-" is standard input; .gz and .zst are unpacked), blank ones left out.

    `convert` may claim a name that is not a file of lines (an image, a folder) by returning it as records.
    """
    for name in files or ["-"]:
        if convert and name != "-" and (records := convert(name)) is not None:
            for record in records:
                yield name, 0, encode(record)
            continue
        try:
            with _open(name) as handle:
                for number, raw in enumerate(handle, 1):
                    if not raw.isspace():
                        yield name, number, raw
        except OSError as e:
            raise DataError(f"{shown(name)}: {e.strerror or e}") from e


def shown(name: str) -> str:
    """What messages call a FILE."""
    return "standard input" if name == "-" else name


def _open(name: str) -> contextlib.AbstractContextManager[Iterable[bytes]]:
    if name == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed: name a FILE or pipe records in")
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal: name a FILE or pipe records in")
        return contextlib.nullcontext(sys.stdin.buffer)
    return _unpacked(name) if name.endswith((".gz", ".zst")) else Path(name).open("rb")


@contextlib.contextmanager
def _unpacked(name: str) -> Iterator[Iterable[bytes]]:
    with Path(name).open("rb") as packed:
        yield _unpacked_lines(packed, name)


def _unpacked_lines(packed: BinaryIO, name: str) -> Iterator[bytes]:
    begin, broken = _unpacker(name)
    # Frame by frame, and not by a reader that takes a file that was cut for one that has ended.
    frame = begin()
    tail = b""
    try:
        while data := packed.read(1 << 17):
            while data:
                if frame.eof:
                    frame = begin()
                *whole, tail = (tail + frame.decompress(data)).split(b"\n")
                yield from (line + b"\n" for line in whole)
                data = frame.unused_data
    except broken as e:
        raise DataError(f"{name}: {e}") from e
    if not frame.eof:
        raise DataError(f"{name}: the file is cut short")
    if tail:
        yield tail


def _unpacker(name: str) -> tuple[Callable[[], Any], type[Exception]]:
    """What begins to unpack a frame of a .gz or .zst file, and what it raises."""
    if name.endswith(".gz"):
        return lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), zlib.error
    import zstandard

    return lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError


class Output:
    """Standard output, or a file that is written beside its place and renamed by `finish` when whole."""

    def __init__(self, name: str | None = None) -> None:
        self.name = "standard output" if name in (None, "-") else str(name)
        self._temporary: Path | None = None
        self._named = name not in (None, "-")
        if not self._named:
            if sys.stdout is None:
                raise UsageError("standard output is closed: give -o FILE or pipe records on")
            # Not sys.stdout.buffer, which PYTHONUNBUFFERED makes a raw file, whose writes may be partial.
            self._file: BinaryIO = os.fdopen(sys.stdout.fileno(), "wb", closefd=False)
        else:
            self._final = path = Path(self.name).resolve()
            if not path.exists() or stat.S_ISREG(path.stat().st_mode):
                path = self._temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
            with self._errors():
                # A device or a pipe is written in place.
                self._file = path.open("wb")
        self._packer: BinaryIO | None = None
        if self.name.endswith(".gz"):
            # No name and no time in the header: the same records are the same bytes.
            self._packer = cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=self._file, mtime=0))
        elif self.name.endswith(".zst"):
            import zstandard

            self._packer = cast(BinaryIO, zstandard.ZstdCompressor().stream_writer(self._file, closefd=False))
        self._write = (self._packer or self._file).write

    def write(self, data: bytes) -> None:
        """Write whole lines; a full disk is a DataError, a reader that went away a BrokenPipeError."""
        try:
            self._write(data)
        except BrokenPipeError:
            raise
        except OSError as e:  # not `_errors`: this is called for every record
            raise DataError(f"cannot write {self.name}: {e.strerror}") from e

    def flush(self) -> None:
        """Hand on what is buffered, with the errors of `write`; of a file that is not there yet nobody reads."""
        if not self._temporary:
            with self._errors():
                self._file.flush()

    def finish(self) -> None:
        """Everything is there: check that it reached the disk, then take the final name."""
        with self._errors():
            if self._packer:
                self._packer.close()
            self._file.flush()
            if self._named:
                self._file.close()
            if self._temporary:
                self._temporary.replace(self._final)
                self._temporary = None

    def discard(self) -> None:
        """The run failed: a file that was begun does not stay."""
        if self._named:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._temporary:
            self._temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as e:
            raise DataError(f"cannot write {self.name}: {e.strerror}") from e


class ResumedOutput:
    """A file that a run goes on with after another was killed; `done` are the ids of the records in it.

    Records are kept, not packed, in one file beside the place, `.NAME.part`; each is with the system when `write`
    returns, so SIGKILL loses no more than the line that was being written, and the next run drops its beginning
    (a power cut may take more). The part becomes the file when whole, as with `Output`, so that who sees the
    file sees all of it; a .gz or .zst is packed then, because a packed file that was cut has no place to go on from.
    A file that is there already is taken up too. Raises DataError when another run is writing the part.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._final = Path(name).resolve()
        self._part = self._final.with_name(f".{self._final.name}.part")
        self.done: set[str] = set()
        try:
            self._file: BinaryIO = self._part.open("a+b")
        except OSError as e:
            raise DataError(f"cannot write {name}: {e.strerror}") from e
        try:
            self._take_up()
        except BaseException:
            self._file.close()
            raise

    def _take_up(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{self.name}: another run is writing it") from None
        self._file.seek(0)
        whole = 0
        for raw in self._file:
            if raw.endswith(b"\n"):
                whole += len(raw)
                self.done.add(_id(raw, str(self._part)))
        self._file.truncate(whole)
        if self._final.exists():
            here = frozenset(self.done)
            for name, number, raw in lines([str(self._final)]):
                if (found := _id(raw, f"{name}:{number}")) not in here:
                    self.done.add(found)
                    self.write(raw if raw.endswith(b"\n") else raw + b"\n")

    def write(self, data: bytes) -> None:
        """Write whole lines through to the system; raises DataError on a full disk."""
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as e:
            raise DataError(f"cannot write {self.name}: {e.strerror}") from e

    def flush(self) -> None:
        """Nothing is held back."""

    def finish(self) -> None:
        """Everything is there: take the final name."""
        if not self.name.endswith((".gz", ".zst")):
            self._part.replace(self._final)
            self._file.close()
            return
        packed = Output(self.name)
        try:
            self._file.seek(0)
            for raw in self._file:
                packed.write(raw)
            packed.finish()
        finally:
            packed.discard()
        self._part.unlink()
        self._file.close()

    def discard(self) -> None:
        """The run ends early: what is written stays for the next."""
        self._file.close()


def _id(raw: bytes, where: str) -> str:
    try:
        return str(decode(raw)["id"])
    except DataError as e:
        raise DataError(f"{where}: {e}") from None
