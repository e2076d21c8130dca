"""The rules by which two objects of a view stand in a relation, as matrices [a, b] that are true where a RELATION b.

| relation    | a RELATION b where                                                                                     |
|-------------|--------------------------------------------------------------------------------------------------------|
| left of     | b's centre is over 0.5 m to the right of a's, half as much as it is in depth or more, beyond either's  |
|             | half width; in the picture each one's middle is beyond the other                                       |
| in front of | b is over 1 m farther by centre, by nearest corner and along the ground, beyond either's half depth    |
| on          | a's underside is within 5 cm, or 0.1 of its height (to 10 cm), of b's top, half of its footprint over  |
|             | b's, which is at least 0.8 as large; nothing open, as a bowl, and no drawer on a drawer; one at most   |
| above       | its underside is over b's top by twice as much or more, to 1.5 m, and 30 % of the smaller footprint is |
|             | shared                                                                                                 |
| inside      | 90 % of a's volume is in the box of b, which is a container by its label and twice as large; the least |
| next to     | the boxes are within 0.3 m, or half of their mean side, of each other, level, with nothing in between  |
| taller than | by over 0.3 m and by a quarter                                                                         |
| larger than | its longest side is longer by 0.1 m and by a quarter, the other two are no shorter                     |

What is on or in something, or over it by steps of these, is not left of, in front of, above or next to it. The margins
of left of, in front of and taller than are those of table 26 of the VST paper; those of on, above, next to and larger
than follow what other scene graphs do, and were set by eye on real and made rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from vstkit.evidence import Seen
from vstkit.geometry.boxes import corners, volume
from vstkit.geometry.distances import between, to_point
from vstkit.geometry.footprints import areas, footprints, ground, overlap
from vstkit.geometry.iou import iou_pairs
from vstkit.geometry.rotations import Array, euler_to_matrix
from vstkit.relations import groups

Truth = NDArray[np.bool_]
Value = TypeVar("Value", np.bool_, np.float64)

# Metres, all of them.
ASIDE = 0.5  # left of: between the centres
AHEAD = 1.0  # in front of: by centres, nearest corners, and along the ground
TALLER = 0.3
LARGER = 0.1
RESTS = 0.05, 0.1  # on: between underside and top, whatever the height, and at most
ABOVE = 1.5  # above: the gap, at most
LEVEL = 0.3  # between the undersides of what stands next to each other
NEXT = 0.3  # next to: between the boxes, whatever their sizes
BESIDE = 2.0  # between: the boxes' distance from the one in the middle, at most
AROUND = 1.0  # around: between the boxes, at most
SAME = 0.1  # in a row: undersides and tops

# Ratios.
RATIO = 1.25  # taller, larger
OF_HEIGHT = 0.1  # on: the gap, of the upper object's height
OF_SIZE = 0.5  # next to: the gap, of the mean of both boxes' sides
BY_DEPTH = 0.5  # left of: of the difference in depth
BEARING = 0.05  # left of: difference of x / z, some 3 degrees
UPPER_SHARE, LOWER_AREA = 0.5, 0.8  # on: of the upper footprint over the lower one, and the areas' ratio
SMALLER_SHARE = 0.3  # above
WITHIN, MINGLED = 0.9, 0.2  # inside; of an object's volume in another's box from which on it may be inside
HALF = 0.5  # inside: of the container's volume, at most; next to: of the lower one's height, at least

# fmt: off
OPEN = frozenset((
    "bag", "basin", "basket", "bathtub", "bin", "bowl", "bucket", "crate", "cup", "hamper", "mug", "pot", "sink",
    "trashcan", "tray", "tub", "vase",
))
CONTAINERS = OPEN | frozenset((
    "backpack", "bookcase", "bookshelf", "box", "cabinet", "can", "carton", "closet", "container", "cupboard",
    "dishwasher", "drawer", "dresser", "freezer", "fridge", "microwave", "oven", "refrigerator", "shelf", "shelves",
    "suitcase", "wardrobe",
))
FITTED = frozenset(("cabinet", "countertop", "cupboard", "door", "drawer", "shelf", "shelves", "wardrobe"))
# fmt: on
"""Last words of labels: what things can be in; what of it is open on top, so that nothing is on it; what is built one
over the other and not said to be on it."""


class Room:
    """Measures of n objects and of their pairs i < j; relations are matrices [a, b]."""

    def __init__(self, nodes: Sequence[Seen], placed: Array, up: Array | None) -> None:
        self.nodes, self.placed, self.up, n = nodes, placed, up, len(nodes)
        self.boxes, self.centre, self.sizes = placed[:n], placed[:n, :3], placed[:n, 3:6]
        self.labels = [s.object.label.lower() for s in nodes]
        self.words = [label.replace("/", " ").split()[-1] for label in self.labels]
        self.corners = corners(self.boxes)
        self.i, self.j = np.triu_indices(n, 1)
        self.gaps = between(self.boxes[self.i], self.boxes[self.j])
        self.gap = self.square(self.gaps)
        if up is not None:
            heights = self.corners @ up
            self.bottom, self.top = heights.min(axis=1), heights.max(axis=1)
            self.plane = ground(up)
            self.prints = footprints(self.boxes, self.plane)

    def square(self, of_pairs: NDArray[Value]) -> NDArray[Value]:
        """A symmetric matrix of values of the pairs."""
        matrix = np.zeros((len(self.nodes), len(self.nodes)), of_pairs.dtype)
        matrix[self.i, self.j] = matrix[self.j, self.i] = of_pairs
        return matrix

    def pairs(self) -> dict[str, Truth]:
        """For each relation of two, where it holds."""
        self.share = self.within()
        inside = self.inside()
        holds = {"inside": inside, "larger than": self.larger()}
        if self.up is not None:
            rests, above = self.vertical()
            holds["on"] = self.on(rests) & ~inside
            holds["taller than"] = taller(self.top - self.bottom)
        family = _lineage(inside | (rests if self.up is not None else inside))
        holds["left of"], holds["in front of"] = self.left() & ~family, self.ahead() & ~family
        if self.up is not None:
            holds["above"] = above & ~family
            self.adjoining = self.clear(self.level() & ~family)
            near = self.gap <= np.maximum(NEXT, OF_SIZE * _both(self.sizes.mean(axis=1)) / 2)
            holds["next to"] = np.triu(self.adjoining & near, 1)
        return holds

    def left(self) -> Truth:
        x, z = self.centre[:, 0], self.centre[:, 2]
        beyond = np.maximum(ASIDE, BY_DEPTH * np.abs(_step(z)))
        half = (np.ptp(self.corners[:, :, 0], axis=1)) / 2
        bearing = x / np.maximum(z, 1e-6)
        first, last = np.array([(s.box2d[0], s.box2d[2]) if s.box2d else (np.nan, np.nan) for s in self.nodes]).T
        middle = (first + last) / 2
        before = (z > 0) & (z > 0)[:, None]
        holds: Truth = before & (_step(x) > np.maximum(beyond, np.maximum(half, half[:, None])))
        holds &= _step(bearing) > BEARING
        holds &= ~(middle <= last[:, None]) & ~(
            first <= middle[:, None]
        )  # true where the picture's boxes are not known
        return holds

    def ahead(self) -> Truth:
        z, nearest = self.centre[:, 2], self.corners[:, :, 2].min(axis=1)
        half = np.ptp(self.corners[:, :, 2], axis=1) / 2
        holds: Truth = (_step(z) > np.maximum(AHEAD, np.maximum(half, half[:, None]))) & (_step(nearest) > AHEAD)
        if self.up is not None:
            holds &= _step(self.centre @ self.plane[:, 1]) > AHEAD
        return holds

    def larger(self) -> Truth:
        return larger(self.sizes)

    def named(self, words: frozenset[str]) -> Truth:
        """Which labels end in one of the words, or its plural."""
        return np.array([word in words or word.removesuffix("s") in words for word in self.words])

    def within(self) -> Array:
        """Matrix [a, b]: the share of a's volume that lies in b's box."""
        size, rows = volume(self.boxes), np.flatnonzero(self.gaps == 0)
        i, j = self.i[rows], self.j[rows]
        iou = iou_pairs(self.boxes[i], self.boxes[j])
        shared = np.zeros(self.gaps.shape)
        shared[rows] = iou / (1 + iou) * (size[i] + size[j])
        return np.asarray(self.square(shared) / size[:, None])

    def inside(self) -> Truth:
        """The smallest container of each."""
        size = volume(self.boxes)
        holds = self.named(CONTAINERS) & (self.share >= WITHIN) & (size[:, None] <= HALF * size)
        return _only(holds, np.broadcast_to(size, holds.shape))

    def vertical(self) -> tuple[Truth, Truth]:
        """Which lie on which, by their boxes alone, and which are above."""
        height = self.top - self.bottom
        gap = self.bottom[:, None] - self.top
        slack = np.clip(OF_HEIGHT * height, *RESTS)[:, None]
        low, high = self.prints.min(axis=1), self.prints.max(axis=1)
        meet = ((low[:, None] < high) & (low < high[:, None])).all(axis=-1)
        # What lies on something has its middle over the other's: of two thin sheets each touches the other's top.
        higher = -_step(self.bottom + self.top) / 2 >= _both(height) / 4
        rests, over = meet & higher & (np.abs(gap) <= slack), meet & (gap > 2 * slack) & (gap <= ABOVE)
        size = areas(self.prints)
        for a, b in np.argwhere(rests | over).tolist():
            shared = overlap(self.prints[a], self.prints[b])
            if rests[a, b]:
                rests[a, b] = shared >= UPPER_SHARE * size[a] and size[b] >= LOWER_AREA * size[a]
            else:
                over[a, b] = shared >= SMALLER_SHARE * min(size[a], size[b])
        return rests, over

    def on(self, rests: Truth) -> Truth:
        """What may be said to be on something: it is on one at most, the one whose top is closest to its underside."""
        fitted = self.named(FITTED)
        on = rests & ~self.named(OPEN) & ~(fitted & fitted[:, None])
        # What is partly in one thing may be in that rather than on another.
        mingled = np.any((self.share >= MINGLED) & ~on, axis=1, keepdims=True)
        return _only(on & ~mingled, np.abs(self.bottom[:, None] - self.top))

    def level(self) -> Truth:
        """Stand about as high, side by side: neither's centre is in the other's box."""
        height = self.top - self.bottom
        common = np.minimum(self.top, self.top[:, None]) - np.maximum(self.bottom, self.bottom[:, None])
        holds: Truth = common >= HALF * np.minimum(height, height[:, None])
        holds &= np.abs(_step(self.bottom)) <= LEVEL
        outside = to_point(self.boxes[:, None], self.centre) > 0
        return holds & outside & outside.T

    def clear(self, asked: Truth) -> Truth:
        """For which pairs of `asked` no other object is on the way from centre to centre."""
        free = asked[self.i, self.j] & (self.gaps <= BESIDE)
        rows = np.flatnonzero(free)
        i, j = self.i[rows], self.j[rows]
        crossed = self.crossed(self.centre[i], self.centre[j])
        crossed[np.arange(len(rows)), i] = crossed[np.arange(len(rows)), j] = False
        free[rows] = ~crossed.any(axis=1)
        return self.square(free)

    def crossed(self, start: Array, end: Array) -> Truth:
        """Matrix [line, object]: which lines from `start` (n, 3) to `end` (n, 3) pass through which boxes.

        A box that holds both ends, as that of a shelf or a bed does, is round the line and not on its way.
        """
        R = euler_to_matrix(self.placed[:, 6:])
        enter, leave = np.full((len(start), len(R)), -np.inf), np.full((len(start), len(R)), np.inf)
        for axis in range(3):  # three times two arrays are faster than two with a last side of three
            to_axis = R[:, :, axis].T
            begin = start @ to_axis - (self.placed[:, :3] * to_axis.T).sum(axis=1)
            along = (end - start) @ to_axis
            along[along == 0] = 1e-300
            reach = np.abs(self.placed[:, 3 + axis] / 2 / along)
            enter, leave = np.maximum(enter, -begin / along - reach), np.minimum(leave, -begin / along + reach)
        return np.array((enter <= leave) & (enter < 1) & (leave > 0) & ~((enter <= 0) & (leave >= 1)))

    def groups(self, holds: dict[str, Truth]) -> list[tuple[Sequence[int], str, int | None]]:
        """Members, name and anchor of each group."""
        found: list[tuple[Sequence[int], str, int | None]] = [
            (np.flatnonzero(holds[name][:, anchor]).tolist(), name, anchor)
            for name in ("on", "inside")
            if name in holds
            for anchor in np.flatnonzero(holds[name].sum(axis=0) >= 2).tolist()
        ]
        if self.up is None:
            return found
        places = self.centre @ self.plane
        widths = np.ptp(self.prints, axis=1).max(axis=1)
        label = np.array(self.labels)
        alike = (label == label[:, None]) & ~np.eye(len(label), dtype=bool)
        alike &= (np.abs(_step(self.bottom)) <= SAME) & (np.abs(_step(self.top)) <= SAME)
        rows = groups.rows(places, widths, alike)
        found += [(row, "in a row", None) for row in rows]
        size = areas(self.prints)
        near = self.level() & (self.gap <= AROUND) & (size[:, None] < size) & ~holds["on"] & ~holds["inside"]
        found += [(members, "around", anchor) for anchor, members in groups.around(places, self.labels, near)]
        lines = groups.between(places, self.adjoining)
        found += [((b, c), "between", a) for a, b, c in lines if not any({a, b, c} <= set(row) for row in rows)]
        return found


def taller(heights: Array) -> Truth:
    """Matrix [a, b]: of heights (n,) in metres, which is clearly more than which."""
    return (-_step(heights) > TALLER) & (heights[:, None] >= RATIO * heights)


def larger(sizes: Array) -> Truth:
    """Matrix [a, b]: which of the boxes of sizes (n, 3) in metres is clearly larger than which."""
    sides = np.sort(sizes, axis=1)
    longest = sides[:, 2]
    holds: Truth = (-_step(longest) >= LARGER) & (longest[:, None] >= RATIO * longest)
    holds &= (sides[:, None] >= sides).all(axis=-1)
    return holds


def _only(holds: Truth, cost: Array) -> Truth:
    """In each row the one of least cost that holds."""
    best = np.where(holds, cost, np.inf).argmin(axis=1)
    chosen: Truth = holds & (np.arange(len(holds)) == best[:, None])
    return chosen


def _step(values: Array) -> Array:
    """Matrix [a, b]: by how much b's value is more than a's."""
    return np.asarray(values - values[:, None])


def _both(values: Array) -> Array:
    """Matrix [a, b]: a's value and b's together."""
    return np.asarray(values + values[:, None])


def _lineage(parent: Truth) -> Truth:
    """Matrix, symmetric: where one is the other's parent, or the parent of a parent, and so on."""
    reached, step = parent, parent
    while step.any():
        step = (step.astype(int) @ parent.astype(int) > 0) & ~reached
        reached = reached | step
    return reached | reached.T
