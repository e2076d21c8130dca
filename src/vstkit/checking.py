"""Everything that is wrong with a record, and with the files that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from vstkit import images
from vstkit.errors import DataError
from vstkit.records import Scene, View
from vstkit.validation import parse, problems

ASPECT = 0.01  # depth may differ from the image's aspect by this share


def check(record: dict[str, Any], tally: Counter[str], *, files: bool = False, root: str = ".") -> list[Any]:
    """Raise a DataError with one message a fault; with `files`, decode every file that the record names."""
    found = problems(record)
    if not found and files:
        found = list(_file_problems(record, root))
    if found:
        raise DataError(*found)
    tally[record["kind"]] += 1
    return []


def _file_problems(record: dict[str, Any], root: str) -> Iterator[str]:
    if record["kind"] == "scene":
        for i, (raw, view) in enumerate(zip(record["views"], parse(record, Scene).views, strict=True)):
            for field, fault in _view_problems(raw, view, root):
                yield f"views[{i}].{field}: {fault}"
    elif record["kind"] == "pack":
        for i, sample in enumerate(record["samples"]):
            yield from (f"samples[{i}].{fault}" for fault in _image_problems(sample, root))
    elif record["kind"] in ("sample", "prediction"):
        yield from _image_problems(record, root)


def _image_problems(sample: dict[str, Any], root: str) -> Iterator[str]:
    named = [(f"images[{i}]", recipe) for i, recipe in enumerate(sample.get("images", []))]
    for i, video in enumerate(sample.get("videos", [])):
        named += [(f"videos[{i}].frames[{j}]", frame) for j, frame in enumerate(video["frames"])]
    for field, recipe in named:
        try:
            images.open_image(recipe, root)
        except DataError as e:
            yield f"{field}: {e}"


def _view_problems(raw: dict[str, Any], view: View, root: str) -> Iterator[tuple[str, str]]:
    try:
        # The header first: a size that is wrong need not be decoded.
        width, height = images.size(raw["image"], root)
        if (width, height) != (view.width, view.height):
            yield "image", f"expected {view.width}x{view.height} as the view says, got {width}x{height}"
        images.open_image(raw["image"], root)
        aspect = _aspect(images.file_size(images.path_of(raw["image"]), root))
    except DataError as e:
        yield "image", str(e)
        return
    for field in ("depth", "instances"):
        if field not in raw:
            continue
        try:
            values = images.read_map(raw[field]["path"], root)
        except DataError as e:
            yield field, str(e)
            continue
        if field == "instances" and values.dtype.kind not in "ui":
            yield field, f"{raw[field]['path']}: expected integers, got {values.dtype}"
        rows, columns = values.shape
        if abs(_aspect((columns, rows)) / aspect - 1) > ASPECT:
            yield field, f"expected the image's aspect {aspect:.4g}, got {columns}x{rows}"


def _aspect(size: tuple[int, int]) -> float:
    return size[0] / size[1]
