"""Made rooms: what the records say of them is held against their triangles and their pixels by code of its own."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

pytest.importorskip("embreex")

from support import generated
from vstkit import checking
from vstkit.chance import Chance
from vstkit.errors import DataError, UsageError
from vstkit.geometry.iou import iou_matrix
from vstkit.stream import Stream
from vstkit.synth import furniture, light, plans, render, scene, size_of, storage, things, units
from vstkit.synth.soup import Soup
from vstkit.validation import problems

Record = dict[str, Any]
Array = NDArray[Any]

COUNT, VIEWS, SIZE = 6, 2, (320, 240)
MAKERS = [
    *(furniture.chair, furniture.office_chair, furniture.stool, furniture.sofa, furniture.armchair, furniture.table),
    *(furniture.desk, furniture.coffee_table, furniture.bed, storage.cabinet, storage.wardrobe, storage.dresser),
    *(storage.nightstand, storage.tv_stand, storage.bookshelf, things.table_lamp, things.floor_lamp, things.monitor),
    *(things.television, things.laptop, things.keyboard, things.plant, things.floor_plant, things.cup, things.bowl),
    *(things.plate, things.vase, things.bottle, things.book, things.picture, things.clock, things.trash_can),
    *(things.carton, things.ceiling_lamp),
]


def made(folder: Path, *, count: int = COUNT, **options: Any) -> bytes:
    """The lines that the command writes for `count` scenes; the pictures lie below `folder`."""
    output = folder.parent / f"{folder.name}.jsonl"
    make = partial(scene, views=VIEWS, size=SIZE)
    convert = partial(units, count=count, seed=5)
    with Stream("synth", files=[str(folder)], output=str(output), convert=convert, quiet=True, **options) as stream:
        stream.map(make, kinds=("unit",))
    return output.read_bytes()


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("synth") / "rooms"
    return [orjson.loads(line) for line in made(folder).splitlines()]


def solid(record: Record) -> list[Record]:
    return [thing for thing in record["objects"] if not thing.get("stuff")]


def turn(box: list[float]) -> Array:
    return Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()


def maps(view: Record) -> tuple[Array, Array]:
    """Depth in metres and instances."""
    metres = np.asarray(Image.open(view["depth"]["path"])) / view["depth"]["scale"]
    return metres, np.asarray(Image.open(view["instances"]["path"]))


def points(view: Record, metres: Array) -> Array:
    """Every pixel's point in world axes (h, w, 3)."""
    fx, fy, cx, cy = view["camera"]
    v, u = np.mgrid[: view["height"], : view["width"]]
    pose = np.array(view["pose"])
    seen = np.stack([(u - cx) / fx * metres, (v - cy) / fy * metres, metres], axis=-1)
    return seen @ pose[:3, :3].T + pose[:3, 3]


def test_every_pixel_lies_in_the_box_of_its_object(rooms: list[Record]) -> None:
    for record in rooms:
        by_number = {thing["instance"]: thing for thing in record["objects"]}
        for view in record["views"]:
            metres, instances = maps(view)
            assert metres.dtype == float
            assert (metres > 0).all()  # a room is closed
            world = points(view, metres)
            for number in np.unique(instances):
                box = by_number[number]["box3d"]
                off = np.abs((world[instances == number] - box[:3]) @ turn(box)) - np.array(box[3:6]) / 2
                assert off.max() <= 0.002, by_number[number]["label"]


def test_boxes_touch_the_geometry_on_all_sides(rooms: list[Record]) -> None:
    for record in rooms:
        soup = Soup(plans.furnished(Chance("synth", record["id"])).placed)
        for thing in record["objects"]:
            box = thing["box3d"]
            corners = soup.triangles[soup.owners == thing["instance"]].reshape(-1, 3).astype(float)
            local = (corners - box[:3]) @ turn(box)
            assert local.max(axis=0) == pytest.approx(np.array(box[3:6]) / 2, abs=2e-5)
            assert local.min(axis=0) == pytest.approx(-np.array(box[3:6]) / 2, abs=2e-5)


