"""What each view shows of each object: visible pixels, their box and middle, depth, and how far to trust it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from vstkit import images, masks, records
from vstkit.geometry import boxes
from vstkit.geometry.rotations import euler_to_matrix
from vstkit.masks import Masks, Samples
from vstkit.records import Object, Scene, View
from vstkit.validation import parse
from vstkit.visibility import MARGIN, NEAR, Grid, image_boxes

Array = NDArray[Any]

MIN_SHARE = 0.001  # of the image's pixels: below it people no longer name an object
MIN_FRACTION = 0.1  # of the outline of its box
EVEN = 0.1  # a point lies on one surface if depth around it varies by less than this share
AROUND = np.arange(-2, 3)  # pixels around a point in which depth must be even
OCCLUDED = 0.9  # share of an unseen object's place in the image that something nearer must cover


@dataclass(frozen=True, slots=True)
class Seen:
    """One object in one view. Pixels are of the image as it stands after its recipe, lengths in metres.

    state: `seen` well enough to ask about; `hardly` seen; `hidden` behind something or outside the picture; `unsure`,
    when neither mask nor depth tells. `box2d` [x0, y0, x1, y1] surrounds the visible pixels, `point` is the visible
    pixel farthest from the edge of the mask, or nearly; depths along the axis where there are readings: `depth` the
    median, `near` the nearest decile, `at_point` the one at `point`, where the surface is even.
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
    truncated: bool = False  # by the picture's border
    agreement: float | None = None  # share of the visible pixels that lie in its box, where depth tells


def annotate(record: dict[str, Any], tally: Counter[str], *, root: str = ".") -> list[dict[str, Any]]:
    """A scene record with `seen` written to its objects and `evidence`, the way it was found, to its views."""
    scene = parse(record, Scene)
    seen: list[list[dict[str, Any]]] = [[] for _ in scene.objects]
    views = []
    for index, (view, read) in enumerate(zip(record["views"], ahead(scene, root), strict=True)):
        method, found = measure(scene, index, root, read)
        tally[f"views by {method}"] += 1
        views.append({**view, "evidence": method})
        for held, one in zip(seen, found, strict=True):
            if one is not None:
                held.append(msgspec.to_builtins(one))
    things = [{**thing, "seen": held} for thing, held in zip(record.get("objects", []), seen, strict=True)]
    return [{**record, "views": views, **({"objects": things} if things else {})}]


def ahead(scene: Scene, root: str = ".") -> Iterator[images.Read]:
    """For each view a reader of its maps, which a thread reads while the view before is looked at.

    Decoding leaves the interpreter free, so that where there is a core for it the looking costs no time of its own.
    """
    from concurrent.futures import ThreadPoolExecutor

    maps = [
        [held.path for held in (view.depth, view.instances) if held is not UNSET and view.evidence is UNSET]
        for view in scene.views
    ]
    if sum(map(bool, maps)) < 2:
        yield from [images.read_map] * len(maps)
        return
    with ThreadPoolExecutor(1) as thread:
        begun = {path: thread.submit(images.read_map, path, root) for path in maps[0]}
        for paths in [*maps[1:], []]:
            now, begun = begun, {path: thread.submit(images.read_map, path, root) for path in paths}
            yield partial(_read, now)


def _read(begun: dict[str, Future[Array]], path: str, root: str) -> Array:
    return begun[path].result() if path in begun else images.read_map(path, root)


def look(
    scene: Scene,
    index: int,
    root: str = ".",
    *,
    min_share: float = MIN_SHARE,
    min_fraction: float = MIN_FRACTION,
    read: images.Read = images.read_map,
) -> list[Seen]:
    """What view `index` shows of every object, in the scene's order; evidence that the scene carries is used.

    `read` is for callers that need the maps too and would not read them twice. Raises DataError naming the view's field
    when a file cannot be used.
    """
    view = scene.views[index]
    if view.evidence is UNSET:
        _, found = measure(scene, index, root, read)
    else:
        found = [next((s for s in thing.seen if s.view == index), None) for thing in scene.objects]
    looked = []
    for thing, place, one in zip(scene.objects, _placed(scene, view), found, strict=True):
        box = None if np.isnan(place[0]) else place
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
                truncated=one.truncated,
                agreement=None if one.agreement is UNSET else one.agreement,
            )
        )
    return looked


def measure(
    scene: Scene, index: int, root: str = ".", read: images.Read = images.read_map
) -> tuple[str, list[records.Seen | None]]:
    """How view `index` was looked at ("masks", "depth" or "boxes"), and what it shows of every object.

    None is an object that is hidden or outside the picture. Pixels and their box are exact. Of masks that span more
    than 32 pixels, depths and the agreement are of some 200 to 1024 pixels, evenly taken (`masks.sample`): most often
    within 0.2 %, and within 3 % where a surface runs away from the camera; the point is chosen on the same grid
    (`masks.innermost`). Raises DataError as `look`.
    """
    view = scene.views[index]
    placed = _placed(scene, view)
    grid = Grid(scene, view, index, root, placed, read)
    seen = masks.find(grid.shown, grid.numbers)
    found: list[records.Seen | None] = [None] * len(placed)
    for number, visible in zip(seen.numbers.tolist(), _visible(seen, grid, view, index, placed), strict=True):
        found[number - 1] = visible
    if grid.method != "boxes":
        unseen = [i for i, one in enumerate(found) if one is None]
        for i, hidden in zip(unseen, _unseen(placed[unseen], view, grid, index), strict=True):
            found[i] = hidden
    return grid.method, found


