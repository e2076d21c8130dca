"""Exact intersection over union of oriented boxes, for a few boxes, without numpy.

The computation of `iou`, which explains it, in plain floats: numpy's calls alone cost as much as some fifteen pairs
that meet, and its import as much as thousands. Here a face that is not cut, or has no area in y and z, as four of six
where the boxes share an axis, costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin, sqrt
from typing import NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Point, Point, Point]
Row: TypeAlias = tuple[float, float, float, float]


def iou_matrix(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> list[list[float]]:
    """IoU of every box of `a` with every box of `b`: a row for each of `a`, a column for each of `b`.

    Boxes are nine numbers each; every IoU is in [0, 1]. A box with a number that is not finite or is beyond 1e50, or
    with a size below 1e-50, has IoU 0 with everything. Raises ValueError for boxes that are not nine numbers.
    """
    columns = [_prepare(box) for box in b]
    return [[_iou(p, q) for q in columns] for p in map(_prepare, a)]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """IoU of two boxes; as in `iou_matrix`."""
    return _iou(_prepare(a), _prepare(b))


class _Box(NamedTuple):
    centre: Point
    half: Point
    axes: Matrix  # the box's three axes, as unit vectors
    volume: float
    radius: float


def _prepare(box: Sequence[float]) -> _Box | None:
    """A box, ready for comparison; None for an invalid one."""
    x, y, z, width, height, depth, pitch, yaw, roll = box
    # Written so that NaN fails, and integers of any length are compared before they are made floats.
    placed = abs(x) < 1e50 and abs(y) < 1e50 and abs(z) < 1e50
    turned = abs(pitch) < 1e50 and abs(yaw) < 1e50 and abs(roll) < 1e50
    if not (placed and turned and 1e-50 < width < 1e50 and 1e-50 < height < 1e50 and 1e-50 < depth < 1e50):
        return None
    half = (width / 2, height / 2, depth / 2)
    axes = _axes(radians(pitch), radians(yaw), radians(roll))
    radius = sqrt(width * width + height * height + depth * depth) / 2
    return _Box((float(x), float(y), float(z)), half, axes, 8 * half[0] * half[1] * half[2], radius)


def _axes(pitch: float, yaw: float, roll: float) -> Matrix:
    """The columns of `rotations.euler_to_matrix`, of angles in radians."""
    sx, sy, sz, cx, cy, cz = sin(pitch), sin(yaw), sin(roll), cos(pitch), cos(yaw), cos(roll)
    return (
        (cz * cy, sz * cy, -sy),
        (cz * sy * sx - sz * cx, sz * sy * sx + cz * cx, cy * sx),
        (cz * sy * cx + sz * sx, sz * sy * cx - cz * sx, cy * cx),
    )


def _iou(a: _Box | None, b: _Box | None) -> float:
    if a is None or b is None:
        return 0.0
    (ax, ay, az), (bx, by, bz) = a.centre, b.centre
    x, y, z = ax - bx, ay - by, az - bz
    reach = a.radius + b.radius
    if x * x + y * y + z * z >= reach * reach:
        return 0.0
    shared = _intersection(b, a, (-x, -y, -z)) if a.volume > b.volume else _intersection(a, b, (x, y, z))
    return shared / (a.volume + b.volume - shared)


def _intersection(a: _Box, b: _Box, offset: Point) -> float:
    """Volume that boxes share; a is the smaller, its centre `offset` from that of b."""
    half_a, half_b = a.half, b.half
    in_b = x, y, z = _along(b.axes, offset)
    p, q, r = half_b
    if abs(x) >= p + a.radius or abs(y) >= q + a.radius or abs(z) >= r + a.radius:
        return 0.0
    rotation = _snap([_along(a.axes, axis) for axis in b.axes])  # from a's axes to b's
    inside = True
    for distance, half, row in zip(in_b, half_b, rotation, strict=True):
        reach = _reach(row, half_a)
        if abs(distance) >= half + reach:
            return 0.0
        inside = inside and abs(distance) + reach <= half
    if inside:
        return a.volume
    for distance, half, column in zip(_along(a.axes, offset), half_a, zip(*rotation, strict=True), strict=True):
        if abs(distance) >= half + _reach(column, half_b):
            return 0.0
    x, y, z = half_a
    unit = [
        (distance / half, row[0] * x / half, row[1] * y / half, row[2] * z / half)
        for distance, half, row in zip(in_b, half_b, rotation, strict=True)
    ]
    return min(max(_volume_in_cube(unit) * p * q * r, 0.0), a.volume)


def _along(axes: Matrix, point: Point) -> Point:
    """Components of a point along three axes."""
    (a, b, c), (d, e, f), (g, h, i) = axes
    x, y, z = point
    return (a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z)


def _reach(direction: Point, half: Point) -> float:
    """Half the extent along a direction, in a box's axes, of the box."""
    x, y, z = direction
    p, q, r = half
    return abs(x) * p + abs(y) * q + abs(z) * r


