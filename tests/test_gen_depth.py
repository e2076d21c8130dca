"""Depth questions: orders, points and metres derived again, and what must and must not change them."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import chisquare

from room import look_at, render, write_scene
from support import generated, generator
from vstkit.records import Sample
from vstkit.tasks import depth
from vstkit.validation import parse

CAMERA, WIDTH, HEIGHT = (240.0, 236.0, 159.0, 121.5), 320, 240
POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
LABELS = ["cup", "cup", "pot", "lamp", "sofa", "plant", "desk", "plant", "wall"]
ALL = list(depth.TASKS)
Record = dict[str, Any]


def furnished(seed: int) -> np.ndarray:
    """Boxes in front of the camera, in world axes, some before others, and a wall behind them."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-1.6, -0.9, 0.2], [1.6, 0.9, 4.0], (8, 3))
    boxes = np.hstack([centres, rng.uniform(0.15, 0.8, (8, 3)), rng.uniform(-180, 180, (8, 3))])
    return np.vstack([boxes, [0, 0, 5, 12, 9, 0.1, 0, 0, 0]])


class Room:
    """A furnished room, what its one view shows, and its samples."""

    def __init__(self, folder: Path, seed: int, **options: Any) -> None:
        self.boxes = furnished(seed)
        self.scene = write_scene(folder, self.boxes, LABELS, [(CAMERA, WIDTH, HEIGHT, POSE)], name=f"room{seed}")
        _, depths, self.instances = render(self.boxes, CAMERA, WIDTH, HEIGHT, POSE)
        self.depths = np.round(depths, 3)
        self.samples = generated("depth", self.scene, folder, **{"tasks": ALL, "per_view": 8, **options})

    def of(self, *tasks: str) -> list[Record]:
        return [one for one in self.samples if one["task"] in tasks]

    def mask(self, thing: str) -> np.ndarray:
        return self.instances == int(thing[1:])


def question(one: Record) -> str:
    return str(one["messages"][0]["content"][1]["text"])


def reply(one: Record) -> str:
    return str(one["messages"][1]["content"][0]["text"])


def marks(one: Record) -> list[Record]:
    return [] if isinstance(one["images"][0], str) else [op for op in one["images"][0]["ops"] if op["op"] == "mark"]


def back(place: list[int], one: Record) -> list[float]:
    """Pixels written out, as pixels of the view's image."""
    ops = [] if isinstance(one["images"][0], str) else one["images"][0]["ops"]
    sizes = [op["size"] for op in ops if op["op"] == "resize"]
    width, height = sizes[-1] if sizes else (WIDTH, HEIGHT)
    assert width % 28 == height % 28 == 0
    factors = WIDTH / width, HEIGHT / height
    return [(x + 0.5) * factors[i % 2] - 0.5 for i, x in enumerate(place)]


def around(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max(), rows.max()]


def slant(u: float, v: float) -> float:
    fx, fy, cx, cy = CAMERA
    return float(np.linalg.norm([(u - cx) / fx, (v - cy) / fy, 1]))


@pytest.fixture(scope="module", params=range(6))
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("room"), request.param)


def test_every_task_is_asked(room: Room) -> None:
    assert {one["task"] for one in room.samples} == set(ALL)
    assert len({one["id"] for one in room.samples}) == len(room.samples) > 30
    for one in room.samples:
        parse(one, Sample)


def told_order(one: Record) -> list[int]:
    """The places in `meta.objects` of what the answer names, nearest first."""
    names = one["answer"]["value"]
    if one["answer"]["type"] == "choice":
        names = one["answer"]["options"][names].split(", then ")
    asked = question(one).split("\n")[0]
    assert all(asked.count(name) == 1 for name in names)
    places = sorted(names, key=asked.index)
    order = [places.index(name) for name in names]
    return order if one["meta"]["direction"] == "near-to-far" else order[::-1]


def test_orders_by_ray_casting(room: Room) -> None:
    for one in room.of("depth-order", "depth-order-choice"):
        order = told_order(one)
        assert sorted(order) == list(range(len(one["meta"]["objects"])))
        assert 2 <= len(order) <= (6 if one["task"] == "depth-order" else 4)
        for near, far in pairwise(order):
            first, second = (room.depths[room.mask(one["meta"]["objects"][i])] for i in (near, far))
            if one["meta"]["form"] in ("point", "text-point"):
                a, b = (one["meta"]["values"][i] for i in (near, far))
                assert b - a >= max(0.1, 0.1 * a) - 1e-3
                assert first.min() - 2e-3 <= a <= first.max() + 2e-3
            else:
                for measure in (np.median, lambda found: np.percentile(found, 10)):
                    a, b = measure(first), measure(second)
                    assert b - a >= max(0.1, 0.1 * a) - 0.03  # evidence looks at a part of the pixels


