"""Distance questions on random rooms, derived again by bounded least squares; and what must not change them."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.spatial.transform import Rotation

from room import look_at, render, write_scene
from support import generated, generator
from vstkit.errors import DataError, UsageError
from vstkit.records import Sample
from vstkit.tasks import distance
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = (150.0, 148.0, 119.0, 88.5), 240, 180
POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant"]
CHOICES = ["distance-nearest", "distance-farthest"]


def random_boxes(seed: int, n: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-1.6, -0.9, 0.2], [1.6, 0.9, 3.0], (n, 3))
    return np.hstack([centres, rng.uniform(0.15, 0.7, (n, 3)), rng.uniform(-180, 180, (n, 3))])


def room(folder: Path, boxes: Any, labels: Any = LABELS, pose: Any = POSE, **fields: Any) -> dict[str, Any]:
    return write_scene(folder, boxes, labels, [(CAMERA, WIDTH, HEIGHT, pose)], **fields)


def closest(a: np.ndarray, b: np.ndarray) -> float:
    """Distance between two solid boxes: the least length of p - q over all p and q in them."""
    A, B = (Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix() for box in (a, b))
    half = np.concatenate([a[3:6], b[3:6]]) / 2
    found = lsq_linear(np.hstack([A, -B]), b[:3] - a[:3], bounds=(-half, half), method="bvls", tol=1e-14)
    return float(np.sqrt(2 * found.cost))


def both(sample: dict[str, Any], boxes: np.ndarray) -> tuple[list[float], list[float]]:
    """From the first object of a sample to the others: between closest points, and between centres."""
    first, *others = (boxes[int(thing[1:]) - 1] for thing in sample["meta"]["objects"])
    return [closest(first, b) for b in others], [float(np.linalg.norm(first[:3] - b[:3])) for b in others]


def question(sample: dict[str, Any]) -> str:
    text: str = sample["messages"][0]["content"][-1]["text"]
    return text


def reply(sample: dict[str, Any]) -> str:
    text: str = sample["messages"][1]["content"][0]["text"]
    return text


@pytest.mark.parametrize("seed", range(6))
def test_choices_by_least_squares(tmp_path: Path, seed: int) -> None:
    boxes = random_boxes(seed)
    samples = generated("distance", room(tmp_path, boxes), tmp_path, tasks=CHOICES, per_view=12)
    assert len(samples) >= 12
    for sample in samples:
        parse(sample, Sample)
        meta, letters = sample["meta"], "ABCD"
        values, centers = both(sample, boxes)
        assert 2 <= len(values) <= 4
        assert len({*meta["objects"]}) == len(values) + 1
        assert np.allclose(values, meta["values"], atol=6e-4)
        assert np.allclose(centers, meta["centers"], atol=6e-4)
        assert min(values) >= 0.02
        sign = 1 if sample["task"] == "distance-nearest" else -1
        for found in (values, centers):
            best, second = sorted(found, key=lambda value: sign * value)[:2]
            assert abs(best - second) >= max(0.15, 0.2 * min(best, second)) - 1e-5
            assert letters[found.index(best)] == sample["answer"]["value"]
        name = sample["answer"]["options"][sample["answer"]["value"]]
        assert all(option in question(sample) for option in sample["answer"]["options"].values())
        assert re.search("nearest point|surface to surface", question(sample))
        if not meta["worked"]:
            assert reply(sample) in (name, sample["answer"]["value"])


@pytest.mark.parametrize("seed", range(6))
def test_worked_replies_hold_together(tmp_path: Path, seed: int) -> None:
    boxes = random_boxes(seed)
    samples = generated("distance", room(tmp_path, boxes), tmp_path, tasks=CHOICES, per_view=16)
    worked = [s for s in samples if s["meta"]["worked"]]
    assert worked
    for sample in worked:
        _, *facts, conclusion = reply(sample).split("\n")
        options = list(sample["answer"]["options"].values())
        told = []
        for fact, option in zip(facts, options, strict=True):
            assert fact.rpartition(": ")[0].endswith(f" - {option}")
            told.append(float(re.fullmatch(r".*: (\d+\.\d\d) m", fact)[1]))  # type: ignore[index]
        values, centers = both(sample, boxes)
        assert np.allclose(told, values, atol=0.005 + 1e-6)
        best = (np.argmin if sample["task"] == "distance-nearest" else np.argmax)(told)
        assert re.search(rf": {re.escape(options[best])}\.$", conclusion)
        order = np.argsort(values)
        assert order.tolist() == np.argsort(centers).tolist()
        for found in (values, centers):
            assert all(found[j] - found[i] >= max(0.15, 0.2 * found[i]) - 1e-5 for i, j in pairwise(order))


@pytest.mark.parametrize("seed", range(6))
def test_values_by_least_squares(tmp_path: Path, seed: int) -> None:
    boxes = random_boxes(seed)
    samples = generated("distance", room(tmp_path, boxes), tmp_path, tasks=["distance-value"], per_view=12)
    assert {s["meta"]["between"] for s in samples} == {"closest", "centers"}
    _, _, instances = render(boxes, CAMERA, WIDTH, HEIGHT, POSE)
    for sample in samples:
        parse(sample, Sample)
        meta, answer = sample["meta"], sample["answer"]
        expected = both(sample, boxes)[("closest", "centers").index(meta["between"])][0]
        assert 0.2 <= expected <= 10
        assert meta["values"][0] == pytest.approx(expected, abs=6e-4)
        assert answer == {"type": "number", "value": pytest.approx(expected, abs=0.005 + 1e-6), "unit": "m"}
        assert reply(sample) == f"{answer['value']:.2f} m"
        centres = re.search("cent(re|er)|middle", question(sample))
        assert bool(centres) == (meta["between"] == "centers")
        assert bool(re.search("nearest point|any point|surface|closest", question(sample))) != bool(centres)
        for thing in meta["objects"]:  # no border cuts it off
            mask = instances == int(thing[1:])
            assert mask[1:-1, 1:-1].sum() == mask.sum()


def answers(samples: list[dict[str, Any]]) -> list[Any]:
    """What samples are about and what is answered, whatever pixels are written out."""
    return [(s["meta"]["objects"], s["answer"]["value"], s["meta"]["values"], s["meta"]["template"]) for s in samples]


def test_turning_the_world_changes_nothing(tmp_path: Path) -> None:
    turn, shift = Rotation.from_euler("xyz", [20, -70, 130], degrees=True), np.array([3.0, -5.0, 2.0])
    boxes = random_boxes(3)
    turned = boxes.copy()
    turned[:, :3] = turn.apply(boxes[:, :3]) + shift
    turned[:, 6:] = (turn * Rotation.from_euler("xyz", boxes[:, 6:], degrees=True)).as_euler("xyz", degrees=True)
    pose = np.eye(4)
    pose[:3] = np.hstack([turn.as_matrix() @ np.array(POSE)[:3, :3], turn.apply(np.array(POSE)[:3, 3])[:, None]])
    pose[:3, 3] += shift
    before = generated("distance", room(tmp_path, boxes), tmp_path)
    after = generated("distance", room(tmp_path, turned, pose=pose), tmp_path)
    assert [s["id"] for s in before] == [s["id"] for s in after]
    assert answers(before) == answers(after)
    assert [reply(s) for s in before] == [reply(s) for s in after]


def test_mirroring_changes_no_answer(tmp_path: Path) -> None:
    """The same questions are asked of the mirrored room; only pixels that are written out differ."""
    flip = np.diag([-1.0, 1, 1])
    boxes = random_boxes(5)
    mirrored = boxes.copy()
    mirrored[:, 0] *= -1
    turns = Rotation.from_euler("xyz", boxes[:, 6:], degrees=True).as_matrix()
    mirrored[:, 6:] = Rotation.from_matrix(flip @ turns @ flip).as_euler("xyz", degrees=True)
    pose = np.eye(4)
    pose[:3, :3] = flip @ np.array(POSE)[:3, :3] @ flip
    pose[:3, 3] = flip @ np.array(POSE)[:3, 3]
    plain = room(tmp_path, boxes, name="plain", id="room")
    camera = (CAMERA[0], CAMERA[1], WIDTH - 1 - CAMERA[2], CAMERA[3])
    other = write_scene(tmp_path, mirrored, LABELS, [(camera, WIDTH, HEIGHT, pose)], name="mirrored", id="room")
    before, after = (generated("distance", {**s, "id": "room"}, tmp_path) for s in (plain, other))
    assert len(before) == 12
    assert answers(before) == answers(after)


def test_scaling_scales_the_margin(tmp_path: Path) -> None:
    boxes = random_boxes(4)
    double = boxes * [2, 2, 2, 2, 2, 2, 1, 1, 1]
    pose = np.array(POSE)
    pose[:3, 3] *= 2
    small = generated("distance", room(tmp_path, boxes), tmp_path, tasks=CHOICES, min_gap=0.15)
    large = generated("distance", room(tmp_path, double, pose=pose), tmp_path, tasks=CHOICES, min_gap=0.3)
    assert [s["id"] for s in small] == [s["id"] for s in large]
    assert [s["answer"] for s in small] == [s["answer"] for s in large]
    for a, b in zip(small, large, strict=True):
        assert np.allclose(np.multiply(a["meta"]["values"], 2), b["meta"]["values"], atol=2e-3)


def plain(*xyz: float, size: tuple[float, float, float] = (0.3, 0.3, 0.3)) -> list[float]:
    return [*xyz, *size, 0, 0, 0]


def dropped(scene: dict[str, Any], folder: Path, **options: Any) -> tuple[list[dict[str, Any]], Counter[str]]:
    tally: Counter[str] = Counter()
    return list(generator("distance", root=str(folder), **options)(scene, tally)), tally


def test_what_touches_the_anchor_is_no_candidate(tmp_path: Path) -> None:
    boxes = [
        plain(0, 0.5, 3, size=(1, 0.4, 0.6)),
        plain(0, 0.2, 3, size=(0.2, 0.2, 0.2)),  # stands on the first
        plain(1.2, 0.2, 3),
        plain(-1.3, -0.3, 3.5),
    ]
    samples, tally = dropped(room(tmp_path, boxes, ["desk", "cup", "box", "pot"], None), tmp_path, tasks=CHOICES)
    assert tally["one touches the anchor"] > 0
    assert samples
    for sample in samples:
        first, *others = sample["meta"]["objects"]
        assert not any({first, other} == {"o1", "o2"} for other in others)


def test_definitions_that_disagree_make_no_question(tmp_path: Path) -> None:
    """The shelf's near end is closer to the cup than the pot is, but its centre is farther away."""
    boxes = [plain(-1, 0, 3), plain(0.5, -0.6, 3, size=(2.4, 0.3, 0.3)), plain(-1, 1.0, 3.4)]
    centre, edge = np.array(boxes)[:, :3], [closest(np.array(boxes[0]), np.array(b)) for b in boxes[1:]]
    apart = np.linalg.norm(centre[1:] - centre[0], axis=1)
    assert edge[1] - edge[0] > 0.15
    assert apart[0] - apart[1] > 0.15
    samples, tally = dropped(room(tmp_path, boxes, ["cup", "shelf", "pot"], None), tmp_path, per_view=8)
    assert tally["closest points and centres disagree"] > 0
    assert not [s for s in samples if s["task"] in CHOICES and s["meta"]["objects"][0] == "o1"]


