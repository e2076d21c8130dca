"""3D detection of records: questions out of scenes, answers out of model text, pictures of both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from vstkit import fov, images
from vstkit.chance import digest
from vstkit.drawing import draw_boxes
from vstkit.errors import DataError
from vstkit.geometry.boxes import image_box
from vstkit.geometry.cameras import DEFAULT_FOCAL
from vstkit.geometry.dialects import VST, Notation, notation_of, parse_boxes
from vstkit.records import Sample, Scene
from vstkit.tasks import detection
from vstkit.validation import parse

Record = dict[str, Any]


def questions(
    record: Record,
    tally: Counter[str],
    *,
    labels: Sequence[str] = (),
    together: bool = False,
    focal: float = DEFAULT_FOCAL,
    root: str = ".",
    notation: Notation = VST,
) -> Iterator[Record]:
    """What to ask the model about a record: a sample of task det3d as it is; of a scene, each view for each label.

    Scenes are brought to focal length `focal` first; with `together`, one question asks for all labels. `notation` is
    how scenes are asked about; a sample says its own.
    """
    if record["kind"] == "sample":
        sample = parse(record, Sample)
        if sample.task != detection.TASK:
            raise DataError(f"task: expected {detection.TASK}, got {sample.task!r}")
        if not {"camera", "size"} <= set(sample.meta):
            raise DataError("meta: expected the camera and the size of the image")
        yield record
        return
    if not labels:
        raise DataError("a scene says nothing of what to look for: give --labels")
    (unified,) = fov.unify(record, tally, focal=focal, root=root)
    for index, view in enumerate(parse(unified, Scene).views):
        camera = view.camera, view.width, view.height
        for asked in [list(labels)] if together else [[label] for label in labels]:
            sample_record = detection.question(unified, index, asked, camera, notation=notation)
            tally["questions"] += 1
            yield sample_record


def answered(questions: Iterator[Record], ask: Callable[[list[Record]], list[str]], batch: int) -> Iterator[Record]:
    """The predictions for `questions`, in order; `ask` answers up to `batch` of them at once."""
    while held := list(islice(questions, batch)):
        yield from map(prediction, held, ask(held))


def prediction(question: Record, response: str) -> Record:
    """The prediction record of a model's answer: its boxes with their place in the image, and what was unusable."""
    camera, size = question["meta"]["camera"], question["meta"]["size"]
    parsed = parse_boxes(response, notation_of(question["meta"]), camera)
    found: list[Record] = []
    for box in parsed.boxes:
        place = image_box(box["box3d"], camera, *size)
        found.append({**box, **({"box2d": [round(float(x), 1) for x in place]} if place is not None else {})})
    faults = {"unusable": parsed.dropped, "cut": parsed.cut, "no_list": not parsed.found}
    meta = {**question["meta"], **({"answer_faults": faults} if any(faults.values()) else {})}
    return {**question, "kind": "prediction", "meta": meta, "response": response, "boxes3d": found}


def draw(predictions: Iterable[Record], target: str, root: str) -> Iterator[Record]:
    """Pass predictions on; of those that follow each other on one image draw one picture, true boxes in it too.

    `target` is a picture file, for one image, or a folder. Raises DataError when a file is to hold a second image.
    """
    drawn: set[Path] = set()
    for key, group in groupby(predictions, key=lambda p: json.dumps(p["images"][0], sort_keys=True)):
        held = list(group)
        first, recipe = held[0], held[0]["images"][0]
        picture = images.open_image(recipe, root)
        true = [box for p in held for box in p.get("answer", {}).get("value", [])]
        draw_boxes(picture, first["meta"]["camera"], true=true, predicted=[b for p in held for b in p["boxes3d"]])
        path = Path(target)
        if path.suffix.lower() not in images.SUFFIXES:
            stem = Path(images.path_of(recipe)).stem
            path = path / f"{stem}.png"
            if path in drawn:  # another recipe of a picture with this name
                path = path.with_name(f"{stem}-{digest(key, length=6)}.png")
        elif path in drawn:
            raise DataError(f"--draw {target}: there is more than one image; name a folder")
        images.save(picture, path)
        drawn.add(path)
        yield from held
