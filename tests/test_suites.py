"""From prediction records to score records."""

from __future__ import annotations

from typing import Any

import pytest

from vstkit.errors import DataError
from vstkit.geometry.dialects import format_boxes
from vstkit.records import Score
from vstkit.scoring import det3d_records as suites
from vstkit.validation import parse

CHAIR = [0.0, 0.0, 2.0, 0.5, 0.9, 0.5, 10.0, 20.0, 30.0]
TABLE = [1.0, 0.2, 3.0, 1.5, 0.8, 0.9, 0.0, -40.0, 0.0]


def boxes(*named: tuple[str, list[float]]) -> list[dict[str, Any]]:
    return [{"label": label, "box3d": box} for label, box in named]


def prediction(true: list[dict[str, Any]], response: str = "", **more: Any) -> dict[str, Any]:
    meta = {"camera": [600, 600, 320, 240], "size": [640, 480], "labels": sorted({b["label"] for b in true})}
    return {
        "kind": "prediction",
        "id": "p",
        "task": "det3d",
        "messages": [],
        "answer": {"type": "boxes3d", "value": true},
        "meta": meta,
        "response": response,
        **more,
    }


def questions(*records: dict[str, Any]) -> list[Any]:
    return [q for record in records for q in suites.det3d_questions(record)]


def value(records: list[dict[str, Any]], **wanted: Any) -> float:
    (found,) = [
        r for r in records if all(r.get(k) == v for k, v in wanted.items()) and ("group" in wanted) == ("group" in r)
    ]
    return float(found["value"])


def test_one_label_is_given_by_the_question() -> None:
    """The official protocol never reads the labels of predictions: a chair that is called stool is a chair."""
    (question,) = questions(prediction(boxes(("chair", CHAIR)), format_boxes(boxes(("stool", CHAIR)))))
    assert question["category"] == "chair"
    assert len(question["predicted"]) == 1
    assert question["size"] == (640, 480)


def test_several_labels_go_by_name() -> None:
    record = prediction(
        boxes(("chair", CHAIR), ("table", TABLE)), boxes3d=boxes(("table", TABLE), ("chair", CHAIR), ("lamp", CHAIR))
    )
    chair, table = questions(record)
    assert (chair["category"], *map(list, chair["predicted"])) == ("chair", CHAIR)
    assert (table["category"], *map(list, (*table["truth"], *table["predicted"]))) == ("table", TABLE, TABLE)


def test_parsed_boxes_count_before_the_text() -> None:
    (question,) = questions(prediction(boxes(("chair", CHAIR)), format_boxes([]), boxes3d=boxes(("chair", CHAIR))))
    assert list(map(list, question["predicted"])) == [CHAIR]


def test_other_answers_are_refused() -> None:
    record = prediction([]) | {"answer": {"type": "count", "value": 3}}
    with pytest.raises(DataError, match="answer: expected 3D boxes"):
        questions(record)
    with pytest.raises(DataError, match="response: missing"):
        questions({k: v for k, v in prediction([]).items() if k != "response"})


@pytest.mark.parametrize("ties", ["file", "average"])
def test_the_truth_scores_one(ties: Any) -> None:
    true = [boxes(("chair", CHAIR)), boxes(("table", TABLE))]
    held = questions(*(prediction(t, boxes3d=t) | {"id": str(i)} for i, t in enumerate(true)))
    scores = list(suites.det3d_scores(held, ties=ties, by_label=True))
    for metric in ("AP", "AP15", "AP25", "AP50", "AR100", "F1@25"):
        assert value(scores, metric=metric) == pytest.approx(1, abs=1e-12)
    assert value(scores, metric="AP15", group={"label": "table"}) == pytest.approx(1, abs=1e-12)
    for record in scores:
        assert parse(record, Score).n == (1 if "group" in record else 2)
        assert ties in record["rules"]
    assert len({r["id"] for r in scores}) == len(scores)
    # Nothing lies beyond 10 metres: no number rather than a made-up one.
    assert not any(r["metric"] in ("APmed", "APfar") for r in scores)


def test_no_answer_scores_nothing() -> None:
    scores = list(suites.det3d_scores(questions(prediction(boxes(("chair", CHAIR)), "I cannot see one."))))
    assert value(scores, metric="AP15") == 0
    assert value(scores, metric="recall@25") == 0
