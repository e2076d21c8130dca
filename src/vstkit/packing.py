"""Samples into training sequences of nearly equal length: best-fit decreasing over a bounded buffer."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from vstkit.chance import digest
from vstkit.errors import DataError

if TYPE_CHECKING:
    from vstkit.models.chat import Chat


class Sized(NamedTuple):
    """A sample record with its tokens counted: all of them, and those to learn."""

    sample: dict[str, Any]
    length: int
    targets: int


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Indices into `lengths`, grouped so that no group's sum exceeds `capacity`.

    The longest comes first, each goes where it leaves the least room; ties keep their order. At most 11/9 of the
    fewest groups possible, plus one (Johnson et al. 1974). Raises ValueError on a length outside [0, capacity].
    """
    groups: list[list[int]] = []
    rooms: list[int] = []  # the different rooms left, ascending
    having: dict[int, list[int]] = {}  # room left -> groups
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        if not 0 <= length <= capacity:
            raise ValueError(f"expected lengths from 0 to {capacity}, got {length}")
        place = bisect_left(rooms, length)
        if place == len(rooms):
            group, room = len(groups), capacity
            groups.append([])
        else:
            room = rooms[place]
            group = having[room].pop()
            if not having[room]:
                del rooms[place], having[room]
        groups[group].append(index)
        room -= length
        if room not in having:
            having[room] = []
            insort(rooms, room)
        having[room].append(group)
    return groups


def pack(samples: Iterable[Sized], capacity: int, buffer: int = 10_000, seed: int = 0) -> Iterator[list[Sized]]:
    """Groups of samples of at most `capacity` tokens together, best-fit over `buffer` samples at a time.

    The groups of a buffer leave in an order drawn from the seed and the ids in them, since packing itself puts the
    fullest first. The same input gives the same groups. Raises ValueError on a sample longer than `capacity`.
    """
    stream = iter(samples)
    while held := list(islice(stream, buffer)):
        groups = [[held[i] for i in group] for group in best_fit_decreasing([s.length for s in held], capacity)]
        yield from sorted(groups, key=lambda group: digest(seed, *_ids(group)))


def pack_record(group: Sequence[Sized], model: str) -> dict[str, Any]:
    """The `pack` record of a group; `model` is the fingerprint of the chat that counted the tokens."""
    return {
        "kind": "pack",
        "id": digest("pack", *_ids(group)),
        "length": sum(item.length for item in group),
        "targets": sum(item.targets for item in group),
        "model": model,
        "samples": [item.sample for item in group],
    }


def _ids(group: Sequence[Sized]) -> list[str]:
    return [item.sample["id"] for item in group]


def measure(
    record: dict[str, Any], tally: Counter[str], *, model: str, root: str = ".", longest: int
) -> Iterator[Sized]:
    """A sample with its tokens counted by the model in folder `model`; headers are read, no pixel is decoded.

    Raises DataError for a sample of more than `longest` tokens, and as `Chat.encode`.
    """
    from vstkit.records import Sample
    from vstkit.validation import parse

    parse(record, Sample)
    encoded = _chat(model).encode(record, root)
    if encoded.length > longest:
        raise DataError(f"messages: {encoded.length} tokens, more than the {longest} that a pack holds")
    tally["samples"] += 1
    yield Sized(record, encoded.length, encoded.targets)


@cache  # one for each process: it takes longer to load than to count a thousand samples
def _chat(model: str) -> Chat:
    from vstkit.models.chat import Chat

    return Chat(model)
