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
boxes; the rest are done in chunks that stay in the processor's cache. A polygon is kept as a bag of sides, not as a
round of corners: then all polygons have equally many, however they are cut, a side that is cut away stays in its place
and counts nothing, and no step has to look for neighbours. Everywhere the pairs, or their polygons, are the last axis.

`iou_plain` is the same for a few boxes, without numpy.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.geometry.boxes import CORNERS, FACES
from vstkit.geometry.rotations import Array, euler_to_matrix

Index: TypeAlias = NDArray[np.intp]
Truth: TypeAlias = NDArray[np.bool_]

_BLOCK = 16384  # pairs whose spheres are compared at a time
_CHUNK = 512  # pairs whose surfaces are
_SIGNS = np.array([[-1.0], [1.0]])
_FACES = ((CORNERS > 0) @ [4, 2, 1])[np.array(FACES)]  # with corners numbered by their signs: --- --+ -+- ... +++
_UNIT_BOX = np.array([[0.0], [0], [0], [1], [1], [1], [0], [0], [0]])
_OTHERS = {1: slice(None, None, 2), 2: slice(None, 2)}  # the coordinates other than y, and other than z


def iou_pairs(a: ArrayLike, b: ArrayLike) -> Array:
    """IoU (n,) of each box of `a` (n, 9) with the box of `b` (n, 9) in the same row.

    A box with a number that is not finite, or a size that is not positive, has IoU 0 with everything; so has one with
    numbers beyond 1e50 or sizes below 1e-50, whose products overflow. Raises ValueError unless there are as many boxes
    in both.
    """
    first, second = _as_boxes(a), _as_boxes(b)
    if len(first) != len(second):
        raise ValueError(f"expected as many boxes in both, got {len(first)} and {len(second)}")
    iou = np.zeros(len(first))
    for start in range(0, len(first), _BLOCK):
        p, q = _clean(first[start : start + _BLOCK]), _clean(second[start : start + _BLOCK])
        meet = np.flatnonzero(_spheres_meet(p, q))
        boxes = _prepare(np.concatenate([p.take(meet, axis=1), q.take(meet, axis=1)], axis=1))
        i = np.arange(len(meet))
        iou[start + meet] = _iou(boxes, i, i + len(meet))
    return iou


def iou_matrix(a: ArrayLike, b: ArrayLike) -> Array:
    """IoU (n, m) of every box of `a` (n, 9) with every box of `b` (m, 9); invalid boxes as in `iou_pairs`."""
    first, second = _clean(_as_boxes(a)), _clean(_as_boxes(b))
    meet = _spheres_meet(first[:, :, None], second[:, None])
    i, j = np.nonzero(meet)
    iou = np.zeros(meet.shape)
    iou[i, j] = _iou(_prepare(np.concatenate([first, second], axis=1)), i, j + first.shape[1])
    return iou


def _as_boxes(boxes: ArrayLike) -> Array:
    return np.asarray(boxes, dtype=float).reshape(-1, 9)


def _clean(boxes: Array) -> Array:
    """Boxes (n, 9) as columns (10, n), the last number the radius of the bounding sphere.

    That of an invalid box is NaN: such a sphere meets no other. Its other numbers are a unit box's, so that they raise
    no floating-point warning.
    """
    columns = np.ascontiguousarray(boxes.T)
    valid = (np.abs(columns) < 1e50).all(axis=0) & (columns[3:6] > 1e-50).all(axis=0)
    if not valid.all():
        columns = np.where(valid, columns, _UNIT_BOX)
    radius = np.sqrt((columns[3:6] * columns[3:6]).sum(axis=0)) / 2
    return np.concatenate([columns, np.where(valid, radius, np.nan)[None]])


def _spheres_meet(a: Array, b: Array) -> Truth:
    offset, reach = a[:3] - b[:3], a[9] + b[9]
    offset *= offset
    return np.asarray(offset.sum(axis=0) < reach * reach)


class _Boxes(NamedTuple):
    """n boxes, ready for comparison."""

    centre: Array  # (3, n)
    half: Array  # (3, n) half sizes
    rotation: Array  # (3, 3, n)
    volume: Array  # (n,)

    def take(self, index: Index) -> _Boxes:
        return _Boxes(*(field.take(index, axis=-1) for field in self))