def test_orders_are_told_as_they_are_written(room: Room) -> None:
    for one in room.of("depth-order"):
        assert (one["meta"]["reply"] == "json") is reply(one).startswith("```json\n[")
        if one["meta"]["reply"] == "list":
            assert re.findall(r"^(\d)\. (.+)$", reply(one), re.MULTILINE) == [
                (str(i), name) for i, name in enumerate(one["answer"]["value"], 1)
            ]
            continue
        assert one["meta"]["form"] in ("box", "text-box")
        entries = json.loads(reply(one).removeprefix("```json\n").removesuffix("\n```"))
        order = told_order(one) if one["meta"]["direction"] == "near-to-far" else told_order(one)[::-1]
        for entry, i in zip(entries, order, strict=True):
            thing = one["meta"]["objects"][i]
            assert entry["label"] == LABELS[int(thing[1:]) - 1]
            assert np.allclose(back(entry["bbox_2d"], one), around(room.mask(thing)), atol=2)
        assert one["flip_safe"] is False
    for one in room.of("depth-order-choice"):
        assert reply(one) == one["answer"]["value"]
        options = one["answer"]["options"]
        assert len(set(options.values())) == len(options) == (2 if len(one["meta"]["objects"]) == 2 else 4)
        assert len({tuple(sorted(text.split(", then "))) for text in options.values()}) == 1
        assert all(f"{letter}. {text}" in question(one).split("\n") for letter, text in options.items())


def test_points_lie_where_depth_is_even_and_clear(room: Room) -> None:
    diagonal = math.hypot(WIDTH, HEIGHT)
    for one in room.of("depth-points"):
        points = one["meta"]["points"]
        assert math.dist(*points) >= 0.1 * diagonal
        for (u, v), value, far in zip(points, one["meta"]["values"], one["meta"]["ranges"], strict=True):
            assert 10 <= u < WIDTH - 10
            assert 10 <= v < HEIGHT - 10
            patch = room.depths[v - 2 : v + 3, u - 2 : u + 3]
            assert patch.min() > 0
            assert np.ptp(patch) <= 0.1 * np.median(patch) + 2e-3
            assert abs(np.median(patch) - value) < 1.5e-3
            assert abs(slant(u, v) * value - far) < 2e-3
        near, far = sorted(one["meta"]["values"])
        assert far - near >= max(0.1, 0.1 * near)
        assert np.argmin(one["meta"]["ranges"]) == np.argmin(one["meta"]["values"])
        right = "AB"[int(np.argmin(one["meta"]["values"]))]
        assert one["answer"]["value"] == right
        assert reply(one) in (right, one["answer"]["options"][right])
        if one["meta"]["form"] == "point":
            assert [mark["xy"] for mark in marks(one)] == points
            assert len({mark["color"] for mark in marks(one)}) == 1
            assert list(one["answer"]["options"].values()) == ["point-A", "point-B"]
        else:
            said = [[int(x) for x in pair] for pair in re.findall(r"point \((\d+), (\d+)\)", question(one))]
            assert all(np.allclose(back(s, one), p, atol=0.7) for s, p in zip(said, points, strict=True))


def test_values_are_metres_of_something_that_has_one_depth(room: Room) -> None:
    for one in room.of("depth-value"):
        (thing,), answer = one["meta"]["objects"], one["answer"]
        assert reply(one) == f"{answer['value']:.2f} m"
        assert answer["unit"] == one["meta"]["unit"] == "m"
        readings = room.depths[room.mask(thing)]
        if one["meta"]["form"] in ("point", "text-point"):
            assert readings.min() - 0.006 <= answer["value"] <= readings.max() + 0.006
        else:
            assert abs(np.median(readings) - answer["value"]) < 0.03
            assert np.median(readings) - np.percentile(readings, 10) < 0.1 * np.median(readings) + 0.13


