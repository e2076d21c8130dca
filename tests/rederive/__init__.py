"""An independent checker: derives every answer again from the scene and its files, sharing no code with vstkit.

`wrong(sample, scene, root)` gives the reasons why a sample is wrong, none where it is right. It goes by what the sample
says (its question, reply, answer and marks) and by the promises of its `meta`; instance images are needed.

    python tests/rederive SCENES.jsonl SAMPLES.jsonl --root DIR
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rederive import caption, depth, detection, distance, measure
from rederive.case import Case, Rules
from rederive.sight import Record, Sight

DEFAULT = Rules()
__all__ = ["DEFAULT", "TASKS", "Rules", "wrong"]

TASKS: dict[str, Callable[[Case], Iterator[str]]] = {
    "depth-nearest": depth.extreme,
    "depth-farthest": depth.extreme,
    "depth-order": depth.ordered,
    "depth-order-choice": depth.ordered,
    "depth-points": depth.points,
    "depth-value": depth.value,
    "distance-nearest": distance.extreme,
    "distance-farthest": distance.extreme,
    "distance-value": distance.value,
    "measure-height": measure.measured,
    "measure-longest": measure.measured,
    "measure-turns": measure.measured,
    **dict.fromkeys(("det3d", "det3d-labels", "det3d-all", "det3d-turns", "det3d-absent"), detection.detected),
    "ground3d": detection.grounded,
    "name3d": detection.named,
    "caption": caption.told,
}

# What a mirror changes: sides, and pixels in numbers. ("Which order is right?" is of no side.)
SIDED = re.compile(r"\bleft|\brightmost|\b(to|on|at) the right\b|\bright (of|side)|clockwise|bbox|[(\[]\d+, \d+")

_sights: dict[tuple[int, int, str], Sight] = {}


def wrong(sample: Record, scene: Record, root: str = ".", rules: Rules = DEFAULT) -> list[str]:
    """Why a sample is wrong; nothing where it is right. `rules` are the options that it was made with."""
    if sample.get("task") not in TASKS:
        return [f"unknown task {sample.get('task')!r}"]
    try:
        faults = list(_faults_of_frame(sample, scene))
        case = Case(sample, _sight(scene, sample["meta"]["view"], root), rules)
        return [*faults, *case.faults_of_marks(), *_faults_of_turning(case), *TASKS[sample["task"]](case)]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as e:
        return [f"cannot be read: {e!r}"]  # whatever cannot be laid open is wrong


def _sight(scene: Record, index: int, root: str) -> Sight:
    key = (id(scene), index, str(root))
    held = _sights.get(key)
    if held is None or held.scene is not scene:
        if len(_sights) > 32:
            _sights.clear()
        held = _sights[key] = Sight(scene, index, str(root))
    return held


def _faults_of_frame(sample: Record, scene: Record) -> Iterator[str]:
    """What every sample has: where it comes from, one picture, turns in pairs, an answer for each."""
    if sample["kind"] != "sample" or sample["scene"] != scene["id"]:
        yield f"a {sample['kind']} of {sample['scene']}, not of {scene['id']}"
    for key in ("dataset", "family", "license", "split"):
        if sample.get(key) != scene.get(key):
            yield f"{key} is {sample.get(key)!r}, not {scene.get(key)!r}"
    missing = [key for key in ("view", "template", "seed") if key not in sample["meta"]]
    if missing:
        yield f"meta lacks {missing}"
    if len(sample["images"]) != 1:
        yield f"{len(sample['images'])} images"
    roles = [message["role"] for message in sample["messages"]]
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        yield f"roles are {roles}"
    kinds = [part["type"] for message in sample["messages"] for part in message["content"]]
    if kinds != ["image"] + ["text"] * len(roles):
        yield f"contents are {kinds}"


def _faults_of_turning(case: Case) -> Iterator[str]:
    """A sample that a mirror does not change says nothing of sides or pixels, and has no writing on its picture."""
    if not isinstance(case.sample.get("flip_safe"), bool):
        yield "flip_safe is not said"
    if case.sample.get("flip_safe"):
        said = " ".join(f"{turn.question} {turn.reply}".lower() for turn in case.turns)
        if SIDED.search(said) or any("text" in mark for mark in case.marks):
            yield "flip_safe, but a mirror changes it"
