"""Other tools' result files as predictions: joined to their benchmarks, scored as published, broken, and cut."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from answered import lines, scored, value
from bench_layouts import LAYOUTS, tsv
from support import shared
from vstkit.datasets.benches import samples
from vstkit.errors import DataError, UsageError
from vstkit.records import Prediction
from vstkit.scoring import readers, running, suites
from vstkit.stream import Stream
from vstkit.tables import EXCEL_CELL
from vstkit.validation import parse

Record = dict[str, Any]
ROW = {"index": 3, "question": "Which?", "A": "x", "B": "y", "answer": "B", "category": "ocr"}


def read(path: Path, source: str, suite: str) -> list[Record]:
    return list(readers.read(str(path), source=source, suite=suite))


def truth(path: Path, suite: str, target: Path) -> str:
    """The samples of an annotation file, to join predictions to."""
    units = samples.find(str(path), suite=suite)
    target.write_bytes(lines(sample for unit in units for sample in samples.read(unit, Counter())))
    return str(target)


def joined(records: Iterable[Record], path: str) -> list[Record]:
    found = [suites.joined(record, path) for record in records]
    return [record for record in found if record]


def workbook(path: Path, table: list[Record]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    names = list(dict.fromkeys(name for row in table for name in row))
    book.active.append(names)
    for row in table:
        book.active.append([row.get(name) for name in names])
    book.save(path)
    return path


# VLMEvalKit


def test_predictions_join_to_the_samples_of_the_same_rows(tmp_path: Path) -> None:
    for suite, row, name, *_ in LAYOUTS:
        (tmp_path / "b.json").write_text(json.dumps([row]))
        (sample,) = [s for u in samples.find(str(tmp_path / "b.json"), suite=suite) for s in samples.read(u, Counter())]
        written = {k: str(v) if isinstance(v, list | dict) else v for k, v in row.items() if v is not None}
        (tmp_path / "p.json").write_text(json.dumps([{**written, "prediction": "A"}]))
        for path in (tmp_path / "p.json", tsv(tmp_path / "p.tsv", [{**written, "prediction": "A"}])):
            (found,) = read(path, "vlmevalkit", suite)
            assert parse(found, Prediction).response == "A"
            assert (found["id"], found["answer"], found["messages"]) == (name, sample["answer"], sample["messages"])
            assert found["meta"]["bench"].keys() == sample["meta"]["bench"].keys()
            item = suites.judged(found, suite, None)
            assert 0 <= item.item.score <= 1


def test_indexes_of_xlsx_are_floats(tmp_path: Path) -> None:
    """A column with an empty cell has floats; rolled copies must still fall into one group."""
    rolled = [{**ROW, "index": 3.0, "prediction": "B"}, {**ROW, "index": 1_000_003.0, "answer": "A", "prediction": "A"}]
    rolled[1] |= {"A": "y", "B": "x"}
    found = read(workbook(tmp_path / "p.xlsx", rolled), "vlmevalkit", "mmbench")
    assert [p["id"] for p in found] == ["mmbench/3", "mmbench/1000003"]
    assert [p["meta"]["bench"]["index"] for p in found] == [3, 1_000_003]
    assert value(scored(found, "mmbench"), "circular") == 1
    found[1]["response"] = "B"
    scores = scored(found, "mmbench")
    assert (value(scores), value(scores, "micro")) == (0, 0.5)


def test_flips_and_rolls_of_3dsrbench(tmp_path: Path) -> None:
    row = {"question": "Higher?", "A": "x", "B": "y", "answer": "B", "category": "height_higher"}
    qids = ("NF7XUVPP", "NF7XUVPP-1", "NF7XUVPP-flip", "NF7XUVPP-flip-1")
    table = [{**row, "index": i, "qid": qid, "prediction": "A" if i == 3 else "B"} for i, qid in enumerate(qids)]
    scores = scored(read(workbook(tmp_path / "p.xlsx", table), "vlmevalkit", "3dsrbench"), "3dsrbench")
    assert [value(scores, unit) for unit in ("micro", "flip", "circular", "flip-circular")] == [0.75, 0.5, 0.5, 0]


def test_texts_that_excel_loses_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = [{**ROW, "index": i, "prediction": p} for i, p in enumerate(("B", None, "x" * 40_000, "=B", "nan", "3"))]
    found = read(workbook(tmp_path / "p.xlsx", table), "vlmevalkit", "ai2d")
    assert [p["response"][:9] for p in found] == ["B", "", "x" * 9, "=B", "nan", "3"]
    assert len(found[2]["response"]) == EXCEL_CELL
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [
        f"{tmp_path}/p.xlsx: 1 of 6 responses are empty",
        f"{tmp_path}/p.xlsx: 1 of 6 responses have 32767 characters, where Excel cuts texts",
    ]


def test_duplicates_come_twice(tmp_path: Path) -> None:
    """Samplers pad shards with rows that are there; the ids tell, and `score` counts them."""
    table = [{**ROW, "index": i, "prediction": "B"} for i in (1, 2, 2)]
    found = read(tsv(tmp_path / "p.tsv", table), "vlmevalkit", "ai2d")
    assert [p["id"] for p in found] == ["ai2d/1", "ai2d/2", "ai2d/2"]


def test_the_same_question_twice_is_two_predictions(tmp_path: Path) -> None:
    row = {"dataset": "scannet", "scene_name": "s", "question_type": "object_counting", "question": "How many?"}
    table = [{**row, "id": i, "ground_truth": t, "prediction": t} for i, t in enumerate("23")]
    (tmp_path / "p.json").write_text(json.dumps(table))
    found = read(tmp_path / "p.json", "vst-vsi", "vsibench")
    assert [(p["id"], p["answer"]["value"]) for p in found] == [("vsibench/0", 2), ("vsibench/1", 3)]


def test_answers_of_ocrbench_are_no_code(tmp_path: Path) -> None:
    mine = "[__import__('pathlib').Path('made').touch()]"
    table = [{"index": 1, "question": "?", "answer": a, "prediction": "a b"} for a in ("['A B', 'x']", mine)]
    table[1]["index"] = 2
    found = read(tsv(tmp_path / "p.tsv", table), "vlmevalkit", "ocrbench")
    assert found[0]["answer"] == {"type": "text", "value": "A B", "accept": ["x"]}
    assert found[1]["answer"] == {"type": "text", "value": mine}
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([ROW], "expected a column prediction"),
        ([{**ROW, "answer": "Q", "prediction": "A"}], "row 1: answer: expected one of A, B, got 'Q'"),
        ([{**ROW, "prediction": ""}], "expected a column prediction, found none with a text in it"),
    ],
)
def test_tables_that_do_not_fit(table: list[Record], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tsv(tmp_path / "p.tsv", table), "vlmevalkit", "ai2d")


def test_without_answers_there_is_nothing_to_score_against(tmp_path: Path) -> None:
    row = {name: held for name, held in ROW.items() if name != "answer"}
    (found,) = read(tsv(tmp_path / "p.tsv", [{**row, "prediction": "A"}]), "vlmevalkit", "ai2d")
    with pytest.raises(DataError, match="answer: expected one to score against, got none"):
        suites.judged(found, "ai2d", None)


def test_a_stream_takes_them_for_records(tmp_path: Path) -> None:
    """As `vstkit score --from` reads: the file is no lines, but a source of records."""
    path = tsv(tmp_path / "p.tsv", [{**ROW, "index": i, "prediction": "BA"[i % 2]} for i in range(4)])
    convert = partial(readers.read, source="vlmevalkit", suite="ai2d")
    with Stream("score", files=[str(path)], convert=convert, jobs=2) as stream:
        judge = partial(running.judge, suite="ai2d")
        items = [found.item for _, found in stream.results(judge, kinds=("prediction",))]
    assert [item.score for item in items] == [1, 0, 1, 0]


# lmms-eval


def sample_line(**more: Any) -> Record:
    doc = {"id": 5, "dataset": "scannet", "scene_name": "s", "question_type": "object_rel_distance",
           "question": "Which?", "options": ["A. x", "B. y"], "ground_truth": "B"}  # fmt: skip
    return {"doc_id": 0, "doc": doc, "target": "B", "resps": [["<think>A</think>B"]], "filtered_resps": ["B"], **more}


@pytest.mark.parametrize(
    ("line", "response", "name"),
    [
        (sample_line(), "B", "vsibench/5"),
        (sample_line(filtered_resps=None), "<think>A</think>B", "vsibench/5"),
        (sample_line(filtered_resps=[["B", "A"]]), "B", "vsibench/5"),
        (sample_line(filtered_resps=[None]), "", "vsibench/5"),
        (sample_line(filtered_resps=[""], resps=[]), "", "vsibench/5"),
        (sample_line(filtered_resps=[], resps=None), "", "vsibench/5"),
        (sample_line(doc={}, vsibench_score={**sample_line()["doc"], "prediction": "B"}), "B", "vsibench/5"),
        (sample_line(doc={**sample_line()["doc"], "id": None}), "B", "vsibench/0"),
        (sample_line(doc={**sample_line()["doc"], "ground_truth": None}), "B", "vsibench/5"),
    ],
)  # fmt: skip
def test_lmms_samples(line: Record, response: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "p.json").write_text(json.dumps({"args": {}, "model_configs": {}, "logs": [line]}))
    for path in (tmp_path / "p.jsonl", tmp_path / "p.json"):
        (found,) = read(path, "lmms", "vsibench")
        assert parse(found, Prediction).response == response
        assert found["id"] == name
        assert found["answer"] == {"type": "choice", "value": "B", "options": {"A": "x", "B": "y"}}
        assert (found["task"], found["scene"]) == ("object_rel_distance", "s")


def test_lmms_results_are_no_samples(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"results": {"a": 1}, "configs": {"b": 2}}))
    with pytest.raises(DataError, match=r"row 1: expected a sample with resps"):
        read(tmp_path / "p.json", "lmms", "vsibench")


# BLINK, MMMU, VSI: as published


PUBLISHED = {"GPT4o": 60.04, "GeminiProVision": 45.16, "llava-v1.6-34b": 46.80, "OPUS": 44.05, "QwenVLMax": 40.28,
             "llava_v1.5_7b": 37.13}  # fmt: skip


def test_blink_models_as_published(tmp_path: Path) -> None:
    folder = shared() / "benchmarks" / "blink"
    known = truth(folder / "val_answers.json", "blink", tmp_path / "t.jsonl")
    for model, percent in PUBLISHED.items():
        found = read(folder / "saved_val_predictions" / f"{model}.json", "blink", "blink")
        scores = scored(joined(found, known), "blink")
        assert (round(100 * value(scores), 2), scores[0]["n"]) == (percent, 1901)


def test_blink_raw_text(caplog: pytest.LogCaptureFixture) -> None:
    files = sorted((shared() / "benchmarks" / "blink" / "saved_outputs" / "GPT4o").glob("*.json"))
    found = [record for path in files for record in read(path, "blink", "blink")]
    assert len({p["id"] for p in found}) == len(found) == 1901
    assert {p["meta"]["bench"]["extracted"][0] for p in found} == {"("}
    assert 100 * value(scored(found, "blink", "strict")) > 60  # 60.04 is published, with gpt-3.5's help
    assert "of the test split, whose answers are hidden, and left out" in caplog.text


@pytest.mark.parametrize(("model", "overall"), [("qwen_vl", 0.361), ("llava1.5_13b", 0.367)])
def test_mmmu_as_published(model: str, overall: float, tmp_path: Path) -> None:
    folder = shared() / "benchmarks" / "mmmu"
    known = truth(folder / "answer_dict_val.json", "mmmu", tmp_path / "t.jsonl")
    found = read(folder / f"{model}_total_val_output.json", "mmmu", "mmmu")
    scores = scored(joined(found, known), "mmmu")
    assert (round(value(scores), 3), scores[0]["n"]) == (overall, 900)


def test_mmmu_with_responses() -> None:
    found = read(shared() / "benchmarks" / "mmmu" / "qwen_vl_raw_Music.json", "mmmu", "mmmu")
    assert [p["task"] for p in found] == ["Music"] * 30
    assert found[1]["answer"] == {"type": "choice", "value": "A", "options": {"A": "True", "B": "False"}}
    assert found[1]["response"].startswith("False. \n")
    assert value(scored(found, "mmmu")) == value(scored(found, "mmmu"), "accuracy", task="Music")


def test_vsi_scene_as_published() -> None:
    found = read(shared() / "benchmarks" / "vsibench" / "scene0593_00_gemini.jsonl", "vst-vsi", "vsibench")
    assert 100 * value(scored(found, "vsibench")) == 32.006673881673876
    assert {p["scene"] for p in found} == {"scene0593_00"}


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("blink", [{"uid": 1}], "expected idx, answer and full_prediction"),
        ("blink", {"val": [{"answer": "(A)"}]}, "expected idx, answer and full_prediction"),
        ("blink", {"a": 1, "b": {"c": 2}}, "expected a list of objects"),
        ("mmmu", [{"id": "x", "response": "A"}], "expected id, question_type and response"),
        ("vst-vsi", [{"id": 1, "question_type": "object_counting"}], "expected a column prediction or response"),
        ("vst-vsi", [{"id": 1, "question_type": "object_counting", "ground_truth": "x", "prediction": 3}], "a number"),
    ],
)  # fmt: skip
def test_files_in_other_forms(source: str, content: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "p.json", source, {"vst-vsi": "vsibench"}.get(source, source))
    assert str(caught.value).startswith(f"{tmp_path}/p.json")


@pytest.mark.parametrize("source", readers.SOURCES)
def test_nothing_in_nothing_out(source: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("[]")
    suite = {"vst-vsi": "vsibench", "blink": "blink", "mmmu": "mmmu"}.get(source, "ai2d")
    assert read(tmp_path / "p.json", source, suite) == []


def test_empty_responses_are_read(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"val_Jigsaw_1": "(A)", "val_Jigsaw_2": "", "val_Jigsaw_3": null}')
    assert [p["response"] for p in read(tmp_path / "p.json", "blink", "blink")] == ["(A)", "", ""]


def test_sources_and_suites_go_together() -> None:
    for source, suite, message in (
        ("none", "blink", "--from: expected one of vlmevalkit, lmms"),
        ("blink", "mmmu", "--from blink: expected --suite blink, got mmmu"),
        ("vst-vsi", "blink", "expected --suite vsibench or spbench"),
        ("vlmevalkit", "det3d", "expected one of vsibench"),
    ):
        with pytest.raises(UsageError, match=message):
            readers.read("x.json", source=source, suite=suite)
