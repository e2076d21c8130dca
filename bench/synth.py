"""Views a second of made rooms, files and all, against the bare ray cast of the same views in the same run.

    python bench/synth.py [--scenes 8] [--views 3] [--size 640x480] [--seed 0]

The floor is one ray through each pixel's centre, without light, colour, edges or files (goal: 4 views a second and a
sixth of the floor's rate, where nothing else runs).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter

import numpy as np

from vstkit.chance import Chance
from vstkit.synth import plans, scene, size_of, textures, units
from vstkit.synth.render import pixel_rays
from vstkit.synth.soup import Soup


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    width, height = size_of(options.size)
    textures.atlas()  # once in a process
    whole, bare, triangles = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for unit in units(folder, count=options.scenes, seed=options.seed):
            start = time.perf_counter()
            (record,) = scene(unit, Counter(), views=options.views, size=(width, height))
            whole.append((time.perf_counter() - start) / options.views)
            room = plans.furnished(Chance("synth", unit["id"]))
            soup = Soup(room.placed)
            triangles.append(len(soup.owners))
            v, u = np.mgrid[:height, :width].reshape(2, -1)
            for view in record["views"]:
                rays = pixel_rays(u, v, view["camera"], view["pose"])
                origins = np.tile(np.float32([row[3] for row in view["pose"][:3]]), (len(rays), 1))
                start = time.perf_counter()
                soup.cast(origins, rays)
                bare.append(time.perf_counter() - start)
    rate, floor = 1 / np.median(whole), 1 / np.median(bare)
    print(
        f"{len(bare)} views of {options.size}, {np.mean(triangles):,.0f} triangles a room: {rate:.1f} views/s; "
        f"bare ray cast {floor:.1f} views/s; ratio {rate / floor:.2f}"
    )


if __name__ == "__main__":
    main()
