"""`check` on the files that records name: what is missing, cut, or does not fit is all told, each with its field."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from support import DATA
from vstkit.checking import check
from vstkit.errors import DataError

Record = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small scene's files, to break."""
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    return tmp_path


def scene(**view: Any) -> Record:
    """The small scene with fields of its view replaced."""
    held: Record = orjson.loads((DATA / "scenes.jsonl").read_bytes())
    held["views"][0] |= view
    return held


def faults(record: Record, folder: Path) -> list[str]:
    tally: Counter[str] = Counter()
    try:
        assert check(record, tally, files=True, root=str(folder)) == []
    except DataError as e:
        assert not tally
        return [str(fault) for fault in e.args]
    assert tally == {record["kind"]: 1}
    return []


def test_a_whole_scene(folder: Path) -> None:
    assert faults(scene(), folder) == []


def test_without_files_none_is_opened() -> None:
    assert check(scene(image="nowhere.png"), Counter()) == []


def test_faults_of_the_record_come_before_its_files(folder: Path) -> None:
    assert faults(scene(image="nowhere.png", width=0), folder)[0].startswith("views[0].width: ")


def test_every_missing_file_is_told(folder: Path) -> None:
    record = scene(depth={"path": "no-depth.png", "scale": 1000}, instances={"path": "no-instances.png"})
    record["views"].append({**record["views"][0], "image": "no-image.png"})
    assert faults(record, folder) == [
        f"views[0].depth: no-depth.png: {MISSING}",
        f"views[0].instances: no-instances.png: {MISSING}",
        f"views[1].image: no-image.png: {MISSING}",
    ]


MISSING = "no such file (relative paths start from --root)"


@pytest.mark.parametrize("field", ["image", "depth", "instances"])
def test_a_cut_file(folder: Path, field: str) -> None:
    path = folder / {"image": "room-0.png", "depth": "room-0-depth.png", "instances": "room-0-instances.png"}[field]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (fault,) = faults(scene(), folder)
    assert fault.startswith(f"views[0].{field}: {path.name}: cannot be read: ")


def test_a_header_that_claims_too_much(folder: Path) -> None:
    for field, value in (("image", "huge.png"), ("depth", {"path": "huge.png", "scale": 1})):
        (fault,) = faults(scene(**{field: value}), folder)
        assert fault.startswith(f"views[0].{field}: huge.png: refused: the header claims more than ")


def test_a_file_that_is_no_picture(folder: Path) -> None:
    (folder / "text.png").write_text("hello")
    (fault,) = faults(scene(image="text.png"), folder)
    assert fault.startswith("views[0].image: text.png: cannot be read: ")


def test_a_size_that_the_view_does_not_say(folder: Path) -> None:
    assert faults(scene(width=97), folder) == ["views[0].image: expected 97x72 as the view says, got 96x72"]


def test_a_view_has_the_size_after_its_recipe(folder: Path) -> None:
    recipe = {"path": "room-0.png", "ops": [{"op": "resize", "size": [48, 36]}, {"op": "crop", "box": [8, 4, 40, 36]}]}
    assert faults(scene(image=recipe, width=32, height=32), folder) == []
    assert faults(scene(image=recipe), folder) == ["views[0].image: expected 96x72 as the view says, got 32x32"]


def test_a_crop_that_leaves_the_picture(folder: Path) -> None:
    recipe = {"path": "room-0.png", "ops": [{"op": "crop", "box": [90, 0, 100, 10]}]}
    (fault,) = faults(scene(image=recipe, width=10, height=10), folder)
    assert fault == "views[0].image: room-0.png: crop [90, 0, 100, 10] leaves the image (96x72)"


@pytest.mark.parametrize(
    ("size", "right"), [((48, 36), True), ((192, 144), True), ((97, 72), False), ((96, 75), False)]
)
def test_depth_may_have_another_size_but_not_another_aspect(folder: Path, size: tuple[int, int], right: bool) -> None:
    Image.fromarray(np.ones(size[::-1], np.uint16)).save(folder / "depth.png")
    found = faults(scene(depth={"path": "depth.png", "scale": 1000}), folder)
    assert found == ([] if right else [f"views[0].depth: expected the image's aspect 1.333, got {size[0]}x{size[1]}"])


def test_a_turned_photograph_is_compared_upright(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: stored lying, shown standing
    Image.new("RGB", (96, 72)).save(folder / "turned.jpg", exif=exif)
    Image.fromarray(np.ones((96, 72), np.uint16)).save(folder / "depth.png")
    standing = {"width": 72, "height": 96, "depth": {"path": "depth.png", "scale": 1000}}
    record = scene(image="turned.jpg", **standing)
    del record["views"][0]["instances"]
    assert faults(record, folder) == []


def test_maps_have_one_channel(folder: Path) -> None:
    found = faults(scene(depth={"path": "room-0.png", "scale": 1}, instances={"path": "room-0.png"}), folder)
    assert found == [f"views[0].{f}: room-0.png: expected one channel, got mode RGB" for f in ("depth", "instances")]


def test_instances_are_integers(folder: Path) -> None:
    Image.fromarray(np.ones((72, 96), np.float32)).save(folder / "float.tiff")
    assert faults(scene(depth={"path": "float.tiff", "scale": 1}), folder) == []
    (fault,) = faults(scene(instances={"path": "float.tiff"}), folder)
    assert fault == "views[0].instances: float.tiff: expected integers, got float32"


def test_every_image_of_samples_and_packs(folder: Path) -> None:
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]
    marked = {"path": "room-0.png", "ops": [{"op": "mark", "shape": "point", "xy": [1, 2], "color": "beige"}]}
    sample = {"kind": "sample", "id": "s", "messages": [{"role": "user", "content": content}]}
    bad, good = {**sample, "images": ["a.png", marked]}, {**sample, "images": ["room-0.png", "photo.jpg"]}
    assert faults(good, folder) == []
    found = faults(bad, folder)
    assert found[0] == f"images[0]: a.png: {MISSING}"
    assert found[1].startswith("images[1]: mark: unknown colour 'beige'")
    pack = {"kind": "pack", "id": "p", "length": 9, "targets": 1, "model": "m", "samples": [good, bad]}
    assert faults(pack, folder) == [f"samples[1].{fault}" for fault in found]
    assert faults({**bad, "kind": "prediction", "response": ""}, folder) == found


def test_every_frame_of_a_video(folder: Path) -> None:
    message = {"role": "user", "content": [{"type": "video"}]}
    sample = {"kind": "sample", "id": "s", "messages": [message], "videos": [{"frames": ["room-0.png"], "fps": 1}]}
    assert faults(sample, folder) == []
    sample["videos"] = [{"frames": ["room-0.png", "gone.png"], "fps": 1}]
    assert faults(sample, folder) == [f"videos[0].frames[1]: gone.png: {MISSING}"]
