"""Short descriptions that fit one object of a view and no other: "cup on the desk", "leftmost chair".

A description is given only where it fits the object and clearly not any other that may be in view and could be called
the same, hardly seen ones included. Descriptions have no article in front: sentences say "the cup on the desk".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

import numpy as np

from vstkit.evidence import Seen
from vstkit.geometry.boxes import corners
from vstkit.geometry.distances import between
from vstkit.geometry.margins import clear_gap
from vstkit.naming import distinct_names
from vstkit.relations import pairs
from vstkit.relations.graph import Graph

Topic = Literal["place", "distance", "size", "side", "depth"]

OFF = 0.1  # metres from the anchor that others are which are clearly not on or in it
FARTHER = 2.0  # times as far as what is next to the anchor still is: clearly not next to it
ASIDE = 0.5  # of the wider box in the picture, between the middles of the outermost and the next
MIN_GAP, MIN_RATIO = 0.1, 0.1  # metres, and share of the nearer, between the nearest or farthest and the next

# fmt: off
WORDS = {
    "place": {"on", "in", "inside", "under", "below", "above", "over", "atop", "beneath"},
    "distance": {"near", "nearby", "nearest", "next", "beside", "by", "close", "closest", "far", "farthest"},
    "size": {"tall", "tallest", "short", "shortest", "large", "largest", "big", "biggest", "small", "smallest"},
    "side": {"left", "right", "leftmost", "rightmost"},
    "depth": {"near", "nearest", "close", "closest", "far", "farthest", "front", "behind", "back", "background"},
}
# fmt: on
"""Words by which a caption tells about each topic."""


def describe(seen: Seen, present: Sequence[Seen], graph: Graph, avoid: Collection[Topic] = frozenset()) -> list[str]:
    """Descriptions of an object among those `present` in its view, best first; none where it is not well seen.

    `graph` is that of the view's objects. First the scene's own caption, then the bare label where it is the only one
    of its kind, then what it is on or in, its size, what it is next to, its side of the picture, its depth. `avoid`
    names topics that no description may tell about, so that none gives an answer away: `place` (on, in), `distance`
    (next to), `size` (tallest, largest), `side` (leftmost), `depth` (nearest). Lengths are compared where the graph's
    are metres.
    """
    if seen.state != "seen":
        return []
    shown = [s for s in present if s is not seen and s.state != "hidden"]
    fits = {s.object.label: not distinct_names([seen], [seen, s]) for s in shown}
    rivals = [s for s in shown if fits[s.object.label]]
    found = list(_caption(seen, shown, rivals, avoid))
    label = seen.object.label
    if not rivals:
        found.append(label)
    ways: tuple[tuple[Topic, Callable[[], Iterator[str]]], ...] = (
        ("place", lambda: _beside(seen, rivals, [seen, *shown], graph, {"on": "on", "inside": "in"})),
        ("size", lambda: _size(seen, rivals, graph)),
        ("distance", lambda: _beside(seen, rivals, [seen, *shown], graph, {"next to": "next to"})),
        ("side", lambda: _side(seen, rivals)),
        ("depth", lambda: _depth(seen, rivals, graph)),
    )
    return found + [text for topic, way in ways if topic not in avoid for text in way()]


def _caption(seen: Seen, shown: Sequence[Seen], rivals: Sequence[Seen], avoid: Collection[Topic]) -> Iterator[str]:
    caption = _words(seen)
    if caption and all(map(_words, rivals)) and not any(_alike(caption, _words(s)) for s in shown):
        told = {word.strip(",.;").lower() for word in caption}
        if not any(told & WORDS[topic] for topic in avoid):
            yield " ".join(caption)


def _words(seen: Seen) -> list[str]:
    """The words of an object's caption, without an article in front and a stop at the end."""
    caption = getattr(seen.object, "caption", "")
    words = caption.strip().rstrip(".").split() if isinstance(caption, str) else []
    return words[1:] if words and words[0].lower() in ("a", "an", "the") else words


