"""What the tasks of gen-det3d share: which labels may be asked about, and how boxes are asked for and answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from vstkit.evidence import Seen
from vstkit.geometry import cameras, dialects
from vstkit.geometry.dialects import Notation
from vstkit.naming import STUFF, is_a
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.references import FORMS, PATCH
from vstkit.tasks.whole import FITTING
from vstkit.visibility import NEAR

Ops = Sequence[Mapping[str, Any]]

# Labels that say nothing of what a thing is; what else is stuff is the room around the things.
NAMELESS = STUFF & {
    *(
        "object",
        "objects",
        "unknown",
        "remove",
        "split",
        "otherfurniture",
        "otherstructure",
        "otherprop",
        "misc",
        "void",
    )
}
SHELL = STUFF - NAMELESS


class Kind(NamedTuple):
    """A label with its instances in view, and why no list of them would be right, if so."""

    label: str
    seen: list[Seen]
    doubt: str


@lru_cache(maxsize=1)
def kinds(sight: Sight) -> list[Kind]:
    """Every label with an instance that may be asked about. Once a view, and not for each task.

    A label is in doubt when it cannot be told whether one of its instances is in view, when one is hardly seen or its
    box is no use, and when something else in view is by its name of this kind too: a desk lamp is a lamp.
    """
    asked = {id(s) for s in sight.asked}
    groups: dict[str, list[Seen]] = defaultdict(list)
    for seen in sight.present:
        if seen.state != "hidden":
            groups[seen.object.label].append(seen)
    found = []
    for label, group in groups.items():
        visible = [s for s in group if id(s) in asked]
        if visible:
            doubt = next(filter(None, (doubt_of(s, id(s) in asked) for s in group)), "")
            if not doubt and any(other != label and is_a(other, label) for other in groups):
                doubt = "something else in view is of this kind too"
            found.append(Kind(label, visible, doubt))
    return found


def doubt_of(seen: Seen, asked: bool) -> str:
    """Why an answer would be right neither with an object in view nor without it."""
    if seen.state == "hardly":
        return "an instance is hardly seen"
    if seen.state == "unsure":
        return "cannot tell if an instance is in view"
    if seen.box is None:
        return "an instance has no 3D box"
    if seen.box[2] <= NEAR:
        return "an instance's centre lies behind the camera"
    if not asked:
        return "an instance may not be asked about"
    fits = seen.agreement is None or seen.agreement >= FITTING
    return "" if fits else "an instance's box does not fit what is seen"


def usable(sight: Sight) -> list[Kind]:
    """The labels of which all instances in view can be listed."""
    return [kind for kind in kinds(sight) if not kind.doubt]


def all_listed(sight: Sight) -> bool:
    """Whether every object in view can be listed; a window is one for whoever looks, though it may count as stuff."""
    asked = {id(s) for s in sight.asked}
    return not any(
        doubt_of(s, id(s) in asked)
        for s in sight.present
        if s.state != "hidden" and s.object.label.lower() not in SHELL
    )


class Boxes:
    """How a task asks for boxes in a view and writes them; the options are those of the command.

    `ops` are what the question adds to the image's recipe: a resize changes size and camera.
    """

    def __init__(
        self,
        ask: Asking,
        *,
        dialect: str = "vst",
        angles: str = "euler",
        center: str = "xyz",
        focal: float = cameras.DEFAULT_FOCAL,
        forms: Sequence[str] = FORMS,
        patch: int = PATCH,
    ) -> None:
        self.notation = Notation(dialect, angles, center)
        self.view, self.forms, self.patch = ask.sight.view, forms, patch
        self.metric = ask.sight.scene.metric
        if not self.metric:
            ask.skip("lengths are not metres")
        size = self.view.width, self.view.height
        if self.metric and cameras.unify(*size, self.view.camera, focal)[0] != size:
            ask.note("views that are not FoV-unified (run vstkit fov-unify before)")

    def frame(self, ops: Ops = ()) -> tuple[list[float], int, int]:
        """Camera, width and height of the picture."""
        camera, size = list(self.view.camera), (self.view.width, self.view.height)
        for op in ops:
            if op["op"] == "resize":
                new = op["size"][0], op["size"][1]
                camera, size = cameras.resize_camera(camera, size, new), new
        return camera, *size

    def question(self, labels: Sequence[str], request: str | None = None, ops: Ops = ()) -> str:
        """The question for boxes, in other words than the dialect's own where a `request` is given."""
        return dialects.detection_prompt(labels, *self.frame(ops), self.notation, request)

    def listed(self, visible: Sequence[Seen], ops: Ops = ()) -> tuple[list[str], str, dict[str, Any]]:
        """Ids of objects with boxes, nearest centre first, the reply that lists them, and the typed answer."""
        held = sorted(((self.rounded(s), s) for s in visible), key=lambda pair: (pair[0][2], pair[1].object.id))
        boxes = [{"label": s.object.label, "box3d": box} for box, s in held]
        reply = dialects.format_boxes(boxes, self.notation, self.frame(ops)[0])
        return [s.object.id for _, s in held], reply, {"type": "boxes3d", "value": boxes}

    @staticmethod
    def rounded(seen: Seen) -> list[float]:
        """An object's box in camera axes, to a tenth of a millimetre and of a thousandth of a degree."""
        return [] if seen.box is None else [round(value, 4) + 0.0 for value in seen.box.tolist()]

    def meta(self, labels: Sequence[str], objects: Sequence[Any], ops: Ops = ()) -> dict[str, Any]:
        """What `meta` says of every task here."""
        camera, *size = self.frame(ops)
        return {
            "labels": list(labels),
            "objects": list(objects),
            "camera": [round(value, 4) for value in camera],
            "size": size,
            **self.notation._asdict(),
        }
