"""SUN RGB-D as VoteNet and mmdetection3d lay it out; see `vstkit.datasets.sunrgbd`, which has the other layout."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit.datasets import common, pickles
from vstkit.errors import DataError
from vstkit.geometry.rotations import Array, euler_to_matrix
from vstkit.lineio import Record

CAMERA_TO_UPRIGHT = np.array(
    [[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]
)  # x right, y down, z forward to x right, y forward, z up
# The ten classes that both train on, in the order in which mmdetection3d numbers them.
CLASSES = ["bed", "table", "sofa", "chair", "toilet", "desk", "dresser", "night_stand", "bookshelf", "bathtub"]
Upright = tuple[Any, Any, float]  # centre, full sizes, heading (radians)
Labelled = tuple[str, Any, Upright, str]  # class, 2D box x0 y0 x1 y1 or None, box, where


def from_one(camera: list[float]) -> list[float]:
    """A camera whose first pixel is (1, 1) as one whose first pixel is (0, 0)."""
    fx, fy, cx, cy = camera
    return [fx, fy, cx - 1, cy - 1]


def box(centre: Any, sizes: Any, heading: float, turn: Array) -> list[float]:
    """The record's box of an upright one, turned about z by `heading` (radians); `turn` leads to the camera's axes."""
    return common.box9(turn @ np.asarray(centre), sizes, turn @ euler_to_matrix([0, 0, math.degrees(heading)]))


def find_pictures(folder: Path) -> Iterator[Record]:
    """Units of VoteNet's folder sunrgbd_trainval."""
    splits: dict[int, str] = {}
    for split in ("train", "val", "test"):
        if (folder / f"{split}_data_idx.txt").is_file():
            splits |= dict.fromkeys(map(int, common.read_numbers(folder / f"{split}_data_idx.txt")), split)
    for file in sorted((folder / "calib").glob("*.txt")):
        split = splits.get(int(file.stem), "") if file.stem.isdecimal() else ""
        fields = {"layout": "votenet", "folder": str(folder), "name": file.stem, "split": split}
        yield {"kind": "unit", "id": f"sunrgbd/{file.stem}", **fields}


def find_infos(file: Path) -> Iterator[Record]:
    """Units of an info file."""
    content = pickles.load_pickle(file) if file.suffix == ".pkl" else common.load_json(file)
    classes = {str(number): name for number, name in enumerate(CLASSES)}
    if isinstance(content, dict):
        meta = content.get("metainfo")
        if isinstance(meta, dict) and isinstance(meta.get("categories"), dict):
            classes = {str(number): str(name) for name, number in meta["categories"].items()}
        content = content.get("data_list")
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise DataError(f"{file}: expected mmdetection3d infos: an object with a data_list, or a list")
    split = next((s for s in ("train", "val", "test") if file.stem.endswith(f"_{s}")), "")
    for i, entry in enumerate(content):
        picture = _at(entry, "images", "CAM0", "img_path") or _at(entry, "image", "image_path")
        if not isinstance(picture, str):
            raise DataError(f"{file}: [{i}]: expected images.CAM0.img_path or image.image_path")
        kept = {name: entry[name] for name in ("images", "calib", "annos", "instances") if name in entry}
        fields = {"layout": "infos", "file": str(file), "at": i, "entry": kept, "picture": picture, "split": split}
        yield {"kind": "unit", "id": f"sunrgbd/{Path(picture).stem}", **fields, "classes": classes}


def scene_fields(unit: Record, tally: Counter[str], root: str) -> tuple[Record, str]:
    """`up`, `views` and `objects` of a unit's scene, and where they stand."""
    if unit["layout"] == "votenet":
        folder, name = Path(unit["folder"]), unit["name"]
        where = str(folder / "calib" / f"{name}.txt")
        picture = folder / "image" / f"{name}.jpg"
        numbers = common.read_numbers(where, 18)
        K, R = np.reshape(numbers[9:], (3, 3)).T, np.reshape(numbers[:9], (3, 3)).T
        camera, turn = common.intrinsics(K, f"{where}: K"), _to_camera(R, f"{where}: Rtilt")
        labelled = _lines(folder, name, tally)
    else:
        entry, where = unit["entry"], f"{unit['file']}: [{unit['at']}]"
        picture = _located(Path(unit["file"]).parent, unit["picture"])
        camera, turn = _calibration(entry, where)
        labelled = _instances(entry, unit["classes"], where, tally)
    image, width, height = common.picture(picture, root)
    camera = from_one(camera)
    if not (0 < camera[2] < width and 0 < camera[3] < height):
        raise DataError(f"{where}: expected cx and cy in the picture, {width}x{height}, got {camera[2:]}")
    view = {"image": image, "width": width, "height": height, "camera": camera}
    up = common.unit(turn[:, 2], where)
    return {"up": up, "views": [view], "objects": list(_objects(labelled, turn, tally))}, where


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _to_camera(tilt: Any, where: str) -> Array:
    """The rotation from upright axes to the camera's, of one that goes from the camera's, z up, to upright axes."""
    to_upright: Array = np.array(common.rigid(common.matrix(tilt, (3, 3), where), where)) @ CAMERA_TO_UPRIGHT
    return to_upright.T