def test_numbers_are_told_only_of_what_is_seen_from_end_to_end(tmp_path: Path) -> None:
    boxes = [
        plain(-2.3, 0, 3, size=(1.4, 0.5, 0.5)),  # the border cuts it off
        plain(0, 0, 2, size=(0.4, 0.8, 0.1)),
        plain(0.2, 0, 3, size=(0.8, 0.4, 0.2)),  # its left half is behind the one before
        plain(1.3, 0.1, 3),
        plain(1.2, -0.9, 3.2),
        plain(-0.9, 0.8, 3.4),
    ]
    scene = room(tmp_path, boxes, ["sofa", "screen", "chest", "box", "pot", "cup"], None)
    samples, tally = dropped(scene, tmp_path, per_view=16)
    numbered = [s for s in samples if s["task"] == "distance-value" or s["meta"]["worked"]]
    compared = [s for s in samples if s not in numbered]
    assert numbered
    assert not {"o1", "o3"} & {thing for s in numbered for thing in s["meta"]["objects"]}
    assert {"o1", "o3"} & {thing for s in compared for thing in s["meta"]["objects"]}
    assert tally["object: cut off by the picture's border"]
    assert tally["object: not seen from end to end"]


def test_boxes_that_do_not_fit_the_depth_are_left_out(tmp_path: Path) -> None:
    scene = room(tmp_path, random_boxes(2))
    moved = json.loads(json.dumps(scene))
    before, _ = dropped(scene, tmp_path)
    thing = before[0]["meta"]["objects"][0]
    number = int(thing[1:]) - 1
    moved["objects"][number]["box3d"][0] += 0.3  # the masks stay where they are
    after, tally = dropped(moved, tmp_path)
    assert tally["object: its box does not fit what is seen"] > 0
    assert thing not in {other for s in after for other in s["meta"]["objects"]}


