"""SUN RGB-D (Song et al., 2015) in three layouts. A picture becomes a scene of one view whose world is the camera's.

The official folders: image/, depth_bfx/ or depth/, intrinsics.txt, extrinsics/*.txt, annotation3Dfinal/index.json.
VoteNet's: image/ID.jpg, calib/ID.txt (rotation, then camera matrix, both column by column), label/ or label_v1/ID.txt
(class, 2D box as x y width height, centre, half width, half length, half height, direction of the front).
mmdetection3d's info files, .json or .pkl, of its versions 1.0 (a list with calib and annos) and 1.1 (data_list with
depth2img).

The boxes of all three stand upright, in axes x right, y forward, z up that the gravity rotation leads to from the
camera's; x of a box is its length and points to the front, y its width. The official toolbox is written in MATLAB:
the first pixel's centre is (1, 1), so that one is taken off cx, cy and 2D boxes. In frame 000017 the colours of
VoteNet's points show it: they are those of the pixels to which they project with that, each without exception.

The 16 bits of a depth pixel are rotated left by three. Records have no field for that, so `read` converts the maps to
the folder `write`, and leaves them out without one.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit import images
from vstkit.datasets import common, sunrgbd_votenet
from vstkit.errors import DataError
from vstkit.geometry.rotations import Array
from vstkit.lineio import Record

CAMERA_TO_UPRIGHT = sunrgbd_votenet.CAMERA_TO_UPRIGHT
FARTHEST = 8000  # millimetres at which the toolbox cuts depth off
STRUCTURE = {"wall", "floor", "ceiling"}  # left out by the toolbox: their polygons are no boxes
SQUARE = 0.02  # cosine between the sides of a box's outline


def find(path: str) -> Iterator[Record]:
    """One unit for each picture of a file or folder in any of the layouts, in the order of their names."""
    if Path(path).is_file():
        yield from sunrgbd_votenet.find_infos(Path(path))
        return
    for folder in (Path(path), Path(path) / "sunrgbd_trainval"):
        if (folder / "calib").is_dir() and (folder / "image").is_dir():
            yield from sunrgbd_votenet.find_pictures(folder)
            return
    infos = sorted(f for f in Path(path).glob("*infos*") if f.suffix in (".json", ".pkl"))
    for file in infos:
        yield from sunrgbd_votenet.find_infos(file)
    if not infos:
        yield from _find_official(path)


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one picture. `write` is the folder for depth maps whose bits have been put in order."""
    if not common.in_split(unit, split, tally):
        return
    if unit["layout"] == "official":
        fields, where = _official(unit, tally, root, write), unit["folder"]
    else:
        fields, where = sunrgbd_votenet.scene_fields(unit, tally, root)
    record = {"kind": "scene", "id": unit["id"], "dataset": "sunrgbd", "family": unit.get("family", "")}
    yield common.scene({**record, "split": split or unit.get("split", ""), **fields}, where)


def _find_official(path: str) -> Iterator[Record]:
    found = False
    for folder, names, files in os.walk(path):
        names.sort()
        if "intrinsics.txt" not in files or "image" not in names:
            continue
        names.clear()
        found = True
        # The folders from the sensor on name a picture: SUNRGBD/kv2/kinect2data/000002_2014-05-26_...
        parts = Path(folder).resolve().parts
        start = next((i for i, part in enumerate(parts) if part in ("kv1", "kv2", "realsense", "xtion")), -1)
        unit = {"kind": "unit", "id": "/".join(["sunrgbd", *parts[start:]]), "layout": "official", "folder": folder}
        if "sun3ddata" in parts:  # frames of videos: those of one place stay together
            at = parts.index("sun3ddata")
            unit["family"] = "/".join(["sunrgbd", *parts[start : at + 2]])
        yield unit
    if not found:
        looked = "official folders (intrinsics.txt, image/), VoteNet's (image/, calib/) or *infos*.json and .pkl"
        raise DataError(f"{path}: expected SUN RGB-D as {looked}, found none")


def _official(unit: Record, tally: Counter[str], root: str, write: str | None) -> Record:
    folder = Path(unit["folder"])
    picture = _only(folder / "image", (".jpg", ".png"))
    name, width, height = common.picture(picture, root)
    K = np.reshape(common.read_numbers(folder / "intrinsics.txt", 9), (3, 3))
    camera = sunrgbd_votenet.from_one(common.intrinsics(K, str(folder / "intrinsics.txt")))
    view: Record = {"image": name, "width": width, "height": height, "camera": camera}
    if depth := _depth(unit, (width, height), tally, root, write):
        view["depth"] = depth
    to_world = _gravity(folder)
    return {
        "up": common.unit(-to_world[1], str(folder / "extrinsics")),
        "views": [view],
        "objects": list(_annotated(folder / "annotation3Dfinal" / "index.json", to_world, tally)),
    }


