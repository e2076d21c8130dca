"""Packing: nothing lost, nothing too full, nearly nothing wasted."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from vstkit.errors import DataError
from vstkit.models.chat import Chat
from vstkit.packing import Sized, best_fit_decreasing, measure, pack, pack_record


def sized(lengths: list[int]) -> list[Sized]:
    return [Sized({"kind": "sample", "id": f"s{i}"}, n, n // 4) for i, n in enumerate(lengths)]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_every_length_is_in_exactly_one_group_that_holds_it(lengths: list[int]) -> None:
    groups = best_fit_decreasing(lengths, 30)
    assert sorted(itertools.chain.from_iterable(groups)) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in group) <= 30 for group in groups)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_best_fit_equals_a_plain_search(lengths: list[int]) -> None:
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [i for i, room in enumerate(rooms) if room >= length]
        if fitting:
            rooms[min(fitting, key=lambda i: rooms[i])] -= length
        else:
            rooms.append(30 - length)
    found = [30 - sum(lengths[i] for i in group) for group in best_fit_decreasing(lengths, 30)]
    assert sorted(found) == sorted(rooms)


@pytest.mark.parametrize("length", [-1, 31])
def test_a_length_that_cannot_fit_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 30"):
        best_fit_decreasing([1, length], 30)


def mixture(n: int) -> list[int]:
    """Token counts like those of VST-P: 65 % single images, 33 % several, 2 % video."""
    rng = random.Random(0)
    draws = {
        "single": lambda: min(max(rng.lognormvariate(6.48, 0.4), 300), 1500),
        "multi": lambda: min(max(rng.lognormvariate(8.0, 0.4), 1500), 6000),
        "video": lambda: rng.uniform(4000, 14000),
    }
    return [round(draws[kind]()) for kind in rng.choices(list(draws), [64.8, 33.1, 2.1], k=n)]


def test_packs_of_the_vst_mixture_are_full() -> None:
    packs = list(pack(sized(mixture(20_000)), 16384))
    assert sum(item.length for group in packs for item in group) / (16384 * len(packs)) > 0.995


def test_packing_streams_and_repeats_itself() -> None:
    samples = sized([random.Random(i).randrange(1, 50) for i in range(1000)])
    read = 0

    def counted() -> Iterator[Sized]:
        nonlocal read
        for item in samples:
            read += 1
            yield item

    stream = pack(counted(), 100, buffer=50, seed=3)
    first = next(stream)
    assert read == 50
    whole = [first, *stream]
    assert sorted(item.sample["id"] for group in whole for item in group) == sorted(s.sample["id"] for s in samples)
    assert whole == list(pack(samples, 100, buffer=50, seed=3))
    other = list(pack(samples, 100, buffer=50, seed=4))
    assert other != whole
    assert sorted(map(pack_id, other)) == sorted(map(pack_id, whole))


def pack_id(group: list[Sized]) -> str:
    return str(pack_record(group, "m")["id"])


def test_full_and_empty_packs_leave_mixed() -> None:
    lengths = [60] * 50 + [10] * 50  # best-fit decreasing alone would give full packs first
    totals = [sum(item.length for item in group) for group in pack(sized(lengths), 100)]
    assert totals != sorted(totals, reverse=True)


def test_what_is_too_long_is_refused_by_name() -> None:
    record = {
        "kind": "sample",
        "id": "s",
        "images": [],
        "messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "here"}],
    }
    tally: Counter[str] = Counter()
    folder = str(tiny.model())
    chat = Chat(folder)
    (item,) = measure(record, tally, model=folder, longest=1000)
    assert item == Sized(record, chat.encode(record).length, len(chat.tokenizer.encode("here").ids) + 1)
    assert tally == {"samples": 1}
    list(measure(record, tally, model=folder, longest=item.length))
    with pytest.raises(DataError, match=f"^messages: {item.length} tokens, more than the {item.length - 1} "):
        list(measure(record, tally, model=folder, longest=item.length - 1))
    with pytest.raises(ValueError, match="from 0 to 10"):
        list(pack(sized([5, 11]), 10))


def test_the_record_adds_up() -> None:
    group = sized([8, 12])
    record = pack_record(group, "abc")
    assert record == {
        "kind": "pack",
        "id": record["id"],
        "length": 20,
        "targets": 5,
        "model": "abc",
        "samples": [{"kind": "sample", "id": "s0"}, {"kind": "sample", "id": "s1"}],
    }
    assert record["id"] == pack_record(group, "other")["id"] != pack_record(group[:1], "abc")["id"]