def _alike(one: list[str], other: list[str]) -> bool:
    """Whether one caption could be taken for the other: all words of the one are in the other."""
    first, second = ({word.lower() for word in words} for words in (one, other))
    return bool(first and second) and (first <= second or second <= first)


def _beside(
    seen: Seen, rivals: Sequence[Seen], present: Sequence[Seen], graph: Graph, words: dict[str, str]
) -> Iterator[str]:
    """By a relation to something with a name of its own; every rival is clearly too far from it for the relation."""
    anchors = {s.object.id: s for s in distinct_names(graph.objects, present)}
    for a, name, b in graph.relations:
        if name not in words or seen.object.id not in ((a, b) if name == "next to" else (a,)):
            continue
        anchor = anchors.get(b if seen.object.id == a else a)
        if anchor and _off(rivals, anchor, name):
            yield f"{seen.object.label} {words[name]} the {anchor.object.label}"


def _off(rivals: Sequence[Seen], anchor: Seen, name: str) -> bool:
    """Whether all are too far from the anchor for the relation."""
    if not rivals:
        return True
    placed = [s.box for s in rivals if s.box is not None]
    if anchor.box is None or len(placed) < len(rivals):
        return False
    boxes = np.array(placed)
    size = (boxes[:, 3:6].mean(axis=1) + anchor.box[3:6].mean()) / 2
    least = FARTHER * np.maximum(pairs.NEXT, pairs.OF_SIZE * size) if name == "next to" else OFF
    return bool((between(boxes, np.broadcast_to(anchor.box, boxes.shape)) >= least).all())


def _size(seen: Seen, rivals: Sequence[Seen], graph: Graph) -> Iterator[str]:
    """The first or last of its kind by height, then by size, as the relations compare them."""
    boxes = np.array([s.box for s in (seen, *rivals) if s.box is not None])
    if graph.reason or not rivals or len(boxes) <= len(rivals):
        return
    if graph.up is not None:
        heights = corners(boxes) @ graph.up
        yield from _extreme(seen, pairs.taller(np.ptp(heights, axis=1)), "tallest", "shortest")
    yield from _extreme(seen, pairs.larger(boxes[:, 3:6]), "largest", "smallest")


def _extreme(seen: Seen, more: pairs.Truth, most: str, least: str) -> Iterator[str]:
    if more[0, 1:].all():
        yield f"{most} {seen.object.label}"
    if more[1:, 0].all():
        yield f"{least} {seen.object.label}"


def _side(seen: Seen, rivals: Sequence[Seen]) -> Iterator[str]:
    if not rivals or not all(s.box2d for s in (seen, *rivals)):
        return
    first, last = np.array([(s.box2d[0], s.box2d[2]) for s in (seen, *rivals)]).T
    step = (first + last)[1:] / 2 - (first[0] + last[0]) / 2
    margin = ASIDE * np.maximum(last - first, (last - first)[0])[1:]
    if (step >= margin).all():
        yield f"leftmost {seen.object.label}"
    if (-step >= margin).all():
        yield f"rightmost {seen.object.label}"


def _depth(seen: Seen, rivals: Sequence[Seen], graph: Graph) -> Iterator[str]:
    own, others = _depths(seen), [_depths(s) for s in rivals]
    if graph.reason or not rivals or not own or not all(others):
        return
    compared = [pair for depths in others for pair in zip(own, depths, strict=True)]
    if all(clear_gap(mine, other, MIN_GAP, MIN_RATIO) for mine, other in compared):
        yield f"nearest {seen.object.label}"
    if all(clear_gap(other, mine, MIN_GAP, MIN_RATIO) for mine, other in compared):
        yield f"farthest {seen.object.label}"


def _depths(seen: Seen) -> tuple[float, ...]:
    """The median and the nearest tenth: both have to agree."""
    return () if seen.depth is None or seen.near is None else (seen.depth, seen.near)
