"""Which object each pixel of a view shows.

Where a view has an instance image, its masks say it. Else depth does: a pixel shows the smallest box that its point
lies in. Else the boxes are cast as solid bodies, which knows occlusion among them and nothing more.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import images
from vstkit.errors import DataError, at
from vstkit.geometry import boxes
from vstkit.geometry.cameras import unproject
from vstkit.records import Scene, View

Array = NDArray[Any]

NEAR = 0.05  # metres in front of the camera below which nothing is projected
MARGIN = 0.02  # metres by which depth may miss a box that it belongs to
CAST_WIDTH = 160  # rays across a picture in which boxes are cast


class Grid:
    """Which object is where in a view: object number + 1 or 0 in `shown`, depth in metres or None, on one grid."""

    def __init__(self, scene: Scene, view: View, index: int, root: str, placed: list[Array | None]) -> None:
        from scipy import ndimage

        recipe = view.image if isinstance(view.image, str) else msgspec.to_builtins(view.image)
        self.depth: Array | None = None
        # Depth that is right in its order only cannot be held against a box.
        self.in_metres = view.depth is not UNSET and view.depth.kind != "mono-relative"
        if view.depth is not UNSET:
            with at(f"views[{index}].depth"):
                self.depth = images.read_map(view.depth.path, root) / view.depth.scale
        if view.instances is not UNSET:
            self.method = "masks"
            with at(f"views[{index}].instances"):
                self.shown = _numbered(images.read_map(view.instances.path, root), scene, view.instances.path)
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
        if self.method == "depth":
            self._fill_from_depth(view, placed)
        elif self.method == "boxes":
            self._fill_by_casting(view, placed)
        # A crop leaves pixels of the maps outside the image; nobody sees those.
        (x, y), (u, v) = self.to_image(np.arange(width), np.arange(height)), (view.width, view.height)
        self.shown[:, (x < -0.5) | (x > u - 0.5)] = 0
        self.shown[(y < -0.5) | (y > v - 0.5)] = 0
        self._slices = ndimage.find_objects(self.shown, max_label=len(placed))

    def place(self, number: int) -> tuple[slice, slice] | None:
        """Rows and columns that object `number` spans, if it is seen."""
        found: tuple[slice, slice] | None = self._slices[number]
        return found

    def to_image(self, u: Any, v: Any) -> tuple[Any, Any]:
        """Pixels of the grid in the image."""
        return self.ax * u + self.bx, self.ay * v + self.by

    def window(self, rectangle: list[float] | tuple[float, ...]) -> tuple[slice, slice]:
        """Rows and columns of the grid under a rectangle of the image."""
        x0, y0, x1, y1 = rectangle
        columns = slice(max(int((x0 - self.bx) / self.ax), 0), int((x1 - self.bx) / self.ax) + 1)
        return slice(max(int((y0 - self.by) / self.ay), 0), int((y1 - self.by) / self.ay) + 1), columns

    def points_of(self, place: tuple[slice, slice], mask: Array, view: View, most: int = 256) -> Array:
        """Points (n, 3) in camera axes that the depth in a mask shows, at most about `most`, evenly taken."""
        assert self.depth is not None
        v, u = np.nonzero(mask & (self.depth[place] > 0))
        every = max(len(v) // most, 1)
        v, u = v[::every] + place[0].start, u[::every] + place[1].start
        x, y = self.to_image(u, v)
        return unproject(np.stack([x, y], axis=1), self.depth[v, u], view.camera)

    def _fill_from_depth(self, view: View, placed: list[Array | None]) -> None:
        """A pixel shows the smallest box that its point lies in, to MARGIN."""
        assert self.depth is not None
        having = [(float(boxes.volume(box)), i) for i, box in enumerate(placed) if box is not None]
        for _, i in sorted(having, reverse=True):  # the smallest is painted last
            box = placed[i]
            rectangle = None if box is None else boxes.image_box(box, view.camera, view.width, view.height, NEAR)
            if box is None or rectangle is None:
                continue
            window = self.window(rectangle)
            rows, columns = self.shown[window].shape
            v, u = (axis.ravel() for axis in np.mgrid[:rows, :columns])
            v, u = v + window[0].start, u + window[1].start
            depth = self.depth[v, u]
            x, y = self.to_image(u, v)
            points = unproject(np.stack([x, y], axis=1), depth, view.camera)
            inside = boxes.contains(box, points, MARGIN) & (depth > 0)
            self.shown[v[inside], u[inside]] = i + 1

    def _fill_by_casting(self, view: View, placed: list[Array | None]) -> None:
        """A ray shows the box that it enters first; boxes around the camera are no bodies."""
        height, width = self.shown.shape
        v, u = np.mgrid[:height, :width]
        x, y = self.to_image(u.ravel(), v.ravel())
        rays = unproject(np.stack([x, y], axis=1), np.ones(x.size), view.camera)
        nearest = np.full(x.size, np.inf)
        for i, box in enumerate(placed):
            if box is None or boxes.image_box(box, view.camera, view.width, view.height, NEAR) is None:
                continue
            enter = boxes.entry(box, rays)
            first = (enter > NEAR) & (enter < nearest)
            nearest[first] = enter[first]
            self.shown.reshape(-1)[first] = i + 1


def _resized(view: View) -> dict[str, Any]:
    return {"op": "resize", "size": [view.width, view.height]}


def _numbered(instances: Array, scene: Scene, path: str) -> Array:
    """An instance image with object numbers + 1 in place of instance numbers."""
    if instances.dtype.kind not in "ui":
        raise DataError(f"{path}: expected integers, got {instances.dtype}")
    table = np.zeros(int(instances.max(initial=0)) + 1, np.int32)
    for i, thing in enumerate(scene.objects):
        if thing.instance is not UNSET and thing.instance < table.size:
            table[thing.instance] = i + 1
    numbered: Array = table[instances]
    return numbered
