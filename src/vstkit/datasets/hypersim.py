"""Hypersim: rendered rooms in HDF5, one scene record a camera trajectory.

Read are, under a scene's folder (ai_001_001): _detail/cam_NN/camera_keyframe_positions.hdf5 and _orientations.hdf5,
images/scene_cam_NN_final_preview/frame.IIII.tonemap.jpg (or .color.jpg), images/scene_cam_NN_geometry_hdf5/
frame.IIII.depth_meters.hdf5, .semantic.hdf5 (NYU40 classes) and .semantic_instance.hdf5, and the boxes in _detail/mesh/
metadata_semantic_instance_bounding_box_object_aligned_2d_{positions,extents,orientations}.hdf5, one row an instance.

What is converted:

- Positions and boxes are in asset units; _detail/metadata_scene.csv, else the camera table, has metres per asset unit.
- Camera axes are x right, y up, z backward. The world's z is up.
- depth_meters is the distance to the camera's centre. Depth along the axis is that distance over |(x, y, 1)|, the
  length of the pixel's ray.
- Cameras differ from scene to scene: metadata_camera_parameters.csv, from the folder contrib/mikeroberts3000 of the
  data set's repository, has the matrix from image coordinates (-1 to 1, v up) to rays. It is looked for in the scene's
  folder and above. Where the renderer tilted the sensor against the lens, the matrix is no camera matrix as it stands;
  its RQ decomposition gives a camera matrix and a rotation (Hartley and Zisserman, section 6.2.4), and a pinhole camera
  turned by that rotation takes the very same picture. A matrix that leaves skew is not a pinhole's, and its scene is
  left out.

Depth and instances are written as PNGs. Sources: the data set's README (Roberts et al., Hypersim, 2021).
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstkit.datasets.common import SKEW, box9, matrix, numerically, picture, read_bytes, rigid, scene
from vstkit.datasets.maps import DEPTH_NEEDS_WRITE, INSTANCES_NEED_WRITE, MILLIMETRES, millimetres, store
from vstkit.errors import DataError, UsageError
from vstkit.geometry.rotations import Array
from vstkit.lineio import Record

FLIP = np.diag([1.0, -1.0, -1.0])  # x right, y up, z backward to x right, y down, z forward, and back
TABLE = "metadata_camera_parameters.csv"
BOXES = "metadata_semantic_instance_bounding_box_object_aligned_2d_"
# The 40 classes of NYU Depth v2, from 1.
CLASSES = (
    "wall floor cabinet bed chair sofa table door window bookshelf picture counter blinds desk shelves curtain "
    "dresser pillow mirror floor_mat clothes ceiling books refrigerator television paper towel shower_curtain box "
    "whiteboard person night_stand toilet sink lamp bathtub bag otherstructure otherfurniture otherprop"
)
NYU40 = [name.replace("_", " ") for name in CLASSES.split()]
STUFF = {"wall", "floor", "ceiling", "otherstructure", "otherfurniture", "otherprop"}


def find(path: str) -> Iterator[Record]:
    """A unit for each camera of each scene; raises DataError where there is none."""
    found = False
    for folder, inner, _ in os.walk(path):
        inner.sort(key=numerically)
        if "_detail" not in inner:
            continue
        inner.clear()  # the pictures are many
        for positions in sorted(Path(folder, "_detail").glob("*/camera_keyframe_positions.hdf5"), key=numerically):
            found, camera = True, positions.parent.name
            yield {"kind": "unit", "id": f"{Path(folder).resolve().name}/{camera}", "folder": folder, "camera": camera}
    if not found:
        raise DataError(f"{path}: expected _detail/cam_NN/camera_keyframe_positions.hdf5 in it, got none")


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one camera; raises UsageError where h5py is not installed."""
    folder, camera = Path(unit["folder"]), unit["camera"]
    facts, table = _facts(folder)
    metres = _metres(folder, facts, table)
    rays = _rays(facts, table)
    keyframes = folder / "_detail" / camera
    positions = _array(keyframes / "camera_keyframe_positions.hdf5", (-1, 3))
    orientations = _array(keyframes / "camera_keyframe_orientations.hdf5", (len(positions), 3, 3))
    votes: dict[int, Counter[int]] = {}
    views: list[Record] = []
    for index, file in _pictures(folder / "images" / f"scene_{camera}_final_preview", tally):
        if index >= len(positions):
            raise DataError(f"{file}: expected frames 0 to {len(positions) - 1}, as there are poses, got {index}")
        held, width, height = picture(file, root)
        K, turn = _camera(rays, width, height)
        if K is None:
            tally["scenes whose camera has skew"] += 1
            return
        view: Record = {"image": held, "width": width, "height": height, "camera": K}
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = orientations[index] @ FLIP @ turn.T, positions[index] * metres
        view["pose"] = rigid(pose, f"{keyframes}: frame {index}")
        views.append(view)
        stem = folder / "images" / f"scene_{camera}_geometry_hdf5" / f"frame.{index:04}"
        _maps(view, stem, rays, f"{unit['id']}/{stem.name}", votes, tally, root, write)
    if not views:
        return
    objects = _objects(folder / "_detail" / "mesh", metres, votes, tally)
    record: Record = {"kind": "scene", "id": unit["id"], "dataset": "hypersim", "split": split, "up": [0.0, 0.0, 1.0]}
    record["family"] = folder.resolve().name
    yield scene({**record, "views": views, "objects": objects}, str(folder))


