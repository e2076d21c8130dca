"""A record as one picture: its images with their boxes, the boxes from above, and what it says."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstkit import drawing, images
from vstkit.chance import digest
from vstkit.errors import at
from vstkit.show import items

if TYPE_CHECKING:
    from PIL import Image

Record = dict[str, Any]
INKS = {"true": drawing.TRUE, "predicted": drawing.PREDICTED, "": drawing.PLAIN}
GROUND, PAPER, TEXT, SOFT = (24, 25, 28), (36, 38, 42), (235, 235, 232), (160, 164, 172)
GAP = 8  # pixels


def write(record: Record, tally: Counter[str], *, folder: str, root: str = ".", width: int = 640) -> list[str]:
    """Store the picture of a record in `folder`, named by its id; returns its path, or nothing where it has none.

    Raises DataError where the record is not what its kind says, and where the picture cannot be written.
    """
    item = items.item(record, root)
    if not item.get("pictures"):
        tally[f"{record['kind']} without a picture"] += 1
        return []
    plain = re.sub(r"[^\w.-]+", "-", record["id"]).strip("-.")[:80]
    path = Path(folder) / f"{plain or 'record'}-{digest(record['id'], length=6)}.png"
    picture = draw(item, root, width)
    images.save(picture, path)
    tally["pictures"] += 1
    return [str(path)]


def draw(item: Record, root: str = ".", width: int = 640) -> Image.Image:
    """The picture of an item (see `items`): its images side by side, each at most `width` wide, text below."""
    from PIL import Image, ImageDraw

    panels = [_panel(item, picture, root, width) for picture in item["pictures"]]
    if item.get("boxes"):
        panels.append(_above(item, panels[0].height))
    wide = sum(panel.width + GAP for panel in panels) + GAP
    high = max(panel.height for panel in panels) + 2 * GAP
    font = _font(15)
    letters = max(int((wide - 2 * GAP) / font.getlength("n")), 20)
    lines = [line for text in said(item["record"]) for line in textwrap.wrap(text, letters) or [""]]
    made = Image.new("RGB", (wide, high + 20 * len(lines) + GAP), GROUND)
    x = GAP
    for panel in panels:
        made.paste(panel, (x, GAP))
        x += panel.width + GAP
    canvas = ImageDraw.Draw(made)
    for i, line in enumerate(lines):
        canvas.text((GAP, high + 20 * i), line, font=font, fill=SOFT if i == 0 else TEXT)
    return made


def said(record: Record) -> list[str]:
    """A record in words, in lines: what it is, then what is asked, answered and responded."""
    lines = [" ".join(filter(None, [record["kind"], record.get("task", ""), record["id"]]))]
    if record["kind"] == "scene":
        lines.append(f"{len(record['views'])} views, {len(record.get('objects', []))} objects")
    for message in record.get("messages", []):
        content = message["content"]
        parts = [content] if isinstance(content, str) else [p["text"] for p in content if p["type"] == "text"]
        lines += [line for line in f"{message['role']}: {' '.join(parts)}".splitlines() if line.strip()]
    if "response" in record:
        lines += ["the model's response: " + " ".join(record["response"].split())]
    return lines


def _panel(item: Record, picture: Record, root: str, width: int) -> Image.Image:
    from PIL import Image

    with at(picture["field"]):
        image = images.open_image(picture["image"], root)
    scale = min(width / image.width, 1.0)
    if scale < 1:
        image = image.resize((width, max(round(image.height * scale), 1)), Image.Resampling.LANCZOS)

    def placed(values: Sequence[float]) -> list[float]:
        return [(value + 0.5) * scale - 0.5 for value in values]

    names = []
    drawn = [box for box in picture.get("drawn", []) if not box["faint"]]
    for shown in drawn:
        box = item["boxes"][shown["box"]]
        drawing.draw_lines(image, [placed(edge) for edge in shown["edges"]], INKS[box["role"]])
        for axis, ink in zip(shown["axes"], drawing.AXES, strict=False):
            drawing.draw_lines(image, [placed(axis)], ink, 2)
        names.append((box["label"], placed([*shown["at"], *shown["at"]]), INKS[box["role"]]))
    legend = [(picture["title"], TEXT)] if len(item["pictures"]) > 1 else []
    drawing.draw_names(image, names[::-1], legend, all_of_them=False)
    return image


def _above(item: Record, side: int) -> Image.Image:
    """Boxes and cameras from above in a square: the first camera looks up, a line of the grid is a metre."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (side, side), PAPER)
    canvas = ImageDraw.Draw(image)
    near = [box for box in item["boxes"] if not box.get("around")]
    points = [c[:2] for c in item["cameras"]] + [p for box in near for p in box["outline"]]
    (x0, x1), (y0, y1) = ((min(values), max(values)) for values in zip(*points, strict=True))
    span = 1.15 * max(x1 - x0, y1 - y0, 1)

    def placed(x: float, y: float) -> tuple[float, float]:
        return (x - (x0 + x1) / 2) / span * side + side / 2, ((y0 + y1) / 2 - y) / span * side + side / 2

    for metre in range(-99, 100):
        u, v = placed(metre, metre)
        canvas.line([(u, 0), (u, side)], fill=(56, 59, 65))
        canvas.line([(0, v), (side, v)], fill=(56, 59, 65))
    for x, y, dx, dy, _ in item["cameras"]:
        u, v = placed(x, y)
        canvas.line([(u, v), placed(x + 0.1 * span * dx, y + 0.1 * span * dy)], fill=SOFT, width=2)
        canvas.ellipse((u - 4, v - 4, u + 4, v + 4), fill=SOFT)
    for box in near:
        outline = [placed(*point) for point in box["outline"]]
        canvas.line([*outline, outline[0]], fill=INKS[box["role"]], width=2)
    places = [[placed(*point) for point in box["outline"]] for box in near]
    names = [
        (box["label"], [*map(min, zip(*place, strict=True)), *map(max, zip(*place, strict=True))], INKS[box["role"]])
        for box, place in zip(near, places, strict=True)
    ]
    drawing.draw_names(image, names, [("from above, 1 m grid", SOFT)], all_of_them=False)
    return image


def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
