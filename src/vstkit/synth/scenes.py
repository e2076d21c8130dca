"""Scenes made from nothing: furnished rooms with exact geometry, as records and pictures.

Scene i of a seed depends on the seed and on i alone, so workers, shards and longer runs agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit import images
from vstkit.chance import Chance
from vstkit.errors import UsageError
from vstkit.synth import plans, walk
from vstkit.synth.render import Picture, Renderer
from vstkit.synth.rooms import Placed
from vstkit.synth.soup import Soup

DATASET = "synth"
DEPTH_SCALE = 1000
SIZE, VIEWS = (640, 480), 3
LEAST, MOST = 16, 4096  # pixels of a picture's side; a picture takes 100 bytes of memory a pixel


def size_of(text: str) -> tuple[int, int]:
    """Width and height out of "640x480". Raises UsageError for anything else and for sizes out of bounds."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and all(LEAST <= int(n) <= MOST for n in (width, height))):
        raise UsageError(f"--size: expected WxH in pixels, both from {LEAST} to {MOST}, got {text}")
    return int(width), int(height)


def units(folder: str, *, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """What `scene` makes the first `count` scenes of a seed from, with their pictures below `folder`."""
    for number in range(count):
        yield {"kind": "unit", "id": f"{DATASET}/{seed}/{number:06}", "folder": folder}


def scene(
    unit: dict[str, Any],
    tally: Counter[str],
    *,
    root: str = ".",
    views: int = VIEWS,
    size: tuple[int, int] = SIZE,
) -> list[dict[str, Any]]:
    """The scene record of one of `units`; writes its pictures. Raises DataError where they cannot be written.

    World axes: z up, the room's floor from (0, 0, 0) to (width, depth, 0). Paths are relative to `root` unless
    the folder's is absolute. Beside the usual fields a scene has `floor`, the corners of its floor, and an object that
    stands on another one has `on`, the id of that one.
    """
    chance = Chance(DATASET, unit["id"])
    room = plans.furnished(chance)
    lens = walk.camera(chance, *size)
    stances = walk.walk(room, lens, *size, views)
    renderer = Renderer(Soup(room.placed), room.lights)
    target = Path(unit["folder"], *unit["id"].split("/")[1:])
    held = images.from_root(target, root)
    shown = []
    for i, stance in enumerate(stances):
        _write(renderer.view(lens, *size, stance.pose), target, i)
        shown.append(
            {
                "image": f"{held}/{i}.jpg",
                "width": size[0],
                "height": size[1],
                "camera": lens,
                "pose": stance.pose,
                "depth": {"path": f"{held}/{i}-depth.png", "scale": DEPTH_SCALE, "kind": "rendered"},
                "instances": {"path": f"{held}/{i}-instances.png"},
                "time": stance.time,
            }
        )
    tally["views"] += views
    return [
        {
            "kind": "scene",
            "id": unit["id"],
            "dataset": DATASET,
            "up": [0.0, 0.0, 1.0],
            "metric": True,
            "floor": [[x, y, 0.0] for x, y in ((0.0, 0.0), (room.wide, 0.0), (room.wide, room.deep), (0.0, room.deep))],
            "views": shown,
            "objects": [_object(thing, number) for number, thing in enumerate(room.placed, 1)],
        }
    ]


def _object(thing: Placed, number: int) -> dict[str, Any]:
    size = thing.model.size
    centre = np.add(thing.position, (0, 0, float(size[2]) / 2))
    heading = thing.heading if thing.heading <= 180 else thing.heading - 360
    return {
        "id": thing.id,
        "label": thing.model.label,
        "box3d": [*np.round([*centre, *size], 6).tolist(), 0.0, 0.0, round(heading, 2)],
        "instance": number,
        **({"front": True} if thing.model.front else {}),
        **({"stuff": True} if thing.model.stuff else {}),
        **({"on": thing.on} if thing.on else {}),
    }


def _write(picture: Picture, folder: Path, number: int) -> None:
    """Color as JPEG; depth in millimetres and instances as PNG of 16 bits. Each is there whole or not at all."""
    from PIL import Image

    from vstkit import images

    millimetres = np.round(picture.depth * DEPTH_SCALE).astype(np.uint16)
    images.save(Image.fromarray(picture.color), folder / f"{number}.jpg")
    images.save(Image.fromarray(millimetres), folder / f"{number}-depth.png")
    images.save(Image.fromarray(picture.instances), folder / f"{number}-instances.png")
