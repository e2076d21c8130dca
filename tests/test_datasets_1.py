"""Readers of Omni3D, SUN RGB-D, ARKitScenes and VSI-Bench's meta_info: real files, and known rooms in their layouts."""

from __future__ import annotations

import json
import os
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.transform import Rotation

import room
from support import shared
from vstkit import datasets, images
from vstkit.checking import check
from vstkit.datasets import common, sunrgbd
from vstkit.datasets.pickles import load_pickle
from vstkit.errors import DataError, UsageError

CAMERA, WIDTH, HEIGHT = [60.0, 58.0, 31.5, 23.5], 64, 48
Array = np.ndarray[Any, Any]


def ingest(name: str, path: Path, **options: Any) -> tuple[list[dict[str, Any]], Counter[str]]:
    """What `vstkit ingest` does: units as lines, then records, all of which `check` accepts with their files."""
    module, tally = datasets.reader(name), Counter[str]()
    units = [orjson.loads(orjson.dumps(unit)) for unit in module.find(str(path))]
    assert all(unit["kind"] == "unit" and isinstance(unit["id"], str) for unit in units)
    records = [record for unit in units for record in module.read(unit, tally, **options)]
    for record in records:
        assert record["kind"] == "scene"
        if "picture: not there" not in tally:
            check(record, Counter(), files=True, root=options.get("root", "."))
    return orjson.loads(orjson.dumps(records)), tally


