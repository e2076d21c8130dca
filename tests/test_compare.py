"""Two runs against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from answered import Record, choice, judged, lines, number, prediction, scored, value
from vstkit.errors import DataError
from vstkit.scoring import compare
from vstkit.validation import problems


def run_of(right: list[bool], scene: int = 1) -> list[Record]:
    return [
        prediction(f"p{i}", choice("A", "AB"), "A" if hit else "B", category="ab"[i % 2], scene=f"s{i // scene}")
        for i, hit in enumerate(right)
    ]


def compared(a: list[bool], b: list[bool], scene: int = 1, **options: Any) -> list[Record]:
    runs = (judged(run_of(right, scene), "mmsi", "vlmeval") for right in (a, b))
    return compare.compared(*runs, "mmsi", "vlmeval", **options)


def test_differences() -> None:
    a, b = [True, False, False, True], [True, True, True, False]
    found = compared(a, b)
    assert [problem for record in found for problem in problems(record)] == []
    whole = found[0]
    assert (whole["metric"], whole["a"], whole["b"], whole["value"]) == ("overall difference", 0.5, 0.75, 0.25)
    assert (whole["wins"], whole["losses"], whole["p"], whole["n"]) == (2, 1, 1.0, 4)
    assert value(found, "accuracy difference", task="a") == pytest.approx(0.5)
    assert value(found, "accuracy difference", task="b") == 0
    # Each number is that of a run of its own.
    alone = [scored(run_of(right), "mmsi", "vlmeval") for right in (a, b)]
    assert [(r["a"], r["b"]) for r in found] == [(x["value"], y["value"]) for x, y in zip(*alone, strict=True)]


def test_the_interval_is_paired() -> None:
    """Where B has one more right in each scene, the difference is sure, however much the scenes differ."""
    rng = np.random.default_rng(1)
    a = [bool(hard) for hard in rng.integers(2, size=30) for _ in range(3)]
    b = list(a)
    a[::3], b[::3] = [False] * 30, [True] * 30
    whole = compared(a, b, scene=3)[0]
    assert whole["interval"] == [0.333333, 0.333333]
    assert (whole["wins"], whole["losses"]) == (30, 0)
    assert whole["p"] == pytest.approx(2 / 2**30)
    assert compared(a, b, scene=3)[0] == whole
    back = compared(b, a, scene=3)[0]
    assert (back["value"], back["p"]) == (pytest.approx(-whole["value"]), whole["p"])


def test_the_interval_covers_as_often_as_it_says() -> None:
    """The true difference of .1 lies in 95 % of the intervals, less some for 60 questions and 40 runs."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(40):
        a, b = (list(rng.random(60) < share) for share in (0.5, 0.6))
        low, high = compared(a, b)[0]["interval"]
        hits += low <= 0.1 <= high
    assert 33 <= hits <= 40


@settings(deadline=None)  # scipy takes its time to load
@given(st.integers(0, 60), st.integers(0, 60))
def test_sign_test(wins: int, losses: int) -> None:
    from scipy.stats import binomtest

    wanted = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert compare.sign_test(wins, losses) == pytest.approx(wanted, rel=1e-9)


def test_a_sign_test_of_many() -> None:
    assert compare.sign_test(5000, 5200) == pytest.approx(0.0488, abs=2e-3)
    assert 0 <= compare.sign_test(0, 5000) < 1e-300


def test_runs_must_share_their_ids() -> None:
    a, b = judged(run_of([True] * 4), "mmsi"), judged(run_of([False] * 3), "mmsi")
    with pytest.raises(DataError, match="the runs share 3 ids, of 4 and 3"):
        compare.compared(a, b, "mmsi")
    assert compare.compared(a, b, "mmsi", partial=True)[0]["n"] == 3
    assert compare.compared(a, [], "mmsi", partial=True) == []
    # The order of the lines says nothing.
    assert compare.compared(a, judged(run_of([False] * 4), "mmsi")[::-1], "mmsi")[0]["value"] == -1


def test_tasks_of_numbers() -> None:
    runs = []
    for said in ("10", "8"):
        rows = [
            prediction(str(i), number(10), said, question_type="room_size_estimation", scene_name=str(i))
            for i in (1, 2)
        ]
        runs.append(judged(rows, "spbench"))
    found = compare.compared(*runs, "spbench")
    assert value(found, "MRA difference", task="room_size_estimation") == pytest.approx(-0.4)


def test_the_plot_shows_the_values() -> None:
    found = compared([True, False] * 5, [True, True] * 5)
    image = compare.plot(found, ("old.jsonl", "new.jsonl"))
    pixels = np.asarray(image)
    new = np.array([24, 87, 200])
    bars = (pixels[40:] == new).all(2).any(0)
    assert bars.sum() == pytest.approx(421, abs=1)  # one is 100 percent wide
    assert image.height == 60 + 40 * len(found)
    assert compare.plot([], ("a", "b")).height == 60


def test_files_are_compared(tmp_path: Path) -> None:
    from functools import partial

    from vstkit.scoring import running

    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for path, right in zip(paths, ([True, False], [True, True]), strict=True):
        path.write_bytes(b'{"kind":"scene","id":"s","views":[]}\n' + lines(run_of(right)))
    judge = partial(running.judge, suite="mmsi", family="vlmeval")
    runs = [running.items_of(str(path), judge, running.Ids(None, False)) for path in paths]
    assert compare.compared(*runs, "mmsi", "vlmeval")[0]["value"] == 0.5
    paths[0].write_bytes(lines(run_of([True])) * 2)
    with pytest.raises(DataError, match=r"a\.jsonl:2: id: 'p0' stands twice"):
        running.items_of(str(paths[0]), judge, running.Ids(None, False))
