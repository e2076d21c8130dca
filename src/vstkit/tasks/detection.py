"""3D detection questions: all boxes of one label, of several, or of everything in a view, in a model's dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from vstkit.geometry import dialects
from vstkit.geometry.dialects import VST, Notation
from vstkit.tasks import absence, grounding
from vstkit.tasks.asking import Asking
from vstkit.tasks.boxes3d import Boxes, Kind, all_listed, kinds, usable
from vstkit.tasks.samples import Turn, sample

COMMAND, TASK = "gen-det3d", "det3d"
SLOTS = {
    "labels.ask": {"names"},
    "all.names": {"names"},
    "all.objects": set[str](),
    "turns.next": {"label"},
    "ground.ask": {"what"},
    "name.open": {"box"},
    "name.letter": {"box", "options"},
}
TOGETHER, IN_TURNS = 4, 5  # labels in one question, turns of a conversation
MOST = 40  # boxes in one answer; longer lists are not finished by models


def detect(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """One question for each label, as the models of the dialect are asked; the answer lists every instance in view.

    A label is dropped, and counted, when it is in doubt: the answer would be right neither with an instance nor
    without it.
    """
    boxes = Boxes(ask, **options)
    for kind in ask.each(ask.chance().shuffled(kinds(ask.sight) if boxes.metric else ())):
        if kind.doubt:
            ask.drop(kind.doubt)
        else:
            yield _asked(ask, boxes, [kind], None, template=boxes.notation.dialect)


def several(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Two to four labels in one question."""
    boxes, found = Boxes(ask, **options), usable(ask.sight)
    for chance in ask.attempts() if boxes.metric and len(found) >= 2 else ():
        group = chance.sample(found, 2 + chance.below(min(TOGETHER, len(found)) - 1))
        if not ask.fresh(*sorted(kind.label for kind in group)):
            continue
        request, template = ask.words("labels.ask", chance, names=_names(group))
        yield _asked(ask, boxes, group, request, template=template)


def everything(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """All labels that are in no doubt, by name; and all objects, where every single one can be listed."""
    boxes, found = Boxes(ask, **options), usable(ask.sight)
    for key in ask.each(("all.names", "all.objects") if boxes.metric and len(found) >= 2 else ()):
        chance = ask.chance(key)
        group = chance.shuffled(found) if key == "all.names" else kinds(ask.sight)
        if sum(len(kind.seen) for kind in group) > MOST:
            ask.drop(f"more than {MOST} boxes")
        elif key == "all.objects" and not all_listed(ask.sight):
            ask.drop("an object in view is in doubt")
        else:
            request, template = ask.words(key, chance, **({"names": _names(group)} if key == "all.names" else {}))
            yield _asked(ask, boxes, group, request, template=template, exhaustive=key == "all.objects")


def in_turns(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Two to five labels, one a turn; camera and format are told in the first turn only."""
    boxes, found = Boxes(ask, **options), usable(ask.sight)
    for chance in ask.attempts() if boxes.metric and len(found) >= 2 else ():
        group = chance.sample(found, 2 + chance.below(min(IN_TURNS, len(found)) - 1))
        if not ask.fresh(*sorted(kind.label for kind in group)):
            continue
        labels = [kind.label for kind in group]
        turns: list[Turn] = []
        objects, template = [], ""
        for kind in group:
            ids, reply, answer = boxes.listed(kind.seen)
            later, template = ask.words("turns.next", ask.chance(*labels), label=kind.label)  # one wording for all
            turns.append(Turn(later if turns else boxes.question([kind.label]), reply, answer))
            objects.append(ids)
        yield ask.sample(turns, template=template, meta=boxes.meta(labels, objects))


def _asked(
    ask: Asking, boxes: Boxes, group: Sequence[Kind], request: str | None, *, template: str, **more: Any
) -> dict[str, Any]:
    """One question for the instances of some labels."""
    labels = [kind.label for kind in group]
    ids, reply, answer = boxes.listed([s for kind in group for s in kind.seen])
    turn = Turn(boxes.question(labels, request), reply, answer)
    return ask.sample([turn], template=template, meta={**boxes.meta(labels, ids), **more})


def _names(group: Sequence[Kind]) -> str:
    return ", ".join(kind.label for kind in group)


TASKS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    TASK: detect,
    "det3d-labels": several,
    "det3d-all": everything,
    "det3d-turns": in_turns,
    "ground3d": grounding.ground,
    "name3d": grounding.name,
    "det3d-absent": absence.absent,
}
OPTIONAL = frozenset({"det3d-absent"})


def question(
    record: dict[str, Any],
    index: int,
    labels: Sequence[str],
    camera: tuple[Sequence[float], int, int],
    seed: int = 0,
    notation: Notation = VST,
) -> dict[str, Any]:
    """The sample that asks for `labels` in a view, without an answer; `camera` is (fx, fy, cx, cy), width, height."""
    return sample(
        command=COMMAND,
        task=TASK,
        scene=record,
        images=[record["views"][index]["image"]],
        turns=[Turn(dialects.detection_prompt(labels, *camera, notation))],
        meta={
            "view": index,
            "labels": list(labels),
            "camera": [round(value, 4) for value in camera[0]],
            "size": list(camera[1:]),
            **notation._asdict(),
            "template": notation.dialect,
            "seed": seed,
        },
    )


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of this task came about, from its `meta` and the scene."""
    meta = made["meta"]
    world = {thing["id"]: thing for thing in record["objects"]}
    head = f"{made['id']}: {made['task']} of {', '.join(meta['labels'])} in view {meta['view']} of {made['scene']}"
    if "form" in meta:
        return grounding.explain(made, world, head)
    answers = made["answer"] if isinstance(made["answer"], list) else [made["answer"]]
    groups = meta["objects"] if made["task"] == "det3d-turns" else [meta["objects"]]
    lines = [head, f"every instance in view, nearest centre first ({len(list(chain(*groups)))}):"]
    for ids, answer in zip(groups, answers, strict=True):
        for thing, box in zip(ids, answer["value"], strict=True):
            lines.append(f"  {thing}  camera axes {box['box3d']}")
            lines.append(f"  {' ' * len(thing)}  world axes  {world[thing]['box3d']}")
    if not any(groups):
        return "\n".join([head, "no instance is in view, nor anything with a name like it"])
    return "\n".join([*lines, "no other instance is in view or doubtful; every centre lies before the camera"])
