"""ScanNet: posed_images/ and folders exported from .sens files, with instance boxes from the aggregation files.

Layouts, where ID is scene0000_00:

- posed_images/ID/ with 00000.jpg, 00000.png (depth, mm), 00000.txt (4x4, camera to world) and intrinsic.txt;
- ID/ with color/, depth/, pose/ and intrinsic/ (intrinsic_color.txt, intrinsic_depth.txt), exported from
  .sens.

Annotations lie in the scene's folder, or in scans/ID or scans_test/ID beside it or above: ID.txt (axisAlignment,
colorWidth, colorHeight), ID.aggregation.json or ID_vh_clean.aggregation.json, ID_vh_clean_2.0.010000.segs.json and
ID_vh_clean_2.ply; instance-filt/ holds instance pictures, aligned with the colour, that number objects from 1.

axisAlignment turns the scan so that z is up and walls lie along x and y. It is applied to the poses and to the mesh,
whose vertices then give an axis-aligned box for each object: boxes and cameras are in one world. Colour (1296x968) and
depth (640x480) differ in aspect by half a percent: a map's two axes scale separately, which records allow, and the
depth camera's matrix must say the same. Poses that are not finite (tracking was lost) are dropped and counted.

Sources: the data set's README and the format of its export tools (Dai et al., ScanNet, 2017), and the layout that
mmdetection3d's extraction of posed images made common.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vstkit.datasets.common import (
    aligned,
    box9,
    depth,
    intrinsics,
    load_json,
    numerically,
    picture,
    read_bytes,
    read_numbers,
    rigid,
    scene,
)
from vstkit.errors import DataError
from vstkit.geometry.cameras import Size, resize_camera
from vstkit.geometry.rotations import Array
from vstkit.lineio import Record

STUFF = {"wall", "floor", "ceiling"}
SCANS = ("scans", "scans_test")
OFF_CENTRE = 0.15  # share of the width: beyond it, a matrix is one of another picture size
OFF_DEPTH = 0.02  # share of the width by which the depth's matrix may differ from the colour's
# PLY's names of numbers; numpy knows float32, int16 and the like itself.
_PLY = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"}


def find(path: str) -> Iterator[Record]:
    """A unit for each scene under a folder; raises DataError where there is none."""
    found = False
    for folder, inner, files in os.walk(path):
        inner.sort(key=numerically)
        if {"color", "pose", "intrinsic"} <= set(inner) or "intrinsic.txt" in files:
            inner.clear()
            found = True
            yield {"kind": "unit", "id": Path(folder).resolve().name, "folder": folder}
    if not found:
        raise DataError(
            f"{path}: expected posed images beside intrinsic.txt, or color/, pose/ and intrinsic/, got none"
        )


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one unit. Nothing is written: ScanNet's maps are pictures already."""
    del write
    folder, name = Path(unit["folder"]), unit["id"]
    notes = _annotations(folder, name)
    facts = _facts(notes / f"{name}.txt") if notes else {}
    align = np.array(_alignment(facts, notes, name, tally))
    exported = (folder / "color").is_dir()
    color, pose = (folder / "color", folder / "pose") if exported else (folder, folder)
    K_file = folder / "intrinsic" / "intrinsic_color.txt" if exported else folder / "intrinsic.txt"
    K = intrinsics(np.reshape(read_numbers(K_file, 16), (4, 4)), str(K_file))
    views = []
    for file in sorted((f for f in color.iterdir() if f.suffix.lower() in (".jpg", ".jpeg")), key=numerically):
        place = pose / f"{file.stem}.txt"
        matrix = np.reshape(read_numbers(place, 16), (4, 4))
        if not np.isfinite(matrix).all():
            tally["views whose pose is not finite"] += 1
            continue
        held, width, height = picture(file, root)
        size = (width, height)
        view: Record = {"image": held, "width": width, "height": height, "camera": _camera(K, facts, size, str(K_file))}
        view["pose"] = rigid(align @ rigid(matrix, str(place)), str(place))
        map_file = (folder / "depth" if exported else folder) / f"{file.stem}.png"
        if map_file.is_file():
            view["depth"] = depth(map_file, 1000.0, "sensor", size, root)
            if exported:
                _check_depth_camera(folder / "intrinsic" / "intrinsic_depth.txt", view["camera"], size, map_file)
        else:
            tally["depth that is not there"] += 1
        instances = next(
            (f for d in (folder, notes) if d and (f := d / "instance-filt" / f"{file.stem}.png").is_file()), None
        )
        if instances:
            view["instances"] = {"path": aligned(instances, size, root)}
        views.append(view)
    if not views:
        tally["scenes without a posed view"] += 1
        return
    record: Record = {"kind": "scene", "id": name, "dataset": "scannet", "split": split, "views": views}
    record["family"] = name.rsplit("_", 1)[0]  # rescans of one room
    if "axisAlignment" in facts:
        record["up"] = [0.0, 0.0, 1.0]
    record["objects"] = _objects(notes, name, align, tally)
    yield scene(record, str(folder))


def _annotations(folder: Path, name: str) -> Path | None:
    """The folder of ID.txt, the aggregation and the mesh."""
    above = [folder, *(up / scans / name for up in folder.resolve().parents[:3] for scans in SCANS)]
    return next((place for place in above if (place / f"{name}.txt").is_file()), None)


