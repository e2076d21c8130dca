"""What one view shows of each object: visible pixels, their box and middle, depth, and whether to trust it at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import images
from vstkit.errors import DataError, at
from vstkit.geometry import boxes
from vstkit.geometry.cameras import project
from vstkit.records import Object, Scene, View

Array = NDArray[Any]

MIN_SHARE = 0.001  # of the image's pixels: below it people no longer name an object
MIN_FRACTION = 0.1  # of the outline of its box
NEAR = 0.05  # metres in front of the camera below which nothing is projected
EVEN = 0.1  # a point lies on one surface if depth around it varies by less than this share
OCCLUDED = 0.9  # share of an unseen object's place in the image that something nearer must cover


@dataclass(frozen=True, slots=True)
class Seen:
    """One object in one view. Pixels are of the image as it stands after its recipe, lengths in metres.

    state: `seen` well enough to ask about; `hardly` seen; `hidden` behind something or outside the picture; `unsure`,
    when neither mask nor depth tells. Only `seen` objects have the rest: `box2d` [x0, y0, x1, y1] around the visible
    pixels, `point` the visible pixel farthest from the edge of the mask, and depths along the axis where there are
    readings: `depth` the median, `near` the nearest decile, `at_point` the one at `point`, where the surface is even.
    """

    object: Object
    state: Literal["seen", "hardly", "hidden", "unsure"]
    box: Array | None  # (9,) in camera axes
    pixels: int = 0
    fraction: float = 0.0
    box2d: tuple[float, ...] = ()
    point: tuple[float, ...] = ()
    depth: float | None = None
    near: float | None = None
    at_point: float | None = None


def look(
    scene: Scene,
    index: int,
    root: str = ".",
    *,
    min_share: float = MIN_SHARE,
    min_fraction: float = MIN_FRACTION,
) -> list[Seen]:
    """What view `index` shows of every object of the scene, in the scene's order.

    With an instance image, from its masks (and depth where there is any). Without one, from the projected boxes
    alone, which know nothing of occlusion. Raises DataError naming the view's field when a file cannot be used.
    """
    view = scene.views[index]
    pose = np.eye(4) if view.pose is UNSET else np.asarray(view.pose)
    placed: list[Array | None] = [
        None if thing.box3d is UNSET else boxes.to_camera(np.asarray(thing.box3d), pose) for thing in scene.objects
    ]
    if view.instances is UNSET:
        return [_projected(thing, box, view, min_share) for thing, box in zip(scene.objects, placed, strict=True)]
    masks = _Masks(view, index, root)
    return [
        _masked(thing, box, view, masks, min_share, min_fraction)
        for thing, box in zip(scene.objects, placed, strict=True)
    ]


class _Masks:
    """The instance and depth maps of a view, on one grid."""

    def __init__(self, view: View, index: int, root: str) -> None:
        from scipy import ndimage

        recipe: images.Recipe = (
            view.image
            if isinstance(view.image, str)
            else {"path": view.image.path, "ops": [_builtin(op) for op in view.image.ops]}
        )
        with at(f"views[{index}].instances"):
            assert view.instances is not UNSET
            self.instances = images.read_map(view.instances.path, root)
            if self.instances.dtype.kind not in "ui":
                raise DataError(f"{view.instances.path}: expected integers, got {self.instances.dtype}")
        height, width = self.instances.shape
        with at(f"views[{index}].image"):
            self.ax, self.bx, self.ay, self.by = images.map_to_image((width, height), recipe, root)
        self.slices = ndimage.find_objects(self.instances.astype(np.int32))
        self.depth: Array | None = None
        if view.depth is not UNSET:
            with at(f"views[{index}].depth"):
                stored = images.read_map(view.depth.path, root)
            # Nearest neighbour, the two axes separately: depth between two surfaces is on neither.
            rows = ((np.arange(height) + 0.5) * stored.shape[0] / height).astype(int)
            columns = ((np.arange(width) + 0.5) * stored.shape[1] / width).astype(int)
            self.depth = stored[np.ix_(rows, columns)] / view.depth.scale

    def to_image(self, u: float, v: float) -> tuple[float, float]:
        """A pixel of the maps in the image."""
        return self.ax * u + self.bx, self.ay * v + self.by

    def place(self, instance: int) -> tuple[slice, slice] | None:
        """Rows and columns that the instance spans, if it is there."""
        return self.slices[instance - 1] if instance <= len(self.slices) else None


def _masked(thing: Object, box: Array | None, view: View, masks: _Masks, min_share: float, min_fraction: float) -> Seen:
    from scipy import ndimage

    place = None if thing.instance is UNSET else masks.place(thing.instance)
    if place is None:
        return Seen(thing, _unseen(box, view, masks), box)
    mask = masks.instances[place] == thing.instance
    pixels = int(mask.sum())
    fraction = 1.0 if box is None else min(1.0, pixels * masks.ax * masks.ay / max(_outline_area(box, view), 1e-9))
    if pixels < min_share * masks.instances.size or fraction < min_fraction:
        return Seen(thing, "hardly", box, pixels, fraction)
    rows, columns = place
    # The outermost pixels reach half a pixel beyond their centres.
    x0, y0 = masks.to_image(columns.start - 0.5, rows.start - 0.5)
    x1, y1 = masks.to_image(columns.stop - 0.5, rows.stop - 0.5)
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    v, u = np.unravel_index(int(inside.argmax()), inside.shape)
    point = masks.to_image(float(u + columns.start), float(v + rows.start))
    depths = () if masks.depth is None else _depths(masks.depth[place], mask, int(v), int(u))
    return Seen(thing, "seen", box, pixels, fraction, (x0, y0, x1, y1), point, *depths)


def _depths(depth: Array, mask: Array, v: int, u: int) -> tuple[float | None, ...]:
    """Median, nearest decile, and depth at row v, column u; nothing where half of the mask has no reading."""
    readings = depth[mask & (depth > 0)]
    if readings.size < 0.5 * mask.sum():
        return ()
    around = depth[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3]
    middle = float(np.median(around))
    even = around.min() > 0 and np.ptp(around) <= EVEN * middle
    return float(np.median(readings)), float(np.percentile(readings, 10)), middle if even else None


def _unseen(box: Array | None, view: View, masks: _Masks) -> Literal["hidden", "unsure"]:
    """An object without a mask: hidden if its place is outside the picture or covered by something nearer."""
    rectangle = None if box is None else boxes.image_box(box, view.camera, view.width, view.height, NEAR)
    if box is None or rectangle is None:
        return "hidden"
    if masks.depth is None:
        return "unsure"
    x0, y0, x1, y1 = rectangle
    rows = slice(max(int((y0 - masks.by) / masks.ay), 0), int((y1 - masks.by) / masks.ay) + 1)
    columns = slice(max(int((x0 - masks.bx) / masks.ax), 0), int((x1 - masks.bx) / masks.ax) + 1)
    readings = masks.depth[rows, columns]
    front = boxes.corners(box)[:, 2].min() - 0.02
    covered = ((readings > 0) & (readings < front)).sum()
    return "hidden" if readings.size and covered >= OCCLUDED * readings.size else "unsure"


def _projected(thing: Object, box: Array | None, view: View, min_share: float) -> Seen:
    """Evidence from the box alone: seen when its centre and most of its rectangle lie in the picture."""
    rectangle = None if box is None else boxes.image_box(box, view.camera, view.width, view.height, NEAR)
    if box is None or rectangle is None:
        return Seen(thing, "unsure" if box is None else "hidden", box)
    x0, y0, x1, y1 = rectangle
    area, whole = (x1 - x0) * (y1 - y0), _outline_area(box, view)
    fraction = min(1.0, area / max(whole, 1e-9))
    if box[2] > NEAR:
        u, v = project(box[None, :3], view.camera)[0]
        if 0 <= u < view.width and 0 <= v < view.height and area >= min_share * view.width * view.height:
            return Seen(thing, "seen", box, round(area), fraction, (x0, y0, x1, y1), (float(u), float(v)))
    return Seen(thing, "unsure", box, round(area), fraction)


def _outline_area(box: Array, view: View) -> float:
    """Pixels inside the outline of the projected box, beyond the image's border too."""
    from scipy.spatial import ConvexHull

    points = np.array([p for segment in boxes.edge_segments(box, view.camera, NEAR) for p in segment])
    return float(ConvexHull(points).volume) if len(points) >= 3 else 0.0


def _builtin(op: Any) -> dict[str, Any]:
    import msgspec

    built: dict[str, Any] = msgspec.to_builtins(op)
    return built
