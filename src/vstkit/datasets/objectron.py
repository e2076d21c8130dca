"""Objectron sequences as JSON: videos around objects, with camera poses and the nine keypoints of each object's box.

The JSON is what protobuf's own JSON mapping makes of an annotation's `Sequence` message, with names as in the message
(frame_annotations) or in camel case (frameAnnotations); fields that are 0 may be absent:

    {"objects": [{"id", "category", "scale": [x, y, z]}],
     "frame_annotations": [{"frame_id", "timestamp", "image",
       "camera": {"view_matrix": [16], "projection_matrix": [16],
                  "intrinsics": [9], "image_resolution_width", "image_resolution_height"},
       "annotations": [{"object_id", "keypoints": [{"point_3d": {"x", "y", "z"}, "point_2d": {"x", "y"}}]}]}]}

Matrices are written row by row. `image`, which the message does not have, is the frame's picture, relative to the JSON;
without it, the picture is looked for in the folder named like the JSON by the last number in its name, the frame's id.

What is converted: the view matrix is world to camera, with camera axes x right, y up, z backward of the phone held
sideways, where the pictures are upright: a picture's columns run along that camera's y and its rows along its x. A
picture that is wider than high is taken as it is. The projection matrix is OpenGL's; without it, intrinsics are used,
in pixels of the sideways picture. Keypoints 3D are in camera axes: the centre, then the corners, x slowest, each from
- to +. The box is the rotation and the place that fit them best at the object's scale (Kabsch, 1976); corners that no
box fits and 3D keypoints that do not project to their 2D ones are refused. AR sessions' worlds have y up.

Source: the data set's annotation format (Ahmadyan et al., Objectron, 2021).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit import images
from vstkit.datasets import common
from vstkit.errors import DataError
from vstkit.geometry.cameras import invert, project, transform
from vstkit.geometry.rotations import Array
from vstkit.lineio import Record

UPRIGHT = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]])  # axes of the sideways camera to those of an upright picture
SIDEWAYS = np.diag([1.0, -1, -1])
CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
MISFIT, MISPLACED = 0.01, 0.05  # how far keypoints may be off, of the box's diagonal and of the picture's


def find(path: str) -> Iterator[Record]:
    """A unit for each JSON file; raises DataError where there is none, or the one named is no sequence."""
    top = Path(path)
    files = sorted(top.glob("*.json"), key=common.numerically) if top.is_dir() else [top]
    if not files:
        raise DataError(f"{path}: expected JSON files with objects and frame_annotations, got none")
    if not top.is_dir():
        _frames(common.load_json(top), path)
    yield from ({"kind": "unit", "id": file.stem, "file": str(file)} for file in files)


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one sequence: its frames that have a picture, and its boxes in the world."""
    del write
    file = Path(unit["file"])
    content = common.load_json(file)
    frames = _frames(content, str(file))
    kinds = {_whole(_get(thing, "id"), f"{file}: objects.id"): thing for thing in _list(content, "objects", str(file))}
    beside = _pictures(file.with_suffix(""))
    views: list[Record] = []
    placed: dict[int, list[float]] = {}
    first = None
    for i, frame in enumerate(frames):
        where = f"{file}: frame_annotations[{i}]"
        named = _get(frame, "image")
        number = _whole(_get(frame, "frame_id"), f"{where}.frame_id")
        picture = file.parent / str(named) if named else beside.get(number)
        if picture is None:
            tally["frames without a picture"] += 1
            continue
        held, width, height = common.picture(picture, root)
        turn = UPRIGHT if height > width else SIDEWAYS
        camera, pose = _camera(_get(frame, "camera") or {}, width, height, turn, f"{where}.camera")
        view: Record = {"image": held, "width": width, "height": height, "camera": camera, "pose": pose}
        time = _number(_get(frame, "timestamp"), f"{where}.timestamp")
        first = time if first is None else first
        if _get(frame, "timestamp") is not None:
            view["time"] = round(time - first, 6)
        views.append(view)
        for j, note in enumerate(_list(frame, "annotations", where)):
            number = _whole(_get(note, "object_id"), f"{where}.annotations[{j}].object_id")
            if _get(note, "keypoints"):
                scale = _get(kinds.get(number, {}), "scale")
                box = _box(_get(note, "keypoints"), scale, turn, view, f"{where}.annotations[{j}]")
                placed.setdefault(number, box)
    if not views:
        tally["sequences without a picture"] += 1
        return
    objects = []
    for number, thing in sorted(kinds.items()):
        if number in placed and str(thing.get("category", "")).strip():
            objects.append({"id": str(number), "label": str(thing["category"]), "box3d": placed[number]})
        else:
            tally["objects without keypoints or category"] += 1
    record: Record = {"kind": "scene", "id": unit["id"], "dataset": "objectron", "split": split, "up": [0.0, 1.0, 0.0]}
    yield common.scene({**record, "views": views, "objects": objects}, str(file))


def _get(record: Any, name: str) -> Any:
    """A field by its name in the message or in camel case; None where it is absent."""
    if not isinstance(record, dict):
        return None
    return record.get(name, record.get(re.sub(r"_(\w)", lambda m: m[1].upper(), name)))


def _number(value: Any, where: str) -> float:
    """A number, which protobuf's JSON writes as text where it has 64 bits, and leaves out where it is 0."""
    return float(common.matrix(0 if value is None else value, (), where))


def _whole(value: Any, where: str) -> int:
    return int(_number(value, where))


