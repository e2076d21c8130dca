"""Recipes made into files: the pixels, the names, the records, and maps that stay aligned."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import room
from vstkit import cli, evidence, images, rendering
from vstkit.errors import DataError
from vstkit.lineio import encode
from vstkit.records import Scene
from vstkit.validation import parse, problems

MARK = {"op": "mark", "shape": "point", "xy": [20, 20], "color": "red", "text": "A"}
SMALL = {"op": "resize", "size": [60, 40]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 120, 3), dtype=np.uint8)
    for name in ("a.png", "b.JPG", "c"):
        Image.fromarray(pixels).save(tmp_path / name, format="JPEG" if name == "b.JPG" else "PNG")
    return tmp_path


def sample(*recipes: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"type": "image"} for _ in recipes]}]
    return {"kind": "sample", "id": "s", "images": list(recipes), "messages": messages, **more}


def render(record: dict[str, Any], root: Path, **more: Any) -> dict[str, Any]:
    (made,) = rendering.render(record, more.pop("tally", Counter()), folder=str(root / "out"), root=str(root))
    assert problems(made) == []
    return made


def test_pictures_are_what_the_recipes_say(folder: Path) -> None:
    recipe = images.edited("a.png", SMALL, MARK)
    tally: Counter[str] = Counter()
    made = render(sample(recipe, "a.png", note="kept"), folder, tally=tally)
    stored, plain = made["images"]
    assert (plain, made["note"]) == ("a.png", "kept")
    with Image.open(folder / stored) as image:
        assert image.tobytes() == images.open_image(recipe, str(folder)).tobytes()
    assert Path(stored).name.startswith("a-")
    assert tally == {"rendered": 1, "kept": 1}


def test_formats_follow_the_source(folder: Path) -> None:
    made = render(sample(*(images.edited(name, SMALL) for name in ("a.png", "b.JPG", "c"))), folder)
    assert [Path(p).suffix for p in made["images"]] == [".png", ".JPG", ".png"]
    heads = [(folder / p).read_bytes()[1:4] for p in made["images"]]
    assert heads == [b"PNG", b"\xd8\xff\xe0", b"PNG"]
    reference = folder / "reference.jpg"
    images.open_image(images.edited("b.JPG", SMALL), str(folder)).save(reference, quality=95)
    assert reference.read_bytes() == (folder / made["images"][1]).read_bytes()


def test_one_recipe_is_one_file_and_others_are_others(folder: Path) -> None:
    recipes = [images.edited("a.png", SMALL), images.edited("a.png", SMALL, MARK), images.edited("a.png", SMALL)]
    swapped = {"ops": [dict(reversed(SMALL.items()))], "path": "a.png"}
    names = [render(sample(recipe), folder)["images"][0] for recipe in [*recipes, swapped]]
    assert names[0] == names[2] == names[3] != names[1]
    assert sorted(os.listdir(folder / "out")) == sorted({Path(n).name for n in names})
    again = render(sample(*recipes), folder.rename(folder.with_name("moved")))  # the name knows no folder but its own
    assert [Path(p).name for p in again["images"]] == [Path(n).name for n in names[:3]]


def test_predictions_packs_and_videos(folder: Path) -> None:
    recipe = images.edited("a.png", SMALL)
    prediction = render({**sample(recipe), "kind": "prediction", "response": "yes"}, folder)
    pack = render(
        {"kind": "pack", "id": "p", "length": 9, "targets": 1, "model": "m", "samples": [sample(recipe), sample()]},
        folder,
    )
    video = {"frames": [recipe, "a.png"], "fps": 2}
    filmed = {
        "kind": "sample",
        "id": "v",
        "videos": [video],
        "messages": [{"role": "user", "content": [{"type": "video"}]}],
    }
    shown = prediction["images"][0]
    assert os.path.exists(folder / shown)
    assert pack["samples"][0]["images"] == [shown]
    assert render(filmed, folder)["videos"] == [{"frames": [shown, "a.png"], "fps": 2}]


@pytest.mark.parametrize(
    "ops", [[SMALL], [{"op": "crop", "box": [31, 10, 110, 70]}], [SMALL, {"op": "crop", "box": [7, 5, 50, 39]}]]
)
@pytest.mark.parametrize("factor", [1, 2])
def test_maps_of_scenes_stay_aligned(tmp_path: Path, ops: list[dict[str, Any]], factor: int) -> None:
    """Whatever is looked up in the maps is the same before and after, at every pixel of the picture."""
    scene = room.write_scene(tmp_path, [[0, 0, 3, 1, 1, 1, 20, 30, 0]], ["box"], [([100, 100, 60, 40], 120, 80, None)])
    for field in ("depth", "instances"):
        path = tmp_path / scene["views"][0][field]["path"]
        Image.fromarray(np.asarray(Image.open(path))[::factor, ::factor]).save(path)
    width, height = images.size({"path": "", "ops": ops})
    view = {**scene["views"][0], "image": images.edited("room-0.png", *ops), "width": width, "height": height}
    scene["views"] = [view]
    made = render(scene, tmp_path)["views"][0]
    assert isinstance(made["image"], str)
    assert (made["depth"]["path"] != view["depth"]["path"]) == any(op["op"] == "crop" for op in ops)
    assert made["depth"]["scale"] == 1000
    for field in ("depth", "instances"):
        assert np.array_equal(looked_up(view, field, tmp_path), looked_up(made, field, tmp_path))


def looked_up(view: dict[str, Any], field: str, root: Path) -> Any:
    values = images.read_map(view[field]["path"], str(root))
    ax, bx, ay, by = images.map_to_image(values.shape[::-1], view["image"], str(root))
    u, v = np.meshgrid(np.arange(view["width"]), np.arange(view["height"]))
    rows, columns = np.rint((v - by) / ay).astype(int), np.rint((u - bx) / ax).astype(int)
    return values[rows.clip(0, values.shape[0] - 1), columns.clip(0, values.shape[1] - 1)]


def test_a_cropped_scene_shows_what_is_left(tmp_path: Path) -> None:
    boxes = [[-0.8, 0, 3, 0.6, 0.6, 0.6, 0, 0, 0], [0.8, 0, 3, 0.6, 0.6, 0.6, 0, 45, 0]]
    scene = room.write_scene(tmp_path, boxes, ["left", "right"], [([100, 100, 60, 40], 120, 80, None)])
    crop = {"op": "crop", "box": [50, 10, 120, 70]}
    scene["views"][0] |= {
        "image": images.edited("room-0.png", crop),
        "width": 70,
        "height": 60,
        "camera": [100, 100, 10, 30],
    }
    states = [
        [(s.object.label, s.state, s.box2d, s.depth) for s in evidence.look(parse(record, Scene), 0, str(tmp_path))]
        for record in (scene, render(scene, tmp_path))
    ]
    assert states[0][1] == states[1][1]
    assert [s[1] for s in states[1]] == ["hidden", "seen"]


def test_a_fault_names_its_field(folder: Path) -> None:
    with pytest.raises(DataError, match=r"^images\[1\]: none\.png: no such file"):
        render(sample("a.png", images.edited("none.png", SMALL)), folder)
    view = {"image": images.edited("none.png", SMALL), "width": 60, "height": 40, "camera": [1, 1, 1, 1]}
    with pytest.raises(DataError, match=r"^views\[0\]\.image: none\.png: no such file"):
        render({"kind": "scene", "id": "s", "views": [view]}, folder)


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.SUMMARIES, "render", "Write the images that recipes describe.")
    monkeypatch.chdir(folder)
    records = [sample(images.edited("a.png", {"op": "resize", "size": [20 + i % 3, 20]}), id=str(i)) for i in range(9)]
    other = b'{ "kind":"mine", "id":"x" }\n'
    Path("in.jsonl").write_bytes(other.join(map(encode, records)))
    outputs = []
    for jobs in ("1", "2"):
        assert cli.run(["render", "out", "in.jsonl", "-j", jobs]) == 0
        outputs.append(capfd.readouterr().out.encode())
    assert outputs[0] == outputs[1]
    assert outputs[0].count(other) == 8
    made = [json.loads(line)["images"][0] for line in outputs[0].splitlines() if line + b"\n" != other]
    assert len(made) == 9
    assert sorted(set(made)) == sorted(str(path) for path in Path("out").iterdir())
    assert len(set(made)) == 3
