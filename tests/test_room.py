"""The world of the tests is right, and tests/data is what it makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from room import look_at, render, write_scene
from support import DATA
from vstkit.evidence import look
from vstkit.records import Scene
from vstkit.validation import parse

CAMERA = (90.0, 80.0, 40.0, 30.0)
BOXES = np.array(
    [(0, 0, 3, 1, 0.6, 0.8, 20, 40, -70), (0.6, 0.2, 4, 1.5, 1, 0.5, 0, 0, 30), (0, 0, 2, 0.2, 0.2, 0.2, 0, 0, 0)]
)


@pytest.mark.parametrize("pose", [None, look_at((1, -0.5, -1), (0, 0, 3))])
def test_every_pixel_lies_on_its_box_and_nothing_is_before_it(pose: list[list[float]] | None) -> None:
    picture, depth, instances = render(BOXES, CAMERA, 81, 61, pose)
    assert set(np.unique(instances)) == {0, 1, 2, 3}
    assert (picture.shape, depth.shape) == ((61, 81, 3), (61, 81))
    matrix = np.eye(4) if pose is None else np.array(pose)
    v, u = np.nonzero(instances)
    ray = np.stack([(u - 40) / 90, (v - 30) / 80, np.ones(len(u))], -1)
    for share in (0.25, 0.5, 0.75, 0.999, 1.0):
        points = ray * depth[v, u, None] * share @ matrix[:3, :3].T + matrix[:3, 3]
        for number, box in enumerate(BOXES, 1):
            inside = Rotation.from_euler("xyz", box[6:], degrees=True).inv().apply(points - box[:3]) / box[3:6]
            reach = np.abs(inside).max(-1) * 2  # 1 on the surface
            if share == 1:
                assert np.allclose(reach[instances[v, u] == number], 1)
            else:
                assert (reach >= 1).all()


def test_a_look_is_a_rigid_pose_that_keeps_up_up() -> None:
    pose = np.array(look_at((1, -2, 3), (4, 0, 5)))
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3))
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert np.allclose(pose[:3, 2], np.array([3, 2, 2]) / np.sqrt(17))
    assert pose[1, 1] > 0  # down in the picture is down in the world, +y
    assert pose[1, 0] == pytest.approx(0)  # no roll
    assert look_at((0, 0, 0), (0, 0, 1)) == np.eye(4).tolist()


def test_a_scene_is_a_record_of_several_views(tmp_path: Path) -> None:
    views = [(CAMERA, 81, 61, None), (CAMERA, 81, 61, look_at((1, -0.5, -1), (0, 0, 3)))]
    record = write_scene(tmp_path, BOXES, ["a", "b", "c"], views, name="two", split="train")
    scene = parse(record, Scene)
    assert [len(scene.views), len(scene.objects), scene.split] == [2, 3, "train"]
    _, depth, instances = render(BOXES, *views[1][:3], views[1][3])
    assert np.abs(np.asarray(Image.open(tmp_path / "two-1-depth.png")) / 1000 - depth).max() <= 0.0005001
    assert (np.asarray(Image.open(tmp_path / "two-1-instances.png")) == instances).all()
    assert [seen.state for seen in look(scene, 1, str(tmp_path))] == ["seen"] * 3


def test_the_data_are_what_their_script_makes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, DATA / "make.py", tmp_path], check=True)
    made, held = ({p.name for p in folder.iterdir() if p.suffix not in (".py", "")} for folder in (tmp_path, DATA))
    assert made == held
    assert (tmp_path / "scenes.jsonl").read_bytes() == (DATA / "scenes.jsonl").read_bytes()
    for name in sorted(made):
        if name.endswith("png") and name != "huge.png":  # packers differ, pixels may not
            assert (np.asarray(Image.open(tmp_path / name)) == np.asarray(Image.open(DATA / name))).all()
    assert sum(p.stat().st_size for p in DATA.iterdir()) < 60_000


def test_the_room_is_what_it_is_said_to_be() -> None:
    scene = parse(orjson.loads((DATA / "scenes.jsonl").read_bytes()), Scene)
    states = {f"{seen.object.id} {seen.object.label}": seen.state for seen in look(scene, 0, str(DATA))}
    seen = {"o1 table", "o2 chair", "o3 chair", "o4 cabinet", "o5 lamp"}
    assert states == dict.fromkeys(seen, "seen") | {"o6 basket": "hidden"}