def _list(record: Any, name: str, where: str) -> list[Record]:
    """A list of messages, empty where it is left out."""
    found = _get(record, name) or []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise DataError(f"{where}: {name}: expected a list of objects, got {str(found)[:60]}")
    return found


def _frames(content: Any, where: str) -> list[Record]:
    frames = _list(content, "frame_annotations", where)
    if not frames:
        raise DataError(f"{where}: expected objects and frame_annotations, as protobuf's JSON has them")
    return frames


def _pictures(folder: Path) -> dict[int, Path]:
    """The pictures of a folder by the last number in their names."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    numbers = ((re.findall(r"\d+", file.stem), file) for file in files if file.suffix.lower() in images.SUFFIXES)
    return {int(found[-1]): file for found, file in numbers if found}


def _camera(given: Any, width: int, height: int, turn: Array, where: str) -> tuple[list[float], list[list[float]]]:
    """[fx, fy, cx, cy] and the pose, camera to world."""
    view = common.matrix(_get(given, "view_matrix"), (16,), f"{where}.view_matrix").reshape(4, 4)
    pose = invert(common.rigid(view, f"{where}.view_matrix"))
    pose[:3, :3] = pose[:3, :3] @ turn.T
    upright = turn is UPRIGHT
    if _get(given, "projection_matrix") is not None:
        P = common.matrix(_get(given, "projection_matrix"), (16,), f"{where}.projection_matrix").reshape(4, 4)
        if np.abs(P[3] - (0, 0, -1, 0)).max() > 1e-6:
            raise DataError(f"{where}.projection_matrix: expected the last row 0 0 -1 0, got {P[3].tolist()}")
        # Image coordinates from -1 to 1: along the sideways camera's x and y axes, which is up.
        sizes, centres = (P[0, 0], P[1, 1]), (-P[0, 2], -P[1, 2])
        if upright:
            K = np.array(
                [[sizes[1] * width, 0, (1 + centres[1]) * width], [0, sizes[0] * height, (1 + centres[0]) * height]]
            )
        else:
            K = np.array(
                [[sizes[0] * width, 0, (1 + centres[0]) * width], [0, sizes[1] * height, (1 - centres[1]) * height]]
            )
        K = np.vstack([K / 2, [0, 0, 1]])
    else:
        K = common.matrix(_get(given, "intrinsics"), (9,), f"{where}.intrinsics").reshape(3, 3)
        fx, fy, cx, cy = common.intrinsics(K, f"{where}.intrinsics")
        sides = [f"image_resolution_{side}" for side in ("width", "height")]
        taken = [_whole(_get(given, side), f"{where}.{side}") for side in sides]
        wide, high = taken if min(taken) > 0 else ((height, width) if upright else (width, height))
        x, y = (height / wide, width / high) if upright else (width / wide, height / high)
        fx, fy, cx, cy = fx * x, fy * y, cx * x, cy * y
        K = np.array(
            [[fy, 0, width - cy], [0, fx, cx], [0, 0, 1]] if upright else [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]
        )
    K[:2, 2] -= 0.5  # pixel centres are integers in records
    return [round(value, 6) for value in common.intrinsics(K, where)], common.rigid(pose, where)


def _box(keypoints: Any, scale: Any, turn: Array, view: Record, where: str) -> list[float]:
    """The box in the world that nine keypoints, in the axes of the sideways camera, are the centre and corners of."""
    points = _points(keypoints, "point_3d", "xyz", f"{where}.keypoints") @ turn.T
    _check_projection(keypoints, points, view, where)
    corners = points[1:].reshape(2, 2, 2, 3)
    measured = [np.linalg.norm(np.diff(corners, axis=axis), axis=-1).mean() for axis in range(3)]
    size = np.array(measured) if scale is None else common.matrix(scale, (3,), f"{where}: scale of its object")
    model = np.vstack([np.zeros(3), CORNERS]) * size
    centre = points.mean(axis=0)
    U, _, Vt = np.linalg.svd(model.T @ (points - centre))
    R = Vt.T @ np.diag([1, 1, np.sign(np.linalg.det(Vt.T @ U.T))]) @ U.T
    off = np.linalg.norm(model @ R.T + centre - points, axis=1).max() / max(np.linalg.norm(size), 1e-9)
    if not off <= MISFIT or size.min() <= 0:
        raise DataError(f"{where}.keypoints: expected the centre and corners of a box of size {size}, off by {off:.1%}")
    pose = np.array(view["pose"])
    return common.box9(transform(centre, pose), size, pose[:3, :3] @ R)


def _points(keypoints: Any, field: str, axes: str, where: str) -> Array:
    if not isinstance(keypoints, list) or len(keypoints) != 9:
        raise DataError(f"{where}: expected 9, got {str(keypoints)[:60]}")
    found = [[_get(_get(point, field), axis) or 0.0 for axis in axes] for point in keypoints]
    return common.matrix(found, (9, len(axes)), f"{where}.{field}")


def _check_projection(keypoints: Any, points: Array, view: Record, where: str) -> None:
    """2D keypoints, shares of the picture, tell whether axes and intrinsics were understood."""
    if points[:, 2].min() <= 0 or not all(_get(point, "point_2d") for point in keypoints):
        return
    size = np.array([view["width"], view["height"]])
    marked = _points(keypoints, "point_2d", "xy", f"{where}.keypoints") * size - 0.5
    off = float(np.median(np.linalg.norm(project(points, view["camera"]) - marked, axis=1)) / np.linalg.norm(size))
    if off > MISPLACED:
        raise DataError(
            f"{where}.keypoints: expected point_3d to project to point_2d, off by {off:.0%} of the diagonal"
        )
