"""Questions for what is not there: the right answer is an empty list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from vstkit.evidence import Seen
from vstkit.naming import STUFF, alike
from vstkit.tasks.asking import Asking
from vstkit.tasks.boxes3d import NAMELESS, Boxes
from vstkit.tasks.samples import Turn


def absent(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Labels of the scene of which nothing is in this view, nor anything with a name like it.

    Right where a scene's objects in view are all known; of sets that leave objects out it cannot be asked.
    """
    boxes = Boxes(ask, **options)
    if not boxes.metric:
        return
    groups: dict[str, list[Seen]] = defaultdict(list)
    for seen in ask.sight.present:
        groups[seen.object.label].append(seen)
    here = {label for label, group in groups.items() if any(s.state != "hidden" for s in group)}
    if any(label.lower() in NAMELESS for label in here):
        ask.skip("something in view has no name")
        return
    stuff = {s.object.label for s in ask.sight.present if s.object.stuff or s.object.label.lower() in STUFF}
    away = [label for label in groups if label not in here and label not in stuff]
    for label in ask.each(ask.chance().shuffled(away)):
        if any(s.box is None for s in groups[label]):
            ask.drop("an instance has no 3D box")
        elif any(alike(label, other) for other in here):
            ask.drop("something in view may be called the same")
        else:
            _, reply, answer = boxes.listed([])
            turn = Turn(boxes.question([label]), reply, answer)
            yield ask.sample([turn], template=boxes.notation.dialect, meta=boxes.meta([label], []))
