"""Footprints: the shadows that boxes throw straight onto a plane, and how far two of them overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vstkit.geometry.rotations import Array, euler_to_matrix


def ground(up: ArrayLike) -> Array:
    """Two axes (3, 2) at right angles to each other and to the unit vector `up` (3,).

    The second is, as far as it can be, z: of a camera that is not looking straight up or down, the level way forward.
    """
    up = np.asarray(up, dtype=float)
    seed = np.eye(3)[2 if abs(up[2]) < 0.99 else 1]
    forward = seed - (seed @ up) * up
    forward /= np.linalg.norm(forward)
    return np.stack([np.cross(forward, up), forward], axis=1)


def footprints(boxes: ArrayLike, plane: ArrayLike) -> Array:
    """Convex polygons (n, 6, 2), anticlockwise, of boxes (n, 9) on the plane of two axes (3, 2).

    A box throws a hexagon; where its faces are level or upright, corners of that fall together.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 9)
    plane = np.asarray(plane, dtype=float)
    edges = (euler_to_matrix(boxes[:, 6:]) * boxes[:, None, 3:6]).swapaxes(1, 2) @ plane  # (n, 3, 2)
    # All edges turned to point up the page and taken by their angle lead round one side of the hexagon, then the other.
    edges *= np.where((edges[..., 1:] < 0) | ((edges[..., 1:] == 0) & (edges[..., :1] < 0)), -1, 1)
    order = np.arctan2(edges[..., 1], edges[..., 0]).argsort(axis=1)
    edges = np.take_along_axis(edges, order[..., None], axis=1)
    start = (boxes[:, :3] @ plane - edges.sum(axis=1) / 2)[:, None]
    way = np.concatenate([edges, -edges], axis=1).cumsum(axis=1)
    return np.concatenate([start, start + way[:, :-1]], axis=1)


def areas(polygons: Array) -> Array:
    """Areas (n,) of polygons (n, corners, 2)."""
    x, y = np.moveaxis(polygons - polygons[:, :1], -1, 0)
    return np.asarray(np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2)


def overlap(a: Array, b: Array) -> float:
    """Area that two convex polygons (corners, 2), both anticlockwise, share (Sutherland and Hodgman, 1974)."""
    # Plain floats about a corner: many times faster here than arrays of a few numbers, and no digits are lost.
    x0, y0 = a[0].tolist()
    shared = [(x - x0, y - y0) for x, y in a.tolist()]
    cutter = [(x - x0, y - y0) for x, y in b.tolist()]
    for (px, py), (qx, qy) in zip(cutter, cutter[1:] + cutter[:1], strict=True):
        ex, ey = qx - px, qy - py
        if abs(ex) + abs(ey) < 1e-12:
            continue
        heights = [ex * (y - py) - ey * (x - px) for x, y in shared]
        kept = []
        for i, ((x, y), height) in enumerate(zip(shared, heights, strict=True)):
            (u, v), following = shared[(i + 1) % len(shared)], heights[(i + 1) % len(shared)]
            if height >= 0:
                kept.append((x, y))
            if (height >= 0) != (following >= 0):
                t = height / (height - following)
                kept.append((x + t * (u - x), y + t * (v - y)))
        shared = kept
    doubled: float = abs(sum(x * v - u * y for (x, y), (u, v) in zip(shared, shared[1:] + shared[:1], strict=True)))
    return doubled / 2
