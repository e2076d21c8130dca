"""What the tests of dataset readers share: a known room, and views warped into each other by their own arithmetic."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from room import look_at, write_scene
from vstkit.checking import check
from vstkit.lineio import decode, encode

CAMERA, WIDTH, HEIGHT = [150.0, 152.0, 78.5, 60.25], 160, 120
LABELS = ["wall", "table", "lamp"]
BOXES = np.array(
    [
        [0.0, 0.0, 4.0, 6.0, 4.0, 0.2, 0, 0, 0],
        [-0.4, 0.5, 2.5, 1.2, 0.5, 0.6, 0, 30, 0],
        [0.6, 0.2, 2.2, 0.3, 0.9, 0.4, 12, -25, 40],
    ]
)
POSES = [look_at(eye, (0, 0.2, 2.6)) for eye in ((0.0, 0, 0), (0.5, -0.2, 0.1), (-0.4, -0.3, 0.3))]
UP = np.array([[1, 0, 0, 0.2], [0, 0, 1, 0.1], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])  # the room's world to one with z up


def room(folder: Path, **fields: Any) -> dict[str, Any]:
    """The scene record of the room, three views, its pictures under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_scene(folder, BOXES, LABELS, [(CAMERA, WIDTH, HEIGHT, pose) for pose in POSES], **fields)


def corners(box: np.ndarray) -> np.ndarray:
    """Corners (8, 3) of a box, x slowest, each from - to +."""
    signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    return signs * box[3:6] @ Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix().T + box[:3]


def frames(folder: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Picture, depth in metres (to the millimetre) and instances of each view of the room under `folder`."""
    load = [(f"room-{i}.png", f"room-{i}-depth.png", f"room-{i}-instances.png") for i in range(len(POSES))]
    maps = [[np.asarray(Image.open(folder / name)) for name in names] for names in load]
    return [(picture, depth / 1000, instances) for picture, depth, instances in maps]


def ingest(reader: ModuleType, path: Path, *, root: Path, write: Path | None = None, **options: Any) -> Any:
    """All scenes of a path, and the counts."""
    tally: Counter[str] = Counter()
    units = [decode(encode(unit)) for unit in reader.find(str(path), **options)]  # as they go to other processes
    assert len({unit["id"] for unit in units}) == len(units)
    scenes = [s for u in units for s in reader.read(u, tally, root=str(root), write=write and str(write))]
    for scene in scenes:
        check(scene, Counter(), files=True, root=str(root))
    return scenes, tally


def warp_error(scene: dict[str, Any], i: int, j: int, root: Path) -> float:
    """Median difference in metres between view j's depth and view i's, unprojected, moved and projected into it."""
    depths = []
    for view in (scene["views"][i], scene["views"][j]):
        stored = np.asarray(Image.open(root / view["depth"]["path"])).astype(float)
        depths.append(stored / view["depth"]["scale"])
    (fx, fy, cx, cy), there = (depth_camera(scene["views"][k], d) for k, d in zip((i, j), depths, strict=True))
    v, u = np.nonzero(depths[0] > 0)
    z = depths[0][v, u]
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)])
    poses = [np.array(scene["views"][k]["pose"]) for k in (i, j)]
    x, y, z = (np.linalg.inv(poses[1]) @ poses[0] @ points)[:3]
    front = z > 0.1
    x, y, z = x[front], y[front], z[front]
    columns, rows = np.round(x / z * there[0] + there[2]).astype(int), np.round(y / z * there[1] + there[3]).astype(int)
    height, width = depths[1].shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    if inside.mean() < 0.3:
        return float("nan")  # the views hardly overlap
    seen = depths[1][rows[inside], columns[inside]]
    return float(np.median(np.abs(seen - z[inside])[seen > 0]))


def depth_camera(view: dict[str, Any], depth: np.ndarray) -> list[float]:
    """The camera of a depth map, which may be smaller than the picture, each axis by its own factor."""
    (fx, fy, cx, cy), x, y = view["camera"], depth.shape[1] / view["width"], depth.shape[0] / view["height"]
    return [fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5]


def same_boxes(found: list[dict[str, Any]], expected: np.ndarray, labels: list[str], within: float = 1e-4) -> None:
    """The same places, sizes and rotations; a rotation may be any that gives the same box axes."""
    assert [thing["label"] for thing in found] == labels
    for thing, box in zip(found, expected, strict=True):
        np.testing.assert_allclose(thing["box3d"][:6], box[:6], atol=within)
        turned = [Rotation.from_euler("xyz", b[6:], degrees=True).as_matrix() for b in (thing["box3d"], box)]
        np.testing.assert_allclose(turned[0], turned[1], atol=within)


def share_in_boxes(scene: dict[str, Any], view: dict[str, Any], root: Path) -> float:
    """The share of masked depth pixels whose point lies in the box of their object, to a centimetre."""
    depth = np.asarray(Image.open(root / view["depth"]["path"])) / view["depth"]["scale"]
    fx, fy, cx, cy = depth_camera(view, depth)
    masks = np.asarray(Image.open(root / view["instances"]["path"]).resize(depth.shape[::-1], Image.Resampling.NEAREST))
    v, u = np.nonzero((depth > 0) & (masks > 0))
    z = depth[v, u]
    points = (np.array(view["pose"]) @ np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)]))[:3].T
    boxes = {thing["instance"]: np.array(thing["box3d"]) for thing in scene["objects"]}
    mine = np.stack([boxes[number] for number in masks[v, u]])
    axes = Rotation.from_euler("xyz", mine[:, 6:], degrees=True)
    return float((np.abs(axes.apply(points - mine[:, :3], inverse=True)) <= mine[:, 3:6] / 2 + 0.01).all(1).mean())


def upright(box: np.ndarray) -> list[float]:
    """A box of the room in the world with z up, its axes swapped along, so that one that stands is not turned."""
    U = UP[:3, :3]
    R = U @ Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix() @ U.T
    angles = Rotation.from_matrix(R).as_euler("xyz", degrees=True)
    return [*(U @ box[:3] + UP[:3, 3]), *(np.abs(U) @ box[3:6]), *angles]


UP_BOXES = np.array([upright(box) for box in BOXES])


def with_masks(scene: dict[str, Any]) -> None:
    """Name the room's own instance pictures, which the layout does not have, to look at boxes through them."""
    for i, thing in enumerate(scene["objects"], 1):
        thing["instance"] = i
    for i, view in enumerate(scene["views"]):
        view["instances"] = {"path": f"room-{i}-instances.png"}
