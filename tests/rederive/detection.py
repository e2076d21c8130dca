"""3D detection and grounding: the boxes of what is visible in camera axes, and the texts that say them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rederive.case import STUFF, Case, Turn, faults_of_options
from rederive.notation import box_in_question, boxes_in_reply, same
from rederive.sight import body, overlap
from rederive.words import alike, stems


def detected(case: Case) -> Iterator[str]:
    """det3d, det3d-labels, det3d-all, det3d-turns, det3d-absent."""
    labels, objects = case.meta["labels"], case.meta["objects"]
    yield from _faults_of_frame(case)
    if case.sample["task"] == "det3d-turns":
        if len(set(labels)) < len(labels) or len(labels) != len(case.turns):
            yield f"{len(case.turns)} turns about {labels}"
        asked = list(zip(case.turns, [[label] for label in labels], objects, strict=True))
    else:
        asked = [(*case.turns, labels, objects)]
    for turn, kinds, things in asked:
        if not case.meta.get("exhaustive"):
            yield from _faults_of_asking(case, turn, kinds)
        yield from _faults_of_set(case, kinds, things)
        yield from _faults_of_boxes(case, turn, things)
    if case.sample["task"] == "det3d-absent" and objects:
        yield f"{objects} are not absent"
    if case.meta.get("exhaustive"):
        listed = {case.sight.things[thing]["label"] for thing in objects}
        for thing, record in case.sight.things.items():
            if case.sight.pixels(thing) > 0 and thing not in objects and record["label"].lower() not in STUFF:
                yield f"all objects are asked for, and {thing} ({record['label']}) is not there"
        if listed != set(labels):
            yield f"labels are {labels}, listed are {listed}"


def grounded(case: Case) -> Iterator[str]:
    """ground3d."""
    (turn,) = case.turns
    yield from _faults_of_frame(case)
    yield from case.faults_of_names(_names(case, turn), case.objects)
    yield from _faults_of_boxes(case, turn, case.objects)


def named(case: Case) -> Iterator[str]:
    """name3d."""
    (turn,), (thing,) = case.turns, case.objects
    yield from _faults_of_frame(case)
    yield from case.faults_of_sight(thing)
    sight = case.sight
    if fault := same(box_in_question(turn.question, case.meta), sight.bodies[thing], case.meta):
        yield f"the question's box is not that of {thing}: {fault}"
    label = sight.things[thing]["label"]
    if turn.answer["type"] == "choice":
        yield from faults_of_options(turn)
        for letter, text in turn.answer["options"].items():
            if (text == label) != (letter == turn.answer["value"]) or (text != label and alike(text, label)):
                yield f"{letter}. {text} is not {label}"
    elif turn.answer["value"] != label or turn.reply != label:
        yield f"{thing} is a {label}, not {turn.answer['value']!r}, {turn.reply!r}"
    for other, record in sight.things.items():
        rival = other != thing and other in sight.bodies and sight.pixels(other) > 0 and record["label"] != label
        if rival and (shared := overlap(sight.bodies[thing], sight.bodies[other])) > 0.3:
            yield f"{other} ({record['label']}) fills the same box to {shared:.0%}"


def _names(case: Case, turn: Turn) -> list[str]:
    """What the request, which stands last, calls the object."""
    request = turn.question.rpartition("\n")[2] if case.meta["dialect"] in ("vst", "seed") else turn.question
    return re.findall(r"\bpoint-[A-Z]\b", request) or case.names_in(request)


def _faults_of_frame(case: Case) -> Iterator[str]:
    """Camera and size are those of the picture as it is shown, in meta and in the question."""
    sight, meta, shown = case.sight, case.meta, case.shown
    fx, fy, cx, cy = sight.view["camera"]
    u, v = shown.forth(cx, cy)
    if not np.allclose(meta["camera"], [fx * shown.sx, fy * shown.sy, u, v], atol=2e-4):
        yield f"camera {meta['camera']} of a picture with {[fx * shown.sx, fy * shown.sy, u, v]}"
    if tuple(meta["size"]) != tuple(case.size):
        yield f"size {meta['size']} of a picture with {case.size}"
    if sight.scene.get("metric", True) is False:
        yield "metres where nothing is metric"
    question = case.turns[0].question
    width, height = case.size
    true = {
        "hfov": math.degrees(2 * math.atan(sight.width / 2 / fx)), "width": width,
        "vfov": math.degrees(2 * math.atan(sight.height / 2 / fy)), "height": height,
    }  # fmt: skip
    if meta["dialect"] == "vst":
        told = dict(re.findall(r"\b(hfov|vfov|width|height)=(\d+(?:\.\d+)?)", question))
        for key, value in true.items():
            if key not in told or abs(float(told[key]) - value) > 0.0051:
                yield f"{key} is {value:.2f}, not {told.get(key)}"
    elif meta["dialect"] == "seed":
        told = dict(re.findall(r"\b(f_x|f_y|c_x|c_y)=(-?\d+\.\d+)", question))
        for key, value in zip(("f_x", "f_y", "c_x", "c_y"), meta["camera"], strict=True):
            if key not in told or abs(float(told[key]) - value) > 0.0051:
                yield f"{key} is {value:.2f}, not {told.get(key)}"


def _faults_of_asking(case: Case, turn: Turn, labels: Sequence[str]) -> Iterator[str]:
    for label in labels:
        if not re.search(rf"(?<!\w){re.escape(label)}(?!\w)", turn.question):
            yield f"nobody asks for {label!r}: {turn.question[-200:]!r}"


def _faults_of_set(case: Case, labels: Sequence[str], objects: Sequence[str]) -> Iterator[str]:
    """Every instance in view is there, and none besides; one that can hardly be seen forbids the question."""
    sight = case.sight
    if len(set(objects)) < len(objects):
        yield f"an object stands twice: {objects}"
    for thing, record in sight.things.items():
        visible = sight.pixels(thing) > 0
        if record["label"] in labels and visible != (thing in objects):
            yield f"{thing} ({record['label']}) shows {sight.pixels(thing):.0f} pixels; listed: {thing in objects}"
        if visible and record["label"] not in labels:
            for label in labels:
                if stems(record["label"])[-len(stems(label)) :] == stems(label):
                    yield f"{thing} ({record['label']}) is a {label} too"
    for thing in objects:
        if sight.things[thing]["label"] not in labels:
            yield f"{thing} is none of {labels}"
        yield from case.faults_of_sight(thing)


def _faults_of_boxes(case: Case, turn: Turn, objects: Sequence[str]) -> Iterator[str]:
    """Answer and reply are the objects' boxes in the camera's axes, nearest centre first."""
    value: list[dict[str, Any]] = turn.answer["value"]
    written = boxes_in_reply(turn.reply, case.meta)
    if not len(value) == len(written) == len(objects):
        yield f"{len(value)} boxes answered and {len(written)} written, of {len(objects)} objects"
    for held, (label, said), thing in zip(value, written, objects, strict=False):
        if not held["label"] == label == case.sight.things[thing]["label"]:
            yield f"{thing} is called {held['label']!r} and {label!r}"
        true = case.sight.bodies[thing]
        off = np.abs(true.corners - body(held["box3d"]).corners).max()
        if off > 1e-3 * (1 + np.linalg.norm(true.half)):
            yield f"the box of {thing} is off by {off:.4f} m"
        if fault := same(said, true, case.meta):
            yield f"the box of {thing} is written with {fault}"
        if held["box3d"][2] <= 0:
            yield f"{thing} lies behind the camera"
    depths = [held["box3d"][2] for held in value]
    if depths != sorted(depths):
        yield f"not sorted: {depths}"
