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
OFF = 2e-3  # metres by which a ray starts off the surface that it leaves
BASE = 0.25  # what lights a point that no light reaches, as a share of the room's mean


def arriving(soup: Soup, lights: Sequence[Light], hits: Hits, eye: Array, rays: Array, patches: Array) -> Array:
    """What arrives at points that the eye sees (rows, columns, 4): red, green, blue, and what gloss mirrors.

    `hits` are those of every STEP-th pixel, on `patches` (rows, columns).
    """
    rows, columns = patches.shape
    index = _TILE[np.arange(rows)[:, None] % 4, np.arange(columns)[None, :] % 4].ravel()
    flat = _towards(soup.flat[hits.faces], rays)
    points = eye + rays * hits.far[:, None] + flat * np.float32(OFF)
    shares = [_reached(soup, light, points, flat, index) for light in lights]
    sampled = np.concatenate([np.stack(shares, axis=1), _surroundings(soup, lights, points, flat, index)], axis=1)
    sampled = _averaged(sampled.reshape(rows, columns, -1), patches, (-2, -1, 1))
    around = _averaged(sampled[..., len(shares) :], patches, (-4, 4)).reshape(-1, 3)
    row = soup.normals[hits.faces]
    normals = _towards(row[:, :3] + row[:, 3:6] * hits.u[:, None] + row[:, 6:] * hits.v[:, None], rays)
    normals /= _length(normals)[:, None] + np.float32(1e-9)
    mirrored = np.zeros(len(points), np.float32)
    gloss = soup.gloss[hits.faces]
    for i, light in enumerate(lights):
        share = sampled[..., i].reshape(-1)
        around += _irradiance(light, points, normals) * share[:, None]
        mirrored += _highlight(light, points, normals, rays, gloss) * share
    return np.concatenate([around, mirrored[:, None]], axis=1).reshape(rows, columns, 4)


def _reached(soup: Soup, light: Light, points: Array, flat: Array, index: Array) -> Array:
    """1 where a ray to one of sixteen places of a light arrives, else 0 (n,)."""
    places = light.centre + (2 * _STRATA - 1) @ light.sides
    rays = places.astype(np.float32)[index] - points
    facing = (np.einsum("ij,ij->i", rays, flat) > 0) & (np.einsum("ij,j->i", rays, light.normal.astype(np.float32)) < 0)
    chosen = np.flatnonzero(facing)
    ends = np.full(len(chosen), 0.999, np.float32)  # just before the light itself
    reached = np.zeros(len(points), np.float32)
    reached[chosen] = soup.scene.run(points[chosen], rays[chosen], dists=ends, query="OCCLUDED") < 0
    return reached


def _surroundings(soup: Soup, lights: Sequence[Light], points: Array, flat: Array, index: Array) -> Array:
    """Light (n, 3) that what lies around points throws back at them: one ray each, cosine-weighted."""
    # A basis around the normal without a branch (Duff and others, 2017).
    nx, ny, nz = flat.T
    sign = np.where(nz < 0, np.float32(-1), np.float32(1))
    a = -1 / (sign + nz)
    b = nx * ny * a
    tangent = np.stack([1 + sign * nx * nx * a, sign * b, -sign * nx], axis=1)
    bitangent = np.stack([b, sign + ny * ny * a, -ny], axis=1)
    x, y, z = (axis[index, None] for axis in _HEMISPHERE.T)
    rays = tangent * x + bitangent * y + flat * z
    met = soup.cast(points, rays)
    there = points + rays * met.far[:, None]
    shown = _towards(soup.flat[met.faces], rays)
    light = np.zeros_like(there)
    for lamp in lights:
        light += 0.6 * _irradiance(lamp, there, shown)
    base = BASE * light.mean(axis=0)
    near = met.far / (met.far + np.float32(0.12))  # what is close by is itself in the shade
    thrown: Array = (light + base) * soup.colors[met.faces] * near[:, None]
    thrown[met.faces < 0] = 0
    return thrown


