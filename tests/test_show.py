"""What show makes of records: boxes where they belong, a page that works in a browser, pictures, a recording."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

import browser
import room
from support import shared
from vstkit import cli, drawing
from vstkit.errors import DataError
from vstkit.lineio import encode
from vstkit.show import items, page, pictures, rerun_log

Record = dict[str, Any]

CAMERA = [200.0, 200.0, 159.5, 119.5]
SIZE = (320, 240)
BOXES = [[-0.6, 0.1, 3, 0.8, 0.6, 0.7, 10, 25, 0], [0.9, 0.2, 4, 0.9, 1.0, 0.6, 0, -40, 5]]
PLAIN, TRUE, PREDICTED = (0x35, 0xB6, 0xFF), (0x3E, 0xE6, 0x5E), (0xFF, 0x6A, 0x2A)  # of page.css
HOSTILE = "</script><script>document.title='broken'</script><!-- <img src=x onerror=alert(1)>\u2028'\""


def corners(box: list[float], pose: Any = None) -> Any:
    """Where the eight corners of a box are in the picture, (8, 2), by other means than vstkit's."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    points = Rotation.from_euler("xyz", box[6:], degrees=True).apply(signs * np.array(box[3:6]) / 2) + box[:3]
    if pose is not None:
        points = (np.linalg.inv(np.array(pose)) @ np.c_[points, np.ones(8)].T).T[:, :3]
    return points[:, :2] / points[:, 2:] * CAMERA[:2] + CAMERA[2:]


POSE = room.look_at([0.4, -0.5, -0.3], [0.1, 0.2, 3.5])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("show")


@pytest.fixture(scope="module")
def scene(folder: Path) -> Record:
    views = [(CAMERA, *SIZE, None), (CAMERA, *SIZE, POSE)]
    return room.write_scene(folder, BOXES, ["sofa", "wide lamp"], views, dataset="made")


def prediction(index: int = 0, **more: Any) -> Record:
    true = [{"label": "sofa", "box3d": BOXES[0]}, {"label": "lamp", "box3d": BOXES[1]}]
    moved = [*BOXES[0][:3], 0.4, *BOXES[0][4:]]  # half as wide about the same centre
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Detect the sofa"}]}
    return {
        "kind": "prediction", "id": f"p/{index}", "task": "det3d", "images": ["room-0.png"], "messages": [question],
        "answer": {"type": "boxes3d", "value": true},
        "response": "a sofa", "boxes3d": [{"label": "sofa", "box3d": moved}],
        "meta": {"camera": CAMERA, "size": list(SIZE), "labels": ["sofa"]}, **more,
    }  # fmt: skip


def sample(index: int = 0, **more: Any) -> Record:
    mark = {"op": "mark", "shape": "point", "xy": [160, 120], "color": "red", "text": "A"}
    messages = [
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": f"Which is nearest, number {index}?"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "A"}]},
    ]
    return {
        "kind": "sample", "id": f"s/{index}", "task": "depth", "images": [{"path": "room-0.png", "ops": [mark]}],
        "messages": messages, "answer": {"type": "choice", "value": "A", "options": {"A": "sofa", "B": "lamp"}},
        "meta": {"objects": ["o1", "o2"], "values": [3.0, 4.0], "unit": "m"}, **more,
    }  # fmt: skip


def score(metric: str) -> Record:
    return {"kind": "score", "id": metric, "suite": "det3d", "metric": metric, "value": 0.5, "n": 3}


# Items


def test_boxes_are_where_another_projection_puts_them(scene: Record) -> None:
    for picture, pose in zip(items.item(scene)["pictures"], (None, POSE), strict=True):
        assert len(picture["drawn"]) == 2
        for drawn in picture["drawn"]:
            ends = {tuple(edge[i : i + 2]) for edge in drawn["edges"] for i in (0, 2)}
            expected = corners(BOXES[drawn["box"]], pose)
            assert len(ends) == 8
            for end in ends:
                assert np.abs(expected - end).max(axis=1).min() <= 0.1


def test_axes_lead_from_the_centre_to_the_faces(scene: Record) -> None:
    for drawn in items.item(scene)["pictures"][0]["drawn"]:
        box = np.array(BOXES[drawn["box"]])
        R = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
        for axis, line in enumerate(drawn["axes"]):
            ends = np.stack([box[:3], box[:3] + R[:, axis] * box[3 + axis] / 2])
            assert line == pytest.approx((ends[:, :2] / ends[:, 2:] * CAMERA[:2] + CAMERA[2:]).ravel(), abs=0.1)


