"""Readers of frames and scannetpp: videos and the room of the tests, written in their layouts."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from layouts import (
    CAMERA,
    LABELS,
    POSES,
    UP,
    UP_BOXES,
    ingest,
    room,
    same_boxes,
    share_in_boxes,
    warp_error,
    with_masks,
)
from vstkit.datasets import frames, scannetpp
from vstkit.errors import DataError, UsageError

ONE = 1 << 16
IDENTITY = (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
CLOCKWISE = (0, ONE, 0, -ONE, 0, 0, 48 * ONE, 0, 1 << 30)


def write_video(file: Path, count: int = 30, rate: int = 10) -> None:
    """Frames that grow brighter: frame i is a grey of 8 i."""
    av: Any = pytest.importorskip("av")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(count):
            grey = np.full((48, 64, 3), 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())


def shades(scene: dict[str, Any], root: Path) -> list[int]:
    """Which frames the views show, by their grey."""
    return [round(float(np.asarray(Image.open(root / view["image"])).mean()) / 8) for view in scene["views"]]


def test_a_video_gives_views_with_their_times(tmp_path: Path) -> None:
    write_video(tmp_path / "walk.mp4")
    (scene,), tally = ingest(frames, tmp_path / "walk.mp4", root=tmp_path, write=tmp_path / "out", hfov=60, fps=2)
    assert tally == {"frames beyond fps or max_frames": 24}
    assert [view["time"] for view in scene["views"]] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert shades(scene, tmp_path) == [0, 5, 10, 15, 20, 25]
    assert scene["views"][0]["camera"] == pytest.approx([55.4256, 55.4256, 31.5, 23.5], abs=1e-4)
    (scene,), _ = ingest(frames, tmp_path, root=tmp_path, write=tmp_path / "out", hfov=60, max_frames=4)
    assert shades(scene, tmp_path) == [0, 10, 19, 29]
    (scene,), tally = ingest(frames, tmp_path, root=tmp_path, write=tmp_path / "out", hfov=60)
    assert (len(scene["views"]), dict(tally)) == (30, {})
    for bad in ({"fps": 0}, {"max_frames": 0}):
        with pytest.raises(UsageError):
            ingest(frames, tmp_path / "walk.mp4", root=tmp_path, **bad)
    with pytest.raises(UsageError, match="give --write"):
        ingest(frames, tmp_path / "walk.mp4", root=tmp_path)


def test_a_video_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    """As phones write it: 90 degrees clockwise in the track's matrix."""
    av: Any = pytest.importorskip("av")
    file = tmp_path / "phone.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24] = 255
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    data = file.read_bytes()
    straight, turned = struct.pack(">9i", *IDENTITY), struct.pack(">9i", *CLOCKWISE)
    head, found, tail = data.partition(b"tkhd")
    assert found
    file.write_bytes(head + found + tail.replace(straight, turned, 1))
    (scene,), _ = ingest(frames, file, root=tmp_path, write=tmp_path / "out", hfov=60)
    (view,) = scene["views"]
    pixels = np.asarray(Image.open(tmp_path / view["image"]).convert("L"))
    assert (view["width"], view["height"], pixels.shape) == (48, 64, (64, 48))
    assert pixels[:, 30:].mean() > 240  # what was above is on the right
    assert pixels[:, :18].mean() < 15


def test_a_broken_video_is_refused_by_name(tmp_path: Path) -> None:
    write_video(tmp_path / "walk.mkv")
    data = (tmp_path / "walk.mkv").read_bytes()
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "head.mkv").write_bytes(data[:100])
    for name in ("text.mp4", "head.mkv"):
        with pytest.raises(DataError, match=name):
            ingest(frames, tmp_path / name, root=tmp_path, write=tmp_path / "out")


def test_a_folder_of_pictures_is_one_scene(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in (1, 2, 10):
        Image.new("RGB", (64, 48), (i, i, i)).save(tmp_path / f"{i}.png")
    (scene,), tally = ingest(frames, tmp_path, root=tmp_path)
    assert [view["image"] for view in scene["views"]] == ["1.png", "2.png", "10.png"]
    assert "time" not in scene["views"][0]
    assert not tally
    assert "60 degrees are assumed" in caplog.text
    (scene,), tally = ingest(frames, tmp_path, root=tmp_path, hfov=90, fps=5, max_frames=2)
    assert [(view["image"], view["time"]) for view in scene["views"]] == [("1.png", 0), ("10.png", 0.4)]
    assert tally == {"pictures beyond max_frames": 1}
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"2\.png: cannot be read"):
        ingest(frames, tmp_path, root=tmp_path, hfov=60)


