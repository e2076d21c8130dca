"""Procedural textures: small pictures that a material's colour is multiplied by, with coarser ones for afar.

All are made once in a process, from arithmetic alone: the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from vstkit.synth.shapes import Array

SIDE = 256  # pixels of the finest level
LEVELS = 7


class Atlas(NamedTuple):
    """All textures in one table: texel (x, y) of level l is row `starts[l] + y * (SIDE >> l) + x` of a texture's."""

    texels: Array  # (textures * texels of one, 3) float32, linear light
    starts: Array  # (LEVELS,)
    first: dict[str, int]  # row at which a texture begins
    spans: dict[str, float]  # metres that a repeating texture covers; 1 for one that is shown once


def noise(cells: int, seed: int, cells_y: int | None = None) -> Array:
    """Smooth noise (SIDE, SIDE) from 0 to 1 that repeats at the edges; `cells` bumps across, `cells_y` down."""
    down = cells_y or cells
    y, x = np.meshgrid(np.arange(SIDE) / SIDE * down, np.arange(SIDE) / SIDE * cells, indexing="ij")
    i, j = y.astype(np.int64), x.astype(np.int64)
    fy, fx = (t * t * (3 - 2 * t) for t in (y - i, x - j))
    corner = [[_hashed((j + a) % cells, (i + b) % down, seed) for a in (0, 1)] for b in (0, 1)]
    top, bottom = (row[0] * (1 - fx) + row[1] * fx for row in corner)
    smooth: Array = top * (1 - fy) + bottom * fy
    return smooth


def _hashed(x: Array, y: Array, seed: int) -> Array:
    """A number from 0 to 1 for each pair of integers (multiply and xor-shift, as in the finalizer of MurmurHash3)."""
    h = (x * 374761393 + y * 668265263 + seed * 2147483647 + 1013904223).astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        h = (h ^ (h >> np.uint32(shift))) * np.uint32(factor)
    unit: Array = h / np.float64(2**32)
    return unit


def _grey(values: Array) -> Array:
    return values[..., None].repeat(3, axis=2)


def _xy() -> tuple[Array, Array]:
    """Coordinates 0 to 1: x to the right, y upwards from the lowest row, which is row 0."""
    x, y = np.meshgrid((np.arange(SIDE) + 0.5) / SIDE, (np.arange(SIDE) + 0.5) / SIDE)
    return x, y


def _plain() -> Array:
    return np.ones((SIDE, SIDE, 3))


def _wood() -> Array:
    _, y = _xy()
    bend = noise(3, 1) + 0.5 * noise(6, 2)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (7 * y + 1.2 * bend))
    return _grey(0.80 + 0.16 * rings * noise(4, 3, 32) + 0.10 * noise(8, 4, 128))


def _planks() -> Array:
    x, y = _xy()
    row = (y * 8).astype(int)
    shifted = (x + (row * 0.37) % 1) % 1
    column = (shifted * 2).astype(int)
    tone = _hashed(column, row, 11)
    seam = np.minimum(np.abs(y * 8 - np.round(y * 8)) / 8, np.abs(shifted * 2 - np.round(shifted * 2)) / 2) < 0.004
    return _grey((0.78 + 0.26 * tone + 0.12 * (noise(6, 5, 96) - 0.5)) * np.where(seam, 0.45, 1.0))


def _tiles() -> Array:
    x, y = _xy()
    joint = np.minimum(np.abs(x * 2 - np.round(x * 2)), np.abs(y * 2 - np.round(y * 2))) < 0.018
    tone = 0.92 + 0.08 * _hashed((x * 2).astype(int), (y * 2).astype(int), 21)
    return _grey(np.where(joint, 0.55, tone * (0.94 + 0.08 * noise(5, 22))))


def _carpet() -> Array:
    return _grey(0.78 + 0.30 * noise(96, 31) * noise(128, 32) + 0.1 * noise(8, 33))


def _plaster() -> Array:
    return _grey(0.965 + 0.035 * noise(24, 41) + 0.02 * noise(96, 42))


def _fabric() -> Array:
    return _grey(0.86 + 0.20 * noise(128, 51) * noise(64, 52) + 0.05 * noise(6, 53))


