"""How a question refers to objects: by name, by a mark on the picture, by pixels written out, or by a description.

| form       | in the question                       | on the picture  |
|------------|---------------------------------------|-----------------|
| text       | the cup                               |                 |
| caption    | the cup on the desk                   |                 |
| box        | the cup (red box)                     | a red box       |
| point      | the cup (red point), or point-A       | a point         |
| text-box   | the cup at [312, 201, 455, 420]       |                 |
| text-point | the cup at (401, 355)                 |                 |

Pixels written out are of the picture as the model sees it: where the model's processor takes sides to a multiple of
`patch` pixels, the recipe does it first, so that the processor has nothing left to resize.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from vstkit.chance import Chance
from vstkit.evidence import Seen
from vstkit.marks import COLORS
from vstkit.records import View
from vstkit.tasks.asking import Asking, Sight

if TYPE_CHECKING:
    from vstkit.relations.descriptions import Topic

FORMS = ("text", "box", "point", "text-box", "text-point")  # and "caption", where descriptions are at hand
WRITTEN = frozenset({"text-box", "text-point"})
PATCH = 28  # pixels; Qwen2.5-VL (14 px patches, merged 2x2), and 32 for Qwen3-VL
LETTERS = "ABCDEFGH"
APART = 0.035  # of the image's diagonal between two marked points: their letters need room
SAME_BOX = 0.7  # IoU above which two boxes cannot be told apart on a picture


Describe = Callable[[Seen], list[str]]


class Referred(NamedTuple):
    """How a group is referred to: `names` in answers, `phrases` in sentences, `ops` on the image's recipe.

    `flip_safe` is false where the mirrored picture would need other words: pixels, or letters drawn on it.
    """

    names: list[str]
    phrases: list[str]
    ops: list[dict[str, Any]]
    flip_safe: bool


def described(sight: Sight, avoid: Collection[Topic] = ()) -> Describe:
    """Descriptions of the objects in a view (`vstkit.relations.descriptions`) that say more than the label.

    They are made when they are asked for; `avoid` names topics that they may not tell about.
    """
    from vstkit.relations.descriptions import describe
    from vstkit.relations.graph import build

    graph = cache(partial(build, sight.asked, sight.up, metric=sight.metric, others=sight.present))

    @cache
    def found(place: int) -> list[str]:
        seen = sight.present[place]
        label = seen.object.label.lower()  # alone, it is form text
        return [text for text in describe(seen, sight.present, graph(), avoid) if text.lower() != label]

    places = {s.object.id: i for i, s in enumerate(sight.present)}
    return lambda seen: found(places[seen.object.id])


def pool(form: str, ask: Asking, among: Sequence[Seen], describe: Describe | None = None) -> list[Seen]:
    """Those `among` the objects that this form can refer to; the others are counted."""
    if form == "text":
        found, reason = [s for s in among if s.object.id in ask.sight.named], "its name fits another one"
    elif form == "caption":
        found, reason = [s for s in among if describe and describe(s)], "no description fits it alone"
    elif form in ("point", "text-point"):
        found, reason = [s for s in among if s.point], "no point to mark"
    else:
        found, reason = [s for s in among if s.box2d], "no box to mark"
    ask.leave(reason, len(among) - len(found))
    return found


def distinct(form: str, group: Sequence[Seen], view: View) -> bool:
    """Whether the marks of a group can be told apart on the picture."""
    if form in ("point", "text-point"):
        least = APART * math.hypot(view.width, view.height)
        return all(math.dist(a.point, b.point) >= least for a, b in combinations(group, 2))
    if form in ("box", "text-box"):
        return all(_overlap(a.box2d, b.box2d) <= SAME_BOX for a, b in combinations(group, 2))
    return True


def refer(
    form: str,
    group: Sequence[Seen],
    chance: Chance,
    view: View,
    *,
    lettered: bool = False,
    patch: int = PATCH,
    describe: Describe | None = None,
) -> Referred:
    """Refer to a group of objects in one form; with `lettered`, points are `point-A`, `point-B` in one colour."""
    labels = [s.object.label for s in group]
    if form == "text":
        return Referred(labels, [f"the {label}" for label in labels], [], True)
    if form == "caption":
        assert describe is not None
        names = [chance.choice(describe(s)) for s in group]
        # "The leftmost chair" is the rightmost one in a mirror.
        return Referred(names, [f"the {name}" for name in names], [], False)
    if form in ("text-box", "text-point"):
        places, ops = written(form, group, view, patch)
        names = [f"{label} at {_told(place)}" for label, place in zip(labels, places, strict=True)]
        return Referred(names, [f"the {name}" for name in names], ops, False)
    colors = chance.sample(COLORS, len(group))
    if form == "point" and lettered:
        # One colour for all: the letter tells them apart, so that no colour gives the answer away.
        names = [f"point-{letter}" for letter in LETTERS[: len(group)]]
        ops = [mark("point", s.point, colors[0], name[-1]) for s, name in zip(group, names, strict=True)]
        return Referred(names, names, ops, False)
    names = [f"{label} ({color} {form})" for label, color in zip(labels, colors, strict=True)]
    ops = [mark(form, s.box2d if form == "box" else s.point, c) for s, c in zip(group, colors, strict=True)]
    return Referred(names, [f"the {name}" for name in names], ops, True)


def written(form: str, group: Sequence[Seen], view: View, patch: int) -> tuple[list[list[int]], list[dict[str, Any]]]:
    """Boxes or points in whole pixels of the picture as the model sees it, and the resize that makes it so."""
    return scaled([seen.box2d if form == "text-box" else seen.point for seen in group], view, patch)


def scaled(places: Sequence[Sequence[float]], view: View, patch: int) -> tuple[list[list[int]], list[dict[str, Any]]]:
    """Points or boxes of a view's image in whole pixels of the picture as the model sees it, and the resize to it."""
    size = [max(round(side / patch), 1) * patch if patch else side for side in (view.width, view.height)]
    factors = size[0] / view.width, size[1] / view.height
    seen = [[(x + 0.5) * factors[i % 2] - 0.5 for i, x in enumerate(place)] for place in places]
    whole = [[min(max(round(x), 0), size[i % 2] - 1) for i, x in enumerate(place)] for place in seen]
    return whole, [{"op": "resize", "size": size}] if size != [view.width, view.height] else []


def mark(shape: str, xy: Sequence[float], color: str, text: str | None = None) -> dict[str, Any]:
    """A mark for an image's recipe, in whole pixels."""
    drawn = {"op": "mark", "shape": shape, "xy": [round(value) for value in xy], "color": color}
    return drawn if text is None else {**drawn, "text": text}


def listed(phrases: Sequence[str], last: str) -> str:
    """`a, b or c`, with `last` the word before the last one."""
    return f"{', '.join(phrases[:-1])} {last} {phrases[-1]}" if len(phrases) > 1 else phrases[0]


def _told(place: Sequence[int]) -> str:
    return f"[{', '.join(map(str, place))}]" if len(place) == 4 else f"({', '.join(map(str, place))})"


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / both if both > 0 else 1.0
