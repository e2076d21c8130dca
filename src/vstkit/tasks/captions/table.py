"""What one caption tells: its objects with names and places, how they stand to each other, how far they are apart.

A table goes with its sample, in `meta`, and can be made of it again: the words are checked against it later, or given
to a model that writes others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np

from vstkit.evidence import Seen
from vstkit.geometry.boxes import corners
from vstkit.geometry.margins import clear_gap
from vstkit.relations.graph import Graph, Group
from vstkit.tasks.whole import EXACT, placed

MIN_GAP, MIN_RATIO = 0.1, 0.1  # metres, and share of the nearer one's depth, by which the nearest leads
CHAIN = 5  # objects in one line from left to right
ASIDE = 0.5  # metres to the side from which on a farther one is not said to be behind
GROUPS, DISTANCES = 3, 6  # told, at most
CAPS = {"above": 2, "next to": 4, "left of": 2, "in front of": 3, "taller than": 1, "larger than": 1}
CLOSE, FAR, TOUCHING = 3.0, 6.0, 0.05  # metres: distances below the first come first; none above, none that small

Place = tuple[float, float, float]
Pair = tuple[str, str, str]  # a, relation, b
Several = tuple[tuple[str, ...], str, str]  # members, relation, anchor or ""
Apart = tuple[str, str, float]  # a, b, metres between the closest points of their boxes


class Thing(NamedTuple):
    """An object of a caption, in metres.

    `centre` is in camera axes (x right, y down, z forward); `size` is across the picture, upwards, and away from the
    camera; `height` is that of the centre over the camera. Numbers are told only of what is seen from end to end
    (`whole`).
    """

    id: str
    name: str
    centre: Place
    size: Place
    height: float
    whole: bool

    @property
    def depth(self) -> float:
        """Of the centre, along the viewing direction."""
        return self.centre[2]

    @property
    def range(self) -> float:
        """The straight way from the camera to the centre."""
        return math.hypot(*self.centre)


class Table(NamedTuple):
    """Objects in the order in which the question names them, and what has to be told of them.

    `line` has the ids of some that stand from left to right, `nearest` that of the one that is clearly nearer than all
    others, if there are such.
    """

    things: tuple[Thing, ...]
    relations: tuple[Pair, ...]
    groups: tuple[Several, ...]
    distances: tuple[Apart, ...]
    line: tuple[str, ...] = ()
    nearest: str = ""

    @property
    def names(self) -> dict[str, str]:
        """Name by id."""
        return {thing.id: thing.name for thing in self.things}

    @property
    def by_depth(self) -> list[Thing]:
        """The nearest first."""
        return sorted(self.things, key=lambda thing: (thing.depth, thing.id))

    def together(self, group: Several) -> str:
        """How several things stand, in plain words with their names."""
        members, relation, anchor = group
        names = [self.names[member] for member in members]
        if relation == "between":
            return f"{self.names[anchor]} is between {' and '.join(names)}"
        return f"{', '.join(names)} are {relation}{f' {self.names[anchor]}' if anchor else ''}"

    def told(self, group: Sequence[Seen]) -> list[Seen]:
        """Those of a group of which there is something to tell."""
        ids = {thing.id for thing in self.things if thing.whole} | {self.nearest}
        ids |= {i for a, _, b in self.relations for i in (a, b)}
        ids |= {i for members, _, anchor in self.groups for i in (*members, anchor)}
        return [s for s in group if s.object.id in ids]

    def meta(self) -> dict[str, Any]:
        """The table as fields of a sample's meta."""
        return {
            "objects": [thing.id for thing in self.things],
            "names": [thing.name for thing in self.things],
            "values": [thing.depth for thing in self.things],
            "centers": [list(thing.centre) for thing in self.things],
            "sizes": [list(thing.size) for thing in self.things],
            "heights": [thing.height for thing in self.things],
            "partly": [thing.id for thing in self.things if not thing.whole],
            "nearest": self.nearest,
            "line": list(self.line),
            "relations": [list(pair) for pair in self.relations],
            "groups": [[list(members), name, anchor] for members, name, anchor in self.groups],
            "distances": [list(apart) for apart in self.distances],
            "unit": "m",
        }


def of(meta: Mapping[str, Any]) -> Table:
    """The table that `Table.meta` was made of."""
    held = zip(meta["objects"], meta["names"], meta["centers"], meta["sizes"], meta["heights"], strict=True)
    return Table(
        tuple(
            Thing(i, name, (*centre,), (*size,), height, i not in meta["partly"])
            for i, name, centre, size, height in held
        ),
        tuple((a, name, b) for a, name, b in meta["relations"]),
        tuple((tuple(members), name, anchor) for members, name, anchor in meta["groups"]),
        tuple((a, b, metres) for a, b, metres in meta["distances"]),
        tuple(meta["line"]),
        meta["nearest"],
    )


def make(group: Sequence[Seen], names: Sequence[str], whole: Collection[str], graph: Graph) -> Table:
    """The table of a group of objects by the graph of their view; `whole` are ids of those seen from end to end."""
    boxes = placed(group)
    points = corners(boxes)
    size = np.ptp(points, axis=1)
    up = np.array([0.0, -1.0, 0.0]) if graph.up is None else graph.up
    size[:, 1] = np.ptp(points @ up, axis=1)
    things = tuple(
        Thing(s.object.id, name, _rounded(box[:3]), _rounded(extent), round(float(high), 3), s.object.id in whole)
        for s, name, box, extent, high in zip(group, names, boxes, size, boxes[:, :3] @ up, strict=True)
    )
    ids = {thing.id for thing in things}
    groups = list(_groups(graph.groups, ids))[:GROUPS]
    gaps = {frozenset((d.a, d.b)): round(d.closest, EXACT) for d in graph.distances if {d.a, d.b} <= ids}
    line = _line(things, {(a, b) for a, name, b in graph.relations if name == "left of"})
    relations = _relations(graph, things, groups, line, gaps)
    distances = _distances([thing.id for thing in things if thing.whole], gaps)
    return Table(things, tuple(relations), tuple(groups), tuple(distances), line, _nearest(group, points))


