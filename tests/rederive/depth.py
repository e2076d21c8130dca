"""Depth questions: which is nearest or farthest, in what order, and how far, by the readings in the masks."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator
from itertools import pairwise

import numpy as np

from rederive.case import LETTERS, Case, faults_of_options
from rederive.measure import faults_of_number

POINTS = ("point", "text-point")
RANKS = 0.1  # by which a quantile of a sample may miss that of the whole mask
MARK = 0.008  # radius of a point on the picture, as a share of the diagonal
AXIAL = re.compile(r"\b(depth|deepest|viewing direction|straight ahead|axis|camera looks)\b")
FIRST_NEAR = re.compile(r"from the nearest to|from near to|the least first|with what is closest")
FIRST_FAR = re.compile(r"from the farthest to|from far to|the greatest first|with what is farthest")
FARTHEST = re.compile(r"farthest|deepest|longest way|greatest depth|has the most|all but one of .* lie closer")
NEAREST = re.compile(r"nearest|closest|smallest|least|closer to the viewer than all others|nearer|closer|sooner|less")

Depths = list[tuple[float, ...]]


def extreme(case: Case) -> Iterator[str]:
    """depth-nearest, depth-farthest."""
    (turn,) = case.turns
    options: dict[str, str] = turn.answer["options"]
    yield from faults_of_options(turn)
    yield from case.faults_of_names(list(options.values()), case.objects)
    yield from case.faults_of_order(list(options.values()), turn.question)
    yield from _faults_of_hints(options.values())
    measures = yield from _measured(case)
    nearest = case.sample["task"] == "depth-nearest"
    said = "farthest" if FARTHEST.search(turn.question.lower()) else "nearest"
    if nearest != (said == "nearest") or not (NEAREST if nearest else FARTHEST).search(turn.question.lower()):
        yield f"the question asks for another end: {turn.question!r}"
    order = [int(i) for i in np.argsort([m[0] for m in measures])]
    if not nearest:
        order.reverse()
    if LETTERS[order[0]] != turn.answer["value"]:
        yield f"{LETTERS[order[0]]} is right, not {turn.answer['value']}"
    for other in order[1:]:
        near, far = (order[0], other) if nearest else (other, order[0])
        yield from _faults_of_pair(case, measures, near, far)


def ordered(case: Case) -> Iterator[str]:
    """depth-order, depth-order-choice."""
    (turn,) = case.turns
    measures = yield from _measured(case)
    order = [int(i) for i in np.argsort([m[0] for m in measures])]
    for near, far in pairwise(order):
        yield from _faults_of_pair(case, measures, near, far)
    direction = case.meta["direction"]
    if direction == "far-to-near":
        order.reverse()
    asked = [d for d, word in (("near-to-far", FIRST_NEAR), ("far-to-near", FIRST_FAR)) if word.search(turn.question)]
    if asked != [direction]:
        yield f"the question asks for {asked}, not {direction}: {turn.question!r}"
    right = [case.objects[i] for i in order]
    if turn.answer["type"] == "choice":
        yield from faults_of_options(turn)
        lines = {letter: text.split(", then ") for letter, text in turn.answer["options"].items()}
        names = lines[turn.answer["value"]]
        if any(sorted(line) != sorted(names) for line in lines.values()):
            yield f"options are not orders of the same: {lines}"
    else:
        names = turn.answer["value"]
        if case.meta["reply"] == "json":
            yield from _faults_of_json(case, turn.reply, right)
        elif turn.reply != "\n".join(f"{n}. {name}" for n, name in enumerate(names, 1)):
            yield f"the reply is {turn.reply!r}, not {names}"
    yield from _faults_of_hints(names)
    yield from case.faults_of_names(names, right)
    yield from case.faults_of_order([names[right.index(thing)] for thing in case.objects], turn.question)


def _faults_of_json(case: Case, reply: str, right: list[str]) -> Iterator[str]:
    held = json.loads(re.sub(r"^```json\n|\n```$", "", reply))
    if len(held) != len(right):
        yield f"{len(held)} entries, not {len(right)}"
    for entry, thing in zip(held, right, strict=False):
        x0, y0, x1, y1 = entry["bbox_2d"]
        if case.denoted(f"{entry['label']} at [{x0}, {y0}, {x1}, {y1}]") != [thing]:
            yield f"{entry} is not {thing}"


def points(case: Case) -> Iterator[str]:
    """depth-points: of two places."""
    (turn,) = case.turns
    sight, meta = case.sight, case.meta
    yield from faults_of_options(turn)
    yield from case.faults_of_order(list(turn.answer["options"].values()), turn.question)
    if not NEAREST.search(turn.question) or FARTHEST.search(turn.question):
        yield f"the question does not ask for the nearer one: {turn.question!r}"
    spans = []
    for i, (name, (u, v)) in enumerate(zip(turn.answer["options"].values(), meta["points"], strict=True)):
        room = max(0.51, 0.51 / case.shown.sx, 0.51 / case.shown.sy)
        if np.abs(np.subtract(case.pointed(name), (u, v))).max() > room:
            yield f"{name} lies at {case.pointed(name)}, not at {(u, v)}"
        radius = MARK * np.hypot(sight.width, sight.height)
        reach = max(int(radius / max(sight.window.sx, sight.window.sy)), 1)
        around = sight.around(u, v, reach)
        spans.append((around.min(), around.max()))
        value = float(np.median(sight.around(u, v)))
        if abs(meta["values"][i] - value) > 0.02 * value + 1e-3:
            yield f"depth at {(u, v)} is {value:.3f}, not {meta['values'][i]}"
        if around.min() <= 0 or np.ptp(around) > 0.101 * value:
            yield f"no even surface at {(u, v)}: {around.min():.3f} to {around.max():.3f}"
    near, far = (0, 1) if meta["values"][0] < meta["values"][1] else (1, 0)
    if turn.answer["value"] != LETTERS[near]:
        yield f"{LETTERS[near]} is right, not {turn.answer['value']}"
    if not case.clear(spans[near][1], spans[far][0]):
        yield f"not clear: {spans[near]} against {spans[far]}"
    yield from _faults_of_unit(case)
    if not AXIAL.search(turn.question):
        ranges = [sight.stretch(u, v) * z for (u, v), z in zip(meta["points"], meta["values"], strict=True)]
        if ranges[near] >= ranges[far]:
            yield f"nearer along the axis, but {ranges[near]:.3f} against {ranges[far]:.3f} away: {turn.question!r}"


def value(case: Case) -> Iterator[str]:
    """depth-value."""
    (turn,) = case.turns
    if not case.sight.metric:
        yield "metres where nothing is metric"
    ((found, *_),) = yield from _measured(case)
    lettered = re.findall(r"\bpoint-[A-Z]\b", turn.question)
    yield from case.faults_of_names(lettered or case.names_in(turn.question), case.objects)
    if not AXIAL.search(turn.question):
        yield f"it is not said along what: {turn.question!r}"
    yield from faults_of_number(turn, found, "m")


def _measured(case: Case) -> Generator[str, None, Depths]:
    """Depths that count, as claimed, after they have been held against the maps.

    They are the median or the depth at a point, the straight way to the camera there, and the nearest tenth.
    """
    meta, sight = case.meta, case.sight
    yield from _faults_of_unit(case)
    for i, (thing, claim) in enumerate(zip(case.objects, meta["values"], strict=True)):
        if meta["form"] not in POINTS:
            yield from _faults_of_rank(case, thing, claim, 0.5)
            continue
        point = _point(case, i)
        around = sight.around(*point, reach=3)
        found = float(np.median(sight.around(*point)))
        if not around.min() - 2e-3 <= claim <= around.max() + 2e-3 or abs(claim - found) > 0.03 * found + 2e-3:
            yield f"depth {claim} at {point}, where readings are {around.min():.3f} to {around.max():.3f}"
        if sight.around(*point, reach=1).min() <= 0:
            yield f"no depth at {point}"
    for i, (thing, depth, claim) in enumerate(zip(case.objects, meta["values"], meta["ranges"], strict=True)):
        # Of a whole object the way to its middle, wherever that lies on it.
        stretch = [sight.stretch(*_point(case, i))] if meta["form"] in POINTS else sight.stretches(thing)
        room = 4e-3 * claim + 2e-3  # whole pixels
        if not min(stretch) * depth - room <= claim <= max(stretch) * depth + room:
            yield f"{thing} at depth {depth} is not {claim} away"
    if "near" not in meta:
        if meta["form"] != "point":
            yield "the nearest tenth is not told"
        return list(zip(meta["values"], meta["ranges"], strict=True))
    for thing, claim in zip(case.objects, meta["near"], strict=True):
        yield from _faults_of_rank(case, thing, claim, 0.1)
    return list(zip(meta["values"], meta["ranges"], meta["near"], strict=True))


def _faults_of_hints(names: Iterable[str]) -> Iterator[str]:
    """No name says how near its thing is."""
    for name in names:
        if re.match(r"(nearest|farthest|closest) ", name):
            yield f"{name!r} gives its depth away"


def _faults_of_unit(case: Case) -> Iterator[str]:
    if case.meta.get("unit") != ("m" if case.sight.metric else None):
        yield f"unit {case.meta.get('unit')} where metric is {case.sight.metric}"


def _faults_of_rank(case: Case, thing: str, claim: float, rank: float) -> Iterator[str]:
    """Evidence reads a mask on a grid, which moves a rank a little."""
    low, high = case.sight.between(thing, max(rank - RANKS, 0), rank + RANKS)
    if not low - 1.5e-3 <= claim <= high + 1.5e-3:
        yield f"of {thing} the {rank:.0%} quantile is {low:.3f} to {high:.3f} away, not {claim}"


def _faults_of_pair(case: Case, measures: Depths, near: int, far: int) -> Iterator[str]:
    """One is clearly nearer by every claimed measure; and just nearer by the whole masks, and as the crow flies."""
    for mine, theirs in zip(measures[near], measures[far], strict=True):
        if not case.clear(mine, theirs):
            yield f"not clear: {mine:.3f} against {theirs:.3f}"
    one, other = case.objects[near], case.objects[far]
    if case.meta["form"] in POINTS:
        places = [_point(case, i) for i in (near, far)]
        ranges = [case.sight.stretch(*place) * measures[i][0] for place, i in zip(places, (near, far), strict=True)]
    else:
        ranges = [case.sight.range(one), case.sight.range(other)]
        for get in (case.sight.median, case.sight.tenth):
            if get(one) >= get(other):
                yield f"{one} before {other}, but by the whole masks {get(one):.3f} and {get(other):.3f}"
    if not AXIAL.search(case.turns[0].question) and ranges[0] >= ranges[1]:
        yield f"{one} before {other} along the axis, but {ranges[0]:.3f} against {ranges[1]:.3f} away"


def _point(case: Case, i: int) -> tuple[float, float]:
    """Where the i-th object's point is in the view's image."""
    if case.meta["form"] == "point":
        u, v = case.marks[i]["xy"]
        return u, v
    u, v = re.findall(r" at \(([-\d]+), ([-\d]+)\)", case.turns[0].question)[i]
    return case.shown.back(int(u), int(v))
