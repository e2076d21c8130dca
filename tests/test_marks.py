"""Marks: where they are drawn, that they can be read on any picture, and that they leave each other alone."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from vstkit import images, marks
from vstkit.errors import DataError

Color = tuple[int, int, int]
GREY = (90, 90, 90)
BYTE = st.integers(0, 255)
WHITE_OR_BLACK = {(255, 255, 255), (0, 0, 0)}


def mark(shape: str, xy: list[float], color: str = "pink", **more: Any) -> dict[str, Any]:
    return {"op": "mark", "shape": shape, "xy": xy, "color": color, **more}


def marked(*drawn: dict[str, Any], size: tuple[int, int] = (200, 150), ground: Color = GREY) -> Image.Image:
    image = Image.new("RGB", size, ground)
    marks.draw(image, drawn)
    return image


@pytest.mark.parametrize(
    ("shape", "xy", "on", "off"),
    [
        ("point", [50, 60], (50, 60), (90, 60)),
        ("box", [20, 30, 120, 90], (20, 60), (70, 60)),
        ("circle", [100, 75, 40], (140, 75), (100, 75)),
        ("arrow", [20, 20, 150, 100], (85, 60), (85, 90)),
        ("outline", [20, 20, 120, 20, 120, 100], (70, 20), (110, 50)),
    ],
)
def test_marks_are_drawn_where_they_belong(
    shape: str, xy: list[float], on: tuple[int, int], off: tuple[int, int]
) -> None:
    image = marked(mark(shape, xy))
    assert image.getpixel(on) == marks.COLORS["pink"]
    assert image.getpixel(off) == GREY


@given(u=st.floats(10, 190), v=st.floats(10, 140), shape=st.sampled_from(["point", "circle"]))
@settings(max_examples=30)
def test_round_marks_are_centred_to_a_tenth_of_a_pixel(u: float, v: float, shape: str) -> None:
    xy = [u, v] if shape == "point" else [u, v, 6]
    drawn = np.abs(np.asarray(marked(mark(shape, xy)), float) - GREY).sum(axis=2)
    rows, columns = np.mgrid[:150, :200]
    assert (columns * drawn).sum() / drawn.sum() == pytest.approx(u, abs=0.3)
    assert (rows * drawn).sum() / drawn.sum() == pytest.approx(v, abs=0.3)


def lab(color: Color) -> np.ndarray[Any, Any]:
    """CIELAB by littlecms (D50, adapted), which is not how marks computes it."""
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    converted = ImageCms.applyTransform(Image.new("RGB", (1, 1), color), to_lab)
    L, a, b = np.asarray(converted, np.int16)[0, 0]
    return np.array([L / 2.55, np.int8(a), np.int8(b)])


def test_lab_agrees_with_a_colour_management_system() -> None:
    for color in [*marks.COLORS.values(), (255, 255, 255), (0, 0, 0), (128, 128, 128)]:
        assert np.linalg.norm(lab(color) - marks.lab(color)) < 12  # the white points differ
    assert marks.lab((255, 255, 255)) == pytest.approx((100, 0, 0), abs=0.02)


def test_colour_words_are_far_apart() -> None:
    inks = [*marks.COLORS.values(), *WHITE_OR_BLACK]
    for a, b in itertools.combinations(inks, 2):
        assert math.dist(marks.lab(a), marks.lab(b)) >= 47.5, (a, b)


@given(ground=st.tuples(BYTE, BYTE, BYTE), color=st.sampled_from(sorted(marks.COLORS)))
@settings(max_examples=60)
def test_a_mark_shows_on_any_ground(ground: Color, color: str) -> None:
    """Its casing is half the lightness scale away from the ground, its ink 47 from the casing."""
    for shape, xy in (("point", [50, 60]), ("box", [20, 30, 120, 90]), ("arrow", [20, 20, 150, 100])):
        colors = Counter({c: n for n, c in marked(mark(shape, xy, color), ground=ground).getcolors(99_999) or []})
        ink = marks.COLORS[color]
        (case,) = [c for c in WHITE_OR_BLACK if c != ground and colors[c] > colors[ink] / 6]
        assert math.dist(marks.lab(case), marks.lab(ground)) >= 50
        assert colors[ink] > 30


@pytest.mark.parametrize("size", [(64, 64), (200, 150), (1000, 700), (4000, 3000)])
def test_sizes_follow_the_picture_between_bounds(size: tuple[int, int]) -> None:
    at = [size[0] // 2, size[1] // 2]
    pixels = np.asarray(marked(mark("point", at, "red"), size=size))
    radius = (pixels == marks.COLORS["red"]).all(axis=2)[at[1]].sum() / 2
    assert radius == pytest.approx(min(max(0.008 * math.hypot(*size), 4), 14), abs=1)


def test_a_mark_outside_the_picture_changes_nothing() -> None:
    assert marked(mark("point", [-500, 900], text="A")).getpixel((3, 3)) == GREY
    assert marked(mark("box", [900, 900, 950, 950])).getcolors() == [(200 * 150, GREY)]


def pills(drawn: list[dict[str, Any]], size: tuple[int, int] = (400, 300)) -> list[set[tuple[int, int]]]:
    """The pixels that each mark's pill takes: what changes when its text is left out, wherever the rest then goes."""
    return [set(zip(*np.nonzero(_differs(drawn, i, size)), strict=True)) for i in range(len(drawn))]


