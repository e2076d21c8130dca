"""Boxes on the pictures they belong to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.geometry.boxes import edge_segments, image_box

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Ink = tuple[int, int, int]
TRUE, PREDICTED, PLAIN = (70, 230, 90), (255, 80, 40), (60, 180, 255)
AXES = ((255, 77, 77), (77, 255, 106), (93, 139, 255))  # x, y, z
Line = Sequence[float]  # u0, v0, u1, v1


def draw_boxes(
    image: Image.Image,
    camera: Sequence[float],
    *,
    predicted: Sequence[dict[str, Any]] = (),
    true: Sequence[dict[str, Any]] = (),
) -> None:
    """Draw {"label", "box3d"} boxes (camera axes) on `image`, in place, far ones first; true ones below predicted ones.

    Predicted ones have their label, their distance along the optical axis and their longest side, in metres; where
    there are none, the true ones have their label.
    """
    stroke = _stroke(image)
    names: list[tuple[str, Sequence[float], Ink]] = []
    for boxes, ink, width in ((true, TRUE, stroke + 2), (predicted, PREDICTED, stroke)):
        for box in sorted(boxes, key=lambda b: -b["box3d"][2]):
            numbers = np.asarray(box["box3d"], dtype=float)
            draw_lines(image, [[*a, *b] for a, b in edge_segments(numbers, camera)], ink, width)
            place = image_box(numbers, camera, *image.size)
            if place is not None and (boxes is predicted or not predicted):
                size = f" {numbers[2]:.2f} m, {numbers[3:6].max():.2f} m" if boxes is predicted else ""
                names.append((box["label"] + size, place, ink))
    legend = [(name, ink) for name, boxes, ink in (("true", true, TRUE), ("predicted", predicted, PREDICTED)) if boxes]
    draw_names(image, names[::-1], legend)


def draw_lines(image: Image.Image, lines: Sequence[Line], ink: Ink, width: int | None = None) -> None:
    """Draw lines in pixels on `image`, in place; without a width, one that suits the image, on a dark casing."""
    from PIL import ImageDraw

    canvas = ImageDraw.Draw(image)
    if width is None:
        width = _stroke(image) + 1
        for line in lines:
            canvas.line(list(line), fill=(0, 0, 0), width=width + 2)
    for line in lines:
        canvas.line(list(line), fill=ink, width=width)


def draw_names(
    image: Image.Image,
    names: Sequence[tuple[str, Sequence[float], Ink]],
    legend: Sequence[tuple[str, Ink]] = (),
    *,
    all_of_them: bool = True,
) -> None:
    """Write names, the most important first, each at its rectangle (x0, y0, x1, y1), where it covers no other.

    A name for which there is no such place is written in its first one, or left out unless `all_of_them`.
    """
    from PIL import ImageDraw, ImageFont

    canvas = ImageDraw.Draw(image)
    height = max(math.hypot(*image.size) / 95, 11)
    font = ImageFont.load_default(size=height)
    taken: list[tuple[float, float, float, float]] = []
    for i, (name, ink) in enumerate(legend):
        taken.append(_write(canvas, (4, 4 + i * (height + 4)), name, font, ink))
    for name, (x0, y0, x1, y1), ink in names:
        width, tall = font.getlength(name), height + 4
        places = [
            (x0, y0 - tall),
            (x0 + 2, y0 + 1),
            (x0 + 2, y1 - tall),
            (x0, y1),
            (x1 - width, y0 - tall),
            (x1 + 3, y0),
        ]
        inside = [(max(min(x, image.width - width - 2), 1), max(min(y, image.height - tall), 1)) for x, y in places]
        free = [(x, y) for x, y in inside if not any(_meet((x, y, x + width, y + tall), other) for other in taken)]
        if free or all_of_them:
            taken.append(_write(canvas, (free or inside)[0], name, font, ink))


def _stroke(image: Image.Image) -> int:
    return max(round(math.hypot(*image.size) / 700), 1)


def _write(
    canvas: ImageDraw.ImageDraw, at: tuple[float, float], text: str, font: Any, ink: Ink
) -> tuple[float, float, float, float]:
    canvas.text(at, text, font=font, fill=ink, stroke_width=2, stroke_fill=(0, 0, 0))
    return canvas.textbbox(at, text, font=font, stroke_width=2)


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
