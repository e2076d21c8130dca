"""Light on what a picture shows: from the lamp and the windows, and from all that is around a point.

Both are sampled on every other pixel, with sixteen directions that alternate in tiles of 4 x 4 and are then averaged
over such a tile on one smooth surface (interleaved sampling: Keller and Heidrich, 2001).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vstkit.synth.rooms import Light
from vstkit.synth.shapes import Array
from vstkit.synth.soup import Hits, Soup

STEP = 2  # pixels between points whose light is sampled
REACH = 12  # pixels that light flows along thin things
OFF = 2e-3  # metres by which a ray starts off the surface that it leaves
BASE = 0.25  # what lights a point that no light reaches, as a share of the room's mean


def arriving(soup: Soup, lights: Sequence[Light], hits: Hits, eye: Array, rays: Array, patches: Array) -> Array:
    """What arrives at points that the eye sees (4, rows, columns): red, green, blue, and what gloss mirrors.

    `hits` are those of rays (n, 3) through every STEP-th pixel, on `patches` (rows, columns).
    """
    rows, columns = patches.shape
    index = _TILE[np.arange(rows)[:, None] % 4, np.arange(columns)[None, :] % 4].ravel()
    rays = rays.T.copy()
    flat = _towards(_looked_up(soup.flat, hits.faces), rays)
    points = eye[:, None] + rays * hits.far + flat * np.float32(OFF)
    starts = np.ascontiguousarray(points.T)
    sampled = np.zeros((len(lights) + 3, len(starts)), np.float32)
    for i, light in enumerate(lights):
        sampled[i] = _reached(soup, light, starts, flat, index)
    sampled[len(lights) :] = _surroundings(soup, lights, points, starts, flat, index)
    sampled = _averaged(sampled.reshape(-1, rows, columns), patches, (-2, -1, 1))
    around = _averaged(sampled[len(lights) :], patches, (-4, 4)).reshape(3, -1)
    row = _looked_up(soup.normals, hits.faces)
    normals = _towards(row[:3] + row[3:6] * hits.u + row[6:] * hits.v, rays)
    normals /= _length(normals) + np.float32(1e-9)
    mirrored = np.zeros(len(starts), np.float32)
    gloss = soup.gloss.take(hits.faces)
    for i, light in enumerate(lights):
        share = sampled[i].reshape(-1)
        around += _irradiance(light, points, normals) * share
        mirrored += _highlight(light, points, normals, rays, gloss) * share
    return np.concatenate([around, mirrored[None]]).reshape(4, rows, columns)


def _reached(soup: Soup, light: Light, starts: Array, flat: Array, index: Array) -> Array:
    """1 where a ray from `starts` (n, 3) to one of sixteen places of a light arrives, else 0 (n,)."""
    places = (light.centre + (2 * _STRATA - 1) @ light.sides).astype(np.float32)
    rays = places.take(index, axis=0) - starts
    turned = rays.T.copy()
    facing = (_dot(turned, flat) > 0) & (_dot(turned, light.normal.astype(np.float32)) < 0)
    chosen = np.flatnonzero(facing)
    ends = np.full(len(chosen), 0.999, np.float32)  # just before the light itself
    reached = np.zeros(len(starts), np.float32)
    found = soup.scene.run(starts.take(chosen, axis=0), rays.take(chosen, axis=0), dists=ends, query="OCCLUDED")
    reached[chosen] = found < 0
    return reached


def _surroundings(
    soup: Soup, lights: Sequence[Light], points: Array, starts: Array, flat: Array, index: Array
) -> Array:
    """Light (3, n) that what lies around points throws back at them: one ray each, cosine-weighted."""
    # A basis around the normal without a branch (Duff and others, 2017).
    nx, ny, nz = flat
    sign = np.where(nz < 0, np.float32(-1), np.float32(1))
    a = -1 / (sign + nz)
    b = nx * ny * a
    x, y, z = _HEMISPHERE.T[:, index]
    tangent = 1 + sign * nx * nx * a, sign * b, -sign * nx
    bitangent = b, sign + ny * ny * a, -ny
    rays = np.stack([t * x + s * y + n * z for t, s, n in zip(tangent, bitangent, flat, strict=True)])
    met = soup.cast(starts, np.ascontiguousarray(rays.T))
    there = points + rays * met.far
    shown = _towards(_looked_up(soup.flat, met.faces), rays)
    light = np.zeros_like(there)
    for lamp in lights:
        light += np.float32(0.6) * _irradiance(lamp, there, shown)
    base = BASE * light.mean(axis=1, keepdims=True)
    near = met.far / (met.far + np.float32(0.12))  # what is close by is itself in the shade
    thrown: Array = (light + base) * _looked_up(soup.colors, met.faces) * near
    thrown[:, met.faces < 0] = 0
    return thrown


def _irradiance(light: Light, points: Array, normals: Array) -> Array:
    """What an unshadowed light sends to points (3, n) with normals, as if from its middle, but bounded close by."""
    to_light = light.centre.astype(np.float32)[:, None] - points
    squared = _dot(to_light, to_light)
    area = np.float32(4 * np.linalg.norm(light.sides[0]) * np.linalg.norm(light.sides[1]))
    leaving = np.maximum(-_dot(to_light, light.normal.astype(np.float32)), 0)
    falling = np.maximum(_dot(to_light, normals), 0)
    share = leaving * falling * area / (squared * (squared + area) + np.float32(1e-6))
    seen: Array = share * light.radiance.astype(np.float32)[:, None]
    return seen


def _highlight(light: Light, points: Array, normals: Array, rays: Array, gloss: Array) -> Array:
    """How much of a light glossy points mirror to the eye (n,) (Blinn, 1977)."""
    mirrored = np.zeros(len(gloss), np.float32)
    glossy = np.flatnonzero(gloss)
    points, normals, rays, gloss = (values.take(glossy, axis=-1) for values in (points, normals, rays, gloss))
    to_light = light.centre.astype(np.float32)[:, None] - points
    middle = to_light / _length(to_light) - rays / _length(rays)
    cosine = _dot(middle, normals) / (_length(middle) + np.float32(1e-9))
    strength = np.float32(0.35 * light.radiance.mean()) * gloss
    mirrored[glossy] = strength * np.maximum(cosine, 0) ** (12 + 60 * gloss)
    return mirrored


def _looked_up(table: Array, faces: Array) -> Array:
    """Rows of a table (m, k) as columns (k, n): numpy works along n."""
    return table.take(faces, axis=0).T.copy()


def _dot(one: Array, other: Array) -> Array:
    """Products of vectors (3, n) with others (3, n) or one (3,)."""
    products: Array = one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
    return products


def _towards(normals: Array, rays: Array) -> Array:
    """Normals on the side that rays come from."""
    turned: Array = normals * -np.sign(_dot(normals, rays))
    return turned


def _length(vectors: Array) -> Array:
    lengths: Array = np.sqrt(_dot(vectors, vectors))
    return lengths


def _averaged(values: Array, patches: Array, shifts: Sequence[int]) -> Array:
    """Means of values (k, rows, columns) and those `shifts` away on the same patch: along rows, then columns."""
    count = np.ones(patches.shape, np.float32)
    for axis in (1, 0):
        sums, counts = values.copy(), count.copy()
        for shift in shifts:
            here, there = overlap(patches.shape, axis, shift)
            same = (patches[here] == patches[there]).astype(np.float32)
            sums[:, *here] += values[:, *there] * same
            counts[here] += count[there] * same
        values, count = sums, counts
    return values / count


def overlap(shape: tuple[int, ...], axis: int, shift: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where an array of this shape and itself moved by `shift` along `axis` both are."""
    here, there = slice(max(-shift, 0), shape[axis] - max(shift, 0)), slice(max(shift, 0), shape[axis] + min(shift, 0))
    whole = slice(None)
    return ((whole, here), (whole, there)) if axis else ((here, whole), (there, whole))