def corners(box: Any) -> Array:
    """(8, 3), by scipy: what a box is, whatever its axes and angles are called."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).T.reshape(-1, 3)
    turned: Array = Rotation.from_euler("xyz", box[6:], degrees=True).apply(signs * np.array(box[3:6]) / 2) + box[:3]
    return turned


def apart(one: Any, other: Any) -> float:
    """How far the corners of a box are from the nearest corners of another, in metres."""
    gaps = np.linalg.norm(corners(one)[:, None] - corners(other)[None], axis=-1)
    return float(max(gaps.min(0).max(), gaps.min(1).max()))


def same_box(one: Any, other: Any) -> None:
    """Equal axes, sizes and centres to 2e-6, not only equal corners."""
    assert np.allclose(one[:6], other[:6], atol=2e-6)
    turn = [Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix() for box in (one, other)]
    assert np.allclose(*turn, atol=1e-6)


def put(folder: Path, name: str, pixels: Array) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def write_json(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value))


# Omni3D

BOXES = [[0.2, 0.1, 3.0, 0.8, 0.5, 0.4, 20.0, -35.0, 65.0], [-0.7, 0.2, 2.4, 0.3, 0.6, 0.9, -10.0, 60.0, 100.0]]
LABELS = ["night_stand", "bed"]


def annotation(box: list[float], **fields: Any) -> dict[str, Any]:
    length, height, width = box[3:6]  # Omni3D: x is the length, y the height, z the width
    return {
        "image_id": 7,
        "category_id": 0,
        "valid3D": True,
        "behind_camera": False,
        "center_cam": box[:3],
        "dimensions": [width, height, length],
        "R_cam": Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix().tolist(),
        "bbox2D_tight": [-1, -1, -1, -1],
        "bbox2D_trunc": [1.0, 2.0, 30.0, 40.0],
        "depth_error": -1,
        **fields,
    }


def write_omni3d(folder: Path, **more: Any) -> Path:
    picture, _, _ = room.render(BOXES, CAMERA, WIDTH, HEIGHT)
    put(folder, "ARKitScenes/Training/40777060/40777060_frames/lowres_wide/a.png", picture)
    path = "ARKitScenes/Training/40777060/40777060_frames/lowres_wide/a.png"
    K = [[CAMERA[0], 0, CAMERA[2]], [0, CAMERA[1], CAMERA[3]], [0, 0, 1]]
    minus = {"center_cam": [-1, -1, -1], "dimensions": [-1, -1, -1], "R_cam": [[-1] * 3] * 3}
    left_out = [
        {"valid3D": False, **minus},
        {"behind_camera": True},
        {"category_id": 9},
        {"dimensions": [0.0, 1, 1]},
        {"depth_error": 0.8},
    ]
    content = {
        "info": {"id": 0},
        "images": [{"id": 7, "file_path": path, "width": WIDTH, "height": HEIGHT, "K": K}],
        "categories": [{"id": 0, "name": "night_stand"}, {"id": 1, "name": "bed"}, {"id": 9, "name": "dontcare"}],
        "annotations": [annotation(box, id=i, category_id=i) for i, box in enumerate(BOXES)]
        + [annotation(BOXES[0], id=10 + i, **fields) for i, fields in enumerate(left_out)],
        **more,
    }
    write_json(folder / "Omni3D" / "ARKitScenes_train.json", content)
    return folder / "Omni3D" / "ARKitScenes_train.json"


def test_omni3d_reads_a_known_room(tmp_path: Path) -> None:
    [scene], tally = ingest("omni3d", write_omni3d(tmp_path), root=str(tmp_path))
    assert (scene["id"], scene["dataset"], scene["split"]) == ("arkitscenes/7", "arkitscenes", "train")
    assert scene["family"] == "arkitscenes/40777060"
    assert "CC BY-NC 4.0" in scene["license"]
    view = scene["views"][0]
    assert view["image"].startswith("ARKitScenes/Training/")
    assert view["camera"] == CAMERA
    for thing, box, label in zip(scene["objects"], BOXES, LABELS, strict=True):
        same_box(thing["box3d"], box)
        assert thing["label"] == label.replace("_", " ")
        assert thing["box2d"] == {"0": [1.0, 2.0, 30.0, 40.0]}
    assert tally == {
        "object: valid3D is false": 1,
        "object: behind the camera": 1,
        "object: marked as ignored": 1,
        "object: size not positive": 1,
        "object: depth_error above 0.5 m": 1,
    }


def test_omni3d_of_a_real_kitchen_equals_its_scenes() -> None:
    records, tally = ingest("omni3d", shared() / "boxes" / "adt_omni3d_like.json")
    truth: dict[str, tuple[list[Any], list[Any]]] = {}
    for line in (shared() / "scenes" / "adt" / "scenes.jsonl").read_text().splitlines():
        scene = json.loads(line)
        for view in scene["views"]:
            pose = np.array(view["pose"])
            placed = [(o["label"], (corners(o["box3d"]) - pose[:3, 3]) @ pose[:3, :3]) for o in scene["objects"]]
            truth[view["image"]] = (view["camera"], placed)
    compared = 0
    for record in records:
        camera, placed = truth[Path(record["views"][0]["image"]).name]
        assert record["views"][0]["camera"] == camera
        for thing in record["objects"]:
            mine = corners(thing["box3d"])
            gaps = [
                np.linalg.norm(mine[:, None] - theirs[None], axis=-1).min(1).max()
                for label, theirs in placed
                if label == thing["label"]
            ]
            assert min(gaps) < 1e-3
            compared += 1
    assert (len(records), compared, tally["object: valid3D is false"]) == (6, 263, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["annotations"][1]["R_cam"][0].__setitem__(0, float("nan")), "annotations[1].R_cam: expected fin"),
        (lambda d: d["annotations"][1].update(R_cam=[[1, 0, 0], [0, 1, 0], [0, 0, -1]]), "annotations[1].R_cam: exp"),
        (lambda d: d["annotations"][1].update(R_cam=[[2, 0, 0], [0, 1, 0], [0, 0, 1]]), "orthonormal"),
        (lambda d: d["annotations"][1].pop("center_cam"), "annotations[1].center_cam: expected"),
        (lambda d: d["images"][0].update(K=np.transpose(d["images"][0]["K"]).tolist()), "images[0].K: expected cx"),
        (lambda d: d["images"][0].update(K=[[60, 0, None], [0, 58, 23.5], [0, 0, 1]]), "images[0].K: expected finite"),
        (lambda d: d["images"][0].update(K=[[-60, 0, 31], [0, 58, 23.5], [0, 0, 1]]), "fx and fy positive"),
        (lambda d: d["images"][0].update(width=128), "a.png: expected 128x48"),
        (lambda d: d["annotations"][1].update(image_id=9), "annotations[1].image_id: no image has the id 9"),
        (lambda d: d["images"][0].pop("file_path"), "images[0].file_path: missing"),
        (lambda d: d["images"][0].pop("K"), "images[0].K: missing"),
        (lambda d: d.pop("annotations"), "expected Omni3D JSON"),
    ],
)
def test_omni3d_names_what_is_corrupt(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    file = write_omni3d(tmp_path)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(DataError) as error:
        ingest("omni3d", file)
    assert said in str(error.value)
    assert "ARKitScenes_train.json" in str(error.value) or "a.png" in str(error.value)


def test_omni3d_keeps_a_picture_that_is_not_there_and_says_so(tmp_path: Path) -> None:
    file = write_omni3d(tmp_path)
    next(tmp_path.rglob("a.png")).unlink()
    [scene], tally = ingest("omni3d", file, root=str(file.parent))
    assert scene["views"][0]["image"].startswith("ARKitScenes/Training/")
    assert tally["picture: not there"] == 1


def test_a_split_that_the_layout_tells_can_be_asked_for(tmp_path: Path) -> None:
    file = write_omni3d(tmp_path)
    assert len(ingest("omni3d", file, split="train")[0]) == 1
    records, tally = ingest("omni3d", file, split="val")
    assert (records, tally) == ([], {"unit: of split train": 1})


# SUN RGB-D: boxes stand upright in axes x right, y forward, z up; the camera is tilted against them.

TILT = Rotation.from_euler("xyz", [12, 0, -4], degrees=True).as_matrix()  # camera to upright, both y down
FLIP = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # y down to z up
UPRIGHT = [
    ([0.4, 3.0, -0.3], [0.9, 0.5, 0.7], -1.1),
    ([-0.8, 2.6, 0.1], [0.4, 0.6, 0.3], 2.6),
]  # centre, l w h, heading
K_ONE = np.array([[CAMERA[0], 0, CAMERA[2] + 1], [0, CAMERA[1], CAMERA[3] + 1], [0, 0, 1]])  # pixels from 1


def upright_boxes() -> list[list[float]]:
    """The same in the camera's axes, as records have them."""
    turn = TILT.T @ FLIP.T
    boxes = []
    for centre, size, heading in UPRIGHT:
        R = turn @ Rotation.from_euler("z", heading).as_matrix()
        boxes.append([*(turn @ centre), *size, *Rotation.from_matrix(R).as_euler("xyz", degrees=True)])
    return boxes


