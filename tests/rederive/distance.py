"""Distances between boxes: which is closest to an anchor or farthest from it, and how far two are apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from rederive.case import LETTERS, Case, faults_of_options
from rederive.measure import faults_of_number
from rederive.sight import distance

CLOSEST = re.compile(r"nearest points?\b|surface to surface|any point of|come closest")
CENTERS = re.compile(r"\b(centres?|centers?|middle)\b")


def extreme(case: Case) -> Iterator[str]:
    """distance-nearest, distance-farthest."""
    (turn,) = case.turns
    meta, (anchor, *group) = case.meta, case.objects
    options: dict[str, str] = turn.answer["options"]
    yield from faults_of_options(turn, reply=not meta["worked"])
    yield from case.faults_of_names(list(options.values()), group)
    yield from case.faults_of_order(list(options.values()), turn.question)
    yield from _faults_of_anchor(case, anchor, turn.question)
    if not CLOSEST.search(turn.question) or CENTERS.search(turn.question):
        yield f"it is not said between what: {turn.question!r}"
    if case.meta["form"] == "caption":
        yield from _faults_of_hints(case, anchor, options)
    if len(set(case.objects)) < len(case.objects):
        yield f"an object stands twice: {case.objects}"
    nearest = case.sample["task"] == "distance-nearest"
    for claims, found in ((meta["values"], _closest(case)), (meta["centers"], _centers(case))):
        yield from _faults_of_values(claims, found)
        order = np.argsort(found) if nearest else np.argsort(found)[::-1]
        if LETTERS[order[0]] != turn.answer["value"]:
            yield f"{LETTERS[order[0]]} is right, not {turn.answer['value']}: {found}"
        first, second = sorted((found[order[0]], found[order[1]]))
        if not case.clear(first, second, depths=False):
            yield f"not clear: {first:.3f} against {second:.3f}"
    if meta["worked"]:
        yield from _faults_of_working(case, options, _closest(case))


def value(case: Case) -> Iterator[str]:
    """distance-value."""
    (turn,) = case.turns
    kind = case.meta["between"]
    if bool(CLOSEST.search(turn.question)) != (kind == "closest") or bool(CENTERS.search(turn.question)) != (
        kind == "centers"
    ):
        yield f"{kind} is not what the question asks for: {turn.question!r}"
    if not case.sight.metric:
        yield "metres where nothing is metric"
    for thing in case.objects:
        yield from _faults_of_anchor(case, thing, turn.question)
    if len(case.objects) != 2 or len(set(case.objects)) != 2:
        yield f"between {case.objects}"
    (found,) = _closest(case) if kind == "closest" else _centers(case)
    yield from _faults_of_values(case.meta["values"], [found])
    yield from faults_of_number(turn, found, "m")


def _closest(case: Case) -> list[float]:
    first, *others = (case.sight.bodies[i] for i in case.objects)
    return [distance(first, other) for other in others]


def _centers(case: Case) -> list[float]:
    first, *others = (case.sight.bodies[i].centre for i in case.objects)
    return [float(np.linalg.norm(first - other)) for other in others]


def _faults_of_anchor(case: Case, thing: str, question: str) -> Iterator[str]:
    names = case.names_in(question)
    if not any(case.denoted(name) == [thing] for name in names):
        yield f"{thing} is not named in {question!r}, which names {names}"
    yield from case.faults_of_sight(thing)


def _faults_of_values(claims: list[float], found: list[float]) -> Iterator[str]:
    if len(claims) != len(found):
        yield f"{len(claims)} values of {len(found)}"
    for claim, true in zip(claims, found, strict=False):
        if abs(claim - true) > 6e-4:
            yield f"{true:.4f} m apart, not {claim}"


def _faults_of_hints(case: Case, anchor: str, options: dict[str, str]) -> Iterator[str]:
    """Nothing is called next to, on or in what it is compared with."""
    things = case.sight.things
    (called,) = [name for name in case.names_in(case.turns[0].question) if case.denoted(name) == [anchor]][:1] or [""]
    pairs = [(name, things[anchor]["label"]) for name in options.values()]
    pairs += [(called, things[thing]["label"]) for thing in case.objects[1:]]
    for name, label in pairs:
        if re.search(rf" (on|in|next to) the {re.escape(label)}$", name):
            yield f"{name!r} gives a distance to the {label} away"


def _faults_of_working(case: Case, options: dict[str, str], found: list[float]) -> Iterator[str]:
    """The reply says every distance, to two decimals, with its two names; a clear order; and ends with the answer."""
    (turn,) = case.turns
    said = []
    for (letter, name), true in zip(options.items(), found, strict=True):
        held = re.search(rf"^(.+) - {re.escape(name)}: (\d+\.\d\d) m$", turn.reply, re.MULTILINE)
        if held is None:
            yield f"the distance to {letter}. {name} is not worked out"
            continue
        said.append(held[2])
        if abs(float(held[2]) - true) > 0.00501:
            yield f"{held[2]} m is written, {true:.4f} m is true"
        if case.denoted(held[1]) != case.objects[:1]:
            yield f"{held[1]!r} is not {case.objects[0]}"
    if not turn.reply.rstrip(".").endswith(options[turn.answer["value"]]):
        yield f"the reply does not end with {options[turn.answer['value']]!r}"
    if len(set(said)) < len(said):
        yield "two distances are written alike"
    for near, far in pairwise(sorted(found)):
        if not case.clear(near, far, depths=False):
            yield f"worked out, but not clear: {near:.3f} against {far:.3f}"
