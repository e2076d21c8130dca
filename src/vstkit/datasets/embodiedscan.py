"""EmbodiedScan info files, v1 and v2: ScanNet, 3RScan, Matterport3D and ARKitScenes with boxes of nine numbers.

An info file (embodiedscan_infos_train.pkl, or the same as JSON) has `metainfo.categories`, names to numbers, and in
`data_list` for every scan: `sample_idx` (scannet/scene0191_00), `axis_align_matrix`, `images` with `img_path`,
`depth_path` and `cam2global`, `cam2img` for the scan or for each image, and `instances` with `bbox_3d`, `bbox_label_3d`
and `bbox_id`. Pickles are read without running what they name. The file is loaded whole.

What is converted:

- axis_align_matrix applies to the cameras and not to the boxes, which are in the aligned world already.
- bbox_3d is centre, full sizes and three angles in radians, turns about the box's own z, then x, then y axis:
  R = Rz(a) Rx(b) Ry(c), where records have R = Rz Ry Rx.
- Depth is millimetres, but quarter millimetres in Matterport3D.

Source: the format as EmbodiedScan's dataset class reads it (Wang et al., EmbodiedScan, 2023).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit.datasets import common
from vstkit.datasets.pickles import load_pickle
from vstkit.errors import DataError
from vstkit.lineio import Record

SCALES = {"matterport3d": 4000.0}  # stored values a metre; elsewhere millimetres
STUFF = {"wall", "floor", "ceiling", "object"}
OFF_CENTRE = 0.15  # share of the width: beyond it, cam2img is of another picture size


def find(path: str, *, data: str | None = None) -> Iterator[Record]:
    """A unit for each scan of an info file, in its order; raises DataError where the file is no info file.

    `data` is the folder that img_path starts from, by default that of the info file.
    """
    content = load_pickle(path) if path.endswith((".pkl", ".pickle")) else common.load_json(path)
    try:
        names = {str(int(number)): str(name) for name, number in content["metainfo"]["categories"].items()}
        scans = [(str(scan["sample_idx"]), dict(scan)) for scan in content["data_list"]]
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise DataError(f"{path}: expected metainfo.categories and data_list with sample_idx: {e!r}") from None
    folder = data or str(Path(path).parent)
    for name, scan in scans:
        used = {key: scan[key] for key in ("axis_align_matrix", "cam2img") if key in scan}
        where = f"{path}: {name}"
        used["images"] = _dicts(scan.get("images", []), f"{where}.images")
        found = _dicts(scan.get("instances", []), f"{where}.instances")
        instances = [{**thing, "label": names.get(str(thing.get("bbox_label_3d")), "")} for thing in found]
        yield {"kind": "unit", "id": name, "file": path, "data": folder, **used, "instances": instances}


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one scan. Nothing is written: the maps are pictures already."""
    del write
    where = f"{unit['file']}: {unit['id']}"
    align = np.eye(4)
    if "axis_align_matrix" in unit:
        align = np.array(common.rigid(unit["axis_align_matrix"], f"{where}.axis_align_matrix"))
    views = []
    for i, image in enumerate(unit["images"]):
        view = _view(image, unit, align, f"{where}.images[{i}]", tally, root)
        if view:
            views.append(view)
    if not views:
        tally["scans without a view"] += 1
        return
    things = enumerate(unit["instances"])
    objects = [thing for i, found in things if (thing := _object(found, i, f"{where}.instances[{i}]", tally))]
    dataset, _, scan = unit["id"].partition("/")
    record: Record = {"kind": "scene", "id": unit["id"], "dataset": dataset, "split": split}
    if dataset == "matterport3d":
        record["family"] = f"{dataset}/{scan.split('/')[0]}"  # regions of one building
    elif dataset == "scannet":
        record["family"] = scan.rsplit("_", 1)[0]  # rescans of one room, as the scannet reader calls them
    if "axis_align_matrix" in unit:
        record["up"] = [0.0, 0.0, 1.0]
    yield common.scene({**record, "views": views, "objects": objects}, where)


def _dicts(value: Any, where: str) -> list[Record]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{where}: expected a list of dictionaries, got {str(value)[:60]}")
    return value


def _view(image: Record, unit: Record, align: Any, where: str, tally: Counter[str], root: str) -> Record | None:
    pose = _numbers(image, "cam2global", where)
    if pose.shape == (4, 4) and not np.isfinite(pose).all():
        tally["views whose pose is not finite"] += 1
        return None
    file = Path(unit["data"]) / str(image.get("img_path", ""))
    if not file.is_file():
        tally["views whose picture is not there"] += 1
        return None
    held, width, height = common.picture(file, root)
    K = image.get("cam2img", unit.get("cam2img"))
    camera = common.intrinsics(_numbers({"cam2img": K}, "cam2img", where), f"{where}.cam2img")
    if max(abs(camera[2] / width - 0.5), abs(camera[3] / height - 0.5)) > OFF_CENTRE:
        raise DataError(f"{where}.cam2img: expected the camera of {file} ({width}x{height}), got cx, cy {camera[2:]}")
    view: Record = {"image": held, "width": width, "height": height, "camera": camera}
    view["pose"] = common.rigid(align @ common.rigid(pose, f"{where}.cam2global"), f"{where}.cam2global")
    map_file = Path(unit["data"]) / str(image.get("depth_path", ""))
    if image.get("depth_path") and map_file.is_file():
        scale = SCALES.get(unit["id"].partition("/")[0], 1000.0)
        view["depth"] = common.depth(map_file, scale, "sensor", (width, height), root)
    else:
        tally["depth that is not there"] += 1
    return view


def _numbers(record: Record, field: str, where: str) -> Any:
    try:
        return np.asarray(record.get(field), dtype=float)  # None, as JSON has it for what is not finite, becomes NaN
    except (TypeError, ValueError):
        raise DataError(f"{where}.{field}: expected a matrix, got {str(record.get(field))[:60]}") from None


def _object(thing: Record, number: int, where: str, tally: Counter[str]) -> Record | None:
    from scipy.spatial.transform import Rotation

    box = common.matrix(thing.get("bbox_3d"), (9,), f"{where}.bbox_3d")
    if not thing["label"]:
        tally["objects whose category has no name"] += 1
        return None
    if box[3:6].min() <= 0:
        tally["objects without extent"] += 1
        return None
    R = Rotation.from_euler("ZXY", box[6:]).as_matrix()  # capital letters: about the box's own axes
    record: Record = {"id": str(thing.get("bbox_id", number)), "label": thing["label"]}
    record["box3d"] = common.box9(box[:3], box[3:6], R)
    return {**record, "stuff": True} if thing["label"] in STUFF else record
