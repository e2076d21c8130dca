"""Every answer of every single-image task, derived again by `rederive`, which shares no code with the generators.

Here on a few scenes; `python tests/rederive SCENES.jsonl SAMPLES.jsonl` does it on as many as you like.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import transforms
from rederive import DEFAULT, TASKS, Rules, wrong
from support import generated, shared
from vstkit import evidence, fov, synth
from vstkit.tasks import asking

Record = dict[str, Any]

MODULES = ("depth", "distance", "measure", "detection", "caption")
ROOMS = 4


@cache
def kitchen() -> tuple[Path, tuple[Record, ...]]:
    folder = shared() / "scenes" / "adt"
    return folder, tuple(map(json.loads, (folder / "scenes.jsonl").read_text().splitlines()))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Record, ...]]:
    """Made rooms, two pictures each."""
    folder = tmp_path_factory.mktemp("rooms")
    units = synth.units(str(folder), count=ROOMS, seed=7)
    return Path("."), tuple(synth.scene(unit, Counter(), views=2, size=(320, 240))[0] for unit in units)


def tasks_of(module: str) -> list[str]:
    return list(asking.of(module).TASKS)


def faults(samples: list[Record], scene: Record, root: Path, rules: Rules = DEFAULT) -> list[str]:
    return [f"{s['id']} {s['task']}: {reason}" for s in samples for reason in wrong(s, scene, str(root), rules)]


def made(module: str, scene: Record, root: Path, **options: Any) -> list[Record]:
    return generated(module, scene, root, **{"tasks": tasks_of(module), **options})


def test_every_task_has_a_checker() -> None:
    assert set(TASKS) == {task for module in MODULES for task in tasks_of(module)}


@pytest.mark.parametrize("unified", [False, True])
@pytest.mark.parametrize("module", MODULES)
def test_kitchen(module: str, unified: bool) -> None:
    root, scenes = kitchen()
    asked: set[str] = set()
    for scene in scenes:
        shown = fov.unify(scene, Counter())[0] if unified else scene
        samples = made(module, shown, root, per_view=8)
        assert faults(samples, shown, root) == []
        asked |= {sample["task"] for sample in samples}
    assert asked >= set(tasks_of(module)) - RARE


ORDERING = {"depth-nearest", "depth-farthest", "depth-order", "depth-order-choice", "depth-points"}
# Tasks that need more of a scene than a kitchen may have.
RARE = {"det3d-all"}


@pytest.mark.parametrize("module", MODULES)
def test_made_rooms(rooms: tuple[Path, tuple[Record, ...]], module: str) -> None:
    root, scenes = rooms
    asked: Counter[str] = Counter()
    for scene in scenes:
        samples = made(module, scene, root, per_view=8)
        assert faults(samples, scene, root) == []
        asked.update(sample["task"] for sample in samples)
    assert set(asked) >= set(tasks_of(module)) - RARE


@pytest.fixture(scope="module")
def both(rooms: tuple[Path, tuple[Record, ...]]) -> list[tuple[Path, Record]]:
    """A moment of the kitchen and two rooms, with the folders that their paths start from."""
    folder, real = kitchen()
    return [(folder, real[0]), *((rooms[0], scene) for scene in rooms[1][:2])]


@pytest.fixture(scope="module")
def mirrors(both: list[tuple[Path, Record]], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Record]]:
    """The same in a mirror, with their evidence."""
    folder = tmp_path_factory.mktemp("mirrors")
    found = []
    for i, (root, scene) in enumerate(both):
        (seen,) = evidence.annotate(scene, Counter(), root=str(root))
        found.append((folder / str(i), transforms.mirrored(seen, root, folder / str(i))))
    return found


@pytest.mark.parametrize("module", ["depth", "distance", "measure", "detection"])
def test_described_in_words(both: list[tuple[Path, Record]], module: str) -> None:
    """Objects called "cup on the desk" or "leftmost chair" are those, and no name gives an answer away."""
    asked = 0
    for root, scene in both:
        samples = made(module, scene, root, forms=["caption"])
        assert faults(samples, scene, root) == []
        asked += len(samples)
    assert asked


@pytest.mark.parametrize("module", MODULES)
def test_in_a_mirror(mirrors: list[tuple[Path, Record]], module: str) -> None:
    for folder, mirror in mirrors:
        found_anew = transforms.without_evidence(mirror)
        assert faults(made(module, found_anew, folder), found_anew, folder) == []


@pytest.mark.parametrize("module", MODULES)
def test_margins_are_the_same_on_both_sides(
    both: list[tuple[Path, Record]], mirrors: list[tuple[Path, Record]], module: str
) -> None:
    """A mirror changes neither what is asked about nor what is dropped."""
    for (root, scene), (folder, mirror) in zip(both, mirrors, strict=True):
        # Evidence is mirrored along: what it takes of a mask is not the same from both sides.
        (seen,) = evidence.annotate(scene, Counter(), root=str(root))
        # Two points anywhere in the picture are other points in a mirror.
        tasks = [task for task in tasks_of(module) if task != "depth-points"]
        before, after = made(module, seen, root, tasks=tasks), made(module, mirror, folder, tasks=tasks)
        assert list(map(about, before)) == list(map(about, after))


@pytest.mark.parametrize("module", MODULES)
def test_moving_the_world_changes_nothing(both: list[tuple[Path, Record]], module: str) -> None:
    for root, scene in both:
        moved = transforms.moved(scene, 5)
        samples = made(module, moved, root)
        assert faults(samples, moved, root) == []
        assert list(map(about, made(module, scene, root))) == list(map(about, samples))


@pytest.mark.parametrize("module", ["depth", "distance"])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_scaling_the_world_and_the_margins(both: list[tuple[Path, Record]], module: str, factor: float) -> None:
    gap = {"depth": 0.1, "distance": 0.15}[module]
    rules = Rules(min_gap=0.1 * factor, min_apart=0.15 * factor)
    for root, scene in both:
        large = transforms.scaled(scene, factor)
        assert faults(made(module, large, root, min_gap=gap * factor), large, root, rules) == []
        if module == "depth":
            (seen,) = evidence.annotate(scene, Counter(), root=str(root))
            large = transforms.scaled(seen, factor)
            before, after = made(module, seen, root), made(module, large, root, min_gap=gap * factor)
            assert list(map(about, before)) == list(map(about, after))


@pytest.mark.parametrize("module", ["measure", "detection", "caption"])
def test_scaling_the_world(both: list[tuple[Path, Record]], module: str) -> None:
    for root, scene in both:
        large = transforms.scaled(scene, 2.0)
        assert faults(made(module, large, root), large, root) == []


@pytest.mark.parametrize("module", MODULES)
def test_up_to_scale_only(rooms: tuple[Path, tuple[Record, ...]], module: str) -> None:
    """Without metres there is an order of depths, and nothing else that would be in metres."""
    root, scenes = rooms
    for scene in scenes[:2]:
        relative = {**scene, "metric": False}
        samples = made(module, relative, root)
        assert faults(samples, relative, root) == []
        assert {s["task"] for s in samples} <= ORDERING


@pytest.mark.parametrize("module", MODULES)
def test_what_is_safe_to_flip(both: list[tuple[Path, Record]], mirrors: list[tuple[Path, Record]], module: str) -> None:
    flipped = 0
    for (root, scene), (folder, mirror) in zip(both, mirrors, strict=True):
        for sample in made(module, scene, root):
            if sample["flip_safe"]:
                flipped += 1
                assert wrong(transforms.mirrored_sample(sample, mirror), mirror, str(folder)) == []
    assert flipped or module in ("detection", "caption")


def about(sample: Record) -> tuple[Any, ...]:
    """What a sample asks, less measured values."""
    meta = sample["meta"]
    things = json.dumps([meta.get(key) for key in ("objects", "labels", "what", "points", "direction", "between")])
    # A caption about other sides draws other words.
    return sample["task"], meta["view"], meta.get("form"), "relations" in meta or meta["template"], things
