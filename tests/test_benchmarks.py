"""Suites against what other people published, and against formulas worked out by hand."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from answered import Record, choice, judged, number, prediction, scored, text, value
from support import shared
from vstkit.errors import DataError, UsageError
from vstkit.scoring import aggregate, suites
from vstkit.scoring.benchmarks import SUITES
from vstkit.scoring.rows import BLINK, SPAR, VSI


def read(*parts: str) -> Any:
    return json.loads(shared().joinpath("benchmarks", *parts).read_text(encoding="utf-8"))


def blink(task: str) -> str:
    return re.sub(r"^val_(.*)_\d+$", r"\1", task)


# What was published

PUBLISHED = {
    "GPT4o": 60.04, "GeminiProVision": 45.16, "llava-v1.6-34b": 46.80, "OPUS": 44.05, "QwenVLMax": 40.28,
    "llava_v1.5_7b": 37.13,
}  # fmt: skip


def blink_records(answers: dict[str, str]) -> list[Record]:
    gold = read("blink", "val_answers.json")
    return [prediction(k, choice(g[1], "ABCDE"), answers[k], category=blink(k)) for k, g in gold.items()]


def test_blink_macro_is_as_published() -> None:
    gold = read("blink", "val_answers.json")
    models = sorted(Path(shared(), "benchmarks", "blink", "saved_val_predictions").glob("*.json"))
    assert len(models) == 10
    for path in models:
        answers = json.loads(path.read_text(encoding="utf-8"))
        scores = scored(blink_records(answers), "blink")
        right = {task: [answers[k] == g for k, g in gold.items() if blink(k) == task] for task in BLINK}
        assert value(scores) == pytest.approx(np.mean([np.mean(of) for of in right.values()]), abs=1e-12)
        assert value(scores, "micro") == pytest.approx(np.mean([x for of in right.values() for x in of]), abs=1e-12)
        for task, of in right.items():
            assert value(scores, "accuracy", task=task) == pytest.approx(np.mean(of), abs=1e-12)
        if path.stem in PUBLISHED:
            assert round(100 * value(scores), 2) == PUBLISHED[path.stem]


def test_blink_raw_text_by_other_rules() -> None:
    """Micro accuracy of GPT-4o's own words, as measured with the original extractors on the same text."""
    raw: dict[str, str] = {}
    for path in Path(shared(), "benchmarks", "blink", "saved_outputs", "GPT4o").glob("*.json"):
        raw |= {row["idx"]: row["full_prediction"] for row in json.loads(path.read_text(encoding="utf-8"))["val"]}
    records = blink_records(raw)
    measured = {"vlmeval": 28.6, "lmms": 21.2, "easi": 56.1}
    for family, percent in measured.items():
        assert round(100 * value(scored(records, "blink", family)), 1) == percent
    assert value(scored(records, "blink", "strict")) > 0.58  # 0.6 with the texts of the options: test_extraction.py
    assert value(scored(records, "blink")) == 0  # the official rule takes letters that were extracted


def test_vsi_scene_to_the_last_digit() -> None:
    lines = Path(shared(), "benchmarks", "vsibench", "scene0593_00_gemini.jsonl").read_text(encoding="utf-8")
    records = []
    for row in map(json.loads, lines.splitlines()):
        truth = row["ground_truth"]
        answer = choice(truth) if truth.isalpha() else number(float(truth))
        records.append(prediction(str(row["id"]), answer, row["prediction"], **row))
    scores = scored(records, "vsibench")
    assert 100 * value(scores) == 32.006673881673876
    tasks = {
        "object_counting": 10, "object_abs_distance": 24.2857, "object_size_estimation": 45, "room_size_estimation": 60,
        "object_rel_distance": 54.5455, "object_rel_direction": 62.2222, "route_planning": 0, "obj_appearance_order": 0,
    }  # fmt: skip
    for task, percent in tasks.items():
        metric = "MRA" if task in VSI[:4] else "accuracy"
        assert 100 * value(scores, metric, task=task) == pytest.approx(percent, abs=1e-4)
    assert "interval" not in scores[0]  # all questions are of one scene
    assert value(scored(records, "vsibench", "vst")) == value(scores)


def test_vsi_aggregates_are_as_published() -> None:
    def overall(means: dict[str, float]) -> float:
        sums = aggregate.Sums(list(means), np.array(list(means.values())), np.ones(len(means)), np.zeros(len(means)))
        return float(aggregate.evaluate(SUITES["vsibench"].rules["official"].overall, sums))

    told = Path(shared(), "benchmarks", "vsibench", "zl3466_eval_results.txt").read_text(encoding="utf-8")
    runs = [ast.literal_eval(found) for found in re.findall(r"\{.*?\}", told)]
    assert [run["overall"] for run in runs] == [0.26480454986467084, 0.2809796341505423]
    for run in runs:
        published = run.pop("overall")
        means = {re.sub(r"_(accuracy|MRA.*)$", "", name): mean for name, mean in run.items()}
        assert overall(means) == pytest.approx(published, rel=1e-15)
    for run in read("vsibench", "published_aggregates.json")[:2]:
        assert overall(run["values"]) == pytest.approx(run["overall"], rel=1e-15)


