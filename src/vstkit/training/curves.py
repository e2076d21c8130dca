"""A run's log as a picture of curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstkit.training.logs import flat

if TYPE_CHECKING:
    from PIL.Image import Image

Curve = list[tuple[float, float]]  # (step, value), steps ascending

WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 460, 230, 64, 34, 14, 26
PANELS: dict[str, Sequence[str]] = {
    "loss": ("loss", "eval_loss"),
    "loss by task": ("loss/",),
    "held-out loss by task": ("eval_loss/",),
    "learning rate": ("lr", "vision_lr", "merger_lr"),
    "gradient norm": ("grad_norm",),
    "tokens a second": ("tokens_per_s",),
    "fill, share of time waiting for data, MFU": ("fill", "wait", "mfu"),
    "memory, GiB": ("memory_gib",),
}
COLOURS = ((24, 87, 200), (214, 81, 20), (28, 138, 84), (150, 60, 170), (190, 150, 0), (90, 90, 90), (0, 150, 170))


def curves(entries: Sequence[dict[str, Any]]) -> dict[str, Curve]:
    """The numbers of a log, each over the steps; those by task as loss/TASK and eval_loss/TASK."""
    found: dict[str, Curve] = {}
    for entry in entries:
        for name, value in flat(entry).items():
            found.setdefault(name, []).append((entry["step"], value))
    return found


def plot(entries: Sequence[dict[str, Any]]) -> Image:
    """The curves of a log, one panel for what belongs together; raises ValueError for an empty one."""
    from PIL import Image, ImageDraw, ImageFont

    if not entries:
        raise ValueError("expected a step, got an empty log")
    found = curves(entries)
    panels = []
    for title, names in PANELS.items():
        shown = {name: curve for name, curve in found.items() for n in names if _is(name, n)}
        if shown:
            panels.append((title, dict(sorted(shown.items(), key=lambda item: -len(item[1]))[: len(COLOURS)])))
    columns = min(2, len(panels))
    image = Image.new("RGB", (WIDE * columns, HIGH * math.ceil(len(panels) / columns)), (255, 255, 255))
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=12)
    for number, (title, shown) in enumerate(panels):
        _panel(canvas, font, title, shown, number % columns * WIDE, number // columns * HIGH)
    return image


def _is(name: str, wanted: str) -> bool:
    return name.startswith(wanted) if wanted.endswith("/") else name == wanted


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, at most `most`: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * n for n in (1, 2, 5, 10) if (high - low) / (power * n) <= most - 1 or n == 10)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _panel(canvas: Any, font: Any, title: str, shown: dict[str, Curve], x: int, y: int) -> None:
    steps = [step for curve in shown.values() for step, _ in curve]
    values = [value for curve in shown.values() for _, value in curve]
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    width, height = WIDE - LEFT - RIGHT, HIGH - TOP - BOTTOM

    def place(step: float, value: float) -> tuple[float, float]:
        across = (step - first) / (last - first) if last > first else 0.5
        up = (value - low) / (high - low) if high > low else 0.5
        return x + LEFT + width * across, y + TOP + height * (1 - up)

    canvas.text((x + 12, y + 8), title, font=font, fill=(20, 20, 20))
    for value in ticks(low, high):
        _, v = place(first, value)
        canvas.line((x + LEFT, v, x + LEFT + width, v), fill=(225, 225, 225))
        canvas.text((x + LEFT - 6, v - 7), f"{value:.4g}", font=font, fill=(70, 70, 70), anchor="ra")
    for step in {first, last}:
        u, _ = place(step, low)
        canvas.text((u, y + HIGH - BOTTOM + 6), f"{step:g}", font=font, fill=(70, 70, 70), anchor="ma")
    at = x + 20 + canvas.textlength(title, font=font)
    for (name, curve), colour in zip(shown.items(), COLOURS, strict=False):
        points = [place(step, value) for step, value in curve]
        if len(points) > 1:
            canvas.line(points, fill=colour, width=1)
        else:
            canvas.circle(points[0], 2, fill=colour)
        word = name.rpartition("/")[2]
        if len(shown) > 1 and at + canvas.textlength(word, font=font) < x + WIDE:
            canvas.text((at, y + 8), word, font=font, fill=colour)
            at += canvas.textlength(word, font=font) + 10
