"""3D boxes: from prediction records to the questions of `det3d`, and from its numbers to score records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from msgspec import UNSET, Struct, UnsetType, field

from vstkit.chance import digest
from vstkit.errors import DataError
from vstkit.geometry.dialects import notation_of, parse_boxes
from vstkit.scoring import det3d
from vstkit.scoring.det3d_categories import CATEGORIES, HALF_ANNOTATED, known
from vstkit.validation import parse

Record = dict[str, Any]

# Tuples, because the garbage collector soon leaves them alone; of lists it would look at every one, over and over.
Four = tuple[float, float, float, float]
Nine = tuple[float, float, float, float, float, float, float, float, float]


class _Checked(Struct):
    """What a score needs of a prediction record; checking no more than that takes a third of the time."""

    rules: ClassVar[Mapping[tuple[str, ...], Any]] = {}


class _True(_Checked):
    label: str
    box3d: Nine
    box2d: Four | UnsetType = UNSET
    ignore: bool | UnsetType = UNSET


class _Found(_Checked):
    label: str
    box3d: Nine
    box2d: Four | UnsetType = UNSET
    score: float | UnsetType = UNSET


class _Answer(_Checked):
    value: list[_True]


class _Asked(_Checked):
    labels: list[str] = []
    camera: Four | UnsetType = UNSET
    size: tuple[float, float] | UnsetType = UNSET


class _Prediction(_Checked):
    id: str
    answer: _Answer
    response: str
    dataset: str = ""
    meta: _Asked = field(default_factory=_Asked)
    boxes3d: list[_Found] | UnsetType = UNSET


def det3d_questions(record: Record, protocol: det3d.Protocol = "vst") -> Iterator[det3d.Question]:
    """What a prediction of 3D boxes is scored on: one question for each category that was asked for.

    The boxes are those in `boxes3d`, each with an optional `score`, or else those in the text. As in VST's protocol the
    category is given by the question: with one asked, every predicted box counts for it, whatever its label says. With
    several, boxes go by their labels. A true box may say itself that nobody has to find it, by `ignore`; else the
    protocol's rules do. Protocol omni3d knows its datasets by the record's `dataset`: their categories, and where only
    what lies near a true box is judged. Raises DataError for other predictions.
    """
    answer = record.get("answer")
    if not isinstance(answer, dict) or answer.get("type") != "boxes3d":
        raise DataError("answer: expected 3D boxes to score against")
    prediction = parse(record, _Prediction)
    truth, meta = prediction.answer.value, prediction.meta
    found = _in_text(prediction, record) if prediction.boxes3d is UNSET else prediction.boxes3d
    dataset = known(prediction.dataset) if protocol == "omni3d" else None
    asked = meta.labels or sorted({box.label for box in truth})
    for label in asked:
        if dataset and label not in CATEGORIES[dataset]:
            continue
        true = [box for box in truth if box.label == label]
        mine = found if len(asked) == 1 else [box for box in found if box.label == label]
        question: det3d.Question = {
            "image": prediction.id,
            "category": label,
            "truth": tuple(box.box3d for box in true),
            "predicted": tuple(box.box3d for box in mine),
        }
        if any(box.score is not UNSET for box in mine):
            question["scores"] = [1.0 if box.score is UNSET else box.score for box in mine]
        if any(box.ignore is not UNSET for box in true):
            question["ignored"] = [box.ignore is True for box in true]
        if meta.camera is not UNSET and meta.size is not UNSET:
            question["camera"], question["size"] = meta.camera, meta.size
        if dataset in HALF_ANNOTATED:
            question["proximity"] = True
            if (in_picture := _rectangles(true)) is not None:
                question["truth_2d"] = in_picture
            if (in_picture := _rectangles(mine)) is not None:
                question["predicted_2d"] = in_picture
        yield question


def _in_text(prediction: _Prediction, record: Record) -> list[_Found]:
    """The boxes of a model's answer; raises DataError where it takes a camera to read them and there is none."""
    notation = notation_of(record.get("meta", {}))
    camera = None if prediction.meta.camera is UNSET else prediction.meta.camera
    if notation.center == "uvd" and not camera:
        raise DataError("meta: expected the camera of the image, to read projected centres")
    return [
        _Found(box["label"], tuple(box["box3d"])) for box in parse_boxes(prediction.response, notation, camera).boxes
    ]


def _rectangles(boxes: Sequence[_True | _Found]) -> list[Four] | None:
    """The 2D boxes, where all have one; else they are projected."""
    held = [box.box2d for box in boxes if box.box2d is not UNSET]
    return held if len(held) == len(boxes) else None


def det3d_scores(
    questions: Iterable[det3d.Question],
    *,
    protocol: det3d.Protocol = "vst",
    ties: det3d.Ties = "file",
    by_label: bool = False,
) -> Iterator[Record]:
    """Score records of a whole set: the 13 numbers of Omni3D and the order-free ones; `n` counts the boxes to find.

    A number is absent where there is nothing to find. With `by_label`, those of each label too. AP tells the `labels`
    that it is the mean of. Numbers of ties="average" have the `spread` of the official number over the orders of the
    input, and the standard `error` of their own.
    """
    result = det3d.evaluate(questions, protocol=protocol, ties=ties)
    rules = f"{protocol}, exact IoU, ties {ties}"
    counts, n = result["counts"], result["counts"]["truth"] - result["counts"]["ignored"]
    head = {"kind": "score", "suite": "det3d", "rules": rules}
    for metric, value in result["metrics"].items():
        if value is None:
            continue
        more: Record = {"labels": [name for name, each in result["categories"].items() if each["truth"]]}
        more |= {name: counts[name] for name in ("images", "predicted", "ignored", "excused")}
        score = {**head, "id": f"det3d/{digest(metric, None, rules)}", "metric": metric, "value": value, "n": n}
        aside = {name: result[name][metric] for name in ("spread", "error") if metric in result[name]}
        yield {**score, **aside, **(more if metric == "AP" else {})}
    for label, metrics in result["categories"].items() if by_label else ():
        for metric in det3d.BY_CATEGORY:
            if (value := metrics[metric]) is not None:
                score = {**head, "id": f"det3d/{digest(metric, label, rules)}", "metric": metric, "value": value}
                yield {**score, "n": metrics["truth"], "group": {"label": label}}
