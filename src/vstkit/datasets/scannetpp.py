"""ScanNet++: iphone and dslr exports, with oriented boxes from segments_anno.json.

Read are, under a scene's folder:

- iphone/rgb/frame_000000.jpg and iphone/depth/frame_000000.png (mm), as the toolbox extracts them; iphone/
  pose_intrinsic_imu.json with `intrinsic` and `aligned_pose` (4x4, camera to world) of each; iphone/colmap/images.txt.
- dslr/resized_undistorted_images or dslr/undistorted_images, with the camera of dslr/nerfstudio/
  transforms_undistorted.json; else dslr/resized_images or dslr/images with dslr/colmap/cameras.txt, if that camera is
  without distortion. Poses are from dslr/colmap/images.txt. Fisheye pictures are left out: undistort them first.
- scans/segments_anno.json: `obb` with centroid, axesLengths (full) and normalizedAxes, nine numbers, the first three
  being the first axis.

COLMAP's text has the motion from world to camera, as tx ty tz after the quaternion w x y z, in the frame of the mesh
and the boxes, z up; pixel centres are halves there and integers in records. The phone's own poses (aligned_pose) are
near that frame and not in it: they serve, with a warning, only where there is no iphone/colmap. Axes of a box that are
left-handed are those of the same box with one axis turned round, and are read so.

Sources: the data set's documentation (Yeshwanth et al., ScanNet++, 2023) and COLMAP's, on its text output.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit import images
from vstkit.datasets import common, trajectories
from vstkit.errors import DataError
from vstkit.geometry.cameras import Size, invert, resize_camera
from vstkit.lineio import Record

log = logging.getLogger("vstkit")

Pose = list[list[float]]

STUFF = {"wall", "floor", "ceiling"}
NAMELESS = {"", "remove", "split", "unknown", "object", "undefined"}  # what annotators wrote for no kind of thing
UNDISTORTED, DISTORTED = ("resized_undistorted_images", "undistorted_images"), ("resized_images", "images")
# How many of a camera model's numbers are fx, fy, cx, cy; what follows is distortion.
PINHOLES = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 3, "RADIAL": 3, "OPENCV": 4}
OFF_CENTRE = 0.15  # share of the width: beyond it, intrinsics are of another picture size


def find(path: str) -> Iterator[Record]:
    """A unit for each device of each scene under a folder; raises DataError where there is none."""
    found = False
    for folder, inner, _ in os.walk(path):
        inner.sort(key=common.numerically)
        here = Path(folder)
        devices = [name for name, part in (("dslr", "colmap"), ("iphone", "rgb")) if (here / name / part).is_dir()]
        if devices:
            inner.clear()
            found = True
            scan = here.resolve().name
            yield from ({"kind": "unit", "id": f"{scan}/{d}", "folder": folder, "device": d} for d in devices)
    if not found:
        raise DataError(f"{path}: expected scenes with iphone/rgb or dslr/colmap, got none")


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one device. Nothing is written: depth is a picture already."""
    del write
    folder = Path(unit["folder"])
    views = list((_iphone if unit["device"] == "iphone" else _dslr)(folder / unit["device"], tally, root))
    if not views:
        tally["devices without a view"] += 1
        return
    record: Record = {"kind": "scene", "id": unit["id"], "dataset": "scannetpp", "split": split, "up": [0.0, 0.0, 1.0]}
    record |= {"family": folder.resolve().name, "views": views, "objects": _objects(folder / "scans", tally)}
    yield common.scene(record, str(folder))


