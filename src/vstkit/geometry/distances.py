"""Exact Euclidean distances between solid oriented boxes, for many pairs at once.

Where two convex polyhedra are closest, a corner of one meets the other solid, or two edges cross: there the line
between the closest points is at right angles to both edges. So the closest points of two boxes are the best of

- the 8 corners of each and the points of the other box nearest to them (`_corners`);
- the 12 x 12 pairs of edges, where the shortest line between the edges' lines ends on the edges (`_edges`);
- a point that both share, when they overlap: then an edge of one passes through the other (`_shared`).

Every one of these is a pair of points of the two boxes, so rounding never makes a distance too small, and where edges
are almost parallel the corners are as good. No tolerance decides what overlaps.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.geometry.boxes import CORNERS, EDGES
from vstkit.geometry.rotations import Array, euler_to_matrix

Index: TypeAlias = NDArray[np.intp]

_CHUNK = 512  # pairs at a time, so that the arrays of edge pairs stay in the processor's cache
_PARALLEL = 1e-12  # sine squared of the angle below which the corners stand in for two edges
_SIGNS = np.array([[-1.0, -1.0], [-1, 1], [1, -1], [1, 1]])  # of the four edges along an axis, on the other two axes
_STARTS, _ENDS = np.array(EDGES).T
_AXIS = np.arange(3)
_NEXT, _LAST = np.roll(_AXIS, -1), np.roll(_AXIS, -2)  # the two other axes, in turn


def between(a: ArrayLike, b: ArrayLike) -> Array:
    """Distance (n,) in metres between each box of `a` (n, 9) and that of `b` (n, 9) in the same row, both solid.

    0 where they touch or overlap. Raises ValueError unless there are as many boxes in both.
    """
    p, q = closest_points(a, b)
    return np.asarray(np.sqrt(((p - q) ** 2).sum(axis=-1)))


def closest_points(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    """Points (n, 3) of the boxes `a` (n, 9) and (n, 3) of the boxes `b` (n, 9) that are closest to each other.

    Where boxes overlap the two are one and the same point that both share. Where several pairs are as close, as between
    parallel faces, they are one of them. Raises ValueError unless there are as many boxes in both.
    """
    a, b = (np.asarray(boxes, dtype=float).reshape(-1, 9) for boxes in (a, b))
    if len(a) != len(b):
        raise ValueError(f"expected as many boxes in both, got {len(a)} and {len(b)}")
    p, q = np.zeros((len(a), 3)), np.zeros((len(a), 3))
    for start in range(0, len(a), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        p[chunk], q[chunk] = _closest(a[chunk], b[chunk])
    return p, q


def pairwise(boxes: ArrayLike) -> Array:
    """Distances (m, m) in metres between all boxes (m, 9); symmetric, 0 on the diagonal."""
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 9)
    i, j = np.triu_indices(len(boxes), 1)
    distances = np.zeros((len(boxes), len(boxes)))
    distances[i, j] = distances[j, i] = between(boxes[i], boxes[j])
    return distances


def to_point(boxes: ArrayLike, points: ArrayLike) -> Array:
    """Distance (...) in metres from solid boxes (..., 9) to points (..., 3); 0 in the box."""
    boxes = np.asarray(boxes, dtype=float)
    offset = np.asarray(points, dtype=float) - boxes[..., :3]
    in_box = (offset[..., None, :] @ euler_to_matrix(boxes[..., 6:]))[..., 0, :]
    beyond = np.maximum(np.abs(in_box) - boxes[..., 3:6] / 2, 0)
    return np.asarray(np.sqrt((beyond**2).sum(axis=-1)))


def _closest(a: Array, b: Array) -> tuple[Array, Array]:
    """Closest points (n, 3), (n, 3) in the boxes' own frame."""
    A, B = euler_to_matrix(a[:, 6:]), euler_to_matrix(b[:, 6:])
    half_a, half_b = a[:, 3:6] / 2, b[:, 3:6] / 2
    offset = b[:, :3] - a[:, :3]  # everything below is about a's centre: far from the origin no digit is lost
    # Corners of each in the axes of the other.
    a_in_b = (CORNERS * half_a[:, None] @ A.swapaxes(1, 2) - offset[:, None]) @ B
    b_in_a = (CORNERS * half_b[:, None] @ B.swapaxes(1, 2) + offset[:, None]) @ A
    pairs = _nearer(
        _placed(*_corners(a_in_b, half_b), B, offset), _placed(*_corners(b_in_a, half_a), A, 0 * offset)[:, ::-1]
    )
    # Most pairs are done: all of the one box lies behind its point, all of the other beyond its own.
    line = pairs[:, 1] - pairs[:, 0]
    extent = _half_extent(line, A, half_a) + _half_extent(line, B, half_b)
    squared = (line * line).sum(axis=1)
    rest = np.flatnonzero(~((line * offset).sum(axis=1) - extent >= (1 - 1e-12) * squared))
    if rest.size:
        A, B, half_a, half_b, offset = A[rest], B[rest], half_a[rest], half_b[rest], offset[rest]
        found = _nearer(pairs[rest], _edges(A, half_a, B, half_b, offset))
        for corners, half, R, centre in ((a_in_b, half_b, B, offset), (b_in_a, half_a, A, 0 * offset)):
            point, there = _shared(corners[rest], half)
            found[there] = _placed(point, point, R, centre)[there]
        pairs[rest] = found
    pairs += a[:, None, :3]
    return pairs[:, 0], pairs[:, 1]


