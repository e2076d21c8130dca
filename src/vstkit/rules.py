"""What types cannot say about the fields of records: each rule returns what was expected and found, or nothing."""

from __future__ import annotations

import math


def crop(box: list[int]) -> str:
    x0, y0, x1, y1 = box
    return "" if 0 <= x0 < x1 and 0 <= y0 < y1 else f"expected 0 <= x0 < x1 and 0 <= y0 < y1, got {box}"


# How many numbers `xy` holds: a point, two corners, centre and radius, tail and head; an outline holds any polygon.
MARK_NUMBERS = {"point": 2, "box": 4, "circle": 3, "arrow": 4, "outline": None}


def mark_numbers(xy: list[float], shape: str) -> str:
    wanted = MARK_NUMBERS[shape]
    if wanted is None:
        whole = len(xy) >= 6 and len(xy) % 2 == 0
        return "" if whole else f"expected three or more points as x, y pairs, got {len(xy)} numbers"
    return "" if len(xy) == wanted else f"expected {wanted} numbers for shape {shape}, got {len(xy)}"


def camera(camera: list[float]) -> str:
    right = len(camera) == 4 and min(camera[:2]) > 0
    return "" if right else f"expected fx, fy, cx, cy with fx and fy positive, got {camera}"


def pose(pose: list[list[float]]) -> str:
    if len(pose) != 4 or any(len(row) != 4 for row in pose):
        return "expected 4 rows of 4 numbers"
    R = [row[:3] for row in pose[:3]]
    dots = [abs(sum(a * b for a, b in zip(p, q, strict=True)) - (p is q)) for p in R for q in R]
    if not max(dots) <= 1e-3:
        return f"expected an orthonormal rotation (to 0.001), off by {max(dots):.3g}"
    (a, b, c), (d, e, f), (g, h, i) = R
    if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0:
        return "expected a right-handed rotation, got a mirror (determinant -1)"
    last = all(abs(a - b) <= 1e-6 for a, b in zip(pose[3], (0, 0, 0, 1), strict=True))
    return "" if last else f"expected the last row 0 0 0 1, got {pose[3]}"


def label(label: str) -> str:
    return "" if label.strip() else "expected a name, got nothing"


def sizes(box: list[float]) -> str:
    return "" if min(box[3:6]) > 0 else f"expected three positive sizes, got {box[3:6]}"


def unit_vector(vector: list[float]) -> str:
    length = math.hypot(*vector)
    return "" if abs(length - 1) <= 1e-3 else f"expected a unit vector, got length {length:.4g}"


def offered(value: str, options: dict[str, str]) -> str:
    return "" if value in options else f"expected one of {', '.join(options)}, got {value}"
