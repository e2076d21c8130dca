"""Readers of scannet and coco: real files of coco, and the room of the tests in the layout of scannet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.spatial.transform import Rotation

from layouts import BOXES, LABELS, POSES, UP, corners, ingest, same_boxes, share_in_boxes, warp_error
from room import render
from support import shared
from vstkit.datasets import coco, scannet
from vstkit.errors import DataError

ALIGN = np.eye(4)
ALIGN[:3, :3], ALIGN[:3, 3] = Rotation.from_euler("z", 25, degrees=True).as_matrix(), (1.0, -2.0, 0.05)
COLOR_SIZE, COLOR_CAMERA = (324, 242), [304.0, 307.0, 160.0, 122.0]


def write_scannet(folder: Path, layout: str) -> Path:
    """The room as a scan with colour of another size and aspect than the depth, and with a lost frame."""
    name = "scene0707_01"
    notes = folder / "scans" / name
    notes.mkdir(parents=True)
    exported = layout == "sens"
    scene = notes if exported else folder / "posed_images" / name
    places = {part: scene / part if exported else scene for part in ("color", "depth", "pose")}
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    (notes / "instance-filt").mkdir()
    x, y = 160 / 324, 120 / 242
    fx, fy, cx, cy = COLOR_CAMERA
    small = [fx * x, fy * y, (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5]
    for i, pose in enumerate(POSES):
        stem = str(5 * i) if exported else f"{5 * i:05}"
        picture, _, instances = render(BOXES, COLOR_CAMERA, *COLOR_SIZE, pose)
        _, depth, _ = render(BOXES, small, 160, 120, pose)
        Image.fromarray(picture).save(places["color"] / f"{stem}.jpg")
        Image.fromarray(np.round(depth * 1000).astype(np.uint16)).save(places["depth"] / f"{stem}.png")
        Image.fromarray(instances.astype(np.uint8)).save(notes / "instance-filt" / f"{stem}.png")
        np.savetxt(places["pose"] / f"{stem}.txt", np.linalg.inv(ALIGN) @ UP @ pose)
    Image.fromarray(picture).save(places["color"] / "99.jpg")
    np.savetxt(places["pose"] / "99.txt", np.full((4, 4), -np.inf))
    for file, (a, b, c, d) in (("color", COLOR_CAMERA), ("depth", small)):
        K = np.array([[a, 0, c, 0], [0, b, d, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        if exported:
            (scene / "intrinsic").mkdir(exist_ok=True)
            np.savetxt(scene / "intrinsic" / f"intrinsic_{file}.txt", K)
        elif file == "color":
            np.savetxt(scene / "intrinsic.txt", K)
    numbers = " ".join(f"{v:.9f}" for v in ALIGN.ravel())
    (notes / f"{name}.txt").write_text(
        f"appVersion = 1\naxisAlignment = {numbers} \ncolorWidth = 324\ncolorHeight = 242\n"
    )
    write_mesh(notes, name)
    return scene


def write_mesh(notes: Path, name: str) -> None:
    """Corners of every box as the mesh, two segments an object, and a segment of nothing."""
    room_points = np.concatenate([corners(box) for box in BOXES] + [np.zeros((3, 3))])
    to_scan = np.linalg.inv(ALIGN) @ UP
    points = room_points @ to_scan[:3, :3].T + to_scan[:3, 3]
    vertices = np.zeros(len(points), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgba", "u1", 4)])
    for axis, column in zip("xyz", points.T, strict=True):
        vertices[axis] = column
    properties = [*(f"property float {axis}" for axis in "xyz"), *(f"property uchar {c}" for c in "rgba")]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}", *properties, "element face 0"]
    data = "\n".join([*head, "property list uchar int vertex_indices", "end_header\n"]).encode() + vertices.tobytes()
    (notes / f"{name}_vh_clean_2.ply").write_bytes(data)
    segments = [*np.repeat([4, 5, 6, 7, 8, 9], 4).tolist(), 1, 1, 1]
    (notes / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps({"segIndices": segments}))
    groups = [{"id": i, "objectId": i, "label": LABELS[i], "segments": [4 + 2 * i, 5 + 2 * i]} for i in range(3)]
    (notes / f"{name}.aggregation.json").write_text(json.dumps({"sceneId": name, "segGroups": groups}))


@pytest.mark.parametrize("layout", ["sens", "posed_images"])
def test_scannet_poses_and_boxes_are_in_the_aligned_world(layout: str, tmp_path: Path) -> None:
    write_scannet(tmp_path, layout)
    (scene,), tally = ingest(scannet, tmp_path, root=tmp_path)
    assert tally == {"views whose pose is not finite": 1}
    assert (scene["id"], scene["family"], scene["up"]) == ("scene0707_01", "scene0707", [0, 0, 1])
    for view, pose in zip(scene["views"], POSES, strict=True):
        np.testing.assert_allclose(view["pose"], UP @ pose, atol=1e-6)
        assert (view["camera"], (view["width"], view["height"])) == (COLOR_CAMERA, COLOR_SIZE)
    assert warp_error(scene, 0, 1, tmp_path) < 0.005
    assert [(thing["instance"], thing.get("stuff", False)) for thing in scene["objects"]] == [
        (1, True),
        (2, False),
        (3, False),
    ]
    placed = [corners(box) @ UP[:3, :3].T + UP[:3, 3] for box in BOXES]
    expected = [[*(p.min(0) + p.max(0)) / 2, *(p.max(0) - p.min(0)), 0, 0, 0] for p in placed]
    same_boxes(scene["objects"], np.array(expected), LABELS, 1e-5)
    for index, view in enumerate(scene["views"]):  # masked depth lies in the boxes: one world, one numbering
        assert share_in_boxes(scene, view, tmp_path) > 0.98, index


def test_scannet_without_annotations_is_left_as_scanned(tmp_path: Path) -> None:
    scene = write_scannet(tmp_path, "posed_images")
    shutil.rmtree(tmp_path / "scans")
    (record,), tally = ingest(scannet, scene, root=tmp_path)
    assert tally == {
        "alignment of scenes without axisAlignment": 1,
        "objects of scenes without an aggregation file": 1,
        "views whose pose is not finite": 1,
    }
    assert "up" not in record
    np.testing.assert_allclose(record["views"][1]["pose"], np.linalg.inv(ALIGN) @ UP @ POSES[1], atol=1e-6)


def spoil(folder: Path, fault: str) -> str:
    """Break an exported scene; returns what the message must name."""
    notes = folder / "scans" / "scene0707_01"
    K = notes / "intrinsic" / "intrinsic_color.txt"
    if fault == "K transposed":
        np.savetxt(K, np.loadtxt(K).T)
    elif fault == "K of another size":
        (notes / "scene0707_01.txt").write_text("x = 1\n")
        np.savetxt(K, np.loadtxt(K) * 0.5 + np.diag([0, 0, 0.5, 0.5]))
    elif fault == "depth of another camera":
        K = notes / "intrinsic" / "intrinsic_depth.txt"
        np.savetxt(K, np.loadtxt(K) * [[1.1], [1], [1], [1]])
    elif fault == "cut mesh":
        K = notes / "scene0707_01_vh_clean_2.ply"
        K.write_bytes(K.read_bytes()[:-20])
    elif fault == "segments":
        K = notes / "scene0707_01_vh_clean_2.0.010000.segs.json"
        K.write_text('{"segIndices": [1, 2]}')
    else:
        K = notes / "scene0707_01.txt"
        K.write_text("axisAlignment = 1 0 0 0 0 -1 0 0 0 0 1 0 0 0 0 1\n")
    return str(K)


FAULTS = ["K transposed", "K of another size", "depth of another camera", "cut mesh", "segments", "mirrored alignment"]


@pytest.mark.parametrize("fault", FAULTS)
def test_corrupt_scannet_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    write_scannet(tmp_path, "sens")
    file = spoil(tmp_path, fault)
    with pytest.raises(DataError) as caught:
        ingest(scannet, tmp_path, root=tmp_path)
    assert file in str(caught.value)


def test_what_is_not_scannet_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected posed images beside intrinsic\.txt"):
        list(scannet.find(str(tmp_path)))


def test_real_coco_outlines_have_the_areas_and_boxes_that_the_file_says(tmp_path: Path) -> None:
    folder = shared() / "coco"
    scenes, tally = ingest(coco, folder / "test_coco.json", root=folder, write=tmp_path, hfov=55)
    notes = {str(note["id"]): note for note in json.loads((folder / "test_coco.json").read_text())["annotations"]}
    assert (len(scenes), sum(len(s["objects"]) for s in scenes), dict(tally)) == (4, 14, {})
    assert scenes[0]["id"] == "000000000785"
    for scene in scenes:
        (view,) = scene["views"]
        assert view["camera"][0] == pytest.approx(view["width"] / 2 / np.tan(np.radians(55 / 2)))
        instances = np.asarray(Image.open(folder / view["instances"]["path"]))
        for thing in scene["objects"]:
            note = notes[thing["id"]]
            mask = instances == thing["instance"]
            assert mask.sum() == pytest.approx(note["area"], rel=0.25 if overlapped(note, notes) else 0.02)
            v, u = np.nonzero(mask)
            x0, y0, x1, y1 = thing["box2d"]["0"]
            assert np.abs([x0 - u.min(), y0 - v.min(), x1 - u.max(), y1 - v.max()]).max() < 12


def overlapped(note: Any, notes: Any) -> bool:
    x, y, w, h = note["bbox"]
    others = [n["bbox"] for n in notes.values() if n["image_id"] == note["image_id"] and n is not note]
    return any(a < x + w and x < a + c and b < y + h and y < b + d for a, b, c, d in others)


def run_lengths(mask: np.ndarray) -> list[int]:
    runs, value = [0], False
    for pixel in mask.ravel(order="F"):
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def compressed(runs: list[int]) -> str:
    """COCO's text of run lengths, written for these tests from the description of the format."""
    letters = ""
    for i, run in enumerate(runs):
        x = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits, x = x & 31, x >> 5
            more = x != -1 if bits & 16 else x != 0
            letters += chr(48 + (bits | 32 if more else bits))
    return letters


