"""Counts and histograms, against counting by hand."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vstkit import cli, stats
from vstkit.errors import DataError
from vstkit.lineio import encode

Record = dict[str, Any]
VIEW = {"image": "a.png", "width": 100, "height": 80, "camera": [50.0, 50.0, 49.5, 39.5]}


def summed(*records: Record) -> Record:
    summary = stats.Summary()
    for record in records:
        for found in stats.facts(record, Counter()):
            for fact in found:
                summary.add(fact)
    return summary.records()


def thing(name: str, box: list[float], **more: Any) -> Record:
    return {"id": name, "label": name.rstrip("0123456789"), "box3d": box, **more}


def scene(*things: Record, **more: Any) -> Record:
    return {"kind": "scene", "id": "s", "views": [VIEW], "objects": list(things), **more}


def sample(answer: Any, **more: Any) -> Record:
    return {"kind": "sample", "id": "q", "messages": [], "answer": answer, **more}


@given(st.lists(st.floats(1e-4, 5e3), min_size=1, max_size=60), st.sampled_from([stats.EDGES, stats.TOKENS]))
def test_histograms_hold_every_number_once(values: list[float], edges: list[float]) -> None:
    histogram = stats.Histogram(edges)
    for value in values:
        histogram.add(value)
    bins = histogram.bins()
    assert sum(n for _, _, n in bins) == histogram.n == len(values)
    assert (histogram.low, histogram.high) == (min(values), max(values))
    assert bins[0][2] > 0
    assert bins[-1][2] > 0
    for low, high, n in bins:
        inside = [v for v in values if (low is None or v >= low) and (high is None or v < high)]
        assert len(inside) == n
    for (_, high, _), (low, _, _) in itertools.pairwise(bins):
        assert high == low


def test_memory_does_not_grow_with_the_records() -> None:
    histogram = stats.Histogram(stats.EDGES)
    before = len(histogram.counts)
    for i in range(10_000):
        histogram.add(i / 7)
    assert len(histogram.counts) == before == len(stats.EDGES) + 1


def test_depths_of_scenes_are_of_what_is_in_the_picture() -> None:
    ahead = thing("chair1", [0, 0, 2, 0.5, 1.2, 0.5, 0, 0, 0])
    aside = thing("chair2", [9, 0, 2, 1, 1, 1, 0, 0, 0])
    behind = thing("cup", [0, 0, -2, 0.1, 0.1, 0.1, 0, 0, 0])
    made = summed(scene(ahead, aside, behind, dataset="a"), scene(dataset="b"))["scene"]
    assert made["records"] == 2
    assert made["dataset"] == {"a": 1, "b": 1}
    assert made["label"] == {"chair": 2, "cup": 1}
    assert made["views"] == {"1": 2}
    assert made["depth"] == {"n": 1, "mean": 2, "min": 2, "max": 2, "bins": [{"from": 2, "to": 3, "n": 1}]}
    assert made["size"]["max"] == 1.2
    assert made["size"]["n"] == 3


def test_poses_and_distances() -> None:
    pose = [[0, 0, 1, 5], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]]  # looks along the world's x from x = 5
    placed = scene(thing("cup", [8, 0, -1, 0.1, 0.1, 0.1, 0, 0, 0]))
    placed["views"] = [{**VIEW, "pose": pose}]
    made = summed(placed)["scene"]
    assert made["depth"]["mean"] == pytest.approx(3)
    assert made["distance"]["mean"] == pytest.approx(np.hypot(3, 1))


def test_evidence_tells_the_depth_where_there_is_any() -> None:
    seen = [{"view": 0, "pixels": 5, "fraction": 0.5, "depth": 1.6}]
    made = summed(scene(thing("cup", [0, 0, 2, 1, 1, 1, 0, 0, 0], seen=seen)))["scene"]
    assert (made["depth"]["n"], made["depth"]["mean"]) == (1, 1.6)


def test_answers() -> None:
    box = {"label": "cup", "box3d": [0, 3, 4, 1, 2, 1, 0, 0, 0]}
    made = summed(
        sample({"type": "choice", "value": "B", "options": {"A": "x", "B": "y"}}, task="depth"),
        sample({"type": "choice", "value": "A", "options": {"A": "x", "B": "y"}}, task="depth"),
        sample([{"type": "choice", "value": "B", "options": {"B": "y"}}, {"type": "count", "value": 3}]),
        sample({"type": "number", "value": 1.25, "unit": "m"}, task="length"),
        sample({"type": "boxes3d", "value": [box]}, task="det3d"),
        {**sample({"type": "boxes3d", "value": [box]}), "kind": "prediction", "response": "", "boxes3d": [box, box]},
        {"kind": "mine", "id": "x", "task": 3},
    )
    assert made["sample"]["records"] == 5
    assert made["sample"]["letter"] == {"B": 2, "A": 1}
    assert made["sample"]["task"] == {"depth": 2, "det3d": 1, "length": 1}
    assert made["sample"]["answer"] == {"choice": 3, "boxes3d": 1, "count": 1, "number": 1}
    assert made["sample"]["length (m)"]["bins"] == [{"from": 1, "to": 1.5, "n": 1}]
    assert made["sample"]["distance"]["mean"] == 5
    assert made["prediction"]["predicted label"] == {"cup": 2}
    assert made["mine"] == {"records": 1}


def test_packs_tell_tokens() -> None:
    held = sample({"type": "choice", "value": "A", "options": {"A": "x"}}, task="depth")
    pack = {"kind": "pack", "id": "p", "length": 1953, "targets": 812, "model": "m", "samples": [held, held]}
    made = summed(pack)["pack"]
    assert made["records"] == 1
    assert made["tokens"]["bins"] == [{"from": 1024, "to": 2048, "n": 1}]
    assert made["targets"]["mean"] == 812
    assert made["samples in a pack"] == {"2": 1}
    assert made["task"] == {"depth": 2}


def test_bad_records_are_refused() -> None:
    with pytest.raises(DataError, match="views: missing"):
        summed({"kind": "scene", "id": "s"})


def test_the_plot_draws_bars_as_long_as_the_counts(tmp_path: Path) -> None:
    summary = stats.Summary()
    for word, n in (("a", 30), ("b", 15), ("c", 1)):
        for _ in range(n):
            summary.add(("sample", "letter", word))
    pixels = np.asarray(stats.plot(summary)).astype(int)
    blue = (np.abs(pixels - (24, 87, 200)).sum(axis=2) < 9).sum(axis=1)
    lengths = sorted({int(n) for n in blue if n}, reverse=True)
    assert [round(n / lengths[0] * 30) for n in lengths] == [30, 15, 1]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.SUMMARIES, "stats", "Count what is in records.")
    records = [sample({"type": "choice", "value": v, "options": {v: "x"}}, id=str(i)) for i, v in enumerate("ABAC" * 9)]
    path, plot = tmp_path / "in.jsonl", tmp_path / "plot.png"
    path.write_bytes(b"".join(map(encode, [*records, scene(thing("cup", [0, 0, 2, 1, 1, 1, 0, 0, 0]))])))
    outputs = []
    for more in ([], ["-j", "2"]):
        assert cli.run(["stats", str(path), "--json", *more]) == 0
        outputs.append(capfd.readouterr().out)
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0])["sample"]["letter"] == {"A": 18, "B": 9, "C": 9}
    assert cli.run(["stats", str(path), "--most", "1", "--plot", str(plot)]) == 0
    table = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert ["sample", "letter", "A", "18"] in table
    assert ["sample", "letter", "(2", "more)", "18"] in table
    assert ["scene", "depth", "2-3", "1"] in table
    with Image.open(plot) as image:
        assert image.format == "PNG"
    assert cli.run(["stats", "/dev/null"]) == 0
    assert capfd.readouterr().out == ""