def test_from_above_the_first_camera_looks_up_the_page(scene: Record) -> None:
    made = items.item(scene)
    (x, y, dx, dy, half), second = made["cameras"]
    assert (x, y, dx, dy) == (0, 0, 0, 1)
    assert np.degrees(half) * 2 == pytest.approx(np.degrees(2 * np.arctan(160 / 200)), abs=0.1)
    assert second[:2] == pytest.approx([0.4, -0.3], abs=1e-3)
    for box, numbers in zip(made["boxes"], BOXES, strict=True):
        assert np.mean(box["outline"], axis=0) == pytest.approx([numbers[0], numbers[2]], abs=0.05)
    # The same scene in a world that is turned: from above it looks the same.
    turn = Rotation.from_euler("xyz", [40, -70, 10], degrees=True)
    turned = json.loads(json.dumps(scene))
    turned["up"] = turn.apply(scene["up"]).tolist()
    for view in turned["views"]:
        pose = np.array(view.get("pose", np.eye(4)))
        view["pose"] = [*np.c_[turn.as_matrix() @ pose[:3, :3], turn.apply(pose[:3, 3])].tolist(), [0, 0, 0, 1]]
    for thing in turned["objects"]:
        box = thing["box3d"]
        angles = (turn * Rotation.from_euler("xyz", box[6:], degrees=True)).as_euler("xyz", degrees=True)
        thing["box3d"] = [*turn.apply(box[:3]).tolist(), *box[3:6], *angles.tolist()]
    again = items.item(turned)
    assert np.allclose(again["cameras"], made["cameras"], atol=2e-3)
    for a, b in zip(again["boxes"], made["boxes"], strict=True):
        assert np.allclose(sorted(a["outline"]), sorted(b["outline"]), atol=3e-3)


def test_a_room_around_the_camera_is_faint(scene: Record) -> None:
    whole = {"id": "o9", "label": "room", "box3d": [0, 0, 2, 8, 5, 9, 0, 0, 0]}
    made = items.item({**scene, "objects": [*scene["objects"], whole]})
    assert [box["around"] for box in made["boxes"]] == [False, False, True]
    assert {drawn["box"]: drawn["faint"] for drawn in made["pictures"][0]["drawn"]} == {0: False, 1: False, 2: True}


def test_what_evidence_did_not_see_is_faint(scene: Record) -> None:
    seen = [{"view": 0, "pixels": 90, "fraction": 0.5}]
    objects = [{**scene["objects"][0], "seen": seen}, scene["objects"][1]]
    views = [{**view, "evidence": "masks"} for view in scene["views"]]
    made = items.item({**scene, "objects": objects, "views": views})
    assert [{d["box"]: d["faint"] for d in p["drawn"]} for p in made["pictures"]] == [
        {0: False, 1: True},
        {0: True, 1: True},
    ]


def test_predictions_tell_their_iou(folder: Path) -> None:
    made = items.item(prediction(), str(folder))
    assert [(box["role"], box["label"], box.get("iou")) for box in made["boxes"]] == [
        ("true", "sofa", None),
        ("true", "lamp", None),
        ("predicted", "sofa", 0.5),
    ]
    assert [[d["box"] for d in p["drawn"]] for p in made["pictures"]] == [[1, 0], [2]]


def test_long_videos_are_thinned_out(folder: Path) -> None:
    video = {"frames": [f"frame-{i}.png" for i in range(300)], "fps": 10}
    recipe = {"path": "room-0.png", "ops": []}
    frames = [{**recipe, "ops": [{"op": "resize", "size": [300 + i, 100]}]} for i in range(300)]
    record = {
        "kind": "sample",
        "id": "v",
        "videos": [{**video, "frames": frames}],
        "messages": [{"role": "user", "content": [{"type": "video"}]}],
    }
    widths = [p["size"][0] - 300 for p in items.item(record, str(folder))["pictures"]]
    assert (widths[0], widths[-1], len(widths)) == (0, 299, items.MOST)
    assert set(np.diff(widths)) <= {27, 28}


