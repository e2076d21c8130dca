"""gen-det3d on random rooms: every answer is derived again by ray casting, and what must not be asked is not."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transforms
from room import look_at, render, write_scene
from support import generated, generator, run
from vstkit import images
from vstkit.geometry.dialects import Notation, parse_boxes
from vstkit.records import Sample
from vstkit.tasks import detection
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = (120.0, 118.0, 79.0, 61.5), 160, 120
POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant", "stool"]
APART = ["cup", "bed", "lamp", "sofa", "clock", "oven", "book"]  # in no way the same
TASKS = list(detection.TASKS)
Record = dict[str, Any]


def random_room(
    folder: Path, seed: int, labels: list[str] = LABELS, spread: float = 2.4, **fields: Any
) -> tuple[Record, np.ndarray]:
    """A scene of boxes in front of the camera, some before others and some outside the picture; and its instances."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-spread, -0.9, 0.2], [spread, 0.9, 4.0], (len(labels), 3))
    turns = rng.uniform(-180, 180, (len(labels), 3))
    boxes = np.hstack([centres, rng.uniform(0.15, 0.8, (len(labels), 3)), turns])
    scene = write_scene(folder, boxes, labels, [(CAMERA, WIDTH, HEIGHT, POSE)], name=f"room{seed}", **fields)
    return scene, render(boxes, CAMERA, WIDTH, HEIGHT, POSE)[2]


def text(sample: Record, turn: int, role: str = "user") -> str:
    said = [m for m in sample["messages"] if m["role"] == role]
    return said[turn]["content"][-1]["text"]


def turns_of(sample: Record) -> list[tuple[list[str], list[str], Record, str]]:
    """Labels, objects, answer and reply of every turn."""
    meta, answer = sample["meta"], sample["answer"]
    if sample["task"] != "det3d-turns":
        return [(meta["labels"], meta["objects"], answer, text(sample, 0, "assistant"))]
    assert len(answer) == len(meta["labels"]) == len(meta["objects"]) == len(sample["messages"]) / 2
    said = [text(sample, i, "assistant") for i in range(len(answer))]
    return [([a], b, c, d) for a, b, c, d in zip(meta["labels"], meta["objects"], answer, said, strict=True)]


@pytest.mark.parametrize("notation", [Notation(), Notation("seed", "quat"), Notation("gemini", "euler", "uvd")])
def test_lists_are_complete_sorted_and_in_place(tmp_path: Path, notation: Notation) -> None:
    seen = Counter[str]()
    for seed in range(3):
        scene, instances = random_room(tmp_path, seed)
        visible = {thing["id"] for thing in scene["objects"] if (instances == thing["instance"]).any()}
        for sample in generated("detection", scene, tmp_path, tasks=TASKS[:4], per_view=7, **notation._asdict()):
            parse(sample, Sample)
            seen[sample["task"]] += 1
            for labels, objects, answer, reply in turns_of(sample):
                asked = {t["id"] for t in scene["objects"] if t["label"] in labels and t["id"] in visible}
                assert set(objects) == asked
                assert len(objects) == len(asked)
                depths = [box["box3d"][2] for box in answer["value"]]
                assert depths == sorted(depths)
                said = parse_boxes(reply, notation, sample["meta"]["camera"])
                assert (len(said.boxes), said.dropped, said.cut) == (len(objects), 0, False)
                for thing, box, written in zip(objects, answer["value"], said.boxes, strict=True):
                    assert box["label"] == written["label"]
                    place = instances == int(thing[1:])
                    for held, least in ((box, 0.999), (written, 0.9)):
                        alone = render(held["box3d"], CAMERA, WIDTH, HEIGHT)[2] > 0
                        assert place.sum() * least - 2 <= (place & alone).sum()
                    assert np.allclose(box["box3d"][:6], written["box3d"][:6], atol=0.04)  # half a pixel 6 m away
    assert set(seen) == set(TASKS[:4])


