"""Rotation matrices and Euler angles, in closed form.

Angles are (pitch, yaw, roll) in degrees: turns about the fixed x, then y, then z axis, so that
R = Rz(roll) Ry(yaw) Rx(pitch). This is scipy's `Rotation.from_euler("xyz", angles, degrees=True)` (lower case),
without the start-up time of importing scipy.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]


def euler_to_matrix(angles: ArrayLike) -> Array:
    """Rotation matrices (..., 3, 3) of pitch, yaw, roll (..., 3) in degrees."""
    radians = np.radians(np.asarray(angles, dtype=float))
    sx, sy, sz = np.moveaxis(np.sin(radians), -1, 0)
    cx, cy, cz = np.moveaxis(np.cos(radians), -1, 0)
    entries = (
        *(cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        *(sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        *(-sy, cy * sx, cy * cx),
    )
    return np.stack(entries, axis=-1).reshape(*radians.shape, 3)


def matrix_to_euler(R: ArrayLike) -> Array:
    """Pitch, yaw, roll (..., 3) in degrees of rotation matrices (..., 3, 3); the inverse of `euler_to_matrix`.

    Angles lie in (-180, 180], yaw in [-90, 90]. Where yaw is +-90 only one combination of pitch and roll is
    determined: roll is 0 there.
    """
    R = np.asarray(R, dtype=float)
    horizontal = np.hypot(R[..., 0, 0], R[..., 1, 0])
    yaw = np.arctan2(-R[..., 2, 0], horizontal)
    locked = horizontal < 1e-12
    roll = np.where(locked, 0.0, np.arctan2(R[..., 1, 0], R[..., 0, 0]))
    # Pitch is read from Rz(-roll) R, not from the last row of R: that row vanishes near gimbal lock, and there
    # only the pitch that goes with this very roll gives R back.
    s, c = np.sin(roll), np.cos(roll)
    pitch = np.arctan2(s * R[..., 0, 2] - c * R[..., 1, 2], c * R[..., 1, 1] - s * R[..., 0, 1])
    angles = np.degrees(np.stack([pitch, yaw, roll], axis=-1))
    return np.where(angles == -180.0, 180.0, angles) + 0.0  # + 0.0 turns -0.0 into 0.0
