"""vstkit mix: exact shares, drawn from the seed alone, in constant memory."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support import CHECKOUT, run
from vstkit.chance import Chance
from vstkit.errors import DataError
from vstkit.mixing import Mixture, Part, Recipe, Source, _shuffled, _weigh, read_recipe, taken

Record = dict[str, Any]


def sample(name: str, **more: Any) -> Record:
    return {"kind": "sample", "id": name, "messages": [{"role": "user", "content": "?"}], **more}


def write(path: Path, records: list[Record]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Source a: 90 samples in three files; b: 40 in one."""
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        write(tmp_path / "a" / f"{i}.jsonl", [sample(f"a/{30 * i + j}") for j in range(30)])
    write(tmp_path / "b.jsonl", [sample(f"b/{j}") for j in range(40)])
    return tmp_path


def mixed(sources: dict[str, Any], **options: Any) -> list[str]:
    """The ids of a mixture."""
    Path("r.yaml").write_text(json.dumps({"sources": sources}), encoding="utf-8")  # JSON is YAML
    units = json.loads(json.dumps([_plain(unit) for unit in Mixture(**options).units("r.yaml")]))
    return [record["id"] for unit in units for record in taken(unit, Counter())]


def _plain(unit: Record) -> Any:
    from vstkit.lineio import encode

    return json.loads(encode(unit))


A, B = {"files": "a/*.jsonl"}, {"files": "b.jsonl"}


def counts(ids: list[str]) -> dict[str, int]:
    return dict(Counter(name[0] for name in ids))


# How much of each


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        ({}, {}, {"a": 90, "b": 40}),
        ({"repeat": "1/3"}, {"cap": 7}, {"a": 30, "b": 7}),
        ({"repeat": 0.1}, {"repeat": 2.5}, {"a": 9, "b": 100}),
        ({"repeat": 0}, {"cap": 1000}, {"b": 40}),
        ({"weight": 1}, {"weight": 1}, {"a": 40, "b": 40}),
        ({"weight": 3}, {"weight": 1}, {"a": 90, "b": 30}),
        ({"weight": "2/3"}, {"weight": "1/3", "repeat": 2}, {"a": 90, "b": 45}),
        ({"weight": 1}, {"weight": 0}, {"a": 90}),
        ({"weight": 0.7, "cap": 70}, {"weight": 0.3}, {"a": 70, "b": 30}),
    ],
)
def test_how_much_of_each(folder: Path, a: Record, b: Record, wanted: dict[str, int]) -> None:
    ids = mixed({"a": {**A, **a}, "b": {**B, **b}})
    assert counts(ids) == wanted
    # All come once before any comes twice, and no two differ by more than one.
    times = Counter(ids).values()
    if all(source.get("repeat", 1) in (1, "1/3", 0, 0.1) for source in (a, b)):
        assert set(times) == {1}


