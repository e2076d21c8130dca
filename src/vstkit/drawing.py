"""Boxes drawn on the pictures they belong to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.geometry.boxes import edge_segments, image_box

if TYPE_CHECKING:
    from PIL import Image

TRUE, PREDICTED = (70, 230, 90), (255, 80, 40)


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
    from PIL import ImageDraw, ImageFont

    canvas = ImageDraw.Draw(image)
    diagonal = math.hypot(*image.size)
    stroke = max(round(diagonal / 700), 1)
    height = max(diagonal / 95, 9)
    font = ImageFont.load_default(size=height)
    for boxes, ink, width in ((true, TRUE, stroke + 2), (predicted, PREDICTED, stroke)):
        for box in sorted(boxes, key=lambda b: -b["box3d"][2]):
            numbers = np.asarray(box["box3d"], dtype=float)
            for start, end in edge_segments(numbers, camera):
                canvas.line([start, end], fill=ink, width=width)
            place = image_box(numbers, camera, *image.size)
            if place is not None and (boxes is predicted or not predicted):
                size = f" {numbers[2]:.2f} m, {numbers[3:6].max():.2f} m" if boxes is predicted else ""
                at = (place[0] + 2, place[1] + 1 if boxes is true else place[3] - height - 3)
                canvas.text(at, box["label"] + size, font=font, fill=ink, stroke_width=2, stroke_fill=(0, 0, 0))
    legend = [(name, ink) for name, boxes, ink in (("true", true, TRUE), ("predicted", predicted, PREDICTED)) if boxes]
    for i, (name, ink) in enumerate(legend):
        at = (4, 4 + i * (height + 4))
        canvas.text(at, name, font=font, fill=ink, stroke_width=2, stroke_fill=(0, 0, 0))
