"""Distances between boxes against scipy's bounded least squares: the points are centre + axes t with |t| <= 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from vstkit.geometry.boxes import contains
from vstkit.geometry.distances import between, closest_points, pairwise, to_point
from vstkit.geometry.iou import iou_pairs

EXACT = 1e-11


def random_boxes(rng, n, spread=1.5, sizes=(-1.0, 0.3)):
    centres, angles = rng.uniform(-spread, spread, (n, 3)), rng.uniform(-180, 180, (n, 3))
    return np.column_stack([centres, 10 ** rng.uniform(*sizes, (n, 3)), angles])


def axes(box):
    return Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix() * box[3:6] / 2


def solved(a, b):
    system = np.hstack([axes(a), -axes(b)])
    found = lsq_linear(system, b[:3] - a[:3], (-1, 1), method="bvls", tol=1e-15)
    return np.linalg.norm(system @ found.x - (b[:3] - a[:3]))


def assert_exact(a, b, least_apart=0.5):
    expected = np.array([solved(p, q) for p, q in zip(a, b, strict=True)])
    assert (expected > 1e-6).mean() >= least_apart
    assert np.abs(between(a, b) - expected).max() < EXACT
    assert np.abs(between(b, a) - expected).max() < EXACT


def upright(boxes, step=None):
    boxes[:, 6:8] = 0
    if step:
        boxes[:, 8] = np.round(boxes[:, 8] / step) * step
    return boxes


def beside(a, gap, rng):
    """Boxes of a's axes and other sizes, each `gap` from a face of a, shifted along it at random."""
    b = a.copy()
    b[:, 3:6] = 10 ** rng.uniform(-1, 0.3, (len(a), 3))
    rows, axis = np.arange(len(a)), rng.integers(3, size=len(a))
    shift = rng.uniform(-0.9, 0.9, (len(a), 3)) * (a[:, 3:6] + b[:, 3:6]) / 2
    shift[rows, axis] = (a + b)[rows, 3 + axis] / 2 + gap
    R = Rotation.from_euler("xyz", a[:, 6:], degrees=True).as_matrix()
    b[:, :3] += np.einsum("nij,nj->ni", R, shift)
    return b


def test_random_boxes():
    rng = np.random.default_rng(0)
    assert_exact(random_boxes(rng, 400), random_boxes(rng, 400))


def test_boxes_that_share_the_vertical_or_all_axes():
    rng = np.random.default_rng(1)
    for step in (None, 90):
        assert_exact(upright(random_boxes(rng, 150), step), upright(random_boxes(rng, 150), step))


def test_plates_and_rods():
    rng = np.random.default_rng(2)
    for spread in (0.3, 1.5):
        a, b = (random_boxes(rng, 150, spread, sizes=(-4, 0.5)) for _ in range(2))
        assert_exact(a, b)


@pytest.mark.parametrize("degrees", [1, 1e-3, 1e-5, 1e-7, 1e-9])
def test_almost_parallel_boxes(degrees):
    rng = np.random.default_rng(3)
    a = random_boxes(rng, 60)
    b = beside(a, 0.1, rng)
    b[:, 6:] += rng.normal(size=(60, 3)) * degrees
    assert_exact(a, b)


def test_crossing_planks():
    # No corner is over the other plank: only edges tell.
    a, b = [0, 0, 0, 4, 0.2, 0.1, 0, 0, 0], [0, 0, 0.5, 4, 0.2, 0.1, 0, 0, 90]
    assert between([a], [b]) == pytest.approx(0.4, abs=1e-15)
    b = [0, 0, 0.5, 4, 0.2, 0.1, 45, 0, 60]
    assert between([a], [b]) == pytest.approx(solved(np.array(a), np.array(b)), abs=EXACT)
    assert between([a], [[*b[:2], 0.1, *b[3:]]]).tolist() == [0]


def test_faces_that_touch_or_lie_in_one_plane():
    rng = np.random.default_rng(4)
    a = random_boxes(rng, 500)
    for gap in (0.0, 1e-9, 1e-3, 1.0):
        assert np.abs(between(a, beside(a, gap, rng)) - gap).max() < 1e-14
    cross = [[0, 0, 0, 4, 1, 1, 0, 0, 0]], [[0, 0, 0, 1, 4, 1, 0, 0, 0]]
    assert between(*cross).tolist() == [0]
    assert between([[0, 0, 0, 1, 1, 1, 0, 0, 0]], [[1, 1, 1, 1, 1, 1, 0, 0, 0]]).tolist() == [0]


