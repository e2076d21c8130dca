"""Marks that questions refer to, drawn so that they can be read on any picture.

The question fixes a mark's colour; the drawing sees to the rest. Sizes follow the picture's diagonal. Every mark has a
casing, black or white, whichever is farther in CIELAB from what is under it: where the picture has the mark's own
colour, the casing shows. A text stands on a pill where it covers no mark, no other pill and no border, if there is such
a place. All marks of a picture are drawn at once, because a pill has to know the marks that come after its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstkit.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]  # x0, y0, x1, y1
Place = tuple[int, int, int, int]  # a rectangle of whole pixels
Stencil = tuple["Image.Image", tuple[int, int]]

# Colour words that a question can say: in CIELAB any two are 48 apart or more, and as far from black and from white.
COLORS: dict[str, Color] = {
    "red": (205, 0, 30),
    "blue": (0, 110, 255),
    "green": (0, 155, 40),
    "yellow": (255, 230, 0),
    "pink": (255, 130, 205),
    "orange": (255, 140, 0),
    "purple": (120, 10, 140),
    "cyan": (0, 228, 245),
}
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
FINE = 4  # times finer than the picture that round and slanted marks are drawn, against jagged edges
LARGE = 400  # pixels; a larger mark is drawn only twice as fine, for time


def draw(image: Image.Image, marks: Sequence[dict[str, Any]]) -> None:
    """Draw `mark` ops (vstkit-records(5)) on an RGB image, in place; those that come later lie on top."""
    from PIL import Image, ImageDraw

    for mark in marks:
        if mark["color"] not in COLORS:
            raise DataError(f"mark: unknown colour {mark['color']!r}; known: {', '.join(COLORS)}")
    diagonal = math.hypot(*image.size)
    radius = min(max(0.008 * diagonal, 4), 14)
    stroke = round(min(max(0.0035 * diagonal, 2), 6))
    casing = max(stroke // 2, 2)
    outer = [_stencils(mark, image.size, radius, stroke, casing) for mark in marks]
    inner = [_stencils(mark, image.size, radius, stroke, 0) for mark in marks]
    cases = [_contrast(_mean(image, stencils)) for stencils in outer]
    covered = Image.new("L", image.size)  # where marks and pills are
    for i, mark in enumerate(marks):
        for stencil, at in outer[i]:
            image.paste(cases[i], at, stencil)
            covered.paste(255, at, stencil)
        for stencil, at in inner[i]:
            image.paste(COLORS[mark["color"]], at, stencil)
    canvas = ImageDraw.Draw(image)
    for mark, case in zip(marks, cases, strict=True):
        if "text" in mark:
            gap = (radius if mark["shape"] == "point" else stroke / 2) + casing + 2
            pill = _pill(canvas, covered, mark["text"], _reach(mark), gap)
            covered.paste(255, pill)
            _write(canvas, mark["text"], pill, COLORS[mark["color"]], case)


def lab(color: Sequence[float]) -> tuple[float, float, float]:
    """CIELAB (D65) of an sRGB colour 0-255, by IEC 61966-2-1 and CIE 15; distances are of CIE76."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in color)]
    to_xyz = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0178, 0.1095, 0.8728))  # white is 1, 1, 1
    x, y, z = (sum(m * v for m, v in zip(row, linear, strict=True)) for row in to_xyz)
    fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _contrast(color: Sequence[float]) -> Color:
    """Black or white, whichever is farther from `color`."""
    return max((WHITE, BLACK), key=lambda ink: math.dist(lab(ink), lab(color)))


def _mean(image: Image.Image, stencils: Sequence[Stencil]) -> list[float]:
    """The mean colour of the image under stencils."""
    from PIL import ImageStat

    n, total = 0.0, [0.0, 0.0, 0.0]
    for stencil, (u, v) in stencils:
        if stencil.getbbox():
            under = ImageStat.Stat(image.crop((u, v, u + stencil.width, v + stencil.height)), stencil)
            n, total = n + under.count[0], [a + b for a, b in zip(total, under.sum, strict=True)]
    return [value / max(n, 1) for value in total]


def _stencils(mark: dict[str, Any], size: tuple[int, int], radius: float, stroke: int, wider: int) -> list[Stencil]:
    """What a mark covers of a picture, `wider` pixels more on each side: images 0-255, and where their corners are."""
    from PIL import Image, ImageDraw

    shape, xy = mark["shape"], mark["xy"]
    if shape == "box":
        solid = [_clipped(strip, size) for strip in _strips(xy, stroke, wider)]
        return [(Image.new("L", (x1 - x0, y1 - y0), 255), (x0, y0)) for x0, y0, x1, y1 in solid if x0 < x1 and y0 < y1]
    reach = 3 * radius + 2 * stroke + 4  # barbs and casing
    x0, y0, x1, y1 = _reach(mark)
    left, top, right, bottom = _clipped((x0 - reach, y0 - reach, x1 + reach, y1 + reach), size)
    if left >= right or top >= bottom:
        return []
    fine = FINE if max(right - left, bottom - top) <= LARGE else 2
    image = Image.new("L", ((right - left) * fine, (bottom - top) * fine))
    canvas = ImageDraw.Draw(image)
    breadth = (stroke + 2 * wider) * fine

    def placed(u: float, v: float) -> tuple[float, float]:
        return (u - left + 0.5) * fine - 0.5, (v - top + 0.5) * fine - 0.5

    if shape in ("point", "circle"):
        u, v = placed(*xy[:2])
        r = (radius + wider if shape == "point" else xy[2] + stroke / 2 + wider) * fine
        canvas.ellipse((u - r, v - r, u + r, v + r), 255 if shape == "point" else None, 255, breadth)
    else:
        for line in _lines(shape, xy, radius):
            ends = [placed(*point) for point in line]
            canvas.line(ends, fill=255, width=breadth, joint="curve")
            for u, v in (ends[0], ends[-1]):
                canvas.ellipse((u - breadth / 2, v - breadth / 2, u + breadth / 2, v + breadth / 2), 255)
    return [(image.reduce(fine), (left, top))]