def test_depth_and_instances_are_those_of_the_ray_through_the_centre(rooms: list[Record]) -> None:
    record = rooms[0]
    soup = Soup(plans.furnished(Chance("synth", record["id"])).placed)
    a, b, c = np.moveaxis(soup.triangles.astype(float), 1, 0)
    rng = np.random.default_rng(0)
    for view in record["views"]:
        metres, instances = maps(view)
        fx, fy, cx, cy = view["camera"]
        pose = np.array(view["pose"])
        wrong = 0
        for u, v in zip(rng.integers(0, SIZE[0], 100), rng.integers(0, SIZE[1], 100), strict=True):
            ray = pose[:3, :3] @ [(u - cx) / fx, (v - cy) / fy, 1]
            lengths, hit = crossings(a, b - a, c - a, pose[:3, 3], ray)
            nearest = np.where(hit, lengths, np.inf).argmin()
            wrong += soup.owners[nearest] != instances[v, u] or abs(lengths[nearest] - metres[v, u]) > 0.0006
        assert wrong <= 1  # a ray may meet an edge


def crossings(a: Array, ab: Array, ac: Array, origin: Array, ray: Array) -> tuple[Array, Array]:
    """Where a ray crosses triangles, in lengths of the ray, and whether it does (Cramer's rule)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.cross(ab, ac)
        volume = -normal @ ray
        lengths = ((origin - a) * normal).sum(axis=1) / volume
        across = np.cross(origin - a, ray)
        u, v = (ac * across).sum(axis=1) / volume, -(ab * across).sum(axis=1) / volume
        return lengths, (u >= 0) & (v >= 0) & (u + v <= 1) & (lengths > 0)


def test_solid_things_do_not_intersect(rooms: list[Record]) -> None:
    for record in rooms:
        things_of = solid(record)
        boxes = np.array([thing["box3d"] for thing in things_of])
        overlap = iou_matrix(boxes, boxes) - np.eye(len(boxes))
        assert np.abs(overlap).max() < 1e-6
        low, high = np.zeros(3), np.array([*record["floor"][2][:2], np.inf])
        for thing in things_of:
            signs = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).reshape(3, 8).T
            corners = signs * thing["box3d"][3:6] @ turn(thing["box3d"]).T + thing["box3d"][:3]
            assert (corners > low - 1e-6).all()
            assert (corners < high + 1e-6).all()


def test_things_rest_on_what_carries_them(rooms: list[Record]) -> None:
    carried = 0
    for record in rooms:
        by_id = {thing["id"]: thing for thing in record["objects"]}
        for thing in solid(record):
            x, y, z, _, _, high = thing["box3d"][:6]
            if "on" in thing:
                carried += 1
                below = by_id[thing["on"]]["box3d"]
                assert z - high / 2 == pytest.approx(below[2] + below[5] / 2, abs=1e-3)
                middle = turn(below).T @ np.subtract((x, y, z), below[:3])
                assert (np.abs(middle[:2]) < np.array(below[3:5]) / 2).all()
            elif thing["label"] not in ("picture", "clock", "ceiling lamp"):
                assert z - high / 2 == pytest.approx(0, abs=1e-3)
    assert carried >= 2 * COUNT


def test_cameras_stand_upright_in_free_space(rooms: list[Record]) -> None:
    for record in rooms:
        times = [view["time"] for view in record["views"]]
        assert times == sorted(times)
        for view in record["views"]:
            pose = np.array(view["pose"])
            eye = pose[:3, 3]
            assert 1.2 <= eye[2] <= 1.8
            assert (eye[:2] > 0.2).all()
            assert (eye[:2] < np.array(record["floor"][2][:2]) - 0.2).all()
            assert pose[2, 0] == pytest.approx(0, abs=1e-6)
            assert pose[2, 1] < 0
            for thing in solid(record):
                box = thing["box3d"]
                assert (np.abs(turn(box).T @ (eye - box[:3])) > np.array(box[3:6]) / 2).any()


def test_records_and_files_are_valid(rooms: list[Record]) -> None:
    for record in rooms:
        assert problems(record) == []
        assert checking.check(record, Counter(), files=True) == []
        assert record["up"] == [0, 0, 1]
        labels = [thing["label"] for thing in solid(record)]
        assert len(labels) >= 8
        assert "floor" not in labels


def test_generators_find_plenty_to_ask(rooms: list[Record]) -> None:
    for module, least in (("depth", 6), ("detection", 4)):
        asked = [sample for record in rooms for sample in generated(module, record)]
        assert len(asked) >= least * COUNT * VIEWS
        assert [fault for sample in asked for fault in problems(sample)] == []


def test_pictures_are_neither_dark_nor_blown_out(rooms: list[Record]) -> None:
    for record in rooms:
        for view in record["views"]:
            grey = np.asarray(Image.open(view["image"]).convert("L"), dtype=float)
            assert 50 < grey.mean() < 215
            assert grey.std() > 20


def test_edges_are_smooth_in_the_picture_only(rooms: list[Record]) -> None:
    """Where a thing begins, the picture has colours between those of both sides; the instances have no others."""
    record = rooms[0]
    room = plans.furnished(Chance("synth", record["id"]))
    view = record["views"][0]
    renderer = render.Renderer(Soup(room.placed), room.lights)
    smooth = renderer.view(view["camera"], *SIZE, view["pose"])
    more, render.MORE_RAYS = render.MORE_RAYS, ()
    try:
        rough = renderer.view(view["camera"], *SIZE, view["pose"])
    finally:
        render.MORE_RAYS = more
    assert (smooth.instances == rough.instances).all()
    assert (smooth.depth == rough.depth).all()
    differs = (smooth.color != rough.color).any(axis=2)
    assert 0.01 < differs.mean() < 0.3
    across = np.diff(smooth.instances.astype(int), axis=1)[:, :-1] != 0
    steps = [np.abs(np.diff(p.color.astype(int), axis=1)).sum(axis=2)[:, :-1][across].mean() for p in (rough, smooth)]
    assert steps[1] < 0.9 * steps[0]


def test_light_is_spread_over_pixels_of_the_same_patch() -> None:
    """By loops: the mean of the samples beside on the same patch, else of pixels around on it, else of all beside."""
    rng = np.random.default_rng(1)
    for height, width in ((9, 12), (8, 7), (2, 2)):
        patches = rng.integers(0, 3, (height, width))
        known: dict[tuple[int, int], Array] = {}
        others: dict[tuple[int, int], Array] = {}
        lit = rng.random((4, (height + 1) // 2, (width + 1) // 2), dtype=np.float32)
        found = light.spread(lit, patches).reshape(4, height, width)
        for y in range(height):
            for x in range(width):
                rows = {y // 2, min((y + 1) // 2, lit.shape[1] - 1)}
                columns = {x // 2, min((x + 1) // 2, lit.shape[2] - 1)}
                beside = [(i, j) for i in rows for j in columns]
                same = [(i, j) for i, j in beside if patches[2 * i, 2 * j] == patches[y, x]]
                values = np.mean([lit[:, i, j] for i, j in same or beside], axis=0)
                (known if same else others)[y, x] = values
        assert len(known) > len(lit[0])
        for _ in range(light.REACH):
            flown = {}
            for y, x in others.keys() - known.keys():
                around = [(i, j) for i in (y - 1, y, y + 1) for j in (x - 1, x, x + 1) if (i, j) in known]
                if same := [place for place in around if patches[place] == patches[y, x]]:
                    flown[y, x] = np.mean([known[place] for place in same], axis=0)
            known |= flown
        for (y, x), expected in {**others, **known}.items():
            assert found[:, y, x] == pytest.approx(expected, abs=1e-6)


def test_pictures_of_odd_sizes_show_the_same_room(tmp_path: Path) -> None:
    (unit,) = units(str(tmp_path), count=1, seed=5)
    for size in ((33, 17), (17, 33)):
        (record,) = scene(unit, Counter(), views=1, size=size)
        assert checking.check(record, Counter(), files=True) == []
        assert (maps(record["views"][0])[0] > 0).all()


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_workers_shards_and_longer_runs_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, pictures = [], []
    for name, options in (("one", {"count": 3}), ("two", {"count": 3, "jobs": 2}), ("more", {"count": 5, "limit": 3})):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        lines.append(made(Path("rooms"), **options))
        pictures.append(files(Path("rooms")))
    assert lines[0] == lines[1] == lines[2]
    assert pictures[0] == pictures[1] == pictures[2]
    assert len(pictures[0]) == 3 * VIEWS * 3
    (tmp_path / "part").mkdir()
    monkeypatch.chdir(tmp_path / "part")
    assert made(Path("rooms"), count=3, shard=(2, 2)) == lines[0].splitlines(keepends=True)[1]
    assert files(Path("rooms")).items() < pictures[0].items()


def test_paths_start_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, root, held in (("a/b", ".", "a/b"), ("a/b", "a", "b"), (str(tmp_path), "a", str(tmp_path))):
        (unit,) = units(folder, count=1, seed=1)
        (record,) = scene(unit, Counter(), root=root, views=1, size=(16, 16))
        assert record["views"][0]["image"] == f"{held}/1/000000/0.jpg"
        assert checking.check(record, Counter(), files=True, root=root) == []


def test_seeds_differ(tmp_path: Path) -> None:
    (one,), (other,) = (
        scene(unit, Counter(), views=1, size=(16, 16)) for s in (1, 2) for unit in units(str(tmp_path), count=1, seed=s)
    )
    assert one["id"] != other["id"]
    assert one["objects"] != other["objects"]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_models_stand_in_their_own_axes(make: Any) -> None:
    for number in range(6):
        model = make(Chance("test", number))
        corners = np.concatenate([part.triangles.reshape(-1, 3) for part in model.parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        assert low == pytest.approx([*(-model.size[:2] / 2), 0], abs=1e-9)
        assert high - low == pytest.approx(model.size, abs=1e-9)
        for part in model.parts:
            assert np.linalg.norm(part.normals, axis=2) == pytest.approx(1, abs=1e-6)
            edges = np.linalg.norm(np.diff(part.triangles, axis=1), axis=2)
            assert (edges.max(axis=1) > 0).all()
        for surface in model.surfaces:
            assert surface.centre[2] == pytest.approx(model.size[2], abs=1e-9)
            assert (np.array(surface.size) <= model.size[:2]).all()


BACKED = (furniture.chair, furniture.office_chair, furniture.sofa, furniture.armchair, furniture.bed, things.laptop)
HANDLED = (storage.cabinet, storage.wardrobe, storage.dresser, storage.nightstand, storage.tv_stand)


def test_fronts_are_true() -> None:
    """Seats have their backs at -x, cupboards their handles at +x, screens shine to +x."""
    for number in range(5):
        for make in BACKED:
            model = make(Chance("front", number))
            corners = np.concatenate([part.triangles.reshape(-1, 3) for part in model.parts])
            top = corners[corners[:, 2] > 0.9 * model.size[2]]
            assert model.front
            assert top[:, 0].mean() < -0.1 * model.size[0], make.__name__
        for make in HANDLED:
            model = make(Chance("front", number))
            grips = [p for p in model.parts if p.material.color == (0.62, 0.63, 0.65)]
            assert model.front
            assert grips
            assert min(p.triangles[..., 0].min() for p in grips) > 0.6 * model.size[0] / 2, make.__name__
        for make in (things.monitor, things.television):
            model = make(Chance("front", number))
            (shining,) = (p for p in model.parts if p.material.glow)
            assert model.front
            assert shining.normals.reshape(-1, 3).mean(axis=0) == pytest.approx([1, 0, 0])


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (unit,) = units(str(tmp_path / "file"), count=1, seed=1)
    with pytest.raises(DataError, match=r"cannot write .*file/1/000000/0.jpg: "):
        scene(unit, Counter(), views=1, size=(16, 16))


def test_sizes_of_pictures() -> None:
    assert size_of("640x480") == (640, 480)
    for text in ("640", "640x", "0x480", "8x8", "640X480", "-640x480", "4097x480"):
        with pytest.raises(UsageError, match="expected WxH"):
            size_of(text)
