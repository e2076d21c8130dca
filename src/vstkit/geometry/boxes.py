"""Oriented boxes: corners, frames, what lies inside, what a camera sees of them.

A box is nine numbers: centre x y z and size x y z in metres, pitch yaw roll in degrees. A point of the box is
R p + centre with R = `euler_to_matrix(angles)` and |p| at most half the size along each axis. Corners and faces are
numbered as in pytorch3d and Omni3D, here in camera axes (x right, y down, z forward), unrotated:

          4 --------- 5
         /|          /|
        / |         / |
       0 --------- 1  |        z
       |  |        |  |       /
       |  7 -------|- 6      /
       | /         | /      o----- x
       |/          |/       |
       3 --------- 2        y
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.geometry.cameras import Camera, invert, transform
from vstkit.geometry.rotations import Array, euler_to_matrix, matrix_to_euler

Segment: TypeAlias = tuple[tuple[float, float], tuple[float, float]]

CORNERS: Array = np.array(
    [[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=float
)
"""Signs (8, 3) of the corners in half sizes, in the order drawn above."""

EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
"""Corner numbers of the twelve edges."""

FACES = ((0, 4, 7, 3), (1, 2, 6, 5), (0, 1, 5, 4), (3, 7, 6, 2), (0, 3, 2, 1), (4, 5, 6, 7))
"""Corner numbers of the faces -x +x -y +y -z +z, anticlockwise for who looks at them from outside."""


def corners(boxes: ArrayLike) -> Array:
    """Corners (..., 8, 3) of boxes (..., 9), in the order of `CORNERS`."""
    boxes = np.asarray(boxes, dtype=float)
    R = euler_to_matrix(boxes[..., 6:])
    half = boxes[..., None, 3:6] / 2
    placed: Array = (CORNERS * half) @ np.swapaxes(R, -1, -2) + boxes[..., None, :3]
    return placed


def volume(boxes: ArrayLike) -> Array:
    """Volumes (...) of boxes (..., 9): the product of the sizes, whatever their signs."""
    sizes = np.asarray(boxes, dtype=float)[..., 3:6]
    return np.asarray(sizes.prod(axis=-1))


def to_world(boxes: ArrayLike, pose: ArrayLike) -> Array:
    """Boxes (..., 9) from camera axes to world axes; `pose` (4, 4) maps camera to world."""
    boxes = np.asarray(boxes, dtype=float)
    pose = np.asarray(pose, dtype=float)
    centres = transform(boxes[..., :3], pose)
    angles = matrix_to_euler(pose[:3, :3] @ euler_to_matrix(boxes[..., 6:]))
    return np.concatenate([centres, boxes[..., 3:6], angles], axis=-1)


def to_camera(boxes: ArrayLike, pose: ArrayLike) -> Array:
    """Boxes (..., 9) from world axes to camera axes; `pose` (4, 4) maps camera to world."""
    return to_world(boxes, invert(pose))


def contains(box: ArrayLike, points: ArrayLike, margin: float = 0.0) -> NDArray[np.bool_]:
    """Which of the points (n, 3) lie in the box (9,), its surface included; each face moved out by `margin` metres."""
    box = np.asarray(box, dtype=float)
    in_box = (np.asarray(points, dtype=float) - box[:3]) @ euler_to_matrix(box[6:])
    inside: NDArray[np.bool_] = (np.abs(in_box) <= box[3:6] / 2 + margin).all(axis=-1)
    return inside


def edge_segments(box: ArrayLike, camera: Camera, near: float = 0.05) -> list[Segment]:
    """Edges of a box (9,) in camera axes as lines in the image, ((u, v), (u, v)) in pixels, for drawing.

    What lies nearer than `near` metres along the optical axis is cut off; an edge wholly there is left out. The
    lines are not cut at the image's border.
    """
    points = corners(box).tolist()
    lines = [_clip([points[i], points[j]], (0, 0, 1, -near))[:2] for i, j in EDGES]
    return [(_pixel(line[0], camera), _pixel(line[1], camera)) for line in lines if line]


def image_box(box: ArrayLike, camera: Camera, width: int, height: int, near: float = 0.05) -> list[float] | None:
    """The rectangle [x0, y0, x1, y1] in pixels around what an image shows of a box (9,) in camera axes.

    Only the part of the box that is at least `near` metres away and whose projection is inside the image, between the
    centres of its outermost pixels (0 to W - 1, 0 to H - 1), counts; None when there is no such part.
    """
    fx, fy, cx, cy = camera
    right, bottom = width - 1, height - 1
    frustum = (
        (0, 0, 1, -near),
        *((fx, 0, cx, 0), (-fx, 0, right - cx, 0)),
        *((0, fy, cy, 0), (0, -fy, bottom - cy, 0)),
    )
    points = corners(box).tolist()
    pixels = []
    # A ray into the box leaves it through a face, even when the camera is inside: the faces' parts show all of it.
    for face in FACES:
        polygon = [points[i] for i in face]
        for plane in frustum:
            polygon = _clip(polygon, plane)
        pixels += [_pixel(point, camera) for point in polygon]
    if not pixels:
        return None
    us, vs = zip(*pixels, strict=True)
    return [max(min(us), 0.0), max(min(vs), 0.0), min(max(us), float(right)), min(max(vs), float(bottom))]


def _pixel(point: Sequence[float], camera: Camera) -> tuple[float, float]:
    # `project` for one point: plain floats are many times faster here than arrays of one.
    (x, y, z), (fx, fy, cx, cy) = point, camera
    return x / z * fx + cx, y / z * fy + cy


def _clip(polygon: list[list[float]], plane: Sequence[float]) -> list[list[float]]:
    """The part of a convex polygon in space where a x + b y + c z + d >= 0 (Sutherland and Hodgman, 1974)."""
    a, b, c, d = plane
    heights = [a * x + b * y + c * z + d for x, y, z in polygon]
    kept = []
    for i, (point, height) in enumerate(zip(polygon, heights, strict=True)):
        if height >= 0:
            kept.append(point)
        following = (i + 1) % len(polygon)
        if (height >= 0) != (heights[following] >= 0):
            t = height / (height - heights[following])
            kept.append([p + t * (q - p) for p, q in zip(point, polygon[following], strict=True)])
    return kept
