"""The reader of rgbd: real files, and the room of the tests in every form of poses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from layouts import (
    CAMERA,
    HEIGHT,
    POSES,
    WIDTH,
    ingest,
    room,
    warp_error,
)
from support import shared
from vstkit.datasets import rgbd
from vstkit.errors import DataError


@pytest.mark.parametrize(
    ("name", "camera", "error"),
    [("redwood", [525, 525, 319.5, 239.5], 0.008), ("icl-nuim", [481.2, -480, 319.5, 239.5], 0.03)],
)
def test_views_of_real_sequences_warp_into_each_other(name: str, camera: list[float], error: float) -> None:
    root = shared() / "scenes"
    (scene,), tally = ingest(rgbd, root / name, root=root, camera=camera)
    assert len(scene["views"]) == 5
    assert not tally
    assert median_error(scene, root) < error


def median_error(scene: Any, root: Path) -> float:
    errors = [warp_error(scene, i, j, root) for i in range(5) for j in range(5) if i != j]
    assert np.isfinite(errors).sum() >= 5
    return float(np.nanmedian(errors))


def test_icl_nuim_is_wrong_without_its_negative_fy() -> None:
    root = shared() / "scenes"
    (scene,), _ = ingest(rgbd, root / "icl-nuim", root=root, camera=[481.2, 480, 319.5, 239.5])
    assert median_error(scene, root) > 0.2


def test_real_pictures_without_poses_are_scenes_of_their_own() -> None:
    root = shared() / "scenes"
    scenes, _ = ingest(rgbd, root / "tum-desk", root=root, camera=[520.9, 521, 325.1, 249.7], depth_scale=5000)
    assert [(s["id"], len(s["views"]), "pose" in s["views"][0]) for s in scenes] == [
        ("tum-desk/1", 1, False),
        ("tum-desk/2", 1, False),
    ]
    depth = np.asarray(Image.open(root / scenes[0]["views"][0]["depth"]["path"])) / 5000
    assert 0.5 < np.median(depth[depth > 0]) < 3  # a desk


def quaternion(pose: np.ndarray) -> str:
    return " ".join(f"{x:.9f}" for x in [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()])


def write_rgbd(folder: Path, kind: str) -> None:
    """The room as one of the layouts."""
    room(folder / "src")
    target = folder / "seq"
    poses = [np.array(pose) for pose in POSES]
    mirror = np.diag([1, -1, 1, 1])
    for sub in ("color", "depth") if kind != "7-scenes" else (".",):
        (target / sub).mkdir(parents=True)
    names = ["100.500000", "100.600000", "100.700000"] if kind == "tum" else ["8", "9", "10"]
    for i, name in enumerate(names):
        picture, depth = folder / "src" / f"room-{i}.png", folder / "src" / f"room-{i}-depth.png"
        if kind == "7-scenes":
            shutil.copy(picture, target / f"frame-{i:06}.color.png")
            shutil.copy(depth, target / f"frame-{i:06}.depth.png")
            np.savetxt(target / f"frame-{i:06}.pose.txt", poses[i])
            continue
        shutil.copy(picture, target / "color" / f"{name}.png")
        shutil.copy(depth, target / "depth" / (f"{float(name) + 0.01:.6f}.png" if kind == "tum" else f"{name}.png"))
        if kind == "matrices":
            (target / "pose").mkdir(exist_ok=True)
            np.savetxt(target / "pose" / f"{name}.txt", poses[i])
    if kind == "tum":
        times = [90.0, 100.495, 100.6, 100.705]
        rows = [f"{t} {quaternion(p)}" for t, p in zip(times, [np.eye(4), *poses], strict=True)]
        (target / "groundtruth.txt").write_text("# timestamp tx ty tz qx qy qz qw\n" + "\n".join(rows))
    elif kind == "icl":  # the camera's y and the world's y up
        (target / "pose.txt").write_text("\n".join(quaternion(mirror @ p @ mirror) for p in poses) + "\n")
    elif kind == "redwood":
        body = [
            "\n".join([f"{i} {i} {i + 1}", *(" ".join(map(repr, r)) for r in p.tolist())]) for i, p in enumerate(poses)
        ]
        (target / "trajectory.log").write_text("\n".join(body))


@pytest.mark.parametrize("kind", ["tum", "icl", "redwood", "matrices", "7-scenes"])
def test_every_form_of_poses_gives_the_same_views(kind: str, tmp_path: Path) -> None:
    write_rgbd(tmp_path, kind)
    fx, fy, cx, cy = CAMERA
    given = [fx, -fy if kind == "icl" else fy, cx, cy]
    (scene,), tally = ingest(rgbd, tmp_path / "seq", root=tmp_path, camera=given, depth_scale=1000)
    assert not tally
    for view, pose in zip(scene["views"], POSES, strict=True):
        np.testing.assert_allclose(view["pose"], pose, atol=1e-6)
        assert (view["camera"], view["width"], view["height"]) == (CAMERA, WIDTH, HEIGHT)
    assert warp_error(scene, 0, 1, tmp_path) < 0.005
    assert [view.get("time") for view in scene["views"]] == ([0, 0.1, 0.2] if kind == "tum" else [None] * 3)


def test_folders_below_are_found_and_a_camera_file_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_rgbd(tmp_path, "matrices")
    fx, fy, cx, cy = CAMERA
    (tmp_path / "seq" / "camera-intrinsics.txt").write_text(f"{fx} 0 {cx}\n0 {fy} {cy}\n0 0 1\n")
    scenes, tally = ingest(rgbd, tmp_path / "seq", root=tmp_path)
    assert scenes[0]["views"][2]["camera"] == CAMERA
    assert not tally
    assert scenes[0]["views"][2]["depth"]["scale"] == 1000
    assert "depth is taken for 1000 units a metre" in caplog.text
    shutil.copytree(tmp_path / "seq", tmp_path / "many" / "a")
    shutil.copytree(tmp_path / "seq", tmp_path / "many" / "b")
    assert [unit["id"] for unit in rgbd.find(str(tmp_path / "many"))] == ["many/a", "many/b"]


def test_65535_of_7_scenes_becomes_no_reading(tmp_path: Path) -> None:
    write_rgbd(tmp_path, "7-scenes")
    file = tmp_path / "seq" / "frame-000001.depth.png"
    depth = np.array(Image.open(file))
    depth[:9] = 65535
    Image.fromarray(depth).save(file)
    (scene,), tally = ingest(rgbd, tmp_path / "seq", root=tmp_path, camera=CAMERA, depth_scale=1000)
    assert tally == {"depth needs --write": 1}
    assert ["depth" in view for view in scene["views"]] == [True, False, True]
    (scene,), tally = ingest(
        rgbd, tmp_path / "seq", root=tmp_path, write=tmp_path / "w", camera=CAMERA, depth_scale=1000
    )
    assert not tally
    stored = np.asarray(Image.open(tmp_path / scene["views"][1]["depth"]["path"]))
    depth[:9] = 0
    np.testing.assert_array_equal(stored, depth)


def faulty(folder: Path, fault: str) -> str:
    """Break the layout of 4x4 files; returns the file that the message must name."""
    pose = folder / "pose" / "9.txt"
    matrix = np.array(POSES[1])
    if fault == "cut":
        file = folder / "color" / "9.png"
        file.write_bytes(file.read_bytes()[:-200])
    elif fault == "aspect":
        file = folder / "depth" / "9.png"
        Image.fromarray(np.ones((100, 160), np.uint16)).save(file)
    else:
        file = pose
        matrix[:, 0] *= -1 if fault == "mirror" else 1
        matrix[0, 3] = np.nan if fault == "nan" else matrix[0, 3]
        np.savetxt(pose, matrix)
        if fault == "short":
            pose.write_text("1 0 0")
    return str(file)


@pytest.mark.parametrize("fault", ["cut", "aspect", "mirror", "nan", "short"])
def test_corrupt_rgbd_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    write_rgbd(tmp_path, "matrices")
    file = faulty(tmp_path / "seq", fault)
    with pytest.raises(DataError) as caught:
        ingest(rgbd, tmp_path / "seq", root=tmp_path, camera=CAMERA)
    assert file in str(caught.value)


def test_rgbd_refuses_what_it_cannot_know(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected color/"):
        list(rgbd.find(str(tmp_path)))
    write_rgbd(tmp_path, "icl")
    with pytest.raises(DataError, match=r"camera: expected a matrix in .*; give fx,fy,cx,cy"):
        ingest(rgbd, tmp_path / "seq", root=tmp_path)
    lines = (tmp_path / "seq" / "pose.txt").read_text().splitlines()
    (tmp_path / "seq" / "pose.txt").write_text("\n".join(lines[:2]))
    with pytest.raises(DataError, match=r"pose\.txt: expected 3 poses, one for each picture, got 2"):
        ingest(rgbd, tmp_path / "seq", root=tmp_path, camera=CAMERA)
    (tmp_path / "seq" / "pose.txt").write_text("\n".join([*lines[:2], "0 0 0 0 0 0 2"]))
    with pytest.raises(DataError, match=r"pose\.txt:3: expected a unit quaternion"):
        ingest(rgbd, tmp_path / "seq", root=tmp_path, camera=CAMERA)
