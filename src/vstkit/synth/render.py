"""Pictures, depth and instances of a room, by casting rays on the CPU.

Depth and instances are what the ray through a pixel's centre meets, exactly. Only the picture is smoothed at edges,
by more rays through the pixels there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vstkit.synth import light, textures
from vstkit.synth.rooms import Light
from vstkit.synth.shapes import Array
from vstkit.synth.soup import GAMMA, Hits, Soup

MORE_RAYS = ((0.36, 0.12), (-0.28, 0.28), (-0.08, -0.4))  # beside the centre of a pixel at an edge
CONTRAST = 0.04  # of linear light, red, green and blue together, below which an edge needs no smoothing
AT_ONCE = 1 << 14  # pixels that are coloured at once: their arrays stay in the cache
KEY = 0.21  # mean brightness of a picture, of 1


class Picture(NamedTuple):
    """One view: color (h, w, 3) uint8, depth (h, w) metres along the axis, instances (h, w) uint16."""

    color: Array
    depth: Array
    instances: Array


class Renderer:
    """Renders views of one room."""

    def __init__(self, soup: Soup, lights: Sequence[Light]) -> None:
        self.soup, self.lights, self.atlas = soup, lights, textures.atlas()

    def view(self, camera: Sequence[float], width: int, height: int, pose: Sequence[Sequence[float]]) -> Picture:
        """The view of a camera (fx, fy, cx, cy) at `pose`, camera to world."""
        eye = np.array([row[3] for row in pose[:3]], np.float32)
        rays = pixel_rays(np.arange(width), np.arange(height)[:, None], camera, pose)
        hits = self._seen(eye, rays.reshape(-1, 3))
        patches = self.soup.patches.take(hits.faces).reshape(height, width)
        sampled = slice(None, None, light.STEP), slice(None, None, light.STEP)
        some = Hits(*(values.reshape(height, width)[sampled].ravel() for values in hits))
        lit = light.arriving(self.soup, self.lights, some, eye, rays[sampled].reshape(-1, 3), patches[sampled])
        spread = light.spread(lit, patches)
        pixel = np.float32(1 / camera[0])
        shown = np.zeros((3, width * height), np.float32)
        parts = [slice(start, start + AT_ONCE) for start in range(0, width * height, AT_ONCE)]
        glows = []
        for part in parts:
            shown[:, part], glow = self._leaving(hits.at(part), spread[:, part], pixel)
            glows.append(glow)
        brightness = shown.sum(axis=0).reshape(height, width)[sampled] / 3
        exposure = KEY / max(float(np.exp(np.log(brightness + 1e-4).mean())), 1e-3)
        for part, glow in zip(parts, glows, strict=True):
            shown[:, part] = _tone(shown[:, part] * exposure, glow)
        edge = _edges(patches, shown)
        v, u = np.divmod(edge, width)
        total = shown[:, edge]
        for du, dv in MORE_RAYS:
            more = self._seen(eye, pixel_rays(u + du, v + dv, camera, pose))
            there = spread.take(_same_patch_nearby(edge, self.soup.patches.take(more.faces), patches), axis=1)
            radiance, glow = self._leaving(more, there, pixel)
            total += _tone(radiance * exposure, glow)
        shown[:, edge] = total / (1 + len(MORE_RAYS))
        owners = np.where(hits.faces < 0, np.uint16(0), self.soup.owners.take(hits.faces))
        shape = height, width
        return Picture(_encoded(shown).T.reshape(*shape, 3), hits.far.reshape(shape), owners.reshape(shape))

    def _seen(self, eye: Array, rays: Array) -> Hits:
        return self.soup.cast(np.broadcast_to(eye, rays.shape).copy(), rays)

    def _leaving(self, hits: Hits, arriving: Array, pixel: np.float32) -> tuple[Array, tuple[Array, Array]]:
        """What light (3, n) points throw back of what arrives (4, n), and which of them shine and how (3, m).

        `pixel` is a pixel's size at unit distance: of a texture, the level is taken at which a texel is as large.
        """
        soup, faces = self.soup, hits.faces
        row = soup.uv.take(faces, axis=0).T.copy()
        texels = hits.far * soup.density.take(faces) * (pixel * np.float32(1.3 * textures.SIDE))
        level = np.log2(np.clip(texels, 1, 2 ** (textures.LEVELS - 1))).astype(np.int32)
        side = np.int32(textures.SIDE) >> level
        place = row[:2] + row[2:4] * hits.u + row[4:] * hits.v
        x, y = np.minimum(((place - np.floor(place)) * side).astype(np.int32), side - 1)
        texel = soup.textures.take(faces) + self.atlas.starts.take(level) + y * side + x
        color = (soup.colors.take(faces, axis=0) * self.atlas.texels.take(texel, axis=0)).T.copy()
        glow = soup.glow.take(faces)
        shining = np.flatnonzero(glow)
        return arriving[:3] * color + arriving[3], (shining, color[:, shining] * glow[shining])


def pixel_rays(u: Array, v: Array, camera: Sequence[float], pose: Sequence[Sequence[float]]) -> Array:
    """Rays (..., 3) through pixels in world axes; their length is 1 along the optical axis, so lengths are depths.

    `u` and `v` are of any shapes that broadcast: a row and a column make a whole picture.
    """
    fx, fy, cx, cy = camera
    right, down, forward = np.array([row[:3] for row in pose[:3]], np.float32).T
    # Sums instead of a matrix product, which would start threads for so many rows.
    x, y = ((u - cx) / fx).astype(np.float32), ((v - cy) / fy).astype(np.float32)
    rays = np.zeros((*np.broadcast_shapes(x.shape, y.shape), 3), np.float32)
    for axis in range(3):
        rays[..., axis] = x * right[axis] + (y * down[axis] + forward[axis])
    return rays


def _edges(patches: Array, shown: Array) -> Array:
    """Pixels (flat indices) with another patch beside, above or below them that does not look the same."""
    index = np.arange(patches.size).reshape(patches.shape)
    found = np.zeros(patches.size, bool)
    for axis in (0, 1):
        here, there = light.overlap(patches.shape, axis, 1)
        differs = patches[here] != patches[there]
        one, other = index[here][differs], index[there][differs]
        visible = np.abs(shown.take(one, axis=1) - shown.take(other, axis=1)).sum(axis=0) > CONTRAST
        found[one[visible]] = found[other[visible]] = True
    return np.flatnonzero(found)


def _same_patch_nearby(pixels: Array, wanted: Array, patches: Array) -> Array:
    """For each pixel (flat index) the one among its neighbours that shows the wanted patch, else itself."""
    height, width = patches.shape
    y, x = np.divmod(pixels, width)
    source = pixels.copy()
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)):
        near = np.clip(y + dy, 0, height - 1) * width + np.clip(x + dx, 0, width - 1)
        source = np.where(patches.ravel()[near] == wanted, near, source)
    return source


def _tone(x: Array, glow: tuple[Array, Array]) -> Array:
    """Film-like response to linear light (3, n), 0 to 1 (Narkowicz's fit to ACES, 2015); some of it glows besides."""
    x[:, glow[0]] += glow[1]
    np.minimum(x, np.float32(50), out=x)
    toned: Array = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return toned


_STEPS = 4096
_CURVE = np.round(255 * (np.arange(_STEPS + 1) / _STEPS) ** (1 / GAMMA)).astype(np.uint8)


def _encoded(linear: Array) -> Array:
    """8-bit values of linear ones from 0 to 1."""
    return _CURVE[(np.clip(linear, 0, 1) * np.float32(_STEPS)).astype(np.uint16)]
