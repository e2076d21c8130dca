"""The frame that all generators share: which questions, how many, in whose words, about which scenes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import chisquare

import known
from support import generated, generator, run
from vstkit.chance import Chance
from vstkit.errors import DataError, UsageError
from vstkit.tasks import asking, leaks

BY_EVIDENCE = ["depth-nearest", "depth-farthest", "depth-order", "depth-order-choice", "depth-value"]
Record = dict[str, Any]


def tallied(scene: Record, **options: Any) -> tuple[list[Record], Counter[str]]:
    tally = Counter[str]()
    return list(generator("depth", **options)(scene, tally)), tally


def balanced_counts(tally: Counter[str]) -> bool:
    """Every candidate ends in a sample or in a reason; counts of objects, views and scenes have a colon."""
    reasons = sum(n for key, n in tally.items() if key not in ("candidates", "samples") and ": " not in key)
    return tally["candidates"] == tally["samples"] + reasons


@pytest.mark.parametrize("options", [{}, {"balance": True}, {"per_scene": 7}, {"balance": True, "per_scene": 7}])
def test_candidates_are_samples_and_drops(options: Record) -> None:
    for seed in range(5):
        samples, tally = tallied(known.scene(seed, views=2), tasks=BY_EVIDENCE, **options)
        assert tally["samples"] == len(samples) > 5
        assert balanced_counts(tally)
        assert 0 not in tally.values()


def test_letters_of_every_number_of_options_are_even() -> None:
    counts: dict[tuple[str, int], Counter[str]] = {}
    for seed in range(130):
        tasks = ["depth-nearest", "depth-farthest", "depth-order-choice"]
        for one in generated("depth", known.scene(seed, 12), tasks=tasks, per_view=30):
            options = one["answer"]["options"]
            counts.setdefault((one["task"], len(options)), Counter())[one["answer"]["value"]] += 1
    assert sum(letters.total() for letters in counts.values()) >= 10_000
    wanted = {(f"depth-{which}", n) for which in ("nearest", "farthest") for n in (2, 3, 4, 5)}
    assert set(counts) == wanted | {("depth-order-choice", 2), ("depth-order-choice", 4)}
    for (task, n), letters in counts.items():
        seen = [letters["ABCDE"[i]] for i in range(n)]
        assert sum(seen) >= 300
        assert chisquare(seen).pvalue > 0.01, (task, n, seen)


def test_no_question_is_asked_twice() -> None:
    for seed in range(12):
        samples = generated("depth", known.scene(seed, 5), tasks=BY_EVIDENCE, per_view=60)
        asked = [json.dumps([one["images"], one["messages"][0]]) for one in samples]
        assert len(set(asked)) == len(asked)
        about = [(one["task"], one["meta"]["form"], frozenset(one["meta"]["objects"])) for one in samples]
        assert len(set(about)) == len(about)
        assert len({one["id"] for one in samples}) == len(samples)


def shares(samples: list[Record]) -> list[float]:
    """The share of the commonest answer of each scene."""
    per_scene: dict[str, Counter[str]] = {}
    for one in samples:
        per_scene.setdefault(one["scene"], Counter())[asking.answered(one)] += 1
    return [max(answers.values()) / answers.total() for answers in per_scene.values()]


def test_balance_spreads_the_answers_of_a_scene() -> None:
    """The nearest of all is the answer to most questions: not with --balance, which makes as many samples."""
    scenes = [known.scene(seed, 6, views=3) for seed in range(20)]
    options: Record = {"tasks": ["depth-nearest"], "forms": ["text"]}
    plain = [one for scene in scenes for one in generated("depth", scene, **options)]
    even = [one for scene in scenes for one in generated("depth", scene, balance=True, **options)]
    assert len(even) >= len(plain)
    assert sum(shares(even)) < 0.8 * sum(shares(plain))
    per_view = Counter((one["scene"], one["meta"]["view"]) for one in plain)
    assert max(per_view.values()) == 4
    # Nothing but the scene and the seed decides: the scene alone gives what it gives among others.
    assert [one["id"] for one in generated("depth", scenes[3], balance=True, **options)] == [
        one["id"] for one in even if one["scene"] == scenes[3]["id"]
    ]


@pytest.mark.parametrize("limit", [0, 1, 5, 12])
def test_per_scene_is_spread_over_the_tasks(limit: int) -> None:
    scene = known.scene(1, 10, views=5)
    everything, _ = tallied(scene, tasks=BY_EVIDENCE)
    samples, tally = tallied(scene, tasks=BY_EVIDENCE, per_scene=limit)
    assert len(samples) == limit
    assert tally["over --per-scene"] == len(everything) - limit
    ids = [one["id"] for one in everything]
    assert [i for i in ids if i in {one["id"] for one in samples}] == [one["id"] for one in samples]
    tasks = Counter(one["task"] for one in samples)
    assert max(tasks[t] for t in BY_EVIDENCE) - min(tasks[t] for t in BY_EVIDENCE) <= 1


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    scene = known.scene(2)
    assert tallied(scene, per_scene=1000) == tallied(scene)


def test_tasks_are_chosen_by_name() -> None:
    scene = known.scene(3)
    assert {one["task"] for one in generated("depth", scene)} == set(BY_EVIDENCE) - {"depth-value"}
    assert {one["task"] for one in generated("depth", scene, tasks=["depth-value"])} == {"depth-value"}
    with pytest.raises(UsageError, match=r"--tasks: expected some of depth-nearest, .*, got depth-last, nothing"):
        generator("depth", tasks=["depth-last", "depth-order", "nothing"])
    with pytest.raises(UsageError, match="got none"):
        generator("depth", tasks=[])


def test_the_program_refuses_an_unknown_task() -> None:
    process = run("gen-depth", "--tasks", "depth-order,det3d")
    assert (process.returncode, process.stdout) == (2, b"")
    assert b"--tasks: expected some of depth-nearest" in process.stderr
    assert process.stderr.strip().endswith(b"got det3d")


OWN = '[nearest]\nname = ["Nearest of {names}, please."]\nletter = ["Which? {options}"]\n'


def test_own_templates_stand_for_ours_of_their_keys(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN, encoding="utf-8")
    samples = generated(
        "depth", known.scene(4), tasks=["depth-nearest", "depth-farthest"], templates=str(tmp_path / "mine.toml")
    )
    for one in samples:
        text = one["messages"][0]["content"][1]["text"]
        mine = one["task"] == "depth-nearest"
        assert text.startswith(("Nearest of ", "Which? A. ")) is mine
        assert one["meta"]["template"].startswith("mine/nearest." if mine else "depth/farthest.")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[nearest]\nname = ["Which?"]', r"nearest\.name\[0\]: expected the slots \['names'\], got \[\]"),
        ('[nearest]\nname = ["{names} {colour}?"]', r"expected the slots \['names'\], got \['colour', 'names'\]"),
        ('[nearest]\nname = ["Of {names}?", "Of {}?"]', r"nearest\.name\[1\]: expected the slots"),
        ('[nearest]\nname = ["{names"]', r"nearest\.name\[0\]: "),
        ('[nearest]\nwords = ["{names}"]', r"nearest\.words: unknown; known: .*nearest\.name"),
        ('hello = ["{names}"]', "hello: unknown"),
        ('[nearest]\nname = "Of {names}?"', r"nearest\.name: expected a list of texts"),
        ("[nearest]\nname = []", r"nearest\.name: expected a list of texts"),
        ("[nearest]\nname = [3]", r"nearest\.name\[0\]: expected a text, got 3"),
        ("nearest: name", "expected TOML"),
        ("\udcff", "expected TOML"),
    ],
)
def test_templates_that_cannot_be_used_fail_at_the_start(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=fault) as raised:
        generator("depth", templates=str(path))
    assert str(raised.value).startswith(str(path))


def test_templates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml: No such file"):
        generator("depth", templates=str(tmp_path / "none.toml"))


@pytest.mark.parametrize("module", ["depth", "detection"])
def test_our_templates_are_several_for_each_key(module: str) -> None:
    from vstkit.tasks.templates import load

    for key, texts in load(module, asking.of(module).SLOTS).items():
        assert len({text for text, _ in texts}) == len(texts) >= 4, key


@pytest.mark.parametrize(
    ("line", "scene", "left_out"),
    [
        ("scene0025_00", {"id": "scannet/scene0025_01"}, True),  # another scan of the same room
        ("scannet/scene0025_00", {"id": "scannet/scene0025_01"}, True),
        ("scene0025_00", {"id": "scannet/scene0026_00"}, False),
        ("scene0025", {"id": "scannet/scene0025_01"}, True),
        ("other/scene0025_00", {"id": "scannet/scene0025_01"}, False),
        ("kitchens/blue", {"id": "k/17", "family": "kitchens/blue"}, True),
        ("k/17", {"id": "k/17", "family": "kitchens/blue"}, True),
        ("k/1", {"id": "k/17", "family": "kitchens/blue"}, False),
        ('{"kind":"sample","id":"gen-depth/00","scene":"scannet/scene0025_00"}', {"id": "scannet/scene0025_02"}, True),
        ('{"kind":"sample","id":"k/17","scene":"k/18","family":"kitchens/red"}', {"id": "k/17"}, False),
        ('{"kind":"scene","id":"k/17","views":[]}', {"id": "k/17", "family": "kitchens/blue"}, True),
        ("# scene0025_00", {"id": "scannet/scene0025_01"}, False),
        ("", {"id": "scannet/scene0025_01"}, False),
    ],
)
def test_families_of_a_test_set_are_not_touched(tmp_path: Path, line: str, scene: Record, left_out: bool) -> None:
    (tmp_path / "test.txt").write_text(f"one\n  {line}\n\ntwo\n", encoding="utf-8")
    samples, tally = tallied({**known.scene(5), **scene}, exclude=str(tmp_path / "test.txt"))
    assert bool(samples) is not left_out
    assert tally["scene: of an excluded family"] == left_out
    assert not (left_out and tally["candidates"])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"kind":"sample"', "expected a name or a record"),
        ('{"kind":"sample","id":"gen-depth/00"}', "expected a record with"),
    ],
)
def test_a_line_that_names_nothing(tmp_path: Path, line: str, fault: str) -> None:
    (tmp_path / "test.txt").write_text(f"one\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=rf"test\.txt:2: {fault}"):
        leaks.load(str(tmp_path / "test.txt"))
    with pytest.raises(DataError, match=r"none\.txt: No such file"):
        leaks.load(str(tmp_path / "none.txt"))


def test_workers_and_shards_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "scenes.jsonl"
    path.write_text("".join(json.dumps(known.scene(seed)) + "\n" for seed in range(9)), encoding="utf-8")
    alone = run("gen-depth", "--balance", path).stdout
    assert len(alone.splitlines()) > 90
    assert run("gen-depth", "--balance", "-j", "3", path).stdout == alone
    shards = [run("gen-depth", "--balance", "--shard", f"{i}/3", path).stdout.splitlines() for i in (1, 2, 3)]
    assert sorted(line for shard in shards for line in shard) == sorted(alone.splitlines())
    assert run("gen-depth", "--balance", "--seed", "1", path).stdout != alone


def test_where_a_scene_comes_from_goes_along() -> None:
    held = {"dataset": "made", "family": "made/1", "license": "CC0", "split": "train"}
    for one in generated("depth", known.scene(6, **held)):
        assert {key: one[key] for key in held} == held
        assert isinstance(one["flip_safe"], bool)


def test_few_of_many_are_different_and_even() -> None:
    items = list("abcdefg")
    times = Counter[str]()
    firsts = Counter[bool]()
    for i in range(3000):
        drawn = Chance(i).few(items, 3)
        assert len(set(drawn)) == 3
        assert Chance(i).few(items, 3) == drawn
        times.update(drawn)
        firsts.update(a < b for a, b in pairwise(drawn))
    assert chisquare([times[item] for item in items]).pvalue > 1e-4
    assert chisquare([firsts[True], firsts[False]]).pvalue > 1e-4
    assert sorted(Chance(1).few(items, 9)) == items
