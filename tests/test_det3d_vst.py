"""VST's files of 3D boxes, made here in the official layout, and read back; and what records say of 3D boxes."""

from __future__ import annotations

import json

import pytest

from scored_boxes import CAMERA, CHAIR, HEIGHT, LAMP, TABLE, WIDTH, score
from support import run
from vstkit.errors import DataError
from vstkit.geometry.dialects import format_boxes
from vstkit.records import Prediction
from vstkit.scoring import det3d
from vstkit.scoring.det3d_readers import vst
from vstkit.scoring.det3d_records import det3d_questions
from vstkit.validation import parse


def vst_question(name, category, answer):
    return {
        "uid": name,
        "image_path": "a.jpg",
        "height": HEIGHT,
        "width": WIDTH,
        "camera_intrinsics": dict(zip(("fx", "fy", "cx", "cy"), CAMERA, strict=True)),
        "category": category,
        "question": f"Detect the 3D bounding boxes of {category}",
        "answer": answer,
    }


def written(folder, truth, predictions):
    paths = folder / "vst_arkitscenes.json", folder / "predictions.json"
    for path, value in zip(paths, (truth, predictions), strict=True):
        path.write_text(json.dumps(value))
    return {"path": str(paths[1]), "truth": str(paths[0])}


def test_vst_files(tmp_path):
    truth = [vst_question("a", "chair", [CHAIR]), vst_question(7, "table", [TABLE]), vst_question("c", "lamp", [LAMP])]
    tags = f"lamp: <3dbbox>{' '.join(map(str, LAMP))}</3dbbox> and <3dbbox>1  2</3dbbox> <3dbbox>one two</3dbbox>"
    text = format_boxes([{"label": "table", "box3d": TABLE}])
    predictions = [
        {"question_id": "a", "predictions": [CHAIR, TABLE]},
        {"uid": 7, "answer": text},
        {"id": "c", "predictions": tags},
    ]
    records = list(vst(**written(tmp_path, truth, predictions)))
    for record in records:
        parse(record, Prediction)
    assert [[box["box3d"] for box in r["boxes3d"]] for r in records][::2] == [[CHAIR, TABLE], [LAMP]]
    (table,) = records[1]["boxes3d"]
    assert table["box3d"] == pytest.approx(TABLE, abs=1)  # angles have two decimals of half a turn
    assert (records[1]["response"], records[2]["response"]) == (text, tags)
    assert records[0]["meta"] == {"labels": ["chair"], "camera": CAMERA, "size": [WIDTH, HEIGHT]}
    questions = [q for record in records for q in det3d_questions(record)]
    assert [q["category"] for q in questions] == ["chair", "table", "lamp"]  # whatever the boxes are called
    assert [len(q["predicted"]) for q in questions] == [2, 1, 1]


def test_vst_truth_as_prediction_is_perfect(tmp_path):
    truth = [vst_question(i, label, [b]) for i, (label, b) in enumerate([("chair", CHAIR), ("table", TABLE)] * 3)]
    predictions = [{"uid": q["uid"], "predictions": q["answer"]} for q in truth]
    files = written(tmp_path, truth, predictions)
    for protocol in ("vst", "omni3d"):
        for ties in ("file", "average"):
            overall, found = score(list(vst(**files)), protocol=protocol, ties=ties, by_label=True)
            assert overall["AP"]["value"] == pytest.approx(1, abs=1e-12)
            assert overall["AP"]["labels"] == ["chair", "table"]
            assert f"{protocol}, exact IoU, ties {ties}" == overall["AP"]["rules"]
            assert [s["value"] for s in found if "group" in s] == pytest.approx([1] * 10, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "predictions", "message"),
    [
        (["a"], ["b"], "no prediction for 1 questions of .*, the first is 'a'"),
        (["a"], ["a", "b"], "1 ids are not in .*, the first is 'b'"),
        (["a"], ["a", "a"], "'a' stands twice"),
        (["a", "a"], ["a"], "'a' stands twice"),
    ],
)
def test_vst_ids_that_do_not_match(tmp_path, truth, predictions, message):
    questions = [vst_question(name, "chair", [CHAIR]) for name in truth]
    files = written(tmp_path, questions, [{"uid": name, "predictions": [CHAIR]} for name in predictions])
    with pytest.raises(DataError, match=message):
        list(vst(**files))
    (record,) = vst(**files, partial=True)
    assert len(record["boxes3d"]) == ("a" in predictions)  # without a prediction, nothing is found


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ({}, {"predictions": [[1, 2]]}, "expected boxes of nine numbers"),
        ({}, {"predictions": {"a": 1}}, "expected boxes or text, got dict"),
        ({"answer": [[1]]}, {}, "answer: expected boxes of nine numbers"),
        ({"category": None}, {}, "category: expected a name, got None"),
    ],
)
def test_vst_files_that_are_wrong(tmp_path, truth, prediction, message):
    files = written(tmp_path, [vst_question("a", "chair", [CHAIR]) | truth], [{"uid": "a"} | prediction])
    with pytest.raises(DataError, match=message):
        list(vst(**files))


