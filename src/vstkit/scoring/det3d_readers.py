"""Truths and predictions of 3D boxes in other people's files, as prediction records.

`vst`: the benchmark of VST, a JSON list of questions {uid, image_path, height, width, camera_intrinsics, category,
question, answer: boxes of nine numbers} (published as rayruiyang/vst_3d_grounding_benchmark), and a list of predictions
{uid | id | question_id, predictions | answer}: boxes of nine numbers in degrees, or text, which has them in `<3dbbox>`
tags in degrees, or is the model's JSON with angles divided by 180. Each question is its own image.

`omni3d`: an Omni3D JSON file (its DATA.md says what is in it) and Cube R-CNN's `omni_instances_results.json`, a list of
instances {image_id, category_id, score, bbox, bbox3D}, or a list of {image_id, instances}; ids of categories are those
of the Omni3D file. Whether a truth counts is decided by the annotation, as its evaluation does: behind_camera, valid3D,
dimensions, depth, points, depth_error, height, truncation, visibility.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vstkit.datasets.common import dicts, load_json
from vstkit.errors import DataError
from vstkit.geometry.dialects import CLOSE, OPEN, parse_boxes
from vstkit.geometry.rotations import Array, matrix_to_euler
from vstkit.scoring.det3d_boxes import RULES, Protocol, Rules

Record = dict[str, Any]

IGNORED = ("dontcare", "ignore", "void")  # Omni3D's names for regions
DEPTH_ERROR = 0.5  # metres
UNKNOWN = (-1, -1, -1, -1)
_NUMBERS = re.compile(f"{OPEN}([^<]*+){CLOSE}")


def vst(path: str, *, truth: str, protocol: Protocol = "vst", partial: bool = False) -> Iterator[Record]:
    """A prediction record for each question of the file `truth`; `path` holds the predictions.

    Raises DataError for ids that stand twice, are unknown or missing; with `partial`, the first counts, unknown ones
    are left out, and missing ones have found nothing, as in the official evaluation.
    """
    questions = _by_id(dicts(load_json(truth), truth), truth, ("uid",), partial)
    given = _by_id(dicts(load_json(path), path), path, ("question_id", "id", "uid"), partial)
    _matching(questions, given, truth, path, partial)
    for name, question in questions.items():
        where, category = f"{truth}: {name}", question.get("category")
        if not isinstance(category, str):
            raise DataError(f"{where}: category: expected a name, got {category!r}")
        intrinsics = question.get("camera_intrinsics", {})
        response, found = _answer(given.get(name, {}), f"{path}: {name}")
        meta: Record = {"labels": [category]}
        if all(isinstance(intrinsics.get(key), int | float) for key in ("fx", "fy", "cx", "cy")):
            meta["camera"] = [intrinsics[key] for key in ("fx", "fy", "cx", "cy")]
            meta["size"] = [question.get("width"), question.get("height")]
        yield {
            "kind": "prediction",
            "id": name,
            "dataset": Path(truth).stem,
            "messages": [{"role": "user", "content": str(question.get("question", ""))}],
            "answer": {"type": "boxes3d", "value": _labelled(category, question.get("answer"), f"{where}: answer")},
            "meta": meta,
            "response": response,
            "boxes3d": _labelled(category, found, f"{path}: {name}"),
        }


def _answer(entry: Record, where: str) -> tuple[str, list[Any]]:
    """The text of an entry, if it is one, and its boxes."""
    given = entry.get("predictions", entry.get("answer"))
    if isinstance(given, list):
        return "", given
    if not isinstance(given, str | None):
        raise DataError(f"{where}: expected boxes or text, got {type(given).__name__}")
    text = given or ""
    if OPEN not in text:
        return text, [box["box3d"] for box in parse_boxes(text).boxes]
    tags = [_floats(tag.split()) for tag in _NUMBERS.findall(text)]
    return text, [numbers for numbers in tags if len(numbers) == 9]


def _floats(words: list[str]) -> list[float]:
    """The numbers that words are; none where one is not."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return []


def _labelled(label: str, boxes: Any, where: str) -> list[Record]:
    if not isinstance(boxes, list) or not all(isinstance(box, list) and len(box) == 9 for box in boxes):
        raise DataError(f"{where}: expected boxes of nine numbers")
    return [{"label": label, "box3d": box} for box in boxes]


