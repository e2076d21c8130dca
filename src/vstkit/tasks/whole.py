"""How much of an object a view shows: numbers are asked only of objects that are seen from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vstkit.evidence import Seen
from vstkit.geometry import boxes
from vstkit.geometry.cameras import project
from vstkit.records import View
from vstkit.tasks.asking import Asking, Sight
from vstkit.visibility import NEAR

Array = NDArray[np.float64]

OUTLINE = 0.4  # of a box's outline that must be seen: a round or an open thing covers about half of it
SPAN = 0.7  # of the width and of the height that a box has on the picture: where less is seen, an end is hidden
COMPARED, HALF = 0.25, 0.5  # of the outline, and of width and height, to compare distances
EXACT = 6  # decimals of lengths in metres: what is computed in other axes has the same, and is written the same
FITTING = 0.7  # of the visible pixels that must lie in the box, where depth tells


class Shown(NamedTuple):
    """The objects asked about in a view that have a box which fits what is seen, and how much of each is seen.

    `spans` says how much of the width or of the height that a box has on the picture, whichever is less, up to 1; the
    box may reach beyond the picture, and of one that reaches behind the camera nothing counts. `doubts` says why no
    number may be asked of an object, if so.
    """

    objects: list[Seen]
    boxes: Array  # (n, 9) in camera axes
    spans: list[float]
    doubts: list[str]


def boxed(ask: Asking) -> Shown:
    """What the view shows of objects with boxes; those without, and with one that does not fit, are counted."""
    having = [s for s in ask.sight.asked if s.box is not None]
    found = shown(ask.sight)
    ask.leave("no 3D box", len(ask.sight.asked) - len(having))
    ask.leave("its box does not fit what is seen", len(having) - len(found.objects))
    return found


def complete(ask: Asking) -> list[Seen]:
    """The objects of which numbers may be asked: seen from end to end. The others are counted."""
    found = boxed(ask)
    kept = []
    for seen, doubt in zip(found.objects, found.doubts, strict=True):
        if doubt:
            ask.leave(doubt)
        else:
            kept.append(seen)
    return kept


@lru_cache(maxsize=1)
def shown(sight: Sight) -> Shown:
    """What the view shows of the objects asked about; once a view, and not for each task."""
    fitting = [s for s in sight.asked if s.box is not None and (s.agreement is None or s.agreement >= FITTING)]
    held = placed(fitting)
    spans = _spans(held, [s.box2d for s in fitting], sight.view)
    return Shown(fitting, held, spans, [_doubt(s, span) for s, span in zip(fitting, spans, strict=True)])


def _doubt(seen: Seen, span: float) -> str:
    if seen.truncated:
        return "cut off by the picture's border"
    return "not seen from end to end" if seen.fraction < OUTLINE or span < SPAN else ""


def _spans(held: Array, seen: Sequence[Sequence[float]], view: View) -> list[float]:
    if not seen:
        return []
    points = boxes.corners(held)
    before = points[..., 2].min(axis=1) >= NEAR
    pixels = project(np.where(before[:, None, None], points, 1.0).reshape(-1, 3), view.camera).reshape(-1, 8, 2)
    sides = np.maximum(pixels.max(axis=1) - pixels.min(axis=1), 1e-9)
    found = np.array([box2d or (0, 0, 0, 0) for box2d in seen], dtype=float)
    least = np.minimum((found[:, 2:] - found[:, :2]) / sides, 1.0).min(axis=1)
    return [float(value) for value in np.where(before, least, 0.0)]


def placed(group: Sequence[Seen]) -> Array:
    """Boxes (n, 9) in camera axes of objects that have one."""
    return np.array([s.box for s in group], dtype=float).reshape(-1, 9)
