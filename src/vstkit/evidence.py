"""What each view shows of each object: visible pixels, their box and middle, depth, and how far to trust it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import records
from vstkit.geometry import boxes
from vstkit.records import Object, Scene, View
from vstkit.validation import parse
from vstkit.visibility import MARGIN, NEAR, Grid

Array = NDArray[Any]

MIN_SHARE = 0.001  # of the image's pixels: below it people no longer name an object
MIN_FRACTION = 0.1  # of the outline of its box
EVEN = 0.1  # a point lies on one surface if depth around it varies by less than this share
OCCLUDED = 0.9  # share of an unseen object's place in the image that something nearer must cover


@dataclass(frozen=True, slots=True)
class Seen:
    """One object in one view. Pixels are of the image as it stands after its recipe, lengths in metres.

    state: `seen` well enough to ask about; `hardly` seen; `hidden` behind something or outside the picture; `unsure`,
    when neither mask nor depth tells. `box2d` [x0, y0, x1, y1] surrounds the visible pixels, `point` is the visible
    pixel farthest from the edge of the mask; depths along the axis where there are readings: `depth` the median,
    `near` the nearest decile, `at_point` the one at `point`, where the surface is even.
    """

    object: Object
    state: Literal["seen", "hardly", "hidden", "unsure"]
    box: Array | None  # (9,) in camera axes
    pixels: int = 0
    fraction: float = 0.0  # of the outline of its box
    box2d: tuple[float, ...] = ()
    point: tuple[float, ...] = ()
    depth: float | None = None
    near: float | None = None
    at_point: float | None = None


def annotate(record: dict[str, Any], tally: Counter[str], *, root: str = ".") -> list[dict[str, Any]]:
    """A scene record with `seen` written to its objects and `evidence`, the way it was found, to its views."""
    scene = parse(record, Scene)
    seen: list[list[dict[str, Any]]] = [[] for _ in scene.objects]
    views = []
    for index, view in enumerate(record["views"]):
        method, found = measure(scene, index, root)
        tally[f"views by {method}"] += 1
        views.append({**view, "evidence": method})
        for held, one in zip(seen, found, strict=True):
            if one is not None:
                held.append(msgspec.to_builtins(one))
    things = [{**thing, "seen": held} for thing, held in zip(record.get("objects", []), seen, strict=True)]
    return [{**record, "views": views, **({"objects": things} if things else {})}]


def look(
    scene: Scene, index: int, root: str = ".", *, min_share: float = MIN_SHARE, min_fraction: float = MIN_FRACTION
) -> list[Seen]:
    """What view `index` shows of every object, in the scene's order; evidence that the scene carries is used.

    Raises DataError naming the view's field when a file cannot be used.
    """
    view = scene.views[index]
    if view.evidence is UNSET:
        _, found = measure(scene, index, root)
    else:
        found = [next((s for s in thing.seen if s.view == index), None) for thing in scene.objects]
    looked = []
    for thing, box, one in zip(scene.objects, _placed(scene, view), found, strict=True):
        if one is None or one.state == "unsure":
            looked.append(Seen(thing, "hidden" if one is None else "unsure", box))
            continue
        enough = one.pixels >= min_share * view.width * view.height and one.fraction >= min_fraction
        looked.append(
            Seen(
                thing,
                "seen" if enough else "hardly",
                box,
                one.pixels,
                one.fraction,
                box2d=() if one.box2d is UNSET else tuple(one.box2d),
                point=() if one.point is UNSET else tuple(one.point),
                depth=None if one.depth is UNSET else one.depth,
                near=None if one.near is UNSET else one.near,
                at_point=None if one.point_depth is UNSET else one.point_depth,
            )
        )
    return looked


def measure(scene: Scene, index: int, root: str = ".") -> tuple[str, list[records.Seen | None]]:
    """How view `index` was looked at ("masks", "depth" or "boxes"), and what it shows of every object.

    None is an object that is hidden or outside the picture. Raises DataError as `look`.
    """
    view = scene.views[index]
    placed = _placed(scene, view)
    grid = Grid(scene, view, index, root, placed)
    outlines = _outline_areas(placed, view)
    found: list[records.Seen | None] = []
    for number, (box, outline) in enumerate(zip(placed, outlines, strict=True)):
        place = grid.place(number)
        if place is not None:
            found.append(_visible(number, place, box, outline, grid, index, view))
        else:
            found.append(_unseen(box, view, grid, index) if box is not None and outline > 0 else None)
    return grid.method, found


def _placed(scene: Scene, view: View) -> list[Array | None]:
    """Every object's box in the view's camera axes."""
    having = [i for i, thing in enumerate(scene.objects) if thing.box3d is not UNSET]
    placed: list[Array | None] = [None] * len(scene.objects)
    if having:
        world = np.array([scene.objects[i].box3d for i in having], dtype=float)
        turned = boxes.to_camera(world, np.eye(4) if view.pose is UNSET else np.asarray(view.pose))
        for i, box in zip(having, turned, strict=True):
            placed[i] = box
    return placed


def _visible(
    number: int, place: tuple[slice, slice], box: Array | None, outline: float, grid: Grid, index: int, view: View
) -> records.Seen:
    rows, columns = place
    mask = grid.shown[place] == number + 1
    # Pixels of the grid may be larger or smaller than the image's.
    pixels = float(mask.sum() * grid.ax * grid.ay)
    # The outermost pixels reach half a pixel beyond their centres.
    x0, y0 = grid.to_image(columns.start - 0.5, rows.start - 0.5)
    x1, y1 = grid.to_image(columns.stop - 0.5, rows.stop - 0.5)
    height, width = grid.shown.shape
    truncated = rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width
    v, u = _innermost(mask)
    seen = records.Seen(
        view=index,
        pixels=round(pixels),
        fraction=round(min(1.0, pixels / max(outline, 1e-9)), 4) if box is not None else 1.0,
        truncated=truncated,
        box2d=_rounded(x0, y0, x1, y1),
        point=_rounded(*grid.to_image(u + columns.start, v + rows.start)),
    )
    if grid.method == "boxes":
        seen.weak = True
    elif grid.depth is not None:
        _add_depths(seen, grid.depth[place], mask, v, u)
        if box is not None and seen.depth is not UNSET and grid.in_metres:
            inside = boxes.contains(box, grid.points_of(place, mask, view), MARGIN)
            seen.agreement = round(float(inside.mean()), 4)
    return seen


def _innermost(mask: Array) -> tuple[int, int]:
    """Row and column of the pixel of a mask that is farthest from its edge; to 2 or 4 pixels in large masks."""
    from scipy import ndimage

    step = 4 if mask.size > 40_000 else 2 if mask.size > 4_000 else 1
    thin = mask[::step, ::step]
    if not thin.any():
        thin, step = mask, 1
    inside = ndimage.distance_transform_edt(np.pad(thin, 1))[1:-1, 1:-1]
    v, u = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(v) * step, int(u) * step


def _add_depths(seen: records.Seen, depth: Array, mask: Array, v: int, u: int) -> None:
    """Median, nearest decile and depth at row v, column u; nothing where half of the mask has no reading."""
    readings = depth[mask]
    readings = readings[readings > 0]
    if readings.size < 0.5 * mask.sum():
        return
    n = readings.size
    ranks = [n // 10, (n - 1) // 2, n // 2]
    near, low, high = np.partition(readings, ranks)[ranks].tolist()
    seen.depth, seen.near = round((low + high) / 2, 4), round(near, 4)
    around = depth[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3]
    middle = float(np.median(around))
    if around.min() > 0 and np.ptp(around) <= EVEN * middle:
        seen.point_depth = round(middle, 4)


def _unseen(box: Array, view: View, grid: Grid, index: int) -> records.Seen | None:
    """An object without a pixel: hidden if its place is outside the picture or covered by something nearer."""
    rectangle = boxes.image_box(box, view.camera, view.width, view.height, NEAR)
    if rectangle is None or grid.method == "boxes":
        return None
    unsure = records.Seen(view=index, pixels=0, fraction=0.0, state="unsure")
    if grid.depth is None or not grid.in_metres:
        return unsure
    readings = grid.depth[grid.window(rectangle)]
    front = boxes.corners(box)[:, 2].min() - MARGIN
    covered = ((readings > 0) & (readings < front)).sum()
    return None if readings.size and covered >= OCCLUDED * readings.size else unsure


def _outline_areas(placed: list[Array | None], view: View) -> list[float]:
    """Pixels inside the outline of every projected box; 0 for one that lies outside the picture, and without one."""
    having = np.array([box for box in placed if box is not None]).reshape(-1, 9)
    areas = boxes.outline_areas(having, view.camera, NEAR)
    areas[~boxes.may_show(having, view.camera, view.width, view.height, NEAR)] = 0
    left = iter(areas.tolist())
    return [0.0 if box is None else next(left) for box in placed]


def _rounded(*values: float) -> list[float]:
    return [round(float(value), 2) for value in values]
