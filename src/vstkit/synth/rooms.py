"""A room: its shell, the places of things in it, and the rules by which a thing may stand somewhere.

World axes: z is up, the floor is z = 0, and the room reaches from (0, 0) to (wide, deep). A heading is the direction
of a thing's front, in degrees from the x axis towards the y axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vstkit.chance import Chance
from vstkit.synth.model import Model, between, bounds, model
from vstkit.synth.shapes import Array, Part

APART = 0.01  # metres between the boxes of two things
GAP = 0.02  # metres between a wall and what stands against it, for the skirting board
THICK = 0.15  # metres of a wall
TRIES = 16

Point = tuple[float, float, float]


class Space(NamedTuple):
    """An upright box: its middle, its half sizes and heading in the plane, its lowest and greatest z."""

    x: float
    y: float
    half: tuple[float, float]
    heading: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A model at its place; `on` is the id of what carries it."""

    id: str
    model: Model
    position: Point
    heading: float
    on: str = ""

    def space(self) -> Space:
        (x, y, z), (sx, sy, sz) = self.position, self.model.size.tolist()
        return Space(x, y, (sx / 2, sy / 2), self.heading, z, z + sz)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The point (x, y) of the model's axes, in the room."""
        c, s = direction(self.heading)
        return self.position[0] + c * x - s * y, self.position[1] + s * x + c * y


class Light(NamedTuple):
    """A rectangle that shines to the side of its `normal`: middle, two half sides, and radiance in red, green, blue."""

    centre: Array
    sides: Array  # (2, 3)
    normal: Array
    radiance: Array


