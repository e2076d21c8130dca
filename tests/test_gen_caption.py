"""Captions of random rooms and of the kitchen, read back sentence by sentence and held against the boxes."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

import transforms
from room import look_at, write_scene
from support import generated, generator, shared
from vstkit import lineio
from vstkit.errors import UsageError
from vstkit.records import Sample
from vstkit.tasks import caption
from vstkit.tasks.captions import table as facts
from vstkit.tasks.captions.check import problems, sentences
from vstkit.validation import parse

Record = dict[str, Any]
CAMERA, WIDTH, HEIGHT = (150.0, 148.0, 159.0, 118.5), 320, 240
POSE = look_at((0.2, -1.5, -2.6), (0.0, 0.0, 1.5))
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant", "cup", "box"]
KINDS: dict[str, tuple[str, bool]] = {  # the words of the templates: what they say of the subject and the other one
    r"left of|to the left of|farther left than|on the left of": ("left", True),
    r"right of|to the right of|farther right than|on the right of": ("left", False),
    r"in front of|nearer to (us|the camera) than|closer to (us|the camera) than": ("front", True),
    r"behind|farther (away|from us|from the camera|back) than|deeper in the scene than": ("front", False),
    r"above|over": ("above", True),
    r"below|underneath": ("above", False),
    r"on|on top of|resting on|set on": ("on", True),
    r"inside|within|in": ("inside", True),
    r"next to|beside|alongside|adjacent to": ("beside", True),
    r"taller than|of greater height than": ("taller", True),
    r"shorter than|of less height than": ("taller", False),
    r"larger than|bigger than": ("larger", True),
    r"smaller (in size )?than|not as big as": ("larger", False),
}


def room(folder: Path, seed: int, **fields: Any) -> Record:
    """A floor full of upright boxes, some of them on others and some in a row."""
    rng = np.random.default_rng(seed)
    boxes = np.zeros((10, 9))
    boxes[:, [0, 2]] = rng.uniform([-2.4, -0.3], [2.4, 4.5], (10, 2))
    boxes[:, 3:6] = rng.uniform(0.2, 0.9, (10, 3))
    boxes[:, 7] = rng.uniform(0, 360, 10)
    boxes[3, [0, 2]], boxes[3, 3:6] = boxes[6, [0, 2]], boxes[6, 3:6] * 0.4  # a lamp on the desk
    boxes[[0, 1, 8], 3:6], boxes[[0, 1, 8], 7] = 0.3, 0
    boxes[[0, 1, 8], 0], boxes[[0, 1, 8], 2] = boxes[0, 0] + np.array([0, 0.5, 1.0]), boxes[0, 2]
    boxes[:, 1] = 0.5 - boxes[:, 4] / 2
    boxes[3, 1] = 0.5 - boxes[6, 4] - boxes[3, 4] / 2
    return write_scene(folder, boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)], name=f"room{seed}", **fields)


class World:
    """A scene's boxes as one view has them: corners in camera axes."""

    def __init__(self, scene: Record, index: int = 0) -> None:
        pose = np.array(scene["views"][index].get("pose", np.eye(4)))
        self.boxes, self.corners = {}, {}
        signs = np.array(np.meshgrid(*3 * [[-0.5, 0.5]])).reshape(3, 8).T
        self.up = pose[:3, :3].T @ np.array(scene["up"])
        for thing in scene["objects"]:
            if "box3d" in thing:
                box = np.array(thing["box3d"])
                axes = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
                self.boxes[thing["id"]] = (box[:3], axes, box[3:6] / 2)
                self.corners[thing["id"]] = ((signs * box[3:6]) @ axes.T + box[:3] - pose[:3, 3]) @ pose[:3, :3]
        self.centres = {i: points.mean(axis=0) for i, points in self.corners.items()}
        self.heights = {i: points @ self.up for i, points in self.corners.items()}

    def apart(self, a: str, b: str) -> float:
        """The distance of two boxes, by minimising it over both."""
        (p, A, h), (q, B, k) = self.boxes[a], self.boxes[b]
        bounds = [*((-x, x) for x in h), *((-x, x) for x in k)]

        def squared(x: np.ndarray) -> tuple[float, np.ndarray]:
            way = p + A @ x[:3] - q - B @ x[3:]
            return float(way @ way), 2 * np.concatenate([A.T @ way, -B.T @ way])

        found = minimize(squared, np.zeros(6), jac=True, bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-10})
        return float(np.sqrt(found.fun))

    def holds(self, kind: str, a: str, b: str) -> bool:
        p, q, low, high = self.centres[a], self.centres[b], self.heights[a], self.heights[b]
        sizes = [np.sort(2 * self.boxes[i][2])[::-1] for i in (a, b)]
        return {
            "left": q[0] - p[0] > 0.5 and q[0] / q[2] > p[0] / p[2],
            "front": q[2] - p[2] > 1.0,
            "above": low.min() > high.max() - 1e-6,
            "on": abs(low.min() - high.max()) <= 0.1 and low.mean() > high.mean(),
            "inside": low.min() > high.min() - 0.1 and self.apart(a, b) < 1e-4,
            "beside": self.apart(a, b) <= max(0.3, 0.25 * (sizes[0].mean() + sizes[1].mean())) + 1e-4,
            "taller": np.ptp(low) > np.ptp(high) + 0.3,
            "larger": bool((sizes[0] >= sizes[1] - 1e-6).all()) and sizes[0][0] >= 1.25 * sizes[1][0],
        }[kind]


