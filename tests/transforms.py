"""Scenes seen in a mirror, moved as a whole, or larger: what must not change a generator's mind.

Each function takes a scene record and the folder that its paths start from, and returns a record for the new world;
`mirrored` writes flipped files to a folder of its own. What evidence had found goes along.
Shares no code with vstkit's geometry.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

Record = dict[str, Any]

MIRROR = np.diag([-1.0, 1.0, 1.0])  # of the world's x, and of the camera's


def mirrored(scene: Record, root: str | Path, folder: Path) -> Record:
    """The scene in a mirror across x = 0, its pictures and maps flipped left to right; paths start from `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = copy.deepcopy(scene)
    for index, view in enumerate(made["views"]):
        old = np.asarray(view.get("pose", np.eye(4)), dtype=float)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = MIRROR @ old[:3, :3] @ MIRROR, MIRROR @ old[:3, 3]
        view["pose"] = pose.tolist()
        fx, fy, cx, cy = view["camera"]
        view["camera"] = [fx, fy, view["width"] - 1 - cx, cy]
        view["image"] = _flipped_image(view["image"], root, folder, f"{index}.png")
        for key in ("depth", "instances"):
            if key in view:
                view[key] = {**view[key], "path": _flip(view[key]["path"], root, folder, f"{index}-{key}.png")}
    up = MIRROR @ np.asarray(scene.get("up", [0, 0, 0]), dtype=float)
    for thing in made.get("objects", []):
        if "box3d" in thing:
            axes = MIRROR @ _axes(thing["box3d"])
            # A box is its own mirror image, so that an axis may be turned back; not +x, which may be a front, and the
            # vertical one only if it must.
            axes[:, 2 if abs(axes[:, 1] @ up) > 0.7 else 1] *= -1
            thing["box3d"] = _box(MIRROR @ np.asarray(thing["box3d"][:3]), thing["box3d"][3:6], axes)
        for key, box in thing.get("box2d", {}).items():
            last = made["views"][int(key)]["width"] - 1
            thing["box2d"][key] = [last - box[2], box[1], last - box[0], box[3]]
        for seen in thing.get("seen", []):
            last = made["views"][seen["view"]]["width"] - 1
            if "box2d" in seen:
                x0, y0, x1, y1 = seen["box2d"]
                seen["box2d"] = [last - x1, y0, last - x0, y1]
            if "point" in seen:
                seen["point"] = [last - seen["point"][0], seen["point"][1]]
    if "up" in made:
        made["up"] = (up + 0.0).tolist()
    _move_floor(made, MIRROR, np.zeros(3))
    return made


def moved(scene: Record, seed: int) -> Record:
    """The whole world, cameras and all, turned and shifted at random; the files stay."""
    rng = np.random.default_rng(seed)
    turn, shift = Rotation.random(random_state=rng).as_matrix(), rng.uniform(-20, 20, 3)
    made = copy.deepcopy(scene)
    for view in made["views"]:
        pose = np.asarray(view.get("pose", np.eye(4)), dtype=float)
        pose[:3, :3], pose[:3, 3] = turn @ pose[:3, :3], turn @ pose[:3, 3] + shift
        view["pose"] = pose.tolist()
    for thing in made.get("objects", []):
        if "box3d" in thing:
            centre = turn @ np.asarray(thing["box3d"][:3]) + shift
            thing["box3d"] = _box(centre, thing["box3d"][3:6], turn @ _axes(thing["box3d"]))
    if "up" in made:
        made["up"] = (turn @ np.asarray(scene["up"], dtype=float)).tolist()
    _move_floor(made, turn, shift)
    return made


def scaled(scene: Record, factor: float) -> Record:
    """Every length `factor` times as long; the pictures stay, and depth means more by as much."""
    made = copy.deepcopy(scene)
    for view in made["views"]:
        if "pose" in view:
            pose = np.asarray(view["pose"], dtype=float)
            pose[:3, 3] *= factor
            view["pose"] = pose.tolist()
        if "depth" in view:
            view["depth"] = {**view["depth"], "scale": view["depth"]["scale"] / factor}
    for thing in made.get("objects", []):
        for seen in thing.get("seen", []):
            seen.update({key: seen[key] * factor for key in ("depth", "near", "point_depth") if key in seen})
        if "box3d" in thing:
            thing["box3d"] = [*(x * factor for x in thing["box3d"][:6]), *thing["box3d"][6:]]
    if "floor" in made:
        made["floor"] = [[x * factor for x in corner] for corner in made["floor"]]
    return made


def mirrored_sample(sample: Record, scene: Record) -> Record:
    """The sample's words and answer about the mirror picture; `scene` is the mirrored one."""
    view = scene["views"][sample["meta"]["view"]]
    made = copy.deepcopy(sample)
    recipe = sample["images"][0]
    ops = [] if isinstance(recipe, str) else recipe["ops"]
    own = [] if isinstance(view["image"], str) else view["image"]["ops"]
    width, added = view["width"], []
    for op in ops[len(own) :]:
        if op["op"] == "resize":
            width, xy = op["size"][0], []
        elif op["shape"] == "box":
            x0, y0, x1, y1 = op["xy"]
            xy = [width - 1 - x1, y0, width - 1 - x0, y1]
        else:
            xy = [width - 1 - op["xy"][0], *op["xy"][1:]]
        added.append(op if op["op"] == "resize" else {**op, "xy": xy})
    path = view["image"] if isinstance(view["image"], str) else view["image"]["path"]
    made["images"] = [{"path": path, "ops": [*own, *added]} if own or added else path]
    return made


def without_evidence(scene: Record) -> Record:
    """The scene as nobody has looked at it."""
    made = copy.deepcopy(scene)
    for view in made["views"]:
        view.pop("evidence", None)
    for thing in made.get("objects", []):
        thing.pop("seen", None)
    return made


def _axes(box: list[float]) -> np.ndarray:
    axes: np.ndarray = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
    return axes


def _box(centre: np.ndarray, size: list[float], axes: np.ndarray) -> list[float]:
    assert np.linalg.det(axes) > 0
    return [*centre.tolist(), *size, *Rotation.from_matrix(axes).as_euler("xyz", degrees=True).tolist()]


def _move_floor(made: Record, turn: np.ndarray, shift: np.ndarray) -> None:
    if "floor" in made:
        made["floor"] = [(turn @ np.asarray(corner, dtype=float) + shift).tolist() for corner in made["floor"]]


def _flip(path: str, root: str | Path, folder: Path, name: str) -> str:
    with Image.open(Path(root) / path) as image:
        assert "exif" not in image.info  # else it would have to be turned upright before
        Image.fromarray(np.ascontiguousarray(np.asarray(image)[:, ::-1])).save(folder / name, compress_level=1)
    return name


def _flipped_image(recipe: str | Record, root: str | Path, folder: Path, name: str) -> str | Record:
    path = recipe if isinstance(recipe, str) else recipe["path"]
    flipped = _flip(path, root, folder, name)
    if isinstance(recipe, str):
        return flipped
    with Image.open(folder / flipped) as image:
        width = image.width
    ops = []
    for op in recipe["ops"]:
        if op["op"] == "crop":
            x0, y0, x1, y1 = op["box"]
            ops.append({**op, "box": [width - x1, y0, width - x0, y1]})
            width = x1 - x0
        else:
            assert op["op"] == "resize"
            ops.append(op)
            width = op["size"][0]
    return {"path": flipped, "ops": ops}
