"""The `meta_info` files of thinking-in-space, which made VSI-Bench: rooms with oriented boxes, and no pictures.

One JSON object: the name of a scan -> its boxes by label, `room_size` in square metres and `room_center`. The world's z
is up, in metres; the rows of `normalizedAxes` are the axes of the box and `axesLengths` its full sizes. The file is
loaded whole, in about ten times its size.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vstkit.datasets import common
from vstkit.errors import DataError
from vstkit.lineio import Record

UP = [0.0, 0.0, 1.0]


def find(path: str) -> Iterator[Record]:
    """One unit for each room of a file, or of every JSON file in a folder, in the files' order."""
    files = sorted(Path(path).glob("*.json")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise DataError(f"{path}: expected a meta_info JSON file or a folder of them, found no .json")
    for file in files:
        rooms = common.load_json(file)
        if not isinstance(rooms, dict) or not all(isinstance(r, dict) and "object_bbox" in r for r in rooms.values()):
            raise DataError(f"{file}: expected an object of rooms, each with object_bbox")
        split = re.search(r"_(train|val|test)$", file.stem)
        for name, room in rooms.items():
            fields = {"file": str(file), "room": room, "split": split[1] if split else ""}
            yield {"kind": "unit", "id": f"{room.get('dataset') or 'vsi'}/{name}", **fields}


def read(unit: Record, tally: Counter[str], *, root: str = ".", split: str = "") -> Iterator[Record]:
    """The scene of one room, without views; `room_size` and `room_center` are kept as they are."""
    if not common.in_split(unit, split, tally):
        return
    room, dataset = unit["room"], unit["id"].split("/")[0]
    where = f"{unit['file']}: {unit['id'].removeprefix(f'{dataset}/')}"
    if not isinstance(room["object_bbox"], dict):
        raise DataError(f"{where}.object_bbox: expected lists of boxes by label")
    objects: list[Record] = []
    for label, boxes in room["object_bbox"].items():
        for i, box in enumerate(common.dicts(boxes, f"{where}.object_bbox.{label}")):
            thing = obb(box, label, f"{where}.object_bbox.{label}[{i}]", tally)
            objects += [{"id": f"o{len(objects)}", **thing}] if thing else []
    kept = {name: room[name] for name in ("room_size", "room_center") if name in room}
    yield common.scene(
        {
            "kind": "scene",
            "id": unit["id"],
            "dataset": dataset,
            "family": family(unit["id"]),
            "split": split or unit["split"],
            "up": UP,
            **kept,
            "views": [],
            "objects": objects,
        },
        where,
    )


def family(name: str) -> str:
    """All scans of one room of ScanNet: scene0000_00 and scene0000_01 show the same."""
    return re.sub(r"(scene\d{4})_\d\d$", r"\1", name)


def obb(box: Any, label: str, where: str, tally: Counter[str]) -> Record | None:
    """The object of a box {"centroid", "axesLengths", "normalizedAxes"}, whose axes are rows; None when it has no size.

    ARKitScenes writes the same.
    """
    if not isinstance(box, dict):
        raise DataError(f"{where}: expected centroid, axesLengths and normalizedAxes")
    centre = common.matrix(box.get("centroid"), (3,), f"{where}.centroid")
    sizes = common.matrix(box.get("axesLengths"), (3,), f"{where}.axesLengths")
    rows = common.matrix(box.get("normalizedAxes"), (9,), f"{where}.normalizedAxes").reshape(3, 3)
    R = common.rigid(rows.T, f"{where}.normalizedAxes")
    if min(sizes) <= 0:
        tally["object: size not positive"] += 1
        return None
    return {"label": label.replace("_", " "), "box3d": common.box9(centre, sizes, R)}
