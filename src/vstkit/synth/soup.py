"""All triangles of a room in tables that rays look things up in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vstkit.errors import UsageError
from vstkit.geometry.rotations import euler_to_matrix
from vstkit.synth import textures
from vstkit.synth.rooms import Placed
from vstkit.synth.shapes import Array

if TYPE_CHECKING:
    from embreex.rtcore_scene import EmbreeScene

GAMMA = 2.2


class Hits(NamedTuple):
    """Where n rays ended: triangles, barycentric coordinates, lengths in units of the ray. -1 and 0 where nowhere."""

    faces: Array
    u: Array
    v: Array
    far: Array

    def at(self, index: Array | slice) -> Hits:
        """Those of some rays."""
        return Hits(*(values[index] for values in self))


class Soup:
    """n triangles in world axes, each with what it belongs to; thing i of `placed` is number i + 1.

    Where a ray meets triangle `face` at barycentric (u, v), a quantity is `first + u * along_u + v * along_v` of the
    three blocks of its row in `normals` (n, 9) or `uv` (n, 6).
    """

    def __init__(self, placed: Sequence[Placed]) -> None:
        atlas = textures.atlas()
        triangles, normals = [], []
        for thing in placed:
            turn = euler_to_matrix((0, 0, thing.heading)).T
            triangles.append(np.concatenate([part.triangles for part in thing.model.parts]) @ turn + thing.position)
            normals.append(np.concatenate([part.normals for part in thing.model.parts]) @ turn)
        parts = [part for thing in placed for part in thing.model.parts]
        counts = [len(part.patches) for part in parts]
        owners = [number for number, thing in enumerate(placed, 1) for _ in thing.model.parts]
        before = np.cumsum([0, *(int(part.patches.max()) + 1 for part in parts)])[:-1]
        self.triangles = np.concatenate(triangles).astype(np.float32)
        self.normals = _from_first(np.concatenate(normals))
        self.uv = _from_first(np.concatenate([part.uv / atlas.spans[part.material.texture] for part in parts]))
        self.owners = np.repeat(np.array(owners, np.uint16), counts)
        self.patches = (np.concatenate([part.patches for part in parts]) + np.repeat(before, counts)).astype(np.int32)
        self.textures = np.repeat(np.array([atlas.first[part.material.texture] for part in parts], np.int32), counts)
        looks = [(*part.material.color, part.material.gloss, part.material.glow) for part in parts]
        look = np.repeat(np.array(looks, np.float32), counts, axis=0)
        self.colors, self.gloss, self.glow = look[:, :3] ** np.float32(GAMMA), look[:, 3].copy(), look[:, 4].copy()
        across = np.cross(*np.moveaxis(self.triangles[:, 1:] - self.triangles[:, :1], 1, 0))
        area = np.linalg.norm(across, axis=1)
        self.flat = (across / np.maximum(area, 1e-12)[:, None]).astype(np.float32)
        a, b = self.uv[:, 2:4], self.uv[:, 4:6]
        texels = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / np.maximum(area, 1e-12)
        self.density = np.sqrt(texels).astype(np.float32)  # textures in a metre

        self.scene = _scene(self.triangles)

    def cast(self, origins: Array, rays: Array) -> Hits:
        """What rays (n, 3) from origins (n, 3) meet first; all float32."""
        found = self.scene.run(origins, rays, query="INTERSECT", output=True)
        faces = found["primID"]
        return Hits(faces, found["u"], found["v"], np.where(faces < 0, np.float32(0), found["tfar"]))


def _scene(triangles: Array) -> EmbreeScene:
    """The triangles, ready for rays. Raises UsageError where embreex is not installed."""
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError:
        raise UsageError("synth needs embreex: pip install 'vstkit[synth]'") from None
    scene: Any = EmbreeScene()
    TriangleMesh(scene, triangles)
    return scene


def _from_first(values: Array) -> Array:
    """Values (n, 3, k) at a triangle's corners as the first and the ways to the other two, (n, 3 * k) float32."""
    first = values[:, 0]
    return np.concatenate([first, values[:, 1] - first, values[:, 2] - first], axis=1).astype(np.float32)