def _placed(p: Array, q: Array, R: Array, centre: Array) -> Array:
    """Pairs (n, 2, 3) of points p (n, 3) and q (n, 3) that are given in a box's axes."""
    return np.asarray(np.stack([p, q], axis=1) @ R.swapaxes(1, 2) + centre[:, None])


def _nearer(pairs: Array, others: Array) -> Array:
    """In each row of pairs of points (n, 2, 3) the pair that is closer together."""
    first, second = (((x[:, 0] - x[:, 1]) ** 2).sum(axis=1) for x in (pairs, others))
    return np.where((second < first)[:, None, None], others, pairs)


def _half_extent(directions: Array, R: Array, half: Array) -> Array:
    """Half extents (n,) of boxes along directions (n, 3), times the directions' lengths."""
    return np.asarray((np.abs(directions[:, None] @ R)[:, 0] * half).sum(axis=1))


def _corners(corners: Array, half: Array) -> tuple[Array, Array]:
    """Of corners (n, 8, 3) in a box's axes, the one (n, 3) nearest to the box, and the point (n, 3) nearest to it."""
    clamped = np.clip(corners, -half[:, None], half[:, None])
    best = ((corners - clamped) ** 2).sum(axis=-1).argmin(axis=1)
    rows = np.arange(len(half))
    return corners[rows, best], clamped[rows, best]


def _shared(corners: Array, half: Array) -> tuple[Array, NDArray[np.bool_]]:
    """A point (n, 3) of a box on an edge of the other, whose corners (n, 8, 3) are in its axes, and if there is one."""
    start, along = corners[:, _STARTS], corners[:, _ENDS] - corners[:, _STARTS]
    along = np.where(along == 0, 1e-300, along)
    one, other = (-half[:, None] - start) / along, (half[:, None] - start) / along
    enter = np.maximum(np.minimum(one, other).max(axis=-1), 0)
    leave = np.minimum(np.maximum(one, other).min(axis=-1), 1)
    rows, best = np.arange(len(half)), (leave - enter).argmax(axis=1)
    enter, leave = enter[rows, best, None], leave[rows, best, None]
    middle = np.clip((enter + leave) / 2, 0, 1)
    return start[rows, best] + middle * along[rows, best], (leave >= enter)[:, 0]