def _facts(file: Path) -> dict[str, str]:
    """The lines "name = value" of ID.txt."""
    pairs = (line.partition("=") for line in read_bytes(file).decode(errors="replace").splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _alignment(facts: dict[str, str], notes: Path | None, name: str, tally: Counter[str]) -> list[list[float]]:
    if "axisAlignment" not in facts:
        tally["alignment of scenes without axisAlignment"] += 1
        return np.eye(4).tolist()
    where = f"{notes}/{name}.txt: axisAlignment"
    try:
        numbers = [float(word) for word in facts["axisAlignment"].split()]
    except ValueError:
        numbers = []
    if len(numbers) != 16:
        raise DataError(f"{where}: expected 16 numbers, got {facts['axisAlignment'][:60]}")
    return rigid(np.reshape(numbers, (4, 4)), where)


def _camera(K: list[float], facts: dict[str, str], size: Size, where: str) -> list[float]:
    """The colour camera at the size of the pictures, which may be exported smaller than they were taken."""
    try:
        taken = int(facts["colorWidth"]), int(facts["colorHeight"])
    except (KeyError, ValueError):
        taken = size
    camera = K if taken == size else [round(x, 6) for x in resize_camera(K, taken, size)]
    if max(abs(camera[2] / size[0] - 0.5), abs(camera[3] / size[1] - 0.5)) > OFF_CENTRE:
        raise DataError(f"{where}: expected the camera of {size[0]}x{size[1]} pictures, got cx, cy {camera[2:]}")
    return camera


def _check_depth_camera(file: Path, camera: list[float], size: Size, map_file: Path) -> None:
    """The depth's matrix must be the colour's at the depth's size, or the two are not aligned."""
    if not file.is_file():
        return
    given = intrinsics(np.reshape(read_numbers(file, 16), (4, 4)), str(file))
    _, *map_size = picture(map_file)
    expected = resize_camera(camera, size, (map_size[0], map_size[1]))
    if np.abs(np.subtract(given, expected)).max() > OFF_DEPTH * map_size[0]:
        shown = ", ".join(f"{x:.1f}" for x in expected)
        raise DataError(f"{file}: expected the colour camera at {map_size[0]}x{map_size[1]}, {shown}, got {given}")


def _objects(notes: Path | None, name: str, align: Array, tally: Counter[str]) -> list[Record]:
    """Objects with axis-aligned boxes around their vertices; `instance` is the object's number in instance-filt."""
    names = [f"{name}.aggregation.json", f"{name}_vh_clean.aggregation.json"]
    groups_file = next((notes / n for n in names if (notes / n).is_file()), None) if notes else None
    if notes is None or groups_file is None:
        tally["objects of scenes without an aggregation file"] += 1
        return []
    segments_file, mesh_file = notes / f"{name}_vh_clean_2.0.010000.segs.json", notes / f"{name}_vh_clean_2.ply"
    vertices = _vertices(mesh_file) @ align[:3, :3].T + align[:3, 3]
    try:
        groups = load_json(groups_file)["segGroups"]
        segments = np.asarray(load_json(segments_file)["segIndices"], dtype=np.int64).reshape(-1)
        listed = [(int(g["objectId"]), str(g["label"]), np.asarray(g["segments"], dtype=np.int64)) for g in groups]
    except (KeyError, OverflowError, TypeError, ValueError) as e:
        both = f"{groups_file}, {segments_file.name}"
        raise DataError(f"{both}: expected segGroups with objectId, label, segments, and segIndices: {e}") from None
    if len(segments) != len(vertices):
        raise DataError(f"{segments_file}: expected {len(vertices)} segIndices, one a vertex, got {len(segments)}")
    objects = []
    for number, label, mine in listed:
        points = vertices[np.isin(segments, mine)]
        low, high = (points.min(0), points.max(0)) if len(points) else (np.zeros(3), np.zeros(3))
        if (high - low).min() <= 0:
            tally["objects without extent"] += 1
            continue
        thing: Record = {"id": str(number), "label": label, "instance": number + 1}
        thing["box3d"] = box9((low + high) / 2, high - low, np.eye(3))
        objects.append({**thing, "stuff": True} if label in STUFF else thing)
    return objects


def _vertices(file: Path) -> Array:
    """Vertices (n, 3) of a binary little-endian PLY mesh, whose vertices come first."""
    data = read_bytes(file)
    head, end, body = data.partition(b"end_header\n")
    lines = [line.split() for line in head.decode(errors="replace").splitlines()]
    elements = [i for i, line in enumerate(lines) if line[:1] == ["element"]]
    if not end or ["format", "binary_little_endian", "1.0"] not in lines or not elements:
        raise DataError(f"{file}: expected a binary little-endian PLY file")
    first, following = elements[0], elements[1] if len(elements) > 1 else len(lines)
    try:
        fields = [
            (line[2], _PLY.get(line[1], line[1])) for line in lines[first + 1 : following] if line[0] == "property"
        ]
        count, kind = int(lines[first][2]), np.dtype(fields).newbyteorder("<")
    except (IndexError, TypeError, ValueError):
        fields = []
    if lines[first][1:2] != ["vertex"] or not {"x", "y", "z"} <= {name for name, _ in fields}:
        raise DataError(f"{file}: expected vertices with x, y and z first, got {' '.join(lines[first])}")
    if len(body) < count * kind.itemsize:
        raise DataError(f"{file}: expected {count} vertices, the file is cut short")
    table = np.frombuffer(body, kind, count)
    return np.stack([table[axis] for axis in "xyz"], axis=-1).astype(float)