def test_only_the_first_turn_tells_camera_and_format(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 1)
    samples = generated("detection", scene, tmp_path, tasks=["det3d-turns"], per_view=8)
    assert {len(s["answer"]) for s in samples} > {2, 3}
    for sample in samples:
        first, *others = (text(sample, i) for i in range(len(sample["answer"])))
        assert first.endswith(f'in "bbox_3d"\nDetect the 3D bounding boxes of {sample["meta"]["labels"][0]}')
        for other, label in zip(others, sample["meta"]["labels"][1:], strict=True):
            assert label in other
            assert "\n" not in other
        assert (
            len({other.replace(label, "") for other, label in zip(others, sample["meta"]["labels"][1:], strict=True)})
            == 1
        )
        kinds = [len(m["content"]) for m in sample["messages"] if m["role"] == "user"]
        assert kinds == [2] + [1] * len(others)


@pytest.mark.parametrize("dialect", ["vst", "seed", "qwen3vl", "gemini"])
def test_one_object_is_meant_and_found(tmp_path: Path, dialect: str) -> None:
    forms = Counter[str]()
    for seed in range(3):
        scene, instances = random_room(tmp_path, seed)
        options = {"dialect": dialect, "center": "uvd", "forms": ["text", "box", "point", "text-box", "text-point"]}
        for sample in generated("detection", scene, tmp_path, tasks=["ground3d"], per_view=12, **options):
            parse(sample, Sample)
            (thing,), meta = sample["meta"]["objects"], sample["meta"]
            forms[meta["form"]] += 1
            picture = images.open_image(sample["images"][0], str(tmp_path))
            assert list(picture.size) == meta["size"]
            place = Image.fromarray((instances == int(thing[1:])).astype(np.uint8) * 255).resize(picture.size, 0)
            rows, columns = np.nonzero(np.asarray(place))
            around = [columns.min(), rows.min(), columns.max(), rows.max()]
            told = re.search(r" at ([\[(][\d, ]+[\])])", text(sample, 0))
            numbers = [int(n) for n in re.findall(r"\d+", told[1] if told else "")]
            marks = [op["xy"] for op in images.ops_of(sample["images"][0]) if op["op"] == "mark"]
            (told_at,) = marks or [numbers]
            if meta["form"] == "text":
                called = [t for t in scene["objects"] if t["label"] == meta["labels"][0]]
                assert sum((instances == t["instance"]).any() for t in called) == 1
            elif meta["form"] in ("box", "text-box"):
                assert np.allclose(told_at, around, atol=1.6)
            else:
                assert np.asarray(place)[told_at[1], told_at[0]]
            (box,) = parse_boxes(text(sample, 0, "assistant"), Notation(dialect, "euler", "uvd"), meta["camera"]).boxes
            assert np.allclose(box["box3d"][:3], sample["answer"]["value"][0]["box3d"][:3], atol=0.04)
            alone = render(sample["answer"]["value"][0]["box3d"], meta["camera"], *meta["size"])[2] > 0
            assert (alone & (np.asarray(place) > 0)).sum() > 0.9 * len(rows)
    assert len(forms) == 5


def test_what_is_in_a_box(tmp_path: Path) -> None:
    letters = Counter[str]()
    for seed in range(12):
        scene, instances = random_room(tmp_path, seed)
        things = {t["id"]: t for t in scene["objects"]}
        for sample in generated("detection", scene, tmp_path, tasks=["name3d"], per_view=20):
            parse(sample, Sample)
            (thing,) = sample["meta"]["objects"]
            written = re.search(r"\[(-?\d[^\]a-z]*)\]", text(sample, 0))
            assert written
            (box,) = parse_boxes(f'[{{"bbox_3d":{written[0]}}}]').boxes
            alone = render(box["box3d"], CAMERA, WIDTH, HEIGHT)[2] > 0
            place = instances == int(thing[1:])
            assert (alone & place).sum() > 0.9 * place.sum() > 0
            assert place.sum() > 0.3 * alone.sum()
            answer, label = sample["answer"], things[thing]["label"]
            assert "Output" not in text(sample, 0)
            if answer["type"] == "text":
                assert text(sample, 0, "assistant") == answer["value"] == label
                continue
            letters[answer["value"]] += 1
            assert text(sample, 0, "assistant") == answer["value"]
            assert [name for name in answer["options"].values() if name == label] == [
                answer["options"][answer["value"]]
            ]
            in_view = {t["label"] for t in scene["objects"] if (instances == t["instance"]).any()}
            assert set(answer["options"].values()) <= in_view
            assert all(f"{letter}. {name}" in text(sample, 0) for letter, name in answer["options"].items())
    assert set(letters) == set("ABCD")


