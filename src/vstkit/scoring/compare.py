"""Two runs of a suite against each other, question by question.

The interval of a difference is a paired bootstrap: both runs are drawn by the same clusters (scenes, circular groups).
The sign test asks whether the questions that one run scores higher on are split as a fair coin would: two-sided, exact
binomial, ties left out. It takes questions as independent, which those of one scene are not; the interval does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.chance import digest
from vstkit.errors import DataError
from vstkit.scoring import aggregate, reporting
from vstkit.scoring.aggregate import Item, Sums
from vstkit.scoring.suites import chosen, fields_of

if TYPE_CHECKING:
    from PIL import Image

Record = dict[str, Any]


def compared(
    first: Sequence[Item],
    second: Sequence[Item],
    name: str,
    family: str | None = None,
    *,
    by: Sequence[str] = (),
    partial: bool = False,
) -> list[Record]:
    """Score records of the differences, second less first, of each number that `reporting.scores` has.

    Each has the two values `a` and `b`, the paired `interval` of their difference (where there are two clusters or
    more), the questions or units that the second does better on (`wins`) and worse (`losses`), and `p` of the sign
    test. Raises DataError where the runs do not have the same ids; with `partial` those count that both have.
    """
    suite, family = chosen(name, family)
    formula = suite.rules[family].overall
    fields = list(fields_of(suite, by))
    a, b = paired(first, second, partial)
    if not a:
        return []
    made = []
    ways = [reporting.parts_of(items, suite, formula, fields, by or list(suite.fields), partial) for items in (a, b)]
    for one, other in zip(*ways, strict=True):
        field = fields.index(one.formula.over) if one.formula.over in fields else None
        sums = [aggregate.tabulate(part.items, field) for part in (one, other)]
        values = [float(aggregate.evaluate(one.formula, aggregate.pooled(s), suite.parts)) for s in sums]
        if any(map(math.isnan, values)):
            continue
        wins = sum(y.score > x.score for x, y in zip(one.items, other.items, strict=True))
        losses = sum(y.score < x.score for x, y in zip(one.items, other.items, strict=True))
        metric, group = f"{one.metric} difference", dict(one.group)
        seed = (name, metric, *group.items())
        made.append({
            "kind": "score", "id": f"{name}/{digest(family, *seed[1:])}", "suite": name, "metric": metric,
            "value": values[1] - values[0], "n": len(one.items),
            **({"interval": _interval(one.formula, sums, suite.parts, *seed)} if len(sums[0].score) > 1 else {}),
            **({"group": group} if group else {}),
            "a": values[0], "b": values[1], "wins": wins, "losses": losses, "p": sign_test(wins, losses),
            "rules": reporting.described(suite, family),
        })  # fmt: skip
    return made


def paired(first: Sequence[Item], second: Sequence[Item], partial: bool) -> tuple[list[Item], list[Item]]:
    """The items of both runs in the order of the first; what groups them is taken from the first."""
    held = {item.id: item for item in second}
    common = [item for item in first if item.id in held]
    if not partial and not len(common) == len(first) == len(second):
        raise DataError(
            f"the runs share {len(common)} ids, of {len(first)} and {len(second)} (--partial compares what they share)"
        )
    return common, [item._replace(score=held[item.id].score, parsed=held[item.id].parsed) for item in common]


def _interval(formula: aggregate.Formula, sums: Sequence[Sums], parts: aggregate.Parts, *seed: object) -> list[float]:
    values = []
    for times in aggregate.draws(len(sums[0].score), *seed):
        a, b = (
            aggregate.evaluate(formula, Sums(one.names, *(times @ each for each in one[1:])), parts) for one in sums
        )
        values.append(b - a)
    return aggregate.bounds(np.concatenate(values))


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact binomial probability of a split as uneven as this, or more, by a fair coin."""
    n, few = wins + losses, min(wins, losses)
    ways = term = 1
    for i in range(1, few + 1):
        term = term * (n - i + 1) // i
        ways += term
    return min(1.0, ways / (1 << n - 1)) if n else 1.0


def plot(records: Sequence[Record], names: tuple[str, str]) -> Image.Image:
    """Both runs as bars, a pair for each record, with the difference and its interval beside it."""
    from PIL import Image, ImageDraw, ImageFont

    row, left, wide = 40, 230, 420
    image = Image.new("RGB", (left + wide + 270, row * len(records) + 60), (255, 255, 255))
    canvas, font = ImageDraw.Draw(image), ImageFont.load_default(size=13)
    colors = ((150, 160, 175), (24, 87, 200))
    for i, (label, color) in enumerate(zip(names, colors, strict=True)):
        x = left + 300 * i
        canvas.rectangle((x, 14, x + 12, 26), fill=color)
        canvas.text((x + 18, 12), _cut(label, 36), font=font, fill=(20, 20, 20))
    for i, record in enumerate(records):
        y = 44 + row * i
        group = " ".join(record.get("group", {}).values())
        what = group or record["metric"].removesuffix(" difference")
        canvas.text((left - 10, y + 8), _cut(what, 30), font=font, fill=(20, 20, 20), anchor="ra")
        for j, key in enumerate("ab"):
            end = left + wide * min(max(record[key], 0.0), 1.0)
            canvas.rectangle((left, y + 13 * j, end, y + 13 * j + 11), fill=colors[j])
            canvas.text((end + 5, y + 13 * j - 2), f"{100 * record[key]:.1f}", font=font, fill=(70, 70, 70))
        told = f"{100 * record['value']:+.1f}"
        if "interval" in record:
            low, high = record["interval"]
            told += f"  [{100 * low:+.1f}, {100 * high:+.1f}]"
        canvas.text((left + wide + 70, y + 6), told, font=font, fill=(20, 20, 20))
    return image


def _cut(word: str, length: int) -> str:
    return word if len(word) <= length else f"{word[: length - 1]}…"
