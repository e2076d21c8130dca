"""Samples into training sequences that are full and cost alike, over a bounded buffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from vstkit import bins
from vstkit.chance import digest
from vstkit.turns import split_turns, with_thinking_prompt

if TYPE_CHECKING:
    from vstkit.models.chat import Chat


class Sized(NamedTuple):
    """A sample record with its tokens counted: all of them, and those to learn."""

    sample: dict[str, Any]
    length: int
    targets: int


Group = list[Sized]
# A pack less full than this goes back to the buffer, once, while what goes back stays under this share of it.
FULL, BACK = 0.99, 0.1


def pack(
    samples: Iterable[Sized],
    capacity: int,
    *,
    buffer: int = 10_000,
    global_batch: int = 1,
    divisible: int = 1,
    seed: int = 0,
    leave_out: Callable[[Sized], None] = lambda _: None,
) -> Iterator[Group]:
    """Groups of samples of at most `capacity` tokens together, out of `buffer` samples at a time.

    They leave by steps of `global_batch` (see `vstkit.bins.dealt`), in an order that the seed draws among the groups
    of a buffer. Their number is made a multiple of `divisible` by parting the last ones; where they hold too few
    samples for that, the emptiest of them are handed to `leave_out`, fewer than `divisible` samples. The same input
    gives the same groups. Raises ValueError on a sample longer than `capacity`.
    """
    waiting: list[Group] = []
    reserve = divisible if divisible > 1 else 0  # enough to part at the end
    left = window = 0
    for groups in _groups(samples, capacity, buffer):
        waiting += groups
        steps = bins.dealt([cost(group) for group in waiting], global_batch, seed, "pack", window)
        leaving = max(len(waiting) - reserve, 0) // global_batch
        for step in steps[:leaving]:
            yield from (waiting[number] for number in step)
        waiting = [waiting[number] for step in steps[leaving:] for number in step]
        left, window = left + leaving * global_batch, window + 1
    more = -(left + len(waiting)) % divisible
    if sum(map(len, waiting)) >= len(waiting) + more:
        waiting = _parted(waiting, more)
    fullest_first = sorted(waiting, key=lambda group: -sum(item.length for item in group))
    kept = len(waiting) - (left + len(waiting)) % divisible
    waiting = fullest_first[:kept]
    for item in chain.from_iterable(fullest_first[kept:]):
        leave_out(item)
    for step in bins.dealt([cost(group) for group in waiting], global_batch, seed, "pack", window):
        yield from (waiting[number] for number in step)


def _groups(samples: Iterable[Sized], capacity: int, buffer: int) -> Iterator[list[Group]]:
    """The groups of one buffer after another; the least full, but for the last buffer's, go into the next."""
    stream = iter(samples)
    held: Group = []
    while True:
        old = len(held)
        held += islice(stream, buffer - old)
        lengths = [item.length for item in held]
        groups = bins.balanced(lengths, capacity)
        if len(held) < buffer:
            if groups:
                yield [[held[index] for index in group] for group in groups]
            return
        back: set[int] = set()
        for group in sorted(groups, key=lambda group: sum(lengths[index] for index in group)):
            if sum(lengths[index] for index in group) >= FULL * capacity or len(back) + len(group) > BACK * buffer:
                break
            if min(group) >= old:  # none has gone back before
                back.update(group)
        yield [[held[index] for index in group] for group in groups if group[0] not in back]
        held = [held[index] for index in sorted(back)]


def _parted(groups: list[Group], more: int) -> list[Group]:
    """The groups, with those of most samples parted in two until there are `more` of them."""
    groups = list(groups)
    for _ in range(more):
        most = max(range(len(groups)), key=lambda number: len(groups[number]))
        longest_first = sorted(groups[most], key=lambda item: -item.length)
        groups[most : most + 1] = [longest_first[::2], longest_first[1::2]]
    return groups


def cost(group: Sequence[Sized]) -> int:
    """What attention costs, but for a factor: the sum of the squared lengths."""
    return sum(item.length**2 for item in group)


def pack_record(group: Sequence[Sized], model: str) -> dict[str, Any]:
    """The `pack` record of a group; `model` is the fingerprint of the chat that counted the tokens."""
    return {
        "kind": "pack",
        "id": digest("pack", *(item.sample["id"] for item in group)),
        "length": sum(item.length for item in group),
        "targets": sum(item.targets for item in group),
        "squares": cost(group),
        "model": model,
        "samples": [item.sample for item in group],
    }


def measure(
    record: dict[str, Any],
    tally: Counter[str],
    *,
    model: str,
    root: str = ".",
    split_over: int | None = None,
    thinking: bool = False,
) -> Iterator[Sized]:
    """A sample with its tokens counted by the model in folder `model`; headers are read, no pixel is decoded.

    One of more than `split_over` tokens is split between its turns, as far as it has several (`vstkit.turns`). With
    `thinking`, one whose answers think is given the paper's system prompt. Raises DataError as `Chat.encode`.
    """
    from vstkit.records import Sample
    from vstkit.validation import parse

    parse(record, Sample)
    chat = _chat(model)
    if thinking:
        record = with_thinking_prompt(record)
    length, targets = chat.count(record, root)
    if split_over is None or length <= split_over:
        yield Sized(record, length, targets)
        return
    pieces = split_turns(record, lambda piece: chat.count(piece, root)[0] <= split_over)
    tally["split"] += len(pieces) > 1
    for piece in pieces:
        yield Sized(piece, *chat.count(piece, root))


@cache  # one for each process: it takes longer to load than to count a thousand samples
def _chat(model: str) -> Chat:
    from vstkit.models.chat import Chat

    return Chat(model)
