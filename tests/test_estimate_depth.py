"""Depth from a tiny random model: where it goes, how it is stored, and what generators make of it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from support import DATA, run
from vstkit import images
from vstkit.errors import DataError
from vstkit.models import depth
from vstkit.records import Scene
from vstkit.validation import parse


@pytest.fixture(scope="module")
def model() -> Path:
    return tiny.depth_model()


def scene(recipe: Any, **view: Any) -> dict[str, Any]:
    whole = {"image": recipe, "width": 60, "height": 40, "camera": [60.0, 60.0, 29.5, 19.5], **view}
    return {"kind": "scene", "id": "s", "views": [whole]}


def picture(folder: Path) -> str:
    values = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(values).save(folder / "a.png")
    return "a.png"


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Annotate a record with what `estimate` says in place of a model."""

    def ramp(seen: Any) -> Any:
        return np.linspace(0.5, 4.5, seen.width * seen.height).reshape(seen.height, seen.width)

    def added(record: dict[str, Any], kind: str = "metric", estimate: Any = ramp) -> dict[str, Any]:
        monkeypatch.setattr(depth, "load", lambda *_: (estimate, kind))
        (made,) = depth.annotate(record, Counter(), model="", write=str(tmp_path / "maps"), root=str(tmp_path))
        return made

    return added


def test_metres_are_stored_as_millimetres_of_the_unedited_picture(tmp_path: Path, add: Any) -> None:
    recipe = {"path": picture(tmp_path), "ops": [{"op": "resize", "size": [120, 80]}]}
    made = add(scene(recipe))
    held = parse(made, Scene).views[0].depth
    assert held.kind == "mono-metric"
    stored = images.read_map(held.path, str(tmp_path))
    assert stored.shape == (40, 60)
    assert np.allclose(stored / held.scale, np.linspace(0.5, 4.5, 2400).reshape(40, 60), atol=5.1e-4)


def test_what_is_no_depth_is_no_reading(tmp_path: Path, add: Any) -> None:
    def broken(seen: Any) -> Any:
        values = np.full((seen.height, seen.width), 2.0)
        values[0, :4] = [np.nan, np.inf, -1.0, 900.0]
        return values

    made = add(scene(picture(tmp_path)), estimate=broken)
    stored = images.read_map(made["views"][0]["depth"]["path"], str(tmp_path))
    assert stored[0, :5].tolist() == [0, 0, 0, 65535, 2000]


def test_nearness_becomes_an_order(tmp_path: Path, add: Any) -> None:
    """A relative model's largest number is the nearest: it must become the smallest depth."""
    made = add(scene(picture(tmp_path)), kind="relative")
    held = made["views"][0]["depth"]
    assert held["kind"] == "mono-relative"
    stored = images.read_map(held["path"], str(tmp_path)).ravel().astype(int)
    assert (np.diff(stored) <= 0).all()
    assert (stored[0], stored[-1]) == (1000, 100)


def test_depth_that_is_there_stays(tmp_path: Path, add: Any) -> None:
    record = scene(picture(tmp_path), depth={"path": "d.png", "scale": 5000})
    assert add(record) == record


def test_the_real_model_through_the_program(model: Path, tmp_path: Path) -> None:
    done = run("estimate-depth", DATA / "plain.jpg", "--hfov", "60", "--model", model, "--write", tmp_path / "maps")
    assert (done.returncode, done.stderr) == (0, b"")
    record = json.loads(done.stdout)
    held = record["views"][0]["depth"]
    assert held["kind"] == "mono-metric"
    with Image.open(held["path"]) as stored, Image.open(DATA / "plain.jpg") as source:
        assert stored.size == source.size
    again = run("check", "--files", stdin=done.stdout)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    relative = run(
        *("estimate-depth", DATA / "plain.jpg", "--hfov", "60", "--model", model, "--write", tmp_path / "r"),
        *("--kind", "relative"),
    )
    assert json.loads(relative.stdout)["views"][0]["depth"]["kind"] == "mono-relative"


def test_what_is_no_depth_model(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    with pytest.raises(DataError, match="no model: no such folder"):
        depth.load(str(tmp_path / "none"))
    with pytest.raises(DataError, match=r"no model: config\.json is missing"):
        depth.load(str(tmp_path))
    config.write_text("{}")
    with pytest.raises(DataError, match=r"no model: preprocessor_config\.json is missing"):
        depth.load(str(tmp_path))
    (tmp_path / "preprocessor_config.json").write_text("{}")
    for held, got in (("{}", "none"), ('{"architectures": ["Qwen2_5_VLModel"]}', "Qwen2_5_VLModel")):
        config.write_text(held)
        with pytest.raises(DataError, match=f"expected a model for depth estimation, got {got}"):
            depth.load(str(tmp_path))
    config.write_text('{"model_type": "depth_anything", "architectures": ["DepthAnythingForDepthEstimation"]}')
    with pytest.raises(DataError, match="cannot be loaded"):
        depth.load(str(tmp_path))


def test_weights_that_were_cut(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be loaded"):
        depth.load(str(tmp_path / "cut"))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, add: Any) -> None:
    (tmp_path / "maps").touch()
    with pytest.raises(DataError, match=r"cannot write .*maps/.*-depth.png: File exists"):
        add(scene(picture(tmp_path)))
