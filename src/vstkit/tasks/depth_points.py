"""Depth questions about two points anywhere in the picture; the depth image alone says where they can lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from vstkit import images
from vstkit.chance import Chance
from vstkit.errors import at
from vstkit.evidence import EVEN
from vstkit.marks import COLORS
from vstkit.tasks import references
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.depth_measures import MIN_GAP, MIN_RATIO, POINTS, Measures, margin, slant
from vstkit.tasks.references import FORMS, LETTERS, PATCH, listed
from vstkit.tasks.samples import Turn

# Shares of the picture's diagonal.
MARK = 0.008  # radius of a mark, all of which must lie on one surface
BORDER = 0.03  # from a point to the border of the picture
APART = 0.1  # from one point to the other
BAND = 0.2  # of the picture's height: the most by which one point lies lower than the other
TRIES = 12  # candidates for each sample wanted: most draws have no clear nearest

Pixel = tuple[int, int]


class Reading(NamedTuple):
    """Depth and range, as of `measures`: where a point lies, and the least and the most that its mark covers."""

    told: Measures
    low: Measures
    high: Measures


def nearer_point(
    ask: Asking,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """Which of two points is nearer; all that one mark covers must be clearly nearer than all that the other covers."""
    sight, view = ask.sight, ask.sight.view
    asked = [form for form in forms if form in POINTS]
    inset = max(round(BORDER * math.hypot(view.width, view.height)), 10)
    if reason := (
        "no form of a point to ask by"
        if not asked
        else "no depth image"
        if view.depth is UNSET
        else "too small a picture"
        if min(view.width, view.height) <= 2 * inset
        else ""
    ):
        ask.skip(reason)
        return
    read, clear = _reader(sight), margin(sight, min_gap, min_ratio)
    for chance in ask.attempts(TRIES):
        form = chance.choice(asked)
        pair = _somewhere(chance, view.width, view.height, inset)
        if not ask.fresh(frozenset(pair)):
            continue
        if math.dist(*pair) < APART * math.hypot(view.width, view.height):
            ask.drop("points too close together")
            continue
        first, second = found = [read(*pixel) for pixel in pair]
        if isinstance(first, str) or isinstance(second, str):
            ask.drop(next(reading for reading in found if isinstance(reading, str)))
            continue
        if not clear(first.high, second.low) and not clear(second.high, first.low):
            ask.drop("no clear nearest")
            continue
        nearer = 0 if first < second else 1
        # What is lower in a picture is mostly nearer, and pixels that are written out tell it without the picture.
        if not ask.fair(pair[nearer][1] > pair[1 - nearer][1], 0.5):
            continue
        names, ops = _referred(form, pair, chance, sight, patch)
        options, letter = dict(zip(LETTERS, names, strict=False)), LETTERS[nearer]
        reply, text, template = _asked(ask, chance, options, letter)
        meta = {
            "form": form,
            "objects": [],
            "points": [list(pixel) for pixel in pair],
            "values": [round(reading.told[0], 3) for reading in (first, second)],
            "ranges": [round(reading.told[1], 3) for reading in (first, second)],
            **({"unit": "m"} if sight.metric else {}),
        }
        answer = {"type": "choice", "value": letter, "options": options}
        yield ask.sample([Turn(text, reply, answer)], template=template, meta=meta, ops=ops)


def _asked(ask: Asking, chance: Chance, options: dict[str, str], letter: str) -> tuple[str, str, str]:
    """Reply, question and template's name, by the point's name or by a letter."""
    if chance.below(2):
        lines = "\n".join(f"{key}. {name}" for key, name in options.items())
        return letter, *ask.words("points.letter", chance, options=lines)
    return options[letter], *ask.words("points.name", chance, names=listed(list(options.values()), "or"))


def _referred(
    form: str, pair: Sequence[Pixel], chance: Chance, sight: Sight, patch: int
) -> tuple[list[str], list[dict[str, Any]]]:
    if form == "point":
        color = chance.choice(list(COLORS))
        names = [f"point-{letter}" for letter in LETTERS[:2]]
        return names, [references.mark("point", p, color, name[-1]) for p, name in zip(pair, names, strict=True)]
    places, ops = references.scaled(pair, sight.view, patch)
    return [f"point ({u}, {v})" for u, v in places], ops


def _somewhere(chance: Chance, width: int, height: int, inset: int) -> list[Pixel]:
    """Two points, not far apart in height, where height says less of depth."""
    first, second = (inset + chance.below(width - 2 * inset) for _ in range(2))
    v = inset + chance.below(height - 2 * inset)
    low, high = (min(max(v + sign * round(BAND * height), inset), height - inset - 1) for sign in (-1, 1))
    return [(first, v), (second, low + chance.below(high - low + 1))]


def _reader(sight: Sight) -> Callable[[int, int], Reading | str]:
    """What depth there is at pixel u, v of the view's image, or why there is none to tell."""
    view = sight.view
    recipe = view.image if isinstance(view.image, str) else msgspec.to_builtins(view.image)
    if all(op["op"] == "mark" for op in images.ops_of(recipe)):  # then the view knows the file's size
        recipe = images.edited(recipe, {"op": "resize", "size": [view.width, view.height]})
    assert view.depth is not UNSET
    scale = view.depth.scale
    with at(f"views[{sight.index}].depth"):
        depth = sight.read(view.depth.path, sight.root)
    with at(f"views[{sight.index}].image"):
        ax, bx, ay, by = images.map_to_image((depth.shape[1], depth.shape[0]), recipe, sight.root)
    radius = MARK * math.hypot(view.width, view.height)
    wide, high = max(math.ceil(radius / ax), 2), max(math.ceil(radius / ay), 2)

    def read(u: int, v: int) -> Reading | str:
        column, row = round((u - bx) / ax), round((v - by) / ay)
        under = depth[max(row - high, 0) : row + high + 1, max(column - wide, 0) : column + wide + 1]
        low, most = float(under.min()) / scale, float(under.max()) / scale
        if not low > 0:  # no reading, or no number
            return "no depth reading at a point"
        near = depth[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3].ravel()
        middle = float(np.partition(near, near.size // 2)[near.size // 2]) / scale  # the median
        if most - low > EVEN * middle:
            return "no even surface at a point"
        slope = slant((u, v), view)
        return Reading(*((z, slope * z) for z in (middle, low, most)))

    return read