def omni3d(path: str, *, truth: str, protocol: Protocol = "omni3d", partial: bool = False) -> Iterator[Record]:
    """A prediction record for each image of the Omni3D file `truth`; `path` holds the predictions.

    Which truths count is said by `ignore`, by the rules of the protocol. Raises DataError for what is no box, and for
    images and categories that `truth` does not know, which `partial` leaves out.
    """
    data = load_json(truth)
    if not isinstance(data, dict) or not {"images", "categories", "annotations"} <= data.keys():
        raise DataError(f"{truth}: expected Omni3D JSON, an object with images, categories and annotations")
    images = _by_id(dicts(data["images"], f"{truth}: images"), truth, ("id",), partial=False)
    names = {str(category.get("id")): str(category.get("name")) for category in data["categories"]}
    instances = _instances(path, images, names, partial)
    true = _true(dicts(data["annotations"], f"{truth}: annotations"), images, names, RULES[protocol], truth)
    for name, image in images.items():
        value, found = true.get(name, []), instances.get(name, [])
        K, size = image.get("K"), [image.get("width"), image.get("height")]
        camera = {"camera": [K[0][0], K[1][1], K[0][2], K[1][2]], "size": size} if K else {}
        yield {
            "kind": "prediction",
            "id": name,
            "dataset": Path(truth).stem,
            "messages": [],
            "answer": {"type": "boxes3d", "value": value},
            "meta": {**camera, "labels": sorted({box["label"] for box in (*value, *found)})},
            "response": "",
            "boxes3d": found,
        }


def _instances(
    path: str, images: Mapping[str, Any], names: Mapping[str, str], partial: bool
) -> dict[str, list[Record]]:
    """The predicted boxes of each image."""
    entries = dicts(load_json(path), path)
    flat = [
        instance
        for entry in entries
        for instance in (dicts(entry["instances"], f"{path}: instances") if "instances" in entry else [entry])
    ]
    unknown = [e for e in (*entries, *flat) if str(e.get("image_id")) not in images]
    unknown += [e for e in flat if str(e.get("category_id")) not in names]
    if unknown and not partial:
        first = {key: unknown[0].get(key) for key in ("image_id", "category_id")}
        raise DataError(f"{path}: {first} is not in the Omni3D file (--partial leaves such out)")
    flat = [e for e in flat if str(e.get("image_id")) in images and str(e.get("category_id")) in names]
    boxes = _from_corners([e.get("bbox3D") for e in flat], f"{path}: bbox3D")
    held: dict[str, list[Record]] = {}
    for instance, box in zip(flat, boxes.tolist(), strict=True):
        found = {"label": names[str(instance["category_id"])], "box3d": box, "score": instance.get("score", 1.0)}
        if len(rectangle := instance.get("bbox", ())) == 4:
            x, y, width, height = rectangle
            found["box2d"] = [x, y, x + width, y + height]
        held.setdefault(str(instance["image_id"]), []).append(found)
    return held


def _true(
    annotations: list[Record], images: Mapping[str, Record], names: Mapping[str, str], rules: Rules, path: str
) -> dict[str, list[Record]]:
    """The true boxes of each image; those without a place in the picture, and regions, are left out."""
    kept, rectangles = [], []
    for i, annotation in enumerate(annotations):
        if str(annotation.get("image_id")) not in images:
            raise DataError(f"{path}: annotations[{i}].image_id: no image has the id {annotation.get('image_id')}")
        if (rectangle := _rectangle(annotation, rules)) is not None:
            kept.append(annotation)
            rectangles.append(rectangle)
    valid = [a.get("valid3D", True) and min(a.get("dimensions", [1])) > 0 for a in kept]
    boxes = np.zeros((len(kept), 9))
    boxes[valid] = _from_corners(
        [a.get("bbox3D_cam") for a, good in zip(kept, valid, strict=True) if good], f"{path}: bbox3D_cam"
    )
    held: dict[str, list[Record]] = {}
    for annotation, box, rectangle in zip(kept, boxes.tolist(), rectangles, strict=True):
        label = str(annotation.get("category_name") or names.get(str(annotation.get("category_id")), ""))
        image = str(annotation["image_id"])
        if label not in IGNORED:
            ignore = _ignored(annotation, float(images[image]["height"]), rules)
            true = {"label": label, "box3d": box, "box2d": rectangle, "ignore": ignore}
            held.setdefault(image, []).append(true)
    return held


