"""The shapes that furniture is made of, as triangles with normals, texture coordinates and a material.

Lengths are metres, z is up. Every shape is a `Part`; parts are moved and turned into place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vstkit.geometry.rotations import euler_to_matrix

Array = NDArray[Any]
Vector = Sequence[float]

CREASE = 0.75  # cosine between neighbouring bands of a turned shape below which the edge is sharp


class Material(NamedTuple):
    """`color` (sRGB, 0 to 1) times a texture of `vstkit.synth.textures`; a `glow` above 0 shines by itself."""

    color: tuple[float, float, float]
    texture: str = "plain"
    gloss: float = 0.0
    glow: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """n triangles (n, 3, 3) with normals (n, 3, 3) and texture coordinates (n, 3, 2).

    `patches` (n,) numbers the smooth surfaces of the part, between which light changes sharply.
    """

    triangles: Array
    normals: Array
    uv: Array
    patches: Array
    material: Material

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        """The part moved by (x, y, z)."""
        return replace(self, triangles=np.add(self.triangles, (x, y, z)))

    def turned(self, pitch: float = 0.0, yaw: float = 0.0, roll: float = 0.0) -> Part:
        """The part turned about the origin: degrees about the fixed x, then y, then z axis."""
        R = euler_to_matrix((pitch, yaw, roll)).T
        return replace(self, triangles=self.triangles @ R, normals=self.normals @ R)


@cache
def _unit_box() -> tuple[Array, Array, Array]:
    """Corners (12, 3, 3) of a box's triangles, their normals, and the axis that each faces (12,)."""
    corners, normals, axes = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            quad = np.zeros((4, 3))
            quad[:, axis] = sign
            quad[:, (axis + 1) % 3] = np.array([-1, 1, 1, -1]) * sign
            quad[:, (axis + 2) % 3] = [-1, -1, 1, 1]
            corners += [quad[[0, 1, 2]], quad[[0, 2, 3]]]
            normals += [np.tile(np.eye(3)[axis] * sign, (3, 1))] * 2
            axes += [axis] * 2
    return np.array(corners), np.array(normals), np.array(axes)


@cache
def _grain(order: tuple[int, int, int]) -> Array:
    """The axes (12, 3, 2) along and across the grain of a box's triangles; `order` has the axes, the longest first."""
    pairs = np.array([[i for i in order if i != axis] for axis in range(3)])
    return pairs[_unit_box()[2]][:, None, :].repeat(3, axis=1)


_BOX_PATCHES = np.arange(12) // 2


def box(size: Vector, centre: Vector, material: Material) -> Part:
    """A box with sharp edges; its grain runs along the longer side of each face."""
    corners, normals, _ = _unit_box()
    triangles = corners * (size[0] / 2, size[1] / 2, size[2] / 2) + centre
    a, b, c = sorted(range(3), key=lambda i: -size[i])
    # No two boards have the same grain, and a board has the same one always.
    shift = 7.31 * centre[0] + 5.17 * centre[1] + 3.73 * centre[2]
    uv = np.take_along_axis(triangles, _grain((a, b, c)), axis=2) + shift
    return Part(triangles, normals, uv, _BOX_PATCHES, material)


def panel(width: float, height: float, centre: Vector, material: Material) -> Part:
    """A rectangle that looks along +x and shows its whole texture once, upright."""
    y, z = np.array([-1, 1, 1, -1]) * width / 2, np.array([-1, -1, 1, 1]) * height / 2
    quad = np.stack([np.zeros(4), y, z], axis=1) + centre
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    order = [[0, 1, 2], [0, 2, 3]]
    return Part(quad[order], np.tile([1.0, 0, 0], (2, 3, 1)), uv[order], np.zeros(2, int), material)


@cache
def _unit_soft(steps: int) -> tuple[Array, Array, Array, Array]:
    """Corner signs and directions (n, 3, 3) of a rounded box's triangles, and the two axes (n, 2) along each face."""
    offsets = np.concatenate([np.linspace(-1, 0, steps + 1), np.linspace(0, 1, steps + 1)])
    signs = np.repeat([-1.0, 1.0], steps + 1)
    side = len(offsets)
    i, j = np.mgrid[: side - 1, : side - 1].reshape(2, -1)
    grid = np.concatenate(
        [
            np.stack([i * side + j, (i + 1) * side + j, (i + 1) * side + j + 1], axis=1),
            np.stack([i * side + j, (i + 1) * side + j + 1, i * side + j + 1], axis=1),
        ]
    )
    corners, directions, axes = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            corner, direction = np.zeros((side, side, 3)), np.zeros((side, side, 3))
            corner[..., axis] = direction[..., axis] = sign
            corner[..., a], corner[..., b] = signs[:, None], signs[None, :]
            tangents = np.tan(offsets * np.pi / 4)
            direction[..., a], direction[..., b] = tangents[:, None], tangents[None, :]
            direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
            corners.append(corner.reshape(-1, 3)[grid])
            directions.append(direction.reshape(-1, 3)[grid])
            axes += [(a, b)] * len(grid)
    return np.concatenate(corners), np.concatenate(directions), np.array(axes), np.zeros(len(axes), int)


