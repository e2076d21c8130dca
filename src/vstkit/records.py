"""The records on the pipe, as vstkit-records(5) describes them.

`vstkit.validation.parse` turns a decoded line into one of these structs. Commands read the struct and write plain
dicts, so fields they do not know are kept.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Size = Annotated[int, Meta(ge=1)]
Box3D = Annotated[list[float], Meta(min_length=9, max_length=9)]
Box2D = Annotated[list[float], Meta(min_length=4, max_length=4)]


class _Record(Struct):
    """Base: unknown fields are allowed, absent means unknown, null is never right."""


class Resize(_Record, tag_field="op", tag="resize"):
    """Bicubic resize to `size` = [width, height]."""

    size: Annotated[list[Size], Meta(min_length=2, max_length=2)]


class Crop(_Record, tag_field="op", tag="crop"):
    """Keep the pixels of `box` = [x0, y0, x1, y1], x1 and y1 excluded."""

    box: Annotated[list[int], Meta(min_length=4, max_length=4)]

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise ValueError(f"box: expected 0 <= x0 < x1 and 0 <= y0 < y1, got {self.box}")


# How many numbers `xy` holds: a point, two corners, centre and radius, tail and head; an outline holds any polygon.
MARK_NUMBERS = {"point": 2, "box": 4, "circle": 3, "arrow": 4, "outline": None}


class Mark(_Record, tag_field="op", tag="mark"):
    """A drawn mark; `xy` in pixels of the image as it stands at this point of the recipe."""

    shape: Literal["point", "box", "circle", "arrow", "outline"]
    xy: list[float]
    color: str
    text: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        wanted = MARK_NUMBERS[self.shape]
        if wanted is None:
            if len(self.xy) < 6 or len(self.xy) % 2:
                raise ValueError(f"xy: expected three or more points as x, y pairs, got {len(self.xy)} numbers")
        elif len(self.xy) != wanted:
            raise ValueError(f"xy: expected {wanted} numbers for a {self.shape}, got {len(self.xy)}")


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


class View(_Record):
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

    def __post_init__(self) -> None:
        if len(self.camera) != 4 or min(self.camera[:2]) <= 0:
            raise ValueError(f"camera: expected fx, fy, cx, cy with fx and fy positive, got {self.camera}")
        if self.pose is not UNSET:
            _check_pose(self.pose)


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


class Object(_Record):
    """A thing in a scene. `box3d` = centre, size (m), pitch, yaw, roll (degrees), in world axes."""

    id: str
    label: str
    box3d: Box3D | UnsetType = UNSET
    box2d: dict[str, Box2D] = {}
    instance: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    seen: list[Seen] = []
    front: bool = False
    stuff: bool = False

    def __post_init__(self) -> None:
        if not self.label.strip():
            raise ValueError("label: expected a name, got nothing")
        if self.box3d is not UNSET and min(self.box3d[3:6]) <= 0:
            raise ValueError(f"box3d: expected three positive sizes, got {self.box3d[3:6]}")


class Scene(_Record, tag_field="kind", tag="scene"):
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

    def __post_init__(self) -> None:
        if self.up is not UNSET and abs(math.hypot(*self.up) - 1) > 1e-3:
            raise ValueError(f"up: expected a unit vector, got length {math.hypot(*self.up):.4g}")
        ids = [o.id for o in self.objects]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise ValueError(f"objects: id {twice!r} stands twice")


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


class Choice(_Record, tag_field="type", tag="choice"):
    value: str
    options: dict[str, str]

    def __post_init__(self) -> None:
        if self.value not in self.options:
            raise ValueError(f"value: expected one of {', '.join(self.options)}, got {self.value}")


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


class _Conversation(_Record):
    id: str
    messages: list[Message]
    task: str = ""
    scene: str = ""
    dataset: str = ""
    images: list[str | Recipe] = []
    videos: list[Frames] = []
    answer: Answer | list[Answer] | UnsetType = UNSET
    meta: dict[str, Any] = {}

    def __post_init__(self) -> None:
        parts = [p for m in self.messages if not isinstance(m.content, str) for p in m.content]
        for name, held, kind in (("images", self.images, Image), ("videos", self.videos, Video)):
            placed = sum(isinstance(p, kind) for p in parts)
            if placed != len(held):
                raise ValueError(f"{name}: expected {placed}, as the messages place them, got {len(held)}")


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


def _check_pose(pose: list[list[float]]) -> None:
    if len(pose) != 4 or any(len(row) != 4 for row in pose):
        raise ValueError("pose: expected 4 rows of 4 numbers")
    R = [row[:3] for row in pose[:3]]
    dots = [abs(sum(a * b for a, b in zip(p, q, strict=True)) - (p is q)) for p in R for q in R]
    if not max(dots) <= 1e-3:
        raise ValueError(f"pose: expected an orthonormal rotation (to 0.001), off by {max(dots):.3g}")
    (a, b, c), (d, e, f), (g, h, i) = R
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0:
        raise ValueError("pose: expected a right-handed rotation, got a mirror (determinant -1)")
    if any(abs(a - b) > 1e-6 for a, b in zip(pose[3], (0, 0, 0, 1), strict=True)):
        raise ValueError(f"pose: expected the last row 0 0 0 1, got {pose[3]}")