def outline(centre: list[float], size: list[float], heading: float) -> dict[str, Any]:
    """Corners on the ground: the first side is the front."""
    front = np.array([np.cos(heading), np.sin(heading)])
    side = np.array([-front[1], front[0]])
    long, wide, high = size
    ground = [(a * front * long + b * side * wide) / 2 + centre[:2] for a, b in ((1, -1), (1, 1), (-1, 1), (-1, -1))]
    ends = {"Ymin": -centre[2] - high / 2, "Ymax": -centre[2] + high / 2}
    return {"X": [p[0] for p in ground], "Z": [p[1] for p in ground], **ends}


def write_official(folder: Path) -> Path:
    picture, depth, _ = room.render(upright_boxes(), CAMERA, WIDTH, HEIGHT)
    leaf = folder / "SUNRGBD" / "xtion" / "sun3ddata" / "hotel" / "scan1"
    Image.fromarray(picture).save(put(leaf, "image/0001.jpg", picture), quality=95)
    millimetres = np.round(depth * 1000).astype(np.uint16)
    put(leaf, "depth_bfx/0001.png", (millimetres << 3) | (millimetres >> 13))
    (leaf / "intrinsics.txt").write_text("\n".join(" ".join(map(repr, row)) for row in K_ONE.tolist()))
    (leaf / "extrinsics").mkdir()
    (leaf / "extrinsics" / "20140101.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n")  # an older one
    (leaf / "extrinsics" / "20150101.txt").write_text("\n".join(" ".join(map(repr, [*r, 0.0])) for r in TILT.tolist()))
    objects: list[Any] = [
        {"name": "night_stand:occluded", "polygon": [outline(*UPRIGHT[0])]},
        None,
        {"name": "bed_:truncated", "polygon": [outline(*UPRIGHT[1])]},
        {"name": "wall", "polygon": [outline(*UPRIGHT[1])]},
        {"name": "rug", "polygon": [outline(UPRIGHT[1][0], [1, 1, 0], 0)]},
        {"name": "desk", "polygon": [{**outline(*UPRIGHT[1]), "X": [0, 1, 2], "Z": [0, 1, 0]}]},
        {"name": "table", "polygon": [{**outline(*UPRIGHT[1]), "X": [0, 1, 2, 1], "Z": [0, 0, 1, 1]}]},
    ]
    write_json(leaf / "annotation3Dfinal" / "index.json", {"objects": objects})
    return leaf


def is_upright_room(scene: dict[str, Any]) -> None:
    assert np.allclose(scene["views"][0]["camera"], CAMERA, atol=1e-5)
    assert np.allclose(scene["up"], TILT.T @ [0, -1, 0], atol=1e-6)
    assert [thing["label"] for thing in scene["objects"]] == ["night stand", "bed"]
    for thing, box in zip(scene["objects"], upright_boxes(), strict=True):
        same_box(thing["box3d"], box)


def test_sunrgbd_official_folders(tmp_path: Path) -> None:
    write_official(tmp_path)
    [scene], tally = ingest("sunrgbd", tmp_path, root=str(tmp_path))
    is_upright_room(scene)
    assert scene["id"] == "sunrgbd/xtion/sun3ddata/hotel/scan1"
    assert scene["family"] == "sunrgbd/xtion/sun3ddata/hotel"
    assert "depth" not in scene["views"][0]
    assert tally == {
        "depth needs --write": 1,
        "object: no polygon": 1,
        "object: wall, floor or ceiling": 1,
        "object: size not positive": 1,
        "object: outline is no rectangle": 2,
    }


def test_sunrgbd_depth_is_written_in_millimetres(tmp_path: Path) -> None:
    write_official(tmp_path)
    [scene], _ = ingest("sunrgbd", tmp_path, root=str(tmp_path), write=str(tmp_path / "maps"))
    depth = scene["views"][0]["depth"]
    assert depth == {"path": "maps/xtion/sun3ddata/hotel/scan1.png", "scale": 1000, "kind": "sensor"}
    _, truth, instances = room.render(upright_boxes(), CAMERA, WIDTH, HEIGHT)
    read = images.read_map(depth["path"], str(tmp_path)) / depth["scale"]
    assert np.abs(read - truth).max() <= 0.0005 + 1e-9
    # The boxes stand where the depth is: pixels to points by the record's camera, points into the box by scipy.
    fx, fy, cx, cy = scene["views"][0]["camera"]
    for number, thing in enumerate(scene["objects"], 1):
        v, u = np.nonzero(instances == number)
        z = read[v, u]
        box = np.array(thing["box3d"])
        points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], -1) - box[:3]
        inside = Rotation.from_euler("xyz", box[6:], degrees=True).inv().apply(points)
        assert len(z) > 50
        assert (np.abs(inside) <= box[3:6] / 2 + 0.002).all()


