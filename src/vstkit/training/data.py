"""Pack files as training data: read by line in a seeded order, each pack one sequence of arrays without padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from vstkit import lineio
from vstkit.chance import Chance
from vstkit.errors import DataError
from vstkit.records import Pack
from vstkit.training.ahead import ahead
from vstkit.training.collating import IGNORED, About, Batch, Pixels, collate, inputs, prepare
from vstkit.validation import parse

__all__ = ["IGNORED", "About", "Batch", "Packs", "Pixels", "batches", "collate", "inputs", "prepare", "share", "steps"]

# Of the samples that a process has read, one in a hundred and this many more may be left out before a run stops: bad
# pictures cost their samples, but a wrong --root is found at once.
SPARE = 10
# A visual token is at most 4 patches of 3 x 2 x 16 x 16 numbers of four bytes; what is not used takes no memory.
ROOM_FOR_TOKEN = 4 * 3 * 2 * 16 * 16 * 4


class Packs:
    """Pack records in plain files, found by number; only where each line lies is kept in memory.

    `lengths` and `targets` are the tokens and trained tokens of each. Raises DataError with the file and line for
    anything but packs made for the chat with `fingerprint`.
    """

    def __init__(self, files: Iterable[str], fingerprint: str) -> None:
        self.lengths: list[int] = []
        self.targets: list[int] = []
        self._lines: list[tuple[str, int, int, int]] = []
        for name in files:
            if name.endswith((".gz", ".zst")):
                raise DataError(f"{name}: expected plain lines, which can be read in any order: unpack it first")
            try:
                with Path(name).open("rb") as file:
                    self._scan(name, file, fingerprint)
            except OSError as error:
                raise DataError(f"{name}: {error.strerror}") from error
        if not self._lines:
            raise DataError("expected at least one pack, got none")

    def _scan(self, name: str, file: Iterable[bytes], fingerprint: str) -> None:
        offset = 0
        for number, raw in enumerate(file, 1):
            if not raw.isspace():
                try:
                    record = lineio.decode(raw)
                    if record["kind"] != "pack":
                        raise DataError(f"kind: expected pack, got {record['kind']}")
                    pack = parse(record, Pack)
                    if pack.model != fingerprint:
                        raise DataError(f"model: packed for {pack.model}, but the model is {fingerprint}: pack again")
                except DataError as error:
                    raise DataError(f"{name}:{number}: {error}") from error
                self.lengths.append(pack.length)
                self.targets.append(pack.targets)
                self._lines.append((name, number, offset, len(raw)))
            offset += len(raw)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, _, offset, length = self._lines[index]
        with Path(name).open("rb") as file:
            file.seek(offset)
            return lineio.decode(file.read(length))

    def where(self, index: int) -> str:
        """The file and line of a pack, as messages name it."""
        name, number, *_ = self._lines[index]
        return f"{name}:{number}"


def steps(packs: int, global_batch: int, seed: int) -> Iterator[tuple[int, list[int]]]:
    """(epoch from 0, pack numbers) of one optimizer step after another, without end.

    Every epoch is a new order of all packs; its last step holds what is left and may be smaller.
    """
    for epoch in count():
        order = Chance(seed, "sft", epoch).shuffled(range(packs))
        for start in range(0, packs, global_batch):
            yield epoch, order[start : start + global_batch]


def share(step: Sequence[int], rank: int, world: int, size: int) -> list[int | None]:
    """The packs of a step that fall to one process: always `size`, None where the step has run out."""
    own: list[int | None] = list(step[rank::world])
    return own + [None] * (size - len(own))


def batches(
    packs: Packs, numbers: Sequence[int | None], prepare: Callable[[dict[str, Any]], tuple[Batch, About]], workers: int
) -> Iterator[tuple[Batch, About]]:
    """The packs of these numbers, prepared in order; None is a pack without samples.

    With `workers` they are prepared ahead, in processes forked before this returns; the pixels of a batch are valid
    until the next one is asked for (see `vstkit.training.ahead`). What `prepare` tells of samples left out begins
    with the pack's file and line. Raises DataError with the file and line for a pack that cannot be prepared, and
    when too many samples are left out.
    """
    room = (max(packs.lengths) + 1) * ROOM_FOR_TOKEN
    return _bounded(ahead(partial(_prepared, packs, prepare), numbers, workers, room, lent=["pixel_values"]))


def _prepared(
    packs: Packs, prepare: Callable[[dict[str, Any]], tuple[Batch, About]], number: int | None
) -> tuple[Batch, About]:
    if number is None:
        return prepare({"samples": [], "targets": 0, "length": 0})
    pack = packs[number]
    where = packs.where(number)
    try:
        batch, about = prepare(pack)
    except DataError as error:
        raise DataError(f"{where}: {error} (pack {pack['id']})") from error
    return batch, {**about, "lost": [f"{where}: {reason}" for reason in about["lost"]]}


def _bounded(stream: Iterator[tuple[Batch, About]]) -> Iterator[tuple[Batch, About]]:
    read = lost = 0
    for batch, about in stream:
        read += len(about["tasks"]) + about["left_out"]
        lost += about["left_out"]
        if lost > SPARE + read // 100:
            raise DataError(f"{about['lost'][0]}; {lost} of {read} samples could not be used")
        yield batch, about