def _irradiance(light: Light, points: Array, normals: Array) -> Array:
    """What an unshadowed light sends to points (n, 3) with normals, as if from its middle, but bounded close by."""
    to_light = light.centre.astype(np.float32) - points
    squared = np.einsum("ij,ij->i", to_light, to_light)
    area = np.float32(4 * np.linalg.norm(light.sides[0]) * np.linalg.norm(light.sides[1]))
    leaving = np.maximum(-np.einsum("ij,j->i", to_light, light.normal.astype(np.float32)), 0)
    falling = np.maximum(np.einsum("ij,ij->i", to_light, normals), 0)
    share = leaving * falling * area / (squared * (squared + area) + np.float32(1e-6))
    seen: Array = share[:, None] * light.radiance.astype(np.float32)
    return seen


def _highlight(light: Light, points: Array, normals: Array, rays: Array, gloss: Array) -> Array:
    """How much of a light glossy points mirror to the eye (n,) (Blinn, 1977)."""
    to_light = light.centre.astype(np.float32) - points
    middle = to_light / _length(to_light)[:, None] - rays / _length(rays)[:, None]
    cosine = np.einsum("ij,ij->i", middle, normals) / (_length(middle) + np.float32(1e-9))
    mirrored: Array = np.float32(0.35 * light.radiance.mean()) * gloss * np.maximum(cosine, 0) ** (12 + 60 * gloss)
    return mirrored


def _towards(normals: Array, rays: Array) -> Array:
    """Normals on the side that rays come from."""
    turned: Array = normals * -np.sign(np.einsum("ij,ij->i", normals, rays))[:, None]
    return turned


def _length(vectors: Array) -> Array:
    lengths: Array = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    return lengths


def _averaged(values: Array, patches: Array, shifts: Sequence[int]) -> Array:
    """Means of values (rows, columns, k) and those `shifts` away on the same patch: along rows, then columns."""
    count = np.ones(patches.shape, np.float32)
    for axis in (1, 0):
        sums, counts = values.copy(), count.copy()
        for shift in shifts:
            here, there = overlap(patches.shape, axis, shift)
            same = patches[here] == patches[there]
            sums[here] += values[there] * same[..., None]
            counts[here] += count[there] * same
        values, count = sums, counts
    return values / count[..., None]


def overlap(shape: tuple[int, ...], axis: int, shift: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where an array of this shape and itself moved by `shift` along `axis` both are."""
    here, there = slice(max(-shift, 0), shape[axis] - max(shift, 0)), slice(max(shift, 0), shape[axis] + min(shift, 0))
    whole = slice(None)
    return ((whole, here), (whole, there)) if axis else ((here, whole), (there, whole))


def spread(light: Array, patches: Array) -> Array:
    """Light (h * w, k) of all pixels (h, w): the mean of the sampled ones around that show the same patch.

    Where there is none of the same, as on thin things, it is the mean of all around.
    """
    samples, sources = _around(light, patches.shape), _around(patches[::STEP, ::STEP], patches.shape)
    found: Array = samples[0] + samples[1]
    found += samples[2]
    found += samples[3]
    found *= np.float32(0.25)
    one, two, three, four = same = [source == patches for source in sources]
    mixed = (one | two | three | four) & ~(one & two & three & four)
    weights = np.stack([here[mixed] for here in same], axis=1).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    found[mixed] = sum(sample[mixed] * weights[:, i, None] for i, sample in enumerate(samples))
    return found.reshape(-1, light.shape[2])


def _around(sampled: Array, shape: tuple[int, ...]) -> list[Array]:
    """For each pixel of an image (h, w), the samples up left, up right, down left and down right of it, or on it."""
    height, width = shape
    padded = np.concatenate([sampled, sampled[-1:]])
    padded = np.concatenate([padded, padded[:, -1:]], axis=1)
    finer = padded.repeat(STEP, axis=0).repeat(STEP, axis=1)
    return [finer[dy : dy + height, dx : dx + width] for dy in (0, STEP - 1) for dx in (0, STEP - 1)]


def _strata() -> tuple[Array, Array, Array]:
    i = np.arange(16)
    bits = ((i & 1) << 3) | ((i & 2) << 1) | ((i & 4) >> 1) | ((i & 8) >> 3)
    square = np.stack([(i + 0.5) / 16, (bits + 0.5) / 16], axis=1)  # Hammersley's points
    radius, angle = np.sqrt(square[:, 0]), 2 * np.pi * square[:, 1]
    sphere = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1 - square[:, 0])], axis=1)
    tile = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    return square, sphere.astype(np.float32), tile


_STRATA, _HEMISPHERE, _TILE = _strata()