def test_bad_records_are_refused() -> None:
    with pytest.raises(DataError, match="views: missing"):
        items.item({"kind": "scene", "id": "s"})
    view = {"image": "none.png", "width": 4, "height": 3, "camera": [1, 1, 1, 1]}
    for function in (page.prepared, functools.partial(pictures.write, folder="never")):
        with pytest.raises(DataError, match=r"^views\[0\]\.image: none\.png: no such file"):
            function({"kind": "scene", "id": "s", "views": [view]}, Counter())
        with pytest.raises(DataError, match=r"^images\[0\]: none\.png: no such file"):
            function(sample(images=["none.png"]), Counter())
    assert items.item({"kind": "mine", "id": "s"}) == {"record": {"kind": "mine", "id": "s"}}


# The page, without a browser


def written(records: list[Record], root: Path, **more: Any) -> str:
    return "\n".join(page.page([p for r in records for p in page.prepared(r, Counter(), root=str(root), **more)]))


def test_pictures_are_stored_once(folder: Path) -> None:
    text = written([sample(i) for i in range(5)], folder)
    assert text.count('type="image/jpeg"') == 1
    assert written([], folder) == ""


def test_no_text_of_a_record_becomes_markup(folder: Path) -> None:
    hostile = sample(id=HOSTILE, task=HOSTILE, meta={"labels": [HOSTILE]})
    calm = written([sample()], folder)
    text = written([hostile], folder)
    for tag in ("<script", "</script", "<!--", "<img"):
        assert text.count(tag) == calm.count(tag)


# The page, in a browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    if not browser.PROGRAM:
        pytest.skip("no chromium on PATH")
    held = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield held
    held.close()


@pytest.fixture
def show(chromium: browser.Browser, folder: Path) -> Iterator[Any]:
    """Opens a page of records; afterwards nothing may have been said on the console or asked of a network."""
    chromium.faults.clear()
    chromium.requests.clear()
    chromium.call("Emulation.clearDeviceMetricsOverride")
    chromium.call("Emulation.setDeviceMetricsOverride", width=1200, height=900, deviceScaleFactor=1, mobile=False)

    def opened(records: list[Record], fragment: str = "", root: Path = folder, **more: Any) -> browser.Browser:
        path = folder / "page.html"
        path.write_text(written(records, root, **more), encoding="utf-8")
        chromium.open(f"{path.as_uri()}{fragment}")
        return chromium

    yield opened
    chromium.screenshot()
    assert chromium.faults == []
    assert [url for url in chromium.requests if not url.startswith(("data:", "file:", "about:"))] == []


def colored(image: Image.Image, x: float, y: float, color: tuple[int, int, int]) -> bool:
    """Does a line of this colour pass within two pixels?"""
    patch = np.asarray(image.crop((round(x) - 2, round(y) - 2, round(x) + 3, round(y) + 3)), int)
    return bool((np.abs(patch - color).max(axis=2) < 60).any())


def frames(b: browser.Browser, where: str = "#record") -> list[tuple[float, float, float, float]]:
    found = b.js(f"[...document.querySelectorAll('{where} .frame')].map((f) => f.getBoundingClientRect().toJSON())")
    return [(r["x"], r["y"], r["width"], r["height"]) for r in found]


def on_page(frame: tuple[float, float, float, float], uv: Any) -> tuple[float, float]:
    x, y, width, height = frame
    return x + (uv[0] + 0.5) / SIZE[0] * width, y + (uv[1] + 0.5) / SIZE[1] * height


def test_a_scene_shows_its_boxes_where_they_belong(show: Any, scene: Record) -> None:
    b = show([scene], "#1")
    b.press("l")  # names may cover corners
    shot, places = b.screenshot(), frames(b)
    assert len(places) == 2
    for place, pose in zip(places, (None, POSE), strict=True):
        for box in BOXES:
            for uv in corners(box, pose):
                assert colored(shot, *on_page(place, uv), PLAIN)
        assert not colored(shot, *on_page(place, (5, 5)), PLAIN)
    b.press("b")
    bare = b.screenshot()
    assert not any(colored(bare, *on_page(places[0], uv), PLAIN) for uv in corners(BOXES[0]))
    b.press("b")
    b.press("l")
    assert b.js("document.querySelectorAll('.above [data-box]').length") == 2