def _prepare(columns: Array) -> _Boxes:
    half = columns[3:6] / 2
    rotation = np.ascontiguousarray(np.moveaxis(euler_to_matrix(columns[6:9].T), 0, -1))
    return _Boxes(columns[:3], half, rotation, 8 * half.prod(axis=0))


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
    in_a, in_b = (a.rotation * offset).sum(axis=0), (b.rotation * offset).sum(axis=0)
    rotation = _snap((b.rotation[:, :, None] * a.rotation[:, None]).sum(axis=0))  # from a's axes to b's
    cosines = np.abs(rotation)
    reach_a = (cosines * a.half).sum(axis=1)  # half extent of a along b's axes, and of b along a's
    reach_b = (cosines * b.half[:, None]).sum(axis=0)
    distance = np.abs(in_b)
    apart = (distance >= b.half + reach_a).any(axis=0) | (np.abs(in_a) >= a.half + reach_b).any(axis=0)
    inside = (distance + reach_a <= b.half).all(axis=0)

    shared = np.where(inside, a.volume, 0.0)
    rest = np.flatnonzero(~(apart | inside))
    if rest.size:
        unit = b.half.take(rest, axis=1)
        edges = rotation.take(rest, axis=2) * a.half.take(rest, axis=1) / unit[:, None]
        part = _volume_in_cube(in_b.take(rest, axis=1) / unit, edges) * unit.prod(axis=0)
        shared[rest] = np.clip(part, 0.0, a.volume[rest])
    return shared


def _snap(R: Array) -> Array:
    """Rotations (3, 3, p), those within rounding of quarter turns replaced by these.

    A product of two matrices is off by some 1e-16, which a rod 10 km long and 1 mm thin multiplies by 1e7; with this,
    equal boxes have IoU 1 whatever their shape.
    """
    nearest = np.rint(R)
    return np.where((np.abs(R - nearest) < 1e-15).all(axis=(0, 1)), nearest, R)


def _volume_in_cube(centre: Array, edges: Array) -> Array:
    """Volume (p,) in the cube [-1, 1]^3 of the boxes centre (3, p) + edges (3, 3, p) [-1, 1]^3, as explained on top."""
    # Any of the cube's axes can be x. Best is one that is also the box's, for then four faces have no area dy dz; else
    # the one along which the box stands out least, for that leaves least to do beyond x = 1 and -1.
    shared = (edges == 0).sum(axis=1) == 2
    least = np.argmin(np.where(shared, 0.0, np.abs(centre) + np.abs(edges).sum(axis=1)), axis=0)
    both = np.concatenate([centre[:, None], edges], axis=1)
    both = np.where(least == 0, both, np.where(least == 1, both[[1, 2, 0]], both[[2, 0, 1]]))
    centre, edges = both[:, 0], both[:, 1:]

    sides, pair = _sides(centre, edges)
    live = np.ones(sides.shape[2:], dtype=bool)
    for axis in (1, 2):
        sides, live = _clip(sides, live, axis)
    beyond = [np.flatnonzero(((sign * sides[0, 0] > 1) & live).any(axis=0)) for sign in (1, -1)]
    rows, sign = np.concatenate(beyond), np.repeat([1.0, -1.0], [len(beyond[0]), len(beyond[1])])
    excess = _excess(sides.take(rows, axis=3), live.take(rows, axis=1), sign)
    sides[:, 0] -= np.clip(centre[0], -1.0, 1.0)[pair]
    flux = np.concatenate([_integrate(sides, live, live), -sign * excess])
    return np.bincount(np.concatenate([pair, pair[rows]]), flux, minlength=centre.shape[1]) / 6


