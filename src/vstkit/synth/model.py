"""What a room is furnished with: a `Model` in its own axes, and the choices of colour and size that make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from vstkit.chance import Chance
from vstkit.synth.shapes import Array, Material, Part

Color = tuple[float, float, float]


class Surface(NamedTuple):
    """A level rectangle that things may stand on: its middle and its size in the model's axes."""

    centre: tuple[float, float, float]
    size: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Model:
    """A thing in its own axes: +x is its front, z is up, it stands on z = 0 with its box's middle above the origin."""

    label: str
    parts: tuple[Part, ...]
    size: Array  # (3,) of its box
    surfaces: tuple[Surface, ...] = ()
    front: bool = False
    stuff: bool = False


def model(
    label: str, parts: Sequence[Part], surfaces: Sequence[Surface] = (), *, front: bool = False, stuff: bool = False
) -> Model:
    """A model of parts that lie anywhere; it is moved to where a `Model` stands."""
    low, high = bounds(parts)
    shift = np.array([*(low + high)[:2] / 2, low[2]])
    moved = [Surface(tuple(np.subtract(s.centre, shift).tolist()), s.size) for s in surfaces]
    parts = [replace(part, triangles=part.triangles - shift) for part in parts]
    return Model(label, tuple(parts), high - low, tuple(moved), front, stuff)


def bounds(parts: Sequence[Part]) -> tuple[Array, Array]:
    """Least and greatest coordinates, each (3,), of all parts."""
    points = np.concatenate([part.triangles.reshape(-1, 3) for part in parts])
    return points.min(axis=0), points.max(axis=0)


def between(chance: Chance, low: float, high: float) -> float:
    """A number from `low` to `high` in a thousand steps, to the millimetre."""
    return round(low + (high - low) * chance.below(1001) / 1000, 3)


WOODS: tuple[Color, ...] = (
    *((0.74, 0.60, 0.44), (0.60, 0.45, 0.32), (0.42, 0.30, 0.21), (0.84, 0.73, 0.57)),
    *((0.50, 0.35, 0.25), (0.70, 0.61, 0.50)),
)
PAINTS: tuple[Color, ...] = ((0.93, 0.92, 0.89), (0.25, 0.27, 0.30), (0.55, 0.62, 0.58), (0.80, 0.78, 0.72))
FABRICS: tuple[Color, ...] = (
    *((0.45, 0.50, 0.56), (0.66, 0.60, 0.52), (0.28, 0.38, 0.52), (0.55, 0.28, 0.26), (0.36, 0.46, 0.36)),
    *((0.72, 0.56, 0.30), (0.60, 0.62, 0.66), (0.30, 0.30, 0.33), (0.50, 0.40, 0.52), (0.78, 0.72, 0.64)),
)
BRIGHT: tuple[Color, ...] = (
    *((0.75, 0.22, 0.18), (0.16, 0.36, 0.62), (0.90, 0.70, 0.22), (0.20, 0.48, 0.34), (0.90, 0.88, 0.82)),
    *((0.86, 0.45, 0.20), (0.35, 0.24, 0.42), (0.18, 0.20, 0.24), (0.50, 0.68, 0.74), (0.66, 0.34, 0.42)),
)
STEEL = Material((0.62, 0.63, 0.65), gloss=0.6)
BLACK = Material((0.07, 0.07, 0.08), gloss=0.25)
PORCELAIN = Material((0.93, 0.93, 0.91), gloss=0.5)


def wood(chance: Chance) -> Material:
    """Bare wood, or now and then paint."""
    if chance.below(10) < 7:
        return Material(chance.choice(WOODS), "wood", gloss=0.12)
    return Material(chance.choice(PAINTS), gloss=0.1)


def fabric(chance: Chance) -> Material:
    """Cloth for padding."""
    return Material(chance.choice(FABRICS), chance.choice(("fabric", "weave")))


def glazed(chance: Chance) -> Material:
    """Coloured or white glaze."""
    return Material(chance.choice(BRIGHT), gloss=0.5) if chance.below(3) else PORCELAIN


def darker(material: Material, by: float) -> Material:
    """The same stuff, its colour times `by`."""
    red, green, blue = material.color
    return material._replace(color=(red * by, green * by, blue * by))
