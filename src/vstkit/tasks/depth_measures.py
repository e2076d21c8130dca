"""What depth questions share: by which depths objects are compared, when one is clearly nearer, who can be named."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vstkit.evidence import Seen
from vstkit.geometry.margins import clear_gap
from vstkit.records import View
from vstkit.tasks import references
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.references import Describe

if TYPE_CHECKING:
    from vstkit.relations.descriptions import Topic

POINTS = ("point", "text-point")
BOXES = ("box", "text-box")
MIN_GAP, MIN_RATIO = 0.1, 0.1  # metres, and share of the nearer one's depth
TOLD: frozenset[Topic] = frozenset({"depth"})  # what a description of an object may not tell about

Measures = tuple[float, ...]


def pools(ask: Asking, forms: Sequence[str], describe: Describe, least: int = 2) -> dict[str, list[Seen]]:
    """For each form that can name `least` objects those objects; all have depth, at their point where one is marked."""
    having = [s for s in ask.sight.asked if s.depth is not None and s.near is not None and s.point]
    ask.leave("no depth reading", len(ask.sight.asked) - len(having))
    even = [s for s in having if s.at_point is not None]
    if set(forms) & set(POINTS):
        ask.leave("no even surface for a point", len(having) - len(even))
    found = {form: references.pool(form, ask, even if form in POINTS else having, describe) for form in forms}
    return {form: pool for form, pool in found.items() if len(pool) >= least}


def measures(form: str, seen: Seen, view: View, *, lettered: bool = False) -> Measures:
    """Depths by which an object is compared; the first is the one that is told.

    A lettered point has the depth where it lies; an object has its median, or the depth at the point that says which
    object it is, and its nearest decile. Between them stands the range, the straight way to the camera: people who are
    asked what is near think of either.
    """
    depth = seen.at_point if form in POINTS else seen.depth
    assert depth is not None
    assert seen.near is not None
    told = depth, depth * slant(seen.point, view)
    return told if form == "point" and lettered else (*told, seen.near)


def slant(point: Sequence[float], view: View) -> float:
    """Range for each metre of depth at a pixel (u, v) of the view's image."""
    fx, fy, cx, cy = view.camera
    return math.hypot((point[0] - cx) / fx, (point[1] - cy) / fy, 1.0)


def margin(sight: Sight, min_gap: float, min_ratio: float) -> Callable[[Measures, Measures], bool]:
    """The test that one is clearly nearer than another: in every measure by `min_gap` metres and by `min_ratio`.

    Where depth is right up to scale or in its order only, the ratio alone counts.
    """
    least = min_gap if sight.metric else 0.0

    def nearer(a: Measures, b: Measures) -> bool:
        return all(p < q and clear_gap(p, q, least, min_ratio) for p, q in zip(a, b, strict=True))

    return nearer


def facts(sight: Sight, form: str, group: Sequence[Seen], held: Sequence[Measures]) -> dict[str, Any]:
    """What `meta` says of a group's measures."""
    return {
        "form": form,
        "objects": [s.object.id for s in group],
        "values": [round(m[0], 3) for m in held],
        "ranges": [round(m[1], 3) for m in held],
        **({"near": [round(m[2], 3) for m in held]} if len(held[0]) > 2 else {}),
        **({"unit": "m"} if sight.metric else {}),
    }
