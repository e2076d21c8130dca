"""COCO instances: pictures with outlined objects, no depth and no camera; food for `estimate-depth`.

An instances JSON has `images`, `annotations` and `categories`. An outline is a list of polygons x, y, x, y, ... in
continuous pixel coordinates (the first pixel reaches from 0 to 1), or run lengths that count pixels down the columns,
zeros first: as a list, or compressed into text. They become one 16-bit picture of instances; where outlines overlap,
the smaller object is in front. Crowds, which outline several objects at once, are left out. The JSON is loaded whole,
in about eleven times its size: the outlines of a picture may stand anywhere in it.

Sources: the data format on COCO's site; the compression as its mask interface does it (Lin et al., 2014).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstkit.datasets import bare
from vstkit.datasets.common import load_json, matrix, picture, scene
from vstkit.datasets.maps import INSTANCES_NEED_WRITE, store
from vstkit.errors import DataError
from vstkit.lineio import Record

Mask = NDArray[np.bool_]


def find(path: str, *, images: str | None = None, hfov: float | None = None) -> Iterator[Record]:
    """A unit for each picture of an instances JSON, in the order of the picture's ids.

    `images` is the folder of the pictures, by default the JSON's, or val2017 or images beside its folder; `hfov` the
    horizontal field of view in degrees, by default EXIF's, else 60. Raises DataError where the file is no such JSON.
    """
    content = load_json(path)
    try:
        labels = {kind["id"]: str(kind["name"]) for kind in content["categories"]}
        licences = {entry["id"]: str(entry["name"]) for entry in content.get("licenses", ())}
        held = sorted(content["images"], key=lambda image: int(image["id"]))
        things: dict[Any, list[Record]] = {image["id"]: [] for image in held}
        for i, note in enumerate(content["annotations"]):
            if note["image_id"] not in things or note["category_id"] not in labels:
                raise DataError(
                    f"{path}: annotations[{i}]: expected the ids of an image and a category, got {note['id']}"
                )
            kept = {key: note[key] for key in ("id", "bbox", "segmentation", "iscrowd", "area") if key in note}
            things[note["image_id"]].append(
                {**kept, "label": labels[note["category_id"]], "where": f"annotations[{i}]"}
            )
        units = [
            {
                "kind": "unit",
                "id": str(Path(image["file_name"]).with_suffix("")),
                "file": path,
                "hfov": hfov,
                "name": image["file_name"],
                "size": [image["width"], image["height"]],
                "things": things[image["id"]],
                "license": licences.get(image.get("license"), ""),
            }
            for image in held
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise DataError(f"{path}: expected COCO's images, annotations and categories: {e!r}") from None
    if not units:
        raise DataError(f"{path}: images: expected pictures, got none")
    folder = _folder(Path(path), images, units[0]["name"])
    bare.warn(path, hfov)
    yield from ({**unit, "folder": str(folder)} for unit in units)


def _folder(file: Path, given: str | None, name: str) -> Path:
    beside = file.resolve().parent.parent
    places = [Path(given)] if given else [file.parent, beside / file.stem.rpartition("_")[2], beside / "images"]
    for place in places:
        if (place / name).is_file():
            return place
    raise DataError(f"{file}: expected {name} in {', '.join(map(str, places))}: give the folder of the pictures")


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one picture: one view without depth, objects with 2D boxes and, with `write`, instances."""
    file = Path(unit["folder"]) / unit["name"]
    held, width, height = picture(file, root)
    if [width, height] != unit["size"]:
        raise DataError(
            f"{file}: expected {unit['size'][0]}x{unit['size'][1]} as {unit['file']} says, got {width}x{height}"
        )
    view: Record = {"image": held, "width": width, "height": height}
    view["camera"] = bare.camera(file, width, height, unit["hfov"])
    objects: list[Record] = []
    masks: list[Mask] = []
    for thing in unit["things"]:
        where = f"{unit['file']}: {thing['where']}"
        if thing.get("iscrowd"):
            tally["crowds"] += 1
            continue
        x, y, w, h = matrix(thing.get("bbox"), (4,), f"{where}.bbox").tolist()
        if min(w, h) <= 0:
            tally["objects whose box is empty"] += 1
            continue
        # Pixel centres are integers in records, and halves in COCO.
        box = [round(float(edge), 3) for edge in (x - 0.5, y - 0.5, x + w - 0.5, y + h - 0.5)]
        record: Record = {"id": str(thing["id"]), "label": thing["label"], "box2d": {"0": box}}
        outline = thing.get("segmentation")
        if outline and write is not None:
            record["instance"] = len(masks) + 1
            masks.append(decode(outline, width, height, f"{where}.segmentation"))
        objects.append(record)
    if masks:
        view["instances"] = {"path": _store(masks, str(write), f"{unit['id']}-instances.png", root)}
    elif write is None and any(thing.get("segmentation") for thing in unit["things"]):
        tally[INSTANCES_NEED_WRITE] += 1
    record = {"kind": "scene", "id": unit["id"], "dataset": "coco", "split": split, "license": unit["license"]}
    yield scene({**record, "views": [view], "objects": objects}, str(file))