def test_nested_equal_and_overlapping_boxes_are_0_apart():
    rng = np.random.default_rng(5)
    a, b = random_boxes(rng, 2000, 0.7), random_boxes(rng, 2000, 0.7)
    overlap = iou_pairs(a, b) > 1e-15  # below it is rounding
    assert 0.2 < overlap.mean() < 0.9
    assert ((between(a, b) == 0) == overlap).all()
    inner = np.column_stack([a[:, :3], a[:, 3:6] / 10, b[:, 6:]])
    inner[:, 3:6] = inner[:, 3:6].min(axis=1, keepdims=True)
    assert not between(a, inner).any()
    assert not between(inner, a).any()
    assert between(a, a).max() < 1e-15


def test_closest_points_lie_in_their_boxes_and_are_that_far_apart():
    rng = np.random.default_rng(6)
    a, b = random_boxes(rng, 600, 1.0), random_boxes(rng, 600, 1.0)
    p, q = closest_points(a, b)
    assert all(contains(box, point[None], 1e-12)[0] for box, point in zip([*a, *b], [*p, *q], strict=True))
    assert np.allclose(np.linalg.norm(p - q, axis=1), between(a, b), atol=1e-15)
    overlap = iou_pairs(a, b) > 1e-15  # below it is rounding
    assert (p[overlap] == q[overlap]).all()
    assert np.allclose(to_point(b, p), between(a, b), atol=1e-12)


def test_a_point_is_as_far_as_a_tiny_box_there():
    rng = np.random.default_rng(7)
    boxes, points = random_boxes(rng, 500), rng.uniform(-2, 2, (500, 3))
    dots = np.column_stack([points, np.full((500, 3), 1e-13), np.zeros((500, 3))])
    assert np.abs(to_point(boxes, points) - between(boxes, dots)).max() < 1e-12
    assert to_point([0, 0, 0, 2, 4, 6, 0, 0, 0], [[4, 6, 3], [0.5, 0.5, 0.5], [1, 2, 5]]).tolist() == [5, 0, 2]


def test_pairwise():
    rng = np.random.default_rng(8)
    boxes = random_boxes(rng, 40)
    matrix = pairwise(boxes)
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    i, j = rng.integers(40, size=(2, 60))
    assert np.allclose(matrix[i, j], [solved(boxes[k], boxes[m]) if k != m else 0 for k, m in zip(i, j, strict=True)])
    assert pairwise(np.zeros((0, 9))).shape == (0, 0)
    assert between(np.zeros((0, 9)), np.zeros((0, 9))).shape == (0,)


def test_rows_must_match():
    with pytest.raises(ValueError, match="got 1 and 2"):
        between(np.ones((1, 9)), np.ones((2, 9)))


def test_many_pairs_are_done_as_few_are():
    rng = np.random.default_rng(9)
    a, b = random_boxes(rng, 1200), random_boxes(rng, 1200)
    assert np.abs(between(a, b)[1150:] - between(a[1150:], b[1150:])).max() < EXACT


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
def test_moving_scaling_and_mirroring_everything(seed):
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, 10), random_boxes(rng, 10)
    before = between(a, b)
    turn, shift, scale = Rotation.random(random_state=seed), rng.uniform(-100, 100, 3), 10 ** rng.uniform(-2, 2)

    def moved(boxes):
        angles = (turn * Rotation.from_euler("xyz", boxes[:, 6:], degrees=True)).as_euler("xyz", degrees=True)
        return np.column_stack([turn.apply(boxes[:, :3]) + shift, boxes[:, 3:6], angles])

    assert np.allclose(between(moved(a), moved(b)), before, atol=1e-10)
    sizes = np.array([scale] * 6 + [1] * 3)
    assert np.allclose(between(a * sizes, b * sizes), before * scale, rtol=1e-9, atol=1e-12 * scale)
    mirror = np.array([-1, 1, 1, 1, 1, 1, 1, -1, -1])
    assert np.allclose(between(a * mirror, b * mirror), before, atol=EXACT)


@given(seeds)
def test_between_the_bounds_that_the_centres_give(seed):
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, 20, 3.0), random_boxes(rng, 20, 3.0)
    centres = np.linalg.norm(a[:, :3] - b[:, :3], axis=1)
    diagonals = (np.linalg.norm(a[:, 3:6], axis=1) + np.linalg.norm(b[:, 3:6], axis=1)) / 2
    assert (between(a, b) <= centres + EXACT).all()
    assert (between(a, b) >= centres - diagonals - EXACT).all()