def _weave() -> Array:
    x, y = _xy()
    threads = 0.5 + 0.5 * np.sin(2 * np.pi * 32 * x) * np.sin(2 * np.pi * 32 * y)
    return _grey(0.80 + 0.16 * threads + 0.08 * noise(64, 54))


def _bordered() -> Array:
    """A rug: two borders around a field of diamonds."""
    x, y = _xy()
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    diamond = (np.abs((x * 6) % 1 - 0.5) + np.abs((y * 6) % 1 - 0.5)) < 0.3
    field = np.where(diamond, 1.25, 0.85)
    ring = np.where(edge < 0.02, 1.3, np.where(edge < 0.07, 0.55, np.where(edge < 0.09, 1.4, field)))
    return _grey(0.68 * ring * (0.85 + 0.3 * noise(128, 61)))


def _striped() -> Array:
    """A rug of broad stripes."""
    x, _ = _xy()
    bands = _hashed((x * 14).astype(int), np.zeros((SIDE, SIDE), int), 62)
    return _grey((0.55 + 0.5 * bands) * (0.85 + 0.3 * noise(128, 63)))


def _landscape() -> Array:
    x, y = _xy()
    sky = np.stack([0.55 + 0.35 * y, 0.68 + 0.22 * y, 0.85 + 0.1 * y], axis=2)
    out = sky
    colors = ((0.40, 0.50, 0.62), (0.28, 0.45, 0.36), (0.30, 0.50, 0.18), (0.55, 0.60, 0.22))
    for i, color in enumerate(colors):
        ridge = 0.62 - 0.16 * i + 0.16 * (noise(3 + i, 70 + i)[i * 20] - 0.5)
        out = np.where((y < ridge)[..., None], np.array(color) * (0.85 + 0.3 * noise(24, 75))[..., None], out)
    sun = (x - 0.72) ** 2 + (y - 0.8) ** 2 < 0.006
    return np.where(sun[..., None], (1.0, 0.93, 0.70), out)


def _seascape() -> Array:
    x, y = _xy()
    sky = np.stack([1.0 - 0.5 * y, 0.62 + 0.1 * y, 0.42 + 0.45 * y], axis=2)
    waves = 0.75 + 0.4 * noise(8, 81, 48)
    sea = np.stack([0.10 + 0 * y, 0.26 + 0.2 * y, 0.42 + 0.3 * y], axis=2) * waves[..., None]
    sail = (np.abs(x - 0.4) < (0.72 - y) * 0.3) & (y > 0.4) & (y < 0.72)
    return np.where(sail[..., None], (0.97, 0.95, 0.9), np.where((y < 0.45)[..., None], sea, sky))


def _abstract() -> Array:
    x, y = _xy()
    out = np.full((SIDE, SIDE, 3), (0.93, 0.90, 0.82))
    fields = ((0.05, 0.45, 0.5, 0.95), (0.55, 0.62, 0.95, 0.95), (0.35, 0.08, 0.92, 0.55), (0.08, 0.08, 0.3, 0.38))
    for (x0, y0, x1, y1), color in zip(
        fields, ((0.78, 0.20, 0.15), (0.12, 0.30, 0.60), (0.92, 0.72, 0.18), (0.1, 0.1, 0.12)), strict=True
    ):
        out[(x > x0) & (x < x1) & (y > y0) & (y < y1)] = color
    disc = (x - 0.62) ** 2 + (y - 0.34) ** 2 < 0.022
    return np.where(disc[..., None], (0.95, 0.93, 0.88), out) * (0.92 + 0.1 * noise(64, 91))[..., None]


def _outside() -> Array:
    """What a window shows: sky, trees, a lawn."""
    _, y = _xy()
    sky = np.stack([0.62 + 0.1 * (1 - y), 0.80 + 0.06 * (1 - y), 0.98 + 0 * y], axis=2)
    cloud = np.clip(1.6 * noise(4, 95) * noise(9, 96) - 0.35, 0, 1) * (y > 0.4)
    sky = sky * (1 - cloud[..., None]) + cloud[..., None]
    trees = y < 0.34 + 0.16 * noise(9, 97)[40] + 0.05 * noise(40, 98)[9]
    crown = np.array((0.30, 0.46, 0.22)) * (0.6 + 0.7 * noise(40, 99))[..., None]
    lawn = np.array((0.50, 0.64, 0.30)) * (0.9 + 0.2 * noise(64, 100))[..., None]
    return np.where((y < 0.18)[..., None], lawn, np.where(trees[..., None], crown, sky))