@pytest.mark.parametrize(("model", "published"), [("qwen_vl", 0.361), ("llava1.5_13b", 0.367)])
def test_mmmu_is_as_published(model: str, published: float) -> None:
    said, records = read("mmmu", f"{model}_total_val_output.json"), []
    for name, row in read("mmmu", "answer_dict_val.json").items():
        truth = row["ground_truth"]
        truths = truth if isinstance(truth, list) else [truth]
        chosen = row["question_type"] == "multiple-choice"
        answer = choice(truth, "ABCDEFGHI") if chosen else text(*truths)
        records.append(prediction(name, answer, said[name]))
    scores = scored(records, "mmmu")
    assert round(value(scores), 3) == published
    assert scores[0]["n"] == 900
    assert {s["n"] for s in scores if "group" in s} == {30}  # thirty subjects


# Section 2.2 of our notes: raw text -> official and VST, lmms-eval, VLMEvalKit and EASI; all run on the originals.

LETTERS = {
    **dict.fromkeys(["A", "a", "A.", "A. sofa"], "111"),
    **dict.fromkeys(["(A)", "A)", "A:", "**A**", "A,", "A\nbecause", "A.\n", " A", "The answer is A"], "001"),
    "<think>maybe B</think> A": "000",
}
LETTERS["A.\n"] = "001"
NUMBERS = {
    "2.5 meters": (2.5, 2.5, 2.5), "2.5.": (2.5, 2.5, 2.5), "2m": (None, 2, 2), "~2": (None, 2, 2),
    "about 2": (None, 2, 2), "five": (None, 5, 5), "1,000": (None, 1, 0), "twenty-one": (None, 21, -1),
    "<think>7</think> 5": (None, 7, 5), "3 chairs and 2 tables": (3, 3, 2), "between 2 and 3": (None, 2, 3),
}  # fmt: skip
FAMILIES = [("official", "vst"), ("lmms",), ("vlmeval", "easi")]


@pytest.mark.parametrize("raw", LETTERS)
def test_vsi_letters(raw: str) -> None:
    for families, hit in zip(FAMILIES, LETTERS[raw], strict=True):
        for family in families:
            assert judged([prediction("p", choice("A"), raw)], "vsibench", family)[0].score == float(hit), family


@pytest.mark.parametrize("raw", NUMBERS)
def test_vsi_numbers(raw: str) -> None:
    for families, found in zip(FAMILIES, NUMBERS[raw], strict=True):
        for family in families:
            record = prediction("p", number(10), raw)
            detail = suites.judged(record, "vsibench", family, detailed=True).detail
            assert detail is not None
            assert (detail["extracted"], detail["parsed"]) == (found, found is not None), family


# Formulas by hand


def test_cv_bench() -> None:
    """2D is the mean of its two sources: ADE 1/2, COCO 1/4; 3D 1/3. lmms-eval pools 2D: 2/6."""
    truth = [("ADE20K", "AB"), ("COCO", "ABBB"), ("Omni3D", "ABB")]
    records = [
        prediction(f"{source}{i}", choice("A", "AB"), f"({said})", source=source)
        for source, all_said in truth for i, said in enumerate(all_said)
    ]  # fmt: skip
    scores = scored(records, "cvbench", "vst")
    assert value(scores, "accuracy", source="2D") == pytest.approx(3 / 8)
    assert value(scores, "accuracy", source="3D") == pytest.approx(1 / 3)
    assert value(scores) == pytest.approx((3 / 8 + 1 / 3) / 2)
    assert value(scored(records, "cvbench", "lmms")) == pytest.approx((2 / 6 + 1 / 3) / 2)
    with pytest.raises(DataError, match="no predictions of Omni3D"):
        scored(records[:6], "cvbench")
    assert value(scored(records[:6], "cvbench", "vst", partial=True)) == pytest.approx(3 / 8)


