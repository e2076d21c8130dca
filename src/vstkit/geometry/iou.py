"""Exact intersection over union of oriented boxes, for many pairs at once.

The idea. Take a pair of boxes A and B. Seen in B's axes, and with B's half sizes as units, B is the cube [-1, 1]^3 and
A some parallelepiped. The vector field

    F(x, y, z) = (clamp(x, -1, 1) - x0, 0, 0)  where |y| <= 1 and |z| <= 1,  and 0 elsewhere

has divergence 1 inside the cube and 0 outside it. So, by Gauss's theorem, the volume that A and B share is the flux of
F out of A: the sum over A's six faces of

    integral of clamp(x, -1, 1) - x0  over the part of the face with |y| <= 1 and |z| <= 1,

by the signed area dy dz, positive for a face that looks towards +x. That part is a polygon: the face, cut by four
planes. On it, clamp(x) = x - max(x - 1, 0) + max(-1 - x, 0), and the last two terms are integrals over the parts of the
polygon beyond x = 1 and x = -1. The constant x0 has no effect on the sum; near A's x it keeps the terms small.

B's faces are never cut, so there is no case to tell apart when faces of the two boxes lie in one plane, as those of
nearly equal boxes almost do: every term changes continuously with the boxes, and no tolerance decides anything. That is
where methods that clip both surfaces go wrong.

For speed, pairs that cannot meet are left out, by their bounding spheres and then by the face directions of both
boxes; the rest are done in chunks that stay in the processor's cache. Polygons differ in their number of corners, so
they are kept end to end in flat arrays.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.geometry.boxes import CORNERS, FACES
from vstkit.geometry.rotations import Array, euler_to_matrix

Index: TypeAlias = NDArray[np.intp]

_CHUNK = 1024
_FACES = np.array(FACES)
_UNIT_BOX = np.array([0.0, 0, 0, 1, 1, 1, 0, 0, 0])


def iou_pairs(a: ArrayLike, b: ArrayLike) -> Array:
    """IoU (n,) of each box of `a` (n, 9) with the box of `b` (n, 9) in the same row.

    A box with a number that is not finite, or a size that is not positive, has IoU 0 with everything; so has one with
    numbers beyond 1e50 or sizes below 1e-50, whose products overflow. Raises ValueError unless there are as many boxes
    in both.
    """
    first, second = _as_boxes(a), _as_boxes(b)
    if len(first) != len(second):
        raise ValueError(f"expected as many boxes in both, got {len(first)} and {len(second)}")
    boxes = _prepare(np.concatenate([first, second]))
    i = np.arange(len(first))
    j = i + len(first)
    offset = boxes.centre[i] - boxes.centre[j]
    meet = (offset * offset).sum(axis=1) < (boxes.radius[i] + boxes.radius[j]) ** 2
    iou = np.zeros(len(first))
    iou[meet] = _iou(boxes, i[meet], j[meet])
    return iou


def iou_matrix(a: ArrayLike, b: ArrayLike) -> Array:
    """IoU (n, m) of every box of `a` (n, 9) with every box of `b` (m, 9); invalid boxes as in `iou_pairs`."""
    first, second = _as_boxes(a), _as_boxes(b)
    n = len(first)
    boxes = _prepare(np.concatenate([first, second]))
    squared = sum((x[:n, None] - x[n:]) ** 2 for x in boxes.centre.T)
    meet = squared < (boxes.radius[:n, None] + boxes.radius[n:]) ** 2
    i, j = np.nonzero(meet)
    iou = np.zeros(meet.shape)
    iou[i, j] = _iou(boxes, i, j + n)
    return iou


def _as_boxes(boxes: ArrayLike) -> Array:
    return np.asarray(boxes, dtype=float).reshape(-1, 9)


class _Boxes(NamedTuple):
    """n boxes, ready for comparison."""

    centre: Array  # (n, 3)
    half: Array  # (n, 3) half sizes
    rotation: Array  # (n, 3, 3)
    volume: Array  # (n,)
    radius: Array  # (n,) of the bounding sphere; NaN for an invalid box, whose sphere so meets no other

    def take(self, index: Index) -> _Boxes:
        return _Boxes(*(field[index] for field in self))


def _prepare(boxes: Array) -> _Boxes:
    valid = np.all(np.abs(boxes) < 1e50, axis=1) & np.all(boxes[:, 3:6] > 1e-50, axis=1)
    boxes = np.where(valid[:, None], boxes, _UNIT_BOX)  # so that no invalid number raises a floating-point warning
    half = boxes[:, 3:6] / 2
    radius = np.where(valid, np.sqrt((half * half).sum(axis=1)), np.nan)
    return _Boxes(boxes[:, :3], half, euler_to_matrix(boxes[:, 6:]), 8 * half.prod(axis=1), radius)


def _iou(boxes: _Boxes, i: Index, j: Index) -> Array:
    """IoU (p,) of the valid boxes i (p,) with the valid boxes j (p,)."""
    # The smaller box is the one whose faces are cut: the arithmetic is then done in units of the larger one, where
    # all coordinates that count are at most 1.
    swap = boxes.volume[i] > boxes.volume[j]
    small, large = np.where(swap, j, i), np.where(swap, i, j)
    shared = np.zeros(len(i))
    for start in range(0, len(i), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        shared[chunk] = _intersection(boxes.take(small[chunk]), boxes.take(large[chunk]))
    iou: Array = shared / (boxes.volume[i] + boxes.volume[j] - shared)
    return iou


def _intersection(a: _Boxes, b: _Boxes) -> Array:
    """Volume (p,) that the boxes a and b of each pair share; a is the smaller."""
    # Differences of centres first: boxes far from the origin keep their digits.
    offset = (a.centre - b.centre)[:, None]
    in_a, in_b = (offset @ a.rotation)[:, 0], (offset @ b.rotation)[:, 0]
    rotation = _snap(b.rotation.transpose(0, 2, 1) @ a.rotation)  # from a's axes to b's
    reach_a = (np.abs(rotation) @ a.half[..., None])[..., 0]  # half extent of a along b's axes, and of b along a's
    reach_b = (b.half[:, None] @ np.abs(rotation))[:, 0]
    distance = np.abs(in_b)
    apart = (distance >= b.half + reach_a).any(axis=1) | (np.abs(in_a) >= a.half + reach_b).any(axis=1)
    inside = (distance + reach_a <= b.half).all(axis=1)

    shared = np.where(inside, a.volume, 0.0)
    rest = np.flatnonzero(~(apart | inside))
    unit = b.half[rest]
    edges = rotation[rest] * a.half[rest, None] / unit[:, :, None]
    part = _volume_in_cube(in_b[rest] / unit, edges) * unit.prod(axis=1)
    shared[rest] = np.clip(part, 0.0, a.volume[rest])
    return shared


def _snap(R: Array) -> Array:
    """Rotations (p, 3, 3), those within rounding of quarter turns replaced by these.

    A product of two matrices is off by some 1e-16, which a rod 10 km long and 1 mm thin multiplies by 1e7; with this,
    equal boxes have IoU 1 whatever their shape.
    """
    nearest = np.rint(R)
    return np.where(np.abs(R - nearest).max(axis=(1, 2), keepdims=True) < 1e-15, nearest, R)


def _volume_in_cube(centre: Array, edges: Array) -> Array:
    """Volume (p,) in the cube [-1, 1]^3 of the boxes centre (p, 3) + edges (p, 3, 3) [-1, 1]^3, as explained on top."""
    pairs = len(centre)
    corners = edges @ CORNERS.T + centre[:, :, None]
    faces = corners[:, :, _FACES].transpose(1, 0, 2, 3).reshape(3, -1, 4)
    # Most faces miss the strip altogether, and need no cutting.
    strip = faces[1:]
    keep = np.flatnonzero(~((strip > 1).all(axis=2) | (strip < -1).all(axis=2)).any(axis=0))
    polygons = _polygons(faces[:, keep].reshape(3, -1), np.repeat(keep, 4))
    for axis in (1, 2):
        for side in (1, -1):
            polygons = _clip(polygons, axis, side)
    x0 = np.clip(centre[:, 0], -1.0, 1.0)
    flux = _integrate(polygons, polygons.points[0] - x0[polygons.face // 6], pairs)
    for side in (1, -1):
        excess = _clip(polygons, 0, side, beyond=True)
        flux -= side * _integrate(excess, side * excess.points[0] - 1.0, pairs)
    return flux


class _Polygons(NamedTuple):
    """Convex polygons, their n corners end to end."""

    points: Array  # (3, n)
    face: Index  # (n,) the face that a corner belongs to, ascending: 6 * pair + number of the face
    first: Index  # (n,) index of the first corner of the same polygon
    following: Index  # (n,) index of the next corner of the same polygon, going round


def _polygons(points: Array, face: Index) -> _Polygons:
    starts = np.flatnonzero(np.diff(face, prepend=-1))
    ends = np.append(starts, len(face))[1:]
    following = np.arange(1, len(face) + 1)
    following[ends - 1] = starts
    return _Polygons(points, face, np.repeat(starts, ends - starts), following)


def _clip(polygons: _Polygons, axis: int, side: int, beyond: bool = False) -> _Polygons:
    """The parts of polygons within the cube's plane `axis` = `side` (-1 or 1), or beyond it.

    Sutherland and Hodgman (1974), on all polygons at once: each corner leaves itself, if it is kept, and then the point
    where its edge to the following corner crosses the plane, if it does.
    """
    points, face, _, following = polygons
    depth = side * points[axis] - 1.0 if beyond else 1.0 - side * points[axis]
    kept = depth >= 0
    if kept.all():
        return polygons
    crosses = kept != kept[following]
    leaves = kept.astype(np.intp) + crosses
    position = np.cumsum(leaves) - leaves
    clipped = np.zeros((3, leaves.sum()))
    inside = np.flatnonzero(kept)
    clipped[:, position[inside]] = points[:, inside]
    edge = np.flatnonzero(crosses)
    # Reckoned from the inner end, so that both faces that share an edge get the same point to the last bit.
    inner = np.where(kept[edge], edge, following[edge])
    outer = np.where(kept[edge], following[edge], edge)
    along = depth[inner] / (depth[inner] - depth[outer])
    crossing = points[:, inner] + along * (points[:, outer] - points[:, inner])
    crossing[axis] = side
    clipped[:, position[edge] + kept[edge]] = crossing
    return _polygons(clipped, np.repeat(face, leaves))


def _integrate(polygons: _Polygons, values: Array, pairs: int) -> Array:
    """Integrals dy dz (pairs,) of functions that are linear on each polygon, given at the corners (n,)."""
    _, face, first, following = polygons
    y, z = polygons.points[1:] - polygons.points[1:, first]
    # A fan of triangles from the first corner: signed area times the mean of the three values.
    doubled_area = y * z[following] - z * y[following]
    total = values[first] + values + values[following]
    return np.bincount(face // 6, doubled_area * total, minlength=pairs) / 6