def read_back(sample: Record, world: World) -> Counter[str]:
    """How often each kind of claim stands in a caption; all are held against the world."""
    ids = dict(zip(sample["meta"]["names"], sample["meta"]["objects"], strict=True))
    name = "|".join(sorted(map(re.escape, ids), key=len, reverse=True))
    kinds, told, subject = Counter[str](), set(), ""
    several = rf"(?:the (?:{name})(?:, | and )?)+"
    for text in sentences(sample["answer"]["value"]):
        named = [ids[m] for m in re.findall(rf"\b({name})(?![\w-])", text)]
        here = [subject, *named] if re.match(r"(It|Besides, it|Moreover, it) ", text) else named
        subject = here[0]
        for digits in re.findall(r"(\d+\.\d\d) m\b", text):
            kinds["number"] += 1
            depths = [world.centres[i][2] for i in here]
            steps = [abs(p - q) for p in depths for q in depths]
            gaps = [world.apart(a, b) for a in here for b in here if a < b]
            assert min(abs(float(digits) - x) for x in [*depths, *steps, *gaps]) < 0.0121, text
        told |= {frozenset((a, b)) for a in here for b in here if a != b}
        if "left to right" in text:
            assert all(world.holds("left", a, b) for i, a in enumerate(named) for b in named[i + 1 :]), text
            kinds["line"] += 1
            continue
        if re.search(r"\bbetween\b(?! them\b.*\d)", text) and len(named) == 3 and "gap" not in text:
            kinds["between"] += 1
            continue
        if re.search(r"\brow\b", text):
            places = np.array([world.centres[i] for i in named])
            off = np.linalg.svd(places - places.mean(axis=0))[1]
            assert off[1] < 0.35 * off[0], text
            kinds["row"] += 1
            continue
        for words, (kind, forward) in KINDS.items():
            for found in re.finditer(rf"(?<!far)(?:is|also|and|clearly|deal|down|up|,)\s(?:{words}) ({several})", text):
                for other in re.findall(rf"the ({name})(?![\w-])", found[found.lastindex]):
                    a, b = (here[0], ids[other]) if forward else (ids[other], here[0])
                    assert world.holds(kind, a, b), (kind, text)
                    kinds[kind] += 1
    meta = sample["meta"]
    assert all({a, b} in told for a, _, b in meta["relations"])
    if meta["distances"]:
        assert all({a, b} in told for a, b, _ in meta["distances"])
    return kinds


