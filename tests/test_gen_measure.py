"""Measurements of random rooms, derived again from the corners of their boxes; and what must not change them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from room import look_at, render, write_scene
from support import generated, generator
from vstkit.errors import UsageError
from vstkit.records import Sample
from vstkit.tasks import measure
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = (150.0, 148.0, 119.0, 88.5), 240, 180
POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant"]
PER_METRE = {"m": 1, "cm": 100, "mm": 1000}
WORDS = {"m": "metres", "cm": "centimetres", "mm": "millimetres"}


def upright_boxes(seed: int, n: int = 8) -> np.ndarray:
    """Boxes that stand upright, to three degrees, with any axis vertical."""
    rng = np.random.default_rng(seed)
    boxes = np.zeros((n, 9))
    boxes[:, :3] = rng.uniform([-1.6, -0.9, 0.2], [1.6, 0.9, 3.0], (n, 3))
    boxes[:, 3:6] = rng.uniform(0.15, 0.7, (n, 3))
    for box in boxes:
        stood = Rotation.from_euler("xyz", rng.choice([0, 90], 3), degrees=True)
        turned = Rotation.from_euler("y", rng.uniform(0, 360), degrees=True)
        tilted = Rotation.from_rotvec(np.radians(rng.uniform(-2, 2, 3)))
        box[6:] = (tilted * turned * stood).as_euler("xyz", degrees=True)
    return boxes


def room(folder: Path, boxes: Any, labels: Any = LABELS, pose: Any = POSE, **fields: Any) -> dict[str, Any]:
    return write_scene(folder, boxes, labels, [(CAMERA, WIDTH, HEIGHT, pose)], **fields)


def corners(box: np.ndarray) -> np.ndarray:
    signs = np.array(np.meshgrid(*3 * [[-0.5, 0.5]])).reshape(3, 8).T
    return Rotation.from_euler("xyz", box[6:], degrees=True).apply(signs * box[3:6]) + box[:3]


def lengths(box: np.ndarray) -> dict[str, float]:
    """The vertical extent and the longest edge of a box, by its corners; the world's up is -y."""
    points = corners(box)
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    edges = [apart[0, i] for i in (1, 2, 4)]  # one corner differs in one sign from three others
    return {"height": float(np.ptp(points[:, 1])), "longest": float(max(edges))}