def _iphone(folder: Path, tally: Counter[str], root: str) -> Iterator[Record]:
    notes_file, colmap = folder / "pose_intrinsic_imu.json", folder / "colmap" / "images.txt"
    notes = common.load_json(notes_file)
    poses = _placed(colmap) if colmap.is_file() else {}
    if not colmap.is_file():
        log.warning("%s: no such file: the phone's own poses may lie some centimetres off the boxes", colmap)
    for file in _pictures(folder / "rgb"):
        where = f"{notes_file}: {file.stem}"
        note = notes.get(file.stem) if isinstance(notes, dict) else None
        if not isinstance(note, dict):
            tally["views without intrinsics"] += 1
            continue
        given = poses[file.stem][0] if file.stem in poses else note.get("aligned_pose")
        if colmap.is_file() and file.stem not in poses:
            tally["views without a pose"] += 1
            continue
        if not np.isfinite(np.asarray(given, dtype=float)).all():
            tally["views whose pose is not finite"] += 1
            continue
        pose = common.rigid(np.asarray(given), f"{where}.aligned_pose")
        camera = common.intrinsics(
            common.matrix(note.get("intrinsic"), (3, 3), f"{where}.intrinsic"), f"{where}.intrinsic"
        )
        view = _view(file, camera, pose, f"{where}.intrinsic", root)
        if isinstance(note.get("timestamp"), int | float):
            view["time"] = float(note["timestamp"])
        map_file = folder / "depth" / f"{file.stem}.png"
        if map_file.is_file():
            view["depth"] = common.depth(map_file, 1000.0, "sensor", (view["width"], view["height"]), root)
        else:
            tally["depth that is not there"] += 1
        yield view


def _dslr(folder: Path, tally: Counter[str], root: str) -> Iterator[Record]:
    poses = _placed(folder / "colmap" / "images.txt")
    undistorted = next((folder / name for name in UNDISTORTED if (folder / name).is_dir()), None)
    pictures = undistorted or next((folder / name for name in DISTORTED if (folder / name).is_dir()), None)
    if pictures is None:
        raise DataError(f"{folder}: expected pictures in one of {', '.join((*UNDISTORTED, *DISTORTED))}, got none")
    cameras_file = (
        folder / "nerfstudio" / "transforms_undistorted.json" if undistorted else folder / "colmap" / "cameras.txt"
    )
    cameras = {} if undistorted else _cameras(cameras_file)
    one: tuple[str, Size, list[float] | None] | None = ("PINHOLE", *_undistorted(cameras_file)) if undistorted else None
    for file in _pictures(pictures):
        if file.stem not in poses:
            tally["views without a pose"] += 1
            continue
        pose, number = poses[file.stem]
        if not one and number not in cameras:
            raise DataError(f"{cameras_file}: expected camera {number} of {file.name}, got {', '.join(cameras)}")
        model, size, camera = one or cameras[number]
        if camera is None:
            tally[f"views that are distorted ({model})"] += 1
            continue
        _, width, height = common.picture(file, root)
        yield _view(file, resize_camera(camera, size, (width, height)), pose, str(cameras_file), root)


def _pictures(folder: Path) -> list[Path]:
    files = folder.iterdir() if folder.is_dir() else iter(())
    return sorted((f for f in files if f.suffix.lower() in images.SUFFIXES), key=common.numerically)


def _view(file: Path, camera: list[float], pose: Pose, where: str, root: str) -> Record:
    held, width, height = common.picture(file, root)
    if max(abs(camera[2] / width - 0.5), abs(camera[3] / height - 0.5)) > OFF_CENTRE:
        raise DataError(f"{where}: expected the camera of {file} ({width}x{height}), got cx, cy {camera[2:]}")
    rounded = [round(value, 6) for value in camera]
    return {"image": held, "width": width, "height": height, "camera": rounded, "pose": pose}


def _placed(file: Path) -> dict[str, tuple[Pose, str]]:
    """Poses, camera to world, and camera numbers by the pictures' stems, of COLMAP's images.txt."""
    lines = [(n, line) for n, line in enumerate(_lines(file), 1) if not line.startswith("#")]
    poses = {}
    for number, line in lines[::2]:  # every other line lists 2D points, and may be empty
        words = line.split(maxsplit=9)
        where = f"{file}:{number}"
        try:
            w, x, y, z, *motion = (float(word) for word in words[1:8])
            camera, name = words[8:]
        except ValueError:
            raise DataError(f"{where}: expected id, quaternion, motion, camera and name, got {line[:60]}") from None
        to_camera = trajectories.placed(motion, (x, y, z, w), where)
        poses[Path(name.strip()).stem] = (common.rigid(invert(to_camera), where), camera)
    return poses


