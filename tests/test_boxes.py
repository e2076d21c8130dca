import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vstkit.geometry.boxes import (
    CORNERS,
    EDGES,
    FACES,
    contains,
    corners,
    edge_segments,
    image_box,
    to_camera,
    to_world,
    volume,
)
from vstkit.geometry.cameras import invert, project, transform

CAMERA = (500.0, 510.0, 319.5, 239.5)
WIDTH, HEIGHT = 640, 480


def random_boxes(n, seed=0, centre=(0, 0, 0), spread=1.0):
    rng = np.random.default_rng(seed)
    return np.column_stack(
        [
            np.array(centre) + rng.uniform(-spread, spread, (n, 3)),
            rng.uniform(0.2, 2, (n, 3)),
            rng.uniform(-180, 180, (n, 3)),
        ]
    )


def random_pose(seed):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = np.random.default_rng(seed).uniform(-5, 5, 3)
    return pose


def test_corner_order_is_pinned():
    assert corners([0, 0, 0, 2, 2, 2, 0, 0, 0]).tolist() == CORNERS.tolist()
    assert CORNERS[0].tolist() == [-1, -1, -1]
    assert CORNERS[6].tolist() == [1, 1, 1]
    assert CORNERS[[1, 3, 4]].tolist() == [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    assert len({tuple(corner) for corner in CORNERS}) == 8


def test_edges_join_corners_that_differ_in_one_sign():
    assert len({frozenset(edge) for edge in EDGES}) == 12
    assert all((CORNERS[i] != CORNERS[j]).sum() == 1 for i, j in EDGES)


def test_faces_run_anticlockwise_seen_from_outside():
    normals = [np.cross(CORNERS[b] - CORNERS[a], CORNERS[c] - CORNERS[b]) / 4 for a, b, c, _ in FACES]
    assert np.array(normals).tolist() == [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]
    assert all(np.allclose(CORNERS[list(face)].mean(axis=0), n) for face, n in zip(FACES, normals, strict=True))


def test_corners_are_the_rotated_half_sizes():
    boxes = random_boxes(50)
    R = Rotation.from_euler("xyz", boxes[:, 6:], degrees=True).as_matrix()
    expected = np.einsum("nij,ncj->nci", R, CORNERS * boxes[:, None, 3:6] / 2) + boxes[:, None, :3]
    assert np.abs(corners(boxes) - expected).max() < 1e-13
    assert corners(boxes.reshape(5, 10, 9)).shape == (5, 10, 8, 3)
    assert np.array_equal(corners(boxes[7]), corners(boxes)[7])
    assert corners(np.zeros((0, 9))).shape == (0, 8, 3)


def test_volume():
    assert volume([0, 0, 0, 2, 3, 4, 10, 20, 30]) == 24
    assert volume(random_boxes(6).reshape(2, 3, 9)).shape == (2, 3)


@pytest.mark.parametrize("seed", range(5))
def test_frames_move_the_corners_and_come_back(seed):
    boxes, pose = random_boxes(40, seed), random_pose(seed)
    in_camera = to_camera(boxes, pose)
    assert np.abs(corners(in_camera) - transform(corners(boxes), invert(pose))).max() < 1e-12
    assert np.abs(corners(to_world(boxes, pose)) - transform(corners(boxes), pose)).max() < 1e-12
    assert np.abs(corners(to_world(in_camera, pose)) - corners(boxes)).max() < 1e-11
    assert np.array_equal(in_camera[:, 3:6], boxes[:, 3:6])
    assert np.allclose(to_camera(boxes[3], pose), in_camera[3], atol=1e-12)
    assert to_camera(np.zeros((0, 9)), pose).shape == (0, 9)


def test_identity_pose_leaves_boxes_alone():
    box = [1, 2, 3, 1, 1, 2, 30, 40, -50]
    assert to_camera(box, np.eye(4)) == pytest.approx(box)


def test_contains_points_given_in_box_coordinates():
    rng = np.random.default_rng(4)
    for box in random_boxes(20, 4):
        unit = rng.uniform(-1.5, 1.5, (200, 3))  # in half sizes
        R = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
        points = (unit * box[3:6] / 2) @ R.T + box[:3]
        assert np.array_equal(contains(box, points), (np.abs(unit) <= 1).all(axis=1))


def test_contains_surface_and_margin():
    box = [0, 0, 0, 2, 2, 2, 0, 0, 0]
    points = [[1, 0, 0], [1.05, 0, 0], [0, -1.05, 1.05], [1.2, 0, 0], [np.nan, 0, 0]]
    assert contains(box, points).tolist() == [True, False, False, False, False]
    assert contains(box, points, margin=0.1).tolist() == [True, True, True, False, False]
    assert contains(box, points, margin=-0.1).tolist() == [False] * 5
    assert contains(box, np.zeros((0, 3))).shape == (0,)


def test_edges_in_front_are_the_projected_corners():
    for box in random_boxes(20, 5, centre=(0, 0, 5)):
        uv = project(corners(box), CAMERA)
        expected = [(*uv[i], *uv[j]) for i, j in EDGES]
        assert np.allclose([(*a, *b) for a, b in edge_segments(box, CAMERA)], expected, atol=1e-9)


def test_edges_are_cut_at_the_near_plane():
    box = [0, 0, 0, 2, 2, 2, 0, 0, 0]  # the camera in its middle
    segments = edge_segments(box, CAMERA, near=0.5)
    assert len(segments) == 8  # the four edges at z = -1 are left out
    cut = segments[-4:]
    for (u0, v0), (u1, v1) in cut:
        assert abs(u0 - CAMERA[2]) == pytest.approx(500 / 0.5)
        assert abs(v0 - CAMERA[3]) == pytest.approx(510 / 0.5)
        assert abs(u1 - CAMERA[2]) == pytest.approx(500)
        assert abs(v1 - CAMERA[3]) == pytest.approx(510)
    assert edge_segments([0, 0, -5, 2, 2, 2, 0, 0, 0], CAMERA) == []


def test_image_box_of_a_box_in_full_view():
    for box in random_boxes(20, 6, centre=(0, 0, 12)):
        uv = project(corners(box), CAMERA)
        assert image_box(box, CAMERA, WIDTH, HEIGHT) == pytest.approx([*uv.min(axis=0), *uv.max(axis=0)])


@pytest.mark.parametrize("seed", range(40))
def test_image_box_surrounds_what_dense_points_show(seed):
    rng = np.random.default_rng(seed)
    [box] = random_boxes(1, seed, centre=rng.uniform([-2, -2, 0], [2, 2, 2]), spread=0.5)
    faces = rng.uniform(-1, 1, (60_000, 3))
    side = rng.integers(3, size=len(faces))
    faces[np.arange(len(faces)), side] = np.sign(faces[np.arange(len(faces)), side])
    R = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
    points = (faces * box[3:6] / 2) @ R.T + box[:3]
    uv = project(points[points[:, 2] >= 0.05], CAMERA)
    uv = uv[((uv >= 0) & (uv <= (WIDTH - 1, HEIGHT - 1))).all(axis=1)]
    found = image_box(box, CAMERA, WIDTH, HEIGHT)
    if len(uv) == 0:
        assert found is None or (found[2] - found[0]) * (found[3] - found[1]) < 400  # a corner between the points
        return
    assert found is not None
    seen = np.array([*uv.min(axis=0), *uv.max(axis=0)])
    outwards = (np.array(found) - seen) * (-1, -1, 1, 1)
    assert outwards.min() > -1e-9  # no point outside of it
    assert outwards.max() < 25  # and no wider than the spacing of the points explains


def test_image_box_is_clipped_to_the_pixel_centres():
    assert image_box([0, 0, 0, 2, 2, 2, 10, 20, 30], CAMERA, WIDTH, HEIGHT) == [0, 0, WIDTH - 1, HEIGHT - 1]
    half = image_box([-1, 0, 2, 2, 0.1, 0.1, 0, 0, 0], CAMERA, WIDTH, HEIGHT)
    assert half is not None
    assert half[0] == pytest.approx(0, abs=1e-9)
    assert half[2] == pytest.approx(CAMERA[2])


def test_image_box_of_what_is_not_in_view():
    assert image_box([0, 0, -3, 1, 1, 1, 0, 0, 0], CAMERA, WIDTH, HEIGHT) is None  # behind
    assert image_box([9, 0, 3, 1, 1, 1, 0, 0, 0], CAMERA, WIDTH, HEIGHT) is None  # beside
    # A diagonal rod passes the image's corner outside of it, though the rectangle around it overlaps the image.
    rod = [-1.92, -1.5, 3, 3, 0.01, 0.01, 0, 0, -45]
    uv = project(corners(rod), CAMERA)
    assert (uv.max(axis=0) > 50).all()
    assert image_box(rod, CAMERA, WIDTH, HEIGHT) is None