def _rounded(values: Iterable[float]) -> Place:
    x, y, z = (round(float(value), 3) + 0.0 for value in values)
    return x, y, z


def _nearest(group: Sequence[Seen], points: Any) -> str:
    """The one that is nearest by centre, by nearest corner and by what is seen of it, each by the margin."""
    measures = [points[..., 2].mean(axis=1).tolist(), points[..., 2].min(axis=1).tolist()]
    if all(s.near is not None for s in group):
        measures.append([s.near for s in group])
    first = min(range(len(group)), key=lambda i: measures[0][i])
    clear = all(
        clear_gap(values[first], value, MIN_GAP, MIN_RATIO)
        for values in measures
        for i, value in enumerate(values)
        if i != first
    )
    return group[first].object.id if clear else ""


def _groups(groups: Iterable[Group], ids: Collection[str]) -> Iterator[Several]:
    """What of the view's groups these objects make up: part of a row is a row, part of a ring is none."""
    for members, name, anchor in groups:
        held = tuple(member for member in members if member in ids)
        whole = len(held) == len(members)
        least = {"in a row": 3, "on": 2, "inside": 2}.get(name)
        if (anchor is None or anchor in ids) and (whole if least is None else len(held) >= least):
            yield held, name, anchor or ""


def _relations(
    graph: Graph,
    things: Sequence[Thing],
    groups: Sequence[Several],
    line: tuple[str, ...],
    gaps: Mapping[frozenset[str], float],
) -> list[Pair]:
    """The relations that are told of all that hold: none that a group or a chain of others tells already.

    One line from left to right tells of all pairs in it. Of the other kinds those between close things come first.
    """
    ids = {thing.id for thing in things}
    holds: dict[str, set[tuple[str, str]]] = {}
    for a, name, b in graph.relations:
        if {a, b} <= ids:
            holds.setdefault(name, set()).add((a, b))
    told = {(m, name, anchor) for members, name, anchor in groups for m in members}
    kept = [
        (a, name, b) for name in ("on", "inside") for a, b in sorted(holds.get(name, ())) if (a, name, b) not in told
    ]
    joined = {frozenset(pair) for pair in _joined(groups)}
    kept += [(a, "left of", b) for a, b in pairwise(line)]
    compared: set[frozenset[str]] = set()
    held = {thing.id: thing for thing in things}

    def told_deep(a: str, b: str) -> bool:
        aside = abs(held[a].centre[0] - held[b].centre[0]) > ASIDE
        return aside and held[a].whole and held[b].whole

    for name, most in CAPS.items():
        pairs = _reduced(holds.get(name, set()))
        if name == "left of":
            pairs = {pair for pair in pairs if not set(pair) <= set(line)}
        elif name == "next to":
            pairs = {pair for pair in pairs if frozenset(pair) not in joined}
        elif name == "in front of":  # depths tell of the others
            pairs = {(a, b) for a, b in pairs if not told_deep(a, b)}
        elif name in ("taller than", "larger than"):
            pairs = {pair for pair in holds.get(name, ()) if frozenset(pair) not in compared}
        closest = sorted(pairs, key=lambda pair: (gaps[frozenset(pair)], pair))[:most]
        if name == "taller than":
            compared = {frozenset(pair) for pair in closest}
        kept += [(a, name, b) for a, b in closest]
    return kept


def _joined(groups: Sequence[Several]) -> Iterator[tuple[str, str]]:
    """Pairs of which a group says that they stand together."""
    for members, name, anchor in groups:
        if name == "in a row":
            yield from combinations(members, 2)
        elif name in ("between", "around"):
            yield from ((member, anchor) for member in members)


def _reduced(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs that do not follow from two others."""
    after: dict[str, set[str]] = {}
    for a, b in pairs:
        after.setdefault(a, set()).add(b)
    return {(a, b) for a, b in pairs if not any(b in after.get(c, ()) for c in after[a] if c != b)}


def _line(things: Sequence[Thing], left: set[tuple[str, str]]) -> tuple[str, ...]:
    """The longest line of objects each of which is left of all after it; of three at least."""
    order = [thing.id for thing in sorted(things, key=lambda thing: thing.centre[0] / max(thing.depth, 1e-6))]
    for length in range(min(CHAIN, len(order)), 2, -1):
        for line in combinations(order, length):
            if left.issuperset(combinations(line, 2)):
                return line
    return ()


def _distances(ids: Sequence[str], gaps: Mapping[frozenset[str], float]) -> list[Apart]:
    """Those by which every object is tied to its nearest ones: the least spanning tree, the close ones first."""
    pairs = sorted((gaps[frozenset(pair)], pair) for pair in combinations(sorted(ids), 2))
    tree = {i: i for i in ids}
    found: list[Apart] = []
    for metres, (a, b) in pairs:
        if tree[a] != tree[b] and metres <= (FAR if len(found) < 2 else CLOSE):
            tree = {i: tree[a] if root == tree[b] else root for i, root in tree.items()}
            if metres >= TOUCHING:
                found.append((a, b, round(metres, 3)))
    return found[:DISTANCES]