def _store(masks: list[Mask], write: str, name: str, root: str) -> str:
    instances = np.zeros(masks[0].shape, np.uint16)
    for number in sorted(range(len(masks)), key=lambda i: -int(masks[i].sum())):
        instances[masks[number]] = number + 1
    return store(instances, write, name, root)


def decode(outline: Any, width: int, height: int, where: str) -> Mask:
    """The pixels (height, width) of a `segmentation`: polygons, or run lengths as a list or as text.

    Raises DataError for polygons that are no pairs of numbers, and for runs that do not fill the picture.
    """
    if isinstance(outline, list):
        mask = np.zeros((height, width), bool)
        for i, polygon in enumerate(outline):
            if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
                raise DataError(f"{where}[{i}]: expected three or more points as x, y pairs, got {str(polygon)[:60]}")
            mask |= _filled(matrix(polygon, (-1,), f"{where}[{i}]").reshape(-1, 2), width, height)
        return mask
    if not isinstance(outline, dict) or outline.get("size") != [height, width]:
        raise DataError(f"{where}: expected polygons, or counts of size [{height}, {width}], got {str(outline)[:60]}")
    counts = outline.get("counts")
    runs = (
        _uncompressed(counts, f"{where}.counts")
        if isinstance(counts, str)
        else matrix(counts, (-1,), f"{where}.counts")
    )
    lengths = np.asarray(runs, dtype=float)
    if (lengths < 0).any() or lengths.sum() != width * height:
        raise DataError(f"{where}.counts: expected runs of {width * height} pixels in all, got {lengths.sum():g}")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths.astype(np.int64)).reshape(width, height).T


def _filled(polygon: NDArray[np.float64], width: int, height: int) -> Mask:
    """The pixels whose centres are inside a polygon (n, 2), by the even-odd rule."""
    # Every edge that a row's centre line crosses turns the pixels right of the crossing over.
    turns = np.zeros((height, width + 1), np.int64)
    centres = np.arange(height) + 0.5
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        rows = np.flatnonzero((centres >= min(y0, y1)) & (centres < max(y0, y1)))
        if len(rows):
            crossings = x0 + (centres[rows] - y0) / (y1 - y0) * (x1 - x0)
            turns[rows, np.clip(np.ceil(crossings - 0.5), 0, width).astype(int)] += 1
    return np.asarray(turns.cumsum(axis=1)[:, :width] % 2 == 1)


def _uncompressed(text: str, where: str) -> list[int]:
    """Run lengths out of text: five bits a character from "0", lowest first; from the fourth on, differences by two."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise DataError(f"{where}: expected numbers in characters from '0' to 'o', got {letter!r}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:  # the number's last character; its highest bit is the sign
            value -= (bits & 16) << 1 << (shift - 5)
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise DataError(f"{where}: the text is cut short")
    return runs
