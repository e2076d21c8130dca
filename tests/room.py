"""A small exact world for tests: oriented boxes, seen by ray casting. Shares no code with vstkit's geometry.

Conventions as in vstkit-records(5): camera axes x right, y down, z forward; a box is centre, size (m) and Euler angles
(degrees, about the fixed x, then y, then z axis); pixel centres have integer coordinates; `camera` is fx, fy, cx, cy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

Array = NDArray[Any]
View = tuple[Sequence[float], int, int, Any]  # camera, width, height, pose (4, 4) or None

BACKGROUND = (235, 235, 230)
SHADES = (0.75, 1.0, 0.55)  # of faces across x, y and z of the box


def render(
    boxes: ArrayLike, camera: Sequence[float], width: int, height: int, pose: ArrayLike | None = None
) -> tuple[Array, Array, Array]:
    """Picture (h, w, 3) uint8, depth (h, w) metres along z, instances (h, w) uint16 of `boxes` (n, 9) in world axes.

    Instance i is box i - 1; where nothing is seen, depth and instance are 0. A box with the camera in it is not seen.
    """
    pose = np.eye(4) if pose is None else np.asarray(pose, dtype=float)
    fx, fy, cx, cy = camera
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    # With z = 1 a ray's parameter is the depth.
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(u.shape)], -1) @ pose[:3, :3].T
    depth, instances = np.full(u.shape, np.inf), np.zeros(u.shape, np.uint16)
    picture = np.full((*u.shape, 3), BACKGROUND, np.uint8)
    for number, box in enumerate(np.asarray(boxes, dtype=float).reshape(-1, 9), 1):
        axes = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
        origin, directions = (pose[:3, 3] - box[:3]) @ axes, rays @ axes
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings = (np.array([-0.5, 0.5])[:, None, None, None] * box[3:6] - origin) / directions
        enter, leave = crossings.min(0), crossings.max(0)
        nearest, face = enter.max(-1), enter.argmax(-1)
        hit = (nearest < leave.min(-1)) & (nearest > 0) & (nearest < depth)
        depth[hit], instances[hit] = nearest[hit], number
        color = np.array([(number * 67) % 200, (number * 131 + 80) % 200, (number * 29 + 140) % 200]) + 55
        picture[hit] = (color * np.array(SHADES)[face[hit], None]).astype(np.uint8)
    return picture, np.where(instances > 0, depth, 0.0), instances


def look_at(eye: Sequence[float], target: Sequence[float], up: Sequence[float] = (0, -1, 0)) -> list[list[float]]:
    """The pose (camera to world) of a camera at `eye` that looks at `target`, upright with regard to `up`."""
    z = np.subtract(target, eye)
    z = z / np.linalg.norm(z)
    x = np.cross(z, up)
    x = x / np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3] = np.stack([x, np.cross(z, x), z, np.asarray(eye, dtype=float)], axis=1)
    rounded: list[list[float]] = (pose.round(9) + 0.0).tolist()  # the same on every machine, and no -0.0
    return rounded


def write_scene(
    folder: Path, boxes: ArrayLike, labels: Sequence[str], views: Sequence[View], *, name: str = "room", **fields: Any
) -> dict[str, Any]:
    """Write PNGs of every view to `folder` and return the scene record; `fields` are added to it.

    NAME-0.png is the picture of view 0, NAME-0-depth.png its depth in millimetres, NAME-0-instances.png the instances.
    Paths are relative to `folder`. Object o1 is the first box and instance 1. The world's up is -y.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 9)
    records = []
    for i, (camera, width, height, pose) in enumerate(views):
        picture, depth, instances = render(boxes, camera, width, height, pose)
        stem = f"{name}-{i}"
        Image.fromarray(picture).save(folder / f"{stem}.png")
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(folder / f"{stem}-depth.png")
        Image.fromarray(instances).save(folder / f"{stem}-instances.png")
        view: dict[str, Any] = {"image": f"{stem}.png", "width": width, "height": height, "camera": list(camera)}
        if pose is not None:
            view["pose"] = np.asarray(pose, dtype=float).tolist()
        view["depth"] = {"path": f"{stem}-depth.png", "scale": 1000, "kind": "rendered"}
        view["instances"] = {"path": f"{stem}-instances.png"}
        records.append(view)
    objects = [
        {"id": f"o{i}", "label": label, "box3d": box.tolist(), "instance": i}
        for i, (label, box) in enumerate(zip(labels, boxes, strict=True), 1)
    ]
    return {"kind": "scene", "id": name, "up": [0, -1, 0], **fields, "views": records, "objects": objects}
