"""Readers of embodiedscan, objectron, frames and scannetpp: the room of the tests, written in their layouts."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from layouts import (
    BOXES,
    CAMERA,
    HEIGHT,
    LABELS,
    POSES,
    UP,
    UP_BOXES,
    WIDTH,
    corners,
    ingest,
    room,
    same_boxes,
    share_in_boxes,
    warp_error,
    with_masks,
)
from room import render
from vstkit.datasets import embodiedscan, objectron
from vstkit.errors import DataError

FX, FY, CX, CY = CAMERA
K3 = np.array([[FX, 0, CX], [0, FY, CY], [0, 0, 1]])


def embodied(folder: Path, name: str, *, each: bool) -> dict[str, Any]:
    """The room as an info file's content; `each`: cam2img for each image, as Matterport3D has it."""
    room(folder)
    align = np.eye(4)
    align[:3, :3], align[:3, 3] = Rotation.from_euler("z", -40, degrees=True).as_matrix(), (3.0, 1.0, 0.0)
    K4 = np.eye(4)
    K4[:3, :3] = K3
    images = [
        {
            "img_path": f"room-{i}.png",
            "depth_path": f"room-{i}-depth.png",
            "cam2global": np.linalg.inv(align) @ UP @ pose,
            "visible_instance_ids": [0],
            **({"cam2img": K4} if each else {}),
        }
        for i, pose in enumerate(POSES)
    ]
    boxes = UP_BOXES.copy()
    for box in boxes:
        box[6:] = Rotation.from_euler("xyz", box[6:], degrees=True).as_euler("ZXY")
    instances = [
        {"bbox_3d": box.astype(np.float64), "bbox_label_3d": np.int64(i + 3), "bbox_id": i}
        for i, box in enumerate(boxes)
    ]
    scan = {"sample_idx": name, "axis_align_matrix": align, "images": images, "instances": instances}
    if not each:
        scan["cam2img"] = K4
    return {"metainfo": {"categories": {label: i + 3 for i, label in enumerate(LABELS)}}, "data_list": [scan]}


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_embodiedscan_pickles_give_the_room_back(protocol: int, tmp_path: Path) -> None:
    content = embodied(tmp_path, "scannet/scene0191_00", each=False)
    (tmp_path / "infos.pkl").write_bytes(pickle.dumps(content, protocol))
    (scene,), tally = ingest(embodiedscan, tmp_path / "infos.pkl", root=tmp_path)
    assert not tally
    assert (scene["dataset"], scene["family"], scene["up"]) == ("scannet", "scene0191", [0, 0, 1])
    for view, pose in zip(scene["views"], POSES, strict=True):
        np.testing.assert_allclose(view["pose"], UP @ pose, atol=1e-6)
        assert view["camera"] == CAMERA
    same_boxes(scene["objects"], UP_BOXES, LABELS, 1e-5)
    assert warp_error(scene, 0, 1, tmp_path) < 0.005
    with_masks(scene)
    assert min(share_in_boxes(scene, view, tmp_path) for view in scene["views"]) > 0.99


