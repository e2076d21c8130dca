"""ARKitScenes (Baruch et al., 2021), the folders of its 3dod and raw releases.

VIDEO/VIDEO_3dod_annotation.json and VIDEO/VIDEO_frames/ with lowres_wide/VIDEO_TIME.png, lowres_depth/ (millimetres),
lowres_wide_intrinsics/VIDEO_TIME.pincam (width height fx fy cx cy) and lowres_wide.traj; raw scans have no frames
folder in between. A scan becomes one scene.

A line of lowres_wide.traj is the time, a rotation vector (radians) and a translation (metres) that take points from
the world to the camera; the camera has our axes, the world's z is up. The release's own loader inverts them to carry
depth into the world; the tests carry the depth of one view into another to hold this reader to the same direction.
"""

from __future__ import annotations

import bisect
import csv
import functools
import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vstkit.datasets import common, vsi_meta
from vstkit.errors import DataError
from vstkit.geometry.cameras import invert, resize_camera
from vstkit.geometry.rotations import Array
from vstkit.lineio import Record

LICENSE = "ARKitScenes, Apple: CC BY-NC-SA 4.0"
SPLITS = {"Training": "train", "Validation": "val"}
SAME_POSE = 0.005  # seconds between a picture and its pose, as in the release's loader
SAME_FRAME = 0.0015  # and its intrinsics, whose names are rounded to milliseconds
TABLES = ("3dod_train_val_splits.csv", "metadata.csv", "raw_train_val_splits.csv")  # video_id, visit_id, fold
DEPTH_SCALE = 1000


def find(path: str) -> Iterator[Record]:
    """One unit for each scan at or under `path`, in the order of the folders' names."""
    found = False
    for folder, names, _ in os.walk(path):
        names.sort()
        frames = _frames(Path(folder))
        if frames:
            found = True
            names.clear()
            yield _unit(Path(folder), frames)
    if not found:
        raise DataError(f"{path}: expected ARKitScenes scans, folders VIDEO with VIDEO_frames/lowres_wide, found none")


def read(unit: Record, tally: Counter[str], *, root: str = ".", split: str = "") -> Iterator[Record]:
    """The scene of one scan. A picture without a pose of its time is left out and counted."""
    if not common.in_split(unit, split, tally):
        return
    folder, frames = Path(unit["folder"]), Path(unit["frames"])
    times, poses = _trajectory(frames / "lowres_wide.traj")
    cameras = _by_time(frames / "lowres_wide_intrinsics", ".pincam")
    camera_times = [time for time, _ in cameras]
    views: list[Record] = []
    first = 0.0
    for time, picture in _by_time(frames / "lowres_wide", ".png"):
        i, j = _nearest(times, time, SAME_POSE), _nearest(camera_times, time, SAME_FRAME)
        if i is None or j is None:
            tally["view: no pose of its time" if i is None else "view: no intrinsics of its time"] += 1
            continue
        first = first if views else time
        name, width, height = common.picture(picture, root)
        camera = _camera(cameras[j][1], (width, height))
        view = {"image": name, "width": width, "height": height, "camera": camera, "pose": poses[i]}
        depth = frames / "lowres_depth" / picture.name
        if depth.is_file():
            view["depth"] = common.depth(depth, DEPTH_SCALE, "sensor", (width, height), root)
        else:
            tally["view: no depth of its time"] += 1
        views.append({**view, "time": round(time - first, 6)})
    if not views:
        raise DataError(
            f"{frames}: expected pictures in lowres_wide with poses and intrinsics of their time, found none"
        )
    record = {"kind": "scene", "id": unit["id"], "dataset": "arkitscenes", "family": unit["family"]}
    record |= {"split": split or unit["split"], "license": LICENSE, "up": vsi_meta.UP}
    yield common.scene({**record, "views": views, "objects": _objects(folder, tally)}, str(folder))


def _frames(folder: Path) -> Path | None:
    for place in (folder / f"{folder.name}_frames", folder):
        if (place / "lowres_wide").is_dir():
            return place
    return None


