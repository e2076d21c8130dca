"""Folders of colour pictures, depth and camera poses, in the forms that SLAM and reconstruction data sets share.

Pictures lie in color/ or rgb/ and depth in depth/, under equal names or, as in TUM RGB-D, under times; or all in one
folder as 1.png with 1_depth.png, or frame-000000.color.png with .depth.png and .pose.txt (7-Scenes). Poses, all camera
to world, are read from

- one text file a picture with a 4x4 matrix: pose/ or poses/ with the pictures' names, or 7-Scenes' .pose.txt,
- a trajectory in the folder, told apart by its first line: "time tx ty tz qx qy qz qw" (TUM: groundtruth.txt,
  trajectory.txt), "tx ty tz qx qy qz qw" (ICL-NUIM: pose.txt, one line a picture, in the order of their numbers), or
  "i i j" and four rows of four (Redwood: trajectory.log, i counts pictures from 0).

Without poses every picture is a scene of its own: nothing says how two of them lie to each other.

The camera is fx, fy, cx, cy in pixels. A negative fy, as ICL-NUIM gives it, says that the camera's y axis, and with it
the world's, points up: such axes are left-handed, because POV-Ray's are. They are mirrored here, y to -y in the camera
and in the world, so that the picture's rows run along y and every pose stays a rotation.

Sources: the file formats of the TUM RGB-D benchmark, ICL-NUIM, the Redwood data set and 7-Scenes as their sites
describe them.
"""

from __future__ import annotations

import logging
import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vstkit import images
from vstkit.datasets import trajectories
from vstkit.datasets.common import (
    aligned,
    intrinsics,
    matrix,
    numerically,
    picture,
    read_numbers,
    rigid,
    scene,
)
from vstkit.datasets.maps import DEPTH_NEEDS_WRITE, store
from vstkit.errors import DataError
from vstkit.lineio import Record

log = logging.getLogger("vstkit")

COLOR, POSES = ("color", "rgb"), ("pose", "poses")
CAMERAS = ("camera-intrinsics.txt", "intrinsics.txt", "intrinsic.txt")
TRAJECTORIES = ("groundtruth.txt", "trajectory.log", "trajectory.txt", "poses.txt", "pose.txt")
SCALES = {"times": 5000.0, "lines": 5000.0}  # what TUM RGB-D and ICL-NUIM store a metre as; elsewhere millimetres
APART = 0.02  # seconds between a picture and its depth or pose in TUM's own association
NO_READING = 65535  # 7-Scenes' mark
MIRROR = np.diag([1.0, -1.0, 1.0, 1.0])
_FLAT = re.compile(r"(?P<stem>.+?)(?:[._-](?P<part>color|rgb|depth|pose))?\.(?P<end>\w+)")


