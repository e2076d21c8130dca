"""The IoU in plain Python: the same as that of whole sets, which tests/test_iou.py holds against qhull."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from test_iou import clipped_iou, in_own_axes, random_boxes
from vstkit.geometry import iou as whole
from vstkit.geometry.iou_plain import iou, iou_matrix

EXACT = 1e-12

# Numbers as models write them, so that axes and faces often coincide, and any numbers, and those next to round ones.
centres = st.integers(-6, 6).map(lambda n: n / 4) | st.floats(-1.5, 1.5)
sizes = st.integers(1, 8).map(lambda n: n / 4) | st.floats(0.01, 3)
right_angles = st.integers(-8, 8).map(lambda n: n * 45.0)
angles = right_angles | st.floats(-400, 400) | st.builds(lambda a, b: a + b, right_angles, st.floats(-1e-9, 1e-9))
boxes = st.builds(
    lambda *parts: [*parts[0], *parts[1], *parts[2]], *(st.tuples(x, x, x) for x in (centres, sizes, angles))
)


@given(boxes, boxes)
def test_equals_the_iou_of_sets(a, b):
    found = iou(a, b)
    assert 0 <= found <= 1
    assert found == pytest.approx(whole.iou_pairs([a], [b])[0], abs=EXACT)


@given(boxes, st.lists(st.floats(-1e-6, 1e-6) | st.just(0.0), min_size=9, max_size=9))
def test_equals_the_iou_of_sets_for_nearly_equal_boxes(a, noise):
    b = [x + y for x, y in zip(a, noise, strict=True)]
    assert iou(a, b) == pytest.approx(whole.iou_pairs([a], [b])[0], abs=EXACT)


def test_equals_qhull():
    rng = np.random.default_rng(0)
    a, b = random_boxes(rng, 200), random_boxes(rng, 200)
    a[:100, [6, 8]] = b[:100, [6, 8]] = 0
    expected = [clipped_iou(p, q) for p, q in zip(a, b, strict=True)]
    found = [iou(p, q) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    assert np.abs(np.subtract(found, expected)).max() < EXACT
    assert np.mean(np.array(expected) > 0) > 0.3


def test_closed_forms():
    rng = np.random.default_rng(1)
    a = random_boxes(rng, 300)
    assert [iou(box, box) for box in a.tolist()] == [1] * 300
    t, axis = rng.uniform(0, 1.2, 300), rng.integers(3, size=300)
    offset = np.zeros((300, 3))
    offset[np.arange(300), axis] = t * a[np.arange(300), 3 + axis]
    slid = in_own_axes(a, offset).tolist()
    expected = np.maximum((1 - t) / (1 + t), 0)
    assert np.abs([iou(p, q) for p, q in zip(a.tolist(), slid, strict=True)] - expected).max() < EXACT
    assert iou([0.1, 0, 0, 1, 1, 1, 30, 40, 50], [0, 0, 0, 4, 4, 4, 10, 20, 30]) == pytest.approx(1 / 64, abs=EXACT)
    assert iou([0, 0, 0, 1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 1, 0, 0, 0]) == 0


def test_matrix_is_all_pairs():
    rng = np.random.default_rng(2)
    a, b = random_boxes(rng, 5).tolist(), random_boxes(rng, 4).tolist()
    assert iou_matrix(a, b) == [[iou(p, q) for q in b] for p in a]
    assert np.shape(iou_matrix(a, b)) == (5, 4)
    assert iou_matrix([], b) == []
    assert iou_matrix(a, []) == [[]] * 5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 10**400, -(10**400)])
@pytest.mark.parametrize("column", range(9))
def test_a_box_with_an_unusable_number_has_iou_zero(column, value):
    good = [0, 0, 0, 1, 1, 1, 0, 0, 0]
    bad = [*good[:column], value, *good[column + 1 :]]
    assert iou_matrix([good, bad], [good, bad]) == [[1, 0], [0, 0]]


@pytest.mark.parametrize("size", [0, -0.0, -1, 1e-300])
def test_a_box_without_size_has_iou_zero(size):
    good, flat = [0, 0, 0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, size, 1, 0, 0, 0]
    assert iou_matrix([good, flat], [good, flat]) == [[1, 0], [0, 0]]
    assert iou([0, 0, 0, -1, -1, 1, 0, 0, 0], good) == 0


anything = st.floats() | st.integers() | st.booleans() | st.floats(1e-49, 1e49) | st.floats(-1, 1)


@given(st.lists(anything, min_size=9, max_size=9), st.lists(anything, min_size=9, max_size=9))
def test_any_numbers_at_all_stay_in_range(a, b):
    assert 0 <= iou(a, b) <= 1
    assert iou(a, a) in (0, 1)


@given(st.lists(st.floats(1e-49, 1e49), min_size=6, max_size=6), st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_extreme_sizes_stay_in_range(sizes, rest):
    a, b = [0, 0, 0, *sizes[:3], 0, 0, 0], [*rest[:3], *sizes[3:], *(180 * x for x in rest[3:])]
    assert 0 <= iou(a, b) <= 1


def test_numpy_is_not_imported():
    code = "import sys, vstkit.geometry.iou_plain; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