def test_what_captions_say_is_true(tmp_path: Path) -> None:
    kinds, lengths = Counter[str](), Counter[int]()
    for seed in range(12):
        scene = room(tmp_path, seed)
        world = World(scene)
        for sample in generated("caption", scene, tmp_path, forms=("point", "box", "text"), per_view=8):
            parse(sample, Sample)
            kinds += read_back(sample, world)
            lengths[len(sentences(sample["answer"]["value"]))] += 1
            meta = sample["meta"]
            assert problems(sample["answer"]["value"], facts.of(meta)) == []
            assert sample["messages"][1]["content"][0]["text"] == sample["answer"]["value"]
            assert meta["values"] == pytest.approx([world.centres[i][2] for i in meta["objects"]], abs=6e-4)
            assert [m for *_, m in meta["distances"]] == pytest.approx(
                [world.apart(a, b) for a, b, _ in meta["distances"]], abs=2e-3
            )
    assert 4 <= min(lengths) <= max(lengths) <= 20
    assert {"left", "front", "on", "beside", "taller", "larger", "line", "row", "number"} <= {*kinds}
    assert sum(kinds.values()) > 300


@pytest.mark.parametrize(
    ("old", "new"), [(" left of", " right of"), (" right of", " left of"), ("taller", "shorter"), (".0", ".9")]
)
def test_reading_back_finds_faults(tmp_path: Path, old: str, new: str) -> None:
    found = spoilt = 0
    for seed in range(3):
        scene = room(tmp_path, seed)
        world = World(scene)
        for sample in generated("caption", scene, tmp_path, per_view=8):
            text = sample["answer"]["value"]
            sample["answer"]["value"] = text.replace(old, new)
            if text != sample["answer"]["value"]:
                spoilt += 1
                try:
                    read_back(sample, world)
                except AssertionError:
                    found += 1
    assert found >= 0.9 * spoilt > 0


def test_captions_of_the_kitchen_and_of_their_marks() -> None:
    folder = shared() / "scenes" / "adt"
    texts, kinds = [], Counter[str]()
    for _, _, line in lineio.lines([str(folder / "scenes.jsonl")]):
        scene = lineio.decode(line)
        worlds = [World(scene, index) for index in range(len(scene["views"]))]
        for sample in generated("caption", scene, folder, forms=("point", "box", "text"), per_view=8):
            meta = sample["meta"]
            texts.append(sample["answer"]["value"])
            assert problems(texts[-1], facts.of(meta)) == []
            kinds += read_back(sample, worlds[meta["view"]])
            if meta["form"] != "text":
                for op, name in zip(sample["images"][0]["ops"], meta["names"], strict=True):
                    assert name.endswith(f"({op['color']} {op['shape']}-{op['text']})")
    assert len({*texts}) == len(texts) >= 40
    assert {"above", "on", "between"} <= {*kinds}


def test_a_mirror_swaps_left_and_right(tmp_path: Path) -> None:
    for seed in range(4):
        scene = room(tmp_path, seed)
        folder = tmp_path / f"mirror{seed}"
        mirror = transforms.mirrored(scene, tmp_path, folder)
        before, after = (
            {s["id"]: s for s in generated("caption", *args)} for args in ((scene, tmp_path), (mirror, folder))
        )
        for sample in after.values():
            read_back(sample, World(mirror))
        assert not any(s["flip_safe"] for s in before.values())


def test_moving_the_world_changes_nothing(tmp_path: Path) -> None:
    scene = room(tmp_path, 1)
    samples = generated("caption", scene, tmp_path)
    moved = generated("caption", transforms.moved(scene, 3), tmp_path)
    assert [s["answer"] for s in samples] == [s["answer"] for s in moved] != []


def test_nothing_to_tell(tmp_path: Path) -> None:
    scene, tally = room(tmp_path, 0), Counter[str]()
    make = generator("caption", root=str(tmp_path))
    assert list(make({**scene, "metric": False}, tally)) == []
    assert tally["view: caption: lengths are not metres"] == 1
    assert list(make({**scene, "objects": []}, tally)) == []
    assert list(make({k: v for k, v in scene.items() if k != "up"}, tally)) != []
    for forms in ([], ["caption"], ["point", "text-box"]):
        with pytest.raises(UsageError, match="--forms: expected some of point, box, text, got"):
            caption.check_forms(forms)


def test_explain_and_table(tmp_path: Path) -> None:
    scene = room(tmp_path, 2)
    for sample in generated("caption", scene, tmp_path):
        table = facts.of(sample["meta"])
        assert table.meta().items() <= sample["meta"].items()
        text = caption.explain(sample, scene)
        assert all(name in text for name in sample["meta"]["names"])
        assert text.endswith(sample["answer"]["value"])