@given(st.integers(0, 0xFFFF))
def test_depth_bits_are_turned_back(value: int) -> None:
    bits = f"{value:016b}"
    expected = int(bits[-3:] + bits[:-3], 2)
    assert sunrgbd.unrotated(np.array([[value]], np.uint16))[0, 0] == (expected if expected <= 8000 else 0)


def write_votenet(folder: Path) -> Path:
    base = folder / "sunrgbd_trainval"
    picture, _, _ = room.render(upright_boxes(), CAMERA, WIDTH, HEIGHT)
    put(base, "image/000005.jpg", picture)
    tilt = FLIP @ TILT @ FLIP.T
    rows = [matrix.T.ravel().tolist() for matrix in (tilt, K_ONE)]  # column by column
    (base / "calib").mkdir()
    (base / "calib" / "000005.txt").write_text("\n".join(" ".join(map(repr, row)) for row in rows) + "\n")
    lines = []
    for label, (centre, (long, wide, high), heading) in zip(LABELS, UPRIGHT, strict=True):
        numbers = [
            11,
            12,
            20,
            30,
            *centre,
            wide / 2,
            long / 2,
            high / 2,
            float(np.cos(heading)),
            float(np.sin(heading)),
        ]
        lines.append(" ".join([label, *map(repr, numbers)]))
    (base / "label").mkdir()
    (base / "label" / "000005.txt").write_text("\n".join(lines) + "\n")
    (base / "train_data_idx.txt").write_text("5\n6\n")
    (base / "val_data_idx.txt").write_text("1\n")
    return folder


def test_sunrgbd_in_votenet_form(tmp_path: Path) -> None:
    for path in (write_votenet(tmp_path), tmp_path / "sunrgbd_trainval"):
        [scene], tally = ingest("sunrgbd", path)
        is_upright_room(scene)
        assert (scene["id"], scene["split"], tally) == ("sunrgbd/000005", "train", {})
        assert scene["objects"][0]["box2d"] == {"0": [10, 11, 30, 41]}


def infos(version: str) -> Any:
    """The same room as mmdetection3d writes it."""
    tilt = FLIP @ TILT @ FLIP.T
    seven = np.array([[*centre, *size, heading] for centre, size, heading in UPRIGHT])
    flat = np.array([[11.0, 12, 31, 42]] * 2)
    if version == "1.0":
        annos = {"gt_num": 2, "name": np.array(LABELS), "bbox": flat, "gt_boxes_upright_depth": seven}
        picture = {"image_idx": 5, "image_shape": np.array([HEIGHT, WIDTH]), "image_path": "image/000005.jpg"}
        return [{"image": picture, "calib": {"K": K_ONE, "Rt": tilt}, "annos": annos}]
    cam = {"img_path": "000005.jpg", "height": HEIGHT, "width": WIDTH, "depth2img": K_ONE @ FLIP.T @ tilt.T}
    instances = [
        {"bbox": b.tolist(), "bbox_3d": s.tolist(), "bbox_label_3d": n}
        for b, s, n in zip(flat, seven, (3, 1), strict=True)
    ]
    categories = {"bed": 1, "night_stand": 3}
    return {"metainfo": {"categories": categories}, "data_list": [{"images": {"CAM0": cam}, "instances": instances}]}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("protocol", range(6))
def test_sunrgbd_info_files(tmp_path: Path, version: str, protocol: int) -> None:
    write_votenet(tmp_path)
    file = tmp_path / "sunrgbd_infos_val.pkl"
    file.write_bytes(pickle.dumps(infos(version), protocol))
    [scene], tally = ingest("sunrgbd", file)
    is_upright_room(scene)
    assert (scene["split"], tally) == ("val", {})
    assert scene["objects"][1]["box2d"] == {"0": [10, 11, 30, 41]}


def test_sunrgbd_real_frame_equals_its_scene() -> None:
    folder = shared() / "scenes" / "sunrgbd-mmdet3d"
    [scene], _ = ingest("sunrgbd", folder / "000017_infos.json")
    truth = json.loads((folder / "scenes.jsonl").read_text())
    assert scene["id"] == truth["id"]
    assert np.allclose(scene["up"], truth["up"], atol=1e-5)
    # That scene still counts pixels from 1.
    camera = scene["views"][0]["camera"]
    assert np.allclose(np.add(camera, [0, 0, 1, 1]), truth["views"][0]["camera"], atol=1e-3)
    for mine, theirs in zip(scene["objects"], truth["objects"], strict=True):
        assert mine["label"] == theirs["label"]
        assert apart(mine["box3d"], theirs["box3d"]) < 1e-3
        assert np.allclose(mine["box3d"][3:6], theirs["box3d"][3:6], atol=1e-3)