def _clipped(rectangle: Rectangle, size: tuple[int, int]) -> Place:
    x0, y0, x1, y1 = rectangle
    return max(math.floor(x0), 0), max(math.floor(y0), 0), min(math.ceil(x1), size[0]), min(math.ceil(y1), size[1])


def _strips(xy: Sequence[float], stroke: int, wider: int) -> list[Rectangle]:
    """The four sides of a box's outline in whole pixels, which needs no finer drawing."""
    far, breadth = stroke // 2 + wider, stroke + 2 * wider
    x0, y0, x1, y1 = round(xy[0]) - far, round(xy[1]) - far, round(xy[2]) + far + 1, round(xy[3]) + far + 1
    horizontal = [(x0, y0, x1, y0 + breadth), (x0, y1 - breadth, x1, y1)]
    return [*horizontal, (x0, y0 + breadth, x0 + breadth, y1 - breadth), (x1 - breadth, y0, x1, y1 - breadth)]


def _reach(mark: dict[str, Any]) -> Rectangle:
    """The rectangle that a mark's coordinates span: a point's is the point itself."""
    shape, xy = mark["shape"], mark["xy"]
    if shape == "circle":
        u, v, r = xy
        return u - r, v - r, u + r, v + r
    return min(xy[::2]), min(xy[1::2]), max(xy[::2]), max(xy[1::2])


def _lines(shape: str, xy: list[float], radius: float) -> list[list[tuple[float, float]]]:
    """The polylines of an arrow or an outline."""
    if shape == "arrow":
        (u0, v0), (u1, v1) = xy[:2], xy[2:]
        back = math.atan2(v0 - v1, u0 - u1)
        barbs = [(u1 + 2.5 * radius * math.cos(back + t), v1 + 2.5 * radius * math.sin(back + t)) for t in (0.5, -0.5)]
        return [[(u0, v0), (u1, v1)], [barbs[0], (u1, v1), barbs[1]]]
    points = list(zip(xy[::2], xy[1::2], strict=True))
    return [[*points, points[0]]]


def _font(size: tuple[int, int]) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=min(max(0.022 * math.hypot(*size), 12), 32))


def _pill(canvas: Any, covered: Image.Image, text: str, around: Rectangle, gap: float) -> Place:
    """Where the pill of `text` goes: of eight places around a mark the first that covers least."""
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=_font(covered.size))
    height = bottom - top + 8.0
    width = max(right - left + 10.0, height)
    x0, y0, x1, y1 = (value + gap * sign for value, sign in zip(around, (-1, -1, 1, 1), strict=True))
    if around[2] - around[0] < width:  # off the corners of a small mark, then straight up, down and to the sides
        near = gap / 4  # a round mark leaves its corners free
        places = [(x, y) for x in (x1 - near, x0 - width + near) for y in (y0 - height + near, y1 - near)]
        u, v = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
        places += [(u, y0 - height), (u, y1), (x1, v), (x0 - width, v)]
    else:  # above and below the ends of a wide mark, then inside its corners
        places = [(x, y) for y in (y0 - height, y1) for x in (x0, x1 - width)]
        places += [(x, y) for y in (y0 + 2 * gap, y1 - height - 2 * gap) for x in (x0 + 2 * gap, x1 - width - 2 * gap)]
    most = covered.width - width - 1, covered.height - height - 1
    costs: dict[Place, tuple[int, bool]] = {}
    for x, y in places:
        u, v = round(max(min(x, most[0]), 0)), round(max(min(y, most[1]), 0))
        hidden = covered.crop((u - 1, v - 1, u + round(width) + 2, v + round(height) + 2)).histogram()
        # Among places that cover as little, one that need not be moved into the picture.
        costs[u, v, u + round(width), v + round(height)] = sum(hidden[1:]), max(abs(u - x), abs(v - y)) > 0.5
    return min(costs, key=lambda place: costs[place])


def _write(canvas: Any, text: str, pill: Place, color: Color, case: Color) -> None:
    x0, y0, x1, y1 = pill
    font = _font(canvas.im.size)
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    canvas.rounded_rectangle(pill, radius=(y1 - y0) / 3, fill=color, outline=case, width=2)
    at = ((x0 + x1 + 1 - left - right) / 2, (y0 + y1 + 1 - top - bottom) / 2)
    canvas.text(at, text, font=font, fill=_contrast(color))
