"""Sizes: vertical extents and largest dimensions, out of the corners of boxes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from rederive.case import Case, Turn

METRE = {"m": 1, "cm": 100, "mm": 1000}
UNITS = {
    "m": r"\b(metres?|meters?|m)\b", "cm": r"\b(centimetres?|centimeters?|cm)\b", "mm": r"\b(millimet(re|er)s?|mm)\b"
}  # fmt: skip
LONGEST = re.compile(r"\b(longest|largest|greatest|biggest|maximum|extends farthest)\b")
HEIGHT = re.compile(r"\b(height|high|tall|vertical extent|bottom and its top|lowest point to its highest)\b")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def measured(case: Case) -> Iterator[str]:
    """measure-height, measure-longest, measure-turns."""
    meta, sight = case.meta, case.sight
    if not sight.metric:
        yield "sizes in metres where nothing is metric"
    kind = case.sample["task"].removeprefix("measure-")
    if (len(case.turns) > 1) != (kind == "turns") or len(case.turns) != len(case.objects):
        yield f"{len(case.turns)} turns about {case.objects}"
    if len(set(case.objects)) < len(case.objects):
        yield f"an object is measured twice: {case.objects}"
    if kind != "turns" and meta["what"] != [kind]:
        yield f"{kind} asks for {meta['what']}"
    units = meta.get("units", [meta["unit"]])
    for turn, thing, what, claim, unit in zip(
        case.turns, case.objects, meta["what"], meta["values"], units, strict=True
    ):
        yield from _faults_of_sight(case, thing)
        names = case.names_in(turn.question)
        yield from case.faults_of_names(names, [thing])
        asked = turn.question.replace(names[0], "it") if names else turn.question
        said = "longest" if LONGEST.search(asked) else "height" if HEIGHT.search(asked) else "nothing"
        if said != what:
            yield f"the question asks for {said}, meta for {what}: {turn.question!r}"
        value = size(case, thing, what)
        if abs(value - claim) > 6e-4:
            yield f"{what} of {thing} is {value:.4f} m, not {claim}"
        yield from faults_of_number(turn, value, unit)
        if what == "height":
            yield from _faults_of_stance(case, thing, value)


def size(case: Case, thing: str, what: str) -> float:
    """Metres."""
    if what == "longest":
        return float(max(case.sight.things[thing]["box3d"][3:6]))
    along = case.sight.bodies[thing].corners @ case.sight.up
    return float(np.ptp(along))


def faults_of_number(turn: Turn, value: float, unit: str, most: float = 0.051) -> Iterator[str]:
    """Answer, reply and question agree in number and unit; rounding takes no more than `most` of the value."""
    answer = turn.answer
    if answer["unit"] != unit:
        yield f"answered in {answer['unit']}, not {unit}"
    if len(asked := [u for u, word in UNITS.items() if re.search(word, turn.question)]) != 1 or asked != [unit]:
        yield f"the question asks for {asked}: {turn.question!r}"
    held = NUMBER.findall(turn.reply)
    if not held or float(held[-1]) != answer["value"]:
        yield f"the reply {turn.reply!r} does not say {answer['value']}"
    elif not re.search(rf"{re.escape(held[-1])} {unit}\b", turn.reply):
        yield f"the reply {turn.reply!r} is not in {unit}"
    else:
        digits = len(held[-1].partition(".")[2])
        off = abs(answer["value"] - value * METRE[unit])
        if off > 0.5 * 10**-digits + 1e-6 or off > most * value * METRE[unit]:
            yield f"{value:.4f} m is not {held[-1]} {unit}"


def _faults_of_sight(case: Case, thing: str) -> Iterator[str]:
    """It is seen from end to end, inside the picture, and its box is about what is seen."""
    sight = case.sight
    if sight.cut_off(thing):
        yield f"{thing} is cut off"
    if sight.share(thing) < 0.39:
        yield f"{thing} shows {sight.share(thing):.0%} of its outline"
    held = sight.bodies[thing]
    if held.corners[:, 2].min() < 0.05:
        yield f"{thing} reaches behind the camera"
        return
    fx, fy, cx, cy = sight.view["camera"]
    uv = held.corners[:, :2] / held.corners[:, 2:] * (fx, fy) + (cx, cy)
    x0, y0, x1, y1 = sight.extent(thing)
    span = np.array([x1 - x0, y1 - y0]) / np.ptp(uv, axis=0)
    if span.min() < 0.69:
        yield f"{thing} shows {span.min():.0%} of its width or height"
    if sight.depth is not None:
        rows, columns = sight.place(thing)
        z = sight.depth[rows, columns]
        u, v = sight.window.forth(columns, rows)
        points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], axis=1)[z > 0]
        if len(points) and held.holds(points, 0.02).mean() < 0.65:
            yield f"{held.holds(points, 0.02).mean():.0%} of what is seen of {thing} lies in its box"


def _faults_of_stance(case: Case, thing: str, value: float) -> Iterator[str]:
    up, held = case.sight.up, case.sight.bodies[thing]
    if up is None:
        yield "nobody knows what is up"
        return
    axis = int(np.abs(up @ held.axes).argmax())
    lean = np.degrees(np.arccos(min(abs(up @ held.axes[:, axis]), 1)))
    if lean > 10.01 or value > 1.101 * 2 * held.half[axis]:
        yield f"{thing} leans by {lean:.1f} degrees"