def test_sunrgbd_real_points_have_the_colours_of_their_pixels() -> None:
    folder = shared() / "scenes" / "sunrgbd-mmdet3d"
    [scene], _ = ingest("sunrgbd", folder)
    points = np.fromfile(folder / "000017.bin", np.float32).reshape(-1, 6)
    cam = json.loads((folder / "000017_infos.json").read_text())["data_list"][0]["images"]["CAM0"]
    K = [[529.5, 0, 365], [0, 529.5, 265], [0, 0, 1]]  # as the dataset gives it for this sensor
    x, y, z = np.linalg.inv(K) @ np.array(cam["depth2img"]) @ points[:, :3].T
    fx, fy, cx, cy = scene["views"][0]["camera"]
    u, v = x / z * fx + cx, y / z * fy + cy
    pixels = np.asarray(Image.open(folder / "000017.jpg").convert("RGB"), float)
    seen = pixels[np.round(v).astype(int), np.round(u).astype(int)]
    assert np.abs(seen - points[:, 3:] * 255).mean() < 0.01


class Command:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (pickle.dumps([Command()]), "refused: expected numpy arrays and plain containers, got posix.system"),
        (pickle.dumps([np.random.default_rng(0)]), "refused"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "got builtins.eval"),
        (b"cnumpy\nload\n.", "got numpy.load"),
        (b"cnumpy\nndarray.tofile\n.", "got numpy.ndarray.tofile"),
        (pickle.dumps(infos("1.0"))[:-30], "not a pickle that can be read"),
        (b"", "not a pickle that can be read"),
        (pickle.dumps([1, 2]), "expected mmdetection3d infos"),
        (pickle.dumps([{"image": {}}]), "[0]: expected images.CAM0.img_path"),
    ],
)
def test_pickles_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: bytes, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("infos.pkl").write_bytes(raw)
    with pytest.raises(DataError) as error:
        ingest("sunrgbd", Path("infos.pkl"))
    assert said in str(error.value)
    assert str(error.value).startswith("infos.pkl: ")
    assert not Path("ran").exists()


