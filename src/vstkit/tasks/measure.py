"""Measurement questions: how high an object stands and how long it is, in m, cm or mm, of one object or of several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstkit.chance import Chance
from vstkit.evidence import Seen
from vstkit.geometry.rotations import euler_to_matrix
from vstkit.tasks import references
from vstkit.tasks.asking import Asking
from vstkit.tasks.references import FORMS, PATCH, Describe, Referred, described
from vstkit.tasks.samples import Turn
from vstkit.tasks.whole import EXACT, complete, placed

COMMAND = "gen-measure"
OPTIONAL: frozenset[str] = frozenset()
SLOTS = {f"{what}.{turn}": {"object", "unit"} for what in ("height", "longest") for turn in ("first", "next")}

SMALLEST, LARGEST = 0.03, 10.0  # metres that are asked for
UPRIGHT = 10.0  # degrees between the vertical and the box axis that is the height
SLACK = 0.03  # by which the vertical extent may exceed the size along that axis: the rest is tilt, and no height
COARSE = 0.05  # by which the last digit of a reply may change a value
MOST = 5  # turns

UNITS = {"m": ("metres", 1, 2), "cm": ("centimetres", 100, 0), "mm": ("millimetres", 1000, 0)}  # word, a metre, digits

Sizes = Mapping[str, Mapping[str, float]]  # object id -> what -> metres


def height(ask: Asking, *, forms: Sequence[str] = FORMS, patch: int = PATCH) -> Iterator[dict[str, Any]]:
    """How high an object stands, from its lowest to its highest point, where it is known what is up."""
    if ask.sight.up is None and ask.sight.metric:
        ask.skip("it is not known what is up")
        return
    yield from _single(ask, "height", forms, patch)


def longest(ask: Asking, *, forms: Sequence[str] = FORMS, patch: int = PATCH) -> Iterator[dict[str, Any]]:
    """The largest of the three sizes of an object; which of them is its length or width nobody has to agree on."""
    yield from _single(ask, "longest", forms, patch)


def turns(ask: Asking, *, forms: Sequence[str] = FORMS, patch: int = PATCH) -> Iterator[dict[str, Any]]:
    """Two to five objects of one picture, one turn each, in one unit that suits them all."""
    sizes = _sizes(ask, ("height", "longest"))
    describe = described(ask.sight, {"size"})
    pools = _pools(ask, sizes, forms, describe)
    usable = [form for form in forms if len(pools[form]) >= 2]
    for chance in ask.attempts() if usable else ():
        form = chance.choice(usable)
        group = chance.sample(pools[form], 2 + chance.below(min(MOST, len(pools[form])) - 1))
        if not ask.fresh(form, group):
            continue
        if not references.distinct(form, group, ask.sight.view):
            ask.drop("marks too close together")
            continue
        what = [chance.choice(sorted(sizes[s.object.id])) for s in group]
        values = [sizes[s.object.id][w] for s, w in zip(group, what, strict=True)]
        unit = chance.choice(_suited(values))
        referred = references.refer(form, group, chance, ask.sight.view, patch=patch, describe=describe)
        yield _asked(ask, chance, form, group, what, values, unit, referred)


TASKS = {"measure-height": height, "measure-longest": longest, "measure-turns": turns}


def _single(ask: Asking, what: str, forms: Sequence[str], patch: int) -> Iterator[dict[str, Any]]:
    """One question about each object, referred to in one of the forms that fit it."""
    sizes = _sizes(ask, (what,))
    fitting: dict[str, list[str]] = {}
    describe = described(ask.sight, {"size"})
    for form, pool in _pools(ask, sizes, forms, describe).items():
        for seen in pool:
            fitting.setdefault(seen.object.id, []).append(form)
    group = [s for s in ask.sight.asked if s.object.id in fitting]
    for seen in ask.each(ask.chance().shuffled(group)):
        chance = ask.chance(seen.object.id)
        form = chance.choice(fitting[seen.object.id])
        value = sizes[seen.object.id][what]
        unit = chance.choice(_suited([value]))
        referred = references.refer(form, [seen], chance, ask.sight.view, patch=patch, describe=describe)
        yield _asked(ask, chance, form, [seen], [what], [value], unit, referred)


def _asked(
    ask: Asking,
    chance: Chance,
    form: str,
    group: Sequence[Seen],
    what: Sequence[str],
    values: Sequence[float],
    unit: str,
    referred: Referred,
) -> dict[str, Any]:
    """The sample that asks for `values` in metres, one turn each."""
    made, templates = [], []
    for i, (kind, value, phrase) in enumerate(zip(what, values, referred.phrases, strict=True)):
        key = f"{kind}.{'next' if i else 'first'}"
        text, template = ask.words(key, chance, object=phrase, unit=UNITS[unit][0])
        number, reply = told(value, unit)
        made.append(Turn(text, reply, {"type": "number", "value": number, "unit": unit}))
        templates.append(template)
    meta = {
        "form": form,
        "objects": [s.object.id for s in group],
        "what": list(what),
        "values": [round(value, 3) for value in values],
        "unit": "m",
        "units": [unit] * len(made),
        **({"templates": templates} if len(made) > 1 else {}),
    }
    return ask.sample(made, template=templates[0], meta=meta, ops=referred.ops, flip_safe=referred.flip_safe)


def told(value: float, unit: str) -> tuple[float, str]:
    """Metres as a number in `unit` and as it is written: `0.71 m`, `71 cm`, `712 mm`."""
    _, scale, digits = UNITS[unit]
    number = round(value * scale, digits)
    return float(number), f"{number:.{digits}f} {unit}"


def _suited(values: Sequence[float]) -> list[str]:
    """Units whose last digit is fine enough for each of the values in metres."""
    return [
        unit for unit, (_, scale, digits) in UNITS.items() if 0.5 / (scale * 10**digits) <= COARSE * min(values) + 1e-9
    ]


def _pools(ask: Asking, sizes: Sizes, forms: Sequence[str], describe: Describe) -> dict[str, list[Seen]]:
    """For each form the measured objects that it can refer to."""
    measured = [s for s in ask.sight.asked if s.object.id in sizes]
    return {form: references.pool(form, ask, measured, describe) if measured else [] for form in forms}


def _sizes(ask: Asking, kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """What can be measured of each object, in metres; the others are counted. Nothing where lengths are not metres."""
    if not ask.sight.metric:
        ask.skip("lengths are not metres")
        return {}
    whole = complete(ask)
    found: dict[str, dict[str, float]] = {s.object.id: {} for s in whole}
    if "height" in kinds and ask.sight.up is not None:
        for seen, extent in zip(whole, heights(placed(whole), ask.sight.up).tolist(), strict=True):
            if not math.isnan(extent):
                found[seen.object.id]["height"] = extent
            elif kinds == ("height",):
                ask.leave("tilted: its vertical extent is no height")
    if "longest" in kinds:
        for seen in whole:
            found[seen.object.id]["longest"] = float(placed([seen])[0, 3:6].max())
    kept: dict[str, dict[str, float]] = {}
    for thing, sizes in found.items():
        in_range = {what: value for what, value in sizes.items() if SMALLEST <= value <= LARGEST}
        if in_range:
            kept[thing] = in_range
        elif sizes:
            ask.leave(f"below {SMALLEST:g} m or above {LARGEST:g} m")
    return kept


def heights(held: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertical extents (n,) of boxes (n, 9) in metres, `up` a unit vector; nan where a box does not stand upright.

    Upright is a box of which one axis is vertical to `UPRIGHT` degrees and whose size along it is its extent, but for
    `SLACK`: of a flat box a small tilt makes a height that the object has not.
    """
    along = np.abs(up @ euler_to_matrix(held[:, 6:]))  # (n, 3) cosines of the axes with the vertical
    sizes = held[:, 3:6]
    extents: NDArray[np.float64] = (along * sizes).sum(axis=1)
    axis = along.argmax(axis=1)
    rows = np.arange(len(held))
    upright = along[rows, axis] >= math.cos(math.radians(UPRIGHT))
    straight = extents <= (1 + SLACK) * sizes[rows, axis]
    return np.where(upright & straight, extents, np.nan).round(EXACT)


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of this task came about, from its `meta` and the scene."""
    meta = made["meta"]
    things = {thing["id"]: thing for thing in record["objects"]}
    answers = made["answer"] if isinstance(made["answer"], list) else [made["answer"]]
    replies = [m["content"][0]["text"] for m in made["messages"] if m["role"] == "assistant"]
    lines = [
        f"{made['id']}: {made['task']} in view {meta['view']} of {made['scene']}, named by {meta['form']}",
        "each object is seen from end to end, and no border cuts it off",
    ]
    for thing, what, value, answer, reply in zip(
        meta["objects"], meta["what"], meta["values"], answers, replies, strict=True
    ):
        box = things[thing]["box3d"]
        lines.append(f"  {thing} ({things[thing]['label']}): sizes {box[3:6]} m, angles {box[6:]} degrees")
        rule = "the extent along up, an axis being vertical" if what == "height" else "the largest size"
        lines.append(f"  {what}, {rule}: {value:.3f} m, in {answer['unit']} {answer['value']:g}, written {reply!r}")
    return "\n".join(lines)
