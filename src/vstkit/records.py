"""The records on the pipe, as vstkit-records(5) describes them.

`vstkit.validation.parse` turns a decoded line into one of these structs. Commands read the struct and write plain
dicts, so fields they do not know are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from vstkit import rules as rules_of

Size = Annotated[int, Meta(ge=1)]
Box3D = Annotated[list[float], Meta(min_length=9, max_length=9)]
Box2D = Annotated[list[float], Meta(min_length=4, max_length=4)]


class _Record(Struct):
    """Base: unknown fields are allowed, absent means unknown, null is never right.

    `rules` say what types cannot: for one or more fields, a function of their values that returns what was expected
    and found, or nothing. They are about the first of the fields; where one of them is absent there is nothing to say.
    """

    rules: ClassVar[Mapping[tuple[str, ...], Callable[..., str]]] = {}


class _Ruled(_Record):
    """A record whose rules are checked when it is made."""

    def __post_init__(self) -> None:
        for names, rule in self.rules.items():
            values = [getattr(self, name) for name in names]
            if UNSET not in values and (fault := rule(*values)):
                raise ValueError(f"{names[0]}: {fault}")


class Resize(_Record, tag_field="op", tag="resize"):
    """Bicubic resize to `size` = [width, height]."""

    size: Annotated[list[Size], Meta(min_length=2, max_length=2)]


class Crop(_Ruled, tag_field="op", tag="crop"):
    """Keep the pixels of `box` = [x0, y0, x1, y1], x1 and y1 excluded."""

    box: Annotated[list[int], Meta(min_length=4, max_length=4)]

    rules = {("box",): rules_of.crop}


class Mark(_Ruled, tag_field="op", tag="mark"):
    """A drawn mark; `xy` in pixels of the image as it stands at this point of the recipe."""

    shape: Literal["point", "box", "circle", "arrow", "outline"]
    xy: list[float]
    color: str
    text: str | UnsetType = UNSET

    rules = {("xy", "shape"): rules_of.mark_numbers}


class Recipe(_Record):
    """An image and what is done to it, in order, when its pixels are needed."""

    path: str
    ops: list[Resize | Crop | Mark]


class Depth(_Record):
    """Stored value / `scale` = metres along the optical axis; 0 = no reading. Aligned with the unedited image."""

    path: str
    scale: Annotated[float, Meta(gt=0)]
    kind: Literal["sensor", "rendered", "mono-metric", "mono-relative"] = "sensor"


class Instances(_Record):
    """Integer image; a pixel holds the `instance` number of the object seen there, 0 = none."""

    path: str


class View(_Ruled):
    """One picture of a scene. `camera` = [fx, fy, cx, cy] in pixels; `pose` = camera to world, 4x4."""

    image: str | Recipe
    width: Size
    height: Size
    camera: list[float]
    pose: list[list[float]] | UnsetType = UNSET
    depth: Depth | UnsetType = UNSET
    instances: Instances | UnsetType = UNSET
    time: float | UnsetType = UNSET
    evidence: Literal["masks", "depth", "boxes"] | UnsetType = UNSET

    rules = {("camera",): rules_of.camera, ("pose",): rules_of.pose}


class Seen(_Record):
    """What one view shows of an object; written by `evidence`."""

    view: Annotated[int, Meta(ge=0)]
    pixels: Annotated[int, Meta(ge=0)]
    fraction: float
    truncated: bool = False
    box2d: Box2D | UnsetType = UNSET
    point: list[float] | UnsetType = UNSET
    depth: float | UnsetType = UNSET
    near: float | UnsetType = UNSET
    point_depth: float | UnsetType = UNSET
    agreement: float | UnsetType = UNSET
    state: Literal["unsure"] | UnsetType = UNSET
    weak: bool | UnsetType = UNSET


class Object(_Ruled):
    """A thing in a scene. `box3d` = centre, size (m), pitch, yaw, roll (degrees), in world axes."""

    id: str
    label: str
    caption: str | UnsetType = UNSET
    box3d: Box3D | UnsetType = UNSET
    box2d: dict[str, Box2D] = {}
    instance: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    seen: list[Seen] = []
    front: bool = False
    stuff: bool = False

    rules = {("label",): rules_of.label, ("box3d",): rules_of.sizes}


def _different(objects: list[Object]) -> str:
    ids = [o.id for o in objects]
    twice = [i for i in ids if ids.count(i) > 1] if len(set(ids)) < len(ids) else []
    return f"id {twice[0]!r} stands twice" if twice else ""


class Scene(_Ruled, tag_field="kind", tag="scene"):
    """Something whose geometry is known."""

    id: str
    views: list[View]
    objects: list[Object] = []
    dataset: str = ""
    family: str = ""
    split: str = ""
    license: str = ""
    up: Annotated[list[float], Meta(min_length=3, max_length=3)] | UnsetType = UNSET
    metric: bool = True

    rules = {("up",): rules_of.unit_vector, ("objects",): _different}


class Image(_Record, tag_field="type", tag="image"):
    """Where an image of the list goes in the text."""


class Video(_Record, tag_field="type", tag="video"):
    """Where a video of the list goes in the text."""


class Text(_Record, tag_field="type", tag="text"):
    text: str


class Message(_Record):
    role: Literal["system", "user", "assistant"]
    content: str | list[Image | Video | Text]


class Frames(_Record):
    frames: list[str | Recipe]
    fps: Annotated[float, Meta(gt=0)]


class Choice(_Ruled, tag_field="type", tag="choice"):
    value: str
    options: dict[str, str]

    rules = {("value", "options"): rules_of.offered}


class Number(_Record, tag_field="type", tag="number"):
    value: float
    unit: Literal["m", "cm", "mm", "m2", "deg", "s"]


class Count(_Record, tag_field="type", tag="count"):
    value: int


class String(_Record, tag_field="type", tag="text"):
    value: str
    accept: list[str] = []


class Words(_Record, tag_field="type", tag="words"):
    value: str
    accept: list[str] = []


class Order(_Record, tag_field="type", tag="order"):
    value: list[str]


class LabelledBox(_Record):
    label: str
    box3d: Box3D


class Boxes3D(_Record, tag_field="type", tag="boxes3d"):
    """In the first view's camera axes."""

    value: list[LabelledBox]


