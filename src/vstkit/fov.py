"""FoV unification of scene records (paper, algorithm 1), and scenes made of bare pictures."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from vstkit import images
from vstkit.geometry import cameras
from vstkit.records import Scene
from vstkit.rendering import render
from vstkit.validation import parse

log = logging.getLogger("vstkit")

ASSUMED_HFOV = 60.0  # degrees; what the authors' own demo assumes


def unify(
    record: dict[str, Any],
    tally: Counter[str],
    *,
    focal: float = cameras.DEFAULT_FOCAL,
    root: str = ".",
    write: str | None = None,
) -> list[dict[str, Any]]:
    """A scene whose views all have focal length `focal` (pixels, to within the rounding of the image size).

    Images become recipes with a resize; cameras and everything else that counts in pixels are scaled along, metric
    boxes stay. With `write`, a folder, the resized pictures are stored there and the recipes become paths.
    """
    parse(record, Scene)
    views: list[dict[str, Any]] = []
    scales: list[tuple[float, float]] = []
    for view in record["views"]:
        old = view["width"], view["height"]
        new, camera = cameras.unify(*old, view["camera"], focal)
        recipe = view["image"] if new == old else images.edited(view["image"], {"op": "resize", "size": list(new)})
        tally["resized" if new != old else "kept"] += 1
        views.append({**view, "image": recipe, "width": new[0], "height": new[1], "camera": list(camera)})
        scales.append((new[0] / old[0], new[1] / old[1]))
    scene = {**record, "views": views}
    if "objects" in record:
        scene["objects"] = [_scaled_object(o, scales) for o in record["objects"]]
    return render(scene, Counter(), folder=write, root=root) if write else [scene]


def scene_of_image(path: str, root: str = ".", hfov: float | None = None) -> dict[str, Any]:
    """A scene record for a bare picture. `hfov` in degrees; else EXIF's focal length, else 60 with a warning."""
    held = images.from_root(path, root)
    width, height = images.file_size(held, root)
    focal = cameras.focal(hfov, width) if hfov else images.exif_focal(held, root)
    if not focal:
        focal = cameras.focal(ASSUMED_HFOV, width)
        log.warning(
            "%s: the field of view is unknown, %g degrees assumed: were it 70, things would be 21 %% larger at that "
            "depth; give --hfov",
            path,
            ASSUMED_HFOV,
        )
    camera = [focal, focal, (width - 1) / 2, (height - 1) / 2]
    view = {"image": held, "width": width, "height": height, "camera": camera}
    return {"kind": "scene", "id": Path(path).with_suffix("").as_posix(), "views": [view]}


def _scaled_object(thing: dict[str, Any], scales: list[tuple[float, float]]) -> dict[str, Any]:
    """What an object says in pixels of the views, after the views were resized."""
    scaled = dict(thing)
    if "box2d" in thing:
        scaled["box2d"] = {view: _scaled(box, scales[int(view)]) for view, box in thing["box2d"].items()}
    if "seen" in thing:
        scaled["seen"] = [{**seen, **_scaled_seen(seen, scales[seen["view"]])} for seen in thing["seen"]]
    return scaled


def _scaled_seen(seen: dict[str, Any], scale: tuple[float, float]) -> dict[str, Any]:
    places: dict[str, Any] = {key: _scaled(seen[key], scale) for key in ("box2d", "point") if key in seen}
    return {"pixels": round(seen["pixels"] * scale[0] * scale[1]), **places}


def _scaled(xy: list[float], scale: tuple[float, float]) -> list[float]:
    """Pixel coordinates x, y, x, y, ... after a resize (pixel centres are integers)."""
    return [round((value + 0.5) * scale[i % 2] - 0.5, 3) for i, value in enumerate(xy)]