def _differs(drawn: list[dict[str, Any]], i: int, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    bare = [{k: v for k, v in m.items() if k != "text" or j < i} for j, m in enumerate(drawn)]
    with_text = [m if j == i else bare[j] for j, m in enumerate(drawn)]
    before, after = (np.asarray(marked(*d, size=size), int) for d in (bare, with_text))
    return (before != after).any(axis=2)


@given(
    places=st.lists(
        st.tuples(st.integers(0, 399), st.integers(0, 299)),
        min_size=2, max_size=5, unique_by=(lambda p: p[0] // 45, lambda p: p[1] // 45),
    )
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_pills_cover_no_mark_and_no_other_pill(places: list[tuple[int, int]]) -> None:
    drawn = [mark("point", list(p), text=letter) for p, letter in zip(places, "ABCDE", strict=False)]
    dots = np.asarray(marked(*[{k: v for k, v in m.items() if k != "text"} for m in drawn], size=(400, 300)), int)
    marked_pixels = set(zip(*np.nonzero((dots != GREY).any(axis=2)), strict=True))
    taken = pills(drawn)
    for i, pill in enumerate(taken):
        assert len(pill) > 150
        assert not pill & marked_pixels
        assert not any(pill & other for other in taken[:i])


@pytest.mark.parametrize("xy", [[2, 2], [198, 2], [198, 148], [2, 148]])
def test_pills_are_whole_at_the_border(xy: list[float]) -> None:
    (middle,), (corner,) = (pills([mark("point", at, text="A")], (200, 150)) for at in ([100, 75], xy))
    assert len(corner) == len(middle)


def test_the_pill_of_a_wide_mark_is_above_it_or_inside() -> None:
    for top, inside in ((100, False), (2, True)):
        low = 290 if inside else 200
        (pill,) = pills([mark("box", [50, top, 250, low], text="A")])
        rows = [v for v, _ in pill]
        assert (min(rows) > top) == inside
        assert (max(rows) < top) != inside


def test_marks_of_a_recipe_are_drawn_together(tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), GREY).save(tmp_path / "a.png")
    drawn = [mark("point", [200, 150], text="A"), mark("point", [216, 134], text="B")]
    made = images.open_image({"path": "a.png", "ops": drawn}, str(tmp_path))
    assert made.tobytes() == marked(*drawn, size=(400, 300)).tobytes()
    assert made.getpixel((216, 134)) == marks.COLORS["pink"]  # A's pill would stand there if it knew nothing of B


def test_unknown_colours_are_refused() -> None:
    with pytest.raises(DataError, match="unknown colour 'mauve'"):
        marked(mark("point", [1, 1], "mauve"))
