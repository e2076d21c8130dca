"""Cupboards, chests and shelves, and the legs, drawers and doors that other furniture has too."""

from __future__ import annotations

from vstkit.chance import Chance
from vstkit.synth.model import BRIGHT, STEEL, Model, Surface, between, darker, model, wood
from vstkit.synth.shapes import Material, Part, box, rod


def legs(x: float, y: float, height: float, thickness: float, material: Material, splay: float = 0) -> list[Part]:
    """Four square legs at (+-x, +-y), or round ones that spread by `splay`."""
    parts = []
    for sx, sy in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        if splay:
            foot = (sx * (x + splay), sy * (y + splay), 0)
            parts.append(rod(foot, (sx * x, sy * y, height), thickness * 0.35, material, thickness * 0.55))
        else:
            parts.append(box((thickness, thickness, height), (sx * x, sy * y, height / 2), material))
    return parts


def drawers(x: float, y: float, wide: float, low: float, high: float, rows: int, material: Material) -> list[Part]:
    """Drawer fronts with handles, on a body's face at `x`."""
    each = (high - low) / rows
    parts = []
    for i in range(rows):
        z = low + each * (i + 0.5)
        parts.append(box((0.018, wide - 0.016, each - 0.012), (x + 0.009, y, z), darker(material, 0.94)))
        parts.append(rod((x + 0.035, y - 0.05, z), (x + 0.035, y + 0.05, z), 0.006, STEEL))
        parts += [box((0.02, 0.01, 0.01), (x + 0.026, y + s * 0.045, z), STEEL) for s in (1, -1)]
    return parts


def _doors(x: float, wide: float, low: float, high: float, count: int, material: Material) -> list[Part]:
    """Doors with upright handles where they meet, on a body's face at `x`."""
    each = wide / count
    parts = []
    for i in range(count):
        y = (i - (count - 1) / 2) * each
        parts.append(box((0.018, each - 0.01, high - low), (x + 0.009, y, (low + high) / 2), darker(material, 0.95)))
        inset = (0.008, each - 0.13, high - low - 0.14)
        if min(inset) > 0:
            parts.append(box(inset, (x + 0.02, y, (low + high) / 2), darker(material, 1.04)))
        side = y + (each / 2 - 0.035) * (1 if i % 2 == 0 else -1)
        middle, reach = min((low + high) / 2, 1.05), min((high - low) * 0.2, 0.12)
        parts.append(rod((x + 0.045, side, middle - reach), (x + 0.045, side, middle + reach), 0.007, STEEL))
        parts += [box((0.03, 0.01, 0.01), (x + 0.03, side, middle + s * (reach - 0.01)), STEEL) for s in (1, -1)]
    return parts


def _body(deep: float, wide: float, low: float, high: float, material: Material) -> list[Part]:
    """A closed carcass between two heights, its top a little larger, its face at deep / 2."""
    return [
        box((deep, wide, high - low - 0.025), (0, 0, (low + high - 0.025) / 2), material),
        box((deep + 0.025, wide + 0.02, 0.025), (0.0125, 0, high - 0.0125), material),
        *legs(deep / 2 - 0.05, wide / 2 - 0.05, low, 0.045, darker(material, 0.7)),
    ]


def cabinet(chance: Chance) -> Model:
    """A sideboard of two to four doors on short feet."""
    body, count = wood(chance), 2 + chance.below(3)
    deep, wide, high = between(chance, 0.38, 0.46), 0.42 * count, between(chance, 0.72, 0.95)
    parts = [*_body(deep, wide, 0.1, high, body), *_doors(deep / 2, wide, 0.13, high - 0.04, count, body)]
    return model("cabinet", parts, [Surface((0, 0, high), (deep - 0.03, wide - 0.03))], front=True)


def wardrobe(chance: Chance) -> Model:
    """A tall cupboard of two or three doors."""
    body, count = wood(chance), 2 + chance.below(2)
    deep, wide, high = between(chance, 0.55, 0.62), 0.5 * count, between(chance, 1.85, 2.15)
    return model(
        "wardrobe",
        [*_body(deep, wide, 0.06, high, body), *_doors(deep / 2, wide, 0.1, high - 0.05, count, body)],
        front=True,
    )


