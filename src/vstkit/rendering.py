"""Recipes made into files, for programs that know no recipes."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstkit import images
from vstkit.chance import digest
from vstkit.errors import at
from vstkit.records import KINDS
from vstkit.validation import parse

if TYPE_CHECKING:
    from PIL import Image

Record = dict[str, Any]
Store = Callable[..., str]  # recipe and path of its field -> path of the file


def render(record: Record, tally: Counter[str], *, folder: str, root: str = ".") -> list[Record]:
    """The record with every recipe's picture stored in `folder` and named in its place; plain paths stay.

    Of scenes the views, of samples and predictions images and video frames, of packs those of their samples. Where a
    scene's recipe crops, its depth and instance images are stored too, cropped alike and as large as the picture.
    """
    parse(record, KINDS[record["kind"]])
    store = functools.partial(_store, tally=tally, root=root, folder=folder)
    if record["kind"] == "scene":
        return [{**record, "views": [_view(v, store, f"views[{i}]") for i, v in enumerate(record["views"])]}]
    if record["kind"] == "pack":
        samples = [_conversation(s, store, f"samples[{i}].") for i, s in enumerate(record["samples"])]
        return [{**record, "samples": samples}]
    return [_conversation(record, store)]


def _conversation(record: Record, store: Store, place: str = "") -> Record:
    made = dict(record)
    if "images" in record:
        made["images"] = [store(recipe, f"{place}images[{i}]") for i, recipe in enumerate(record["images"])]
    if "videos" in record:
        made["videos"] = []
        for i, video in enumerate(record["videos"]):
            frames = [store(frame, f"{place}videos[{i}].frames[{j}]") for j, frame in enumerate(video["frames"])]
            made["videos"].append({**video, "frames": frames})
    return made


def _view(view: Record, store: Store, place: str) -> Record:
    recipe = view["image"]
    made = {**view, "image": store(recipe, f"{place}.image")}
    if any(op["op"] == "crop" for op in images.ops_of(recipe)):
        for field in ("depth", "instances"):
            if field in view:
                path = store(recipe, f"{place}.{field}", map_path=view[field]["path"])
                made[field] = {**view[field], "path": path}
    return made


def _store(
    recipe: images.Recipe, place: str, *, tally: Counter[str], root: str, folder: str, map_path: str | None = None
) -> str:
    """Write a recipe's picture, or the map aligned with it, and return its path; a plain path stays as it is.

    The file's name tells the source and, by a digest, what was done to it: the same recipe is always the same file.
    """
    if not images.ops_of(recipe):
        tally["kept"] += 1
        return images.path_of(recipe)
    tally["rendered"] += 1
    with at(place):
        return _stored(json.dumps(recipe, sort_keys=True), map_path, root, folder)


# Samples of one view follow each other and share its picture, which is then made once.
@functools.lru_cache(maxsize=1024)
def _stored(recipe_json: str, map_path: str | None, root: str, folder: str) -> str:
    recipe = json.loads(recipe_json)
    source = Path(map_path or images.path_of(recipe))
    suffix = source.suffix if source.suffix.lower() in images.SUFFIXES else ".png"
    target = Path(folder) / f"{source.stem}-{digest(source, recipe_json)}{suffix}"
    images.save(_map(map_path, recipe, root) if map_path else images.open_image(recipe, root), target)
    return images.from_root(target, root)


def _map(path: str, recipe: images.Recipe, root: str) -> Image.Image:
    """A map as the recipe's picture shows it: each pixel has the value of the nearest one."""
    import numpy as np
    from PIL import Image

    values = images.read_map(path, root)
    height, width = values.shape
    ax, bx, ay, by = images.map_to_image((width, height), recipe, root)
    wide, high = images.size(recipe, root)
    columns = np.clip(np.rint((np.arange(wide) - bx) / ax).astype(int), 0, width - 1)
    rows = np.clip(np.rint((np.arange(high) - by) / ay).astype(int), 0, height - 1)
    return Image.fromarray(values[rows[:, None], columns])