def _edges(A: Array, half_a: Array, B: Array, half_b: Array, offset: Array) -> Array:
    """Closest points (n, 2, 3) of the pair of edges that are closest; far apart where no two edges cross."""
    # The pairs come last, for speed: arrays are (axis i of a, axis j of b, edge of a, edge of b, pair).
    M = np.ascontiguousarray((A.swapaxes(1, 2) @ B).transpose(1, 2, 0))  # cosines between the axes
    offset_a, offset_b = (offset[:, None] @ A)[:, 0].T[:, None], (offset[:, None] @ B)[:, 0].T[None]
    size_a, size_b = half_a.T[:, None], half_b.T[None]
    sine2 = M[_NEXT] ** 2 + M[_LAST] ** 2
    crossing = sine2 > _PARALLEL
    sine2 = np.where(crossing, sine2, 1.0)
    # The line between the middles of two edges, taken along the one edge and along the other, gives where on these
    # (s and t, from the middle) they are closest.
    along_a = (offset_a[..., None, :] + _four(size_b * M, 1)) / sine2[:, :, None]
    along_b = (offset_b[..., None, :] - _four(size_a * M, 0)) / sine2[:, :, None]
    cosine = M[:, :, None]
    s = along_a[:, :, None] - (cosine * along_b)[:, :, :, None]
    t = (cosine * along_a)[:, :, None] - along_b[:, :, :, None]
    # Their distance is that line's part along the cross product of the two axes, which is (-M[i + 2, j], M[i + 1, j])
    # on a's other two axes and (M[i, j + 2], -M[i, j + 1]) on b's.
    straight = offset_a[_LAST] * M[_NEXT] - offset_a[_NEXT] * M[_LAST]
    to_a = straight[:, :, None] - _SIGNS[:, :1] * (-size_a[_NEXT] * M[_LAST])[:, :, None]
    to_a -= _SIGNS[:, 1:] * (size_a[_LAST] * M[_NEXT])[:, :, None]
    to_b = _SIGNS[:, :1] * (size_b[:, _NEXT] * M[:, _LAST])[:, :, None]
    to_b -= _SIGNS[:, 1:] * (size_b[:, _LAST] * M[:, _NEXT])[:, :, None]
    sine = np.sqrt(sine2)[:, :, None]
    gap = np.abs((to_a / sine)[:, :, :, None] + (to_b / sine)[:, :, None])
    apart = (np.abs(s) > size_a[:, :, None, None]) | (np.abs(t) > size_b[:, :, None, None])
    gap[apart | ~crossing[:, :, None, None]] = np.inf

    best = gap.reshape(-1, len(A)).argmin(axis=0)
    i, j, edge_a, edge_b = np.unravel_index(best, gap.shape[:-1])
    at = (i, j, edge_a, edge_b, np.arange(len(A)))
    p = (A @ _on_edge(i, edge_a, s[at], half_a)[..., None])[..., 0]
    q = (B @ _on_edge(j, edge_b, t[at], half_b)[..., None])[..., 0] + offset
    return np.stack([p, np.where(np.isinf(gap[at])[:, None], np.inf, q)], axis=1)


def _four(reach: Array, axis: int) -> Array:
    """What the two other axes add for the four edges along each `axis`: (3, 3, 4, n) out of (3, 3, n)."""
    one, other = np.take(reach, _NEXT, axis), np.take(reach, _LAST, axis)
    return np.asarray(_SIGNS[:, :1] * one[:, :, None] + _SIGNS[:, 1:] * other[:, :, None])


def _on_edge(axis: Index, edge: Index, along: Array, half: Array) -> Array:
    """Points (n, 3) in boxes' axes, `along` (n,) metres from the middle of one of the four edges along an axis."""
    rows = np.arange(len(half))
    points = np.zeros((len(half), 3))
    points[rows, axis] = along
    for other, sign in ((_NEXT[axis], _SIGNS[edge, 0]), (_LAST[axis], _SIGNS[edge, 1])):
        points[rows, other] = sign * half[rows, other]
    return points
