"""What gen-det3d does not ask: labels in doubt, boxes that are no use, things that may be there under another name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from room import write_scene
from support import generated, generator
from test_gen_det3d import APART, CAMERA, HEIGHT, TASKS, WIDTH, random_room, text
from vstkit.geometry.dialects import parse_boxes
from vstkit.naming import alike, is_a
from vstkit.records import Sample
from vstkit.validation import parse

Record = dict[str, Any]

FRONT = [[-0.8, 0, 2.5], [0, 0, 2.5], [0.8, 0, 2.5]]


def row(folder: Path, labels: list[str], places: list[list[float]] = FRONT, **fields: Any) -> Record:
    """Cubes side by side before the camera."""
    boxes = [[*place, 0.4, 0.4, 0.4, 0, 0, 0] for place in places]
    return write_scene(folder, boxes, labels, [(CAMERA, WIDTH, HEIGHT, None)], **fields)


def asked(scene: Record, folder: Path, task: str = "det3d", **options: Any) -> tuple[set[str], Counter[str]]:
    tally = Counter[str]()
    made = list(generator("detection", root=str(folder), tasks=[task], per_view=50, **options)(scene, tally))
    return {label for sample in made for label in sample["meta"]["labels"]}, tally


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["lamp", "desk lamp", "cup"], {"desk lamp", "cup"}),  # a desk lamp is a lamp
        (["table", "table lamp", "cup"], {"table", "table lamp", "cup"}),  # and no table
        (["shelf", "book shelves", "cup"], {"book shelves", "cup"}),
        (["Chair", "chair", "cup"], {"cup"}),
        (["wall", "object", "cup"], {"cup"}),
    ],
)
def test_labels_that_are_in_doubt_by_their_names(tmp_path: Path, labels: list[str], expected: set[str]) -> None:
    scene = row(tmp_path, labels)
    found, tally = asked(scene, tmp_path)
    assert found == expected
    assert tally["candidates"] == tally["samples"] + tally["something else in view is of this kind too"]
    for task in ("det3d-labels", "det3d-turns"):
        assert asked(scene, tmp_path, task)[0] <= expected


def test_labels_with_an_instance_in_doubt(tmp_path: Path) -> None:
    cups = ["cup", "cup", "pot"]
    assert asked(row(tmp_path, cups), tmp_path)[0] == {"cup", "pot"}
    hardly = row(tmp_path, cups, [[-0.8, 0, 2.5], [0, 0, 30], [0.8, 0, 2.5]])
    found, tally = asked(hardly, tmp_path)
    assert found == {"pot"}
    assert tally["an instance is hardly seen"] == 1
    more = row(tmp_path, [*cups, "bed"], [[-0.8, 0, 2.5], [0, 0, 30], [0.8, 0, 2.5], [0.8, 0.8, 2.5]])
    assert asked(more, tmp_path, "det3d-all")[1]["an object in view is in doubt"] == 1
    stuff = row(tmp_path, cups)
    stuff["objects"][0]["stuff"] = True
    assert asked(stuff, tmp_path)[1]["an instance may not be asked about"] == 1
    flat = row(tmp_path, cups)
    del flat["objects"][1]["box3d"]
    assert asked(flat, tmp_path)[1]["an instance has no 3D box"] == 1
    moved = row(tmp_path, cups)
    moved["objects"][1]["box3d"][2] += 1
    found, tally = asked(moved, tmp_path)
    assert found == {"pot"}
    assert tally["an instance's box does not fit what is seen"] == 1
    behind = row(tmp_path, ["cup", "beam", "pot"], FRONT)
    behind["objects"][1]["box3d"] = [0.3, 0, -1.0, 0.1, 0.1, 8, 0, 0, 0]
    assert "beam" not in asked(behind, tmp_path)[0]


def test_all_objects_are_asked_for_where_all_can_be_listed(tmp_path: Path) -> None:
    def exhaustive(scene: Record) -> list[Record]:
        made = generated("detection", scene, tmp_path, tasks=["det3d-all"])
        return [s for s in made if s["meta"].get("exhaustive")]

    (sample,) = exhaustive(row(tmp_path, ["lamp", "desk lamp", "cup"]))
    assert set(sample["meta"]["objects"]) == {"o1", "o2", "o3"}
    assert len(exhaustive(row(tmp_path, ["wall", "pot", "cup"]))) == 1
    assert not exhaustive(row(tmp_path, ["unknown", "pot", "cup"]))
    window = row(tmp_path, ["window", "pot", "cup"])
    window["objects"][0]["stuff"] = True
    assert not exhaustive(window)


def test_what_may_be_there_under_another_name_is_not_called_absent(tmp_path: Path) -> None:
    places = [*FRONT, [0, 0, -3.0]]
    for there, away, absent in (
        ("cup", "bottle", True),
        ("coffee cup", "cup", False),
        ("mug", "cup", False),
        ("book shelves", "shelf", False),
        ("unknown", "bottle", False),
        ("cup", "wall", False),
    ):
        scene = row(tmp_path, ["pillow", "door", there, away], places)
        assert (away in asked(scene, tmp_path, "det3d-absent")[0]) == absent


@pytest.mark.parametrize(
    ("a", "b", "same", "kind"),
    [
        ("cup", "cups", True, True),
        ("shelves", "shelf", True, True),
        ("knives", "knife", True, True),
        ("boxes", "box", True, True),
        ("coffee table", "table", True, True),
        ("table", "coffee table", True, False),
        ("sofa", "couch", True, False),
        ("bed", "lamp", False, False),
        ("part of a cabinet/wardrobe", "wardrobe", True, True),
    ],
)
def test_names(a: str, b: str, same: bool, kind: bool) -> None:
    assert alike(a, b) == alike(b, a) == same
    assert is_a(a, b) == kind


def test_crowded_boxes_are_not_named(tmp_path: Path) -> None:
    boxes = [
        [0, 0, 2.5, 0.8, 0.4, 0.4, 0, 0, 0],
        [0.1, 0, 2.6, 0.8, 0.4, 0.4, 0, 0, 0],
        [1, 0.5, 2.5, 0.3, 0.3, 0.3, 0, 0, 0],
    ]
    scene = write_scene(tmp_path, boxes, ["chest", "crate", "cup"], [(CAMERA, WIDTH, HEIGHT, None)])
    assert asked(scene, tmp_path, "name3d")[0] == {"cup"}


def test_no_metres_no_boxes(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 2, metric=False)
    for task in TASKS:
        found, tally = asked(scene, tmp_path, task)
        assert not found
        assert tally[f"view: {task}: lengths are not metres"] == 1


@pytest.mark.parametrize("record", [{"objects": []}, {}])
def test_no_objects(tmp_path: Path, record: Record) -> None:
    scene = row(tmp_path, ["cup", "pot", "lamp"])
    del scene["objects"]
    assert generated("detection", {**scene, **record}, tmp_path, tasks=TASKS) == []


def test_what_is_absent_is_absent(tmp_path: Path) -> None:
    found = 0
    for seed in range(10):
        scene, instances = random_room(tmp_path, seed, APART, 5)
        for sample in generated("detection", scene, tmp_path, tasks=["det3d-absent"], per_view=20):
            parse(sample, Sample)
            (label,) = sample["meta"]["labels"]
            assert sample["answer"]["value"] == sample["meta"]["objects"] == []
            assert parse_boxes(text(sample, 0, "assistant")).found
            assert text(sample, 0).endswith(f"boxes of {label}")
            assert not any((instances == t["instance"]).any() for t in scene["objects"] if t["label"] == label)
            found += 1
    assert found >= 5
    scene, _ = random_room(tmp_path, 0)
    assert "det3d-absent" not in {s["task"] for s in generated("detection", scene, tmp_path)}