def soft(size: Vector, centre: Vector, radius: float, material: Material, steps: int = 2) -> Part:
    """A box with rounded edges: cushions, mattresses, padding. `radius` is cut to half the smallest side."""
    corners, directions, axes, patches = _unit_soft(steps)
    half = np.divide(size, 2)
    radius = min(radius, *half.tolist())
    triangles = corners * (half - radius) + directions * radius + centre
    uv = np.take_along_axis(triangles, axes[:, None, :].repeat(3, axis=1), axis=2)
    return Part(triangles, directions, uv, patches, material)


def turned(profile: Sequence[tuple[float, float]], material: Material, sides: int = 24) -> Part:
    """What a lathe makes of a `profile`, (radius, z) from the bottom outside on; its outside is on the right."""
    bands = [(p, q) for p, q in pairwise(profile) if p != q]
    slopes = np.array([(q[1] - p[1], p[0] - q[0]) for p, q in bands])
    slopes /= np.linalg.norm(slopes, axis=1, keepdims=True)
    angles = np.linspace(0, 2 * np.pi, sides + 1)
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    around[-1] = around[0]
    triangles, normals, uv, patches, patch, run = [], [], [], [], 0, 0.0
    for i, ((r0, z0), (r1, z1)) in enumerate(bands):
        before = slopes[i - 1] if i and slopes[i - 1] @ slopes[i] > CREASE else None
        after = slopes[i + 1] if i + 1 < len(bands) and slopes[i + 1] @ slopes[i] > CREASE else None
        patch += before is None
        length = float(np.hypot(r1 - r0, z1 - z0))
        rings = []
        for r, z, other, v in ((r0, z0, before, run), (r1, z1, after, run + length)):
            slope = slopes[i] if other is None else (slopes[i] + other) / np.linalg.norm(slopes[i] + other)
            flat = np.full((sides + 1, 1), 1.0)
            rings.append(
                np.concatenate(
                    [r * around, z * flat, slope[0] * around, slope[1] * flat, angles[:, None] * max(r0, r1), v * flat],
                    axis=1,
                )
            )
        low, high = rings
        faces = []
        if r0 > 0:
            faces.append(np.stack([low[:-1], low[1:], high[1:]], axis=1))
        if r1 > 0:
            faces.append(np.stack([low[:-1], high[1:], high[:-1]], axis=1))
        band = np.concatenate(faces)
        triangles.append(band[..., :3])
        normals.append(band[..., 3:6])
        uv.append(band[..., 6:])
        patches.append(np.full(len(band), patch))
        run += length
    joined = [np.concatenate(values) for values in (triangles, normals, uv, patches)]
    return Part(joined[0], joined[1], joined[2], joined[3], material)


def disc(radius: float, bottom: float, top: float, material: Material, sides: int = 32) -> Part:
    """An upright cylinder about the z axis."""
    return turned([(0, bottom), (radius, bottom), (radius, top), (0, top)], material, sides)


def rod(
    start: Vector, end: Vector, radius: float, material: Material, thin: float | None = None, sides: int = 8
) -> Part:
    """A round bar from `start` to `end`, its radius going to `thin`."""
    along = np.subtract(end, start)
    length = float(np.linalg.norm(along))
    whole = turned([(0, 0), (radius, 0), (thin or radius, length), (0, length)], material, sides)
    tilt = np.degrees(np.arccos(np.clip(along[2] / length, -1, 1)))
    heading = np.degrees(np.arctan2(along[1], along[0]))
    return whole.turned(yaw=float(tilt)).turned(roll=float(heading)).moved(*map(float, start))


def leaf(start: Vector, heading: float, length: float, rise: float, width: float, material: Material) -> Part:
    """A leaf that grows from `start` towards `heading` (degrees), `rise` times as high as far, and hangs over."""
    t = np.linspace(0, 1, 6)
    spine = np.stack([length * t, 0 * t, length * (rise * t - 0.75 * rise * t**2 - 0.25 * t**2)], axis=1)
    half = width / 2 * np.sin(np.pi * t**0.8) + 0.002
    left, right = spine + (0, 1, 0) * half[:, None], spine - (0, 1, 0) * half[:, None]
    left[:, 2] += 0.25 * half
    right[:, 2] += 0.25 * half
    strips = []
    for a, b in ((spine, left), (right, spine)):
        strips += [np.stack([a[:-1], a[1:], b[1:]], axis=1), np.stack([a[:-1], b[1:], b[:-1]], axis=1)]
    triangles = np.concatenate(strips)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    blade = Part(
        triangles, normals[:, None, :].repeat(3, axis=1), triangles[..., :2], np.zeros(len(triangles), int), material
    )
    return blade.turned(roll=heading).moved(*map(float, start))
