"""Bins: nothing lost, nothing too full, nearly nothing wasted, and costs alike."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit.bins import balanced, best_fit_decreasing, dealt

Fit = Callable[[list[int], int], list[list[int]]]


@pytest.mark.parametrize("fit", [best_fit_decreasing, balanced])
@given(lengths=st.lists(st.integers(0, 30), max_size=60))
def test_every_length_is_in_exactly_one_group_that_holds_it(fit: Fit, lengths: list[int]) -> None:
    groups = fit(lengths, 30)
    assert sorted(itertools.chain.from_iterable(groups)) == list(range(len(lengths)))
    assert all(group and sum(lengths[i] for i in group) <= 30 for group in groups)


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


@pytest.mark.parametrize("fit", [best_fit_decreasing, balanced])
@pytest.mark.parametrize("length", [-1, 31])
def test_a_length_that_cannot_fit_is_refused(fit: Fit, length: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 30"):
        fit([1, length], 30)


def test_the_long_are_spread() -> None:
    lengths = [400, 400, 400, 400] + [100] * 24
    squares = [sorted(lengths[i] ** 2 for i in group) for group in balanced(lengths, 1000)]
    assert [sum(costs) for costs in squares] == [220_000] * 4
    assert sorted(len(group) for group in best_fit_decreasing(lengths, 1000)) != [7] * 4


@given(st.lists(st.integers(0, 1000), max_size=100), st.integers(1, 20), st.integers(0, 3))
def test_steps_hold_every_bin_once_and_only_the_last_is_short(costs: list[int], size: int, seed: int) -> None:
    steps = dealt(costs, size, seed)
    assert sorted(itertools.chain.from_iterable(steps)) == list(range(len(costs)))
    assert all(len(step) == size for step in steps[:-1])
    assert all(costs[a] >= costs[b] for step in steps for a, b in itertools.pairwise(step))
    assert steps == dealt(costs, size, seed)


def test_steps_cost_alike_and_differ_by_seed() -> None:
    costs = [n * n for n in range(800)]
    steps = dealt(costs, 8, 0)
    sums = [sum(costs[n] for n in step) for step in steps]
    assert statistics.pstdev(sums) < 0.05 * statistics.mean(sums)
    for step in steps:  # one of every hundred
        assert [n // 100 for n in step] == [7, 6, 5, 4, 3, 2, 1, 0]
    assert steps != dealt(costs, 8, 1)
