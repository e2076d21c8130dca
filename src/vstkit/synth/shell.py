"""Floor, walls, ceiling, windows and the door of a room, and the light that falls in."""

from __future__ import annotations

import numpy as np

from vstkit.chance import Chance
from vstkit.synth.model import STEEL, WOODS, Model, between, darker, model
from vstkit.synth.rooms import THICK, Light, Placed, Room, Space
from vstkit.synth.shapes import Material, Part, box, panel, rod
from vstkit.synth.things import ceiling_lamp

WALLS = (
    (0.90, 0.88, 0.84),
    (0.84, 0.86, 0.84),
    (0.80, 0.84, 0.88),
    (0.92, 0.86, 0.76),
    (0.78, 0.80, 0.74),
    (0.86, 0.80, 0.78),
)
WHITE = Material((0.95, 0.95, 0.93), gloss=0.1)
SUN, DUSK, LAMP = np.array((1.0, 0.97, 0.92)), np.array((0.45, 0.55, 0.85)), np.array((1.0, 0.86, 0.66))

Opening = tuple[float, float, float, float]  # of a wall: from y0 to y1 along it, from z0 to z1


def empty_room(chance: Chance) -> Room:
    """A room with a door, a window or two and a lamp, and nothing else in it."""
    sides = between(chance, 3.6, 5.6), between(chance, 3.4, 5.0)
    room = Room(chance, *sides, between(chance, 2.4, 2.8))
    paint = Material(chance.choice(WALLS), "plaster")
    room.fix("floor", [box((room.wide, room.deep, 0.1), (room.wide / 2, room.deep / 2, -0.05), _flooring(chance))])
    ceiling = (room.wide / 2, room.deep / 2, room.high + 0.05)
    room.fix("ceiling", [box((room.wide, room.deep, 0.1), ceiling, Material((0.95, 0.95, 0.93), "plaster"))])
    order = chance.shuffled(range(4))
    windows = order[: 1 + chance.below(2)]
    daylight = between(chance, 0.25, 1.0)
    for number in range(4):
        _wall(room, number, paint, number in windows, daylight)
    _door(room, order[3])
    lamp = ceiling_lamp(chance)
    room.fix(
        "ceiling lamp",
        [p.moved(room.wide / 2, room.deep / 2, room.high - float(lamp.size[2])) for p in lamp.parts],
        stuff=False,
    )
    strength = between(chance, 4, 9) * (1.6 - daylight)
    middle = np.array((room.wide / 2, room.deep / 2, room.high - float(lamp.size[2]) - 0.02))
    room.lights.append(Light(middle, np.array([(0.3, 0, 0), (0, 0.3, 0)]), np.array((0, 0, -1.0)), strength * LAMP))
    return room


def _flooring(chance: Chance) -> Material:
    kind = chance.choice(("planks", "planks", "tiles", "carpet"))
    if kind == "planks":
        return Material(chance.choice(WOODS), kind, gloss=0.2)
    stone, wool = ((0.80, 0.78, 0.74), (0.58, 0.56, 0.53)), ((0.62, 0.58, 0.52), (0.48, 0.50, 0.55))
    return Material(chance.choice(stone if kind == "tiles" else wool), kind, gloss=0.3 if kind == "tiles" else 0)


def _wall(room: Room, number: int, paint: Material, window: bool, daylight: float) -> None:
    """One wall, with its skirting board, and a window in it."""
    x, y, heading, length = room.wall(number)
    parts: list[Part] = []
    if window:
        wide, low, high = (
            between(room.chance, 1.0, min(1.9, length - 1.2)),
            between(room.chance, 0.85, 1.0),
            room.high - 0.3,
        )
        side = (length - wide) / 2 - 0.3
        middle = between(room.chance, -side, side)
        opening = (middle - wide / 2, middle + wide / 2, low, high)
        parts += _around(length, room.high, opening, paint)
    else:
        parts.append(box((THICK, length, room.high), (-THICK / 2, 0, room.high / 2), paint))
    parts.append(box((0.012, length, 0.08), (0.006, 0, 0.04), WHITE))
    wall = room.fix("wall", parts, x, y, heading)
    if window:
        room.fix("window", _window(opening, daylight), x, y, heading)
        _let_in(room, wall, opening, daylight, (x, y, heading))


def _around(length: float, high: float, opening: Opening, paint: Material) -> list[Part]:
    y0, y1, z0, z1 = opening
    pieces = (
        *((-length / 2, y0, 0, high), (y1, length / 2, 0, high)),
        *((y0, y1, 0, z0), (y0, y1, z1, high)),
    )
    return [box((THICK, b - a, d - c), (-THICK / 2, (a + b) / 2, (c + d) / 2), paint) for a, b, c, d in pieces]


