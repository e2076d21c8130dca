"""What is in records: counts and histograms, kept in memory that does not grow with their number."""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.geometry.boxes import to_camera
from vstkit.records import KINDS
from vstkit.validation import parse

if TYPE_CHECKING:
    from PIL import Image

Record = dict[str, Any]
Fact = tuple[str, str, str | float]  # kind of the record, what is said of it, a word to count or a number to bin

# Bins that grow with what they hold: 1, 1.5, 2, 3, 5, 7 in every decade, from a centimetre to a kilometre.
EDGES = [mantissa * 10.0**power for power in range(-2, 3) for mantissa in (1, 1.5, 2, 3, 5, 7)] + [1000.0]
TOKENS = [2.0**power for power in range(4, 24)]
UNITS = {"depth": "m", "distance": "m", "size": "m", "tokens": "", "targets": ""}


class Histogram:
    """Numbers, binned by `edges`; count, mean and extremes are exact."""

    def __init__(self, edges: list[float]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)  # below the first edge, between each two, above the last
        self.n, self.total, self.low, self.high = 0, 0.0, math.inf, -math.inf

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_right(self.edges, value)] += 1
        self.n += 1
        self.total += value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def bins(self) -> list[tuple[float | None, float | None, int]]:
        """(from, to, count) of the bins between the first and the last that hold something; None is no bound."""
        bounds = [None, *self.edges, None]
        held = [i for i, n in enumerate(self.counts) if n]
        return [(bounds[i], bounds[i + 1], self.counts[i]) for i in range(held[0], held[-1] + 1)]


