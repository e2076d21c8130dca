"""The numbers of a box as a dialect has them: other axes, quaternions, projected centres, rounding, and back again.

Upright axes are x right, y forward, z up; a box that is turned nowhere in camera axes is turned nowhere in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vstkit.geometry.cameras import Camera
from vstkit.geometry.rotations import euler_to_matrix, matrix_to_euler

DECIMALS = 2  # of lengths and quaternions, and of angles that are fractions of half a turn
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # camera axes to upright ones


def center(xyz: Sequence[float], kind: str, upright: bool, camera: Camera | None) -> list[float]:
    """A centre in camera axes as it is written: metres, or with `kind` "uvd" whole pixels u and v, and metres.

    Raises ValueError where a centre to be projected has no camera or lies behind it.
    """
    x, y, z = map(float, xyz)
    if kind == "uvd":
        if camera is None or not z > 0:
            raise ValueError(f"expected a camera and a centre before it, got {camera} and depth {z}")
        fx, fy, cx, cy = camera
        return [round(fx * x / z + cx), round(fy * y / z + cy), rounded(z)]
    return [rounded(value) for value in ((x, z, -y) if upright else (x, y, z))]


def center_from(numbers: Sequence[float], kind: str, upright: bool, camera: Camera | None) -> list[float]:
    """The inverse of `center`. Raises ValueError where a projected centre has no camera."""
    a, b, c = numbers
    if kind == "uvd":
        if camera is None:
            raise ValueError("expected a camera for projected centres, got none")
        fx, fy, cx, cy = camera
        return [(a - cx) / fx * c, (b - cy) / fy * c, c]
    return [a, -c, b] if upright else [a, b, c]


def sizes(xyz: Sequence[float], upright: bool) -> list[float]:
    """Sizes between camera axes and upright ones, either way."""
    x, y, z = xyz
    return [x, z, y] if upright else [x, y, z]


def upright_angles(angles: Sequence[float], back: bool = False) -> list[float]:
    """Euler angles in degrees of the same turn in upright axes; with `back`, from them to camera axes."""
    axes = UPRIGHT.T if back else UPRIGHT
    turned: list[float] = matrix_to_euler(axes @ euler_to_matrix(angles) @ axes.T).tolist()
    return turned


def angle(degrees: float, half_turn: float) -> float:
    """An angle in (-180, 180] degrees; half a turn is written as 1, with two decimals, or as 180, in whole degrees."""
    # The remainder is exact, so what is rounded is the true value. It may still be, or become, -180: the same turn.
    turn = math.remainder(degrees, 360) * half_turn / 180
    written = rounded(turn) if half_turn == 1 else round(turn)
    return half_turn if written == -half_turn else written


def quaternion(angles: Sequence[float]) -> list[float]:
    """Euler angles in degrees as a rounded unit quaternion x, y, z, w; of the two signs, the one with w not negative.

    Where w is rounded to 0, the first of x, y, z that is not 0 is positive.
    """
    halves = [math.radians(math.remainder(degrees, 720)) / 2 for degrees in angles]
    (sx, sy, sz), (cx, cy, cz) = map(math.sin, halves), map(math.cos, halves)
    x, y, z = sx * cy * cz - cx * sy * sz, cx * sy * cz + sx * cy * sz, cx * cy * sz - sx * sy * cz
    turn = [rounded(value) for value in (cx * cy * cz + sx * sy * sz, x, y, z)]
    if turn < [0.0] * 4:
        turn = [0.0 - value for value in turn]
    return [*turn[1:], turn[0]]


def from_quaternion(numbers: Sequence[float]) -> list[float] | None:
    """Euler angles in degrees of a quaternion x, y, z, w of any length; None for one of length 0 or without an end."""
    length = math.hypot(*numbers)
    if not 1e-6 < length < math.inf:
        return None
    x, y, z, w = (value / length for value in numbers)
    R = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    angles: list[float] = matrix_to_euler(R).tolist()
    return angles


def rounded(value: float) -> float:
    """With two decimals; never -0.0. Raises ValueError for a number that is not finite."""
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number for JSON, got {value}")
    return round(float(value), DECIMALS) + 0.0