def test_forms_say_where_things_are(room: Room) -> None:
    """Marks and pixels lie on the objects that `meta` names."""
    for one in room.samples:
        if one["task"] == "depth-points":
            continue
        form, things = one["meta"]["form"], one["meta"]["objects"]
        if form in ("box", "point"):
            for thing, mark in zip(things, marks(one), strict=True):
                assert mark["shape"] == form
                if form == "point":
                    assert room.mask(thing)[mark["xy"][1], mark["xy"][0]]
                else:
                    assert np.allclose(mark["xy"], around(room.mask(thing)), atol=1.5)
        elif form == "text-point":
            for thing, (u, v) in zip(things, re.findall(r"at \((\d+), (\d+)\)", question(one)), strict=False):
                x, y = back([int(u), int(v)], one)
                assert room.mask(thing)[round(y), round(x)]
        elif form == "text-box":
            for thing, found in zip(things, re.findall(r"at \[([\d, ]+)\]", question(one)), strict=False):
                box = [int(x) for x in found.split(", ")]
                assert np.allclose(back(box, one), around(room.mask(thing)), atol=2)
        else:
            shown = [LABELS[i - 1] for i in np.unique(room.instances) if i]
            assert all(shown.count(LABELS[int(thing[1:]) - 1]) == 1 for thing in things)


def test_relative_depth_gives_orders_without_a_unit(tmp_path: Path) -> None:
    room = Room(tmp_path, 2)
    for kind, metric in (("mono-relative", True), ("rendered", False)):
        relative = json.loads(json.dumps({**room.scene, "metric": metric}))
        relative["views"][0]["depth"] |= {"kind": kind, "scale": 100_000}  # centimetres: no gap in metres is kept
        tally = Counter[str]()
        samples = list(generator("depth", tasks=ALL, root=str(tmp_path))(relative, tally))
        assert {one["task"] for one in samples} == set(ALL) - {"depth-value"}
        assert tally["view: depth-value: depth is not in metres"] == 1
        for one in samples:
            assert "unit" not in one["meta"]
            assert "metres" not in depth.explain(one, relative)
            near, *rest = sorted(one["meta"]["values"])
            assert rest[0 if one["task"] != "depth-farthest" else -1] >= 1.1 * near - 2e-3
    metric = generated("depth", {**relative, "metric": True}, tmp_path)
    assert not metric


def test_a_view_without_objects_or_depth_is_counted(tmp_path: Path) -> None:
    room = Room(tmp_path, 1)
    tally = Counter[str]()
    empty = list(generator("depth", tasks=ALL, root=str(tmp_path))({**room.scene, "objects": []}, tally))
    assert {one["task"] for one in empty} == {"depth-points"}
    assert not generated("depth", {"kind": "scene", "id": "nothing", "views": []})
    blind = json.loads(json.dumps(room.scene))
    del blind["views"][0]["depth"]
    tally.clear()
    assert not list(generator("depth", tasks=ALL, root=str(tmp_path))(blind, tally))
    assert tally["view: depth-points: no depth image"] == 1
    assert tally["object: no depth reading"] > 0
    tally.clear()
    assert not list(generator("depth", tasks=["depth-points"], forms=["text"], root=str(tmp_path))(room.scene, tally))
    assert tally == {"view: depth-points: no form of a point to ask by": 1, "object: stuff": 1, **_objects(tally)}


def _objects(tally: Counter[str]) -> dict[str, int]:
    return {key: n for key, n in tally.items() if key.startswith("object: ")}


def test_points_avoid_holes_and_edges(tmp_path: Path) -> None:
    """Of a picture of stripes, each too narrow for a mark, there is nothing to ask."""
    room = Room(tmp_path, 1)
    path = tmp_path / room.scene["views"][0]["depth"]["path"]
    stripes = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    stripes[:, ::4] = 3000
    for holes, reason in ((3000, "no even surface at a point"), (0, "no depth reading at a point")):
        stripes[:, ::4] = holes
        Image.fromarray(stripes).save(path)
        tally = Counter[str]()
        assert not list(generator("depth", tasks=["depth-points"], root=str(tmp_path))(room.scene, tally))
        assert tally[reason] >= 12
        assert tally["candidates"] == tally[reason] + tally["points too close together"]


def test_letters_of_points_are_even(tmp_path: Path) -> None:
    room = Room(tmp_path, 4, tasks=["depth-points"], per_view=1500)
    letters = Counter(one["answer"]["value"] for one in room.samples)
    assert letters.total() > 400
    assert chisquare([letters["A"], letters["B"]]).pvalue > 0.01


def test_explanations_tell_every_number_and_check(room: Room) -> None:
    for one in room.samples:
        text = depth.explain(one, room.scene)
        assert one["id"] in text.split("\n")[0]
        assert f"answer: {one['answer']['value']}" in text
        for key in ("values", "ranges", "near"):
            assert all(f"{value:.3f}" in text for value in one["meta"].get(key, []))
        compared = len(one["meta"]["values"]) - 1
        assert text.count("is nearer than") == compared * (2 + ("near" in one["meta"]))
        gaps = [float(found) for found in re.findall(r"by (-?[\d.]+) m", text)]
        assert all(gap >= 0.1 for gap in gaps)
