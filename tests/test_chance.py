"""Choices never change: what was generated once is generated again."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit.chance import Chance, digest

parts = st.lists(
    st.one_of(st.integers(), st.text(st.characters(min_codepoint=32, codec="utf-8"))), min_size=1, max_size=4
)


def test_the_sequence_is_frozen() -> None:
    """Published data sets hang on these numbers: a change here is a change of all of them."""
    chance = Chance(0, "gen-depth", "room/1")
    assert [chance.below(1000) for _ in range(8)] == [699, 861, 453, 15, 552, 619, 162, 342]
    chance = Chance(7)
    assert chance.choice("abcdef") == "d"
    assert chance.shuffled(range(8)) == [5, 1, 2, 6, 3, 4, 0, 7]
    assert chance.sample("abcdefgh", 3) == ["e", "b", "g"]
    assert digest("room", "det3d", [("labels", ["chair"])]) == "27e96512f0abed2e"
    assert digest(1, "a", length=7) == "1ba017d"


@pytest.mark.parametrize("n", [2, 6, 10])
def test_numbers_are_uniform(n: int) -> None:
    """Chi-square over many names and over one long stream; the bound is passed by chance once in a million runs."""
    from scipy.stats import chi2

    draws = 20_000
    one = Chance("stream")
    for drawn in ((Chance(i, "name").below(n) for i in range(draws)), (one.below(n) for _ in range(draws))):
        counts = Counter(drawn)
        assert set(counts) == set(range(n))
        statistic = sum((counts[i] - draws / n) ** 2 / (draws / n) for i in range(n))
        assert statistic < chi2.isf(1e-6, n - 1)


def test_orders_are_uniform() -> None:
    from scipy.stats import chi2

    draws = 12_000
    counts = Counter(tuple(Chance(i).shuffled("abc")) for i in range(draws))
    assert len(counts) == 6
    assert sum((c - draws / 6) ** 2 / (draws / 6) for c in counts.values()) < chi2.isf(1e-6, 5)


@given(parts, st.lists(st.integers()), st.integers(0, 20))
def test_a_sample_is_part_of_a_shuffle(name: list[object], items: list[int], n: int) -> None:
    assert sorted(Chance(*name).shuffled(items)) == sorted(items)
    assert Chance(*name).sample(items, n) == Chance(*name).shuffled(items)[:n]


@given(parts, parts)
def test_other_names_give_other_choices(a: list[object], b: list[object]) -> None:
    if [str(x) for x in a] != [str(x) for x in b]:
        assert digest(*a) != digest(*b)
        assert Chance(*a).below(2**64) != Chance(*b).below(2**64)


@given(parts, st.integers(1, 128))
def test_a_digest_is_as_long_as_asked(name: list[object], length: int) -> None:
    found = digest(*name, length=length)
    assert len(found) == length
    assert set(found) <= set("0123456789abcdef")
