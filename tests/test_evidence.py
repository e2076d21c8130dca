"""What a view shows of an object, on small made pictures where it can be said by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import generated, generator
from vstkit import evidence, fov
from vstkit.errors import DataError
from vstkit.geometry.margins import clear_gap
from vstkit.naming import distinct_names
from vstkit.records import Scene
from vstkit.tasks import depth
from vstkit.validation import parse

SIZE, FOCAL = 100, 100.0  # a pixel of a thing two metres away is two centimetres


def cube(x: float, y: float, z: float, side: float = 0.4) -> list[float]:
    return [x, y, z, side, side, side, 0, 0, 0]


class Room:
    """A picture of 100x100 pixels with a wall five metres away, into which things are painted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instances = np.zeros((SIZE, SIZE), np.uint16)
        self.depths = np.full((SIZE, SIZE), 5000, np.uint16)
        self.objects: list[dict[str, Any]] = []

    def add(self, label: str, box: list[float], mask: tuple[slice, slice] | None = None, z: float = 0) -> None:
        number = len(self.objects) + 1
        if mask:
            self.instances[mask] = number
            self.depths[mask] = round(1000 * z)
        self.objects.append({"id": f"o{number}", "label": label, "box3d": box, "instance": number})

    def record(self, **view: Any) -> dict[str, Any]:
        for name, values in (("i.png", self.instances), ("d.png", self.depths)):
            Image.fromarray(values).save(self.folder / name)
        Image.new("RGB", (SIZE, SIZE)).save(self.folder / "a.png")
        whole = {
            "image": "a.png",
            "width": SIZE,
            "height": SIZE,
            "camera": [FOCAL, FOCAL, 49.5, 49.5],
            "instances": {"path": "i.png"},
            "depth": {"path": "d.png", "scale": 1000},
        }
        view = {key: value for key, value in (whole | view).items() if value is not None}
        return {"kind": "scene", "id": "room", "views": [view], "objects": self.objects}

    def look(self, **view: Any) -> dict[str, evidence.Seen]:
        found = evidence.look(parse(self.record(**view), Scene), 0, str(self.folder))
        return {seen.object.id: seen for seen in found}


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_a_thing_in_full_view(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    room.depths[40:44, 40:60] = 1500  # its upper fifth is nearer
    (cup,) = room.look().values()
    assert (cup.state, cup.pixels) == ("seen", 400)
    assert cup.box2d == (39.5, 39.5, 59.5, 59.5)
    assert all(48 <= x <= 51 for x in cup.point)
    assert (cup.depth, cup.near, cup.at_point) == (1.8, 1.5, 1.8)
    # The near face of the cube, 1.8 m away, is the outline: 40 cm are 22.2 pixels.
    assert cup.fraction == pytest.approx(400 / 22.22**2, rel=1e-3)


def test_the_point_is_deepest_inside_the_mask(room: Room) -> None:
    room.add("ladle", cube(0, 0, 2, 0.6), (slice(10, 90), slice(20, 23)), z=1.5)
    room.instances[60:80, 20:40] = 1  # a bowl at the end of the handle
    room.depths[60:80, 20:40] = 1500
    (ladle,) = room.look().values()
    assert ladle.point == pytest.approx((30, 70), abs=2)


def test_marks_and_boxes_follow_a_resize(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    (plain,) = room.look().values()
    (scene,) = fov.unify(room.record(), Counter(), focal=250.0)
    (resized,) = evidence.look(parse(scene, Scene), 0, str(room.folder))
    assert scene["views"][0]["width"] == 250
    assert resized.box2d == pytest.approx([(x + 0.5) * 2.5 - 0.5 for x in plain.box2d])
    assert resized.point == pytest.approx([(x + 0.5) * 2.5 - 0.5 for x in plain.point])
    assert (resized.depth, resized.state) == (plain.depth, "seen")
    assert resized.fraction == pytest.approx(plain.fraction, rel=1e-6)


def test_what_a_crop_cuts_off_is_not_seen(room: Room) -> None:
    room.add("cup", cube(-0.5, 0, 2), (slice(40, 60), slice(15, 35)), z=1.8)
    room.add("pot", cube(0.3, 0, 2), (slice(40, 60), slice(55, 75)), z=1.8)
    crop = {"op": "crop", "box": [60, 0, 100, 100]}
    recipe = {"path": "a.png", "ops": [crop]}
    cup, pot = room.look(image=recipe, width=40, camera=[FOCAL, FOCAL, -10.5, 49.5]).values()
    assert cup.state == "hidden"
    assert (pot.state, pot.pixels, pot.box2d) == ("seen", 15 * 20, (-0.5, 39.5, 14.5, 59.5))
    assert pot.truncated  # though not by the map's own border


def test_depth_of_another_size_is_read_by_nearest_neighbour(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    record = room.record()
    Image.fromarray(room.depths[::2, ::4]).save(room.folder / "d.png")
    (cup,) = evidence.look(parse(record, Scene), 0, str(room.folder))
    assert (cup.depth, cup.at_point) == (1.8, 1.8)


def test_without_readings_there_is_no_depth(room: Room) -> None:
    room.add("glass", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    room.depths[40:52, 40:60] = 0
    (glass,) = room.look().values()
    assert (glass.state, glass.depth, glass.at_point) == ("seen", None, None)


def test_a_point_on_an_edge_of_depth_is_no_point(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    room.depths[40:60, 50:60] = 3000
    (cup,) = room.look().values()
    assert cup.at_point is None
    assert cup.depth is not None


def test_what_is_hardly_seen(room: Room) -> None:
    room.add("pin", cube(0, 0, 2, 0.02), (slice(40, 43), slice(40, 43)), z=2.0)  # 9 pixels: under a thousandth
    room.add("sofa", cube(-0.5, 0, 2, 1.0), (slice(20, 30), slice(2, 12)), z=1.6)  # 100 of some 3900
    assert [s.state for s in room.look().values()] == ["hardly", "hardly"]


def test_what_is_not_seen(room: Room) -> None:
    room.add("wardrobe", cube(0, 0, 1.5, 0.8), (slice(20, 80), slice(20, 80)), z=1.2)
    room.add("broom behind it", cube(0, 0, 3))
    room.add("chair outside", cube(4, 0, 2))
    room.add("chair behind the camera", cube(0, 0, -2))
    room.add("glass in plain view", cube(-0.7, -0.7, 2))
    states = [s.state for s in room.look().values()]
    assert states == ["seen", "hidden", "hidden", "hidden", "unsure"]
    # Without depth, what is hidden and what only has no mask look the same.
    assert [s.state for s in room.look(depth=None).values()] == ["seen", "unsure", "hidden", "hidden", "unsure"]


def test_boxes_alone(room: Room) -> None:
    room.add("cup", cube(0, 0, 2))
    room.add("chair outside", cube(4, 0, 2))
    room.add("sofa half outside", cube(1.05, 0, 2, 0.6))
    cup, chair, sofa = room.look(instances=None, depth=None).values()
    assert (cup.state, chair.state, sofa.state) == ("seen", "hidden", "seen")
    assert cup.box2d == pytest.approx((38.39, 38.39, 60.61, 60.61), abs=0.7)
    assert sofa.fraction < 0.7
    assert cup.depth is None


def test_depth_inside_the_boxes_is_as_good_as_masks(room: Room) -> None:
    """Without an instance image, the pixels whose points lie in a box are its mask."""
    room.add("cup", cube(-0.4, 0, 2), (slice(41, 59), slice(21, 39)), z=1.85)
    room.add("shelf", cube(0.4, 0, 2, 0.8), (slice(36, 64), slice(56, 84)), z=1.7)
    room.add("pot on the shelf", cube(0.4, 0, 1.75, 0.2), (slice(43, 57), slice(66, 80)), z=1.7)
    by_masks, by_depth = room.look(), room.look(instances=None)
    for name in ("o1", "o2", "o3"):
        assert by_depth[name].state == by_masks[name].state == "seen"
        assert by_depth[name].pixels == pytest.approx(by_masks[name].pixels, rel=0.2)
        assert by_depth[name].depth == by_masks[name].depth


def test_boxes_hide_each_other_when_there_is_nothing_else(room: Room) -> None:
    room.add("wardrobe", cube(0, 0, 1.5, 0.8))
    room.add("broom behind it", cube(0, 0, 3))
    room.add("hall", cube(0, 0, 1, 12))
    found = room.look(instances=None, depth=None)
    assert [s.state for s in found.values()] == ["seen", "hidden", "hidden"]


def test_annotated_scenes_are_not_measured_again(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    room.add("chair outside", cube(4, 0, 2))
    room.add("glass in plain view", cube(-0.7, -0.7, 2))
    tally = Counter[str]()
    (scene,) = evidence.annotate(room.record(), tally, root=str(room.folder))
    assert tally == {"views by masks": 1}
    assert [len(thing["seen"]) for thing in scene["objects"]] == [1, 0, 1]
    assert scene["objects"][0]["seen"][0] == {
        "view": 0,
        "pixels": 400,
        "fraction": pytest.approx(0.81, abs=0.001),
        "truncated": False,
        "box2d": [39.5, 39.5, 59.5, 59.5],
        "point": pytest.approx([49.5, 49.5], abs=0.5),
        "depth": 1.8,
        "near": 1.8,
        "point_depth": 1.8,
        "agreement": 1,
    }
    for name in ("i.png", "d.png", "a.png"):
        (room.folder / name).unlink()
    found = evidence.look(parse(scene, Scene), 0, str(room.folder))
    assert [s.state for s in found] == ["seen", "hidden", "unsure"]
    assert (found[0].depth, found[0].at_point, found[0].fraction) == (1.8, 1.8, pytest.approx(0.81, abs=0.001))


def test_depth_that_misses_the_box_is_told(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    room.depths[40:55, 40:60] = 900
    (scene,) = evidence.annotate(room.record(), Counter(), root=str(room.folder))
    assert scene["objects"][0]["seen"][0]["agreement"] == pytest.approx(0.25, abs=0.02)


def test_faults_name_the_field(room: Room) -> None:
    room.add("cup", cube(0, 0, 2), (slice(40, 60), slice(40, 60)), z=1.8)
    record = room.record(depth={"path": "none.png", "scale": 1000})
    with pytest.raises(DataError, match=r"^views\[0\]\.depth: none\.png: no such file"):
        evidence.look(parse(record, Scene), 0, str(room.folder))
    record = room.record(instances={"path": "a.png"})
    with pytest.raises(DataError, match=r"^views\[0\]\.instances: a\.png: expected one channel"):
        evidence.look(parse(record, Scene), 0, str(room.folder))


TASK = {"depth": "depth-nearest", "detection": "det3d"}


def tally_of(module: str, room: Room) -> tuple[list[dict[str, Any]], Counter[str]]:
    tally = Counter[str]()
    generate = generator(module, tasks=[TASK[module]], root=str(room.folder), per_view=24)
    return list(generate(room.record(), tally)), tally


def test_a_label_is_asked_only_when_all_of_it_is_clear(room: Room) -> None:
    room.add("cup", cube(-0.5, 0, 2), (slice(40, 60), slice(15, 35)), z=1.8)
    room.add("cup", cube(0.5, 0, 2), (slice(40, 42), slice(65, 67)), z=1.8)  # a sliver
    room.add("pot", cube(0, -0.6, 2), (slice(12, 32), slice(40, 60)), z=1.8)
    samples, tally = tally_of("detection", room)
    assert [s["meta"]["labels"] for s in samples] == [["pot"]]
    assert tally["an instance is hardly seen"] == 1
    assert (tally["candidates"], tally["samples"]) == (2, 1)


def test_the_room_around_the_camera_is_never_asked_about(room: Room) -> None:
    room.add("hall", cube(0, 0, 1, 12), (slice(0, 100), slice(0, 100)), z=5)
    room.add("wall", cube(0, 0, 3), (slice(40, 60), slice(40, 60)), z=2.8)
    samples, tally = tally_of("detection", room)
    assert not samples
    assert tally["object: the camera is inside it"] == 1
    assert tally["object: stuff"] == 1


def test_close_depths_are_not_compared(room: Room) -> None:
    room.add("cup", cube(-0.5, 0, 2), (slice(40, 60), slice(15, 35)), z=1.80)
    room.add("pot", cube(0.5, 0, 2), (slice(40, 60), slice(65, 85)), z=1.88)
    samples, tally = tally_of("depth", room)
    assert not samples
    assert tally["no clear nearest"] + tally["asked already"] == tally["candidates"] > 0
    assert tally["no clear nearest"]
    room.depths[40:60, 65:85] = 1990  # 10.5 % farther
    samples, _ = tally_of("depth", room)
    assert {s["answer"]["options"][s["answer"]["value"]].split()[0] for s in samples} <= {"cup", "point-A", "point-B"}
    assert {s["meta"]["form"] for s in samples} >= {"text", "box", "point"}


def test_depth_of_a_relative_model_gives_an_order_and_nothing_in_metres(room: Room) -> None:
    room.add("cup", cube(-0.5, 0, 2), (slice(40, 60), slice(15, 35)), z=0.3)
    room.add("pot", cube(0.5, 0, 2), (slice(40, 60), slice(65, 85)), z=0.36)  # a fifth farther, in no unit
    room.add("glass in plain view", cube(-0.7, -0.7, 2))
    relative = {"path": "d.png", "scale": 1000, "kind": "mono-relative"}
    assert [s.state for s in room.look(depth=relative).values()] == ["seen", "seen", "unsure"]
    # Numbers that are no metres say nothing about boxes.
    (scene,) = evidence.annotate(room.record(depth=relative), Counter(), root=str(room.folder))
    assert "agreement" not in scene["objects"][0]["seen"][0]
    assert room.look(depth=relative, instances=None)["o1"].depth is None
    samples = generated("depth", room.record(depth=relative), room.folder, tasks=["depth-nearest"], per_view=24)
    assert {s["meta"]["form"] for s in samples} >= {"text", "box", "point"}
    assert all("unit" not in s["meta"] for s in samples)
    assert "metres" not in depth.explain(samples[0], room.record())
    # The same numbers as metres lie six centimetres apart, which is too close to ask about.
    assert not generated("depth", room.record(), room.folder, tasks=["depth-nearest"])


@pytest.mark.parametrize("swap", [False, True])
def test_the_margin_is_the_same_from_both_sides(swap: bool) -> None:
    near, far = (2.0, 2.21) if not swap else (2.21, 2.0)
    assert clear_gap(near, far, 0.1, 0.1) is not swap
    assert not clear_gap(2.0, 2.19, 0.1, 0.1)
    assert not clear_gap(0.3, 0.39, 0.1, 0.1)
    assert clear_gap(0.3, 0.4000001, 0.1, 0.1)


def test_names_that_fit_two_things(room: Room) -> None:
    for i, label in enumerate(["table", "coffee table", "Chair", "chair", "lamp", "lampshade"]):
        place = slice(10 + 13 * i, 20 + 13 * i)
        room.add(label, cube(0, 0, 2, 0.1), (slice(40, 60), place), z=1.8)
    found = list(room.look().values())
    assert [s.object.label for s in distinct_names(found, found)] == ["lamp", "lampshade"]


def test_a_mirrored_room_gives_mirrored_answers(room: Room) -> None:
    """Left and right play no part in depth: the mirrored picture has the same nearest things."""
    for i in range(4):
        x = (-0.75, -0.25, 0.25, 0.75)[i]
        place = slice(5 + 25 * i, 20 + 25 * i)
        room.add(f"thing{i}", cube(x, 0, 2, 0.3), (slice(40, 60), place), z=1.2 + 0.4 * ((i * 3) % 4))
    samples, _ = tally_of("depth", room)
    room.instances, room.depths = room.instances[:, ::-1].copy(), room.depths[:, ::-1].copy()
    for thing in room.objects:
        thing["box3d"][0] *= -1
    mirrored, _ = tally_of("depth", room)
    assert len(samples) >= 6
    before, after = ([(s["id"], s["answer"]["value"]) for s in held] for held in (samples, mirrored))
    assert before == after  # the options' texts may hold pixels
    for before, after in zip(samples, mirrored, strict=True):
        for a, b in zip(ops(before), ops(after), strict=True):
            if a.get("shape") == "box":
                assert [99 - b["xy"][2], b["xy"][1], 99 - b["xy"][0], b["xy"][3]] == pytest.approx(a["xy"], abs=1)


def ops(sample: dict[str, Any]) -> list[dict[str, Any]]:
    recipe = sample["images"][0]
    return [] if isinstance(recipe, str) else list(recipe["ops"])
