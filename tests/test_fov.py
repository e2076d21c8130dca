"""FoV unification of records: cameras, pictures and everything else that counts in pixels move together."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vstkit import fov, images
from vstkit.errors import DataError
from vstkit.geometry import cameras


def scene(width: int = 730, height: int = 530, f: float = 529.5, **more: Any) -> dict[str, Any]:
    view = {"image": "a.png", "width": width, "height": height, "camera": [f, f, width / 2, height / 2]}
    return {"kind": "scene", "id": "s", "views": [view], **more}


def unify(record: dict[str, Any], **options: Any) -> dict[str, Any]:
    (made,) = fov.unify(record, Counter(), **options)
    return made


def test_the_example_of_the_paper() -> None:
    (view,) = unify(scene())["views"]
    assert (view["width"], view["height"]) == (959, 696)
    assert view["image"] == {"path": "a.png", "ops": [{"op": "resize", "size": [959, 696]}]}
    hfov, vfov = cameras.fov(view["camera"], 959, 696)
    assert (round(hfov, 2), round(vfov, 2)) == (69.16, 53.17)
    assert np.abs(np.array(view["camera"][:2]) - cameras.DEFAULT_FOCAL).max() < 1


def test_a_second_time_changes_nothing() -> None:
    once = unify(scene())
    assert unify(once) == once


def test_unknown_fields_stay() -> None:
    record = scene(note="kept", objects=[{"id": "o", "label": "cup", "color": "red"}])
    record["views"][0]["exposure"] = 3
    made = unify(record)
    assert made["note"] == "kept"
    assert made["views"][0]["exposure"] == 3
    assert made["objects"][0]["color"] == "red"
    assert record["views"][0]["width"] == 730  # the input is not touched


def test_pixel_boxes_follow_the_picture(tmp_path: Path) -> None:
    """A bright square: where the resized picture shows it, there its box must be."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[20:40, 30:60] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    box = [29.5, 19.5, 59.5, 39.5]  # the outer edges of its pixels
    seen = [{"view": 0, "pixels": 600, "fraction": 1.0, "box2d": box, "point": [45, 30]}]
    thing = {"id": "o", "label": "square", "box2d": {"0": box}, "seen": seen}
    made = unify(scene(80, 60, 50.0, objects=[thing]), focal=170.0)
    picture = np.asarray(images.open_image(made["views"][0]["image"], str(tmp_path)))[..., 0]
    rows, columns = np.nonzero(picture > 127)
    shown = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
    (after,) = made["objects"]
    assert np.allclose(after["box2d"]["0"], shown, atol=1)
    assert np.allclose(after["seen"][0]["box2d"], shown, atol=1)
    assert np.allclose(after["seen"][0]["point"], [(45 + 0.5) * 272 / 80 - 0.5, (30 + 0.5) * 204 / 60 - 0.5], atol=0.01)
    assert "box3d" not in after


def test_written_pictures_are_what_the_recipe_says(tmp_path: Path) -> None:
    Image.fromarray(np.arange(80 * 60 * 3, dtype=np.uint8).reshape(60, 80, 3)).save(tmp_path / "a.png")
    record = scene(80, 60, 50.0)
    recipe = unify(record, focal=100.0)["views"][0]["image"]
    (view,) = unify(record, focal=100.0, root=str(tmp_path), write=str(tmp_path / "out"))["views"]
    with Image.open(view["image"]) as stored:
        assert stored.size == (view["width"], view["height"]) == (160, 120)
        assert np.array_equal(np.asarray(stored), np.asarray(images.open_image(recipe, str(tmp_path))))


def test_bare_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "kitchen.png"
    Image.new("RGB", (730, 530)).save(path)
    with caplog.at_level(logging.WARNING, "vstkit"):
        (view,) = fov.scene_of_image(str(path), hfov=69.16)["views"]
        assert not caplog.records
        assert cameras.fov(view["camera"], 730, 530)[0] == pytest.approx(69.16)
        assert view["camera"][2:] == [364.5, 264.5]
        (guessed,) = fov.scene_of_image(str(path))["views"]
    assert cameras.fov(guessed["camera"], 730, 530)[0] == pytest.approx(60)
    assert "60 degrees assumed" in caplog.text
    with pytest.raises(DataError, match="between 0 and 180"):
        fov.scene_of_image(str(path), hfov=190)


def test_bare_pictures_lie_relative_to_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "pictures" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert fov.scene_of_image("pictures/a.png", "pictures", 60)["views"][0]["image"] == "a.png"
