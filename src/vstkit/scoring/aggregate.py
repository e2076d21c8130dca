"""From judged predictions to numbers: groups, formulas, circular groups, intervals.

A formula is data: how groups are taken together (`micro`, `mean`, `caa`), over which field, and of which groups. Sums
are kept by cluster, the predictions that depend on each other (of one scene, of one circular group), so that the
bootstrap draws whole clusters: rows of one scene are no independent evidence. Axes: C clusters, G groups, B draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vstkit.chance import digest

Floats = NDArray[np.float64]
DRAWS, AT_ONCE = 2000, 100


class Item(NamedTuple):
    """One judged prediction; all that a run holds of it."""

    id: str
    score: float
    parsed: bool
    metric: str
    """What the score is called in a group of its kind: accuracy, MRA."""
    options: int
    """How many there were to choose from; 0 where there was no choice."""
    labels: tuple[str, ...]
    """Its group in each field of the suite; "" where it has none."""
    cluster: str
    units: tuple[str, ...]
    """What it is one row of, in each kind of unit of the suite."""


class Formula(NamedTuple):
    """How a headline is made of groups.

    `micro` is the mean over questions, `mean` that over groups or parts, without weights, `caa` the accuracy less what
    guessing earns (SITE: (sum X - sum 1/n) / (N - sum 1/n)). `of` names the groups of the field `over`, all if empty;
    `unit` the rows that are right only together.
    """

    how: Literal["micro", "mean", "caa"]
    over: str = "task"
    of: tuple[str, ...] = ()
    unit: str = ""

    def __str__(self) -> str:
        names = ", ".join(self.of) if len(self.of) <= 3 else f"{len(self.of)} groups"
        over = f"over {self.over}" + (f" ({names})" if self.of else "")
        what = {"micro": "mean over questions", "mean": f"mean {over}", "caa": "class-adjusted accuracy"}[self.how]
        if self.how == "micro" and self.of:
            what += f" {over}"
        return f"{what}, {self.unit}" if self.unit else what


class Sums(NamedTuple):
    """What groups hold: sums of scores, of questions and of the chances of a guess, each (..., G)."""

    names: list[str]
    score: Floats
    n: Floats
    guess: Floats


Parts = Mapping[str, tuple[str, ...]]


def together(items: Iterable[Item], unit: int) -> tuple[list[Item], int]:
    """One item for each unit, right only if all its rows are; and how many units lack rows.

    A unit is complete when it has as many rows as options: then it is the circular copies of a question.
    """
    rows: dict[str, list[Item]] = {}
    for item in items:
        rows.setdefault(item.units[unit], []).append(item)
    whole = [
        group[0]._replace(
            id=key, score=min(item.score for item in group), parsed=all(item.parsed for item in group), options=0
        )
        for key, group in rows.items()
    ]
    return whole, sum(len(group) < group[0].options for group in rows.values())


def tabulate(items: Sequence[Item], field: int | None) -> Sums:
    """Sums (C, G) of items by cluster and by their group in a field, groups as they first appear."""
    clusters: dict[str, int] = {}
    names: dict[str, int] = {}
    at = np.zeros((2, len(items)), dtype=np.intp)
    for i, item in enumerate(items):
        at[0, i] = clusters.setdefault(item.cluster, len(clusters))
        at[1, i] = names.setdefault("" if field is None else item.labels[field], len(names))
    score, count, guess = np.zeros((3, len(clusters), len(names)))
    np.add.at(score, tuple(at), [item.score for item in items])
    np.add.at(count, tuple(at), 1.0)
    np.add.at(guess, tuple(at), [1 / item.options if item.options else 0.0 for item in items])
    return Sums(list(names), score, count, guess)


def evaluate(formula: Formula, sums: Sums, parts: Parts | None = None) -> Floats:
    """The formula's value (...,) of sums (..., G); NaN where there is nothing to take it of.

    A part is a name for the mean of some groups or other parts, which `of` may hold; where a group has the name, it is
    that. Groups without questions are left out of means, as are names that no group has: `absent` tells these before.
    """
    if formula.how == "mean":
        return _mean([_value(name, sums, parts or {}) for name in formula.of or sums.names])
    columns = [i for i, name in enumerate(sums.names) if not formula.of or name in formula.of]
    score, count, guess = (each[..., columns].sum(-1) for each in sums[1:])
    if formula.how == "micro":
        guess = np.zeros_like(guess)
    return _ratio(score - guess, count - guess)


def _value(name: str, sums: Sums, parts: Parts) -> Floats:
    if name in parts and name not in sums.names:
        return _mean([_value(member, sums, parts) for member in parts[name]])
    if name not in sums.names:
        return np.full(sums.score.shape[:-1], np.nan)
    column = sums.names.index(name)
    score, n = sums.score[..., column], sums.n[..., column]
    return _ratio(score, n)


def _mean(values: Sequence[Floats]) -> Floats:
    # One after the other and in percent, as published numbers are made: they are reproduced to the last digit.
    total, n = np.zeros((2, *values[0].shape))
    for value in values:
        there = ~np.isnan(value)
        total, n = total + np.where(there, 100 * value, 0), n + there
    return _ratio(total, n) / 100


def _ratio(above: Floats, below: Floats) -> Floats:
    """Their ratio, NaN where there is nothing below."""
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return ratio


def pooled(sums: Sums) -> Sums:
    """Sums (G,) over all clusters."""
    return Sums(sums.names, sums.score.sum(0), sums.n.sum(0), sums.guess.sum(0))


def absent(formula: Formula, names: Iterable[str], parts: Parts) -> list[str]:
    """The groups that a formula takes and that are not among `names`."""
    there = set(names)
    return [group for name in formula.of if name not in there for group in leaves(name, parts) if group not in there]


def leaves(name: str, parts: Parts) -> list[str]:
    """The groups that a part is made of; a group itself."""
    return [group for member in parts[name] for group in leaves(member, parts)] if name in parts else [name]


def draws(clusters: int, *seed: object) -> Iterable[Floats]:
    """How often each cluster is in each of the DRAWS samples with replacement, (B, C) at a time."""
    # The raw numbers of a bit generator, which are the same in every version of numpy; a Generator's may change.
    bits = np.random.PCG64(int(digest("bootstrap", *seed), 16))
    for _ in range(DRAWS // AT_ONCE):
        drawn = (bits.random_raw((AT_ONCE, clusters)) % np.uint64(clusters)).astype(np.intp)
        yield np.stack([np.bincount(row, minlength=clusters) for row in drawn]).astype(float)


def interval(formula: Formula, sums: Sums, parts: Parts, *seed: object) -> list[float]:
    """The 95 % percentile bootstrap interval over clusters, [low, high], of sums (C, G)."""
    values = [
        evaluate(formula, Sums(sums.names, *(times @ each for each in sums[1:])), parts)
        for times in draws(len(sums.score), *seed)
    ]
    return bounds(np.concatenate(values))


def bounds(values: Floats) -> list[float]:
    """The middle 95 % of drawn values, to six digits, which are the same on every machine."""
    low, high = np.nanpercentile(values, [2.5, 97.5]).round(6)
    return [float(low), float(high)]
