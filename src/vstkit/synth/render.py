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
        v, u = np.mgrid[:height, :width].reshape(2, -1)
        eye = np.array([row[3] for row in pose[:3]], np.float32)
        rays = pixel_rays(u, v, camera, pose)
        hits = self.soup.cast(np.broadcast_to(eye, rays.shape).copy(), rays)
        patches = self.soup.patches[hits.faces].reshape(height, width)
        some = (np.arange(0, height, light.STEP)[:, None] * width + np.arange(0, width, light.STEP)).ravel()
        lit = light.arriving(
            self.soup, self.lights, hits.at(some), eye, rays[some], patches[:: light.STEP, :: light.STEP]
        )
        spread = light.spread(lit, patches)
        pixel = np.float32(1 / camera[0])
        radiance = self._leaving(hits.at(some), spread[some], pixel)[0]
        exposure = KEY / max(float(np.exp(np.log(np.einsum("ij->i", radiance) / 3 + 1e-4).mean())), 1e-3)
        shown = np.zeros((width * height, 3), np.float32)
        for start in range(0, len(shown), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            radiance, glow = self._leaving(hits.at(part), spread[part], pixel)
            shown[part] = _tone(radiance * exposure, glow)
        edge = _edges(patches, shown)
        total = shown[edge]
        for du, dv in MORE_RAYS:
            rays = pixel_rays(u[edge] + du, v[edge] + dv, camera, pose)
            more = self.soup.cast(np.broadcast_to(eye, rays.shape).copy(), rays)
            there = spread[_same_patch_nearby(edge, self.soup.patches[more.faces], patches)]
            radiance, glow = self._leaving(more, there, pixel)
            total += _tone(radiance * exposure, glow)
        shown[edge] = total / (1 + len(MORE_RAYS))
        owners = np.where(hits.faces < 0, np.uint16(0), self.soup.owners[hits.faces])
        shape = height, width
        return Picture(_encoded(shown).reshape(*shape, 3), hits.far.reshape(shape), owners.reshape(shape))

    def _leaving(self, hits: Hits, arriving: Array, pixel: np.float32) -> tuple[Array, tuple[Array, Array]]:
        """What light (n, 3) points throw back of what arrives (n, 4), and which of them shine and how.

        `pixel` is a pixel's size at unit distance: of a texture, the level is taken at which a texel is as large.
        """
        soup, faces = self.soup, hits.faces
        row = soup.uv[faces]
        texels = hits.far * soup.density[faces] * (pixel * np.float32(1.3 * textures.SIDE))
        level = np.log2(np.clip(texels, 1, 2 ** (textures.LEVELS - 1))).astype(np.int32)
        side = np.int32(textures.SIDE) >> level
        place = [row[:, i] + row[:, i + 2] * hits.u + row[:, i + 4] * hits.v for i in (0, 1)]
        x, y = (np.minimum(((at - np.floor(at)) * side).astype(np.int32), side - 1) for at in place)
        color = soup.colors[faces] * self.atlas.texels[soup.textures[faces] + self.atlas.starts[level] + y * side + x]
        glow = soup.glow[faces]
        shining = np.flatnonzero(glow)
        return arriving[:, :3] * color + arriving[:, 3:], (shining, color[shining] * glow[shining, None])


def pixel_rays(u: Array, v: Array, camera: Sequence[float], pose: Sequence[Sequence[float]]) -> Array:
    """Rays (n, 3) through pixels in world axes; their length is 1 along the optical axis, so lengths are depths."""
    fx, fy, cx, cy = camera
    right, down, forward = np.array([row[:3] for row in pose[:3]], np.float32).T
    # Sums instead of a matrix product, which would start threads for so many rows.
    x, y = ((u - cx) / fx).astype(np.float32), ((v - cy) / fy).astype(np.float32)
    rays: Array = x[:, None] * right + y[:, None] * down + forward
    return rays


def _edges(patches: Array, shown: Array) -> Array:
    """Pixels (flat indices) with another patch beside, above or below them that does not look the same."""
    index = np.arange(patches.size).reshape(patches.shape)
    found = np.zeros(patches.size, bool)
    for axis in (0, 1):
        here, there = light.overlap(patches.shape, axis, 1)
        differs = patches[here] != patches[there]
        one, other = index[here][differs], index[there][differs]
        visible = np.einsum("ij->i", np.abs(shown[one] - shown[other])) > CONTRAST
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
    """Film-like response to linear light, 0 to 1 (Narkowicz's fit to ACES, 2015); some rows glow besides."""
    x[glow[0]] += glow[1]
    np.minimum(x, np.float32(50), out=x)
    toned: Array = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return toned


_STEPS = 4096
_CURVE = np.round(255 * (np.arange(_STEPS + 1) / _STEPS) ** (1 / GAMMA)).astype(np.uint8)


def _encoded(linear: Array) -> Array:
    """8-bit values of linear ones from 0 to 1."""
    return _CURVE[(np.clip(linear, 0, 1) * np.float32(_STEPS)).astype(np.uint16)]