def test_true_and_predicted_boxes_are_side_by_side(show: Any) -> None:
    b = show([prediction()], "#1")
    shot, places = b.screenshot(), frames(b)
    assert places[0][0] + places[0][2] <= places[1][0]
    lower = [uv for uv in corners(BOXES[0]) if uv[1] > 140]  # below the names
    assert lower
    assert all(colored(shot, *on_page(places[0], uv), TRUE) for uv in lower)
    moved = prediction()["boxes3d"][0]["box3d"]
    assert all(colored(shot, *on_page(places[1], uv), PREDICTED) for uv in corners(moved) if uv[1] > 140)
    assert "0.50" in b.js("document.querySelector('tr.predicted').textContent")


def test_a_box_lights_up_everywhere(show: Any, scene: Record) -> None:
    b = show([scene], "#1")
    b.js("document.querySelectorAll('tr[data-box]')[1].focus()")
    assert b.js("[...document.querySelectorAll('.hot')].map((e) => e.dataset.box + e.localName).join()") == (
        "1g,1span,1g,1span,1g,1tr"
    )


def test_keys_walk_through_the_records(show: Any) -> None:
    b = show([sample(i) for i in range(30)])
    current = "[...cards.children].find((c) => c.firstChild.ariaCurrent === 'true').textContent.match(/s.(\\d+)/)[1]"
    for key, where in (
        ("j", 1),
        ("ArrowRight", 2),
        ("k", 1),
        ("ArrowDown", 1 + b.js("columns")),
        ("ArrowLeft", b.js("columns")),
    ):
        b.press(key)
        assert int(b.js(current)) == where, key
    b.press("Enter")
    assert b.js("record.hidden") is False
    assert b.js("document.querySelector('#record h2').textContent") == f"s/{b.js('columns')}"
    b.press("j")
    assert b.js("document.querySelector('#record h2').textContent") == f"s/{b.js('columns') + 1}"
    assert b.js("location.hash") == f"#{b.js('columns') + 2}"
    b.press("Escape")
    assert (b.js("record.hidden"), b.js("location.hash"), int(b.js(current))) == (True, "", b.js("columns") + 1)
    b.press("?")
    assert b.js("help.open") is True
    b.press("Escape")
    assert b.js("help.open") is False
    b.press("/")
    assert b.js("document.activeElement.id") == "text"


def chosen(b: browser.Browser, **values: str) -> list[str]:
    """The ids of the records that are left when the filters are set so."""
    for name, value in values.items():
        b.js(f"{{ const e = document.getElementById('{name}'); e.value = {json.dumps(value)};"
             " e.dispatchEvent(new Event('input', { bubbles: true })); }")  # fmt: skip
    found: list[str] = b.js("found.map((entry) => parsed(entry).record.id)")
    b.js("filters.reset()")
    b.wait("found === all || found.length === all.length")
    return found


def test_filters_and_search(show: Any, scene: Record) -> None:
    b = show([scene, sample(1), sample(22), prediction(), score("AP"), score("AR"), {"kind": "mine", "id": "m"}])
    assert b.js("count.textContent") == "6 records"
    assert b.js("[...kind.options].map((o) => o.textContent).join()") == (
        "all,mine (1),prediction (1),sample (2),scene (1),score (1)"
    )
    assert chosen(b, kind="sample") == ["s/1", "s/22"]
    assert chosen(b, task="det3d") == ["p/0", "2 of det3d"]
    assert chosen(b, label="sofa") == ["room", "p/0"]
    assert chosen(b, text="NEAREST 22") == ["s/22"]
    assert chosen(b, kind="scene", text="nothing has this") == []
    assert b.js("count.textContent") == "6 records"


def test_only_what_is_on_the_screen_is_in_the_document(show: Any) -> None:
    b = show([sample(i) for i in range(2000)])
    assert b.js("cards.children.length") < 40
    b.js("grid.scrollTop = 100000")
    b.wait("[...cards.children].every((c) => c.n > 500)")
    assert b.js("cards.children.length") < 40
    b.press("End")
    b.wait("[...cards.children].some((c) => c.n === 1999)")
    assert b.js("[...cards.children].some((c) => c.textContent.includes('number 1999'))")
    assert b.js("all.filter((entry) => entry.item).length") < 150  # the others are not even read