@given(st.lists(st.tuples(st.integers(1, 50), st.fractions(0, 5), st.fractions(0, 3)), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_weights_are_shares_and_the_mixture_is_the_largest(drawn: list[tuple[int, Fraction, Fraction]]) -> None:
    parts = [Part(str(i), Source("x"), {"x": n}, n + int(repeat)) for i, (n, repeat, _) in enumerate(drawn)]
    most = [part.take for part in parts]
    weights = [weight for _, _, weight in drawn]
    _weigh(parts, {str(i): weight for i, weight in enumerate(weights)})
    assert all(part.take <= limit for part, limit in zip(parts, most, strict=True))
    assert not any(weights) or any(p.take == m for p, m, w in zip(parts, most, weights, strict=True) if w)
    for p, v in zip(parts, weights, strict=True):
        for q, w in zip(parts, weights, strict=True):
            assert abs(p.take * w - q.take * v) < max(v, w) or v == w == 0  # rounded down to whole samples


def test_repeated_samples_come_in_rounds(folder: Path) -> None:
    ids = mixed({"b": {**B, "repeat": 2.5}})
    assert set(Counter(ids[:40]).values()) == set(Counter(ids[40:80]).values()) == {1}
    assert len(set(ids[80:])) == 20
    assert ids[:40] != ids[40:80]


# Which, and in what order


def test_the_seed_decides_and_nothing_else(folder: Path) -> None:
    sources = {"a": {**A, "repeat": "1/2"}, "b": B}
    whole = mixed(sources, seed=3)
    assert whole == mixed(sources, seed=3)
    assert mixed(sources, seed=4) != whole
    assert sum(x == y for x, y in zip(mixed(sources, seed=4), whole, strict=True)) < 20
    for skip in (0, 1, 40, 85, 200):
        assert mixed(sources, seed=3, skip=skip) == whole[skip:]
    # What is drawn of a source does not depend on the others.
    assert [name for name in whole if name[0] == "a"] == mixed({"a": sources["a"]}, seed=3)


def test_every_sample_is_as_likely_as_another(folder: Path) -> None:
    drawn = Counter(name for seed in range(300) for name in mixed({"b": {**B, "cap": 10}}, seed=seed))
    # 300 draws of 10 of 40: 75 each, with a deviation of 7.5.
    assert len(drawn) == 40
    assert all(abs(n - 75) < 5 * 7.5 for n in drawn.values())


def test_every_place_is_as_likely_as_another(folder: Path) -> None:
    places = np.zeros(40)
    for seed in range(200):
        for place, name in enumerate(mixed({"b": B}, seed=seed)):
            places[int(name[2:])] += place / 200
    # Means of 200 places from 0 to 39: 19.5, with a deviation of 0.82.
    assert np.abs(places - 19.5).max() < 5 * 0.82


def test_every_part_has_the_shares_of_the_whole(folder: Path) -> None:
    write(folder / "big.jsonl", [sample(f"a/{i}") for i in range(3000)])
    write(folder / "small.jsonl", [sample(f"b/{i}") for i in range(1000)])
    ids = mixed({"big": {"files": "big.jsonl"}, "small": {"files": "small.jsonl"}})
    for begin in range(0, 4000, 400):  # 100 of 400, with a deviation below 8.7
        assert abs(counts(ids[begin : begin + 400])["b"] - 100) < 5 * 8.7


@given(st.integers(0, 200), st.integers(1, 50))
@settings(deadline=None)
def test_the_window_bounds_what_is_held(count: int, window: int) -> None:
    read = 0

    def units() -> Any:
        nonlocal read
        for i in range(count):
            read += 1
            yield {"id": i}

    given_out = []
    for unit in _shuffled(units(), window, Chance(0)):
        assert read - len(given_out) <= window + 1
        given_out.append(unit["id"])
    assert sorted(given_out) == list(range(count))
    assert all(place - window <= name or name <= place for place, name in enumerate(given_out))


def test_memory_does_not_grow(folder: Path) -> None:
    def peak(count: int) -> int:
        write(folder / "long.jsonl", [sample(f"x/{i}", meta={"text": "y" * 500}) for i in range(count)])
        Path("r.yaml").write_text("sources: {x: {files: long.jsonl, window: 100}}")
        tracemalloc.start()
        try:
            assert sum(1 for _ in Mixture().units("r.yaml")) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < peak(500) + 50_000  # where 3500 records are 2 MB


# Recipes


def test_yaml_and_toml_say_the_same(folder: Path) -> None:
    Path("r.yaml").write_text("sources:\n  a:\n    files: [a/0.jsonl, 'a/[12].jsonl']\n    repeat: 1/3\n")
    Path("r.toml").write_text('[sources.a]\nfiles = ["a/0.jsonl", "a/[12].jsonl"]\nrepeat = "1/3"\n')
    assert read_recipe("r.yaml") == read_recipe("r.toml")
    assert run("mix", "r.yaml").stdout == run("mix", "r.toml").stdout != b""


def test_the_example_is_a_recipe() -> None:
    recipe = read_recipe(str(CHECKOUT / "examples" / "third.yaml"))
    assert {name: source.format for name, source in recipe.sources.items()} == {"vst": "vst", "general": "llava"}
    assert Fraction(str(recipe.sources["vst"].repeat)) == Fraction(1, 3)
    assert recipe.sources["general"].cap == 800_000


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("sources: [", "not YAML: "),
        ("", "expected object, got null"),
        ("sources: {}", "sources: expected one or more, got none"),
        ("sources: {a: {}}", "sources.a.files: missing"),
        ("sources: {a: {files: 3}}", "sources.a.files: expected str | array, got int"),
        ("sources: {a: {files: x.jsonl}}", "sources.a: files: nothing fits 'x.jsonl'"),
        ("sources: {a: {files: '-'}}", "sources.a: files: expected files, which are read twice, got standard input"),
        ("sources: {a: {files: b.jsonl, weigth: 1}}", "sources.a: object contains unknown field weigth"),
        ("sources: {a: {files: b.jsonl, cap: -1}}", "sources.a.cap: "),
        ("sources: {a: {files: b.jsonl, window: 0}}", "sources.a.window: "),
        ("sources: {a: {files: b.jsonl, repeat: -1}}", "sources.a: repeat: expected 0 or more, got -1"),
        ("sources: {a: {files: b.jsonl, repeat: third}}", "sources.a: repeat: expected a number or a fraction such as"),
        ("sources: {a: {files: b.jsonl, repeat: 1/0}}", "sources.a: repeat: expected a number or a fraction such as"),
        ("sources: {a: {files: b.jsonl, repeat: .inf}}", "sources.a: repeat: expected a number or a fraction such as"),
        ("sources: {a: {files: b.jsonl, weight: 1}, b: {files: b.jsonl}}", "sources.b.weight: missing, where other"),
        ("sources: {a: {files: b.jsonl, weight: 1, cap: 0}}", "sources.a: expected samples to give its weight, got"),
        ("sources: {a: {files: b.jsonl, format: coco}}", "sources.a: format: expected one of records, llava, "),
        ("sources: {a: {files: b.jsonl, format: llava, images: 3}}", "sources.a.images: expected str, got int"),
        ("sources: {a: {files: b.jsonl, write: x}}", "sources.a: write: expected it beside the format of a file"),
    ],
)
def test_recipes_that_cannot_be_followed(folder: Path, recipe: str, message: str) -> None:
    (folder / "r.yaml").write_text(recipe)
    with pytest.raises(DataError) as raised:
        list(Mixture().units("r.yaml"))
    assert str(raised.value).startswith(f"r.yaml: {message}")


