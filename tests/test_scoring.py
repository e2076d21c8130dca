"""Runs of the scorer: ids, truths, averages, groups, and the installed program."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from answered import Record, choice, lines, number, prediction, scored, text, value
from support import run
from vstkit.errors import DataError
from vstkit.records import Score
from vstkit.scoring import averages, running
from vstkit.scoring.benchmarks import SUITES
from vstkit.validation import parse, problems

COUNT = {"type": "count", "value": 3}


def mine(n: int = 4) -> list[Record]:
    """Predictions of choices, of which every other is right."""
    made = [prediction(f"p{i}", choice("A", "AB"), "AB"[i % 2], scene_name=f"s{i // 2}") for i in range(n)]
    return [{**record, "task": "t" if i < 2 else "u", "scene": f"room{i}"} for i, record in enumerate(made)]


def program(*argv: str | Path, stdin: list[Record], cwd: Path | None = None) -> tuple[int, list[Record], str]:
    process = run("score", *argv, stdin=lines(stdin), cwd=cwd)
    return process.returncode, [orjson.loads(line) for line in process.stdout.splitlines()], process.stderr.decode()


def test_records_say_what_made_them() -> None:
    scores = scored(mine(), "samples")
    assert [problem for score in scores for problem in problems(score)] == []
    head = parse(scores[0], Score)
    assert (head.metric, head.value, head.n, head.unparsed, head.missing) == ("overall", 0.5, 4, 0, 0)
    assert scores[0]["rules"] == "strict: items strict; mean over questions"
    assert head.version == "vstkit 1"
    assert head.interval[0] <= 0.5 <= head.interval[1]  # type: ignore[index]
    assert len({s["id"] for s in scores}) == len(scores)
    assert {(s["metric"], *s["group"].items()) for s in scores if "group" in s} == {
        ("score", ("task", "t")), ("score", ("task", "u")), ("score", ("type", "choice"))
    }  # fmt: skip
    assert scored(mine(), "samples") == scores


def test_samples_by_their_types() -> None:
    records = [
        prediction("a", choice("A"), "The answer is (A)."), prediction("b", number(2), "200 cm"),
        prediction("c", COUNT, "three"), prediction("d", text("red"), "It's red"), prediction("e", COUNT, "?"),
    ]  # fmt: skip
    scores = scored(records, "samples")
    assert [value(scores, "score", type=kind) for kind in ("choice", "number", "count")] == [1, 1, 0.5]
    assert scores[0]["unparsed"] == 1


def test_by_any_field() -> None:
    scores = scored(mine(), "samples", by=("scene_name", "type"))
    assert value(scores, "score", scene_name="s1") == 0.5
    assert value(scores, "score", type="choice") == 0.5
    assert not any(s.get("group", {}).keys() == {"task"} for s in scores)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": None}, "answer: expected one to score against, got none"),
        ({"answer": [choice("A"), COUNT]}, "answer: expected one to score against, got several"),
        ({"answer": COUNT}, "answer.type: blink with official rules scores choice, got count"),
        ({"answer": choice("Z")}, "answer.value: "),
        ({"response": 3}, "response: expected str, got int"),
        ({"meta": {"bench": [1]}}, "meta.bench: expected an object, got list"),
        ({"meta": 3}, "meta: expected"),
    ],
)
def test_what_cannot_be_scored_is_told(change: Record, message: str) -> None:
    record = {k: v for k, v in (mine(1)[0] | change).items() if v is not None}
    process = run("score", "--suite", "blink", stdin=lines([record]))
    assert (process.returncode, process.stdout) == (1, b"")
    assert process.stderr.decode().startswith(f"vstkit score: standard input:1: {message}")


@pytest.mark.parametrize("index", ["x", None, [1], "inf", "nan", {}])
def test_a_bad_index_is_told(index: Any) -> None:
    with pytest.raises(DataError, match=r"^meta\.bench: "):
        scored([prediction("p", choice("A"), "A", index=index)], "mmbench")


def truth(folder: Path, records: list[Record]) -> Path:
    """A file of the samples that predictions answer."""
    path = folder / "truth.jsonl"
    path.write_bytes(lines([{k: v for k, v in r.items() if k != "response"} | {"kind": "sample"} for r in records]))
    return path


def bare(records: list[Record]) -> list[Record]:
    return [{"kind": "prediction", "id": r["id"], "response": r["response"]} for r in records]


def test_answers_are_joined_by_id(tmp_path: Path) -> None:
    held, path = mine(), truth(tmp_path, mine())
    whole = program("--suite", "samples", stdin=held)
    assert whole[0] == 0
    for jobs in ("1", "2"):
        assert program("--suite", "samples", "--truth", path, "-j", jobs, stdin=bare(held)[::-1])[1][0] == whole[1][0]


def test_ids_are_counted(tmp_path: Path) -> None:
    held, path = bare(mine()), truth(tmp_path, mine())
    unknown = {"kind": "prediction", "id": "x", "response": "A"}
    for stdin, message in (
        (held[1:], f"vstkit score: 1 of 4 ids of {path} have no prediction, the first is 'p0' (--partial scores"),
        ([*held, unknown], f"vstkit score: standard input:5: id: 'x' is not in {path} (--partial"),
        ([*held, held[0]], "vstkit score: id: 'p0' stands twice (--partial takes the first)"),
    ):
        code, out, err = program("--suite", "samples", "--truth", path, stdin=stdin)
        assert (code, out) == (1, [])
        assert err.startswith(message)
    again = held[1] | {"response": "A"}  # right, where the first is wrong
    code, out, err = program("--suite", "samples", "--truth", path, "--partial", stdin=[*held[:3], again, unknown])
    assert (code, err) == (0, "")
    assert (out[0]["value"], out[0]["n"]) == (pytest.approx(2 / 3), 3)
    assert [out[0][name] for name in ("missing", "duplicate", "unknown")] == [1, 1, 1]


@pytest.mark.parametrize(
    "bad", [b"{\n", b'{"kind":"scene","id":"a","views":[]}\n', b'{"kind":"sample","id":"a","messages":[]}\n']
)
def test_bad_truths_are_told(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_bytes(bad)
    code, out, err = program("--suite", "samples", "--truth", path, stdin=bare(mine()))
    assert (code, out) == (1, [])
    assert f"{path}:1: " in err
    path.write_bytes(truth(tmp_path, mine(1)).read_bytes() * 2)
    assert "id: 'p0' stands twice" in program("--suite", "samples", "--truth", path, stdin=bare(mine(1)))[2]


def test_details_have_a_line_for_each_prediction(tmp_path: Path) -> None:
    records = [prediction("a", choice("A"), "(B)", category="x"), prediction("b", choice("A"), "hm")]
    for jobs in ("1", "2"):
        code, _, _ = program("--suite", "mmsi", "--details", tmp_path / "d", "-j", jobs, stdin=records, cwd=tmp_path)
        assert code == 0
        head = {"kind": "detail", "suite": "mmsi", "rules": "official", "answer": "A", "score": 0.0}
        assert [orjson.loads(line) for line in (tmp_path / "d").read_bytes().splitlines()] == [
            {**head, "id": "a", "task": "x", "extracted": "B", "parsed": True, "why": "expected A"},
            {**head, "id": "b", "task": "", "extracted": "", "parsed": False, "why": "expected A"},
        ]
    assert program("--suite", "mmsi", "--details", tmp_path / "e", stdin=[*records, records[0]], cwd=tmp_path)[0] == 1
    assert os.listdir(tmp_path) == ["d"]


def test_a_rule_that_reads_nothing_is_told() -> None:
    code, out, err = program("--suite", "mmsi", stdin=[prediction("a", choice("A"), "left")])
    assert (code, out[0]["value"], out[0]["unparsed"]) == (0, 0, 1)
    assert err == "vstkit score: mmsi: 1 of 1 answers were not read by these rules; --rules strict reads more forms\n"


def test_unknown_suites_and_rules_are_usage_errors() -> None:
    for argv, message in (
        (["--suite", "imagenet"], "--suite: expected one of vsibench, cvbench, "),
        (["--suite", "sat", "--rules", "vst"], "--rules: sat has lmms, strict, got vst"),
        (["--suite", "det3d", "--by", "scene"], "--suite det3d: expected "),
    ):
        process = run("score", *argv)
        assert process.returncode == 2
        assert message in process.stderr.decode()


def test_the_manual_lists_every_suite() -> None:
    from vstkit.cli import module_of

    page = module_of("score").__doc__ or ""
    for name, suite in SUITES.items():
        families = ", ".join([family for family in suite.rules if family != "strict"] or ["strict"])
        assert f"\n    {name:14} {families}\n" in page


# Averages over suites

TABLE_2 = {
    "cvbench": 84.4, "3dsrbench": 54.1, "mmsi": 30.2, "blink": 59.1, "vsibench": 57.9, "mmstar": 58.0, "mmbench": 80.9,
    "realworldqa": 68.4, "mmmu": 45.2, "ocrbench": 83.7, "ai2d": 82.5,
}  # fmt: skip


def head(suite: str, percent: float, **more: Any) -> Record:
    return {"kind": "score", "id": suite, "suite": suite, "metric": "overall", "value": percent / 100, "n": 9, **more}


def test_the_averages_of_the_paper() -> None:
    """VST-3B-SFT: the two halves of CV-Bench count as two, so that S-AVG is 370.1 / 6 = 61.7, and MM-AVG 418.7 / 6."""
    halves = [head("cvbench", p, group={"source": s}) for s, p in (("2D", 75.0), ("3D", 93.8))]
    made = averages.averages([*(head(*pair) for pair in TABLE_2.items()), *halves])
    assert [(s["metric"], round(100 * s["value"], 2)) for s in made] == [("S-AVG", 61.68), ("MM-AVG", 69.78)]
    assert made[0]["n"] == 54
    with pytest.raises(DataError, match="S-AVG lacks cvbench 2D, cvbench 3D; MM-AVG lacks ai2d"):
        averages.averages([head(*pair) for pair in list(TABLE_2.items())[:-1]])
    with pytest.raises(DataError, match="mmsi: expected one overall, got two"):
        averages.averages([head("mmsi", 1), head("mmsi", 2)])


def test_suite_vst_takes_scores_and_predictions() -> None:
    cv = [prediction(s, choice("A"), "A" if s != "COCO" else "B", source=s) for s in ("ADE20K", "COCO", "Omni3D")]
    given = [head(s, 50, interval=[0.4, 0.6]) for s in ("3dsrbench", "mmsi", "blink", "vsibench")]
    stdin = [*given, *({**r, "dataset": "cvbench", "id": "same" if i else "x"} for i, r in enumerate(cv[:2])),
             {**cv[2], "dataset": "cvbench"}]  # fmt: skip
    code, out, err = program("--suite", "vst", stdin=stdin)
    assert code == 0, err
    assert err == "vstkit score: MM-AVG lacks mmstar, mmbench, realworldqa, mmmu, ocrbench, ai2d\n"
    assert (out[-1]["metric"], out[-1]["value"]) == ("S-AVG", pytest.approx((0.5 + 1 + 4 * 0.5) / 6))
    assert next(s["metric"] for s in out if s["suite"] == "cvbench") == "overall"
    code, out, err = program("--suite", "vst", stdin=[prediction("p", choice("A"), "A")])
    assert (code, err) == (1, "vstkit score: standard input:1: dataset: expected the name of a suite, got ''\n")


def test_an_unknown_id_is_counted_by_workers_too() -> None:
    tally = Counter[str]()
    found = running.judge(mine(1)[0], tally, suite="samples", detailed=True)
    assert [(name, one.item.score, one.detail["id"]) for name, one in found] == [("samples", 1.0, "p0")]
    assert tally == Counter()