def test_what_is_neither_a_video_nor_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a video"):
        list(frames.find(str(tmp_path)))


FX, FY, CX, CY = CAMERA
K = [[FX, 0, CX], [0, FY, CY], [0, 0, 1]]


def colmap(folder: Path, stems: list[str], camera: str) -> None:
    """images.txt and cameras.txt of the room in a world with z up, as COLMAP writes them."""
    folder.mkdir(parents=True)
    (folder / "cameras.txt").write_text(f"# Camera list\n3 {camera}\n")
    rows = ["# Image list"]
    for i, (stem, pose) in enumerate(zip(stems, POSES, strict=False)):
        to_camera = np.linalg.inv(UP @ pose)
        x, y, z, w = Rotation.from_matrix(to_camera[:3, :3]).as_quat()
        numbers = " ".join(f"{v:.12f}" for v in (w, x, y, z, *to_camera[:3, 3]))
        rows += [f"{i + 1} {numbers} 3 {stem}.jpg", "12.5 8.5 -1" if i else ""]
    (folder / "images.txt").write_text("\n".join(rows) + "\n")


def write_scannetpp(top: Path) -> Path:
    """The room as one scene with a phone and a camera."""
    folder = top / "data" / "7b6477cb95"
    room(top)
    stems = [f"frame_{10 * i:06}" for i in range(3)]
    for part in ("iphone/rgb", "iphone/depth", "dslr/resized_undistorted_images", "dslr/nerfstudio", "scans"):
        (folder / part).mkdir(parents=True)
    shift = np.eye(4)
    shift[0, 3] = 0.03  # the phone's own poses are near COLMAP's
    notes = {}
    for i, stem in enumerate(stems):
        Image.open(top / f"room-{i}.png").save(folder / "iphone" / "rgb" / f"{stem}.jpg", quality=95)
        shutil.copy(top / f"room-{i}-depth.png", folder / "iphone" / "depth" / f"{stem}.png")
        shutil.copy(folder / "iphone" / "rgb" / f"{stem}.jpg", folder / "dslr" / "resized_undistorted_images")
        notes[stem] = {"timestamp": i / 6, "intrinsic": K, "aligned_pose": (shift @ UP @ POSES[i]).tolist()}
    (folder / "iphone" / "pose_intrinsic_imu.json").write_text(json.dumps(notes))
    colmap(folder / "iphone" / "colmap", stems, "OPENCV 160 120 150 152 79 60 0.1 0 0 0")
    colmap(folder / "dslr" / "colmap", stems, "OPENCV_FISHEYE 160 120 150 152 79 60 0.1 0.1 0 0")
    transforms = {"w": 160, "h": 120, "fl_x": FX, "fl_y": FY, "cx": CX + 0.5, "cy": CY + 0.5, "camera_model": "PINHOLE"}
    (folder / "dslr" / "nerfstudio" / "transforms_undistorted.json").write_text(json.dumps(transforms))
    groups = []
    for i, (box, label) in enumerate(zip(UP_BOXES, LABELS, strict=True)):
        axes = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix().T
        obb = {"centroid": box[:3].tolist(), "axesLengths": box[3:6].tolist(), "normalizedAxes": axes.ravel().tolist()}
        groups.append({"id": i + 1, "objectId": i + 1, "label": label, "segments": [i], "obb": obb})
    mirrored = np.reshape(groups[1]["obb"]["normalizedAxes"], (3, 3)) * [[1], [1], [-1]]
    groups[1]["obb"]["normalizedAxes"] = mirrored.ravel().tolist()
    groups.append({"id": 9, "label": "REMOVE", "obb": groups[0]["obb"]})
    (folder / "scans" / "segments_anno.json").write_text(json.dumps({"segGroups": groups}))
    return folder


