import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vstkit.geometry.rotations import euler_to_matrix, matrix_to_euler

degrees = st.floats(-720, 720)


@given(st.tuples(degrees, degrees, degrees))
def test_matrix_is_scipys_lower_case_xyz(angles):
    expected = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    assert np.abs(euler_to_matrix(angles) - expected).max() < 1e-14


def test_order_of_the_three_turns():
    quarter = {axis: euler_to_matrix(np.eye(3)[i] * 90) for i, axis in enumerate("xyz")}
    assert np.allclose(quarter["x"] @ [0, 1, 0], [0, 0, 1])  # y turns towards z
    assert np.allclose(quarter["y"] @ [0, 0, 1], [1, 0, 0])
    assert np.allclose(quarter["z"] @ [1, 0, 0], [0, 1, 0])
    together = euler_to_matrix([30, 40, 50])
    pitch, yaw, roll = euler_to_matrix([30, 0, 0]), euler_to_matrix([0, 40, 0]), euler_to_matrix([0, 0, 50])
    assert np.allclose(together, roll @ yaw @ pitch, atol=1e-15)


@given(st.tuples(st.floats(-179.9, 180), st.floats(-89, 89), st.floats(-179.9, 180)))
def test_angles_come_back(angles):
    assert np.abs(matrix_to_euler(euler_to_matrix(angles)) - angles).max() < 1e-10


def test_angles_agree_with_scipy():
    R = Rotation.random(1000, random_state=0)
    assert np.abs(matrix_to_euler(R.as_matrix()) - R.as_euler("xyz", degrees=True)).max() < 1e-9


@pytest.mark.parametrize("yaw", [90, -90, 270])
def test_gimbal_lock_has_roll_zero_and_keeps_the_rotation(yaw):
    rng = np.random.default_rng(0)
    angles = np.column_stack([rng.uniform(-180, 180, 50), np.full(50, yaw), rng.uniform(-180, 180, 50)])
    R = euler_to_matrix(angles)
    found = matrix_to_euler(R)
    assert (found[:, 2] == 0).all()
    assert np.abs(np.abs(found[:, 1]) - 90).max() < 1e-9
    assert np.abs(euler_to_matrix(found) - R).max() < 1e-12


def test_gimbal_lock_of_exact_integer_matrices():
    looking_up = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert matrix_to_euler(looking_up).tolist() == [0, 90, 0]
    assert matrix_to_euler(np.eye(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("gap", [1e-3, 1e-6, 1e-9, 1e-11, 1e-13])
def test_rotation_survives_near_gimbal_lock(gap):
    rng = np.random.default_rng(1)
    angles = np.column_stack([rng.uniform(-180, 180, 50), np.full(50, 90 - gap), rng.uniform(-180, 180, 50)])
    R = euler_to_matrix(angles)
    assert np.abs(euler_to_matrix(matrix_to_euler(R)) - R).max() < 1e-11


def test_half_turns_are_written_as_plus_180():
    for angles in ([180, 0, 0], [-180, 0, 0], [0, 0, -180]):
        found = matrix_to_euler(euler_to_matrix(angles))
        assert found.max() == 180
        assert found.min() > -180
    negative_zero = np.array([[-1.0, 0, 0], [-0.0, -1, 0], [0, 0, 1]])  # atan2(-0, -1) is -180 degrees
    assert matrix_to_euler(negative_zero).tolist() == [0, 0, 180]


def test_leading_axes_and_empty_input():
    angles = np.arange(24.0).reshape(2, 4, 3)
    R = euler_to_matrix(angles)
    assert R.shape == (2, 4, 3, 3)
    assert np.array_equal(R[1, 2], euler_to_matrix(angles[1, 2]))
    assert np.allclose(matrix_to_euler(R), angles, atol=1e-10)
    assert euler_to_matrix(np.zeros((0, 3))).shape == (0, 3, 3)
    assert matrix_to_euler(np.zeros((0, 3, 3))).shape == (0, 3)


def test_geometry_does_not_import_scipy():
    modules = ", ".join(f"vstkit.geometry.{name}" for name in ("boxes", "cameras", "dialects", "iou", "rotations"))
    code = f"import sys, {modules}; sys.exit('scipy' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
