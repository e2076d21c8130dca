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

from vstkit.geometry.cameras import Camera, invert, project, transform
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


def entry(box: ArrayLike, rays: ArrayLike) -> Array:
    """How far along each ray (n, 3) from the origin it enters the box (9,), in lengths of the ray; inf where it misses.

    Negative or inf, too, for a box around or behind the origin: such a box is not entered.
    """
    box = np.asarray(box, dtype=float)
    R = euler_to_matrix(box[6:])
    towards, origin = np.asarray(rays, dtype=float) @ R, -box[:3] @ R
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = np.stack([(-box[3:6] / 2 - origin) / towards, (box[3:6] / 2 - origin) / towards])
    enter, leave = crossings.min(axis=0).max(axis=-1), crossings.max(axis=0).min(axis=-1)
    return np.where(enter <= leave, enter, np.inf)


def may_show(boxes: ArrayLike, camera: Camera, width: int, height: int, near: float = 0.05) -> NDArray[np.bool_]:
    """Which of boxes (n, 9) in camera axes can be in the picture: False is sure, True needs `image_box`."""
    points = corners(np.asarray(boxes, dtype=float).reshape(-1, 9))
    planes = np.array(_frustum(camera, width, height, near))
    heights = points @ planes[:, :3].T + planes[:, 3]  # (n, 8, 5)
    return np.asarray((heights >= 0).any(axis=1).all(axis=1))  # no plane has all eight corners beyond it


def _frustum(camera: Camera, width: int, height: int, near: float) -> tuple[tuple[float, ...], ...]:
    """Planes (a, b, c, d) with a x + b y + c z + d >= 0 for what a picture can show."""
    fx, fy, cx, cy = camera
    right, bottom = width - 1, height - 1
    return (
        (0, 0, 1, -near),
        *((fx, 0, cx, 0), (-fx, 0, right - cx, 0)),
        *((0, fy, cy, 0), (0, -fy, bottom - cy, 0)),
    )


def outline_areas(boxes: ArrayLike, camera: Camera, near: float = 0.05) -> Array:
    """Pixels (n,) inside the outlines of boxes (n, 9) in camera axes, beyond the image's border too.

    Only the part of a box that is at least `near` metres away counts.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 9)
    points = corners(boxes)
    before = points[..., 2].min(axis=-1) >= near
    safe = np.where(before[:, None, None], points, 1.0)
    pixels = project(safe.reshape(-1, 3), camera).reshape(len(boxes), 8, 2)
    quads = pixels[:, np.array(FACES)]
    u, v = quads[..., 0], quads[..., 1]
    signed = (u * np.roll(v, -1, axis=-1) - v * np.roll(u, -1, axis=-1)).sum(axis=-1) / 2
    areas: Array = np.abs(signed).sum(axis=-1) / 2  # every ray through a convex body crosses two faces
    for i in np.flatnonzero(~before):
        cut = [p for segment in edge_segments(boxes[i], camera, near) for p in segment]
        areas[i] = _hull_area(cut)
    return areas


def _hull_area(points: list[tuple[float, float]]) -> float:
    """Area of the convex hull of points in the plane (Andrew's monotone chain)."""
    hull: list[tuple[float, float]] = []
    for ordered in (sorted(set(points)), sorted(set(points), reverse=True)):
        start = len(hull)
        for p in ordered:
            while len(hull) >= start + 2 and _turn(hull[-2], hull[-1], p) <= 0:
                hull.pop()
            hull.append(p)
    return abs(sum(p[0] * q[1] - p[1] * q[0] for p, q in zip(hull, hull[1:] + hull[:1], strict=True))) / 2


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


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
    right, bottom = width - 1, height - 1
    frustum = _frustum(camera, width, height, near)
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