def test_up_and_relative_depth_do_not_matter(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 3)
    plain = generated("detection", scene, tmp_path)
    lost = {key: value for key, value in scene.items() if key != "up"}
    assert generated("detection", lost, tmp_path) == plain
    scene["views"][0]["depth"]["kind"] = "mono-relative"  # boxes are metric all the same
    assert [s["answer"] for s in generated("detection", scene, tmp_path, tasks=["det3d"])] == [
        s["answer"] for s in plain if s["task"] == "det3d"
    ]


@pytest.mark.parametrize("dialect", ["vst", "seed", "qwen3vl", "gemini"])
def test_the_typed_answer_knows_no_dialect(tmp_path: Path, dialect: str) -> None:
    scene, _ = random_room(tmp_path, 4)
    plain = generated("detection", scene, tmp_path)
    for angles, center in itertools.product(("euler", "quat"), ("xyz", "uvd")):
        made = generated("detection", scene, tmp_path, dialect=dialect, angles=angles, center=center)
        assert [s["answer"] for s in made] == [s["answer"] for s in plain]
        assert len({s["id"] for s in made}) == len(made)


def test_in_a_mirror_and_twice_as_large(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 5)
    plain = generated("detection", scene, tmp_path, tasks=TASKS, per_view=50)
    flipped = transforms.mirrored(scene, tmp_path, tmp_path / "mirror")
    mirror = generated("detection", flipped, tmp_path / "mirror", tasks=TASKS, per_view=50)
    large = generated("detection", transforms.scaled(scene, 2.0), tmp_path, tasks=TASKS, per_view=50)
    assert all(not s["flip_safe"] for s in plain)
    for other, factors in ((mirror, (-1, 1, 1)), (large, (2, 2, 2))):
        assert [(s["task"], s["meta"]["objects"]) for s in other] == [(s["task"], s["meta"]["objects"]) for s in plain]
        for a, b in zip(plain, other, strict=True):
            for (*_, before, _), (*_, after, _) in zip(turns_of(a), turns_of(b), strict=True):
                if before["type"] != "boxes3d":
                    assert before == after
                    continue
                centres = [[box["box3d"][:3] for box in answer["value"]] for answer in (before, after)]
                assert np.allclose(np.array(centres[0]) * factors if centres[0] else [], centres[1], atol=3e-4)


def test_explanations_tell_the_boxes(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 1, APART, 5)
    samples = generated("detection", scene, tmp_path, tasks=TASKS)
    assert {s["task"] for s in samples} == set(TASKS)
    for sample in samples:
        said = detection.explain(sample, scene)
        assert said.startswith(f"{sample['id']}: {sample['task']} of ")
        for _, objects, answer, _ in turns_of(sample):
            assert all(f"{thing}  " in said for thing in objects)
            if answer["type"] == "boxes3d":
                assert all(str(box["box3d"]) in said for box in answer["value"])
            else:
                assert f"answer: {answer['value']}" in said


def test_views_that_are_not_unified_are_counted_once(tmp_path: Path) -> None:
    scene, _ = random_room(tmp_path, 0)
    note = "note: views that are not FoV-unified (run vstkit fov-unify before)"
    tally = Counter[str]()
    list(generator("detection", root=str(tmp_path), tasks=TASKS)(scene, tally))
    assert tally[note] == 1
    (tmp_path / "scene.jsonl").write_text(json.dumps(scene))
    for focal in ((), ("--focal", "300")):
        unified = run("fov-unify", *focal, tmp_path / "scene.jsonl", cwd=tmp_path).stdout
        for told, counted in ((focal, False), (("--focal", "299"), True)):
            said = run("gen-det3d", *told, stdin=unified, cwd=tmp_path).stderr.decode()
            assert ("not FoV-unified" in said) == counted
