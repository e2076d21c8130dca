"""Formulas, groups and intervals, against numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit.scoring import aggregate
from vstkit.scoring.aggregate import Formula, Item, evaluate, pooled, tabulate


def item(score: float, task: str = "", *, cluster: str = "", unit: str = "", options: int = 0, id: str = "") -> Item:
    return Item(id, score, True, "accuracy", options, (task,), cluster, (unit,))


def value(formula: Formula, items: list[Item], parts: Any = None) -> float:
    return float(evaluate(formula, pooled(tabulate(items, 0)), parts))


THREE = [item(1, "a"), item(1, "a"), item(0, "a"), item(0, "b"), item(0.5, "c"), item(0.7, "c")]


def test_micro_and_macro() -> None:
    assert value(Formula("micro"), THREE) == pytest.approx(3.2 / 6)
    assert value(Formula("mean"), THREE) == pytest.approx((2 / 3 + 0 + 0.6) / 3)
    assert value(Formula("micro", of=("a", "b")), THREE) == pytest.approx(2 / 4)


def test_means_of_parts() -> None:
    """(a + b) / 2 is one of two: 1/2 (1/2 (2/3 + 0) + .6)."""
    assert value(Formula("mean", of=("p", "c")), THREE, {"p": ("a", "b")}) == pytest.approx((1 / 3 + 0.6) / 2)
    assert aggregate.absent(Formula("mean", of=("p", "d")), "abc", {"p": ("a", "b", "e")}) == ["e", "d"]
    # What nobody answered is left out of a mean.
    assert value(Formula("mean", of=("a", "d")), THREE) == pytest.approx(2 / 3)
    assert np.isnan(value(Formula("mean", of=("d",)), THREE))


def test_class_adjusted_accuracy() -> None:
    """Two right of three, with 2, 4 and 4 options: (2 - 1) / (3 - 1)."""
    items = [item(1, options=2), item(1, options=4), item(0, options=4)]
    assert value(Formula("caa"), items) == pytest.approx(0.5)
    assert value(Formula("caa"), [item(1, options=2), item(0, options=2)]) == 0
    assert value(Formula("caa"), [item(0, options=4)]) == pytest.approx(-1 / 3)


def test_units_are_right_only_together() -> None:
    rows = [item(1, unit="q", options=2), item(1, unit="q", options=2), item(1, unit="r", options=2),
            item(0, unit="r", options=2), item(1, unit="s", options=3)]  # fmt: skip
    units, short = aggregate.together(rows, 0)
    assert [(u.id, u.score) for u in units] == [("q", 1), ("r", 0), ("s", 1)]
    assert short == 1


def test_an_interval_is_that_of_clusters() -> None:
    """Fifty scenes whose rows agree are fifty observations, however many rows they have."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=50)
    many = [item(float(t), "a", cluster=str(i)) for i, t in enumerate(truth) for _ in range(20)]
    few = [item(float(t), "a", cluster=str(i)) for i, t in enumerate(truth)]
    low, high = aggregate.interval(Formula("micro"), tabulate(many, 0), {}, "s")
    assert [low, high] == aggregate.interval(Formula("micro"), tabulate(few, 0), {}, "s")
    half = 1.96 * np.sqrt(truth.mean() * (1 - truth.mean()) / 50)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    alone = [each._replace(cluster=str(i)) for i, each in enumerate(many)]
    narrow = aggregate.interval(Formula("micro"), tabulate(alone, 0), {}, "s")
    assert (narrow[1] - narrow[0]) / 2 == pytest.approx(half / np.sqrt(20), rel=0.1)


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=30))
def test_any_mean_lies_between_the_scores(rows: list[tuple[float, str, str]]) -> None:
    items = [item(score, task, cluster=cluster) for score, task, cluster in rows]
    scores = [each.score for each in items]
    for how in ("micro", "mean"):
        assert min(scores) - 1e-9 <= value(Formula(how), items) <= max(scores) + 1e-9  # type: ignore[arg-type]
    assert value(Formula("micro"), items) == pytest.approx(np.mean(scores))
    low, high = aggregate.interval(Formula("mean"), tabulate(items, 0), {}, 1)
    assert min(scores) - 1e-9 <= low + 1e-6 <= high + 2e-6 <= max(scores) + 3e-6


def test_formulas_say_what_they_are() -> None:
    assert str(Formula("micro", unit="circular")) == "mean over questions, circular"
    assert str(Formula("mean", "source", ("2D", "3D"))) == "mean over source (2D, 3D)"
    assert str(Formula("mean", "task", tuple("abcd"))) == "mean over task (4 groups)"