def _sides(centre: Array, edges: Array) -> tuple[Array, Index]:
    """The sides of the faces of boxes that may have a part with |y| <= 1 and |z| <= 1, and each one's box (f,).

    Sides are (end, coordinate, number of the side, face), here (2, 3, 4, f).
    """
    n = centre.shape[1]
    steps = _SIGNS * edges[:, :, None]
    corners = centre[:, None] + steps[:, 0]
    corners = corners[:, :, None] + steps[:, None, 1]
    corners = corners[:, :, :, None] + steps[:, None, None, 2]
    middle, extent = (centre[1:, None, None] + steps[1:]), np.abs(edges[1:])
    extent = extent.sum(axis=1, keepdims=True) - extent  # of the face, about its middle
    area = edges[1, [1, 2, 0]] * edges[2, [2, 0, 1]] != edges[1, [2, 0, 1]] * edges[2, [1, 2, 0]]
    at = np.flatnonzero((np.abs(middle) - extent[:, :, None] < 1).all(axis=0) & area[:, None])
    face, pair = np.divmod(at, n)
    sides = np.zeros((2, 3, 4, len(at)))
    sides[0] = corners.reshape(3, -1).take(_FACES.T[:, face] * n + pair, axis=1)
    sides[1] = sides[0, :, [1, 2, 3, 0]].swapaxes(0, 1)
    return sides, pair


def _clip(sides: Array, live: Truth, axis: int) -> tuple[Array, Truth]:
    """The polygons' parts between the cube's planes `axis` = -1 and 1; sides (2, 3, s, f) become (2, 3, s + 2, f).

    `live` (s, f) tells the sides that count. A convex polygon leaves through a plane at most once, and comes back at
    most once: from the one point to the other, along the plane, runs a new side, the last but one in 1, the last in -1.
    """
    s = sides.shape[2]
    others = _OTHERS[axis]
    at, before = sides[:, axis], sides[:, others]
    clipped = np.zeros((2, 3, s + 2, sides.shape[3]))
    inside = np.clip(at, -1.0, 1.0, out=clipped[:, axis, :s])
    length = at[1] - at[0]
    length += length == 0
    moved = clipped[:, others, :s]
    np.multiply(np.clip((inside - at) / length, -1.0, 1.0)[:, None], before[1] - before[0], out=moved)
    moved += before
    # Rounding must not carry a point past its side's end: a polygon could then leave twice.
    np.clip(moved, before.min(axis=0), before.max(axis=0), out=moved)

    kept = np.zeros(clipped.shape[2:], dtype=bool)
    kept[:s] = live
    for new, plane in ((s, 1.0), (s + 1, -1.0)):
        beyond = plane * at > 1
        outside = beyond.all(axis=0)
        # Which side leaves, at its second end, and which comes back, at its first.
        turns = beyond[::-1] & ~outside & live
        clipped[:, axis, new] = plane
        clipped[:, others, new] = np.einsum("esf,ecsf->ecf", turns.astype(float), moved[::-1])
        kept[:s] &= ~outside
        kept[new] = turns[0].any(axis=0)
    return clipped, kept


def _excess(sides: Array, live: Truth, sign: Array) -> Array:
    """Six times the integrals (f,) of max(sign x - 1, 0) dy dz over polygons; spoils `sides` (2, 3, s, f)."""
    height = sign * sides[:, 0] - 1
    beyond = height > 0
    sides[:, 0] = np.maximum(height, 0)
    length = height[1] - height[0]
    length += length == 0
    sides[:, 1:] += np.clip((sides[:, 0] - height) / length, -1.0, 1.0)[:, None] * (sides[1, 1:] - sides[0, 1:])
    live = live & beyond.any(axis=0)
    # The polygon's part is closed by a side along the plane. With their tip in the plane, too, the triangle over that
    # side is empty, and it can be left out.
    leaves = live & ~beyond[1]
    return _integrate(sides, live, np.where(leaves.any(axis=0), leaves, live))


def _integrate(sides: Array, live: Truth, tip: Truth) -> Array:
    """Six times the integrals (f,) of x dy dz over polygons.

    By triangles over the sides, each its doubled area times the sum of x at its corners. Their common tip is the mean
    of the second ends of the sides in `tip` (s, f). The sums are Python's, because numpy adds a single column in
    another order than many: so an IoU is the same to the last bit in any company.
    """
    weight = tip.astype(float)
    middle = sum((weight * sides[1]).swapaxes(0, 1)) / np.maximum(weight.sum(axis=0), 1)
    start, end = sides[:, 1:] - middle[1:, None]
    area = start[0] * end[1]
    area -= start[1] * end[0]
    total = sides[0, 0] + sides[1, 0]
    total += middle[0]
    total *= area
    total *= live
    return np.asarray(sum(total))