@pytest.mark.parametrize("case", ["scale unknown", "relative depth", "no boxes", "no objects"])
def test_nothing_is_asked_without_metres_or_boxes(tmp_path: Path, case: str) -> None:
    scene = room(tmp_path, random_boxes(1))
    if case == "scale unknown":
        scene["metric"] = False
    elif case == "relative depth":
        scene["views"][0]["depth"]["kind"] = "mono-relative"
    elif case == "no boxes":
        for thing in scene["objects"]:
            del thing["box3d"]
    else:
        scene["objects"] = []
    samples, tally = dropped(scene, tmp_path)
    assert samples == []
    if case in ("scale unknown", "relative depth"):
        assert all(tally[f"view: {task}: lengths are not metres"] == 1 for task in distance.TASKS)
    elif case == "no boxes":
        assert tally["object: no 3D box"] > 0


def test_every_candidate_is_counted_and_no_question_stands_twice(tmp_path: Path) -> None:
    for seed in range(3):
        samples, tally = dropped(room(tmp_path, random_boxes(seed)), tmp_path, per_view=20)
        lost = sum(n for r, n in tally.items() if r not in ("candidates", "samples") and ": " not in r)
        assert tally["candidates"] == len(samples) + lost
        assert len({(question(s), json.dumps(s["images"])) for s in samples}) == len(samples)


