"""Suites: from prediction records to score records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from vstkit.chance import digest
from vstkit.errors import DataError
from vstkit.geometry.dialects import parse_boxes
from vstkit.records import Boxes3D, Prediction
from vstkit.scoring import det3d
from vstkit.validation import parse

Record = dict[str, Any]


def det3d_questions(record: Record) -> Iterator[det3d.Question]:
    """What a prediction of 3D boxes is scored on: one question for each category that was asked for.

    As in VST's protocol the category is given by the question: with one asked, every predicted box counts for it,
    whatever its label says. With several, boxes go by their labels. Raises DataError for other predictions.
    """
    prediction = parse(record, Prediction)
    if not isinstance(prediction.answer, Boxes3D):
        raise DataError("answer: expected 3D boxes to score against")
    truth = [(box.label, box.box3d) for box in prediction.answer.value]
    found = record["boxes3d"] if "boxes3d" in record else parse_boxes(prediction.response).boxes
    asked = prediction.meta.get("labels") or sorted({label for label, _ in truth})
    size = prediction.meta.get("size")
    for label in asked:
        yield {
            "image": prediction.id,
            "category": label,
            "truth": [box for name, box in truth if name == label],
            "predicted": [box["box3d"] for box in found if len(asked) == 1 or box["label"] == label],
            "scores": [box.get("score", 1.0) for box in found if len(asked) == 1 or box["label"] == label],
            "camera": prediction.meta.get("camera"),
            "height": size[1] if size else None,
        }


def det3d_scores(
    questions: list[det3d.Question], *, ties: det3d.Ties = "file", by_label: bool = False
) -> Iterator[Record]:
    """Score records of a whole set: the 13 numbers of Omni3D and the order-free ones; `n` counts the boxes to find.

    A number is absent where there is nothing to find. With `by_label`, AP of each label too.
    """
    result = det3d.evaluate(questions, ties=ties)
    truth = Counter[str]()
    for question in questions:
        truth[question["category"]] += len(question["truth"])  # type: ignore[arg-type]
    yield from _scores(result["metrics"], truth.total(), ties)
    if by_label:
        for label, metrics in result["categories"].items():
            yield from _scores(metrics, truth[label], ties, label)


def _scores(metrics: dict[str, float | None], n: int, ties: str, label: str | None = None) -> Iterator[Record]:
    group = {"group": {"label": label}} if label else {}
    for metric, value in metrics.items():
        if value is not None:
            head = {"kind": "score", "id": f"det3d/{digest(metric, label, ties)}", "suite": "det3d", "metric": metric}
            yield {**head, "value": value, "n": n, **group, "rules": f"vst, ties {ties}"}