def test_recipes_that_are_no_files(folder: Path) -> None:
    (folder / "r.toml").write_text("x = ")
    (folder / "latin.yaml").write_bytes(b"\xff\xfe\xfa")
    for name, message in (("none.yaml", "no such file"), ("a", ""), ("r.toml", "not TOML: "), ("latin.yaml", "expect")):
        with pytest.raises(DataError, match=f"^{name}: {message}"):
            list(Mixture().units(name))


# Sources


def test_other_formats_are_sources(folder: Path) -> None:
    Image.new("RGB", (8, 6)).save(folder / "p.png")
    rows = [
        {"id": f"c/{i}", "image": "p.png", "conversations": [{"from": "human", "value": "<image>\n?"},
                                                             {"from": "gpt", "value": "!"}]}
        for i in range(9)
    ]  # fmt: skip
    write(folder / "llava.jsonl", rows)
    ids = mixed({"b": B, "c": {"files": "llava.jsonl", "format": "llava", "cap": 6}})
    assert counts(ids) == {"b": 40, "c": 6}
    Path("r.yaml").write_text("sources: {c: {files: llava.jsonl, format: llava}}")
    done = run("mix", "r.yaml", "-j", "2")
    assert run("check", "--files", stdin=done.stdout).returncode == 0
    assert done.stderr == b"vstkit mix: 9 samples: c 9\n"


