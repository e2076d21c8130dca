"""3D detection questions: all boxes of one label in one view, in the dialect that the VST models read and write."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from vstkit import evidence, visibility
from vstkit.evidence import Seen
from vstkit.geometry import dialects
from vstkit.records import Scene
from vstkit.tasks.common import askable, sample
from vstkit.validation import parse

COMMAND, TASK = "gen-det3d", "det3d"


def generate(
    record: dict[str, Any],
    tally: Counter[str],
    *,
    root: str = ".",
    seed: int = 0,
    min_share: float = evidence.MIN_SHARE,
    min_fraction: float = evidence.MIN_FRACTION,
) -> Iterator[dict[str, Any]]:
    """One question for each view and label; the answer lists every instance in view, nearest first.

    A label is dropped, and counted, when it cannot be told whether one of its instances is in view or when one is
    hardly seen: the answer would be neither right with it nor without it.
    """
    scene = parse(record, Scene)
    for index, view in enumerate(scene.views):
        present = evidence.look(scene, index, root, min_share=min_share, min_fraction=min_fraction)
        groups: dict[str, list[Seen]] = defaultdict(list)
        for seen in present:
            groups[seen.object.label].append(seen)
        shown = {id(s) for s in askable(present, tally)}
        for label, group in groups.items():
            visible = [s for s in group if id(s) in shown]
            if not visible:
                continue
            tally["candidates"] += 1
            reason = _doubt(group, visible)
            if reason:
                tally[reason] += 1
                continue
            tally["samples"] += 1
            camera = view.camera, view.width, view.height
            yield question(record, index, [label], camera, _answer(visible), seed)


def _doubt(group: Sequence[Seen], visible: Sequence[Seen]) -> str:
    if any(s.box is None for s in visible):
        return "an instance has no 3D box"
    if any(s.box is not None and s.box[2] <= visibility.NEAR for s in visible):
        return "an instance's centre lies behind the camera"
    doubtful = {s.state for s in group} & {"hardly", "unsure"}
    return (
        {"hardly": "an instance is hardly seen", "unsure": "cannot tell if an instance is in view"}[min(doubtful)]
        if doubtful
        else ""
    )


def _answer(visible: Sequence[Seen]) -> tuple[list[str], list[dict[str, Any]]]:
    """Object ids and labelled boxes in camera axes, nearest centre first."""
    ordered = sorted(visible, key=lambda s: (float(s.box[2]) if s.box is not None else 0.0, s.object.id))
    found = [
        {"label": s.object.label, "box3d": [round(float(x), 4) for x in s.box]} for s in ordered if s.box is not None
    ]
    return [s.object.id for s in ordered], found


def question(
    record: dict[str, Any],
    index: int,
    labels: Sequence[str],
    camera: tuple[Sequence[float], int, int],
    answer: tuple[list[str], list[dict[str, Any]]] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The sample that asks for `labels` in a view; `camera` is (fx, fy, cx, cy), width, height.

    `answer` is object ids and their labelled boxes; without it the sample is a question only.
    """
    ids, found = answer or ([], [])
    return sample(
        command=COMMAND,
        task=TASK,
        scene=record,
        images=[record["views"][index]["image"]],
        question=dialects.detection_prompt(labels, *camera),
        reply=dialects.format_boxes(found) if answer else None,
        answer={"type": "boxes3d", "value": found} if answer else None,
        meta={
            "view": index,
            "labels": list(labels),
            **({"objects": ids} if answer else {}),
            "camera": [round(x, 4) for x in camera[0]],
            "size": list(camera[1:]),
            "template": "vst",
            "seed": seed,
        },
    )


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of this task came about, from its `meta` and the scene."""
    meta = made["meta"]
    world = {thing["id"]: thing for thing in record["objects"]}
    lines = [
        f"{made['id']}: {made['task']} of {', '.join(meta['labels'])} in view {meta['view']} of {made['scene']}",
        f"every instance of the label in view, nearest centre first ({len(meta['objects'])}):",
    ]
    for thing, box in zip(meta["objects"], made["answer"]["value"], strict=True):
        lines.append(f"  {thing}  camera axes {box['box3d']}")
        lines.append(f"  {' ' * len(thing)}  world axes  {world[thing]['box3d']}")
    lines.append("no other instance of the label is in view or doubtful; every centre lies before the camera")
    return "\n".join(lines)