def _placed(scene: Scene, view: View) -> Array:
    """Every object's box (n, 9) in the view's camera axes, NaN for objects without."""
    placed = np.full((len(scene.objects), 9), np.nan)
    having = [i for i, thing in enumerate(scene.objects) if thing.box3d is not UNSET]
    if having:
        world = np.array([scene.objects[i].box3d for i in having], dtype=float)
        placed[having] = boxes.to_camera(world, np.eye(4) if view.pose is UNSET else np.asarray(view.pose))
    return placed


def _visible(seen: Masks, grid: Grid, view: View, index: int, placed: Array) -> list[records.Seen]:
    """What is seen, by the order of the masks."""
    hits = masks.hits(grid.shown, seen)
    v, u = masks.innermost(grid.shown, seen, hits)
    height, width = grid.shown.shape
    # Pixels of the grid may be larger or smaller than the image's.
    pixels = seen.pixels * (grid.ax * grid.ay)
    held = placed[seen.numbers - 1]
    having = ~np.isnan(held[:, 0])
    outlines = boxes.outline_areas(held[having], view.camera, NEAR)
    fractions = np.ones(len(held))
    fractions[having] = np.minimum(pixels[having] / np.maximum(outlines, 1e-9), 1)
    truncated = (seen.top == 0) | (seen.left == 0) | (seen.bottom == height) | (seen.right == width)
    # The outermost pixels reach half a pixel beyond their centres.
    x0, y0 = grid.to_image(seen.left - 0.5, seen.top - 0.5)
    x1, y1 = grid.to_image(seen.right - 0.5, seen.bottom - 0.5)
    told = zip(
        *(np.rint(pixels).astype(int).tolist(), fractions.round(4).tolist(), truncated.tolist()),
        np.stack([x0, y0, x1, y1], axis=1).round(2).tolist(),
        np.stack(grid.to_image(u, v), axis=1).round(2).tolist(),
        strict=True,
    )
    found = [records.Seen(index, *one) for one in told]
    if grid.method == "boxes":
        for one in found:
            one.weak = True
    elif grid.depth is not None and found:
        samples = masks.sample(grid.depth, grid.shown, seen, hits)
        _add_depths(found, samples, grid.depth, v, u, grid.scale)
        if grid.in_metres:
            _add_agreement(found, samples, held, grid, view)
    return found


def _add_depths(found: list[records.Seen], samples: Samples, depth: Array, v: Array, u: Array, scale: float) -> None:
    """Median, nearest decile and depth at rows v, columns u; nothing where half of the mask has no reading."""
    ordered = np.sort(samples.readings, axis=1)  # what is no reading comes first
    n, each = samples.count, np.arange(len(found))
    first = ordered.shape[1] - n
    near, low, high = (
        ordered[each, np.minimum(first + rank, ordered.shape[1] - 1)] / scale
        for rank in (n // 10, (n - 1) // 2, n // 2)
    )
    rows = np.clip(v[:, None] + AROUND, 0, depth.shape[0] - 1)
    columns = np.clip(u[:, None] + AROUND, 0, depth.shape[1] - 1)
    around = np.sort(depth[rows[:, :, None], columns[:, None, :]].reshape(len(found), -1), axis=1) / scale
    middle = around[:, around.shape[1] // 2]
    even = (around[:, 0] > 0) & (around[:, -1] - around[:, 0] <= EVEN * middle)
    told = zip(
        found,
        samples.known.tolist(),
        even.tolist(),
        *(values.round(4).tolist() for values in ((low + high) / 2, near, middle)),
        strict=True,
    )
    for one, known, smooth, *depths in told:
        if known:
            one.depth, one.near = depths[:2]
            if smooth:
                one.point_depth = depths[2]


def _add_agreement(found: list[records.Seen], samples: Samples, held: Array, grid: Grid, view: View) -> None:
    """The share of the samples whose points lie in the box, `held` (n, 9)."""
    v, u, readings = samples.places()
    turned = euler_to_matrix(held[:, 6:]).swapaxes(1, 2)
    points = grid.points(v, u, readings, view).swapaxes(0, 1) - held[:, :3, None]  # (n, 3, samples)
    inside = (np.abs(turned @ points) <= held[:, 3:6, None] / 2 + MARGIN).all(axis=1) & (readings > 0)
    share = np.count_nonzero(inside, axis=1) / np.maximum(np.count_nonzero(readings, axis=1), 1)
    told = samples.known & ~np.isnan(held[:, 0])
    for one, known, agreement in zip(found, told.tolist(), share.round(4).tolist(), strict=True):
        if known:
            one.agreement = agreement


def _unseen(unseen: Array, view: View, grid: Grid, index: int) -> Iterator[records.Seen | None]:
    """Objects without a pixel, boxes (n, 9): hidden if outside the picture or covered by something nearer."""
    corners = boxes.corners(unseen)
    fronts = corners[..., 2].min(axis=1) - MARGIN
    for front, rectangle in zip(fronts.tolist(), image_boxes(unseen, corners, view), strict=True):
        unsure = records.Seen(view=index, pixels=0, fraction=0.0, state="unsure")
        if rectangle is None:
            yield None
        elif grid.depth is None or not grid.in_metres:
            yield unsure
        else:
            readings = grid.depth[grid.window(rectangle)]
            covered = np.count_nonzero((readings > 0) & (readings < front * grid.scale))
            yield None if readings.size and covered >= OCCLUDED * readings.size else unsure