def test_a_pickle_becomes_plain(tmp_path: Path) -> None:
    held = {"a": np.eye(2, dtype=np.float32), "b": np.float64(2.5), "c": (np.array(["x"]), {1}), "d": np.zeros((0, 7))}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(held))
    assert load_pickle(tmp_path / "a.pkl") == {"a": [[1, 0], [0, 1]], "b": 2.5, "c": [["x"], [1]], "d": []}


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("intrinsics.txt", lambda t: "60 0 0\n0 58 0\n32 24 1", "transposed"),
        ("intrinsics.txt", lambda t: "60 0 32 0 58 24", "intrinsics.txt: expected 9 numbers, got 6"),
        ("intrinsics.txt", lambda t: t.replace("60.0", "nan"), "intrinsics.txt: expected finite"),
        ("intrinsics.txt", lambda t: t.replace("60.0", "sixty"), "intrinsics.txt: expected numbers"),
        ("extrinsics/20150101.txt", lambda t: "1 0 0 0\n0 1 0 0\n0 0 -1 0", "20150101.txt: expected a right-handed"),
        ("extrinsics/20150101.txt", lambda t: "nan 0 0 0\n0 1 0 0\n0 0 1 0", "20150101.txt: expected finite"),
        ("extrinsics/20150101.txt", lambda t: "1 0 0 0\n0 2 0 0\n0 0 1 0", "20150101.txt: expected an orthonormal"),
        ("annotation3Dfinal/index.json", lambda t: t[:-9], "index.json: not JSON"),
        ("annotation3Dfinal/index.json", lambda t: t.replace('"Ymin": ', '"Ymin": NaN, "y": ', 1), "polygon[0].Ymin"),
        ("annotation3Dfinal/index.json", lambda t: "[]", "index.json: objects: expected a list"),
    ],
)
def test_sunrgbd_names_what_is_corrupt(tmp_path: Path, file: str, change: Callable[[str], str], said: str) -> None:
    leaf = write_official(tmp_path)
    (leaf / file).write_text(change((leaf / file).read_text()))
    with pytest.raises(DataError) as error:
        ingest("sunrgbd", tmp_path)
    assert said in str(error.value)
    assert file in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: e["images"]["CAM0"]["depth2img"].__setitem__(0, [float("nan"), 0, 0]), "depth2img: expected finite"),
        (lambda e: e["images"]["CAM0"].update(depth2img=np.transpose(e["images"]["CAM0"]["depth2img"])), "depth2img"),
        (lambda e: e["images"]["CAM0"].update(depth2img=-np.array(e["images"]["CAM0"]["depth2img"])), "right-handed"),
        (lambda e: e["images"]["CAM0"].update(depth2img=[[1, 0], [0, 1]]), "depth2img: expected 3x3 numbers, got 2x2"),
        (lambda e: e["images"]["CAM0"].update(img_path="gone.jpg"), "gone.jpg: no such file"),
        (lambda e: e["instances"][1].update(bbox_3d=[1, 2]), "instances[1].bbox_3d: expected 7 numbers, got 2"),
    ],
)
def test_sunrgbd_infos_name_what_is_corrupt(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    write_votenet(tmp_path)
    content = infos("1.1")
    change(content["data_list"][0])
    (tmp_path / "infos.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=r"infos.pkl: |gone") as error:
        ingest("sunrgbd", tmp_path / "infos.pkl")
    assert said in str(error.value)


# ARKitScenes and meta_info: the world's z is up.

ROOM = [[0.0, 2.5, 0.4, 0.8, 0.6, 0.8, 0, 0, 30.0], [0.9, 3.0, 0.3, 0.5, 0.5, 0.6, 0, 0, -70.0]]
EYES = [([0.0, 0.0, 1.4], [0.2, 2.6, 0.4]), ([0.5, 0.2, 1.5], [0.3, 2.6, 0.4]), ([-0.4, 0.3, 1.2], [0.3, 2.6, 0.4])]
TIMES = [100.033, 100.133, 100.233]
POSES = [np.array(room.look_at(eye, target, (0, 0, 1))) for eye, target in EYES]


def obb(box: list[float]) -> dict[str, Any]:
    rows = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix().T
    return {"centroid": box[:3], "axesLengths": box[3:6], "normalizedAxes": rows.ravel().tolist()}


def write_arkitscenes(folder: Path) -> Path:
    scan = folder / "3dod" / "Training" / "40777060"
    frames = scan / "40777060_frames"
    lines = []
    for time, pose in zip(TIMES, POSES, strict=True):
        picture, depth, _ = room.render(ROOM, CAMERA, WIDTH, HEIGHT, pose)
        put(frames, f"lowres_wide/40777060_{time:.3f}.png", picture)
        put(frames, f"lowres_depth/40777060_{time:.3f}.png", np.round(depth * 1000).astype(np.uint16))
        to_camera = np.linalg.inv(pose)
        vector = Rotation.from_matrix(to_camera[:3, :3]).as_rotvec()
        lines.append(" ".join(map(repr, [time + 0.0004, *vector.tolist(), *to_camera[:3, 3].tolist()])))
        (frames / "lowres_wide_intrinsics").mkdir(exist_ok=True)
        name = f"40777060_{time + 0.001:.3f}.pincam"  # off by a millisecond, as some are
        (frames / "lowres_wide_intrinsics" / name).write_text(" ".join(map(repr, [WIDTH, HEIGHT, *CAMERA])))
    (frames / "lowres_wide.traj").write_text("\n".join(reversed(lines)) + "\n")
    boxes = [*ROOM, [0, 0, 0, 1, 1, 0, 0, 0, 0]]
    labels = ["cabinet", "tv_monitor", "sink"]
    data = [
        {"uid": str(i), "label": n, "segments": {"obbAligned": obb(b)}}
        for i, (n, b) in enumerate(zip(labels, boxes, strict=True))
    ]
    write_json(scan / "40777060_3dod_annotation.json", {"data": data, "skipped": False, "stats": {}})
    (folder / "3dod" / "3dod_train_val_splits.csv").write_text("video_id,visit_id,fold\n40777060,420123,Training\n")
    return scan


def test_arkitscenes_reads_a_known_room(tmp_path: Path) -> None:
    scan = write_arkitscenes(tmp_path)
    for path in (tmp_path, scan.parent, scan, scan / "40777060_frames"):
        [scene], tally = ingest("arkitscenes", path, root=str(tmp_path))
        assert (scene["id"], scene["split"]) == ("arkitscenes/40777060", "train")
        assert scene["family"] == "arkitscenes/visit-420123"
        assert tally == {"object: size not positive": 1}
        assert [view["time"] for view in scene["views"]] == [0.0, 0.1, 0.2]
        for view, pose in zip(scene["views"], POSES, strict=True):
            assert np.allclose(view["pose"], pose, atol=1e-6)
            assert view["camera"] == CAMERA
            assert view["image"].startswith("3dod/Training/40777060/40777060_frames/lowres_wide/")
            assert view["depth"]["scale"] == 1000
        assert [thing["label"] for thing in scene["objects"]] == ["cabinet", "tv monitor"]
        for thing, box in zip(scene["objects"], ROOM, strict=True):
            same_box(thing["box3d"], box)
        assert scene["up"] == [0, 0, 1]


def test_arkitscenes_poses_carry_the_depth_of_one_view_into_another(tmp_path: Path) -> None:
    write_arkitscenes(tmp_path)
    [scene], _ = ingest("arkitscenes", tmp_path, root=str(tmp_path))

    def error(turned: bool) -> float:
        """Median difference of depths (m) where both views have one; with the poses the other way round as well."""
        first, second = scene["views"][:2]
        poses = [np.linalg.inv(v["pose"]) if turned else np.array(v["pose"]) for v in (first, second)]
        depths = [images.read_map(v["depth"]["path"], str(tmp_path)) / 1000 for v in (first, second)]
        fx, fy, cx, cy = first["camera"]
        v, u = np.nonzero(depths[0])
        z = depths[0][v, u]
        points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)])
        x, y, far, _ = np.linalg.inv(poses[1]) @ poses[0] @ points
        u, v = np.round(x / far * fx + cx).astype(int), np.round(y / far * fy + cy).astype(int)
        there = (far > 0) & (u >= 0) & (u < WIDTH) & (v >= 0) & (v < HEIGHT)
        seen = depths[1][v[there], u[there]]
        return float(np.median(np.abs(seen - far[there])[seen > 0])) if (seen > 0).sum() > 50 else float("inf")

    assert error(turned=False) < 0.01
    assert error(turned=True) > 0.05


