"""What a view shows, measured from its files: masks, depths and boxes, in one's own way.

Coordinates of a picture are those of vstkit-records(5): pixel centres are integers. Edges of pixels, half a pixel
before them, make the arithmetic of resizing plain, so that is what `Window` counts in.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.optimize import lsq_linear
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

Record = dict[str, Any]
NEAR = 0.05  # metres before the camera at which boxes are cut
EDGES = [(i, j) for i in range(8) for j in range(8) if bin(i ^ j).count("1") == 1 and i < j]


class Body(NamedTuple):
    """A solid box: `axes` has its axes as columns, `half` is half its size."""

    centre: np.ndarray
    axes: np.ndarray
    half: np.ndarray

    @property
    def corners(self) -> np.ndarray:
        signs = np.array([[1 if i >> k & 1 else -1 for k in range(3)] for i in range(8)])
        return self.centre + (signs * self.half) @ self.axes.T

    def holds(self, points: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Which points (n, 3) lie in it, or `margin` outside."""
        return (np.abs((points - self.centre) @ self.axes) <= self.half + margin).all(axis=1)


def body(box: list[float], pose: list[list[float]] | None = None) -> Body:
    """A box of world axes in the camera's (`pose`: camera to world), or in its own."""
    R = Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()
    centre = np.array(box[:3], dtype=float)
    if pose is not None:
        M = np.linalg.inv(np.array(pose, dtype=float))
        centre, R = M[:3, :3] @ centre + M[:3, 3], M[:3, :3] @ R
    return Body(centre, R, np.array(box[3:6], dtype=float) / 2)


def distance(a: Body, b: Body) -> float:
    """Between the closest points of two solid boxes: least squares in the box coordinates of both, within bounds."""
    A = np.hstack([a.axes * a.half, -b.axes * b.half])
    found = lsq_linear(A, b.centre - a.centre, bounds=(-1, 1), method="bvls", tol=1e-14)
    return float(np.linalg.norm(A @ found.x - (b.centre - a.centre)))


def overlap(a: Body, b: Body, steps: int = 16) -> float:
    """Intersection over union of two boxes, by an even grid of points in the first."""
    ticks = (np.arange(steps) + 0.5) / steps * 2 - 1
    grid = np.stack(np.meshgrid(ticks, ticks, ticks), -1).reshape(-1, 3)
    shared = b.holds(a.centre + (grid * a.half) @ a.axes.T).mean() * a.half.prod()
    return float(shared / (a.half.prod() + b.half.prod() - shared))


def outline(held: Body, camera: list[float]) -> float:
    """Pixels inside the outline of a projected box, as far as it lies before the camera."""
    corners = held.corners
    points = [c for c in corners if c[2] >= NEAR]
    for i, j in EDGES:
        p, q = corners[i], corners[j]
        if (p[2] < NEAR) != (q[2] < NEAR):
            points.append(p + (q - p) * (NEAR - p[2]) / (q[2] - p[2]))
    if len(points) < 3:
        return 0.0
    found = np.array(points)
    uv = found[:, :2] / found[:, 2:] * camera[:2] + camera[2:]
    return float(ConvexHull(uv, qhull_options="QJ").volume)


class Window(NamedTuple):
    """How one picture lies over another: edge x of the first is edge x * sx + ox of the second."""

    sx: float
    ox: float
    sy: float
    oy: float

    def forth(self, u: Any, v: Any) -> tuple[Any, Any]:
        return (u + 0.5) * self.sx + self.ox - 0.5, (v + 0.5) * self.sy + self.oy - 0.5

    def back(self, u: Any, v: Any) -> tuple[Any, Any]:
        return (u + 0.5 - self.ox) / self.sx - 0.5, (v + 0.5 - self.oy) / self.sy - 0.5

    def then(self, ops: list[Record], size: tuple[float, float]) -> Window:
        """With resizes and crops after it; `size` is that of the second picture."""
        sx, ox, sy, oy = self
        for op in ops:
            if op["op"] == "resize":
                fx, fy = op["size"][0] / size[0], op["size"][1] / size[1]
                sx, ox, sy, oy, size = sx * fx, ox * fx, sy * fy, oy * fy, tuple(op["size"])
            elif op["op"] == "crop":
                x0, y0, x1, y1 = op["box"]
                ox, oy, size = ox - x0, oy - y0, (x1 - x0, y1 - y0)
        return Window(sx, ox, sy, oy)


