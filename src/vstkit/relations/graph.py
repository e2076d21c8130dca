"""The scene graph of one view: which objects are left of, behind, on, in or next to which, in rows, around another one.

Directions are the camera's: left and right of the picture, in front is nearer to the camera. A relation is there where
it holds by a margin; a pair that one could argue about has none. Every margin is the same both ways, so a mirror swaps
left and right and changes nothing else. `pairs` has the rules for two objects, `groups` those for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vstkit.evidence import Seen
from vstkit.geometry.rotations import Array
from vstkit.naming import STUFF
from vstkit.relations.pairs import Room

CONVERSES = {
    "left of": "right of",
    "in front of": "behind",
    "on": "supports",
    "above": "below",
    "inside": "contains",
    "next to": "next to",
    "taller than": "shorter than",
    "larger than": "smaller than",
}


class Relation(NamedTuple):
    """`a` NAME `b`, by the objects' ids; NAME is a key of `CONVERSES`, never one of its values alone."""

    a: str
    name: str
    b: str


class Group(NamedTuple):
    """Several objects, by their ids.

    name: "in a row", from end to end; "around" the anchor; "on" or "inside" it; "between", where the anchor is between
    the two members.
    """

    members: tuple[str, ...]
    name: str
    anchor: str | None = None


class Distance(NamedTuple):
    """Metres between the closest points of two objects' boxes, and between the boxes' centres."""

    a: str
    b: str
    closest: float
    centres: float


@dataclass(frozen=True)
class Graph:
    """What holds among `objects`; each pair stands once, in one direction. `reason` says why nothing holds."""

    objects: tuple[Seen, ...] = ()
    relations: tuple[Relation, ...] = ()
    groups: tuple[Group, ...] = ()
    distances: tuple[Distance, ...] = ()
    up: Array | None = None  # (3,) unit vector in camera axes
    reason: str = ""


def converse(relation: Relation) -> tuple[str, str, str]:
    """The same seen from the other object: (b, name of the converse, a)."""
    return relation.b, CONVERSES[relation.name], relation.a


def build(seen: Sequence[Seen], up: ArrayLike | None, *, metric: bool = True, others: Sequence[Seen] = ()) -> Graph:
    """The graph of objects of a view. Stuff, and objects without a box, take no part.

    `up` is the unit vector against gravity in camera axes; without it no relation that needs it is there: on, above,
    next to, taller than, rows, around. `others` are more objects of the view, which may stand between these. Where
    lengths are not metric the graph is empty.
    """
    if not metric:
        return Graph(reason="lengths are not metres")
    nodes = [s for s in seen if s.box is not None and not _stuff(s)]
    if len(nodes) < 2:
        return Graph(tuple(nodes), reason="fewer than two objects with a box")
    up = None if up is None else np.asarray(up, dtype=float)
    held = {id(s) for s in nodes}
    placed = [*nodes, *(s for s in others if s.box is not None and not _stuff(s) and id(s) not in held)]
    room = Room(nodes, np.array([s.box for s in placed]), up)
    holds = room.pairs()
    ids = [s.object.id for s in nodes]
    centres = np.linalg.norm(room.centre[room.i] - room.centre[room.j], axis=1)
    return Graph(
        tuple(nodes),
        tuple(
            Relation(ids[a], name, ids[b])
            for name in CONVERSES
            if name in holds
            for a, b in np.argwhere(holds[name]).tolist()
        ),
        tuple(
            Group(tuple(ids[m] for m in members), name, None if anchor is None else ids[anchor])
            for members, name, anchor in room.groups(holds)
        ),
        tuple(
            Distance(ids[i], ids[j], closest, apart)
            for i, j, closest, apart in zip(
                room.i.tolist(), room.j.tolist(), room.gaps.tolist(), centres.tolist(), strict=True
            )
        ),
        up,
    )


def _stuff(seen: Seen) -> bool:
    return seen.object.stuff or seen.object.label.lower() in STUFF
