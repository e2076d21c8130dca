"""The pictures of a sample as others can read them: upright files without recipes, or their bytes."""

from __future__ import annotations

import functools
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from vstkit import images, rendering
from vstkit.errors import DataError, at
from vstkit.lineio import Record

JPEG = {".jpg", ".jpeg"}
_ORIENTATION = 0x0112  # of EXIF


def upright(sample: Record, root: str = ".") -> Record:
    """The sample, with a recipe for each picture that only its EXIF data turn upright: most trainers ignore them.

    Reads headers. Raises DataError, with the field, for a file that is missing or no picture.
    """
    made = dict(sample)
    if "images" in sample:
        made["images"] = _upright(sample["images"], "images", root)
    if "videos" in sample:
        named = enumerate(sample["videos"])
        made["videos"] = [{**v, "frames": _upright(v["frames"], f"videos[{i}].frames", root)} for i, v in named]
    return made


def _upright(recipes: list[images.Recipe], place: str, root: str) -> list[images.Recipe]:
    made = []
    for i, recipe in enumerate(recipes):
        with at(f"{place}[{i}]"):
            path = images.path_of(recipe)
            if not images.ops_of(recipe) and _turned(path, root):
                # A resize to its own size changes no pixel, and makes it a picture to be written.
                made.append(images.edited(path, {"op": "resize", "size": list(images.file_size(path, root))}))
            else:
                made.append(recipe if images.ops_of(recipe) else path)
    return made


@functools.lru_cache(maxsize=4096)  # samples of one view follow each other
def _turned(path: str, root: str) -> bool:
    from PIL import Image

    images.file_size(path, root)  # which says what is wrong with the file
    with Image.open(images.located(path, root)) as image:
        # PIL would decode a whole PNG to look for EXIF data behind its pixels.
        return "exif" in image.info and image.getexif().get(_ORIENTATION, 1) != 1


def by_path(sample: Record, tally: Counter[str], root: str = ".", folder: str | None = None) -> Record:
    """The sample with pictures that are paths; recipes are rendered into `folder`. Raises DataError without one."""
    named = [(f"images[{i}]", one) for i, one in enumerate(sample.get("images", []))]
    for i, video in enumerate(sample.get("videos", [])):
        named += [(f"videos[{i}].frames[{j}]", one) for j, one in enumerate(video["frames"])]
    for place, one in named:
        if folder is None and images.ops_of(one):
            raise DataError(f"{place}: expected a picture as it is, got one to be changed: --write DIR renders it")
    if folder is None:
        return sample
    (made,) = rendering.render(sample, tally, folder=folder, root=root)
    return made


def embedded(sample: Record, root: str = ".") -> Record:
    """The sample with each picture as {"bytes", "path"}: the bytes of its file where nothing is done to it.

    What is rendered is JPEG of quality 95 where the file is JPEG, else PNG. Raises DataError with the field.
    """
    made = dict(sample)
    if "images" in sample:
        made["images"] = _embedded(sample["images"], "images", root)
    if "videos" in sample:
        named = enumerate(sample["videos"])
        made["videos"] = [{**v, "frames": _embedded(v["frames"], f"videos[{i}].frames", root)} for i, v in named]
    return made


def _embedded(recipes: list[images.Recipe], place: str, root: str) -> list[dict[str, Any]]:
    made = []
    for i, recipe in enumerate(recipes):
        with at(f"{place}[{i}]"):
            made.append({"bytes": _bytes(json.dumps(recipe, sort_keys=True), root), "path": images.path_of(recipe)})
    return made


@functools.lru_cache(maxsize=16)  # likewise
def _bytes(recipe_json: str, root: str) -> bytes:
    recipe = json.loads(recipe_json)
    path = images.path_of(recipe)
    if not images.ops_of(recipe):
        return Path(images.located(path, root)).read_bytes()
    buffer = io.BytesIO()
    kind = "JPEG" if Path(path).suffix.lower() in JPEG else "PNG"
    images.open_image(recipe, root).save(buffer, kind, quality=95, compress_level=3)
    return buffer.getvalue()


def size(picture: dict[str, Any]) -> images.Size:
    """Width and height of an embedded picture, from its header."""
    from PIL import Image

    with Image.open(io.BytesIO(picture["bytes"])) as image:
        return image.size
