"""Which object each pixel of a view shows.

Where a view has an instance image, its masks say it. Else depth does: a pixel shows the smallest box that its point
lies in. Else the boxes are cast as solid bodies, which knows occlusion among them and nothing more.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import images
from vstkit.errors import DataError, at
from vstkit.geometry import boxes
from vstkit.geometry.cameras import project, unproject
from vstkit.records import Scene, View

Array = NDArray[Any]

NEAR = 0.05  # metres in front of the camera below which nothing is projected
MARGIN = 0.02  # metres by which depth may miss a box that it belongs to
EDGES = np.array(boxes.EDGES)
CAST_WIDTH = 160  # rays across a picture in which boxes are cast


class Grid:
    """Which object is where in a view: labels in `shown`, `depth` as it is stored or None, on one grid.

    `numbers` says which object a label stands for. Only what lies inside the image is kept.
    """

    def __init__(self, scene: Scene, view: View, index: int, root: str, placed: Array, read: images.Read) -> None:
        recipe = view.image if isinstance(view.image, str) else msgspec.to_builtins(view.image)
        self.depth: Array | None = None
        # Depth that is right in its order only cannot be held against a box.
        self.in_metres = view.depth is not UNSET and view.depth.kind != "mono-relative"
        if view.depth is not UNSET:
            with at(f"views[{index}].depth"):
                self.depth = read(view.depth.path, root)
            self.scale = view.depth.scale
        self._instances = list(range(1, len(placed) + 1))
        if view.instances is not UNSET:
            self.method = "masks"
            self._instances = [0 if thing.instance is UNSET else thing.instance for thing in scene.objects]
            with at(f"views[{index}].instances"):
                self.shown = read(view.instances.path, root)
                if self.shown.dtype.kind not in "ui":
                    raise DataError(f"{view.instances.path}: expected integers, got {self.shown.dtype}")
        elif self.depth is not None and self.in_metres:
            self.method = "depth"
            self.shown = np.zeros(self.depth.shape, np.int32)
        else:
            self.method = "boxes"
            self.shown = np.zeros((max(round(CAST_WIDTH * view.height / view.width), 1), CAST_WIDTH), np.int32)
        height, width = self.shown.shape
        with at(f"views[{index}].image"):
            whole = recipe if self.method != "boxes" else {"path": "", "ops": [_resized(view)]}
            self.ax, self.bx, self.ay, self.by = images.map_to_image((width, height), whole, root)
        if self.depth is not None and self.depth.shape != self.shown.shape:
            # Nearest neighbour, the two axes separately: depth between two surfaces is on neither.
            rows = ((np.arange(height) + 0.5) * self.depth.shape[0] / height).astype(int)
            columns = ((np.arange(width) + 0.5) * self.depth.shape[1] / width).astype(int)
            self.depth = self.depth[np.ix_(rows, columns)]
        self._crop(view)
        if self.method == "depth":
            self._fill_from_depth(view, placed)
        elif self.method == "boxes":
            self._fill_by_casting(view, placed)

    def numbers(self, labels: Array) -> Array:
        """Object number + 1 of each label (k,), 0 for the labels of nothing."""
        table = np.zeros(int(labels.max(initial=0)) + 1, np.uint16 if len(self._instances) < 65535 else np.int64)
        for number, label in enumerate(self._instances, 1):
            if 0 < label < table.size:
                table[label] = number
        numbered: Array = table[np.maximum(labels, 0)]
        return numbered

    def to_image(self, u: Any, v: Any) -> tuple[Any, Any]:
        """Pixels of the grid in the image."""
        return self.ax * u + self.bx, self.ay * v + self.by

    def window(self, rectangle: list[float] | tuple[float, ...]) -> tuple[slice, slice]:
        """Rows and columns of the grid under a rectangle of the image."""
        x0, y0, x1, y1 = rectangle
        columns = slice(max(int((x0 - self.bx) / self.ax), 0), int((x1 - self.bx) / self.ax) + 1)
        return slice(max(int((y0 - self.by) / self.ay), 0), int((y1 - self.by) / self.ay) + 1), columns

    def points(self, v: Array, u: Array, readings: Array, view: View) -> Array:
        """Points (3, ...) in camera axes at rows v and columns u with their stored depths, all (...)."""
        (x, y), z, (fx, fy, cx, cy) = self.to_image(u, v), readings / self.scale, view.camera
        # As `unproject`, but a coordinate's numbers lie side by side, which is several times faster.
        return np.stack([(x - cx) / fx * z, (y - cy) / fy * z, z])

    def _crop(self, view: View) -> None:
        """A crop leaves pixels of the maps outside the image; nobody sees those."""
        left = max(math.ceil((-0.5 - self.bx) / self.ax), 0)
        top = max(math.ceil((-0.5 - self.by) / self.ay), 0)
        right = max(math.floor((view.width - 0.5 - self.bx) / self.ax) + 1, left)
        bottom = max(math.floor((view.height - 0.5 - self.by) / self.ay) + 1, top)
        self.bx, self.by = self.to_image(left, top)
        self.shown = self.shown[top:bottom, left:right]
        if self.depth is not None:
            self.depth = self.depth[top:bottom, left:right]

    def _fill_from_depth(self, view: View, placed: Array) -> None:
        """A pixel shows the smallest box that its point lies in, to MARGIN."""
        assert self.depth is not None
        rectangles = image_boxes(placed, boxes.corners(placed), view)
        for i in np.argsort(boxes.volume(placed), kind="stable")[::-1]:  # the smallest is painted last
            box, rectangle = placed[i], rectangles[i]
            if rectangle is None:
                continue
            window = self.window(rectangle)
            rows, columns = self.shown[window].shape
            v, u = (axis.ravel() for axis in np.mgrid[:rows, :columns])
            v, u = v + window[0].start, u + window[1].start
            readings = self.depth[v, u]
            inside = boxes.contains(box, self.points(v, u, readings, view).T, MARGIN) & (readings > 0)
            self.shown[v[inside], u[inside]] = i + 1

    def _fill_by_casting(self, view: View, placed: Array) -> None:
        """A ray shows the box that it enters first; boxes around the camera are no bodies."""
        height, width = self.shown.shape
        v, u = np.mgrid[:height, :width]
        x, y = self.to_image(u.ravel(), v.ravel())
        rays = unproject(np.stack([x, y], axis=1), np.ones(x.size), view.camera)
        nearest = np.full(x.size, np.inf)
        rectangles = image_boxes(placed, boxes.corners(placed), view)
        for i, (box, rectangle) in enumerate(zip(placed, rectangles, strict=True)):
            if rectangle is None:
                continue
            enter = boxes.entry(box, rays)
            first = (enter > NEAR) & (enter < nearest)
            nearest[first] = enter[first]
            self.shown.reshape(-1)[first] = i + 1


def image_boxes(placed: Array, corners: Array, view: View) -> list[list[float] | None]:
    """`boxes.image_box` of boxes (n, 9) with corners (n, 8, 3) at once, in camera axes; None for a box that is NaN."""
    before = (corners[..., 2] >= NEAR).all(axis=1)
    ends = np.array([view.width - 1.0, view.height - 1.0])
    least, most = _extents(project(corners[before], view.camera), ends)
    shown: Array = np.all((least <= ends) & (most >= 0), axis=1)
    rectangles = np.concatenate([np.maximum(least, 0), np.minimum(most, ends)], axis=1).tolist()
    found: list[list[float] | None] = [None] * len(placed)
    for i, whole, rectangle in zip(np.flatnonzero(before).tolist(), shown.tolist(), rectangles, strict=True):
        found[i] = rectangle if whole else None
    crossing = np.flatnonzero(~before & (corners[..., 2] >= NEAR).any(axis=1))  # a NaN is neither
    may = boxes.may_show(placed[crossing], view.camera, view.width, view.height, NEAR)
    for i in crossing[may].tolist():
        found[i] = boxes.image_box(placed[i], view.camera, view.width, view.height, NEAR)
    return found


def _extents(corners: Array, ends: Array) -> tuple[Array, Array]:
    """Least and greatest u and v, (n, 2) each, of the outlines of projected corners (n, 8, 2).

    Of u where v lies between 0 and its end in `ends`, of v where u does; inf and -inf where an outline is nowhere
    there. Every side of an outline is an edge of its box, so the edges, cut to that strip, reach as far as the outline
    does; what the strip's two ends cut off is left to the caller.
    """
    along = corners.transpose(2, 0, 1)[..., EDGES]  # (2, n, 12, 2)
    across = along[::-1]
    start, rise = across[..., 0], across[..., 1] - across[..., 0]
    with np.errstate(over="ignore"):
        rise = np.where(rise == 0, 1e-300, rise)
        low, high = -start / rise, (ends[::-1, None, None] - start) / rise
    first, last = np.minimum(low, high), np.maximum(low, high)
    crosses = (first <= 1) & (last >= 0)
    cut = along[..., 0] + np.stack([np.maximum(first, 0), np.minimum(last, 1)]) * (along[..., 1] - along[..., 0])
    least = np.where(crosses, cut, np.inf).min(axis=(0, 3))
    return least.T, np.where(crosses, cut, -np.inf).max(axis=(0, 3)).T


def _resized(view: View) -> dict[str, Any]:
    return {"op": "resize", "size": [view.width, view.height]}