def _calibration(entry: Record, where: str) -> tuple[list[float], Array]:
    if "calib" in entry:
        K, R = _at(entry, "calib", "K"), _at(entry, "calib", "Rt")
        return common.intrinsics(K, f"{where}.calib.K"), _to_camera(R, f"{where}.calib.Rt")
    where = f"{where}.images.CAM0.depth2img"
    # Upright axes to pixels, K R in one: taken apart into an upper triangle with a positive diagonal and a rotation.
    M = common.matrix(_at(entry, "images", "CAM0", "depth2img"), (3, 3), where)
    if abs(np.linalg.det(M)) < 1e-6:
        raise DataError(f"{where}: expected a camera matrix times a rotation, got {M.tolist()}")
    Q, upper = np.linalg.qr(M[::-1].T)
    K, R = upper.T[::-1, ::-1], Q.T[::-1]
    signs = np.sign(np.diag(K))
    K, R = K * signs, R * signs[:, None]
    if abs(K[2, 2] - 1) > common.ORTHONORMAL:
        raise DataError(f"{where}: expected a last row of length 1, got {K[2, 2]:.4g}")
    K = K.round(6)  # what is left of a decomposition of six digits
    camera = common.intrinsics(np.array([[K[0, 0], K[0, 1], K[0, 2]], [0, K[1, 1], K[1, 2]], [0, 0, 1]]), where)
    return camera, np.array(common.rigid(R, where))


def _located(folder: Path, picture: str) -> Path:
    """The info files lie beside sunrgbd_trainval; img_path starts there, or in its image/."""
    places = [folder / inner / picture for inner in ("", "sunrgbd_trainval", "image", "sunrgbd_trainval/image")]
    return next((place for place in places if place.is_file()), places[0])


def _lines(folder: Path, name: str, tally: Counter[str]) -> Iterator[Labelled]:
    file = next((f for f in (folder / d / f"{name}.txt" for d in ("label", "label_v1")) if f.is_file()), None)
    if file is None:
        tally["scene: no label file"] += 1
        return
    for i, line in enumerate(common.read_bytes(file).decode(errors="replace").splitlines(), 1):
        where = f"{file}:{i}"
        label, *rest = line.split() or [""]
        if not label:
            continue
        # Front direction last; its length along z is left out by some.
        numbers = common.matrix(rest[:12], (12,), where)
        x, y, width2d, height2d = numbers[:4].tolist()
        half_width, half_length, half_height = numbers[7:10].tolist()
        sizes = [2 * half_length, 2 * half_width, 2 * half_height]
        heading = math.atan2(numbers[11], numbers[10])
        yield label, [x, y, x + width2d, y + height2d], (numbers[4:7], sizes, heading), where


def _instances(entry: Record, classes: dict[str, str], where: str, tally: Counter[str]) -> Iterator[Labelled]:
    if "annos" in entry:
        annos = entry["annos"] if isinstance(entry["annos"], dict) else {}
        names = annos.get("name", [])
        if not isinstance(names, list):
            raise DataError(f"{where}.annos.name: expected a list, got {str(names)[:60]}")
        for i, name in enumerate(names):
            here = f"{where}.annos.gt_boxes_upright_depth[{i}]"
            boxes = common.matrix(annos.get("gt_boxes_upright_depth"), (len(names), 7), here)
            flat = common.matrix(annos.get("bbox"), (len(names), 4), f"{where}.annos.bbox")
            yield str(name), flat[i].tolist(), (boxes[i, :3], boxes[i, 3:6], float(boxes[i, 6])), here
        return
    for i, item in enumerate(common.dicts(entry.get("instances", []), f"{where}.instances")):
        here = f"{where}.instances[{i}]"
        number = item.get("bbox_label_3d")
        if str(number) not in classes:
            tally["object: class not known"] += 1
            continue
        seven = common.matrix(item.get("bbox_3d"), (7,), f"{here}.bbox_3d")
        yield classes[str(number)], item.get("bbox"), (seven[:3], seven[3:6], float(seven[6])), here


def _objects(labelled: Iterator[Labelled], turn: Array, tally: Counter[str]) -> Iterator[Record]:
    for i, (label, flat, upright, where) in enumerate(labelled):
        if min(upright[1]) <= 0:
            tally["object: size not positive"] += 1
            continue
        thing: Record = {"id": f"o{i}", "label": label.replace("_", " "), "box3d": box(*upright, turn)}
        if flat is not None:
            corners = (common.matrix(flat, (4,), f"{where}: 2D box") - 1).round(6).tolist()
            if corners[0] < corners[2] and corners[1] < corners[3]:
                thing["box2d"] = {"0": corners}
        yield thing