def _only(folder: Path, suffixes: tuple[str, ...]) -> Path:
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in suffixes)
    if not files:
        raise DataError(f"{folder}: expected a picture ({', '.join(suffixes)}), found none")
    return files[0]


def _gravity(folder: Path) -> Array:
    """The rotation (3, 3) from the camera to axes with y along gravity; the toolbox takes the last file too."""
    file = _only_last(folder / "extrinsics")
    numbers = common.read_numbers(file)
    if len(numbers) not in (9, 12):
        raise DataError(f"{file}: expected 3x4 numbers, got {len(numbers)}")
    return np.array(common.rigid(np.reshape(numbers, (3, -1))[:, :3], str(file)))


def _only_last(folder: Path) -> Path:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise DataError(f"{folder}: expected a .txt file, found none")
    return files[-1]


def _depth(unit: Record, size: tuple[int, int], tally: Counter[str], root: str, write: str | None) -> Record | None:
    folder = Path(unit["folder"])
    place = next((folder / name for name in ("depth_bfx", "depth") if (folder / name).is_dir()), None)
    if place is None:
        tally["depth missing"] += 1
        return None
    source = _only(place, (".png",))
    common.aligned(source, size)
    if write is None:
        tally["depth needs --write"] += 1
        return None
    target = Path(write) / f"{unit['id'].removeprefix('sunrgbd/')}.png"
    stored = images.read_map(str(source))
    if stored.dtype.itemsize < 2 or stored.dtype.kind not in "ui":
        raise DataError(f"{source}: expected 16-bit integers, got {stored.dtype}")
    from PIL import Image

    images.save(Image.fromarray(unrotated(stored)), target)
    return common.depth(target, 1000, "sensor", size, root)


def unrotated(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Millimetres (h, w), uint16, of a map as the dataset stores it; what the toolbox cuts off is no reading, 0."""
    bits = stored.astype(np.uint16)
    millimetres: np.ndarray[Any, Any] = (bits >> 3) | (bits << 13)
    millimetres[millimetres > FARTHEST] = 0
    return millimetres


def _annotated(file: Path, to_world: Array, tally: Counter[str]) -> Iterator[Record]:
    if not file.is_file():
        tally["scene: no annotation3Dfinal"] += 1
        return
    content = common.load_json(file)
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise DataError(f"{file}: objects: expected a list")
    turn = to_world.T @ CAMERA_TO_UPRIGHT.T
    for i, item in enumerate(content["objects"]):
        outline = item.get("polygon") if isinstance(item, dict) else None
        if not outline:
            tally["object: no polygon"] += 1
            continue
        where = f"{file}: objects[{i}]"
        rectangle = common.dicts(outline, f"{where}.polygon")[0]
        # The labellers' notes stand behind the name: "chair:truncated", "table_:occluded".
        label = str(item.get("name", "")).split(":")[0].replace("_", " ").strip()
        if label.lower() in STRUCTURE:
            tally["object: wall, floor or ceiling"] += 1
        elif not label:
            tally["object: no name"] += 1
        elif upright := _upright(rectangle, where, tally):
            yield {"id": f"o{i}", "label": label, "box3d": sunrgbd_votenet.box(*upright, turn)}


def _upright(outline: Record, where: str, tally: Counter[str]) -> sunrgbd_votenet.Upright | None:
    """Centre, sizes and heading, in upright axes, of an outline X, Z on the ground and its reach Ymin, Ymax (down)."""
    if not isinstance(outline.get("X"), list) or len(outline["X"]) != 4:
        tally["object: outline is no rectangle"] += 1
        return None
    ground = np.stack([common.matrix(outline.get(axis), (4,), f"{where}.polygon[0].{axis}") for axis in "XZ"], axis=1)
    low, high = (float(common.matrix(outline.get(y), (), f"{where}.polygon[0].{y}")) for y in ("Ymin", "Ymax"))
    across, along = ground[1] - ground[0], ground[2] - ground[1]
    width, length, height = math.hypot(*across), math.hypot(*along), abs(high - low)
    if min(width, length, height) <= 1e-6:
        tally["object: size not positive"] += 1
        return None
    if abs(float(across @ along)) > SQUARE * width * length:
        tally["object: outline is no rectangle"] += 1
        return None
    x, y = (ground[0] + ground[2]) / 2
    # The front is the first side.
    heading = math.atan2(-along[1], -along[0])
    return [float(x), float(y), -(low + high) / 2], [length, width, height], heading