def test_arkitscenes_says_what_it_leaves_out(tmp_path: Path) -> None:
    scan = write_arkitscenes(tmp_path)
    frames = scan / "40777060_frames"
    lines = (frames / "lowres_wide.traj").read_text().splitlines()
    (frames / "lowres_wide.traj").write_text("\n".join(lines[1:]))  # the last picture's, which stands first
    (frames / "lowres_wide_intrinsics" / "40777060_100.134.pincam").unlink()
    (frames / "lowres_depth" / "40777060_100.033.png").unlink()
    (scan / "40777060_3dod_annotation.json").unlink()
    (tmp_path / "3dod" / "3dod_train_val_splits.csv").unlink()
    [scene], tally = ingest("arkitscenes", tmp_path)
    assert len(scene["views"]) == 1
    assert (scene["family"], scene["split"]) == ("arkitscenes/40777060", "train")
    assert tally == {
        "view: no pose of its time": 1,
        "view: no intrinsics of its time": 1,
        "view: no depth of its time": 1,
        "scan: no 3dod annotation": 1,
    }


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("lowres_wide.traj", lambda t: t.replace("100.0334", "100.0334 nan", 1), "lowres_wide.traj: expected lines of"),
        ("lowres_wide.traj", lambda t: "100.0334 nan 0 0 0 0 0", "lowres_wide.traj: expected finite"),
        ("lowres_wide.traj", lambda t: "", "lowres_wide.traj: expected lines of seven numbers"),
        ("lowres_wide.traj", lambda t: "500 0 0 0 0 0 0", "_frames: expected pictures in lowres_wide with poses"),
        ("lowres_wide_intrinsics/40777060_100.034.pincam", lambda t: "64 64 60 58 31 23", "expected the aspect"),
        ("lowres_wide_intrinsics/40777060_100.034.pincam", lambda t: "64 48 60 58", "expected 6 numbers, got 4"),
        ("lowres_wide_intrinsics/40777060_100.034.pincam", lambda t: "64 48 60 0 31 23", "fx and fy positive"),
    ],
)
def test_arkitscenes_names_what_is_corrupt(tmp_path: Path, file: str, change: Callable[[str], str], said: str) -> None:
    frames = write_arkitscenes(tmp_path) / "40777060_frames"
    (frames / file).write_text(change((frames / file).read_text()))
    with pytest.raises(DataError) as error:
        ingest("arkitscenes", tmp_path)
    assert said in str(error.value)
    assert "40777060_frames" in str(error.value)


@pytest.mark.parametrize("folder", ["lowres_wide", "lowres_depth"])
def test_pictures_that_were_cut_are_named(tmp_path: Path, folder: str) -> None:
    scan = write_arkitscenes(tmp_path)
    file = scan / "40777060_frames" / folder / "40777060_100.133.png"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"40777060_100\.133\.png: cannot be read"):
        ingest("arkitscenes", tmp_path)


def test_depth_of_another_aspect_is_named(tmp_path: Path) -> None:
    scan = write_arkitscenes(tmp_path)
    put(scan / "40777060_frames", "lowres_depth/40777060_100.133.png", np.ones((48, 48), np.uint16))
    with pytest.raises(DataError, match=r"100\.133\.png: expected the aspect of its picture, 64x48, got 48x48"):
        ingest("arkitscenes", tmp_path)


def test_annotations_that_are_corrupt_are_named(tmp_path: Path) -> None:
    scan = write_arkitscenes(tmp_path)
    file = scan / "40777060_3dod_annotation.json"
    good = json.loads(file.read_text())
    axes = good["data"][1]["segments"]["obbAligned"]["normalizedAxes"]
    mirrored = [-x for x in axes]
    for name, value, said in (
        ("normalizedAxes", mirrored, "expected a right-handed rotation"),
        ("normalizedAxes", axes[:6], "expected 9 numbers, got 6"),
        ("centroid", [0, float("nan"), 0], "expected finite numbers, got nan"),
    ):
        changed = json.loads(json.dumps(good))
        changed["data"][1]["segments"]["obbAligned"][name] = value
        file.write_text(json.dumps(changed))
        with pytest.raises(DataError) as error:
            ingest("arkitscenes", tmp_path)
        assert said in str(error.value)
        assert f"data[1].segments.obbAligned.{name}" in str(error.value)


def test_vsi_meta_reads_a_known_room(tmp_path: Path) -> None:
    rooms = {
        "scene0011_01": {"dataset": "scannet", "room_size": 12.5, "object_bbox": {"tv_monitor": [obb(b) for b in ROOM]}}
    }
    write_json(tmp_path / "scannet_meta_info_val.json", rooms)
    [scene], tally = ingest("vsi-meta", tmp_path)
    assert (scene["id"], scene["family"], scene["split"]) == ("scannet/scene0011_01", "scannet/scene0011", "val")
    assert (scene["views"], scene["room_size"], scene["up"], tally) == ([], 12.5, [0, 0, 1], {})
    assert [thing["label"] for thing in scene["objects"]] == ["tv monitor"] * 2
    for thing, box in zip(scene["objects"], ROOM, strict=True):
        same_box(thing["box3d"], box)
    rooms["scene0011_01"]["object_bbox"]["tv_monitor"][1]["normalizedAxes"][0] = float("nan")
    write_json(tmp_path / "scannet_meta_info_val.json", rooms)
    with pytest.raises(
        DataError, match=r"val.json: scene0011_01.object_bbox.tv_monitor\[1\].normalizedAxes: expected fin"
    ):
        ingest("vsi-meta", tmp_path)


