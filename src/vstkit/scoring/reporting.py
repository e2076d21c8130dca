"""From the judged items of a suite to score records: the headline, other ways to take the mean, groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vstkit.chance import digest
from vstkit.errors import DataError
from vstkit.scoring import aggregate
from vstkit.scoring.aggregate import Formula, Item
from vstkit.scoring.benchmarks import Suite
from vstkit.scoring.suites import chosen, fields_of

Record = dict[str, Any]


class Counts(NamedTuple):
    """How many ids a run lacks, has twice, and has that the truth does not know."""

    missing: int = 0
    duplicate: int = 0
    unknown: int = 0


NONE = Counts()


class Part(NamedTuple):
    """One number to report: its formula, the items (or units) it is made of, and what it is over."""

    metric: str
    formula: Formula
    items: Sequence[Item]
    group: Mapping[str, str] = {}
    bounded: bool = False


def scores(
    items: Sequence[Item],
    name: str,
    family: str | None = None,
    *,
    by: Sequence[str] = (),
    counts: Counts = NONE,
    partial: bool = False,
) -> list[Record]:
    """Score records of all items of a suite, the headline first.

    `overall` is the headline by the rules' own formula; `micro` the mean over questions and `macro` that over groups of
    the suite's first field are always there. Then come units (`circular`: right in all rolled copies), parts, and the
    groups of the fields `by`, all of the suite's own if empty. `interval` is a bootstrap over clusters, absent where
    there is one cluster only. Raises DataError where the headline's formula names groups that have no predictions, or
    circular groups lack rows; with `partial` it is made of what there is.
    """
    suite, family = chosen(name, family)
    formula = suite.rules[family].overall
    fields = list(fields_of(suite, by))
    at = fields.index(formula.over)
    absent = aggregate.absent(formula, {item.labels[at] for item in items}, suite.parts)
    if absent and not partial:
        raise DataError(f"{name}: no predictions of {', '.join(absent)} (--partial scores what there is)")
    rules = described(suite, family)
    made = []
    for part in parts_of(items, suite, formula, fields, by or list(suite.fields), partial):
        field = fields.index(part.formula.over) if part.formula.over in fields else None
        sums = aggregate.tabulate(part.items, field)
        value = float(aggregate.evaluate(part.formula, aggregate.pooled(sums), suite.parts))
        if math.isnan(value):
            continue
        whole = {} if part.group else {"missing": counts.missing, "version": suite.version}
        if part.metric == "overall" and (counts.duplicate or counts.unknown):
            whole |= {"duplicate": counts.duplicate, "unknown": counts.unknown}
        seed = (name, part.metric, *part.group.items())
        bounds = part.bounded and len(sums.score) > 1
        made.append({
            "kind": "score", "id": f"{name}/{digest(family, *seed[1:])}", "suite": name, "metric": part.metric,
            "value": value, "n": len(part.items),
            **({"interval": aggregate.interval(part.formula, sums, suite.parts, *seed)} if bounds else {}),
            **({"group": dict(part.group)} if part.group else {}),
            "unparsed": sum(not item.parsed for item in part.items), "rules": rules, **whole,
        })  # fmt: skip
    return made


def parts_of(
    items: Sequence[Item], suite: Suite, formula: Formula, fields: Sequence[str], by: Sequence[str], partial: bool
) -> Iterator[Part]:
    """Every number to report of a suite's items."""
    units = units_of(items, suite, partial)
    at = fields.index(formula.over)
    yield Part("overall", formula, inside(units[formula.unit], formula.of, suite, at), bounded=True)
    yield Part("micro", Formula("micro"), items)
    if grouped := [item for item in items if item.labels[0]]:
        yield Part("macro", Formula("mean", fields[0]), grouped)
    for unit in suite.units:
        yield Part(unit, Formula("micro"), units[unit])
    labels = {item.labels[at] for item in items}
    for name in suite.parts:
        part = Formula("mean", formula.over, (name,))
        if name not in labels and not aggregate.absent(part, labels, suite.parts):
            of = inside(items, part.of, suite, at)
            yield Part(metric_of(of), part, of, {formula.over: name}, bounded=True)
    for label in by:
        for unit in dict.fromkeys(("", formula.unit)):
            for group, of in _by_label(units[unit], fields.index(label)).items():
                yield Part(unit or metric_of(of), Formula("micro"), of, {label: group})
                if formula.how == "caa":
                    yield Part("CAA", Formula("caa"), of, {label: group})


def units_of(items: Sequence[Item], suite: Suite, partial: bool) -> dict[str, Sequence[Item]]:
    """The items under "", and the units of each kind that the suite has; raises DataError as `scores` tells."""
    groups: dict[str, Sequence[Item]] = {"": items}
    for i, unit in enumerate(suite.units):
        groups[unit], short = aggregate.together(items, i)
        if short and unit == "circular" and not partial:
            raise DataError(f"{short} of {len(groups[unit])} circular groups have fewer rows than options (--partial)")
    return groups


def inside(items: Sequence[Item], of: Sequence[str], suite: Suite, field: int) -> Sequence[Item]:
    """The items in the groups or parts `of`; all if there are none."""
    names = {*of, *(leaf for name in of for leaf in aggregate.leaves(name, suite.parts))}
    return [item for item in items if item.labels[field] in names] if of else items


def metric_of(items: Iterable[Item]) -> str:
    """What the mean score of some items is called."""
    kinds = {item.metric for item in items}
    return kinds.pop() if len(kinds) == 1 else "score"


def _by_label(items: Iterable[Item], field: int) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        if item.labels[field]:
            found.setdefault(item.labels[field], []).append(item)
    return found


def described(suite: Suite, family: str) -> str:
    """The rules in words: the family, how answers are read, the headline's formula."""
    rules = suite.rules[family]
    kinds = dict.fromkeys(judge.name for judge in rules.judges.values())
    return f"{family}: {', '.join(kinds)}; {rules.overall}"