def _pictures(folder: Path, tally: Counter[str]) -> Iterator[tuple[int, Path]]:
    """Frame numbers and pictures in order; of two pictures of a frame the tone-mapped one."""
    found: dict[int, Path] = {}
    for file in sorted(folder.glob("frame.*.jpg")):
        named = re.fullmatch(r"frame\.(\d+)\.(tonemap|color)\.jpg", file.name)
        if named and (named[2] == "tonemap" or int(named[1]) not in found):
            found[int(named[1])] = file
    if not found:
        tally["cameras without tonemap.jpg or color.jpg"] += 1
    yield from sorted(found.items())


def _facts(folder: Path) -> tuple[dict[str, str], Path]:
    """The scene's row of the camera table, and the table."""
    full = folder.resolve()
    for place in (full, *list(full.parents)[:6]):
        for table in sorted(place.glob("metadata_camera_*.csv"), key=lambda file: file.name != TABLE):
            for row in csv.DictReader(read_bytes(table).decode(errors="replace").splitlines()):
                if row.get("scene_name") == full.name:
                    return row, table
    raise DataError(
        f"{folder}: expected {TABLE} with a row {full.name} in it or above: cameras differ from scene to scene"
    )


def _metres(folder: Path, facts: dict[str, str], table: Path) -> float:
    """Metres per asset unit."""
    file = folder / "_detail" / "metadata_scene.csv"
    if file.is_file():
        rows = csv.DictReader(read_bytes(file).decode(errors="replace").splitlines())
        values = [r.get("parameter_value") for r in rows if r.get("parameter_name") == "meters_per_asset_unit"]
        given, where = (values or [None])[0], f"{file}: meters_per_asset_unit"
    else:
        given, where = facts.get("settings_units_info_meters_scale"), f"{table}: settings_units_info_meters_scale"
    metres = float(matrix(given, (), where))
    if metres <= 0:
        raise DataError(f"{where}: expected a positive length, got {given}")
    return metres


def _rays(facts: dict[str, str], table: Path) -> Array:
    """The matrix (3, 3) from image coordinates u, v (-1 to 1, v up), 1 to rays with y down and z forward."""
    names = [f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3)]
    M = matrix([facts.get(name) for name in names], (9,), f"{table}: M_cam_from_uv").reshape(3, 3)
    if abs(np.linalg.det(M)) < 1e-9:
        raise DataError(f"{table}: M_cam_from_uv: expected an invertible matrix, got {M.tolist()}")
    return np.asarray(FLIP @ M)


def _camera(rays: Array, width: int, height: int) -> tuple[list[float] | None, Array]:
    """[fx, fy, cx, cy] for images of this size, None with skew, and the turn (3, 3) from the file's camera."""
    from scipy.linalg import rq

    # Pixel centres are integers, and rows go down where v goes up.
    uv = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])
    K, turn = rq(np.linalg.inv(rays @ uv))
    signs = np.diag(np.sign(np.diag(K)))
    K, turn = K @ signs, signs @ turn
    K = (K / K[2, 2]).round(9)
    pinhole = abs(K[0, 1]) <= SKEW * K[0, 0] and np.linalg.det(turn) > 0
    return ([float(K[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))] if pinhole else None), turn