def test_vsi_meta_of_real_rooms() -> None:
    file = shared() / "boxes" / "arkitscenes_meta_info_val.json"
    records, tally = ingest("vsi-meta", file)
    stored = json.loads(file.read_text())
    assert (len(records), sum(len(r["objects"]) for r in records), tally) == (150, 854, {})
    for record, kept in zip(records, stored.values(), strict=True):
        boxes = [box for held in kept["object_bbox"].values() for box in held]
        for thing, box in zip(record["objects"], boxes, strict=True):
            points = corners(thing["box3d"])
            assert np.allclose(points.min(0), box["min"], atol=1e-3)
            assert np.allclose(points.max(0), box["max"], atol=1e-3)


# What they share


@pytest.mark.parametrize("name", ["omni3d", "sunrgbd", "arkitscenes", "vsi-meta"])
def test_a_path_of_another_kind_is_named_with_what_was_looked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    write_json(tmp_path / "other.json", {"images": []})
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "text.json").write_text("hello")
    for path in ("empty", "other.json", "list.json", "text.json", "missing", "missing.json"):
        with pytest.raises(DataError, match=r"expected|not JSON|no such file") as error:
            ingest(name, tmp_path / path)
        assert path in str(error.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


@pytest.mark.parametrize("name", ["omni3d", "sunrgbd", "infos 1.0", "infos 1.1", "arkitscenes", "vsi-meta"])
def test_whatever_stands_in_a_file_is_read_or_told(tmp_path: Path, name: str) -> None:
    file = path = tmp_path / "room_infos.json"
    if name == "omni3d":
        file = path = write_omni3d(tmp_path)
    elif name == "sunrgbd":
        path = write_official(tmp_path)
        file = path / "annotation3Dfinal" / "index.json"
    elif name == "arkitscenes":
        path = write_arkitscenes(tmp_path)
        file = path / "40777060_3dod_annotation.json"
    elif name == "vsi-meta":
        write_json(file, {"scene0011_01": {"dataset": "scannet", "object_bbox": {"tv": [obb(box) for box in ROOM]}}})
    else:
        write_votenet(tmp_path)
        file.write_bytes(orjson.dumps(infos(name[-3:]), option=orjson.OPT_SERIALIZE_NUMPY, default=np.ndarray.tolist))
    good, chance, told = json.loads(file.read_text()), random.Random(name), 0
    for _ in range(150):
        changed: Any = {"": json.loads(json.dumps(good))}
        *above, last = ("", *chance.choice(list(places(good))))
        held = changed
        for key in above:
            held = held[key]
        held[last] = chance.choice([None, -1, 0, "x", "", [], {}, [[1]], [{}], 1e400, True, 3.5, [None] * 4, {"a": 1}])
        file.write_text(json.dumps(changed[""]))
        try:
            ingest(name.split(maxsplit=1)[0].replace("infos", "sunrgbd"), path)
        except DataError as error:
            told += str(tmp_path) in str(error)
    assert told > 20


def test_every_format_has_a_summary_and_unknown_ones_are_told() -> None:
    assert {"omni3d", "sunrgbd", "arkitscenes", "vsi-meta", "scannet", "frames"} <= set(datasets.FORMATS)
    assert all(module.replace(".", "").isidentifier() for module, _ in datasets.FORMATS.values())
    assert all(len(summary) < 100 for _, summary in datasets.FORMATS.values())
    with pytest.raises(UsageError, match=r"expected one of omni3d, .*, got kitti"):
        datasets.reader("kitti")


def test_paths_start_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    assert common.relative("a/b.png") == "a/b.png"
    assert common.relative(tmp_path / "in" / "b.png") == "b.png"
    assert common.relative(tmp_path / "b.png") == str(tmp_path / "b.png")
    assert common.relative("../b.png") == "../b.png"
    assert common.relative("../b.png", "..") == "b.png"
    assert common.relative("a/b.png", "..") == "in/a/b.png"
    assert common.relative("../b.png", "a") == "../../b.png"
    assert sorted(["f10", "f9", "f2a"], key=common.numerically) == ["f2a", "f9", "f10"]


@given(st.lists(st.floats(-180, 180), min_size=3, max_size=3), st.lists(st.floats(-9, 9), min_size=3, max_size=3))
def test_rigid_lets_every_pose_pass_and_no_mirror(angles: list[float], at: list[float]) -> None:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), at
    assert np.allclose(common.rigid(pose, "p"), pose, atol=1e-8)
    assert np.allclose(common.rigid(pose[:3], "p"), pose, atol=1e-8)
    assert np.allclose(common.rigid(pose[:3, :3], "p"), pose[:3, :3], atol=1e-8)
    for wrong in (pose * [1, 1, -1, 1], pose * [1, 1.01, 1, 1], pose.T + np.eye(4)[3], np.full((4, 4), np.inf)):
        with pytest.raises(DataError, match=r"^p: expected"):
            common.rigid(wrong, "p")