def find(
    path: str,
    *,
    camera: Sequence[float] | None = None,
    depth_scale: float | None = None,
    poses: str | None = None,
) -> Iterator[Record]:
    """Units of a folder or of the folders in it: one for a posed sequence, else one for each picture.

    `camera` is [fx, fy, cx, cy], by default a 3x3 matrix in the folder's camera-intrinsics.txt or intrinsics.txt;
    `depth_scale` what the depth stores a metre as, by default 5000 with TUM or ICL-NUIM poses and 1000 otherwise;
    `poses` the trajectory's name in the folder where several lie there. Raises DataError where no folder has pictures
    with depth.
    """
    top = Path(path)
    base = top.resolve().name
    found = False
    for folder, inner, _ in os.walk(top):
        inner.sort(key=numerically)
        here = Path(folder)
        frames = _frames(here)
        if not any("depth" in frame for frame in frames):
            continue
        found = True
        inner.clear()
        below = os.path.relpath(here, top)
        name = base if below == "." else f"{base}/{below}"
        trajectory = _trajectory(here, poses)
        scale = depth_scale
        if scale is None:
            scale = SCALES.get(trajectories.kind(trajectory) if trajectory else "", 1000.0)
            log.warning("%s: depth is taken for %g units a metre; --depth-scale says otherwise", folder, scale)
        options = {"camera": None if camera is None else list(camera), "depth_scale": scale}
        unit = {"kind": "unit", "folder": str(here), "trajectory": trajectory, **options}
        if trajectory or any("pose" in frame for frame in frames):
            yield {**unit, "id": name}
        else:
            yield from ({**unit, "id": f"{name}/{frame['stem']}", "only": frame} for frame in frames)
    if not found:
        raise DataError(f"{path}: expected color/ or rgb/ with depth/, or pictures beside their _depth, got none")


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one unit.

    7-Scenes marks no reading as 65535: such depth is written again, with 0, under `write`, and left out without it.
    """
    folder = Path(unit["folder"])
    frames = [unit["only"]] if "only" in unit else _frames(folder)
    camera, mirrored = _camera(unit["camera"], folder)
    kind, poses = _poses(frames, unit["trajectory"])
    times = [_time(frame["stem"]) for frame in frames]
    views: list[Record] = []
    for frame, pose, time in zip(frames, poses, times, strict=True):
        if pose is None and kind:
            tally["views without a pose"] += 1
            continue
        held, width, height = picture(frame["picture"], root)
        view: Record = {"image": held, "width": width, "height": height, "camera": camera}
        if pose is not None:
            view["pose"] = (MIRROR @ pose @ MIRROR + 0.0).tolist() if mirrored else pose
        depth = _depth(frame, (width, height), unit["id"], tally, root, write)
        if depth:
            view["depth"] = {"path": depth, "scale": unit["depth_scale"], "kind": "sensor"}
        if time is not None and times[0] is not None and kind:
            view["time"] = round(time - times[0], 6)
        views.append(view)
    if not views:
        tally["scenes without a posed view"] += 1
        return
    yield scene({"kind": "scene", "id": unit["id"], "dataset": "rgbd", "split": split, "views": views}, str(folder))


def _frames(folder: Path) -> list[Record]:
    """The pictures of a folder in order: {"stem", "picture"}, with "depth" and "pose" where there are such files."""
    parts: dict[str, dict[str, str]] = {"picture": {}, "depth": {}, "pose": {}}
    color = next((folder / name for name in COLOR if (folder / name).is_dir()), None)
    if color:
        _collect(parts["picture"], color, images.SUFFIXES)
        _collect(parts["depth"], folder / "depth", images.SUFFIXES | {".pgm"})
        for name in POSES:
            _collect(parts["pose"], folder / name, {".txt"})
    else:
        for file in sorted(folder.iterdir()):
            named = _FLAT.fullmatch(file.name)
            if not named:
                continue
            if file.suffix.lower() in images.SUFFIXES:
                parts["depth" if named["part"] == "depth" else "picture"][named["stem"]] = str(file)
            elif named["part"] == "pose" and named["end"] == "txt":
                parts["pose"][named["stem"]] = str(file)
    depth = _by_time(parts["depth"], parts["picture"]) or parts["depth"]
    frames = []
    for stem in sorted(parts["picture"], key=numerically):
        frame = {"stem": stem, "picture": parts["picture"][stem]}
        frame |= {part: held[stem] for part, held in (("depth", depth), ("pose", parts["pose"])) if stem in held}
        frames.append(frame)
    return frames


def _collect(files: dict[str, str], folder: Path, suffixes: set[str]) -> None:
    if folder.is_dir():
        files |= {file.stem: str(file) for file in sorted(folder.iterdir()) if file.suffix.lower() in suffixes}


def _by_time(depth: dict[str, str], pictures: dict[str, str]) -> dict[str, str]:
    """Depth by the names of the pictures, where both are named by times."""
    if not depth or any(_time(stem) is None for stem in (*depth, *pictures)):
        return {}
    times = sorted((float(stem), file) for stem, file in depth.items())
    nearest = {stem: _nearest(times, float(stem)) for stem in pictures}
    return {stem: file for stem, file in nearest.items() if file is not None}


def _time(stem: str) -> float | None:
    """The time that a file is named by, in seconds; a plain number is none, but a count."""
    return float(stem) if re.fullmatch(r"\d+\.\d+", stem) else None


def _nearest(timed: list[tuple[float, Any]], time: float) -> Any | None:
    """What happened within 0.02 s of `time`, of a sorted list."""
    place = bisect_left(timed, time, key=lambda entry: entry[0])
    close = min(timed[max(place - 1, 0) : place + 1], key=lambda entry: abs(entry[0] - time), default=None)
    return close[1] if close and abs(close[0] - time) <= APART else None


def _trajectory(folder: Path, given: str | None) -> str | None:
    """The file with the poses of all pictures, if there is one."""
    if given:
        return str(folder / given)
    known = [folder / name for name in TRAJECTORIES if (folder / name).is_file()]
    if not known:
        known = sorted([*folder.glob("*.freiburg"), *folder.glob("*.log")])
        if len(known) > 1:
            raise DataError(f"{folder}: expected one trajectory, got {', '.join(file.name for file in known)}")
    return str(known[0]) if known else None


def _camera(given: list[float] | None, folder: Path) -> tuple[list[float], bool]:
    """[fx, fy, cx, cy] with fy positive, and whether y was up."""
    if given is not None:
        (fx, fy, cx, cy), where = given, "camera"
        K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    else:
        held = next((folder / name for name in CAMERAS if (folder / name).is_file()), None)
        if held is None:
            raise DataError(f"camera: expected a matrix in {folder}/{CAMERAS[0]} or {CAMERAS[1]}; give fx,fy,cx,cy")
        where, numbers = str(held), read_numbers(held)
        K = (
            matrix(numbers, (16 if len(numbers) == 16 else 9,), where)
            .reshape(-1, 4 if len(numbers) == 16 else 3)
            .copy()
        )
    mirrored = bool(K[1, 1] < 0)
    K[1, 1] = abs(K[1, 1])
    return intrinsics(K, where), mirrored


def _poses(frames: list[Record], trajectory: str | None) -> tuple[str, list[Any]]:
    """What the poses come from ("" where there are none), and for each frame its pose (4, 4) or None."""
    if trajectory is None:
        given = [frame.get("pose") for frame in frames]
        found = [file and rigid(np.reshape(read_numbers(file, 16), (4, 4)), file) for file in given]
        return "files" if any(given) else "", found
    kind, poses = trajectories.read(trajectory)
    if kind == "times":
        timed = sorted(poses.items())
        named = [frame["stem"] for frame in frames]
        return kind, [_nearest(timed, float(stem)) if re.fullmatch(r"\d+(\.\d+)?", stem) else None for stem in named]
    if kind == "lines" and len(poses) != len(frames):
        raise DataError(f"{trajectory}: expected {len(frames)} poses, one for each picture, got {len(poses)}")
    return kind, [poses.get(i) for i in range(len(frames))]


def _depth(
    frame: Record, size: tuple[int, int], name: str, tally: Counter[str], root: str, write: str | None
) -> str | None:
    """The path of a frame's depth for the record; 7-Scenes' is written again where it marks no reading its own way."""
    if "depth" not in frame:
        tally["depth that is not there"] += 1
        return None
    held = aligned(frame["depth"], size, root)
    if not frame["depth"].endswith(".depth.png"):
        return held
    values = images.read_map(frame["depth"])
    if not (values == NO_READING).any():
        return held
    if write is None:
        tally[DEPTH_NEEDS_WRITE] += 1
        return None
    return store(np.where(values == NO_READING, 0, values), write, f"{name}/{frame['stem']}-depth.png", root)
