"""Generated answers on random rooms, derived again by ray casting; and what must not change them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import chisquare

from room import look_at, render, write_scene
from support import generated
from vstkit.errors import DataError
from vstkit.geometry.dialects import parse_boxes
from vstkit.records import Sample
from vstkit.tasks import depth, detection, templates
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = (120.0, 118.0, 79.0, 61.5), 160, 120
POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
NEAREST, FORMS = ["depth-nearest"], ["text", "box", "point"]
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant"]


def random_boxes(seed: int, n: int = 8) -> np.ndarray:
    """Boxes in front of the camera, in world axes, some before others."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-1.6, -0.9, 0.2], [1.6, 0.9, 4.0], (n, 3))
    return np.hstack([centres, rng.uniform(0.15, 0.8, (n, 3)), rng.uniform(-180, 180, (n, 3))])


@pytest.mark.parametrize("seed", range(8))
def test_nearest_by_ray_casting(tmp_path: Path, seed: int) -> None:
    boxes = random_boxes(seed)
    scene = write_scene(tmp_path, boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)])
    samples = generated("depth", scene, tmp_path, tasks=NEAREST, forms=FORMS, per_view=12)
    assert len(samples) >= 6
    _, depths, instances = render(boxes, CAMERA, WIDTH, HEIGHT, POSE)
    for sample in samples:
        parse(sample, Sample)
        masks = [instances == int(i[1:]) for i in sample["meta"]["objects"]]
        if sample["meta"]["form"] == "point":
            marks = [op["xy"] for op in sample["images"][0]["ops"]]
            assert all(mask[v, u] for mask, (u, v) in zip(masks, marks, strict=True))
            measured = [depths[v, u] for u, v in marks]
        else:
            measured = [np.median(depths[mask]) for mask in masks]
            tenths = [np.percentile(depths[mask], 10) for mask in masks]
            assert np.argmin(tenths) == np.argmin(measured)
        assert "ABCDE"[int(np.argmin(measured))] == sample["answer"]["value"]
        first, second = np.sort(measured)[:2]
        assert second - first >= max(0.1, 0.1 * first) - 0.02


@pytest.mark.parametrize("seed", range(4))
def test_boxes_by_projecting_them(tmp_path: Path, seed: int) -> None:
    """An answer's boxes, rendered in camera axes without any pose, are the picture's instances again."""
    boxes = random_boxes(seed)
    scene = write_scene(tmp_path, boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)])
    _, _, instances = render(boxes, CAMERA, WIDTH, HEIGHT, POSE)
    samples = generated("detection", scene, tmp_path, tasks=["det3d"])
    assert samples
    for sample in samples:
        parse(sample, Sample)
        parsed = parse_boxes(sample["messages"][1]["content"][0]["text"])
        assert (len(parsed.boxes), parsed.dropped, parsed.cut) == (len(sample["meta"]["objects"]), 0, False)
        for thing, box in zip(sample["meta"]["objects"], sample["answer"]["value"], strict=True):
            _, _, alone = render(box["box3d"], CAMERA, WIDTH, HEIGHT)
            _, _, other = render(boxes[int(thing[1:]) - 1], CAMERA, WIDTH, HEIGHT, POSE)
            assert (alone != other).mean() < 1e-3
            assert ((instances == int(thing[1:])) <= (alone > 0)).mean() > 0.999


def boxes_of(sample: dict[str, Any]) -> list[dict[str, Any]]:
    answers = sample["answer"] if isinstance(sample["answer"], list) else [sample["answer"]]
    return [box for answer in answers if answer["type"] == "boxes3d" for box in answer["value"]]