def test_embodiedscan_json_of_matterport3d_has_quarter_millimetres(tmp_path: Path) -> None:
    content = embodied(tmp_path, "matterport3d/17DRP5sb8fy/region0", each=True)
    content["data_list"][0]["images"][1]["cam2global"] = np.full((4, 4), np.inf)
    content["data_list"][0]["images"][2]["img_path"] = "gone.jpg"
    content["data_list"][0]["instances"][0]["bbox_label_3d"] = np.int64(99)
    text = json.dumps(content, default=lambda value: value.tolist())
    (tmp_path / "infos.json").write_text(text)
    (scene,), tally = ingest(embodiedscan, tmp_path / "infos.json", root=tmp_path)
    assert tally == {
        "views whose pose is not finite": 1,
        "views whose picture is not there": 1,
        "objects whose category has no name": 1,
    }
    assert scene["views"][0]["depth"]["scale"] == 4000
    assert (scene["family"], len(scene["objects"])) == ("matterport3d/17DRP5sb8fy", 2)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cam2img", K3.T, r"images\[0\]\.cam2img: expected cx and cy in the last column"),
        ("cam2img", np.diag([2, 2, 1.0]) @ K3, r"images\[0\]\.cam2img: expected the camera of .*room-0\.png"),
        ("axis_align_matrix", np.diag([1.0, 1, -1, 1]), r"axis_align_matrix: expected a right-handed"),
        ("instances", [{"bbox_3d": [1, 2, 3], "bbox_label_3d": 3}], r"instances\[0\]\.bbox_3d: expected 9 numbers"),
    ],
)
def test_corrupt_embodiedscan_is_refused_by_name(field: str, value: Any, message: str, tmp_path: Path) -> None:
    content = embodied(tmp_path, "3rscan/abc", each=False)
    content["data_list"][0][field] = value
    (tmp_path / "infos.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=r"infos\.pkl: 3rscan/abc\." + message):
        ingest(embodiedscan, tmp_path / "infos.pkl", root=tmp_path)


def test_pickles_that_name_code_are_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "infos.pkl").write_bytes(pickle.dumps({"metainfo": Harm(), "data_list": []}))
    with pytest.raises(DataError, match="refused"):
        list(embodiedscan.find(str(tmp_path / "infos.pkl")))
    assert not (tmp_path / "touched").exists()
    (tmp_path / "infos.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match=r"expected metainfo\.categories"):
        list(embodiedscan.find(str(tmp_path / "infos.pkl")))


AR = np.diag([1.0, -1, -1, 1])  # the room's world to one with y up
TALL = [150.0, 152.0, 58.5, 80.25]  # of upright pictures, 120x160


def objectron_room(
    folder: Path, *, upright: bool = True, projection: bool = True, camel: bool = False
) -> dict[str, Any]:
    """The room as a sequence; the phone's own axes are those of a picture that lies on its side, with y up."""
    width, height, camera = (120, 160, TALL) if upright else (WIDTH, HEIGHT, CAMERA)
    own = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, -1]]) if upright else np.diag([1.0, -1, -1])
    fx, fy, cx, cy = camera
    (folder / "chair-1").mkdir()
    frames = []
    for i, pose in enumerate(POSES):
        Image.fromarray(render(BOXES, camera, width, height, pose)[0]).save(folder / "chair-1" / f"frame_{i}.jpg")
        to_camera = np.linalg.inv(np.array(pose))
        view = np.eye(4)
        view[:3, :3] = own
        view = view @ to_camera @ AR
        right, down = (2 * fx / width, 1 - 2 * (cx + 0.5) / width), (2 * fy / height, 1 - 2 * (cy + 0.5) / height)
        x, y = (down, right) if upright else (right, (down[0], -down[1]))
        P = [x[0], 0, x[1], 0, 0, y[0], y[1], 0, 0, 0, -1.002, -0.2, 0, 0, -1, 0]
        K = [fy, 0, cy + 0.5, 0, fx, 119.5 - cx, 0, 0, 1] if upright else [fx, 0, cx + 0.5, 0, fy, cy + 0.5, 0, 0, 1]
        notes = []
        for number, box in enumerate(BOXES):
            points = np.vstack([box[:3], corners(box)]) @ to_camera[:3, :3].T + to_camera[:3, 3]
            uv = [((fx * a / c + cx + 0.5) / width, (fy * b / c + cy + 0.5) / height) for a, b, c in points]
            keypoints = [
                {"point_3d": dict(zip("xyz", own.T @ point, strict=True)), "point_2d": {"x": u, "y": v}}
                for point, (u, v) in zip(points, uv, strict=True)
            ]
            notes.append({"object_id": number, "keypoints": keypoints} if number else {"keypoints": keypoints})
        camera_fields = {"projection_matrix": P} if projection else {"intrinsics": K}
        frame = {"frame_id": i, "timestamp": 7 + 0.1 * i, "camera": {"view_matrix": view.ravel(), **camera_fields}}
        frames.append({**frame, "annotations": notes})
    things = [{"id": i, "category": label, "scale": BOXES[i, 3:6]} for i, label in enumerate(LABELS)]
    content = {"objects": things, "frame_annotations": frames}
    text = json.dumps(content, default=lambda value: value.tolist())
    if camel:
        text = re.sub(r'_(\w)(?=\w*": )', lambda m: m[1].upper(), text)
    (folder / "chair-1.json").write_text(text)
    return json.loads(text)


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("projection", [True, False])
@pytest.mark.parametrize("camel", [True, False])
def test_objectron_gives_the_room_back(upright: bool, projection: bool, camel: bool, tmp_path: Path) -> None:
    objectron_room(tmp_path, upright=upright, projection=projection, camel=camel)
    (scene,), tally = ingest(objectron, tmp_path, root=tmp_path)
    assert not tally
    assert (scene["id"], scene["up"]) == ("chair-1", [0, 1, 0])
    assert [view["time"] for view in scene["views"]] == [0, 0.1, 0.2]
    for view, pose in zip(scene["views"], POSES, strict=True):
        np.testing.assert_allclose(view["camera"], TALL if upright else CAMERA, atol=1e-5)
        np.testing.assert_allclose(view["pose"], AR @ pose, atol=1e-6)
    expected = BOXES.copy()
    expected[:, :3] *= np.diag(AR)[:3]
    turned = Rotation.from_matrix(AR[:3, :3]) * Rotation.from_euler("xyz", BOXES[:, 6:], degrees=True)
    expected[:, 6:] = turned.as_euler("xyz", degrees=True)
    same_boxes(scene["objects"], expected, LABELS, 1e-5)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("transposed", r"frame_annotations\[1\]\.camera\.projection_matrix: expected the last row 0 0 -1 0"),
        ("mirror", r"frame_annotations\[1\]\.camera\.view_matrix: expected a right-handed"),
        ("no box", r"frame_annotations\[1\]\.annotations\[0\]\.keypoints: expected the centre and corners of a box"),
        ("eight", r"frame_annotations\[1\]\.annotations\[0\]\.keypoints: expected 9"),
        ("2D", r"frame_annotations\[1\]\.annotations\[0\]\.keypoints: expected point_3d to project to point_2d"),
    ],
)
def test_corrupt_objectron_is_refused_by_name(fault: str, message: str, tmp_path: Path) -> None:
    content = objectron_room(tmp_path)
    frame = content["frame_annotations"][1]
    camera, keypoints = frame["camera"], frame["annotations"][0]["keypoints"]
    if fault == "transposed":
        camera["projection_matrix"] = np.reshape(camera["projection_matrix"], (4, 4)).T.ravel().tolist()
    elif fault == "mirror":
        camera["view_matrix"] = (np.reshape(camera["view_matrix"], (4, 4)) * [1, 1, -1, 1]).ravel().tolist()
    elif fault == "no box":
        for point in keypoints:
            del point["point_2d"]
        keypoints[1], keypoints[2] = keypoints[2], keypoints[1]
    elif fault == "eight":
        del keypoints[8]
    else:
        for point in keypoints:
            point["point_2d"]["x"], point["point_2d"]["y"] = point["point_2d"]["y"], point["point_2d"]["x"]
    (tmp_path / "chair-1.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"chair-1\.json: " + message):
        ingest(objectron, tmp_path / "chair-1.json", root=tmp_path)


def test_objectron_counts_what_it_leaves_out_and_knows_other_files(tmp_path: Path) -> None:
    content = objectron_room(tmp_path)
    (tmp_path / "chair-1" / "frame_2.jpg").unlink()
    content["objects"].append({"id": 9, "category": "cup"})
    (tmp_path / "chair-1.json").write_text(json.dumps(content))
    (scene,), tally = ingest(objectron, tmp_path, root=tmp_path)
    assert tally == {"frames without a picture": 1, "objects without keypoints or category": 1}
    assert len(scene["views"]) == 2
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(DataError, match=r"other\.json: expected objects and frame_annotations"):
        list(objectron.find(str(tmp_path / "other.json")))