def _maps(
    view: Record,
    stem: Path,
    rays: Array,
    name: str,
    votes: dict[int, Counter[int]],
    tally: Counter[str],
    root: str,
    write: str | None,
) -> None:
    """Write the depth and the instances of a frame and name them in `view`; count the classes of its instances."""
    distance_file, instance_file = Path(f"{stem}.depth_meters.hdf5"), Path(f"{stem}.semantic_instance.hdf5")
    if instance_file.is_file():
        instances = _array(instance_file, (-1, -1), finite=False).astype(int)
        classes = _array(Path(f"{stem}.semantic.hdf5"), instances.shape, finite=False).astype(int)
        # One number for both: unique rows would be sorted ten times as slowly.
        pairs, counts = np.unique(instances * 100 + np.clip(classes, 0, 99), return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            number, kind = divmod(pair, 100)
            if number >= 0:
                votes.setdefault(number, Counter()).update({kind: count} if 1 <= kind <= len(NYU40) else {})
        if write is None:
            tally[INSTANCES_NEED_WRITE] += 1
        else:  # -1 is none in the file, 0 in records
            view["instances"] = {"path": store(np.maximum(instances + 1, 0), write, f"{name}-instances.png", root)}
    if not distance_file.is_file():
        tally["depth that is not there"] += 1
    elif write is None:
        tally[DEPTH_NEEDS_WRITE] += 1
    else:
        distance = _array(distance_file, (-1, -1), finite=False).astype(float)
        height, width = distance.shape
        camera, _ = _camera(rays, width, height)
        assert camera is not None  # the picture's would have been None before
        fx, fy, cx, cy = camera
        x, y = (np.arange(width) - cx) / fx, (np.arange(height) - cy) / fy
        depth = distance / np.sqrt(x[None] ** 2 + y[:, None] ** 2 + 1)
        path = store(millimetres(depth), write, f"{name}-depth.png", root)
        view["depth"] = {"path": path, "scale": MILLIMETRES, "kind": "rendered"}


def _objects(mesh: Path, metres: float, votes: dict[int, Counter[int]], tally: Counter[str]) -> list[Record]:
    """The instances that pictures show, each with the class of most of its pixels and, where there is one, its box."""
    parts = []
    if (mesh / f"{BOXES}positions.hdf5").is_file():
        shapes = {"positions": (-1, 3), "extents": (-1, 3), "orientations": (-1, 3, 3)}
        parts = [_array(mesh / f"{BOXES}{part}.hdf5", shape, finite=False) for part, shape in shapes.items()]
    objects = []
    for number, kinds in sorted(votes.items()):
        if not kinds:
            tally["objects without a class"] += 1
            continue
        label = NYU40[min(kinds, key=lambda kind: (-kinds[kind], kind)) - 1]
        thing: Record = {"id": str(number), "label": label, "instance": number + 1}
        row = [part[number] for part in parts if number < len(part)]
        # Rows of instances that have no mesh are not finite.
        if len(row) == 3 and all(np.isfinite(part).all() for part in row) and row[1].min() > 0:
            centre, size, axes = row
            thing["box3d"] = box9(centre * metres, size * metres, rigid(axes, f"{mesh}/{BOXES}orientations: {number}"))
        else:
            tally["boxes that are not there"] += 1
        objects.append({**thing, "stuff": True} if label in STUFF else thing)
    return objects


def _array(file: Path, shape: tuple[int, ...], *, finite: bool = True) -> NDArray[Any]:
    """The dataset of an HDF5 file; raises DataError for a file that is missing or broken, or for another shape."""
    try:
        import h5py
    except ImportError:
        raise UsageError("hypersim needs h5py: pip install 'vstkit[hypersim]'") from None
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    try:
        with h5py.File(file, "r") as opened:
            values = np.asarray(opened["dataset"])
    except (OSError, KeyError, RuntimeError) as e:  # h5py's errors for broken files and missing names
        raise DataError(f"{file}: cannot be read: {e}") from None
    if len(values.shape) != len(shape) or any(n not in (-1, m) for n, m in zip(shape, values.shape, strict=True)):
        raise DataError(f"{file}: expected the shape {shape}, -1 for any, got {values.shape}")
    return matrix(values, shape, str(file)) if finite else values