def test_other_kinds_and_excluded_families_are_counted(folder: Path) -> None:
    scenes = ["scannet/scene0025_00", "scannet/scene0025_01", "scannet/scene0030_00", "s/1"]
    write(folder / "s.jsonl", [{"kind": "scene", "id": "s"}, *(sample(f"s/{name}", scene=name) for name in scenes)])
    Path("r.yaml").write_text("sources: {s: {files: s.jsonl, repeat: 2}}")
    Path("test.txt").write_text("scannet/scene0025_02\n")
    done = run("mix", "r.yaml", "--exclude", "test.txt")
    assert Counter(json.loads(line)["scene"] for line in done.stdout.splitlines()) == {scenes[2]: 2, scenes[3]: 2}
    told = b"vstkit mix: 4 samples: s 4; left out: of excluded families 2, scene records 1\n"
    assert (done.returncode, done.stderr) == (0, told)


def test_bad_lines_have_their_place(folder: Path) -> None:
    with (folder / "b.jsonl").open("a") as file:
        file.write('{"kind":"sample"}\n')
    Path("r.yaml").write_text("sources: {b: {files: b.jsonl}}")
    done = run("mix", "r.yaml")
    assert done.returncode == 1
    assert done.stderr == b"vstkit mix: r.yaml: b.jsonl:41: id: missing\n"
    done = run("mix", "r.yaml", "--on-error", "skip", "--max-bad", "0.1", "--rejects", "bad.jsonl")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 40)
    assert b"b.jsonl:41: id: missing" in Path("bad.jsonl").read_bytes()


def test_a_source_that_changes_is_an_error(folder: Path) -> None:
    Path("r.yaml").write_text("sources: {b: {files: [b.jsonl, a/0.jsonl], window: 1}}")
    units = Mixture().units("r.yaml")
    first = _plain(next(units))["id"].partition(":")[0]
    other = {"b.jsonl": "a/0.jsonl", "a/0.jsonl": "b.jsonl"}[first]
    write(folder / other, [sample("x")])
    with pytest.raises(DataError, match=rf"{other}: expected \d+ samples, as counted at the start, got 1"):
        list(units)


def test_of_nothing(folder: Path) -> None:
    (folder / "none.jsonl").write_text("")
    Path("r.yaml").write_text("sources: {x: {files: none.jsonl, repeat: 3}}")
    done = run("mix", "r.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"vstkit mix: 0 samples: x 0\n")


# The command


def test_the_same_for_workers_and_in_parts(folder: Path) -> None:
    Path("r.yaml").write_text(json.dumps({"sources": {"a": {**A, "repeat": 1.5}, "b": {**B, "window": 3}}}))
    whole = run("mix", "r.yaml", "--seed", "5", "-q").stdout
    assert len(whole.splitlines()) == 175
    assert run("mix", "r.yaml", "--seed", "5", "-j", "2").stdout == whole
    parts = [run("mix", "r.yaml", "--seed", "5", "--skip", f"{skip}", "-n", "60").stdout for skip in (0, 60, 120)]
    assert b"".join(parts) == whole
    shards = [run("mix", "r.yaml", "--seed", "5", "--shard", f"{i}/2").stdout.splitlines() for i in (1, 2)]
    assert [line for pair in zip(*shards, strict=False) for line in pair] == whole.splitlines()[:174]
    run("mix", "r.yaml", "--seed", "5", "-o", "out.jsonl.zst")
    assert run("check", "out.jsonl.zst").stdout == whole


def test_what_is_no_recipe() -> None:
    for argv, message in (
        ([], b"expected a RECIPE, got none"),
        (["-"], b"expected a file with a recipe, got standard"),
    ):
        done = run("mix", *argv)
        assert done.returncode == 2
        assert message in done.stderr


def test_the_recipe_is_what_plan_follows(folder: Path) -> None:
    parts = Mixture().plan(Recipe({"b": Source("b.jsonl", cap=5), "a": Source(["a/0.jsonl", "a/*.jsonl"])}))
    assert [(part.name, part.count, part.take) for part in parts] == [("b", 40, 5), ("a", 90, 90)]