@pytest.mark.parametrize("module", ["depth", "detection"])
def test_turning_the_world_changes_nothing(tmp_path: Path, module: str) -> None:
    turn = Rotation.from_euler("xyz", [20, -70, 130], degrees=True)
    shift = np.array([3.0, -5.0, 2.0])
    boxes = random_boxes(3)
    turned = boxes.copy()
    turned[:, :3] = turn.apply(boxes[:, :3]) + shift
    axes = turn * Rotation.from_euler("xyz", boxes[:, 6:], degrees=True)
    turned[:, 6:] = axes.as_euler("xyz", degrees=True)
    pose = np.eye(4)
    pose[:3, :3] = turn.as_matrix() @ np.array(POSE)[:3, :3]
    pose[:3, 3] = turn.apply(np.array(POSE)[:3, 3]) + shift
    plain = write_scene(tmp_path, boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)])
    before = generated(module, plain, tmp_path)
    after = generated(module, write_scene(tmp_path, turned, LABELS, [(CAMERA, WIDTH, HEIGHT, pose)]), tmp_path)
    assert [s["id"] for s in before] == [s["id"] for s in after]
    for a, b in zip(before, after, strict=True):
        if module == "depth":
            assert a["answer"] == b["answer"]
            continue
        for p, q in zip(boxes_of(a), boxes_of(b), strict=True):
            assert np.allclose(p["box3d"][:6], q["box3d"][:6], atol=2e-4)
            R, S = (Rotation.from_euler("xyz", x["box3d"][6:], degrees=True) for x in (p, q))
            assert (R.inv() * S).magnitude() < 1e-5


def test_what_is_hidden_is_never_asked_about(tmp_path: Path) -> None:
    boxes = np.array(
        [
            [0, 0, 2, 1.2, 1.2, 0.2, 0, 0, 0],
            [0, 0, 3, 0.4, 0.4, 0.4, 0, 0, 0],  # all behind the first
            [1.2, 0, 3, 0.5, 0.5, 0.5, 0, 30, 0],
        ]
    )
    scene = write_scene(tmp_path, boxes, ["screen", "vase", "stool"], [(CAMERA, WIDTH, HEIGHT, None)])
    samples = generated("depth", scene, tmp_path, tasks=NEAREST) + generated(
        "detection", scene, tmp_path, tasks=["det3d"]
    )
    assert {i for s in samples for i in s["meta"]["objects"]} == {"o1", "o3"}


def test_letters_are_balanced(tmp_path: Path) -> None:
    """Over many scenes the right letter says nothing: each place of N is right as often as the others."""
    counts = {n: Counter[str]() for n in (2, 3, 4, 5)}
    camera = (60.0, 60.0, 39.5, 29.5)
    for seed in range(40):
        scene = write_scene(tmp_path, random_boxes(seed), [f"thing{i}" for i in range(8)], [(camera, 80, 60, POSE)])
        scene["id"] = f"room/{seed}"
        for sample in generated("depth", scene, tmp_path, tasks=NEAREST, per_view=24):
            counts[len(sample["answer"]["options"])][sample["answer"]["value"]] += 1
    for n, letters in counts.items():
        seen = [letters["ABCDE"[i]] for i in range(n)]
        assert sum(seen) >= 60
        assert chisquare(seen).pvalue > 0.001


def test_relative_order_needs_no_metres(tmp_path: Path) -> None:
    """Half of every depth and size: the same order; the margin in metres is the only thing that may drop a question."""
    boxes = random_boxes(5)
    scene = write_scene(tmp_path, boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)])
    double = json.loads(json.dumps(scene))
    double["views"][0]["depth"]["scale"] = 2000
    plain = {s["id"]: s["answer"]["value"] for s in generated("depth", scene, tmp_path, min_gap=0)}
    halved = {s["id"]: s["answer"]["value"] for s in generated("depth", double, tmp_path, min_gap=0)}
    assert plain == halved


def test_explanations_tell_the_numbers(tmp_path: Path) -> None:
    scene = write_scene(tmp_path, random_boxes(1), LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)])
    for sample in generated("depth", scene, tmp_path, tasks=NEAREST):
        text = depth.explain(sample, scene)
        assert sample["id"] in text
        assert all(f"{value:.3f}" in text for value in sample["meta"]["values"])
        assert f"answer: {sample['answer']['value']}" in text
    for sample in generated("detection", scene, tmp_path, tasks=["det3d"]):
        assert all(str(box["box3d"]) in detection.explain(sample, scene) for box in sample["answer"]["value"])


def test_templates_with_wrong_slots_fail_when_they_are_loaded() -> None:
    with pytest.raises(
        DataError, match=r"depth\.toml: nearest\.name\[0\]: expected the slots \['nobody'\], got \['names'\]"
    ):
        templates.load("depth", depth.SLOTS | {"nearest.name": {"nobody"}})
    with pytest.raises(DataError, match="expected the keys"):
        templates.load("depth", depth.SLOTS | {"middle.name": {"names"}})
