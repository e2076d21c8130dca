"""Marks that questions refer to, drawn so that they can be read: points, boxes, circles, arrows, outlines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstkit.errors import DataError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

# Colour words that a question can say, far apart from each other.
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (230, 25, 25),
    "blue": (20, 90, 255),
    "green": (20, 170, 60),
    "yellow": (255, 220, 0),
    "pink": (255, 105, 200),
    "orange": (255, 140, 0),
    "purple": (150, 40, 220),
    "cyan": (0, 215, 235),
}
_OUTLINE = (255, 255, 255)


def draw(image: Image.Image, mark: dict[str, Any]) -> None:
    """Draw one `mark` op (vstkit-records(5)) on an RGB image, in place. Sizes follow the image's diagonal."""
    from PIL import ImageDraw

    if mark["color"] not in COLORS:
        raise DataError(f"mark: unknown colour {mark['color']!r}; known: {', '.join(COLORS)}")
    color, xy = COLORS[mark["color"]], mark["xy"]
    diagonal = math.hypot(*image.size)
    radius = min(max(0.008 * diagonal, 4), 14)
    stroke = round(min(max(0.0035 * diagonal, 2), 6))
    canvas = ImageDraw.Draw(image)
    shape = mark["shape"]
    if shape == "point":
        _disc(canvas, xy, radius + 1.5, _OUTLINE)
        _disc(canvas, xy, radius, color)
    elif shape == "circle":
        u, v, r = xy
        for width, ink in ((stroke + 2, _OUTLINE), (stroke, color)):
            canvas.ellipse((u - r, v - r, u + r, v + r), outline=ink, width=width)
    else:
        for width, ink in ((stroke + 2, _OUTLINE), (stroke, color)):
            for line in _lines(shape, xy, radius):
                canvas.line([tuple(p) for p in line], fill=ink, width=width, joint="curve")
    if "text" in mark:
        _label(canvas, image.size, mark["text"], xy[:2], radius if shape == "point" else stroke, color)


def _disc(canvas: ImageDraw.ImageDraw, xy: Sequence[float], r: float, ink: tuple[int, int, int]) -> None:
    canvas.ellipse((xy[0] - r, xy[1] - r, xy[0] + r, xy[1] + r), fill=ink)


def _lines(shape: str, xy: list[float], radius: float) -> list[list[tuple[float, float]]]:
    """The polylines of a box, an arrow or an outline."""
    if shape == "box":
        x0, y0, x1, y1 = xy
        return [[(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]]
    if shape == "arrow":
        (u0, v0), (u1, v1) = xy[:2], xy[2:]
        back = math.atan2(v0 - v1, u0 - u1)
        barbs = [(u1 + 2.5 * radius * math.cos(back + t), v1 + 2.5 * radius * math.sin(back + t)) for t in (0.5, -0.5)]
        return [[(u0, v0), (u1, v1)], [barbs[0], (u1, v1), barbs[1]]]
    points = list(zip(xy[::2], xy[1::2], strict=True))
    return [[*points, points[0]]]


def _label(
    canvas: ImageDraw.ImageDraw,
    size: tuple[int, int],
    text: str,
    at: Sequence[float],
    gap: float,
    color: tuple[int, int, int],
) -> None:
    """Text on a pill above and right of `at`, moved inside the image where it would leave it."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=min(max(0.022 * math.hypot(*size), 12), 32))
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    pad = 3.0
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(at[0] + gap, 0), max(size[0] - width, 0))
    y = min(max(at[1] - gap - height, 0), max(size[1] - height, 0))
    canvas.rounded_rectangle((x, y, x + width, y + height), radius=height / 3, fill=color, outline=_OUTLINE)
    dark = sum(c * w for c, w in zip(color, (0.299, 0.587, 0.114), strict=True)) < 140
    canvas.text((x + pad - left, y + pad - top), text, font=font, fill=(255, 255, 255) if dark else (0, 0, 0))