def test_scannetpp_gives_the_room_back_from_both_devices(tmp_path: Path) -> None:
    write_scannetpp(tmp_path)
    (dslr, iphone), tally = ingest(scannetpp, tmp_path, root=tmp_path)
    assert tally == {"objects without a name": 2}
    assert [scene["id"] for scene in (dslr, iphone)] == ["7b6477cb95/dslr", "7b6477cb95/iphone"]
    for scene in (dslr, iphone):
        assert (scene["family"], scene["up"], len(scene["views"])) == ("7b6477cb95", [0, 0, 1], 3)
        same_boxes(scene["objects"], UP_BOXES, LABELS, 1e-5)
        for view, pose in zip(scene["views"], POSES, strict=True):
            np.testing.assert_allclose(view["pose"], UP @ pose, atol=1e-6)
            np.testing.assert_allclose(view["camera"], CAMERA, atol=1e-6)
    assert "depth" not in dslr["views"][0]
    assert iphone["views"][1]["time"] == pytest.approx(1 / 6)
    assert warp_error(iphone, 0, 1, tmp_path) < 0.005
    with_masks(iphone)
    assert min(share_in_boxes(iphone, view, tmp_path) for view in iphone["views"]) > 0.99


def test_scannetpp_says_which_poses_it_takes_and_what_it_leaves_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_scannetpp(tmp_path)
    colmap_file = folder / "iphone" / "colmap" / "images.txt"
    colmap_file.write_text("\n".join(colmap_file.read_text().splitlines()[:5]))
    (folder / "dslr" / "resized_undistorted_images").rename(folder / "dslr" / "resized_images")
    (iphone,), tally = ingest(scannetpp, folder, root=tmp_path)
    assert len(iphone["views"]) == 2
    assert tally["views without a pose"] == 1
    assert tally["views that are distorted (OPENCV_FISHEYE)"] == 3
    shutil.rmtree(folder / "iphone" / "colmap")
    (iphone,), tally = ingest(scannetpp, folder, root=tmp_path)
    assert len(iphone["views"]) == 3
    assert "the phone's own poses may lie some centimetres off" in caplog.text
    np.testing.assert_allclose(np.subtract(iphone["views"][0]["pose"], UP @ POSES[0])[:3, 3], [0.03, 0, 0], atol=1e-6)
    (folder / "dslr" / "colmap" / "cameras.txt").write_text(
        f"3 PINHOLE 320 240 {2 * FX} {2 * FY} {2 * CX + 1} {2 * CY + 1}\n"
    )
    (dslr, _), _ = ingest(scannetpp, folder, root=tmp_path)
    np.testing.assert_allclose(dslr["views"][2]["camera"], CAMERA, atol=1e-6)


def break_scannetpp(folder: Path, fault: str) -> str:
    """Spoil one file; returns what the message must name."""
    file = folder / "iphone" / "pose_intrinsic_imu.json"
    notes = json.loads(file.read_text())
    if fault == "transposed":
        notes["frame_000010"]["intrinsic"] = np.transpose(K).tolist()
    elif fault == "of another size":
        notes["frame_000010"]["intrinsic"] = [[12 * FX, 0, 960], [0, 12 * FY, 720], [0, 0, 1]]
    elif fault == "mirror":
        shutil.rmtree(folder / "iphone" / "colmap")
        notes["frame_000010"]["aligned_pose"] = np.diag([1, 1, -1, 1]).tolist()
    else:
        texts = {
            "quaternion": ("dslr/colmap/images.txt", "1 2 0 0 0 0 0 0 3 a.jpg\n\n"),
            "short line": ("dslr/colmap/images.txt", "1 2 0 0\n"),
            "axes": ("scans/segments_anno.json", '{"segGroups": [{"label": "a", "obb": {"centroid": [1, 2]}}]}'),
            "focal": ("dslr/nerfstudio/transforms_undistorted.json", '{"w": 4, "h": 4, "fl_x": -1}'),
        }
        name, text = texts[fault]
        (folder / name).write_text(text)
        return str(folder / name)
    file.write_text(json.dumps(notes))
    return f"{file}: frame_000010"


@pytest.mark.parametrize(
    "fault", ["transposed", "of another size", "mirror", "quaternion", "short line", "axes", "focal"]
)
def test_corrupt_scannetpp_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    folder = write_scannetpp(tmp_path)
    place = break_scannetpp(folder, fault)
    with pytest.raises(DataError) as caught:
        ingest(scannetpp, folder, root=tmp_path)
    assert place in str(caught.value)


def test_what_is_not_scannetpp_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected scenes with iphone/rgb or dslr/colmap"):
        list(scannetpp.find(str(tmp_path)))
