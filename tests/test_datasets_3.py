"""The reader of hypersim: a real file, and the room of the tests in its layout."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from layouts import BOXES, CAMERA, HEIGHT, POSES, WIDTH, depth_camera, ingest, same_boxes, share_in_boxes, warp_error
from room import render
from support import shared
from vstkit.datasets import hypersim
from vstkit.errors import DataError

METRES = 0.0254
Y_UP = np.diag([1.0, -1.0, -1.0])
KINDS = [1, 7, 35]  # wall, table, lamp of NYU40


def hdf5(file: Path, values: Any) -> None:
    import h5py

    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as opened:
        opened["dataset"] = np.asarray(values)


def write_hypersim(top: Path, tilt: tuple[float, ...] = (0.02, -0.01, 0.0), skew: float = 0.0) -> Path:
    """The room as a Hypersim scene whose sensor is tilted against the axes that its poses are given in."""
    folder = top / "ai_001_001"
    fx, fy, cx, cy = CAMERA
    K = np.array([[fx, skew, cx], [0, fy, cy], [0, 0, 1]])
    turn = Rotation.from_euler("xyz", tilt).as_matrix()  # from the file's camera axes, y down, to the sensor's
    pixel_of_uv = np.array([[WIDTH / 2, 0, (WIDTH - 1) / 2], [0, -HEIGHT / 2, (HEIGHT - 1) / 2], [0, 0, 1]])
    M = 0.7 * Y_UP @ turn.T @ np.linalg.inv(K) @ pixel_of_uv
    poses = np.array(POSES)
    hdf5(folder / "_detail/cam_00/camera_keyframe_positions.hdf5", poses[:, :3, 3] / METRES)
    hdf5(folder / "_detail/cam_00/camera_keyframe_orientations.hdf5", poses[:, :3, :3] @ turn @ Y_UP)
    for i, pose in enumerate(POSES):
        picture, depth, instances = render(BOXES, CAMERA, WIDTH, HEIGHT, pose)
        preview = folder / "images/scene_cam_00_final_preview"
        preview.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(preview / f"frame.{i:04}.tonemap.jpg")
        Image.fromarray(picture).save(preview / f"frame.{i:04}.color.jpg")
        u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
        distance = depth * np.sqrt(((u - cx) / fx) ** 2 + ((v - cy) / fy) ** 2 + 1)
        stem = f"images/scene_cam_00_geometry_hdf5/frame.{i:04}"
        hdf5(folder / f"{stem}.depth_meters.hdf5", np.where(depth > 0, distance, np.nan).astype(np.float32))
        hdf5(folder / f"{stem}.semantic_instance.hdf5", np.where(instances > 0, 2.0 * instances, -1).astype(np.int16))
        hdf5(folder / f"{stem}.semantic.hdf5", np.array([-1, *KINDS], np.int16)[instances])
    sizes, centres, axes = np.full((8, 3), np.inf), np.full((8, 3), np.inf), np.full((8, 3, 3), np.inf)
    sizes[2:7:2], centres[2:7:2] = BOXES[:, 3:6] / METRES, BOXES[:, :3] / METRES
    axes[2:7:2] = Rotation.from_euler("xyz", BOXES[:, 6:], degrees=True).as_matrix()
    for part, values in (("extents", sizes), ("positions", centres), ("orientations", axes)):
        hdf5(folder / f"_detail/mesh/metadata_semantic_instance_bounding_box_object_aligned_2d_{part}.hdf5", values)
    (folder / "_detail/metadata_scene.csv").write_text(
        f"parameter_name,parameter_value\nmeters_per_asset_unit,{METRES}\n"
    )
    row = {"scene_name": "ai_001_001"} | {f"M_cam_from_uv_{i}{j}": M[i, j] for i in range(3) for j in range(3)}
    with (top / "metadata_camera_parameters.csv").open("w") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([{**row, "scene_name": "ai_000_000"}, row])
    return folder


def test_hypersim_gives_the_room_back(tmp_path: Path) -> None:
    write_hypersim(tmp_path)
    (scene,), tally = ingest(hypersim, tmp_path, root=tmp_path, write=tmp_path / "maps")
    assert not tally
    assert (scene["id"], scene["family"]) == ("ai_001_001/cam_00", "ai_001_001")
    assert scene["views"][0]["image"].endswith("frame.0000.tonemap.jpg")
    for view, pose in zip(scene["views"], POSES, strict=True):
        np.testing.assert_allclose(view["camera"], CAMERA, atol=1e-6)
        np.testing.assert_allclose(view["pose"], pose, atol=1e-6)
        stored = np.asarray(Image.open(tmp_path / view["depth"]["path"])) / 1000
        np.testing.assert_allclose(stored, render(BOXES, CAMERA, WIDTH, HEIGHT, pose)[1], atol=0.00051)
        assert share_in_boxes(scene, view, tmp_path) > 0.99
    same_boxes(scene["objects"], BOXES, ["wall", "table", "lamp"], 1e-5)
    assert [thing["instance"] for thing in scene["objects"]] == [3, 5, 7]
    assert warp_error(scene, 0, 2, tmp_path) < 0.005


def test_hypersim_without_write_has_no_maps_and_writes_the_same_bytes_again(tmp_path: Path) -> None:
    folder = write_hypersim(tmp_path)
    (scene,), tally = ingest(hypersim, folder, root=tmp_path)
    assert tally == {"depth needs --write": 3, "instances need --write": 3}
    assert not {"depth", "instances"} & set(scene["views"][0])
    assert len(scene["objects"]) == 3
    for name in ("a", "b"):
        ingest(hypersim, folder, root=tmp_path, write=tmp_path / name)
    files = sorted(file.relative_to(tmp_path / "a") for file in (tmp_path / "a").rglob("*.png"))
    assert len(files) == 6
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


def test_a_hypersim_camera_with_skew_is_left_out(tmp_path: Path) -> None:
    scenes, tally = ingest(hypersim, write_hypersim(tmp_path, skew=2.0), root=tmp_path)
    assert (scenes, tally) == ([], {"scenes whose camera has skew": 1})


def test_the_real_hypersim_frame_is_level_and_its_rooms_planes_are_flat(tmp_path: Path) -> None:
    """The photographer set the camera level and shifted the lens: the tilt in the matrix and in the pose cancel."""
    shutil.copytree(shared() / "scenes" / "hypersim", tmp_path / "h")
    (images,) = (tmp_path / "h").rglob("images")
    (images / "scene_cam_00_final_preview").mkdir()
    Image.new("RGB", (1024, 768)).save(
        images / "scene_cam_00_final_preview" / "frame.0000.color.jpg"
    )  # not in the sample
    (scene,), _ = ingest(hypersim, tmp_path / "h", root=tmp_path, write=tmp_path / "maps")
    (view,) = scene["views"]
    np.testing.assert_allclose(np.array(view["pose"])[:3, 2], [0, 1, 0], atol=1e-6)
    depth = np.asarray(Image.open(tmp_path / view["depth"]["path"])) / 1000
    assert flattest(view, depth) > 2 * flattest(view, distance_of(view, depth))


def distance_of(view: Any, depth: np.ndarray) -> np.ndarray:
    fx, fy, cx, cy = depth_camera(view, depth)
    v, u = np.indices(depth.shape)
    return depth * np.sqrt(((u - cx) / fx) ** 2 + ((v - cy) / fy) ** 2 + 1)


def flattest(view: Any, depth: np.ndarray) -> float:
    """The share of points in the fullest centimetre of height: a floor or a ceiling, where depth is right."""
    _, fy, _, cy = depth_camera(view, depth)
    height = -(np.indices(depth.shape)[0] - cy) / fy * depth
    return float(np.bincount(((height - height.min()) * 100).astype(int).ravel()).max() / height.size)


def spoil(folder: Path, fault: str) -> str:
    """Break the Hypersim scene; returns what the message must name."""
    detail = folder / "_detail"
    if fault == "cut depth":
        file = folder / "images/scene_cam_00_geometry_hdf5/frame.0001.depth_meters.hdf5"
        file.write_bytes(file.read_bytes()[:3000])
    elif fault == "mirror":
        file = detail / "cam_00"
        hdf5(file / "camera_keyframe_orientations.hdf5", np.tile(np.diag([1.0, 1, -1]), (3, 1, 1)))
    elif fault == "nan":
        file = detail / "cam_00/camera_keyframe_positions.hdf5"
        hdf5(file, np.full((3, 3), np.nan))
    elif fault == "scale":
        file = detail / "metadata_scene.csv"
        file.write_text("parameter_name,parameter_value\nmeters_per_asset_unit,0\n")
    elif fault == "too few poses":
        file = folder / "images/scene_cam_00_final_preview/frame.0002.tonemap.jpg"
        hdf5(detail / "cam_00/camera_keyframe_positions.hdf5", np.zeros((2, 3)))
        hdf5(detail / "cam_00/camera_keyframe_orientations.hdf5", np.tile(np.eye(3), (2, 1, 1)))
    else:
        file = folder
        (folder.parent / "metadata_camera_parameters.csv").write_text("scene_name\nai_000_000\n")
    return str(file)


@pytest.mark.parametrize("fault", ["cut depth", "mirror", "nan", "scale", "too few poses", "no camera"])
def test_corrupt_hypersim_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    folder = write_hypersim(tmp_path)
    file = spoil(folder, fault)
    with pytest.raises(DataError) as caught:
        ingest(hypersim, folder, root=tmp_path, write=tmp_path / "maps")
    assert file in str(caught.value)


def test_what_is_not_hypersim_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected _detail/cam_NN/camera_keyframe_positions\.hdf5"):
        list(hypersim.find(str(tmp_path)))