def _rectangle(annotation: Record, rules: Rules) -> Sequence[float] | None:
    """Where a truth is in the picture: what of its projection is in it, or all of that, or what was annotated."""
    clipped = annotation.get("bbox2D_trunc", UNKNOWN) if rules.clipped else UNKNOWN
    others: Iterator[Sequence[float]] = (annotation.get(f, UNKNOWN) for f in ("bbox2D_proj", "bbox2D_tight"))
    return next((r for r in others if r[0] != -1), None) if _unknown(clipped) else clipped


def _unknown(rectangle: Sequence[float]) -> bool:
    return all(value == -1 for value in rectangle)


def _ignored(annotation: Record, image_height: float, rules: Rules) -> bool:
    """Omni3D's `is_ignore`: nobody has to find this one. -1 stands for what is not known."""
    if annotation.get("behind_camera") or not annotation.get("valid3D", True):
        return True
    clipped = annotation.get("bbox2D_trunc", UNKNOWN) if rules.clipped else UNKNOWN
    rectangle = annotation.get("bbox2D_proj", UNKNOWN) if _unknown(clipped) else clipped
    height = rectangle[3] - rectangle[1]
    return bool(
        min(annotation.get("dimensions", [1])) <= 0
        or annotation.get("center_cam", [0, 0, 0])[2] > 1e8
        or annotation.get("lidar_pts", -1) == 0
        or annotation.get("segmentation_pts", -1) == 0
        or annotation.get("depth_error", -1) > DEPTH_ERROR
        or not rules.lowest * image_height < height < rules.highest * image_height
        or annotation.get("truncation", -1) >= rules.truncation
        or 0 <= annotation.get("visibility", -1) <= rules.visibility
    )


def _from_corners(corners: list[Any], where: str) -> Array:
    """Boxes (n, 9) with these corners (n, 8, 3), numbered as in `geometry.boxes`. Raises DataError for no boxes."""
    try:
        points = np.array(corners, dtype=float).reshape(-1, 8, 3)
    except (ValueError, TypeError):
        raise DataError(f"{where}: expected eight corners of three numbers each") from None
    edges = np.stack([points[:, i] - points[:, 0] for i in (1, 3, 4)], axis=-1)  # columns along x, y, z
    sizes = np.sqrt((edges**2).sum(1))
    last = points[:, 0] + edges.sum(-1) - points[:, 6]
    skew = np.abs(np.swapaxes(edges, 1, 2) @ edges)[:, [0, 0, 1], [1, 2, 2]]
    tolerance = 1e-2 * sizes.max(1, initial=0) + 1e-4
    wrong = np.flatnonzero((np.abs(last).max(1) > tolerance) | (skew.max(1) > tolerance * (sizes.max(1) + 1e-4)))
    if wrong.size:
        raise DataError(f"{where}: the corners of entry {wrong[0]} are not those of a box, numbered as Omni3D does")
    R = edges / np.maximum(sizes, 1e-12)[:, None]
    R[..., 2] *= np.where(np.linalg.det(R) < 0, -1, 1)[:, None]  # the same corners, numbered in a mirror
    angles = np.where((sizes > 0).all(1)[:, None], matrix_to_euler(R), 0.0)
    return np.concatenate([points.mean(1), sizes, angles], axis=1)


def _by_id(entries: Iterable[Record], path: str, keys: tuple[str, ...], partial: bool) -> dict[str, Record]:
    held: dict[str, Record] = {}
    twice = Counter[str]()
    for i, entry in enumerate(entries):
        name = next((str(entry[key]) for key in keys if key in entry), None)
        if name is None:
            raise DataError(f"{path}: [{i}]: expected {' or '.join(keys)}")
        twice[name] += name in held
        held.setdefault(name, entry)
    if twice.total() and not partial:
        raise DataError(f"{path}: {next(n for n in twice if twice[n])!r} stands twice (--partial takes the first)")
    return held


def _matching(truth: Mapping[str, Any], given: Mapping[str, Any], file: str, path: str, partial: bool) -> None:
    missing, unknown = [n for n in truth if n not in given], [n for n in given if n not in truth]
    if missing and not partial:
        raise DataError(f"{path}: no prediction for {len(missing)} questions of {file}, the first is {missing[0]!r}")
    if unknown and not partial:
        raise DataError(f"{path}: {len(unknown)} ids are not in {file}, the first is {unknown[0]!r}")


READERS: dict[str, Callable[..., Iterator[Record]]] = {"vst": vst, "omni3d": omni3d}
