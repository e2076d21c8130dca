"""Box IoU against an independent computation: the boxes as half-spaces, clipped and measured by qhull through scipy."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection
from scipy.spatial.transform import Rotation

from support import shared
from vstkit.geometry.boxes import to_world
from vstkit.geometry.iou import iou_matrix, iou_pairs
from vstkit.geometry.rotations import matrix_to_euler

EXACT = 1e-12


def random_boxes(rng, n, spread=0.7, sizes=(0.3, 2.0)):
    centres, angles = rng.uniform(-spread, spread, (n, 3)), rng.uniform(-180, 180, (n, 3))
    return np.column_stack([centres, rng.uniform(*sizes, (n, 3)), angles])


def half_spaces(box):
    """Rows (n, d) with n.p + d <= 0 inside."""
    normals = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix().T
    normals = np.concatenate([normals, -normals])
    return np.column_stack([normals, -normals @ box[:3] - np.tile(box[3:6], 2) / 2])


def clipped_iou(a, b):
    # In coordinates of the order of 1, about a's centre, so that qhull's own tolerances stay small.
    a, b = a.copy(), b.copy()
    b[:3] -= a[:3]
    a[:3] = 0
    planes = np.concatenate([half_spaces(a), half_spaces(b)])
    # qhull wants a point inside: the centre of the largest ball (a linear program).
    best = linprog([0, 0, 0, -1], np.column_stack([planes[:, :3], np.ones(12)]), -planes[:, 3], bounds=(None, None))
    if best.x[3] <= 0:
        return 0.0
    corners = HalfspaceIntersection(planes, best.x[:3]).intersections
    shared = ConvexHull(corners).volume
    return shared / (a[3:6].prod() + b[3:6].prod() - shared)


def assert_exact(a, b, at_least_overlapping=0.3):
    expected = np.array([clipped_iou(p, q) for p, q in zip(a, b, strict=True)])
    assert (expected > 0).mean() >= at_least_overlapping
    assert np.abs(iou_pairs(a, b) - expected).max() < EXACT


def yaw_only(boxes):
    boxes[:, [6, 8]] = 0
    return boxes


def in_own_axes(boxes, offset):
    """The boxes, moved along their own axes."""
    R = Rotation.from_euler("xyz", boxes[:, 6:], degrees=True).as_matrix()
    return np.column_stack([boxes[:, :3] + np.einsum("nij,nj->ni", R, offset), boxes[:, 3:]])


def test_random_boxes():
    rng = np.random.default_rng(0)
    assert_exact(random_boxes(rng, 400), random_boxes(rng, 400))


def test_boxes_that_share_the_vertical():
    rng = np.random.default_rng(1)
    assert_exact(yaw_only(random_boxes(rng, 200)), yaw_only(random_boxes(rng, 200)))


@pytest.mark.parametrize("degrees", [5, 1, 1e-3, 1e-6])
def test_nearly_equal_boxes(degrees):
    rng = np.random.default_rng(2)
    a = random_boxes(rng, 150)
    noise = rng.normal(size=a.shape) * [0.05, 0.05, 0.05, 0.03, 0.03, 0.03, degrees, degrees, degrees]
    assert_exact(a, a + noise, at_least_overlapping=1)
    noise[:, :6] = 0
    assert_exact(a, a + noise, at_least_overlapping=1)


def test_plates_and_rods():
    rng = np.random.default_rng(3)
    a, b = random_boxes(rng, 200, spread=0.2), random_boxes(rng, 200, spread=0.2)
    a[:, 3:6], b[:, 3:6] = 10 ** rng.uniform(-2, 0.5, (200, 3)), 10 ** rng.uniform(-2, 0.5, (200, 3))
    assert_exact(a, b, at_least_overlapping=0.1)


def test_identical_boxes():
    rng = np.random.default_rng(4)
    boxes = random_boxes(rng, 2000, spread=5)
    boxes[1000:, 3:6] = 10 ** rng.uniform(-3, 4, (1000, 3))
    assert iou_pairs(boxes, boxes).tolist() == [1] * 2000
    # The same solid, described by other angles and with its axes renamed.
    turned = boxes + np.array([0, 0, 0, 0, 0, 0, 360, -360, 720])
    quarter = Rotation.from_euler("xyz", boxes[:, 6:], degrees=True) * Rotation.from_euler("x", 90, degrees=True)
    renamed = np.column_stack([boxes[:, [0, 1, 2, 3, 5, 4]], quarter.as_euler("xyz", degrees=True)])
    assert np.abs(iou_pairs(boxes[:1000], turned[:1000]) - 1).max() < EXACT
    assert np.abs(iou_pairs(boxes[:1000], renamed[:1000]) - 1).max() < EXACT


def test_touching_boxes_share_nothing():
    rng = np.random.default_rng(5)
    a = random_boxes(rng, 1000)
    offset = np.zeros((1000, 3))
    offset[np.arange(1000), rng.integers(3, size=1000)] = 1
    b = in_own_axes(a, offset * a[:, 3:6])
    assert iou_pairs(a, b).max() < EXACT
    assert iou_pairs([[0, 0, 0, 1, 1, 1, 0, 0, 0]], [[1, 0, 0, 1, 1, 1, 0, 0, 0]]).tolist() == [0]


def test_boxes_slid_along_their_own_axis():
    rng = np.random.default_rng(6)
    a = random_boxes(rng, 1000)
    t = rng.uniform(0, 1, 1000)
    offset = np.zeros((1000, 3))
    axis = rng.integers(3, size=1000)
    offset[np.arange(1000), axis] = t * a[np.arange(1000), 3 + axis]
    assert np.abs(iou_pairs(a, in_own_axes(a, offset)) - (1 - t) / (1 + t)).max() < EXACT


@pytest.mark.parametrize("shared_faces", [0, 1, 2, 3])
def test_contained_boxes(shared_faces):
    rng = np.random.default_rng(7)
    outer = random_boxes(rng, 500)
    ratio = rng.uniform(0.2, 0.9, (500, 3))
    position = rng.uniform(-0.9, 0.9, (500, 3))  # -1 and 1: the faces of the two coincide
    position[:, :shared_faces] = np.sign(position[:, :shared_faces])
    inner = in_own_axes(outer, position * (1 - ratio) * outer[:, 3:6] / 2)
    inner[:, 3:6] *= ratio
    assert np.abs(iou_pairs(inner, outer) - ratio.prod(axis=1)).max() < EXACT
    assert np.abs(iou_pairs(outer, inner) - ratio.prod(axis=1)).max() < EXACT


def test_a_rotated_box_inside_a_larger_one():
    inner, outer = [[0.1, 0, 0, 1, 1, 1, 30, 40, 50]], [[0, 0, 0, 4, 4, 4, 10, 20, 30]]
    assert iou_pairs(inner, outer) == pytest.approx([1 / 64], abs=EXACT)


def test_multiples_of_ninety_degrees():
    rng = np.random.default_rng(8)
    n = 600
    a, b = random_boxes(rng, n), random_boxes(rng, n)
    a[:, 6:], b[:, 6:] = 90 * rng.integers(-4, 5, (n, 3)), 90 * rng.integers(-4, 5, (n, 3))

    def extent(boxes):
        R = np.round(Rotation.from_euler("xyz", boxes[:, 6:], degrees=True).as_matrix())
        half = np.einsum("nij,nj->ni", np.abs(R), boxes[:, 3:6]) / 2
        return boxes[:, :3] - half, boxes[:, :3] + half

    (a0, a1), (b0, b1) = extent(a), extent(b)
    shared = np.maximum(np.minimum(a1, b1) - np.maximum(a0, b0), 0).prod(axis=1)
    expected = shared / (a[:, 3:6].prod(axis=1) + b[:, 3:6].prod(axis=1) - shared)
    assert (expected > 0).mean() > 0.3
    assert np.abs(iou_pairs(a, b) - expected).max() < EXACT
    # The same, seen from anywhere.
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=0).as_matrix()
    assert np.abs(iou_pairs(to_world(a, pose), to_world(b, pose)) - expected).max() < EXACT


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((3, 0), (4, -1), (5, -0.0)),
        *((3, np.nan), (0, np.nan), (8, np.nan), (4, np.inf), (1, -np.inf), (7, np.inf)),
        *((3, 1e300), (2, 1e300), (5, 1e-300)),
    ],
)
def test_degenerate_boxes_have_iou_zero(column, value):
    rng = np.random.default_rng(9)
    good = random_boxes(rng, 20, spread=0.1)
    bad = good.copy()
    bad[:, column] = value
    for a, b in ((good, bad), (bad, good), (bad, bad)):
        assert iou_pairs(a, b).tolist() == [0] * 20
        assert not iou_matrix(a, b).any()
    # They leave their neighbours alone.
    mixed = good.copy()
    mixed[::2] = bad[::2]
    assert np.array_equal(iou_matrix(mixed, good)[1::2], iou_matrix(good, good)[1::2])


def test_two_negative_sizes_are_still_no_box():
    assert iou_pairs([[0, 0, 0, -1, -1, 1, 0, 0, 0]], [[0, 0, 0, 1, 1, 1, 0, 0, 0]]).tolist() == [0]


def test_does_not_change_under_motion_scale_and_mirror():
    rng = np.random.default_rng(10)
    a, b = random_boxes(rng, 2000), random_boxes(rng, 2000)
    expected = iou_pairs(a, b)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.random(random_state=1).as_matrix(), [3, -4, 5]
    assert np.abs(iou_pairs(to_world(a, pose), to_world(b, pose)) - expected).max() < EXACT
    for scale in (1e-3, 1e4):
        scaled = np.array([scale] * 6 + [1] * 3)
        assert np.abs(iou_pairs(a * scaled, b * scaled) - expected).max() < EXACT
    mirror_x = np.array([-1, 1, 1, 1, 1, 1, 1, -1, -1])
    assert np.abs(iou_pairs(a * mirror_x, b * mirror_x) - expected).max() < EXACT
    far = np.array([1e4, -1e4, 1e4, 0, 0, 0, 0, 0, 0])
    assert np.abs(iou_pairs(a + far, b + far) - expected).max() < 1e-10  # the sum itself rounds at 2e-12


def test_objectron():
    """Five boxes against five, with IoUs from the tests of Objectron (google-research-datasets, 2020)."""
    published = json.loads((shared() / "benchmarks" / "det3d" / "objectron_vols_ious.json").read_text())

    def boxes(corners):
        corners = np.array(corners)
        axes = np.stack([corners[:, far] - corners[:, 0] for far in (4, 2, 1)], axis=-1)  # in Objectron's order
        sizes = np.linalg.norm(axes, axis=1)
        return np.column_stack([corners.mean(axis=1), sizes, matrix_to_euler(axes / sizes[:, None])])

    found = iou_matrix(boxes(published["boxes1"]), boxes(published["boxes2"]))
    assert np.abs(found - published["ious"]).max() < 1e-7
    volumes = found / (1 + found) * 2  # all are unit cubes
    assert np.abs(volumes - published["vols"]).max() < 2e-7


def test_symmetry_and_range():
    rng = np.random.default_rng(11)
    a = random_boxes(rng, 3000)
    b = np.concatenate([random_boxes(rng, 1500), a[1500:] + 1e-6 * rng.normal(size=(1500, 9))])
    there, back = iou_pairs(a, b), iou_pairs(b, a)
    assert np.abs(there - back).max() < EXACT
    assert there.min() >= 0
    assert there.max() <= 1


def test_matrix_is_all_pairs():
    rng = np.random.default_rng(12)
    a, b = random_boxes(rng, 60), random_boxes(rng, 40, spread=1)
    matrix = iou_matrix(a, b)
    one_by_one = [[iou_pairs(p[None], q[None])[0] for q in b] for p in a]
    assert 0.9 * 60 * 40 > (matrix > 0).sum() > 1024  # more pairs than one chunk holds
    assert np.array_equal(matrix, one_by_one)  # to the last bit, whatever the company
    assert np.abs(matrix - iou_matrix(b, a).T).max() < EXACT


def test_empty_inputs_and_lists():
    box = [0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert iou_pairs([], []).shape == (0,)
    assert iou_matrix([], []).shape == (0, 0)
    assert iou_matrix([box] * 3, []).shape == (3, 0)
    assert iou_matrix(np.zeros((0, 9)), [box]).shape == (0, 1)
    assert iou_matrix([box], [box]).tolist() == [[1]]
    with pytest.raises(ValueError, match="as many boxes in both, got 1 and 2"):
        iou_pairs([box], [box, box])


@given(st.lists(st.floats(), min_size=18, max_size=18))
def test_any_numbers_at_all_stay_in_range(numbers):
    iou = iou_pairs([numbers[:9]], [numbers[9:]])[0]
    assert 0 <= iou <= 1


@given(st.lists(st.floats(1e-49, 1e49), min_size=6, max_size=6), st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_extreme_sizes_stay_in_range(sizes, rest):
    a, b = [0, 0, 0, *sizes[:3], 0, 0, 0], [*rest[:3], *sizes[3:], *(180 * x for x in rest[3:])]
    assert 0 <= iou_pairs([a], [b])[0] <= 1
