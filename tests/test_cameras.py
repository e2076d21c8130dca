import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vstkit.errors import DataError
from vstkit.geometry.cameras import (
    DEFAULT_FOCAL,
    focal,
    fov,
    invert,
    project,
    resize_camera,
    transform,
    unify,
    unproject,
)

SUN = (529.5, 529.5, 365.0, 265.0)
pixels = st.integers(1, 5000)
focals = st.floats(50, 5000)


def random_pose(seed):
    rng = np.random.default_rng(seed)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = rng.uniform(-5, 5, 3)
    return pose


def test_fov_of_the_papers_example():
    hfov, vfov = fov(SUN, 730, 530)
    assert (round(hfov, 2), round(vfov, 2)) == (69.16, 53.17)
    assert fov((100, 50, 0, 0), 200, 100) == pytest.approx((90, 90))


@given(pixels, focals)
def test_focal_inverts_fov(size, f):
    hfov, _ = fov((f, f, 0, 0), size, 1)
    assert focal(hfov, size) == pytest.approx(f, rel=1e-9)


@pytest.mark.parametrize("bad", [0, -10, 180, 200, math.nan, math.inf])
def test_focal_rejects_impossible_fields_of_view(bad):
    with pytest.raises(DataError, match="between 0 and 180 degrees, got"):
        focal(bad, 960)


def test_unify_the_papers_example():
    size, camera = unify(730, 530, SUN)
    assert size == (959, 696)
    assert [f"{angle:.2f}" for angle in fov(camera, *size)] == ["69.16", "53.17"]
    assert abs(DEFAULT_FOCAL - 480 / math.tan(math.radians(34.58))) < 1e-9


@given(pixels, pixels, focals, focals, st.floats(100, 2000))
def test_unify_keeps_the_view_and_is_idempotent(width, height, fx, fy, f_new):
    camera = (fx, fy, width / 2, height / 2)
    size, unified = unify(width, height, camera, f_new)
    assert fov(unified, *size) == pytest.approx(fov(camera, width, height), rel=1e-9)
    for f, f_unified, old, new in zip((fx, fy), unified[:2], (width, height), size, strict=True):
        ideal = old * f_new / f  # the size before it was cut to whole pixels
        assert new == 1 or ideal - 1 < new <= ideal + 1e-6
        assert new == 1 or f_new * (1 - 2 / ideal) < f_unified < f_new * (1 + 1e-6)
    assert unify(*size, unified, f_new)[0] == size


def test_unify_loses_no_pixel_to_float_noise():
    noisy = [width for width in range(1, 2000) if width * DEFAULT_FOCAL / (width * DEFAULT_FOCAL / 960) < 960]
    assert noisy  # else this test shows nothing
    for width in noisy:
        f = width * DEFAULT_FOCAL / 960
        assert unify(width, width, (f, f, 0, 0))[0] == (960, 960)


def test_unify_leaves_at_least_one_pixel():
    assert unify(3, 1, (1e6, 1e6, 1, 0))[0] == (1, 1)


@given(pixels, pixels, pixels, pixels)
def test_resize_there_and_back(w, h, w2, h2):
    camera = [500.0, 510.0, w / 3, h / 1.7]
    there = resize_camera(camera, (w, h), (w2, h2))
    assert resize_camera(there, (w2, h2), (w, h)) == pytest.approx(camera, rel=1e-9, abs=1e-9)


def test_resize_moves_pixels_by_the_half_pixel_rule():
    points = np.random.default_rng(0).uniform([-2, -2, 1], [2, 2, 5], (100, 3))
    resized = resize_camera(SUN, (730, 530), (1460, 265))
    expected = (project(points, SUN) + 0.5) * (2, 0.5) - 0.5
    assert np.abs(project(points, resized) - expected).max() < 1e-9
    # The middle of the image stays the middle: (W - 1) / 2.
    assert resize_camera([1, 1, 364.5, 264.5], (730, 530), (100, 50))[2:] == pytest.approx([49.5, 24.5])


def test_project_is_the_pinhole_matrix():
    points = np.random.default_rng(1).uniform([-2, -2, 0.1], [2, 2, 5], (100, 3))
    fx, fy, cx, cy = camera = (500.0, 480.0, 320.0, 250.0)
    homogeneous = points @ np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]).T
    assert np.allclose(project(points, camera), homogeneous[:, :2] / homogeneous[:, 2:])
    assert project([[0, 0, 3]], camera).tolist() == [[320, 250]]
    assert project([[1, 0, 1]], camera)[0, 0] > 320  # x points right
    assert project([[0, 1, 1]], camera)[0, 1] > 250  # y points down


def test_unproject_inverts_project():
    points = np.random.default_rng(2).uniform([-2, -2, 0.1], [2, 2, 5], (100, 3))
    assert np.abs(unproject(project(points, SUN), points[:, 2], SUN) - points).max() < 1e-12
    assert project(np.zeros((0, 3)), SUN).shape == (0, 2)
    assert unproject(np.zeros((0, 2)), np.zeros(0), SUN).shape == (0, 3)


def test_transform_and_invert():
    points = np.random.default_rng(3).normal(size=(50, 3))
    for seed in range(20):
        pose = random_pose(seed)
        homogeneous = np.column_stack([points, np.ones(50)]) @ pose.T
        assert np.abs(transform(points, pose) - homogeneous[:, :3]).max() < 1e-12
        assert np.abs(invert(pose) - np.linalg.inv(pose)).max() < 1e-12
        assert np.abs(transform(transform(points, pose), invert(pose)) - points).max() < 1e-12
        assert invert(pose)[3].tolist() == [0, 0, 0, 1]
