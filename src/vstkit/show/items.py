"""What there is to see of a record: its pictures, and its boxes in them and from above.

An item is {"record", "pictures", "boxes", "cameras"}, the last three where there are any:

- a picture is {"image": key, "field": where the record names it, "size": [width, height], "title", "drawn"};
- `drawn` holds, for each box in the picture, the farthest first, {"box": its number, "edges": [[u0, v0, u1, v1], ...],
  "axes": alike, x y z of the box, "at": [u, v] of its upper left corner, "faint": true where evidence says that it is
  hidden or the camera is inside it}, in pixels of `size`;
- a box is {"label", "role": "true" | "predicted" | "", "box3d" (camera axes, or the world's of a scene), "outline":
  [[x, y], ...] seen from above, "around": true where a camera is inside it, "iou" of a predicted box with the true
  one that it is matched to};
- a camera is [x, y, direction x, direction y, half its field of view in radians], from above.

From above means metres, the first camera at 0, 0 looking along +y, +x to its right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit import images
from vstkit.errors import at
from vstkit.geometry import boxes
from vstkit.geometry.iou import iou_matrix
from vstkit.geometry.rotations import euler_to_matrix
from vstkit.records import KINDS
from vstkit.validation import parse

Record = dict[str, Any]
Array = NDArray[np.float64]

MOST = 12  # pictures of one record, evenly spread over its views or frames
NEAR = 0.05  # metres before the camera where drawing begins
CAMERA_UP = np.array([0.0, -1.0, 0.0])


def item(record: Record, root: str = ".") -> Record:
    """The item of a record of any kind; raises DataError where the record is not what its kind says.

    The images are named by their recipes here: {"image": recipe}.
    """
    kind = record["kind"]
    if kind in KINDS:
        parse(record, KINDS[kind])
    if kind == "scene":
        return _scene(record)
    if kind in ("sample", "prediction"):
        return _conversation(record, root)
    return {"record": record}


def labels(record: Record) -> list[str]:
    """The labels that a record is about, each once, in order: of its objects, its boxes, and what was asked for."""
    answers = record.get("answer", [])
    found = [thing["label"] for thing in record.get("objects", [])]
    asked = record.get("meta", {}).get("labels")
    found += [label for label in asked if isinstance(label, str)] if isinstance(asked, list) else []
    for answer in answers if isinstance(answers, list) else [answers]:
        if answer["type"] == "boxes3d":
            found += [box["label"] for box in answer["value"]]
    found += [box["label"] for box in record.get("boxes3d", [])]
    found += [label for sample in record.get("samples", []) for label in labels(sample)]
    return list(dict.fromkeys(found))


def _scene(scene: Record) -> Record:
    things = [thing for thing in scene.get("objects", []) if "box3d" in thing]
    numbers = np.array([thing["box3d"] for thing in things], dtype=float).reshape(-1, 9)
    poses = [np.array(view.get("pose", np.eye(4)), dtype=float) for view in scene["views"]]
    pictures = []
    for i in _spread(len(scene["views"])):
        view = scene["views"][i]
        drawn = _drawn(boxes.to_camera(numbers, poses[i]), view["camera"], (view["width"], view["height"]))
        if "evidence" in view:
            shown = {thing["id"] for thing in things if any(s["view"] == i for s in thing.get("seen", []))}
            for box in drawn:
                box["faint"] |= things[box["box"]]["id"] not in shown
        time = f", {view['time']:g} s" if "time" in view else ""
        size = [view["width"], view["height"]]
        named = {"image": view["image"], "field": f"views[{i}].image", "title": f"view {i}{time}"}
        pictures.append({**named, "size": size, "drawn": drawn})
    if not poses:
        return {"record": scene}
    above = _Above(poses[0], np.array(scene["up"], dtype=float) if "up" in scene else poses[0][:3, :3] @ CAMERA_UP)
    outlines = above.outlines(numbers)
    eyes = np.array([pose[:3, 3] for pose in poses])
    return {
        "record": scene,
        "pictures": pictures,
        "boxes": [
            {
                "label": thing["label"],
                "role": "",
                "box3d": thing["box3d"],
                "outline": outline,
                "around": bool(boxes.contains(thing["box3d"], eyes).any()),
            }
            for thing, outline in zip(things, outlines, strict=True)
        ],
        "cameras": [above.camera(p, v["camera"], v["width"]) for p, v in zip(poses, scene["views"], strict=True)],
    }


def _conversation(record: Record, root: str) -> Record:
    shown = [_picture(f"images[{i}]", f"image {i}", r, root) for i, r in enumerate(record.get("images", []))]
    for i, video in enumerate(record.get("videos", [])):
        for j in _spread(len(video["frames"])):
            place = f"videos[{i}].frames[{j}]"
            shown.append(_picture(place, f"video {i}, {j / video['fps']:.3g} s", video["frames"][j], root))
    shown = [shown[i] for i in _spread(len(shown))]
    meta, answer = record.get("meta", {}), record.get("answer", {})
    true = answer["value"] if isinstance(answer, dict) and answer.get("type") == "boxes3d" else []
    found = record.get("boxes3d", [])
    camera = meta.get("camera")
    if not (shown and (true or found) and _is_camera(camera)):
        return {"record": record, **({"pictures": shown} if shown else {})}
    pictures = []
    first = 0  # number of a group's first box
    for role, group in (("true", true), ("predicted", found)):
        if group or (role == "predicted" and "response" in record):
            drawn = _drawn(np.array([b["box3d"] for b in group], dtype=float).reshape(-1, 9), camera, shown[0]["size"])
            placed = [{**box, "box": box["box"] + first} for box in drawn]
            pictures.append({**shown[0], "title": f"{role}: {len(group)}", "drawn": placed})
        first += len(group)
    above = _Above(np.eye(4), CAMERA_UP)
    shared = _matched([b["box3d"] for b in true], [b["box3d"] for b in found])
    held = []
    for role, group in (("true", true), ("predicted", found)):
        for i, (box, outline) in enumerate(zip(group, above.outlines([b["box3d"] for b in group]), strict=True)):
            one = {"label": box["label"], "role": role, "box3d": box["box3d"], "outline": outline}
            if role == "predicted" and true:
                one["iou"] = round(shared.get(i, 0.0), 3)
            held.append(one)
    cameras = [above.camera(np.eye(4), camera, shown[0]["size"][0])]
    return {"record": record, "pictures": pictures + shown[1:], "boxes": held, "cameras": cameras}


def _picture(field: str, title: str, recipe: images.Recipe, root: str) -> Record:
    with at(field):
        return {"image": recipe, "field": field, "size": images.size(recipe, root), "title": title}


def _is_camera(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(x, int | float) for x in value)


def _spread(count: int) -> list[int]:
    """At most MOST of `count` numbers, evenly spread, the first and the last among them."""
    if count <= MOST:
        return list(range(count))
    return [round(i * (count - 1) / (MOST - 1)) for i in range(MOST)]


def _drawn(numbers: Array, camera: Sequence[float], size: Sequence[int]) -> list[Record]:
    """How boxes (n, 9) in camera axes look in a picture; those that are not in it are left out."""
    found = []
    for i in np.argsort(-numbers[:, 2]).tolist():
        place = boxes.image_box(numbers[i], camera, size[0], size[1], near=NEAR)
        if place is None:
            continue
        edges = [_rounded([*a, *b]) for a, b in boxes.edge_segments(numbers[i], camera, near=NEAR)]
        around = bool(boxes.contains(numbers[i], np.zeros((1, 3)))[0])
        axes = [] if around else _axes(numbers[i], camera)
        found.append({"box": i, "edges": edges, "axes": axes, "at": _rounded(place[:2]), "faint": around})
    return found


def _axes(box: Array, camera: Sequence[float]) -> list[list[float]]:
    """The box's x, y and z from its centre to its faces, as lines; none where a part lies behind the camera."""
    ends = box[:3] + (euler_to_matrix(box[6:]) * (box[3:6] / 2)).T
    points = np.vstack([box[:3], ends])
    if points[:, 2].min() < NEAR:
        return []
    uv = points[:, :2] / points[:, 2:] * camera[:2] + camera[2:]
    return [_rounded([*uv[0], *end]) for end in uv[1:]]


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 1) for value in values]