class Sight:
    """One view of a scene."""

    def __init__(self, scene: Record, index: int, root: str) -> None:
        self.scene, self.index, self.view = scene, index, scene["views"][index]
        self.width, self.height = self.view["width"], self.view["height"]
        self.things: dict[str, Record] = {thing["id"]: thing for thing in scene.get("objects", [])}
        self.numbers = _map(str(Path(root) / self.view["instances"]["path"]))
        self.depth = self._depth(root)
        recipe = self.view["image"]
        path, ops = (recipe, []) if isinstance(recipe, str) else (recipe["path"], recipe["ops"])
        size = _size(str(Path(root) / path))
        rows, columns = self.numbers.shape
        file = Window(size[0] / columns, 0, size[1] / rows, 0)
        self.window = file.then(ops, size)
        self.bodies = {
            i: body(thing["box3d"], self.view.get("pose")) for i, thing in self.things.items() if "box3d" in thing
        }

    def _depth(self, root: str) -> np.ndarray | None:
        """Depth on the grid of the instances: of each pixel the reading that its centre falls on."""
        if "depth" not in self.view:
            return None
        stored = _map(str(Path(root) / self.view["depth"]["path"]))
        rows, columns = self.numbers.shape
        v = np.floor((np.arange(rows) + 0.5) * stored.shape[0] / rows).astype(int)
        u = np.floor((np.arange(columns) + 0.5) * stored.shape[1] / columns).astype(int)
        return stored[v[:, None], u[None, :]] / self.view["depth"]["scale"]

    @cached_property
    def metric(self) -> bool:
        return self.scene.get("metric", True) and self.view.get("depth", {}).get("kind") != "mono-relative"

    @cached_property
    def up(self) -> np.ndarray | None:
        """Against gravity, in camera axes."""
        if "up" not in self.scene:
            return None
        return np.linalg.inv(np.array(self.view.get("pose", np.eye(4)), dtype=float))[:3, :3] @ self.scene["up"]

    @cached_property
    def inside(self) -> np.ndarray:
        """Pixels of the maps whose centres the image holds."""
        rows, columns = self.numbers.shape
        u, v = self.window.forth(np.arange(columns), np.arange(rows))
        across, down = ((x >= -0.5) & (x <= side - 0.5) for x, side in ((u, self.width), (v, self.height)))
        return down[:, None] & across[None, :]

    @cached_property
    def counts(self) -> np.ndarray:
        return np.bincount(self.numbers[self.inside].ravel())

    def pixels(self, thing: str) -> float:
        """Of the image, that show the object."""
        number = self.things[thing].get("instance", 0)
        found = int(self.counts[number]) if 0 < number < self.counts.size else 0
        return found * self.window.sx * self.window.sy

    @lru_cache(maxsize=256)  # noqa: B019  (a sight lives as long as its scene is checked)
    def place(self, thing: str) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the maps that show the object."""
        return np.nonzero((self.numbers == self.things[thing]["instance"]) & self.inside)

    def extent(self, thing: str) -> np.ndarray:
        """x0, y0, x1, y1 of the image around the object's pixels, whole pixels with their edges."""
        v, u = self.place(thing)
        x0, y0 = self.window.forth(u.min() - 0.5, v.min() - 0.5)
        x1, y1 = self.window.forth(u.max() + 0.5, v.max() + 0.5)
        return np.array([x0, y0, x1, y1])

    def cut_off(self, thing: str) -> bool:
        """Whether the object's pixels reach the border of what the image holds."""
        v, u = self.place(thing)
        rows, columns = np.nonzero(self.inside.any(1))[0], np.nonzero(self.inside.any(0))[0]
        return bool(u.min() == columns[0] or u.max() == columns[-1] or v.min() == rows[0] or v.max() == rows[-1])

    def share(self, thing: str) -> float:
        """Visible pixels over those of the outline of its box; 1 without a box."""
        if thing not in self.bodies:
            return 1.0
        return min(1.0, self.pixels(thing) / max(outline(self.bodies[thing], self.view["camera"]), 1e-9))

    def readings(self, thing: str) -> np.ndarray:
        assert self.depth is not None
        found = self.depth[self.place(thing)]
        return np.sort(found[found > 0])

    def median(self, thing: str) -> float:
        return float(np.median(self.readings(thing)))

    def tenth(self, thing: str) -> float:
        found = self.readings(thing)
        return float(found[len(found) // 10])

    def between(self, thing: str, low: float, high: float) -> tuple[float, float]:
        """The depths of two ranks, from 0 to 1, among the object's readings."""
        found = self.readings(thing)
        last = len(found) - 1
        return float(found[int(np.floor(low * last))]), float(found[int(np.ceil(high * last))])

    def stretch(self, u: Any, v: Any) -> Any:
        """Distance from the camera's centre over depth, at pixels of the image."""
        fx, fy, cx, cy = self.view["camera"]
        return np.sqrt(((u - cx) / fx) ** 2 + ((v - cy) / fy) ** 2 + 1)

    def stretches(self, thing: str) -> tuple[float, float]:
        """Least and most stretch over the object's pixels."""
        rows, columns = self.place(thing)
        found = self.stretch(*self.window.forth(columns, rows))
        return float(found.min()), float(found.max())

    def range(self, thing: str) -> float:
        """Median distance from the camera's centre."""
        assert self.depth is not None
        rows, columns = self.place(thing)
        z = self.depth[rows, columns]
        return float(np.median((self.stretch(*self.window.forth(columns, rows)) * z)[z > 0]))

    def cell(self, u: float, v: float) -> tuple[int, int]:
        """Row and column of the maps at a pixel of the image."""
        column, row = self.window.back(u, v)
        return int(np.floor(row + 0.5)), int(np.floor(column + 0.5))

    def at(self, u: float, v: float) -> str | None:
        """The object seen at a pixel of the image."""
        row, column = self.cell(u, v)
        rows, columns = self.numbers.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return None
        number = int(self.numbers[row, column])
        return next((i for i, thing in self.things.items() if number and thing.get("instance") == number), None)

    def around(self, u: float, v: float, reach: int = 2) -> np.ndarray:
        """Depth readings about a pixel of the image."""
        assert self.depth is not None
        row, column = self.cell(u, v)
        return self.depth[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]


def _map(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(float if image.mode == "F" else np.int64)


def _size(path: str) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size
