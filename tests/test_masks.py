"""Masks of a label map against one mask at a time, done by scipy and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from vstkit import masks
from vstkit.geometry import boxes
from vstkit.records import View
from vstkit.visibility import NEAR, image_boxes

rng = np.random.default_rng(0)


def scenery(height: int = 240, width: int = 320, things: int = 25) -> np.ndarray:
    """Ellipses over and beside each other, label 0 between them."""
    v, u = np.mgrid[:height, :width]
    shown = np.zeros((height, width), np.uint16)
    for label in rng.permutation(np.arange(1, things + 1)):
        (y, x), (a, b) = rng.uniform(0, [height, width]), rng.uniform(1, 70, 2)
        angle = rng.uniform(0, np.pi)
        p, q = (u - x) * np.cos(angle) + (v - y) * np.sin(angle), (v - y) * np.cos(angle) - (u - x) * np.sin(angle)
        shown[(p / a) ** 2 + (q / b) ** 2 <= 1] = label
    return shown


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 5)))
def test_extents_are_those_of_one_mask_at_a_time(shown: np.ndarray) -> None:
    number = np.array([0, 3, 0, 1, 2, 4])  # label 2 is of nothing
    found = masks.find(shown, lambda labels: number[labels])
    expected = []
    for label, place in enumerate(ndimage.find_objects(shown), 1):
        if place and number[label]:
            (rows, columns), pixels = place, int((shown == label).sum())
            expected.append((number[label], label, pixels, rows.start, columns.start, rows.stop, columns.stop))
    fields = ("numbers", "labels", "pixels", "top", "left", "bottom", "right")
    assert list(zip(*(getattr(found, field).tolist() for field in fields), strict=True)) == sorted(expected)


def test_samples_are_of_their_masks_and_small_masks_are_taken_whole() -> None:
    shown = scenery()
    depth = rng.integers(1, 60000, shown.shape).astype(np.uint16)
    found = masks.find(shown, lambda labels: labels)
    samples = masks.sample(depth, shown, found, masks.hits(shown, found))
    v, u, readings = samples.places()
    for i, label in enumerate(found.labels):
        own, taken = depth[shown == label], samples.readings[i][samples.readings[i] > 0]
        assert set(taken) <= set(own)
        assert len(taken) == samples.count[i] >= min(len(own), masks.SPARSE)
        if found.extents[i] <= masks.SIDE:
            assert np.array_equal(np.sort(taken), np.sort(own))
        has = readings[i] > 0
        assert has.any()
        assert (shown[v[i, has], u[i, has]] == label).all()
        assert np.array_equal(depth[v[i, has], u[i, has]], readings[i, has])


def test_a_mask_that_the_grid_misses_is_sampled_all_the_same() -> None:
    shown = np.zeros((320, 320), np.uint8)
    shown[::10, 1::10] = 1  # every sample of a 10 x 10 grid falls between these
    found = masks.find(shown, lambda labels: labels)
    hits = masks.hits(shown, found)
    assert not hits.any()
    samples = masks.sample(np.where(shown, 7, 9), shown, found, hits)
    assert samples.count.tolist() == [32 * 32]
    assert set(samples.readings[0]) == {7}
    v, u = masks.innermost(shown, found, hits)
    assert shown[v[0], u[0]] == 1


def test_innermost_pixels_are_nearly_the_farthest_from_the_edge() -> None:
    ratios = []
    for _ in range(6):
        shown = scenery()
        found = masks.find(shown, lambda labels: labels)
        for label, v, u in zip(found.labels, *masks.innermost(shown, found, masks.hits(shown, found)), strict=True):
            inside = ndimage.distance_transform_edt(np.pad(shown == label, 1))[1:-1, 1:-1]
            assert shown[v, u] == label
            if inside.max() >= 3:  # below it a pixel is a third of it
                ratios.append(inside[v, u] / inside.max())
    assert np.mean(ratios) > 0.94
    assert np.quantile(ratios, 0.1) > 0.88
    assert min(ratios) > 0.4


@pytest.mark.parametrize("spread", [1.0, 4.0])
def test_rectangles_of_many_boxes_are_those_of_each(spread: float) -> None:
    view = View("a.png", 320, 240, [300.0, 310.0, 150.0, 130.0])
    placed = np.hstack(
        [rng.normal([0, 0, 2], spread, (300, 3)), rng.uniform(0.05, 3, (300, 3)), 360 * rng.random((300, 3))]
    )
    placed[0] = np.nan
    placed[1] = [0, 0, 2, 1, 1, 1, 0, 0, 0]  # edges along the picture's sides
    found = image_boxes(placed, boxes.corners(placed), view)
    assert found[0] is None
    for box, rectangle in zip(placed[1:], found[1:], strict=True):
        expected = boxes.image_box(box, view.camera, view.width, view.height, NEAR)
        assert (rectangle is None) == (expected is None)
        assert rectangle is None or rectangle == pytest.approx(expected, abs=1e-6)
    assert 20 < sum(rectangle is None for rectangle in found) < 280