def _snap(rotation: list[Point]) -> list[Point]:
    """Rows of a rotation, or of the quarter turn that it is within rounding."""
    if 1e-15 <= abs(rotation[0][0]) <= 1 - 1e-15:
        return rotation
    nearest = [(float(round(x)), float(round(y)), float(round(z))) for x, y, z in rotation]
    off = [abs(x - y) for row, other in zip(rotation, nearest, strict=True) for x, y in zip(row, other, strict=True)]
    return nearest if max(off) < 1e-15 else rotation


def _volume_in_cube(rows: list[Row]) -> float:
    """Volume in the cube [-1, 1]^3 of the box centre + edges [-1, 1]^3; a row has one coordinate of all four."""
    # Any axis can be x. Best is one that the boxes share, for then four faces have no area dy dz; else the one along
    # which the box stands out least.
    i = min((0, 1, 2), key=lambda axis: _stands_out(*rows[axis]))
    (x, *edges_x), (y, *edges_y), (z, *edges_z) = rows[i], rows[i - 2], rows[i - 1]
    x0 = min(max(x, -1.0), 1.0)
    flux = 0.0
    for k, along, across in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        in_x = edges_x[along], edges_x[across]
        in_y = edges_y[along], edges_y[across]
        in_z = edges_z[along], edges_z[across]
        if in_y[0] * in_z[1] != in_y[1] * in_z[0]:
            step_x, step_y, step_z = edges_x[k], edges_y[k], edges_z[k]
            flux += _flux((x + step_x, *in_x), (y + step_y, *in_y), (z + step_z, *in_z), x0)
            flux -= _flux((x - step_x, *in_x), (y - step_y, *in_y), (z - step_z, *in_z), x0)
    return flux / 6


def _stands_out(centre: float, p: float, q: float, r: float) -> float:
    shared = (p == 0) + (q == 0) + (r == 0) == 2
    return 0.0 if shared else abs(centre) + abs(p) + abs(q) + abs(r)


def _flux(x: Point, y: Point, z: Point, x0: float) -> float:
    """Six times the integral of clamp(x) - x0 over a face's part with |y| <= 1 and |z| <= 1.

    The face is middle + first [-1, 1] + second [-1, 1]; `x`, `y`, `z` have one coordinate of all three.
    """
    (mx, ux, vx), (my, uy, vy), (mz, uz, vz) = x, y, z
    reach_x, reach_y, reach_z = abs(ux) + abs(vx), abs(uy) + abs(vy), abs(uz) + abs(vz)
    if abs(my) - reach_y >= 1 or abs(mz) - reach_z >= 1:
        return 0.0
    if abs(mx) + reach_x <= 1 and abs(my) + reach_y <= 1 and abs(mz) + reach_z <= 1:
        return 24 * (uy * vz - uz * vy) * (mx - x0)
    polygon = [
        (mx - ux - vx, my - uy - vy, mz - uz - vz),
        (mx + ux - vx, my + uy - vy, mz + uz - vz),
        (mx + ux + vx, my + uy + vy, mz + uz + vz),
        (mx - ux + vx, my - uy + vy, mz - uz + vz),
    ]
    if my + reach_y > 1:
        polygon = _cut(polygon, 1, -1.0, 1.0)
    if my - reach_y < -1:
        polygon = _cut(polygon, 1, 1.0, 1.0)
    if mz + reach_z > 1:
        polygon = _cut(polygon, 2, -1.0, 1.0)
    if mz - reach_z < -1:
        polygon = _cut(polygon, 2, 1.0, 1.0)
    flux = _integrate(polygon, 1.0, -x0)
    if mx + reach_x > 1:
        flux -= _integrate(_cut(polygon, 0, 1.0, -1.0), 1.0, -1.0)
    if mx - reach_x < -1:
        flux += _integrate(_cut(polygon, 0, -1.0, -1.0), -1.0, -1.0)
    return flux


def _cut(polygon: list[Point], axis: int, slope: float, offset: float) -> list[Point]:
    """The part of a convex polygon where slope * coordinate + offset >= 0 (Sutherland and Hodgman, 1974)."""
    if not polygon:
        return polygon
    kept = []
    last = polygon[-1]
    last_depth = slope * last[axis] + offset
    for point in polygon:
        depth = slope * point[axis] + offset
        if (depth >= 0) != (last_depth >= 0):
            along = last_depth / (last_depth - depth)
            (x, y, z), (p, q, r) = last, point
            kept.append((x + along * (p - x), y + along * (q - y), z + along * (r - z)))
        if depth >= 0:
            kept.append(point)
        last, last_depth = point, depth
    return kept


def _integrate(polygon: list[Point], slope: float, offset: float) -> float:
    """Six times the integral of slope * x + offset over a polygon, by triangles from its first corner."""
    total = 0.0
    if polygon:
        x0, y0, z0 = polygon[0]
        constant = x0 + 3 * offset / slope
        x1, y1, z1 = 0.0, y0, z0
        for x, y, z in polygon[1:]:
            total += ((y1 - y0) * (z - z0) - (z1 - z0) * (y - y0)) * (x1 + x + constant)
            x1, y1, z1 = x, y, z
    return slope * total
