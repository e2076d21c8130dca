"""All the masks of a label map at once: their extents, even samples of them, their innermost pixels.

A label map (height, width) holds integers, one for each thing, in any order. Nothing here looks at every pixel of it
more than a few times, for reading the map from its file takes no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIDE = 32  # rows and columns of a sample, the bits of a word: a larger mask is looked at on a grid as coarse as needed
SPARSE = 192  # fewer samples of a mask than these, and its depth is sampled on a finer grid
THICK = 12  # steps of the grid from the innermost sample to the edge that are enough
ROW, COLUMN = np.divmod(np.arange(SIDE * SIDE), SIDE)
# A quarter of the grid: evenly of every row and column, or its first rows and columns.
SPREAD = np.array([0, 2, 1, 3])[ROW % 4] == COLUMN % 4
FEW = np.stack([np.flatnonzero(SPREAD), np.flatnonzero((ROW < SIDE // 2) & (COLUMN < SIDE // 2))])


@dataclass(frozen=True, slots=True)
class Masks:
    """Where `n` things lie in a label map; all fields are (n,). Rows and columns end before `bottom` and `right`."""

    numbers: Array
    labels: Array
    pixels: Array
    top: Array
    left: Array
    bottom: Array
    right: Array

    @property
    def extents(self) -> Array:
        """The longer side of what a mask spans."""
        longer: Array = np.maximum(self.bottom - self.top, self.right - self.left)
        return longer

    @property
    def steps(self) -> Array:
        """Pixels between neighbours on the grid of at most SIDE x SIDE on which a mask is sampled."""
        return -(-self.extents // SIDE)

    @property
    def origins(self) -> tuple[Array, Array]:
        """Row and column of the first sample."""
        offsets = self.steps // 2
        return (
            self.top + np.minimum(offsets, (self.bottom - self.top) // 2),
            self.left + np.minimum(offsets, (self.right - self.left) // 2),
        )


def find(shown: Array, number: Callable[[Array], Array]) -> Masks:
    """The masks of a label map, by ascending number; `number` gives the numbers of labels (k,), 0 for what is none."""
    width, flat = shown.shape[1], shown.reshape(-1)
    begins = np.ones(flat.size, bool)
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    # Runs of one label in one row, of which there are a hundred times fewer than pixels.
    starts = np.flatnonzero(begins)
    labels = flat[starts]
    numbers = number(labels)
    order = np.argsort(numbers, kind="stable")
    order = order[len(order) - np.count_nonzero(numbers) :]
    if not len(order):
        return Masks(*np.zeros((7, 0), int))
    numbers = numbers[order]
    first = np.append(0, np.flatnonzero(numbers[1:] != numbers[:-1]) + 1)
    last = np.append(first[1:], len(order)) - 1
    lengths = np.diff(starts, append=flat.size)
    rows = starts // width
    columns = starts - rows * width
    rows, columns, lengths = rows[order], columns[order], lengths[order]
    return Masks(
        numbers=numbers[first],
        labels=labels[order[first]],
        pixels=np.add.reduceat(lengths, first),
        top=rows[first],
        left=np.minimum.reduceat(columns, first),
        bottom=rows[last] + 1,
        right=np.maximum.reduceat(columns + lengths, first),
    )


def hits(shown: Array, masks: Masks) -> Array:
    """Which samples on the grid of each mask are of the mask: (n, SIDE, SIDE)."""
    of_mask: Array = _on_grid(shown, masks) == masks.labels[:, None, None]
    return of_mask


@dataclass(frozen=True, slots=True)
class Samples:
    """Stored depths of pixels of each of `n` masks: `readings` (n, SIDE * SIDE), 0 where there is none."""

    masks: Masks
    readings: Array
    count: Array  # (n,) of the readings
    known: Array  # (n,): at least half of the samples have a reading
    scattered: dict[int, tuple[Array, Array]]  # rows and columns in masks that were sampled more finely

    def places(self) -> tuple[Array, Array, Array]:
        """Row, column and reading, all (n, SIDE * SIDE / 4), of fewer samples; the reading is 0 where there is none."""
        cells = FEW[(self.masks.extents <= SIDE // 2).astype(int)]
        readings = np.take_along_axis(self.readings, cells, axis=1)
        steps, (top, left) = self.masks.steps[:, None], self.masks.origins
        v, u = top[:, None] + steps * (cells // SIDE), left[:, None] + steps * (cells % SIDE)
        for i, (rows, columns) in self.scattered.items():
            own = cells[i] < len(rows)
            v[i, own], u[i, own] = rows[cells[i, own]], columns[cells[i, own]]
        return v, u, readings


def sample(depth: Array, shown: Array, masks: Masks, hits: Array) -> Samples:
    """Readings of a depth map, aligned with the label map, in each mask: its `hits`, or more where those are few."""
    readings = np.where(hits, _on_grid(depth, masks), 0).reshape(len(hits), SIDE * SIDE)
    size = _count(hits.reshape(readings.shape))
    scattered = {}
    for i in np.flatnonzero((size < SPARSE) & (size < masks.pixels)).tolist():
        rows, columns = _pixels(shown, masks, i)
        size[i] = len(rows)
        readings[i] = 0
        readings[i, : size[i]] = depth[rows, columns]
        scattered[i] = rows, columns
    has = readings > 0
    count = _count(has)
    if readings.dtype.kind == "f":
        readings[~has] = 0  # neither negative nor NaN
    return Samples(masks, readings, count, (count > 0) & (2 * count >= size), scattered)


def _count(flags: Array) -> Array:
    """How many of flags (n, SIDE * SIDE) are set: (n,)."""
    bits = np.packbits(flags, axis=1).view(np.uint64)
    count: Array = np.bitwise_count(bits).sum(axis=1, dtype=int)
    return count


def _pixels(shown: Array, masks: Masks, i: int) -> tuple[Array, Array]:
    """Rows and columns of at most SIDE * SIDE pixels of mask i, on a grid fine enough to hit SPARSE, evenly taken."""
    top, left, step = int(masks.top[i]), int(masks.left[i]), int(masks.steps[i])
    inside = np.zeros(0, int)
    while len(inside) < SPARSE and step > 1:
        step = -(-step // 4)
        own = shown[top : masks.bottom[i] : step, left : masks.right[i] : step] == masks.labels[i]
        inside = np.flatnonzero(own)  # much faster than in two dimensions
    rows, columns = np.divmod(inside[:: -(-len(inside) // SIDE**2)], own.shape[1])
    return top + step * rows, left + step * columns


def innermost(shown: Array, masks: Masks, hits: Array) -> tuple[Array, Array]:
    """Row and column (n,) of the pixel of each mask that is farthest from its edge, or nearly.

    `hits` (n, SIDE, SIDE) tells which samples are of the mask. A mask that is thin on their grid is looked at again on
    a finer one, around the place where it is thickest. Distances to the edge are true to about a twelfth; what cuts
    into a mask and is narrower than its grid's steps may be missed.
    """
    steps, (top, left) = masks.steps, masks.origins
    cells, layers = _cores(hits)
    v, u = top + steps * (cells // SIDE), left + steps * (cells % SIDE)
    for i in np.flatnonzero(layers == 0).tolist():
        rows, columns = _pixels(shown, masks, i)
        v[i], u[i] = rows[len(rows) // 2], columns[len(rows) // 2]
    finer = np.maximum(-(-layers * steps // THICK), 1)
    again = np.flatnonzero(finer < steps)
    if again.size:
        finer, (height, width) = finer[again], np.broadcast_to(np.array(shown.shape)[:, None], (2, again.size))
        top = v[again] - finer * np.minimum(v[again] // finer, SIDE // 2)
        left = u[again] - finer * np.minimum(u[again] // finer, SIDE // 2)
        cells, _ = _cores(_cut(shown, top, left, height, width, finer) == masks.labels[again, None, None])
        v[again], u[again] = top + finer * (cells // SIDE), left + finer * (cells % SIDE)
    return v, u


def _on_grid(values: Array, masks: Masks) -> Array:
    return _cut(values, *masks.origins, masks.bottom, masks.right, masks.steps)


def _cut(values: Array, top: Array, left: Array, bottom: Array, right: Array, steps: Array) -> Array:
    cut = np.zeros((len(steps), SIDE, SIDE), values.dtype)
    places = zip(cut, *(edge.tolist() for edge in (top, left, bottom, right, steps)), strict=True)
    for patch, v, u, end, side, step in places:
        part = values[v : min(end, v + SIDE * step) : step, u : min(side, u + SIDE * step) : step]
        patch[: part.shape[0], : part.shape[1]] = part
    return cut


def _cores(masks: Array) -> tuple[Array, Array]:
    """The cell (n,) of masks (n, SIDE, SIDE) that is left last when layer after layer is taken off, and the layers.

    Layers reach to four and to eight neighbours in turn, so that distance is measured in octagons (Rosenfeld and
    Pfaltz, Distance functions on digital pictures, 1968), at most 8 % off the straight one. The middle one of the
    cells of the last layer is taken. A mask without cells has no layers.
    """
    layers = np.zeros((SIDE // 2 + 1, SIDE, len(masks)), "<u4")  # a row of a mask is a word
    layers[0] = np.packbits(masks, axis=2, bitorder="little").view("<u4")[..., 0].T
    sides, shifted = np.zeros_like(layers[:2])
    for k, (rows, inner) in enumerate(itertools.pairwise(layers)):
        np.left_shift(rows, 1, out=sides)
        np.right_shift(rows, 1, out=shifted)
        sides &= shifted
        sides &= rows
        ends = sides if k % 2 else rows
        np.bitwise_and(ends[:-2], ends[2:], out=inner[1:-1])
        np.bitwise_and(inner[1:-1], sides[1:-1], out=inner[1:-1])
    count = layers.any(axis=1).sum(axis=0)
    each = np.arange(len(masks))
    core = np.ascontiguousarray(layers[np.maximum(count - 1, 0), :, each])
    many = np.bitwise_count(core)
    upto = many.cumsum(axis=1, dtype=int)
    middle = upto[:, -1] // 2
    row = (upto > middle[:, None]).argmax(axis=1)
    middle -= upto[each, row] - many[each, row]
    bits = np.unpackbits(core[each, row][:, None].view(np.uint8), axis=1, bitorder="little")
    return row * SIDE + (bits.cumsum(axis=1, dtype=int) > middle[:, None]).argmax(axis=1), count