def spread(light: Array, patches: Array) -> Array:
    """Light (k, h * w) of all pixels (h, w): the mean of the sampled ones beside that show the same patch.

    Where there is none of the same, as on thin things, it comes along the patch from those that have some, up to REACH
    pixels; else it is the mean of all beside. Sampled pixels keep theirs.
    """
    padded = np.pad(light, ((0, 0), (0, 1), (0, 1)), "edge")
    source = np.pad(patches[::STEP, ::STEP], (0, 1), "edge")
    found = np.zeros((len(light), *patches.shape), np.float32)
    found[:, ::STEP, ::STEP] = light
    known = np.ones(patches.shape, bool)
    for y, x in ((0, 1), (1, 0), (1, 1)):  # pixels between samples: right of, below, and amid them
        here = patches[y::STEP, x::STEP]
        beside = [(slice(dy, dy + here.shape[0]), slice(dx, dx + here.shape[1])) for dy in {0, y} for dx in {0, x}]
        same = np.stack([source[place] == here for place in beside])
        known[y::STEP, x::STEP] = same.any(axis=0)
        weights = (same | ~known[y::STEP, x::STEP]).astype(np.float32)
        weights /= weights.sum(axis=0)
        total = found[:, y::STEP, x::STEP]
        total[:] = padded[:, *beside[0]] * weights[0]
        for place, weight in zip(beside[1:], weights[1:], strict=True):
            total += padded[:, *place] * weight
    found = found.reshape(len(light), -1)
    _flow(found, known.ravel(), patches)
    return found


def _flow(found: Array, known: Array, patches: Array) -> None:
    """Give pixels whose light is not `known` (h * w) the mean of that of pixels around on their patch (h, w)."""
    height, width = patches.shape
    patch, left = patches.ravel(), np.flatnonzero(~known)
    for _ in range(REACH):
        y, x = np.divmod(left, width)
        total, count = np.zeros((len(found), len(left)), np.float32), np.zeros(len(left), np.float32)
        for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
            near = np.where(inside, left + dy * width + dx, left)  # whose own light is not known
            same = (known.take(near) & (patch.take(near) == patch.take(left))).astype(np.float32)
            total += found.take(near, axis=1) * same
            count += same
        reached = count > 0
        if not reached.any():
            break
        found[:, left[reached]] = total[:, reached] / count[reached]
        known[left[reached]] = True
        left = left[~reached]


def _strata() -> tuple[Array, Array, Array]:
    i = np.arange(16)
    bits = ((i & 1) << 3) | ((i & 2) << 1) | ((i & 4) >> 1) | ((i & 8) >> 3)
    square = np.stack([(i + 0.5) / 16, (bits + 0.5) / 16], axis=1)  # Hammersley's points
    radius, angle = np.sqrt(square[:, 0]), 2 * np.pi * square[:, 1]
    sphere = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - square[:, 0])], axis=1)
    tile = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    return square, sphere.astype(np.float32), tile


_STRATA, _HEMISPHERE, _TILE = _strata()
