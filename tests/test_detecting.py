"""Questions out of records, predictions out of answers, and the pictures of both."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import shared
from vstkit import detecting, drawing
from vstkit.errors import DataError
from vstkit.geometry import dialects
from vstkit.records import Prediction
from vstkit.validation import parse

BOX = {"label": "chair", "box3d": [0.0, 0.0, 2.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]}


def scene(*images: str) -> dict[str, Any]:
    views = [{"image": i, "width": 80, "height": 60, "camera": [80.0, 80.0, 39.5, 29.5]} for i in images or ["a.png"]]
    return {"kind": "scene", "id": "s", "views": views}


def ask(record: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    return list(detecting.questions(record, Counter(), **options))


def test_one_question_a_label_and_view() -> None:
    asked = ask(scene("a.png", "b.png"), labels=["chair", "table"], focal=160.0)
    assert [(q["meta"]["view"], q["meta"]["labels"]) for q in asked] == [
        (0, ["chair"]),
        (0, ["table"]),
        (1, ["chair"]),
        (1, ["table"]),
    ]
    assert len({q["id"] for q in asked}) == 4
    assert all(q["meta"]["size"] == [160, 120] for q in asked)
    assert all("width=160 and height=120" in q["messages"][0]["content"][1]["text"] for q in asked)
    assert all([m["role"] for m in q["messages"]] == ["user"] and "answer" not in q for q in asked)
    (together,) = ask(scene(), labels=["chair", "table"], together=True)
    assert together["messages"][0]["content"][1]["text"].endswith("of chair, table")


def test_what_cannot_be_asked() -> None:
    with pytest.raises(DataError, match="give --labels"):
        ask(scene())
    with pytest.raises(DataError, match="task: expected det3d, got 'other'"):
        ask({"kind": "sample", "id": "x", "task": "other", "messages": []})
    with pytest.raises(DataError, match="meta: expected the camera"):
        ask({"kind": "sample", "id": "x", "task": "det3d", "messages": []})


def test_a_prediction_keeps_the_question_and_the_raw_answer() -> None:
    (question,) = ask(scene(), labels=["chair"])
    text = dialects.format_boxes([BOX])
    made = detecting.prediction({**question, "note": 1}, text)
    assert parse(made, Prediction).response == text
    assert made["id"] == question["id"]
    assert made["note"] == 1
    assert "answer_faults" not in made["meta"]
    (box,) = made["boxes3d"]
    assert box["box3d"] == pytest.approx(BOX["box3d"])
    f, (width, height) = question["meta"]["camera"][0], question["meta"]["size"]
    reach = 0.25 * f / 1.75  # half the near face, 1.75 m away
    cx, cy = question["meta"]["camera"][2:]
    assert box["box2d"] == pytest.approx([cx - reach, cy - reach, cx + reach, cy + reach], abs=0.06)
    assert width > box["box2d"][2]
    assert height > box["box2d"][3]


@pytest.mark.parametrize(
    ("text", "boxes", "faults"),
    [
        ("I see no chair.", 0, {"unusable": 0, "cut": False, "no_list": True}),
        (dialects.format_boxes([BOX, BOX])[:-20], 1, {"unusable": 0, "cut": True, "no_list": False}),
        (dialects.format_boxes([BOX, BOX]), 1, {"unusable": 1, "cut": False, "no_list": False}),
        ('[{"bbox_3d": [1, 2], "label": "chair"}]', 0, {"unusable": 1, "cut": False, "no_list": False}),
    ],
)
def test_faults_of_an_answer_are_counted(text: str, boxes: int, faults: dict[str, Any]) -> None:
    (question,) = ask(scene(), labels=["chair"])
    made = detecting.prediction(question, text)
    assert len(made["boxes3d"]) == boxes
    assert made["meta"]["answer_faults"] == faults


def test_answers_come_back_in_order_whatever_the_batch() -> None:
    questions = ask(scene(), labels=[f"thing{i}" for i in range(7)])
    for batch in (1, 3, 10):
        sizes: list[int] = []

        def say(held: list[dict[str, Any]], sizes: list[int] = sizes) -> list[str]:
            sizes.append(len(held))
            return [q["meta"]["labels"][0] for q in held]

        made = detecting.answered(iter(questions), say, batch)
        assert [p["response"] for p in made] == [f"thing{i}" for i in range(7)]
        assert max(sizes) <= batch
        assert sum(sizes) == 7


def predictions(folder: Path, *names: str) -> list[dict[str, Any]]:
    for name in names:
        Image.new("RGB", (80, 60), (10, 10, 10)).save(folder / name)
    asked = ask(scene(*names), labels=["chair", "table"], focal=160.0)
    return [detecting.prediction(q, dialects.format_boxes([BOX])) for q in asked]


def test_one_picture_an_image(tmp_path: Path) -> None:
    held = predictions(tmp_path, "a.png", "b.png")
    passed = list(detecting.draw(iter(held), str(tmp_path / "out"), str(tmp_path)))
    assert passed == held
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    with Image.open(tmp_path / "out" / "a.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (120, 160, 3)
    cx = held[0]["meta"]["camera"][2]
    edge = round(cx - 0.25 * held[0]["meta"]["camera"][0] / 1.75)  # the left edge of the near face
    assert (pixels[40, edge - 1 : edge + 2] == drawing.PREDICTED).all(axis=1).any()


def test_one_file_cannot_hold_two_images(tmp_path: Path) -> None:
    held = predictions(tmp_path, "a.png", "b.png")
    list(detecting.draw(iter(held[:2]), str(tmp_path / "one.png"), str(tmp_path)))
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.size == (160, 120)
    with pytest.raises(DataError, match="more than one image"):
        list(detecting.draw(iter(held), str(tmp_path / "two.png"), str(tmp_path)))


def test_two_recipes_of_one_picture_do_not_overwrite_each_other(tmp_path: Path) -> None:
    held = predictions(tmp_path, "a.png")
    other = {**held[0], "images": ["a.png"]}
    list(detecting.draw(iter([held[0], other]), str(tmp_path / "out"), str(tmp_path)))
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_real_models_answer_sits_on_the_chairs() -> None:
    """VST-7B-RL's own answer: every box projects into the picture, the nearest below the farthest."""
    items = json.loads((shared() / "detections" / "real_3d_predictions.json").read_text())["items"]
    question = ask(
        {
            "kind": "scene",
            "id": "demo",
            "views": [{"image": "x", "width": 730, "height": 530, "camera": [529.5, 529.5, 365.0, 265.0]}],
        },
        labels=["chair"],
    )[0]
    made = detecting.prediction(question, items[0]["response"])
    assert len(made["boxes3d"]) == 5
    assert all("box2d" in box for box in made["boxes3d"])
    assert "answer_faults" not in made["meta"]