class Summary:
    """All counts and histograms of a run, by kind of record."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], Counter[str]] = {}
        self.histograms: dict[tuple[str, str], Histogram] = {}

    def add(self, fact: Fact) -> None:
        kind, name, value = fact
        if isinstance(value, str):
            self.counts.setdefault((kind, name), Counter())[value] += 1
        else:
            edges = TOKENS if name in ("tokens", "targets") else EDGES
            self.histograms.setdefault((kind, name), Histogram(edges)).add(value)

    def records(self) -> Record:
        """As one JSON value: {kind: {"records": n, name: {word: n}, name: {"n", "mean", "min", "max", "bins"}}}."""
        made: dict[str, Record] = {}
        for (kind, name), words in self.counts.items():
            held = made.setdefault(kind, {})
            if name == "records":
                held[name] = words.total()
            else:
                held[name] = dict(ordered(words))
        for (kind, name), histogram in self.histograms.items():
            made.setdefault(kind, {})[name] = {
                "n": histogram.n,
                "mean": histogram.total / histogram.n,
                "min": histogram.low,
                "max": histogram.high,
                "bins": [
                    {**({"from": low} if low is not None else {}), **({"to": high} if high is not None else {}), "n": n}
                    for low, high, n in histogram.bins()
                ],
            }
        return made


def ordered(words: Counter[str]) -> list[tuple[str, int]]:
    """Words and their counts, the most frequent first, equal ones by name."""
    return sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))


def facts(record: Record, tally: Counter[str]) -> list[list[Fact]]:
    """Everything to count of a record, as one list; raises DataError where it is not what its kind says.

    Depth is along the optical axis, of what evidence saw, else of box centres that lie in the picture; distance is from
    the camera to the centre, size the longest side. Numbers of answers are binned by task and unit.
    """
    kind = record["kind"]
    if kind in KINDS:
        parse(record, KINDS[kind])
    return [[(kind, name, value) for name, value in _facts(record, kind)]]


def _facts(record: Record, kind: str) -> Iterator[tuple[str, str | float]]:
    yield "records", ""
    for name in ("dataset", "split", "license", "task", "suite"):
        if isinstance(record.get(name), str) and record[name]:
            yield name, record[name]
    if kind == "scene":
        yield from _scene(record)
    elif kind in ("sample", "prediction"):
        yield from _conversation(record)
    elif kind == "pack":
        yield "tokens", float(record["length"])
        yield "targets", float(record["targets"])
        yield "samples in a pack", str(len(record["samples"]))
        for sample in record["samples"]:
            yield from ((name, value) for name, value in _facts(sample, "sample") if name != "records")


def _scene(scene: Record) -> Iterator[tuple[str, str | float]]:
    yield "views", str(len(scene["views"]))
    things = scene.get("objects", [])
    for thing in things:
        yield "label", thing["label"]
    boxed = [thing for thing in things if "box3d" in thing]
    yield from (("size", float(max(thing["box3d"][3:6]))) for thing in boxed)
    numbers = np.array([thing["box3d"] for thing in boxed], dtype=float).reshape(-1, 9)
    for index, view in enumerate(scene["views"]):
        seen = [s["depth"] for t in things for s in t.get("seen", []) if s["view"] == index and "depth" in s]
        centres = to_camera(numbers, np.array(view.get("pose", np.eye(4)), dtype=float))[:, :3]
        centres = centres[_in_picture(centres, view)]
        yield from (("depth", float(depth)) for depth in ([] if seen else centres[:, 2]))
        yield from (("depth", float(depth)) for depth in seen)
        yield from (("distance", float(distance)) for distance in np.linalg.norm(centres, axis=1))


def _in_picture(centres: Any, view: Record) -> Any:
    z = np.maximum(centres[:, 2], 1e-9)
    fx, fy, cx, cy = view["camera"]
    u, v = centres[:, 0] / z * fx + cx, centres[:, 1] / z * fy + cy
    inside = (u >= -0.5) & (u < view["width"] - 0.5) & (v >= -0.5) & (v < view["height"] - 0.5)
    return inside & (centres[:, 2] > 0)


def _conversation(record: Record) -> Iterator[tuple[str, str | float]]:
    yield "images", str(len(record.get("images", [])))
    if "videos" in record:
        yield "videos", str(len(record["videos"]))
    held = record.get("answer", [])
    for answer in held if isinstance(held, list) else [held]:
        yield "answer", answer["type"]
        if answer["type"] == "choice":
            yield "letter", answer["value"]
        elif answer["type"] == "number":
            yield f"{record.get('task') or 'answer'} ({answer['unit']})", float(answer["value"])
        elif answer["type"] == "boxes3d":
            yield from _boxes(answer["value"], "")
    if "boxes3d" in record:
        yield from _boxes(record["boxes3d"], "predicted ")


def _boxes(boxes: Iterable[Record], prefix: str) -> Iterator[tuple[str, str | float]]:
    for box in boxes:
        numbers = box["box3d"]
        yield f"{prefix}label", box["label"]
        yield f"{prefix}depth", float(numbers[2])
        yield f"{prefix}distance", math.hypot(*numbers[:3])
        yield f"{prefix}size", float(max(numbers[3:6]))


def plot(summary: Summary, most: int = 16) -> Image.Image:
    """All counts (their `most` frequent words) and histograms as bars, one panel each."""
    from PIL import Image, ImageDraw, ImageFont

    panels = []
    for (kind, name), words in summary.counts.items():
        if name != "records" and len(words) > 1:
            rows = [(word, n) for word, n in ordered(words)[:most]]
            left_out = len(words) - len(rows)
            panels.append((f"{kind}: {name}" + (f", and {left_out} more" if left_out else ""), rows))
    for (kind, name), histogram in summary.histograms.items():
        rows = [(shown_range(low, high), n) for low, high, n in histogram.bins()]
        unit = UNITS.get(name.rpartition(" ")[2], "")
        panels.append((f"{kind}: {name}" + (f" [{unit}]" if unit else "") + f", n = {histogram.n:,}", rows))
    wide, row, columns = 460, 19, min(3, max(len(panels), 1))
    heights = [0] * columns
    places = []
    for _, rows in panels:  # each panel below the shortest column
        column = heights.index(min(heights))
        places.append((column * wide, heights[column]))
        heights[column] += row * (len(rows) + 3)
    image = Image.new("RGB", (wide * columns, max(*heights, row)), (255, 255, 255))
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=13)
    for (title, rows), (x, y) in zip(panels, places, strict=True):
        canvas.text((x + 12, y + 10), title, font=font, fill=(20, 20, 20))
        top = max(n for _, n in rows)
        for i, (word, n) in enumerate(rows):
            v = y + row * (i + 1) + 14
            canvas.text((x + 150, v), _cut(word, 20), font=font, fill=(70, 70, 70), anchor="ra")
            canvas.rectangle((x + 158, v, x + 158 + 220 * n / top, v + 12), fill=(24, 87, 200))
            canvas.text((x + 164 + 220 * n / top, v), f"{n:,}", font=font, fill=(70, 70, 70))
    return image


def shown_range(low: float | None, high: float | None) -> str:
    """A bin in words: 1.5-2, below 0.01, from 1000."""
    if low is None:
        return f"below {high:g}"
    return f"from {low:g}" if high is None else f"{low:g}-{high:g}"


def _cut(word: str, length: int) -> str:
    return word if len(word) <= length else f"{word[: length - 1]}…"