def test_the_program_reads_it(tmp_path):
    files = written(tmp_path, [vst_question("a", "chair", [CHAIR])], [{"uid": "a", "predictions": [CHAIR]}])
    options = ("score", "--suite", "det3d", "--truth", files["truth"], files["path"], "--from")
    done = run(*options, "vst")
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(s["value"], s["n"]) for s in made if s["metric"] == "AP50"] == [(pytest.approx(1), 1)]
    refused = run(*options, "coco")
    assert (refused.returncode, b"--from: expected vst or omni3d" in refused.stderr) == (2, True)
    (tmp_path / "predictions.json").write_text("[]")
    missing = run(*options, "vst")
    assert (missing.returncode, b"no prediction for 1 questions" in missing.stderr) == (1, True)


def record_of(boxes, found=None, **more):
    meta = {"camera": CAMERA, "size": [WIDTH, HEIGHT], "labels": ["chair"]}
    answer = {"type": "boxes3d", "value": [{"label": "chair", "box3d": box} for box in boxes]}
    held = {"kind": "prediction", "id": "p", "messages": [], "answer": answer, "meta": meta, "response": ""}
    return {**held, "boxes3d": [{"label": "chair", "box3d": box} for box in found or []], **more}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes3d": [{"label": "chair", "box3d": CHAIR, "score": "high"}]}, r"boxes3d\[0\].score: expected float"),
        ({"boxes3d": [{"label": "chair", "box3d": CHAIR[:8]}]}, r"boxes3d\[0\].box3d: expected array of length 9"),
        ({"meta": {"camera": [1, 2]}}, r"meta.camera: expected array of length 4"),
        ({"meta": {"labels": "chair"}}, r"meta.labels: expected array"),
    ],
)
def test_records_that_are_wrong(change, message):
    with pytest.raises(DataError, match=message):
        list(det3d_questions(record_of([CHAIR]) | change))


def test_what_records_say_of_boxes():
    record = record_of([CHAIR, LAMP], [CHAIR, TABLE])
    record["answer"]["value"][1]["ignore"] = True
    record["boxes3d"][1]["score"] = 0.25
    (question,) = det3d_questions(record)
    assert (question["ignored"], question["scores"]) == ([False, True], [1.0, 0.25])
    overall, _ = score([record])
    assert (overall["AP"]["n"], overall["AP"]["ignored"]) == (1, 1)
    # In SUN RGB-D what is near no truth is of no account; the rectangles are projected where the record has none.
    overall, _ = score([record | {"dataset": "sunrgbd"}], protocol="omni3d")
    assert overall["AP"]["excused"] == 1


def test_scores_of_an_order_have_their_spread():
    records = [record_of([CHAIR], [CHAIR] if i % 2 else [TABLE]) | {"id": str(i)} for i in range(20)]
    overall, _ = score(records, ties="average")
    again, _ = score(records[::-1], ties="average")
    assert overall == again
    assert overall["AP"]["spread"] > overall["AP"]["error"] > 0
    best = sorted(records, key=lambda record: record["boxes3d"][0]["box3d"] != CHAIR)
    orders = [[q for r in order for q in det3d_questions(r)] for order in (best, best[::-1])]
    high, low = (det3d.evaluate(order)["metrics"]["AP"] for order in orders)
    assert low < overall["AP"]["value"] < high


def test_the_program_takes_the_protocol(tmp_path):
    lines = "".join(json.dumps(record_of([[*CHAIR[:2], 40.0, *CHAIR[3:]]], [])) + "\n")
    for protocol, n in (("vst", [1]), ("omni3d", [])):
        done = run("score", "--suite", "det3d", "--protocol", protocol, stdin=lines.encode())
        assert done.returncode == 0, done.stderr
        made = [json.loads(line) for line in done.stdout.splitlines()]
        assert [s["n"] for s in made if s["metric"] == "AP"] == n  # eleven pixels high: too low for Omni3D