def _windows() -> Array:
    """A desktop with two windows."""
    x, y = _xy()
    out = np.stack([0.10 + 0.25 * x, 0.22 + 0.25 * y, 0.50 + 0.2 * x], axis=2)
    for x0, y0, x1, y1, tone in ((0.06, 0.2, 0.56, 0.92, 0.93), (0.5, 0.1, 0.94, 0.66, 0.85)):
        inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
        text = (
            inside & (y < y1 - 0.1) & ((y * 22) % 1 < 0.4) & (x > x0 + 0.03) & (x < x1 - 0.05 - 0.2 * noise(5, 7, 22))
        )
        out[inside] = tone
        out[inside & (y > y1 - 0.06)] = (0.25, 0.28, 0.35)
        out[text] = tone * 0.55
    out[y < 0.05] = 0.12
    return out


def _code() -> Array:
    """An editor: coloured lines on dark ground."""
    x, y = _xy()
    line = (y * 26).astype(int)
    start, end = 0.08 + 0.06 * (line * 7 % 4), 0.3 + 0.5 * _hashed(line, line * 0, 5)
    lit = ((y * 26) % 1 > 0.45) & (x > start) & (x < end) & ((x * 37 + line * 0.3) % 1 > 0.18)
    hue = np.array([(0.55, 0.75, 0.95), (0.92, 0.68, 0.42), (0.62, 0.85, 0.52), (0.85, 0.85, 0.85)])
    return np.where(lit[..., None], hue[(line + (x * 6).astype(int)) % 4], (0.09, 0.10, 0.13))


def _film() -> Array:
    """A television picture: a dark landscape at dusk."""
    shade = np.array((0.55, 0.62, 0.95)) * 0.7
    return _seascape() * shade


def _keys() -> Array:
    x, y = _xy()
    gap = np.minimum(np.abs(x * 14 - np.round(x * 14)) * 0.37, np.abs(y * 5 - np.round(y * 5))) < 0.09
    return _grey(np.where(gap, 0.05, 0.40))


# Name: picture, metres that it covers or 0 where it is shown once.
TEXTURES: dict[str, tuple[Callable[[], Array], float]] = {
    "plain": (_plain, 1.0),
    "wood": (_wood, 0.9),
    "planks": (_planks, 1.1),
    "tiles": (_tiles, 0.8),
    "carpet": (_carpet, 0.8),
    "plaster": (_plaster, 1.5),
    "fabric": (_fabric, 0.35),
    "weave": (_weave, 0.18),
    "bordered": (_bordered, 0),
    "striped": (_striped, 0),
    "landscape": (_landscape, 0),
    "seascape": (_seascape, 0),
    "abstract": (_abstract, 0),
    "outside": (_outside, 0),
    "windows": (_windows, 0),
    "code": (_code, 0),
    "film": (_film, 0),
    "keys": (_keys, 0),
}


@cache
def atlas() -> Atlas:
    """Every texture at every level of detail."""
    tables = []
    for draw, _ in TEXTURES.values():
        level = np.clip(draw(), 0, 2.0) ** 2.2
        levels = []
        for _ in range(LEVELS):
            levels.append(level.reshape(-1, 3))
            half = len(level) // 2
            level = level.reshape(half, 2, half, 2, 3).mean(axis=(1, 3))
        tables.append(np.concatenate(levels))
    sides = SIDE >> np.arange(LEVELS)
    starts = np.concatenate([[0], np.cumsum(sides**2)[:-1]])
    each = int((sides**2).sum())
    first = {name: i * each for i, name in enumerate(TEXTURES)}
    spans = {name: span or 1.0 for name, (_, span) in TEXTURES.items()}
    return Atlas(np.concatenate(tables).astype(np.float32), starts.astype(np.int32), first, spans)