@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_of_any_mask_are_read_back(mask: np.ndarray) -> None:
    height, width = mask.shape
    runs = run_lengths(mask)
    for counts in (runs, compressed(runs)):
        outline = {"size": [height, width], "counts": counts}
        np.testing.assert_array_equal(coco.decode(outline, width, height, "x"), mask)


def test_known_outlines() -> None:
    assert coco.decode([[1, 1, 4, 1, 4, 3, 1, 3]], 6, 5, "x").nonzero()[1].tolist() == [1, 2, 3, 1, 2, 3]
    triangle = coco.decode([[0, 0, 100, 0, 0, 100], [200, 200, 210, 200, 210, 210, 200, 210]], 300, 300, "x")
    assert triangle.sum() == pytest.approx(5000 + 100, abs=60)
    # Of 25 pixels: 25 zeros; no zero and 25 ones.
    assert coco.decode({"size": [5, 5], "counts": "i0"}, 5, 5, "x").sum() == 0
    assert coco.decode({"size": [5, 5], "counts": "0i0"}, 5, 5, "x").all()
    big = np.zeros((400, 600), bool)
    big[10:390, 5:599] = True
    outline = {"size": [400, 600], "counts": compressed(run_lengths(big))}
    np.testing.assert_array_equal(coco.decode(outline, 600, 400, "x"), big)