def test_3dsrbench_in_four_ways() -> None:
    """Two questions: one right in all four forms; the other not in one roll of its flipped picture."""
    said = {"AAAAAAAA": "A", "AAAAAAAA-1": "B", "AAAAAAAA-flip": "A", "AAAAAAAA-flip-1": "B",
            "BBBBBBBB": "A", "BBBBBBBB-1": "B", "BBBBBBBB-flip": "A", "BBBBBBBB-flip-1": "A"}  # fmt: skip
    truth = {name: "B" if name.endswith("-1") else "A" for name in said}
    records = [
        prediction(name, choice(truth[name], "AB"), letter, qid=name, category="height_higher")
        for name, letter in said.items()
    ]
    scores = scored(records, "3dsrbench")
    assert value(scores, "micro") == 7 / 8
    assert value(scores, "flip") == 3 / 4
    assert value(scores, "circular") == value(scores) == 3 / 4
    assert value(scores, "flip-circular") == 1 / 2
    assert value(scores, "circular", part="height") == 3 / 4
    assert value(scored(records, "3dsrbench", "vst")) == 7 / 8
    with pytest.raises(DataError, match="1 of 4 circular groups have fewer rows than options"):
        scored(records[:-1], "3dsrbench")
    with pytest.raises(DataError, match=r"meta\.bench\.qid: missing"):
        judged([prediction("p", choice("A"), "A")], "3dsrbench")


def test_mmbench_is_circular() -> None:
    records = [
        prediction(str(i), choice("ABC"[k], "ABC"), "ABC"[k] if i != 1_000_002 else "A", index=i, category="LR")
        for question in (1, 2) for k, i in enumerate(question + k * 1_000_000 for k in range(3))
    ]  # fmt: skip
    scores = scored(records, "mmbench")
    assert (value(scores), value(scores, "micro")) == (1 / 2, 5 / 6)
    # A table may have made numbers with a point of them.
    floats = [
        r | {"meta": {"bench": {**r["meta"]["bench"], "index": f"{r['meta']['bench']['index']}.0"}}} for r in records
    ]
    assert value(scored(floats, "mmbench")) == 1 / 2


def test_site_takes_chance_away() -> None:
    options = ["AB", "ABCD", "ABCD"]
    records = [prediction(str(i), choice("A", o), a) for i, (o, a) in enumerate(zip(options, "AAB", strict=True))]
    scores = scored(records, "site")
    assert (value(scores), value(scores, "micro")) == (pytest.approx(0.5), pytest.approx(2 / 3))


def test_whatsup_pairs_and_sets() -> None:
    relations = ["left_of", "right_of", "on", "under"]
    said = {"s1": "AAAA", "s2": "AAAB"}
    records = [
        prediction(f"{s}{r}", choice("A"), a, set=s, relation=r, subset="A")
        for s, letters in said.items() for r, a in zip(relations, letters, strict=True)
    ]  # fmt: skip
    scores = scored(records, "whatsup")
    assert [value(scores, m) for m in ("overall", "pair", "set")] == [7 / 8, 3 / 4, 1 / 2]


def test_spar_is_the_mean_of_twenty_tasks() -> None:
    tasks = [task for level in SPAR.values() for task in level]
    assert [len(level) for level in SPAR.values()] == [8, 3, 9]
    records = []
    for i, task in enumerate(tasks):
        if task in SPAR["Low"]:
            records.append(prediction(task, number(2), "2" if i else "9", task=task))
        elif task == "view_change_infer":
            records.append(prediction(task, text("move_right:1"), "move_right:1", task=task))
        else:
            records.append(prediction(task, choice("B"), "A", task=task))
    scores = scored(records, "sparbench")
    assert value(scores) == pytest.approx(8 / 20)
    assert value(scores, "MRA", task="Low") == pytest.approx(7 / 8)
    assert value(scores, "score", task="Middle") == pytest.approx(1 / 3)
    assert value(scores, "accuracy", task="High") == 0


def test_mindcube_leaves_translation_out() -> None:
    said = {"among_1": "A", "around_1": "B", "aroundnew_2": "A", "rotation_1": "A", "translation_1": "B"}
    scores = scored([prediction(name, choice("A"), a) for name, a in said.items()], "mindcube")
    assert (value(scores), value(scores, "micro")) == (3 / 4, 3 / 5)
    assert value(scores, "accuracy", task="around") == 1 / 2


def test_every_suite_has_our_own_rules() -> None:
    for name, suite in SUITES.items():
        assert "strict" in suite.rules
        for family, rules in suite.rules.items():
            assert rules.judges, (name, family)
            assert rules.overall.over in suite.fields or rules.overall.how != "mean", (name, family)
            assert rules.overall.unit in ("", *suite.units), (name, family)
    with pytest.raises(UsageError, match="--rules: ai2d has vlmeval, lmms, vst, strict, got easi"):
        suites.chosen("ai2d", "easi")
    with pytest.raises(UsageError, match="--suite: expected one of vsibench, "):
        suites.chosen("imagenet", None)