Answer = Choice | Number | Count | String | Words | Order | Boxes3D


def _placed(kind: type[Struct]) -> Callable[..., str]:
    def rule(held: list[Any], messages: list[Message]) -> str:
        parts = [p for m in messages if not isinstance(m.content, str) for p in m.content]
        placed = sum(isinstance(p, kind) for p in parts)
        return "" if placed == len(held) else f"expected {placed}, as the messages place them, got {len(held)}"

    return rule


class _Conversation(_Ruled):
    id: str
    messages: list[Message]
    task: str = ""
    scene: str = ""
    dataset: str = ""
    images: list[str | Recipe] = []
    videos: list[Frames] = []
    answer: Answer | list[Answer] | UnsetType = UNSET
    flip_safe: bool | UnsetType = UNSET
    meta: dict[str, Any] = {}

    rules = {("images", "messages"): _placed(Image), ("videos", "messages"): _placed(Video)}


class Sample(_Conversation, tag_field="kind", tag="sample"):
    """One conversation about images."""


class Prediction(_Conversation, kw_only=True, tag_field="kind", tag="prediction"):
    """A sample and what a model said to it."""

    response: str
    thought: str | UnsetType = UNSET
    draw: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    cut: bool | UnsetType = UNSET
    boxes3d: list[LabelledBox] | UnsetType = UNSET


class Score(_Record, tag_field="kind", tag="score"):
    """One number; `value` is a fraction. `group` says what it is over where it is not the whole."""

    id: str
    suite: str
    metric: str
    value: float
    n: Annotated[int, Meta(ge=0)]
    group: dict[str, str] = {}
    interval: Annotated[list[float], Meta(min_length=2, max_length=2)] | UnsetType = UNSET
    unparsed: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    missing: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    version: str | UnsetType = UNSET


class Pack(_Record, tag_field="kind", tag="pack"):
    """Samples that one training sequence holds; lengths in tokens of `model` (a fingerprint)."""

    id: str
    length: Size
    targets: Annotated[int, Meta(ge=0)]
    model: str
    samples: list[Sample]
    squares: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class Reject(_Record, tag_field="kind", tag="reject"):
    """A line that failed, where it stood and why."""

    id: str
    file: str
    line: int
    error: str
    record: Any


KINDS: dict[str, type[Struct]] = {
    "scene": Scene,
    "sample": Sample,
    "prediction": Prediction,
    "score": Score,
    "pack": Pack,
    "reject": Reject,
}
