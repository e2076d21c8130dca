"""Recipes and headers, against pictures that PIL makes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vstkit import images
from vstkit.errors import DataError


def picture(path: Path, width: int = 40, height: int = 30, **save: Any) -> str:
    """A picture whose red channel rises to the right and green downwards."""
    v, u = np.mgrid[:height, :width]
    pixels = np.stack([u * 255 / (width - 1), v * 255 / (height - 1), 0 * u], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(path, **save)
    return str(path)


@st.composite
def recipes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Resizes and crops that fit a 40x30 picture, in any order."""
    width, height, ops = 40, 30, []
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            width, height = draw(st.integers(20, 80)), draw(st.integers(20, 80))
            ops.append({"op": "resize", "size": [width, height]})
        else:
            x0, y0 = draw(st.integers(0, width // 4)), draw(st.integers(0, height // 4))
            x1, y1 = draw(st.integers(3 * width // 4, width)), draw(st.integers(3 * height // 4, height))
            ops.append({"op": "crop", "box": [x0, y0, x1, y1]})
            width, height = x1 - x0, y1 - y0
    return ops


@given(ops=recipes())
def test_a_recipe_has_the_size_that_its_header_says(tmp_path_factory: pytest.TempPathFactory, ops: list[Any]) -> None:
    path = picture(tmp_path_factory.mktemp("size") / "a.png")
    recipe = images.edited(path, *ops)
    assert images.size(recipe) == images.open_image(recipe).size
    assert (recipe == path) == (not ops)


@given(ops=recipes(), factor=st.sampled_from([(1, 1), (2, 2), (1, 3)]))
def test_map_pixels_land_where_the_picture_puts_them(
    tmp_path_factory: pytest.TempPathFactory, ops: list[Any], factor: tuple[int, int]
) -> None:
    """PIL resizes a ramp of coordinates; a map pixel's place must show the coordinate that it has in the file."""
    path = picture(tmp_path_factory.mktemp("map") / "a.png")
    ramp = [Image.fromarray(np.mgrid[:30, :40][axis].astype(np.float32)) for axis in (1, 0)]
    for op in ops:
        if op["op"] == "resize":
            ramp = [r.resize(tuple(op["size"]), Image.Resampling.BILINEAR) for r in ramp]
        else:
            ramp = [r.crop(tuple(op["box"])) for r in ramp]
    ax, bx, ay, by = images.map_to_image((40 // factor[0], 30 // factor[1]), images.edited(path, *ops))
    width, height = ramp[0].size
    for u in range(40 // factor[0]):
        for v in range(30 // factor[1]):
            x, y = round(ax * u + bx), round(ay * v + by)
            if 3 <= x < width - 3 and 3 <= y < height - 3:
                source = (u + 0.5) * factor[0] - 0.5, (v + 0.5) * factor[1] - 0.5
                step = max(40 / width, 30 / height, *(factor[i] / 1 for i in (0, 1)), 1) * 1.5 + 0.5
                assert abs(ramp[0].getpixel((x, y)) - source[0]) <= step
                assert abs(ramp[1].getpixel((x, y)) - source[1]) <= step


def test_map_to_image_is_the_half_pixel_rule() -> None:
    recipe = {"path": "never opened", "ops": [{"op": "resize", "size": [80, 90]}]}
    assert images.map_to_image((40, 30), recipe) == pytest.approx((2, 0.5, 3, 1))


def test_pictures_are_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: rotate by 270 degrees to look at
    path = picture(tmp_path / "turned.jpg", exif=exif)
    assert images.file_size(path) == (30, 40) == images.open_image(path).size
    red, *_ = images.open_image(path).getpixel((15, 39))
    assert red > 200  # the right end of the stored row is below now


def test_headers_are_read_without_the_pixels(tmp_path: Path) -> None:
    whole = Path(picture(tmp_path / "whole.png", 300, 200)).read_bytes()
    (tmp_path / "head.png").write_bytes(whole[:200])
    assert images.size("head.png", str(tmp_path)) == (300, 200)
    assert images.exif_focal("head.png", str(tmp_path)) is None


def test_exif_focal_length(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    path = picture(tmp_path / "phone.jpg", 400, 300, exif=exif)
    assert images.exif_focal(path) == pytest.approx(26 * 500 / 43.2666, rel=1e-4)
    assert images.exif_focal(picture(tmp_path / "none.jpg")) is None


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    good = Path(picture(tmp_path / "good.png", 200, 200)).read_bytes()
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    cases = {
        "cut.png": (good[: len(good) // 2], "cut.png: cannot be read"),
        "empty.png": (b"", "empty.png: cannot be read"),
        "text.jpg": (b"hello", "text.jpg: cannot be read"),
        "huge.png": (good[:8] + chunk(b"IHDR", header) + good[33:], "huge.png: refused: the header claims more"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=message):
            images.open_image(name, str(tmp_path))
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        images.size("none.png", str(tmp_path))
    with pytest.raises(DataError, match="leaves the image"):
        images.open_image({"path": "good.png", "ops": [{"op": "crop", "box": [0, 0, 300, 10]}]}, str(tmp_path))


def test_maps_keep_their_values(tmp_path: Path) -> None:
    values = np.array([[0, 1, 65535], [1000, 2, 3]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "depth.png")
    assert np.array_equal(images.read_map("depth.png", str(tmp_path)), values)
    picture(tmp_path / "color.png")
    with pytest.raises(DataError, match="expected one channel"):
        images.read_map("color.png", str(tmp_path))


def test_saving_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    images.save(Image.new("RGB", (4, 4)), tmp_path / "deep" / "a.png")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_paths_lead_through_symbolic_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root may be a link to elsewhere, where `..` is not the folder that the link lies in."""
    (tmp_path / "far" / "data").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "data").symlink_to(tmp_path / "far" / "data")
    picture(tmp_path / "here" / "a.png")
    monkeypatch.chdir(tmp_path)
    held = images.from_root("here/a.png", "here/data")
    assert images.file_size(held, "here/data") == (40, 30)
    assert images.from_root("here/a.png") == "here/a.png"
    assert images.from_root("/x/a.png", "here") == "/x/a.png"