def _window(opening: Opening, daylight: float) -> list[Part]:
    """A frame with a crossbar, panes that show the outside, and a sill."""
    y0, y1, z0, z1 = opening
    wide, high, y, z, bar = y1 - y0, z1 - z0, (y0 + y1) / 2, (z0 + z1) / 2, 0.055
    glass = Material((0.9 * daylight + 0.02, 0.92 * daylight + 0.03, 0.92 * daylight + 0.08), "outside", glow=1.4)
    parts = [panel(wide, high, (-0.10, y, z), glass)]
    parts += [box((0.05, wide, bar), (-0.085, y, at), WHITE) for at in (z0 + bar / 2, z1 - bar / 2)]
    bars = [y0 + bar / 2, y, y1 - bar / 2] if wide < 1.5 else [y0 + bar / 2, y - wide / 6, y + wide / 6, y1 - bar / 2]
    parts += [box((0.05, bar, high), (-0.085, at, z), WHITE) for at in bars]
    parts.append(box((0.20, wide + 0.1, 0.03), (0.0, y, z0 - 0.015), WHITE))
    return parts


def _let_in(room: Room, wall: Placed, opening: Opening, daylight: float, frame: tuple[float, float, float]) -> None:
    """Daylight through an opening, before which nothing tall stands."""
    x, y, heading = frame
    y0, y1, z0, z1 = opening
    stand = Placed("", wall.model, (x, y, 0), heading)
    middle, inside = np.array(stand.at(0.01, (y0 + y1) / 2)), np.array(stand.at(1.01, (y0 + y1) / 2))
    normal = np.array((*(inside - middle), 0.0))
    along = np.array((-normal[1], normal[0], 0.0))
    sides = np.array([along * (y1 - y0) / 2, (0, 0, (z1 - z0) / 2)])
    color = daylight * SUN + (1 - daylight) * 0.35 * DUSK
    room.lights.append(Light(np.array((*middle, (z0 + z1) / 2)), sides, normal, 2.6 * color))
    before = stand.at(0.15, (y0 + y1) / 2)
    room.kept_free.append(Space(*before, (0.15, (y1 - y0) / 2), heading, z0 - 0.05, z1))


def _door(room: Room, number: int) -> None:
    """A closed door in its frame, with room to open it."""
    x, y, heading, length = room.wall(number)
    wide, high = 0.86, 2.02
    middle = (length / 2 - wide / 2 - 0.2) * room.chance.choice((-1, 1))
    leaf = room.chance.choice((WHITE, Material(room.chance.choice(WOODS), "wood", gloss=0.1)))
    parts = [box((0.02, wide, high), (0.01, middle, high / 2), leaf)]
    parts += [
        box((0.008, 0.28, top - low), (0.024, middle + side * 0.19, (low + top) / 2), darker(leaf, 0.93))
        for low, top in ((0.15, 0.85), (1.0, 1.85))
        for side in (-1, 1)
    ]
    parts += [
        box((0.035, 0.07, high + 0.07), (0.0175, middle + s * (wide / 2 + 0.035), (high + 0.07) / 2), WHITE)
        for s in (-1, 1)
    ]
    parts.append(box((0.035, wide + 0.14, 0.07), (0.0175, middle, high + 0.035), WHITE))
    grip = middle + wide / 2 - 0.07
    parts += [
        rod((0.02, grip, 1.0), (0.075, grip, 1.0), 0.011, STEEL),
        rod((0.07, grip, 1.0), (0.07, grip - 0.12, 1.0), 0.009, STEEL),
    ]
    door = room.fix("door", parts, x, y, heading)
    stand = Placed("", door.model, (x, y, 0), heading)
    room.kept_free.append(Space(*stand.at(0.45, middle), (0.45, wide / 2 + 0.07), heading, 0, high))


def rug(chance: Chance, deep: float, wide: float) -> Model:
    """A thin carpet with a pattern."""
    wool = Material(chance.choice(((0.70, 0.30, 0.26), (0.32, 0.42, 0.58), (0.74, 0.66, 0.52), (0.42, 0.48, 0.42))))
    woven = panel(wide, deep, (0, 0, 0), wool._replace(texture=chance.choice(("bordered", "striped")))).turned(yaw=-90)
    return model("rug", [box((deep, wide, 0.004), (0, 0, 0.002), wool), woven.moved(z=0.0045)], stuff=True)