def _cameras(file: Path) -> dict[str, tuple[str, Size, list[float] | None]]:
    """Model, size and [fx, fy, cx, cy] by number, of COLMAP's cameras.txt; no camera where there is distortion."""
    cameras: dict[str, tuple[str, Size, list[float] | None]] = {}
    for number, line in enumerate(_lines(file), 1):
        if line.startswith("#") or not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            name, model, width, height, *numbers = line.split()
            values, size = [float(word) for word in numbers], (int(width), int(height))
        except ValueError:
            raise DataError(f"{where}: expected id, model, width, height and numbers, got {line[:60]}") from None
        count = PINHOLES.get(model, 0)
        if not count or any(values[count:]):
            cameras[name] = (model, size, None)
        elif len(values) < count:
            raise DataError(f"{where}: expected {count} numbers or more of a {model} camera, got {len(values)}")
        else:
            fx, fy, cx, cy = values[:4] if count == 4 else (values[0], *values[:3])
            cameras[name] = (model, size, _centred(fx, fy, cx, cy, where))
    return cameras


def _undistorted(file: Path) -> tuple[Size, list[float]]:
    content = common.load_json(file)
    names = ("w", "h", "fl_x", "fl_y", "cx", "cy")
    given = [content.get(name) if isinstance(content, dict) else None for name in names]
    w, h, fx, fy, cx, cy = common.matrix(given, (6,), f"{file}: {', '.join(names)}").tolist()
    return (int(w), int(h)), _centred(fx, fy, cx, cy, str(file))


def _centred(fx: float, fy: float, cx: float, cy: float, where: str) -> list[float]:
    """The camera with integers for pixel centres, where COLMAP has halves."""
    return common.intrinsics(np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]]), where)


def _lines(file: Path) -> list[str]:
    return common.read_bytes(file).decode(errors="replace").splitlines()


def _objects(folder: Path, tally: Counter[str]) -> list[Record]:
    file = folder / "segments_anno.json"
    if not file.is_file():
        tally["objects of scenes without segments_anno.json"] += 1
        return []
    content = common.load_json(file)
    groups: Any = content.get("segGroups") if isinstance(content, dict) else None
    if not isinstance(groups, list):
        raise DataError(f"{file}: segGroups: expected a list, got {type(groups).__name__}")
    objects = []
    for i, group in enumerate(groups):
        where = f"{file}: segGroups[{i}]"
        if not isinstance(group, dict) or not isinstance(group.get("obb", {}), dict):
            raise DataError(f"{where}: expected label and obb, got {str(group)[:60]}")
        label = str(group.get("label", "")).strip()
        obb = group.get("obb") or {}
        if label.lower() in NAMELESS:
            tally["objects without a name"] += 1
            continue
        centre, size = (common.matrix(obb.get(n), (3,), f"{where}.obb.{n}") for n in ("centroid", "axesLengths"))
        axes = common.matrix(obb.get("normalizedAxes"), (9,), f"{where}.obb.normalizedAxes").reshape(3, 3).T
        if size.min() <= 0:
            tally["objects without extent"] += 1
            continue
        if np.linalg.det(axes) < 0:
            axes = axes * [1, 1, -1]
        R = common.rigid(axes, f"{where}.obb.normalizedAxes")
        thing: Record = {"id": str(group.get("id", i)), "label": label, "box3d": common.box9(centre, size, R)}
        objects.append({**thing, "stuff": True} if label.lower() in STUFF else thing)
    return objects