def turns_of(sample: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Question, reply and answer of each turn."""
    texts = [m["content"][-1]["text"] for m in sample["messages"]]
    held = sample["answer"] if isinstance(sample["answer"], list) else [sample["answer"]]
    return list(zip(texts[::2], texts[1::2], held, strict=True))


def made(scene: dict[str, Any], folder: Path, **options: Any) -> tuple[list[dict[str, Any]], Counter[str]]:
    tally: Counter[str] = Counter()
    return list(generator("measure", root=str(folder), **options)(scene, tally)), tally


@pytest.mark.parametrize("seed", range(6))
def test_lengths_by_the_corners(tmp_path: Path, seed: int) -> None:
    boxes = upright_boxes(seed)
    samples, _ = made(room(tmp_path, boxes), tmp_path, per_view=12)
    assert {s["task"] for s in samples} == {"measure-height", "measure-longest", "measure-turns"}
    _, _, instances = render(boxes, CAMERA, WIDTH, HEIGHT, POSE)
    for sample in samples:
        parse(sample, Sample)
        meta = sample["meta"]
        if sample["task"] != "measure-turns":
            assert meta["what"] == [sample["task"].removeprefix("measure-")]
        held = zip(meta["objects"], meta["what"], meta["values"], meta["units"], turns_of(sample), strict=True)
        assert len({*meta["units"]}) == 1
        assert len({*meta["objects"]}) == len(meta["objects"])
        for thing, what, value, unit, (question, reply, answer) in held:
            expected = lengths(boxes[int(thing[1:]) - 1])[what]
            assert value == pytest.approx(expected, abs=6e-4)
            assert answer["type"] == "number"
            assert answer["unit"] == unit
            assert answer["value"] == pytest.approx(expected * PER_METRE[unit], abs=0.5 if unit != "m" else 0.005)
            assert abs(answer["value"] / PER_METRE[unit] - expected) <= 0.05 * expected
            assert reply == (f"{answer['value']:.2f} m" if unit == "m" else f"{answer['value']:.0f} {unit}")
            assert float(reply.split()[0]) == answer["value"]
            assert re.findall(r"\w*metres", question) == [WORDS[unit]]
            tall = re.search(
                "tall|height|vertical|bottom|lowest", re.sub("length, width (and|or) height", "", question)
            )
            assert bool(tall) == (what == "height")
            mask = instances == int(thing[1:])
            assert mask[1:-1, 1:-1].sum() == mask.sum()


def test_turning_the_world_changes_nothing(tmp_path: Path) -> None:
    turn, shift = Rotation.from_euler("xyz", [20, -70, 130], degrees=True), np.array([3.0, -5.0, 2.0])
    boxes = upright_boxes(3)
    turned = boxes.copy()
    turned[:, :3] = turn.apply(boxes[:, :3]) + shift
    turned[:, 6:] = (turn * Rotation.from_euler("xyz", boxes[:, 6:], degrees=True)).as_euler("xyz", degrees=True)
    pose = np.eye(4)
    pose[:3] = np.hstack([turn.as_matrix() @ np.array(POSE)[:3, :3], turn.apply(np.array(POSE)[:3, 3])[:, None]])
    pose[:3, 3] += shift
    up = (turn.as_matrix() @ [0, -1, 0]).tolist()
    before, _ = made(room(tmp_path, boxes), tmp_path)
    after, _ = made(room(tmp_path, turned, pose=pose, up=up), tmp_path)
    assert len(before) >= 8
    assert before == [{**s, "images": b["images"]} for s, b in zip(after, before, strict=True)]


@pytest.mark.parametrize("degrees", [0, 2, 8, 15, 45, 75, 88, 90])
def test_what_is_tilted_has_no_height(tmp_path: Path, degrees: float) -> None:
    """A post keeps its height under a small tilt; a board does not, whose thickness the tilt outgrows."""
    post, board = [-0.5, 0, 2.5, 0.1, 1.0, 0.1, 0, 0, degrees], [0.9, 0, 2.5, 0.8, 0.2, 0.4, 0, 0, degrees]
    scene = room(tmp_path, [post, board], ["post", "board"], None)
    samples, tally = made(scene, tmp_path, tasks=["measure-height"])
    expected = {0: {"o1": 1.0, "o2": 0.2}, 2: {"o1": lengths(np.array(post))["height"]}}
    expected[8] = expected[2]
    expected |= {90: {"o1": 0.1, "o2": 0.8}, 88: {"o2": lengths(np.array(board))["height"]}}
    found = {s["meta"]["objects"][0]: s["meta"]["values"][0] for s in samples}
    assert found == pytest.approx(expected.get(degrees, {}), abs=6e-4)
    assert tally["object: tilted: its vertical extent is no height"] == 2 - len(found)


def test_height_needs_to_know_what_is_up(tmp_path: Path) -> None:
    scene = room(tmp_path, upright_boxes(0))
    del scene["up"]
    samples, tally = made(scene, tmp_path)
    assert {s["task"] for s in samples} == {"measure-longest", "measure-turns"}
    assert {what for s in samples for what in s["meta"]["what"]} == {"longest"}
    assert tally["view: measure-height: it is not known what is up"] == 1


@pytest.mark.parametrize("case", ["scale unknown", "relative depth", "no boxes"])
def test_nothing_is_asked_without_metres_or_boxes(tmp_path: Path, case: str) -> None:
    scene = room(tmp_path, upright_boxes(1))
    if case == "scale unknown":
        scene["metric"] = False
    elif case == "relative depth":
        scene["views"][0]["depth"]["kind"] = "mono-relative"
    else:
        for thing in scene["objects"]:
            del thing["box3d"]
    samples, tally = made(scene, tmp_path)
    assert samples == []
    if case == "no boxes":
        assert tally["object: no 3D box"] > 0
    else:
        assert all(tally[f"view: {task}: lengths are not metres"] == 1 for task in measure.TASKS)


def test_a_scene_without_objects_makes_nothing(tmp_path: Path) -> None:
    scene = room(tmp_path, upright_boxes(1))
    samples, tally = made({**scene, "objects": []}, tmp_path)
    assert samples == []
    assert tally["candidates"] == 0


def test_only_what_is_seen_from_end_to_end_is_measured(tmp_path: Path) -> None:
    boxes = [
        [-2.3, 0, 3, 1.4, 0.5, 0.5, 0, 0, 0],  # the border cuts it off
        [0, 0, 2, 0.4, 0.8, 0.1, 0, 0, 0],
        [0.2, 0, 3, 0.8, 0.4, 0.2, 0, 0, 0],  # its left half is behind the one before
        [1.3, 0.1, 3, 0.3, 0.3, 0.3, 0, 0, 0],
        [0.9, -0.8, 3, 0.6, 0.02, 0.02, 0, 0, 0],  # too thin to ask for its height
    ]
    scene = room(tmp_path, boxes, ["sofa", "screen", "chest", "box", "stick"], None)
    samples, tally = made(scene, tmp_path, min_share=0, per_view=12)
    heights = {s["meta"]["objects"][0] for s in samples if s["task"] == "measure-height"}
    longest = {s["meta"]["objects"][0] for s in samples if s["task"] == "measure-longest"}
    assert heights == {"o2", "o4"}
    assert longest == {"o2", "o4", "o5"}
    assert tally["object: cut off by the picture's border"] == 3  # once for each task
    assert tally["object: not seen from end to end"] == 3
    assert tally["object: below 0.03 m or above 10 m"] == 1


def test_a_box_that_does_not_fit_the_depth_is_not_measured(tmp_path: Path) -> None:
    scene = room(tmp_path, upright_boxes(2))
    before, _ = made(scene, tmp_path)
    thing = before[0]["meta"]["objects"][0]
    moved = json.loads(json.dumps(scene))
    moved["objects"][int(thing[1:]) - 1]["box3d"][0] += 0.3
    after, tally = made(moved, tmp_path)
    assert tally["object: its box does not fit what is seen"] > 0
    assert thing not in {other for s in after for other in s["meta"]["objects"]}


def test_every_candidate_is_counted_and_no_question_stands_twice(tmp_path: Path) -> None:
    for seed in range(3):
        samples, tally = made(room(tmp_path, upright_boxes(seed)), tmp_path, per_view=20)
        lost = sum(n for r, n in tally.items() if r not in ("candidates", "samples") and ": " not in r)
        assert tally["candidates"] == len(samples) + lost
        asked = [json.dumps([[q for q, _, _ in turns_of(s)], s["images"]]) for s in samples]
        assert len({*asked}) == len(asked)


def test_all_units_are_asked_for(tmp_path: Path) -> None:
    samples = [s for seed in range(6) for s in made(room(tmp_path, upright_boxes(seed)), tmp_path)[0]]
    assert {unit for s in samples for unit in s["meta"]["units"]} == {"m", "cm", "mm"}


def test_explanations_tell_the_numbers(tmp_path: Path) -> None:
    scene = room(tmp_path, upright_boxes(1))
    for sample in generated("measure", scene, tmp_path):
        text = measure.explain(sample, scene)
        assert sample["id"] in text
        assert all(f"{value:.3f} m" in text for value in sample["meta"]["values"])
        assert all(f"written {reply!r}" in text for _, reply, _ in turns_of(sample))


def test_wrong_tasks_are_told() -> None:
    with pytest.raises(UsageError, match=r"--tasks: expected some of measure-height, .*, got width"):
        generator("measure", tasks=["measure-height", "width"])
