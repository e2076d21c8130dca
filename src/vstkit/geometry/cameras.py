"""Pinhole cameras without distortion: fields of view, resizing, projection, rigid poses.

A camera is four numbers (fx, fy, cx, cy) in pixels. Camera axes: x right, y down, z forward, metres. Pixel centres have
integer coordinates, so an image of width W reaches from u = -0.5 to W - 0.5. A pose is a rigid 4x4 matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from vstkit.errors import DataError
from vstkit.geometry.rotations import Array

Camera: TypeAlias = Sequence[float]
Size: TypeAlias = tuple[int, int]


def fov(camera: Camera, width: int, height: int) -> tuple[float, float]:
    """Horizontal and vertical field of view in degrees: 2 atan(W / 2fx), 2 atan(H / 2fy).

    The principal point plays no part, as in the prompts that the VST models were trained on.
    """
    fx, fy = camera[:2]
    return math.degrees(2 * math.atan(width / (2 * fx))), math.degrees(2 * math.atan(height / (2 * fy)))


def focal(fov_degrees: float, size: float) -> float:
    """Focal length in pixels at which `size` pixels span the field of view; the inverse of `fov` along one axis.

    Raises DataError unless the field of view lies strictly between 0 and 180 degrees.
    """
    if not 0 < fov_degrees < 180:
        raise DataError(f"expected a field of view between 0 and 180 degrees, got {fov_degrees}")
    return size / (2 * math.tan(math.radians(fov_degrees) / 2))


DEFAULT_FOCAL = focal(69.16, 960)
"""Focal length to which images are unified, in pixels: the example of the VST paper, section A.3."""


def resize_camera(camera: Camera, old_size: Size, new_size: Size) -> list[float]:
    """The camera of an image after a resize from `old_size` to `new_size`, both (width, height)."""
    fx, fy, cx, cy = camera
    sx, sy = new_size[0] / old_size[0], new_size[1] / old_size[1]
    # Coordinates scale about the image's corner, which lies half a pixel before the first pixel's centre.
    return [fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5]


def unify(width: int, height: int, camera: Camera, focal: float = DEFAULT_FOCAL) -> tuple[Size, list[float]]:
    """FoV unification (Algorithm 1 of the VST paper): the size at which an image has this focal length, and the camera.

    Each axis is scaled by focal / f and cut to whole pixels, at least one. The camera is scaled by the ratio that this
    leaves, so the fields of view stay and fx, fy equal `focal` to within the rounding. Unifying again keeps the size.
    """
    new_size = (_whole_pixels(width * focal / camera[0]), _whole_pixels(height * focal / camera[1]))
    return new_size, resize_camera(camera, (width, height), new_size)


def _whole_pixels(length: float) -> int:
    # 959.9999999999 is 960 with float noise on it, and is not to lose a pixel.
    return max(1, math.floor(length + 1e-6))


def project(points: ArrayLike, camera: Camera) -> Array:
    """Pixel coordinates u, v (n, 2) of points (n, 3) in camera axes. The caller sees to it that z > 0."""
    points = np.asarray(points, dtype=float)
    fx, fy, cx, cy = camera
    uv: Array = points[..., :2] / points[..., 2:] * (fx, fy) + (cx, cy)
    return uv


def unproject(uv: ArrayLike, depth: ArrayLike, camera: Camera) -> Array:
    """Points (n, 3) in camera axes seen at pixels (n, 2), `depth` (n,) metres away along the optical axis."""
    fx, fy, cx, cy = camera
    z = np.asarray(depth, dtype=float)[..., None]
    xy = (np.asarray(uv, dtype=float) - (cx, cy)) / (fx, fy) * z
    return np.concatenate([xy, z], axis=-1)


def transform(points: ArrayLike, pose: ArrayLike) -> Array:
    """Points (n, 3) moved by a pose (4, 4); with a camera-to-world pose, from camera to world axes."""
    pose = np.asarray(pose, dtype=float)
    moved: Array = np.asarray(points, dtype=float) @ pose[:3, :3].T + pose[:3, 3]
    return moved


def invert(pose: ArrayLike) -> Array:
    """The inverse (4, 4) of a rigid pose (4, 4): the rotation transposed, so that it stays one."""
    pose = np.asarray(pose, dtype=float)
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse
