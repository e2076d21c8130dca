"""3D grounding, both ways: the box of the one object that a question refers to, and the name of what a box holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from vstkit.evidence import Seen
from vstkit.geometry import dialects
from vstkit.geometry.iou import iou_matrix
from vstkit.naming import alike
from vstkit.tasks import references
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.boxes3d import Boxes, doubt_of
from vstkit.tasks.references import LETTERS, described
from vstkit.tasks.samples import Turn
from vstkit.tasks.whole import OUTLINE

SHARED = 0.25  # IoU from which two boxes hold each other's object as well as their own
OFFERED = 4  # names to choose from


def ground(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """The box of one object, which is named, marked, pointed at or described."""
    boxes = Boxes(ask, **options)
    held = _held(ask) if boxes.metric else []
    describe = described(ask.sight)
    pools = {form: references.pool(form, ask, held, describe) for form in boxes.forms} if held else {}
    pools = {form: pool for form, pool in pools.items() if pool}
    for chance in ask.attempts() if pools else ():
        form = chance.choice(list(pools))
        seen = chance.choice(pools[form])
        if not ask.fresh(form, [seen]):
            continue
        referred = references.refer(form, [seen], chance, boxes.view, patch=boxes.patch, describe=describe)
        request, template = ask.words("ground.ask", chance, what=referred.phrases[0])
        label = seen.object.label
        ids, reply, answer = boxes.listed([seen], referred.ops)
        meta = {"form": form, **boxes.meta([label], ids, referred.ops)}
        turn = Turn(boxes.question([label], request, referred.ops), reply, answer)
        yield ask.sample([turn], template=template, meta=meta, ops=referred.ops)


def name(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """What a box holds, by name or out of the names of other objects in view."""
    boxes = Boxes(ask, **options)
    every = _held(ask) if boxes.metric else []
    held = [s for s in every if s.fraction >= OUTLINE]
    ask.leave("too little of it is seen to name it", len(every) - len(held))
    for chance in ask.attempts() if held else ():
        seen = chance.choice(held)
        label = seen.object.label
        wanted = chance.choice(("open", "letter"))
        if not ask.fresh(wanted, [seen]):
            continue
        others = sorted({s.object.label for s in held if not alike(s.object.label, label)})
        if seen.object.id in _crowded(ask.sight):
            ask.drop("another object fills much of the same box")
            continue
        if wanted == "letter" and not others:
            ask.drop("no other name to offer")
            continue
        camera, width, height = boxes.frame()
        slots = {"box": dialects.format_box(boxes.rounded(seen), boxes.notation, camera)}
        answer: dict[str, Any] = {"type": "text", "value": label}
        reply = label
        if wanted == "letter":
            names = chance.shuffled([label, *chance.sample(others, OFFERED - 1)])
            offered = dict(zip(LETTERS, names, strict=False))
            slots["options"] = "\n".join(f"{letter}. {text}" for letter, text in offered.items())
            reply = LETTERS[names.index(label)]
            answer = {"type": "choice", "value": reply, "options": offered}
        request, template = ask.words(f"name.{wanted}", chance, **slots)
        text = dialects.reading_prompt(request, camera, width, height, boxes.notation)
        meta = {"form": "box3d", **boxes.meta([label], [seen.object.id])}
        yield ask.sample([Turn(text, reply, answer)], template=template, meta=meta)


def _held(ask: Asking) -> list[Seen]:
    """The objects with a box of use; the others are counted."""
    kept = []
    for seen in ask.sight.asked:
        if doubt := doubt_of(seen, asked=True):
            ask.leave(doubt)
        else:
            kept.append(seen)
    return kept


@lru_cache(maxsize=1)
def _crowded(sight: Sight) -> set[str]:
    """Ids of the objects whose box something with another name fills nearly as well. Once a view."""
    held = [s for s in sight.present if s.state != "hidden" and s.box is not None]
    boxes = np.array([s.box for s in held]).reshape(-1, 9)
    crowded = iou_matrix(boxes, boxes) >= SHARED
    return {
        a.object.id
        for a, row in zip(held, crowded.tolist(), strict=True)
        if any(close and a.object.label != b.object.label for b, close in zip(held, row, strict=True))
    }


def explain(made: Mapping[str, Any], world: Mapping[str, Mapping[str, Any]], head: str) -> str:
    """How a sample of these tasks came about."""
    meta, answer = made["meta"], made["answer"]
    (thing,) = meta["objects"]
    lines = [f"{head}, by {meta['form']}", f"  {thing}  world axes  {world[thing]['box3d']}"]
    if answer["type"] == "boxes3d":
        lines.append(f"  {' ' * len(thing)}  camera axes {answer['value'][0]['box3d']}")
        return "\n".join(lines)
    lines.append(f"nothing with another name shares {SHARED:.0%} of that box; offered: {_offered(answer)}")
    return "\n".join([*lines, f"answer: {answer['value']}, which is {world[thing]['label']}"])


def _offered(answer: Mapping[str, Any]) -> str:
    return ", ".join(answer.get("options", {}).values()) or "no names"
