"""Omni3D JSON (Brazil et al., 2023), for all of its sets: SUN RGB-D, ARKitScenes, Hypersim, Objectron, KITTI, nuScenes.

One file has images, categories and annotations; every image becomes a scene of one view whose world is the camera's.
Omni3D's camera axes are ours. `dimensions` are width, height, length, and lie along the box's z, y and x axes: x is the
length. -1 stands for what is not known. The file is loaded whole, in about seven times its size: the boxes of an image
may stand anywhere in it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from vstkit.datasets import common
from vstkit.errors import DataError
from vstkit.lineio import Record

IGNORED = {"dontcare", "ignore", "void"}  # Omni3D's names for regions
DEPTH_ERROR = 0.5  # metres between box and depth map above which Omni3D's evaluation ignores a box
OFFICIAL = {"sunrgbd", "arkitscenes", "hypersim", "objectron", "kitti", "nuscenes"}
LICENSE = "Omni3D annotations CC BY-NC 4.0; pictures under the terms of their dataset"
# Pictures of one place: a scan of ARKitScenes, a scene of Hypersim, a video of Objectron.
_FAMILY = re.compile(r"/(\d{8}|ai_\d{3}_\d{3}|\w+_batch-\d+_\d+)/")


def find(path: str) -> Iterator[Record]:
    """One unit for each image of a file, or of every JSON file in a folder, in the files' order."""
    files = sorted(Path(path).glob("*.json")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise DataError(f"{path}: expected an Omni3D JSON file or a folder of them, found no .json")
    for file in files:
        yield from _units(file)


def _units(file: Path) -> Iterator[Record]:
    data = common.load_json(file)
    if not isinstance(data, dict) or not {"images", "categories", "annotations"} <= data.keys():
        raise DataError(f"{file}: expected Omni3D JSON, an object with images, categories and annotations")
    for name in ("images", "categories", "annotations"):
        common.dicts(data[name], f"{file}: {name}")
    if data["images"] and "K" not in data["images"][0]:
        raise DataError(f"{file}: images[0].K: missing: expected Omni3D JSON")
    names = {str(category.get("id")): category.get("name") for category in data["categories"]}
    held: dict[str, list[Record]] = {str(image.get("id")): [] for image in data["images"]}
    for i, annotation in enumerate(data["annotations"]):
        image_id, label = str(annotation.get("image_id")), names.get(str(annotation.get("category_id")))
        if image_id not in held:
            raise DataError(f"{file}: annotations[{i}].image_id: no image has the id {image_id}")
        annotation |= {"at": i, "category_name": str(annotation.get("category_name") or label or "")}
        held[image_id].append(annotation)
    dataset = file.stem.lower()
    split = next((s for s in ("train", "val", "test") if dataset.endswith(f"_{s}")), "")
    dataset = dataset.removesuffix(f"_{split}")
    for i, image in enumerate(data["images"]):
        fields = {"file": str(file), "at": i, "dataset": dataset, "split": split}
        unit = {"kind": "unit", "id": f"{dataset}/{image.get('id', i)}", **fields}
        yield {**unit, "image": image, "annotations": held.pop(str(image.get("id")), [])}


def read(unit: Record, tally: Counter[str], *, root: str = ".", split: str = "") -> Iterator[Record]:
    """The scene of one image. A box that Omni3D marks as not valid is left out and counted."""
    if not common.in_split(unit, split, tally):
        return
    file, image = unit["file"], unit["image"]
    where = f"{file}: images[{unit['at']}]"
    camera = common.intrinsics(image.get("K"), f"{where}.K")
    path = str(image.get("file_path", ""))
    objects = []
    for annotation in unit["annotations"]:
        if reason := _left_out(annotation):
            tally[f"object: {reason}"] += 1
        else:
            objects.append(_object(annotation, f"{file}: annotations[{annotation['at']}]"))
    family = _FAMILY.search(path)
    view = {"image": _picture(path, image, file, where, root, tally), "camera": camera}
    yield common.scene(
        {
            "kind": "scene",
            "id": unit["id"],
            "dataset": unit["dataset"],
            "family": f"{unit['dataset']}/{family[1]}" if family else "",
            "split": split or unit["split"],
            "license": LICENSE if unit["dataset"] in OFFICIAL else "",
            "views": [{**view, "width": image.get("width"), "height": image.get("height")}],
            "objects": objects,
        },
        where,
    )


def _left_out(annotation: Record) -> str | None:
    """Why a box is no truth to learn from, in Omni3D's own terms."""
    if annotation["category_name"].lower() in IGNORED or annotation.get("ignore") is True:
        return "marked as ignored"
    if not annotation.get("valid3D", True):
        return "valid3D is false"
    if annotation.get("behind_camera"):
        return "behind the camera"
    error = annotation.get("depth_error")
    if isinstance(error, int | float) and error > DEPTH_ERROR:
        return f"depth_error above {DEPTH_ERROR} m"
    sizes = annotation.get("dimensions")
    if isinstance(sizes, list) and any(isinstance(s, int | float) and s <= 0 for s in sizes):
        return "size not positive"
    return None


def _object(annotation: Record, where: str) -> Record:
    centre = common.matrix(annotation.get("center_cam"), (3,), f"{where}.center_cam")
    width, height, length = common.matrix(annotation.get("dimensions"), (3,), f"{where}.dimensions")
    R = common.rigid(common.matrix(annotation.get("R_cam"), (3, 3), f"{where}.R_cam"), f"{where}.R_cam")
    thing: Record = {
        "id": f"o{annotation.get('id', annotation['at'])}",
        "label": annotation["category_name"].replace("_", " "),
        "box3d": common.box9(centre, (length, height, width), R),
    }
    for name in ("bbox2D_tight", "bbox2D_trunc"):
        box = common.matrix(annotation.get(name, [-1] * 4), (4,), f"{where}.{name}").tolist()
        if box[0] < box[2] and box[1] < box[3]:  # all four are -1 where it is not known
            thing["box2d"] = {"0": box}
            break
    return thing


def _picture(path: str, image: Record, file: str, where: str, root: str, tally: Counter[str]) -> str:
    """The path of the picture: `file_path` starts from the folder of the datasets, which the JSON lies in or under."""
    if not path:
        raise DataError(f"{where}.file_path: missing")
    folder = Path(file).parent
    for place in (folder / path, folder.parent / path, folder.parent.parent / path):
        if place.is_file():
            name, width, height = common.picture(place, root)
            if (width, height) != (image.get("width"), image.get("height")):
                stated = f"{image.get('width')}x{image.get('height')}"
                raise DataError(f"{place}: expected {stated}, as {where} says, got {width}x{height}")
            return name
    tally["picture: not there"] += 1
    return common.relative(folder / path, root)