@dataclass(slots=True)
class Room:
    """A room that is being furnished; what no place is found for is left out."""

    chance: Chance
    wide: float
    deep: float
    high: float
    placed: list[Placed] = field(default_factory=list)
    kept_free: list[Space] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)

    def wall(self, number: int) -> tuple[float, float, float, float]:
        """Middle (x, y) of a wall's foot, the heading into the room, the wall's length."""
        x, y = self.wide / 2, self.deep / 2
        return (
            (x, 0, 90, self.wide),
            (self.wide, y, 180, self.deep),
            (x, self.deep, 270, self.wide),
            (0, y, 0, self.deep),
        )[number % 4]

    def against(
        self, thing: Model, walls: Sequence[int] = (0, 1, 2, 3), low: float = 0, gap: float = GAP
    ) -> Placed | None:
        """Stand `thing` with its back to one of the walls, `low` metres above the floor."""
        for _ in range(TRIES):
            wall = self.chance.choice(walls)
            x, y, heading, length = self.wall(wall)
            reach = length / 2 - float(thing.size[1]) / 2 - GAP
            if reach < 0:
                continue
            along, out = between(self.chance, -reach, reach), gap + float(thing.size[0]) / 2
            c, s = direction(heading)
            if placed := self.stand(thing, x + c * out - s * along, y + s * out + c * along, heading, low):
                return placed
        return None

    def near(self, anchor: Placed | None, thing: Model, x: float, y: float, turn: float = 0) -> Placed | None:
        """Stand `thing` at the point (x, y) of the anchor's axes, turned against it by `turn` degrees."""
        if anchor is None:
            return None
        return self.stand(thing, *anchor.at(x, y), anchor.heading + turn)

    def beside(self, anchor: Placed | None, thing: Model, side: int, gap: float) -> Placed | None:
        """Stand `thing` to the left (1) or the right (-1) of the anchor, their backs in line."""
        if anchor is None:
            return None
        x = (float(thing.size[0]) - float(anchor.model.size[0])) / 2
        return self.near(anchor, thing, x, side * (float(anchor.model.size[1] + thing.size[1]) / 2 + gap))

    def anywhere(self, thing: Model) -> Placed | None:
        """Stand `thing` on the floor, turned at will."""
        for _ in range(TRIES):
            x, y = between(self.chance, 0.3, self.wide - 0.3), between(self.chance, 0.3, self.deep - 0.3)
            if placed := self.stand(thing, x, y, float(self.chance.below(360))):
                return placed
        return None

    def on(
        self, anchor: Placed | None, thing: Model, turn: float | None = None, spot: tuple[float, float] | None = None
    ) -> Placed | None:
        """Put `thing` on the anchor: turned by `turn` degrees or at will, at `spot` of its axes or anywhere."""
        if anchor is None or not anchor.model.surfaces:
            return None
        surface = anchor.model.surfaces[0]
        top = anchor.position[2] + surface.centre[2]
        for _ in range(TRIES):
            angle = float(self.chance.below(360)) if turn is None else turn + self.chance.below(11) - 5
            c, s = map(abs, direction(angle))
            sx, sy = (float(v) for v in thing.size[:2])
            reach = (surface.size[0] - c * sx - s * sy) / 2, (surface.size[1] - s * sx - c * sy) / 2
            if min(reach) < 0:
                return None
            x, y = spot or (between(self.chance, -reach[0], reach[0]), between(self.chance, -reach[1], reach[1]))
            x, y = min(max(x, -reach[0]), reach[0]), min(max(y, -reach[1]), reach[1])
            held = anchor.at(surface.centre[0] + x, surface.centre[1] + y)
            if placed := self.stand(thing, *held, anchor.heading + angle, top, anchor.id):
                return placed
        return None

    def spread(self, thing: Model, x: float, y: float, heading: float) -> None:
        """Lay something flat that things may stand on."""
        placed = Placed(self._name(), thing, (round(x, 4), round(y, 4), 0.0), heading)
        if self._holds(placed.space()):
            self.placed.append(placed)

    def hang(self, thing: Model, low: float) -> Placed | None:
        """Hang `thing` on a wall."""
        return self.against(thing, low=low, gap=0.002)

    def fix(
        self, label: str, parts: Sequence[Part], x: float = 0, y: float = 0, heading: float = 0, stuff: bool = True
    ) -> Placed:
        """Add what belongs to the room: parts in axes that stand at (x, y) of the room."""
        low, high = bounds(parts)
        held = Placed(self._name(), model(label, parts, stuff=stuff), (x, y, 0), heading)
        where = held.at(*((low + high) / 2)[:2].tolist())
        placed = Placed(held.id, held.model, (*where, float(low[2])), heading)
        self.placed.append(placed)
        return placed

    def _name(self) -> str:
        return f"o{len(self.placed) + 1}"

    def stand(self, thing: Model, x: float, y: float, heading: float, low: float = 0.0, on: str = "") -> Placed | None:
        """Put `thing` there if it fits."""
        # Rounded first, so that the record says exactly where the thing is.
        position = (round(x, 4), round(y, 4), round(low, 4))
        placed = Placed(self._name(), thing, position, round(heading % 360, 2), on)
        space = placed.space()
        taken = (*(p.space() for p in self.placed if not p.model.stuff), *self.kept_free)
        if not self._holds(space) or any(meet(space, other, APART) for other in taken):
            return None
        self.placed.append(placed)
        return placed

    def _holds(self, space: Space) -> bool:
        corners = outline(space)
        inside = corners.min() >= 0 and (corners.max(axis=0) <= (self.wide, self.deep)).all()
        return bool(inside) and space.high <= self.high


def outline(space: Space) -> Array:
    """Corners (4, 2) of the space, seen from above."""
    c, s = direction(space.heading)
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * space.half
    turned: Array = corners @ np.array([(c, s), (-s, c)]) + (space.x, space.y)
    return turned


def meet(a: Space, b: Space, apart: float) -> bool:
    """Do two spaces, one above the other or `apart` metres from each other at least, not exclude each other?

    Two rectangles are apart just when a side of one of them separates them (separating axes).
    """
    if a.low >= b.high - 1e-6 or b.low >= a.high - 1e-6:
        return False
    if math.hypot(a.x - b.x, a.y - b.y) > math.hypot(*a.half) + math.hypot(*b.half) + apart:
        return False
    one, two = outline(a), outline(b)
    for heading in (a.heading, a.heading + 90, b.heading, b.heading + 90):
        axis = np.array(direction(heading))
        p, q = one @ axis, two @ axis
        if p.min() > q.max() + apart or q.min() > p.max() + apart:
            return False
    return True


def direction(heading: float) -> tuple[float, float]:
    """Cosine and sine, exact for quarter turns."""
    if heading % 90 == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(heading // 90) % 4]
    return math.cos(math.radians(heading)), math.sin(math.radians(heading))
