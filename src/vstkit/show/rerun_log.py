"""Scenes as a Rerun recording: cameras with their pictures and depth, boxes, points."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from vstkit import images
from vstkit.errors import DataError, UsageError, at
from vstkit.geometry.cameras import transform, unproject
from vstkit.geometry.rotations import euler_to_matrix
from vstkit.records import Scene
from vstkit.validation import parse

Record = dict[str, Any]

POINTS = 40_000  # of one view's depth, evenly spread over the map


def scenes(record: Record, tally: Counter[str]) -> list[Record]:
    """The record where it is a scene; others have no place in a recording and are counted."""
    if record["kind"] != "scene":
        tally[f"{record['kind']}, which is no scene"] += 1
        return []
    parse(record, Scene)
    tally["scenes"] += 1
    return [record]


class Recording:
    """An .rrd file, there when it is whole. Each scene is an entity, its views, points and boxes below it.

    Entities are /SCENE/boxes, /SCENE/up, /SCENE/view-0 (its pose), /SCENE/view-0/image (camera, picture) and
    /SCENE/points/view-0, in world axes.
    """

    def __init__(self, path: str, root: str = ".") -> None:
        try:
            import rerun
        except ImportError as e:
            raise UsageError("--rrd needs rerun-sdk: pip install 'vstkit[view]'") from e
        self._rr, self._root = rerun, root
        self._final = Path(path)
        self._temporary = self._final.with_name(f".{self._final.name}.{os.getpid()}.part")
        if self._final.is_dir():
            raise DataError(f"cannot write {path}: Is a directory")
        try:
            self._temporary.touch()  # what Rerun says where it cannot write names the temporary file
        except OSError as e:
            raise DataError(f"cannot write {path}: {e.strerror}") from e
        self._stream = rerun.RecordingStream("vstkit")
        self._stream.save(self._temporary)

    def log(self, scene: Record) -> None:
        """Write a scene; raises DataError where a file that it names cannot be read."""
        rr, top = self._rr, self._rr.escape_entity_path_part(scene["id"])
        things = [thing for thing in scene.get("objects", []) if "box3d" in thing]
        if things:
            numbers = np.array([thing["box3d"] for thing in things], dtype=float)
            turns = [rr.Quaternion(xyzw=_quaternion(R)) for R in euler_to_matrix(numbers[:, 6:])]
            boxes = rr.Boxes3D(
                centers=numbers[:, :3],
                half_sizes=numbers[:, 3:6] / 2,
                quaternions=turns,
                labels=[thing["label"] for thing in things],
                class_ids=[i + 1 for i in range(len(things))],
            )
            self._log(f"{top}/boxes", boxes)
        if "up" in scene:
            self._log(f"{top}/up", rr.Arrows3D(vectors=[scene["up"]], colors=[[80, 160, 255]], labels=["up"]))
        for i, view in enumerate(scene["views"]):
            with at(f"{scene['id']}: views[{i}]"):
                self._view(view, f"{top}/view-{i}", f"{top}/points/view-{i}")

    def _view(self, view: Record, place: str, points_place: str) -> None:
        rr = self._rr
        pose = np.array(view.get("pose", np.eye(4)), dtype=float)
        fx, fy, cx, cy = view["camera"]
        self._log(place, rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        camera = rr.Pinhole(
            # Rerun's pixels reach from integer to integer, ours lie around integers.
            image_from_camera=[[fx, 0, cx + 0.5], [0, fy, cy + 0.5], [0, 0, 1]],
            resolution=[view["width"], view["height"]],
            camera_xyz=rr.ViewCoordinates.RDF,
        )
        self._log(f"{place}/image", camera)
        picture = np.asarray(images.open_image(view["image"], self._root))
        self._log(f"{place}/image", rr.Image(picture).compress(jpeg_quality=90))
        if "depth" in view:
            points, colors = _points(view, picture, pose, self._root)
            self._log(points_place, rr.Points3D(points, colors=colors, radii=rr.Radius.ui_points(1.5)))

    def _log(self, place: str, what: Any) -> None:
        self._stream.log(place, what, static=True)

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()
        self._stream.disconnect()
        if kind is None:
            self._temporary.replace(self._final)
        else:
            self._temporary.unlink(missing_ok=True)


def _points(view: Record, picture: Any, pose: Any, root: str) -> tuple[Any, Any]:
    """World points (n, 3) of a view's depth and their colours (n, 3); at most POINTS of them."""
    with at("depth"):
        values = images.read_map(view["depth"]["path"], root)
    step = max(int(np.ceil(np.sqrt(values.size / POINTS))), 1)
    rows, columns = np.mgrid[: values.shape[0] : step, : values.shape[1] : step]
    depth = values[::step, ::step] / view["depth"]["scale"]
    ax, bx, ay, by = images.map_to_image(values.shape[::-1], view["image"], root)
    u, v = ax * columns + bx, ay * rows + by
    height, width = picture.shape[:2]
    kept = (depth > 0) & (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)
    uv = np.stack([u[kept], v[kept]], axis=1)
    colors = picture[np.rint(uv[:, 1]).astype(int), np.rint(uv[:, 0]).astype(int)]
    return transform(unproject(uv, depth[kept], view["camera"]), pose), colors


def _quaternion(R: Any) -> list[float]:
    from scipy.spatial.transform import Rotation

    return [float(x) for x in Rotation.from_matrix(R).as_quat()]