def _unit(folder: Path, frames: Path) -> Record:
    if folder.resolve().name.endswith("_frames"):  # named itself on the command line
        folder = folder.resolve().parent
    video = folder.resolve().name
    row = _row(folder, video)
    split = SPLITS.get(row.get("fold", ""), SPLITS.get(folder.resolve().parent.name, ""))
    visit = row.get("visit_id", "")
    # Scans of one visit show the same rooms.
    family = f"arkitscenes/visit-{visit}" if visit.isdecimal() else f"arkitscenes/{video}"
    unit = {"kind": "unit", "id": f"arkitscenes/{video}", "folder": str(folder), "frames": str(frames)}
    return {**unit, "split": split, "family": family}


def _row(folder: Path, video: str) -> dict[str, str]:
    """What the release's table says of a video; it lies beside the scans or above them."""
    for place in list(folder.resolve().parents)[:3]:
        for name in TABLES:
            if (place / name).is_file():
                return _table(place / name).get(video, {})
    return {}


@functools.lru_cache(maxsize=4)
def _table(file: Path) -> dict[str, dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as rows:
            return {row.get("video_id", ""): row for row in csv.DictReader(rows)}
    except (ValueError, csv.Error) as e:
        raise DataError(f"{file}: not a table: {e}") from None


def _by_time(folder: Path, suffix: str) -> list[tuple[float, Path]]:
    """The files VIDEO_TIME`suffix` of a folder, earliest first."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    named = ((re.fullmatch(r"(?:.*_)?(\d+\.\d+)", file.stem), file) for file in folder.glob(f"*{suffix}"))
    return sorted((float(time[1]), file) for time, file in named if time)


def _nearest(times: list[float], time: float, within: float) -> int | None:
    at = bisect.bisect(times, time)
    near = min((i for i in (at - 1, at) if 0 <= i < len(times)), key=lambda i: abs(times[i] - time), default=None)
    return near if near is not None and abs(times[near] - time) <= within else None


def _trajectory(file: Path) -> tuple[list[float], list[list[list[float]]]]:
    """Times, ascending, and poses, camera to world."""
    numbers = common.read_numbers(file)
    if not numbers or len(numbers) % 7:
        raise DataError(f"{file}: expected lines of seven numbers, got {len(numbers)} numbers in all")
    rows = common.matrix(np.reshape(numbers, (-1, 7)), (-1, 7), str(file))
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    poses = []
    for i, row in enumerate(rows):
        to_camera = np.eye(4)
        to_camera[:3, :3], to_camera[:3, 3] = _rotation(row[1:4]), row[4:]
        poses.append(common.rigid(invert(to_camera), f"{file}: pose {i}"))
    return rows[:, 0].tolist(), poses


def _rotation(vector: Array) -> Array:
    """The rotation matrix about `vector` by its length in radians (Rodrigues)."""
    angle = math.hypot(*vector)
    x, y, z = vector / max(angle, 1e-12)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Array = np.eye(3) + math.sin(angle) * across + (1 - math.cos(angle)) * across @ across
    return turned


def _camera(file: Path, size: tuple[int, int]) -> list[float]:
    width, height, fx, fy, cx, cy = common.read_numbers(file, 6)
    camera = common.intrinsics(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), str(file))
    if min(width, height) < 1 or abs(width / height / (size[0] / size[1]) - 1) > common.ASPECT:
        raise DataError(f"{file}: expected the aspect of its picture, {size[0]}x{size[1]}, got {width:g}x{height:g}")
    stated = round(width), round(height)
    return camera if stated == size else resize_camera(camera, stated, size)


def _objects(folder: Path, tally: Counter[str]) -> list[Record]:
    file = folder / f"{folder.resolve().name}_3dod_annotation.json"
    if not file.is_file():
        tally["scan: no 3dod annotation"] += 1
        return []
    content = common.load_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("data", []), list):
        raise DataError(f"{file}: data: expected a list of boxes")
    if content.get("skipped"):
        tally["scan: annotation skipped"] += 1
    objects: list[Record] = []
    for i, item in enumerate(content.get("data", [])):
        where = f"{file}: data[{i}]"
        if not isinstance(item, dict) or not isinstance(item.get("segments"), dict):
            raise DataError(f"{where}.segments: expected obbAligned")
        thing = vsi_meta.obb(
            item["segments"].get("obbAligned"), str(item.get("label", "")), f"{where}.segments.obbAligned", tally
        )
        objects += [{"id": f"o{i}", **thing}] if thing else []
    return objects