def test_hostile_text_is_text(show: Any) -> None:
    hostile = sample(id=HOSTILE, task=HOSTILE, dataset=HOSTILE, meta={"labels": [HOSTILE]})
    hostile["messages"][1]["content"] = HOSTILE
    b = show([hostile, {"kind": "mine", "id": HOSTILE, HOSTILE: HOSTILE}])
    assert b.js("document.title") == "vstkit show"
    assert b.js("label.options[1].value") == HOSTILE
    b.press("Enter")
    assert b.js("document.querySelector('#record h2').textContent") == HOSTILE
    assert b.js("document.querySelector('.turn.assistant').lastChild.textContent") == HOSTILE
    b.press("j")
    assert json.loads(b.js("document.querySelector('#record pre').textContent"))[HOSTILE] == HOSTILE


def test_what_nothing_checked_does_no_harm(show: Any) -> None:
    odd = {"labels": "sofa", "camera": "a", "values": 3, "objects": {"a": 1}, "near": 2}
    records = [
        sample(meta=odd),
        prediction(meta=odd),
        sample(meta={"labels": [1, None], "values": [None, "a"], "objects": [1, 2], "near": "ab"}),
        {"kind": "mine", "id": "m", "messages": 5, "task": [1], "answer": 3, "samples": 1, "meta": None, "response": 7},
    ]
    b = show(records)
    assert b.js("cards.children.length") == 4
    assert chosen(b, text="mine") == ["m"]
    b.press("Enter")
    for _ in records:
        b.press("j")
    assert "messages" in b.js("document.querySelector('#record pre').textContent")