def test_captions_refer_where_the_scene_has_them(tmp_path: Path) -> None:
    scene = room(tmp_path, random_boxes(0))
    for i, thing in enumerate(scene["objects"]):
        thing["caption"] = f"the {thing['label']} numbered {i}"
    samples = generated("distance", scene, tmp_path, forms=["caption"])
    assert {s["meta"]["form"] for s in samples} == {"caption"}
    assert any(re.search(r"the \w+ numbered \d", question(s)) for s in samples)


def test_explanations_tell_the_numbers(tmp_path: Path) -> None:
    scene = room(tmp_path, random_boxes(1))
    for sample in generated("distance", scene, tmp_path):
        text = distance.explain(sample, scene)
        meta = sample["meta"]
        assert sample["id"] in text
        assert all(f"{value:.3f}" in text for value in [*meta["values"], *meta.get("centers", [])])
        assert f"written as {reply(sample)!r}" in text


def test_wrong_options_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--tasks: expected some of .*distance-value, got depth-nearest"):
        generator("distance", tasks=["depth-nearest"])
    own = tmp_path / "own.toml"
    own.write_text('[value]\nclosest = ["How far is {a} from {c}?"]\n')
    with pytest.raises(DataError, match=r"value\.closest\[0\]: expected the slots \['a', 'b'\], got \['a', 'c'\]"):
        generator("distance", templates=str(own))
