"""Footprints and their overlap against hulls and clipped half-planes of scipy, and against random points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from vstkit.geometry.footprints import areas, footprints, ground, overlap

seeds = st.integers(0, 2**32 - 1)


def random_boxes(rng, n, upright=False):
    boxes = np.column_stack(
        [rng.uniform(-1, 1, (n, 3)), 10 ** rng.uniform(-1, 0.3, (n, 3)), rng.uniform(-180, 180, (n, 3))]
    )
    if upright:
        boxes[:, [6, 8]] = 0
    return boxes


def corners_of(box):
    R = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    return box[:3] + (signs * box[3:6] / 2) @ R.T


@given(seeds, st.booleans())
def test_a_footprint_is_the_hull_of_the_corners(seed, upright):
    rng = np.random.default_rng(seed)
    boxes, up = random_boxes(rng, 5, upright), np.array([0.0, -1.0, 0.0]) if upright else rng.normal(size=3)
    plane = ground(up / np.linalg.norm(up))
    assert np.allclose(plane.T @ plane, np.eye(2))
    assert np.allclose(up @ plane, 0)
    for box, polygon, area in zip(boxes, prints := footprints(boxes, plane), areas(prints), strict=True):
        hull = ConvexHull(corners_of(box) @ plane)
        assert area == pytest.approx(hull.volume)
        outside = hull.equations[:, :2] @ polygon.T + hull.equations[:, 2:]
        assert outside.max() < 1e-9
        x, y = (np.roll(polygon, -1, axis=0) - polygon).T
        assert (x * np.roll(y, -1) - y * np.roll(x, -1)).min() > -1e-9  # anticlockwise


def test_overlap_is_the_share_of_points_in_both():
    rng = np.random.default_rng(0)
    plane = ground([0, 0, 1])
    a, b = footprints(random_boxes(rng, 40), plane), footprints(random_boxes(rng, 40), plane)

    def holds(polygon, points):
        edges = np.roll(polygon, -1, axis=0) - polygon
        away = points[:, None] - polygon
        return (edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0] >= -1e-12).all(axis=1)

    points = rng.uniform(0, 1, (40_000, 2))
    for p, q in zip(a, b, strict=True):
        low, high = p.min(axis=0), p.max(axis=0)
        thrown = low + points * (high - low)
        measured = (holds(p, thrown) & holds(q, thrown)).mean() * (high - low).prod()
        assert overlap(p, q) == pytest.approx(measured, abs=0.012 * (high - low).prod())
        assert overlap(q, p) == pytest.approx(overlap(p, q), abs=1e-12)


def test_overlap_of_the_same_and_of_flush_rectangles():
    boxes = np.array([[0, 0, 0, 2, 1, 1, 0, 0, 30.0], [0, 0, 5, 2, 1, 1, 0, 0, 30], [0, 0, 0, 1, 1, 1, 0, 0, 30]])
    p, q, r = footprints(boxes, ground([0, 0, 1]))
    assert overlap(p, q) == pytest.approx(2)
    assert overlap(p, r) == pytest.approx(1)
    far = footprints([[9, 0, 0, 2, 1, 1, 0, 0, 0]], ground([0, 0, 1]))[0]
    assert overlap(p, far) == 0


def test_the_ground_has_the_way_forward():
    tilt = np.radians(30)
    plane = ground([0, -np.cos(tilt), -np.sin(tilt)])  # a camera that looks down by 30 degrees
    assert np.allclose(plane[:, 1], [0, -np.sin(tilt), np.cos(tilt)])
    assert np.allclose(np.abs(plane[:, 0]), [1, 0, 0])
    assert np.allclose(ground([0, 0, 1]).T @ [0, 0, 1], 0)