def write_coco(folder: Path, **changed: Any) -> Path:
    (folder / "annotations").mkdir()
    (folder / "val2017").mkdir()
    Image.new("RGB", (60, 40)).save(folder / "val2017" / "7.jpg")
    square = {"size": [40, 60], "counts": [5 * 40 + 5, 10, 30, 10, 2345 - 200]}
    note = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [5, 5, 2, 10], "segmentation": square, "iscrowd": 0}
    content = {
        "images": [{"id": 7, "file_name": "7.jpg", "width": 60, "height": 40, "license": 2}],
        "categories": [{"id": 3, "name": "cup"}],
        "licenses": [{"id": 2, "name": "CC BY 4.0"}],
        "annotations": [note | changed, {**note, "id": 2, "iscrowd": 1}],
    }
    file = folder / "annotations" / "instances_val2017.json"
    file.write_text(json.dumps(content))
    return file


def test_coco_finds_its_pictures_leaves_out_crowds_and_counts_what_it_assumes(tmp_path: Path) -> None:
    file = write_coco(tmp_path)
    (scene,), tally = ingest(coco, file, root=tmp_path)
    assert tally == {"crowds": 1, "instances need --write": 1}
    assert (scene["views"][0]["image"], scene["license"]) == ("val2017/7.jpg", "CC BY 4.0")
    assert scene["objects"] == [{"id": "1", "label": "cup", "box2d": {"0": [4.5, 4.5, 6.5, 14.5]}}]
    (scene,), _ = ingest(coco, file, root=tmp_path, write=tmp_path / "maps", hfov=60)
    v, u = np.nonzero(np.asarray(Image.open(tmp_path / scene["views"][0]["instances"]["path"])))
    assert (u.min(), u.max(), v.min(), v.max(), len(u)) == (5, 6, 5, 14, 20)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"bbox": [1, 2, float("nan"), 4]}, r"annotations\[0\]\.bbox: expected finite"),
        ({"category_id": 99}, r"annotations\[0\]: expected the ids"),
        ({"segmentation": [[1, 2, 3]]}, r"annotations\[0\]\.segmentation\[0\]: expected three or more points"),
        ({"segmentation": {"size": [40, 60], "counts": [5]}}, r"segmentation\.counts: expected runs of 2400 pixels"),
        ({"segmentation": {"size": [60, 40], "counts": [2400]}}, r"counts of size \[40, 60\]"),
        ({"segmentation": {"size": [40, 60], "counts": "o"}}, r"counts: the text is cut short"),
    ],
)
def test_corrupt_coco_is_refused_by_name(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write_coco(tmp_path, **changed)
    with pytest.raises(DataError, match=message) as caught:
        ingest(coco, file, root=tmp_path, write=tmp_path / "maps", hfov=60)
    assert str(file) in str(caught.value)


def test_coco_pictures_of_another_size_and_other_files_are_refused(tmp_path: Path) -> None:
    file = write_coco(tmp_path)
    Image.new("RGB", (40, 60)).save(tmp_path / "val2017" / "7.jpg")
    with pytest.raises(DataError, match=r"7\.jpg: expected 60x40 as .*instances_val2017\.json says, got 40x60"):
        ingest(coco, file, root=tmp_path, hfov=60)
    (tmp_path / "x.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="expected COCO's images, annotations and categories"):
        list(coco.find(str(tmp_path / "x.json")))
