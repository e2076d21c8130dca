"""The records on the pipe, as vstkit-records(5) describes them.

`vstkit.validation.parse` turns a decoded line into one of these structs. Commands read the struct and write plain
dicts, so fields they do not know are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

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


def _crop(box: list[int]) -> str:
    x0, y0, x1, y1 = box
    return "" if 0 <= x0 < x1 and 0 <= y0 < y1 else f"expected 0 <= x0 < x1 and 0 <= y0 < y1, got {box}"


class Crop(_Ruled, tag_field="op", tag="crop"):
    """Keep the pixels of `box` = [x0, y0, x1, y1], x1 and y1 excluded."""

    box: Annotated[list[int], Meta(min_length=4, max_length=4)]

    rules = {("box",): _crop}


# How many numbers `xy` holds: a point, two corners, centre and radius, tail and head; an outline holds any polygon.
MARK_NUMBERS = {"point": 2, "box": 4, "circle": 3, "arrow": 4, "outline": None}


def _mark_numbers(xy: list[float], shape: str) -> str:
    wanted = MARK_NUMBERS[shape]
    if wanted is None:
        whole = len(xy) >= 6 and len(xy) % 2 == 0
        return "" if whole else f"expected three or more points as x, y pairs, got {len(xy)} numbers"
    return "" if len(xy) == wanted else f"expected {wanted} numbers for shape {shape}, got {len(xy)}"


class Mark(_Ruled, tag_field="op", tag="mark"):
    """A drawn mark; `xy` in pixels of the image as it stands at this point of the recipe."""

    shape: Literal["point", "box", "circle", "arrow", "outline"]
    xy: list[float]
    color: str
    text: str | UnsetType = UNSET

    rules = {("xy", "shape"): _mark_numbers}


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


def _focal(camera: list[float]) -> str:
    right = len(camera) == 4 and min(camera[:2]) > 0
    return "" if right else f"expected fx, fy, cx, cy with fx and fy positive, got {camera}"


def _rigid(pose: list[list[float]]) -> str:
    if len(pose) != 4 or any(len(row) != 4 for row in pose):
        return "expected 4 rows of 4 numbers"
    R = [row[:3] for row in pose[:3]]
    dots = [abs(sum(a * b for a, b in zip(p, q, strict=True)) - (p is q)) for p in R for q in R]
    if not max(dots) <= 1e-3:
        return f"expected an orthonormal rotation (to 0.001), off by {max(dots):.3g}"
    (a, b, c), (d, e, f), (g, h, i) = R
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0:
        return "expected a right-handed rotation, got a mirror (determinant -1)"
    last = all(abs(a - b) <= 1e-6 for a, b in zip(pose[3], (0, 0, 0, 1), strict=True))
    return "" if last else f"expected the last row 0 0 0 1, got {pose[3]}"


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

    rules = {("camera",): _focal, ("pose",): _rigid}


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


def _named(label: str) -> str:
    return "" if label.strip() else "expected a name, got nothing"


def _extended(box: list[float]) -> str:
    return "" if min(box[3:6]) > 0 else f"expected three positive sizes, got {box[3:6]}"


class Object(_Ruled):
    """A thing in a scene. `box3d` = centre, size (m), pitch, yaw, roll (degrees), in world axes."""

    id: str
    label: str
    box3d: Box3D | UnsetType = UNSET
    box2d: dict[str, Box2D] = {}
    instance: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    seen: list[Seen] = []
    front: bool = False
    stuff: bool = False

    rules = {("label",): _named, ("box3d",): _extended}


def _unit(vector: list[float]) -> str:
    length = math.hypot(*vector)
    return "" if abs(length - 1) <= 1e-3 else f"expected a unit vector, got length {length:.4g}"


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

    rules = {("up",): _unit, ("objects",): _different}


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


def _offered(value: str, options: dict[str, str]) -> str:
    return "" if value in options else f"expected one of {', '.join(options)}, got {value}"


class Choice(_Ruled, tag_field="type", tag="choice"):
    value: str
    options: dict[str, str]

    rules = {("value", "options"): _offered}


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
    meta: dict[str, Any] = {}

    rules = {("images", "messages"): _placed(Image), ("videos", "messages"): _placed(Video)}


class Sample(_Conversation, tag_field="kind", tag="sample"):
    """One conversation about images."""


class Prediction(_Conversation, kw_only=True, tag_field="kind", tag="prediction"):
    """A sample and what a model said to it."""

    response: str
    boxes3d: list[LabelledBox] | UnsetType = UNSET


class Score(_Record, tag_field="kind", tag="score"):
    """One number; `value` is a fraction. `group` says what it is over where it is not the whole."""

    id: str
    suite: str
    metric: str
    value: float
    n: Annotated[int, Meta(ge=0)]
    group: dict[str, str] = {}


class Pack(_Record, tag_field="kind", tag="pack"):
    """Samples that one training sequence holds; lengths in tokens of `model` (a fingerprint)."""

    id: str
    length: Size
    targets: Annotated[int, Meta(ge=0)]
    model: str
    samples: list[Sample]


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