def dresser(chance: Chance) -> Model:
    """A chest of three or four drawers."""
    body, rows = wood(chance), 3 + chance.below(2)
    deep, wide, high = between(chance, 0.42, 0.5), between(chance, 0.75, 1.1), 0.2 * rows + 0.14
    parts = [*_body(deep, wide, 0.08, high, body), *drawers(deep / 2, 0, wide, 0.1, high - 0.04, rows, body)]
    return model("dresser", parts, [Surface((0, 0, high), (deep - 0.03, wide - 0.03))], front=True)


def nightstand(chance: Chance) -> Model:
    """A small chest of one or two drawers for the side of a bed."""
    body, rows = wood(chance), 1 + chance.below(2)
    deep, wide, high = between(chance, 0.36, 0.42), between(chance, 0.4, 0.5), between(chance, 0.46, 0.58)
    parts = [*_body(deep, wide, 0.14, high, body), *drawers(deep / 2, 0, wide, 0.17, high - 0.04, rows, body)]
    return model("nightstand", parts, [Surface((0, 0, high), (deep - 0.02, wide - 0.02))], front=True)


def tv_stand(chance: Chance) -> Model:
    """A low, wide cabinet."""
    body, count = wood(chance), 3 + chance.below(2)
    deep, wide, high = between(chance, 0.38, 0.45), 0.42 * count, between(chance, 0.42, 0.52)
    parts = [*_body(deep, wide, 0.08, high, body), *_drawers_in_row(deep / 2, wide, 0.1, high - 0.04, count, body)]
    return model("tv stand", parts, [Surface((0, 0, high), (deep - 0.03, wide - 0.03))], front=True)


def _drawers_in_row(x: float, wide: float, low: float, high: float, count: int, material: Material) -> list[Part]:
    each = wide / count
    middles = [(i - (count - 1) / 2) * each for i in range(count)]
    return [part for y in middles for part in drawers(x, y, each, low, high, 1, material)]


def bookshelf(chance: Chance) -> Model:
    """Sides, a back and boards; most boards with a row of books, some with books lying on each other."""
    frame, rows = wood(chance), 3 + chance.below(3)
    deep, wide, gap = between(chance, 0.28, 0.34), between(chance, 0.7, 1.05), between(chance, 0.33, 0.37)
    high = rows * gap + 0.09
    parts = [box((deep, 0.022, high), (0, s * (wide / 2 - 0.011), high / 2), frame) for s in (1, -1)]
    parts.append(box((0.008, wide - 0.04, high - 0.05), (-deep / 2 + 0.004, 0, high / 2), darker(frame, 0.85)))
    for i in range(rows + 1):
        z = 0.06 + i * gap
        parts.append(box((deep - 0.01, wide - 0.044, 0.022), (0.005, 0, z), frame))
        if i < rows:
            parts += _row_of_books(chance, deep, wide - 0.06, z + 0.011, gap - 0.03)
    parts.append(box((0.015, wide - 0.044, 0.05), (deep / 2 - 0.02, 0, 0.025), frame))
    return model("bookshelf", parts, front=True)


def _row_of_books(chance: Chance, deep: float, wide: float, z: float, room: float) -> list[Part]:
    """Books on a board from y = -wide / 2 on, standing, then perhaps a pile."""
    y, end = -wide / 2, wide / 2 - between(chance, 0.0, 0.4) * wide
    parts = []
    while y < end - 0.05:
        thick, tall = between(chance, 0.016, 0.045), room * between(chance, 0.6, 0.9)
        reach = min(deep - 0.07, tall * 0.75)
        cover = Material(chance.choice(BRIGHT), gloss=0.1)
        x = deep / 2 - 0.03 - reach / 2
        parts.append(box((reach, thick - 0.002, tall), (x, y + thick / 2, z + tall / 2), cover))
        parts.append(
            box(
                (0.002, thick - 0.002, 0.02),
                (deep / 2 - 0.03 + 0.001, y + thick / 2, z + tall * 0.75),
                darker(cover, 1.35),
            )
        )
        y += thick
    if wide / 2 - y > 0.24:
        height = z
        for _ in range(1 + chance.below(4)):
            thick = between(chance, 0.02, 0.04)
            cover = Material(chance.choice(BRIGHT), gloss=0.1)
            parts.append(box((deep * 0.6, 0.2, thick - 0.002), (0.02, wide / 2 - 0.11, height + thick / 2), cover))
            height += thick
    return parts