def _matched(true: ArrayLike, predicted: ArrayLike) -> dict[int, float]:
    """IoU of each predicted box with its true one: pairs are made in the order of their IoU, each box once."""
    shared = iou_matrix(np.reshape(predicted, (-1, 9)), np.reshape(true, (-1, 9)))
    pairs: dict[int, float] = {}
    taken: set[int] = set()
    for index in np.argsort(-shared, axis=None, kind="stable").tolist():
        i, j = divmod(index, shared.shape[1])
        if i not in pairs and j not in taken and shared[i, j] > 0:
            pairs[i] = float(shared[i, j])
            taken.add(j)
    return pairs


class _Above:
    """A frame to look down from: `pose` is where its origin and its forward direction are, `up` its unit vector."""

    def __init__(self, pose: Array, up: Array) -> None:
        forward = pose[:3, 2] - (pose[:3, 2] @ up) * up
        if np.linalg.norm(forward) < 0.1:  # looking straight up or down: what is up in the picture is forward
            forward = -pose[:3, 1] - (-pose[:3, 1] @ up) * up
        forward /= np.linalg.norm(forward)
        self._axes = np.stack([np.cross(forward, up), forward])
        self._origin = pose[:3, 3]

    def outlines(self, numbers: ArrayLike) -> list[list[list[float]]]:
        """The outlines of boxes (n, 9), as polygons."""
        corners = boxes.corners(np.reshape(np.asarray(numbers, dtype=float), (-1, 9)))
        flat = (corners - self._origin) @ self._axes.T
        return [[[round(x, 3), round(y, 3)] for x, y in _hull(points.tolist())] for points in flat]

    def camera(self, pose: Array, camera: Sequence[float], width: int) -> list[float]:
        x, y = self._axes @ (pose[:3, 3] - self._origin)
        dx, dy = self._axes @ pose[:3, 2]
        length = max(math.hypot(dx, dy), 1e-9)
        numbers = (x, y, dx / length, dy / length, math.atan(width / 2 / camera[0]))
        return [round(float(value), 3) + 0.0 for value in numbers]


def _hull(points: list[list[float]]) -> list[list[float]]:
    """The convex hull of points in the plane (Andrew's monotone chain, 1979)."""

    def half(ordered: list[list[float]]) -> list[list[float]]:
        chain: list[list[float]] = []
        for p in ordered:
            while len(chain) > 1:
                (x0, y0), (x1, y1) = chain[-2:]
                if (x1 - x0) * (p[1] - y0) - (y1 - y0) * (p[0] - x0) > 1e-9:
                    break
                chain.pop()
            chain.append(p)
        return chain[:-1]

    ordered = sorted(points)
    return half(ordered) + half(ordered[::-1])