def test_names_do_not_cover_each_other(show: Any, folder: Path) -> None:
    boxes = [[0.25 * (i % 6) - 0.6, 0.2 * (i // 6) - 0.3, 3, 0.3, 0.2, 0.3, 0, i, 0] for i in range(24)]
    crowded = room.write_scene(folder, boxes, [f"thing {i}" for i in range(24)], [(CAMERA, *SIZE, None)], name="crowd")
    b = show([crowded], "#1")
    rectangles = b.js(
        "[...document.querySelectorAll('#record .name:not(.crowded)')].map((n) => n.getBoundingClientRect().toJSON())"
    )
    assert 4 < len(rectangles) < 24
    (x, y, width, height) = frames(b)[0]
    for i, r in enumerate(rectangles):
        assert x - 1 <= r["left"] <= r["right"] <= x + width + 1
        assert y - 1 <= r["top"] <= r["bottom"] <= y + height + 1
        for s in rectangles[:i]:
            assert (
                r["right"] <= s["left"] or s["right"] <= r["left"] or r["bottom"] <= s["top"] or s["bottom"] <= r["top"]
            )


def test_linked_pictures_load_from_their_files(show: Any, scene: Record, folder: Path) -> None:
    (folder / "a b#c").mkdir(exist_ok=True)
    (folder / "a b#c" / "ü%.png").write_bytes((folder / "room-0.png").read_bytes())
    odd = sample(2, images=["a b#c/ü%.png"])
    b = show([scene, odd, sample()], link_from=str(folder))
    b.wait("[...document.images].every((i) => i.complete)")
    assert b.js("[...document.images].map((i) => i.naturalWidth)") == [320] * 3
    assert b.js("document.querySelectorAll('script[type=\"image/jpeg\"]').length") == 1  # a mark is in no file


def test_every_kind_of_the_real_kitchen_opens(show: Any) -> None:
    root = shared() / "scenes" / "adt"
    records = [json.loads(line) for line in (root / "scenes.jsonl").read_text().splitlines()][:1]
    packed = {"samples": [sample(images=["camera-rgb_0_rgb.png"])], "length": 9, "targets": 2, "model": "m"}
    reject = {"kind": "reject", "id": "r", "file": "f", "line": 3, "error": "bad", "record": 1}
    records += [score("AP"), {"kind": "pack", "id": "p", **packed}, reject]
    b = show(records, "#1", root=root)
    for record in records[1:]:
        b.press("j")
        assert b.js("document.querySelector('#record .tag').textContent").startswith(record["kind"])
    assert "f:3" in b.js("document.querySelector('#record').textContent")


# Pictures and recordings


def test_pictures_have_the_boxes_too(folder: Path) -> None:
    (name,) = pictures.write(prediction(), Counter(), folder=str(folder / "png"), root=str(folder))
    assert re.fullmatch(r"p-0-[0-9a-f]{6}\.png", Path(name).name)
    with Image.open(name) as image:
        shot = image.convert("RGB")
    for number, (box, ink) in enumerate(
        ((BOXES[0], drawing.TRUE), (prediction()["boxes3d"][0]["box3d"], drawing.PREDICTED))
    ):
        left = pictures.GAP + number * (SIZE[0] + pictures.GAP)
        assert all(colored(shot, left + u, pictures.GAP + v, ink) for u, v in corners(box) if v > 140)
    tally: Counter[str] = Counter()
    assert pictures.write(score("AP"), tally, folder=str(folder / "png")) == []
    assert tally == {"score without a picture": 1}
    (outside,) = pictures.write(sample(id="../../etc/passwd"), tally, folder=str(folder / "png"), root=str(folder))
    assert Path(outside).parent == folder / "png"


def test_a_recording_holds_cameras_boxes_and_points(scene: Record, folder: Path) -> None:
    rerun_chunk = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed")
    path = folder / "made.rrd"
    with rerun_log.Recording(str(path), str(folder)) as recording:
        recording.log(scene)
    held: dict[str, Any] = {}
    for chunk in rerun_chunk.RrdReader(str(path)).stream().to_chunks():
        batch = chunk.to_record_batch()
        held |= {f"{chunk.entity_path} {name}": batch.column(name)[0].as_py() for name in batch.schema.names}
    assert np.allclose(held["/room/boxes Boxes3D:centers"], np.array(BOXES)[:, :3], atol=1e-6)
    assert np.allclose(held["/room/boxes Boxes3D:half_sizes"], np.array(BOXES)[:, 3:6] / 2, atol=1e-6)
    for turn, box in zip(held["/room/boxes Boxes3D:quaternions"], BOXES, strict=True):
        R = Rotation.from_euler("xyz", box[6:], degrees=True)
        assert (Rotation.from_quat(turn) * R.inv()).magnitude() < 1e-6
    assert held["/room/boxes Boxes3D:labels"] == ["sofa", "wide lamp"]
    (matrix,) = held["/room/view-1 Transform3D:mat3x3"]
    assert np.allclose(np.reshape(matrix, (3, 3)).T, np.array(POSE)[:3, :3], atol=1e-6)  # column-major
    assert np.allclose(held["/room/view-1 Transform3D:translation"], [np.array(POSE)[:3, 3]], atol=1e-6)
    assert held["/room/view-0/image Pinhole:resolution"] == [list(SIZE)]
    for i in (0, 1):  # every point is on a box, whichever camera saw it
        points = np.array(held[f"/room/points/view-{i} Points3D:positions"])
        near = [
            np.abs(Rotation.from_euler("xyz", b[6:], degrees=True).inv().apply(points - b[:3])) - np.array(b[3:6]) / 2
            for b in BOXES
        ]
        assert len(points) > 1000
        assert np.min([n.max(axis=1) for n in near], axis=0).max() < 2e-3
    for place, why in (("none/a.rrd", "No such file or directory"), (".", "Is a directory")):
        with pytest.raises(DataError, match=f"^cannot write {folder / place}: {why}$"):
            rerun_log.Recording(str(folder / place))


# The command


def test_the_command(
    scene: Record,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(cli.SUMMARIES, "show", "See records, in a browser or as pictures.")
    monkeypatch.chdir(folder)
    (folder / "in.jsonl").write_bytes(b"".join(map(encode, [scene, sample(), prediction(), score("AP")])))
    assert cli.run(["show", "in.jsonl", "-o", "one.html"]) == 0
    assert cli.run(["show", "in.jsonl", "-j", "2", "-o", "two.html"]) == 0
    assert (folder / "one.html").read_bytes() == (folder / "two.html").read_bytes()
    assert cli.run(["show", "in.jsonl", "--png", "drawn"]) == 0
    names = capfd.readouterr().out.split()
    assert len(names) == 3
    assert "3 pictures; left out: score without a picture 1" in caplog.text
    assert all(Path(name).is_file() for name in names)
    assert cli.run(["show", "in.jsonl", "--png", "drawn", "--link"]) == 2
    assert cli.run(["show", "/dev/null"]) == 0
    assert capfd.readouterr().out == ""
