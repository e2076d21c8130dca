"""Relations of more than two objects: which stand in a row, around another one, or between two others.

Numbers in, row numbers out; `vstkit.relations.graph` says what they are about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

ANGLE = 150.0  # degrees, at the middle one of three, at least
PROPORTION = 2.0  # of its distances to the two outer ones, at most
AT_LEAST = 3  # members of a row, and around something
STRAIGHT = 0.1  # a row's largest distance from its line, in mean spacings
EVEN = 0.35  # a row's spacings: standard deviation over mean
NEIGHBOURS = 4.0  # a row's mean spacing, in mean widths of its members, at most
SPAN = 180.0  # degrees of bearing that those around something take up, at least


def between(places: Array, next_to: Truth) -> Iterator[tuple[int, int, int]]:
    """Which (middle, one, other) of objects at `places` (n, d) have the first between the other two, once for each.

    Where several pairs have it between them they are the closest.

    The angle at the middle one is at least `ANGLE`, and it is at most `PROPORTION` times as far from the one as from
    the other: so it is at most 0.14 of their distance off their line. `next_to` (n, n) tells which pairs have nothing
    else in between and may count as sides of it.
    """
    way = places[None] - places[:, None]
    length = np.maximum(np.sqrt((way**2).sum(axis=-1)), 1e-9)  # of the same place or of one over the other: no way
    cosine = np.einsum("abd,acd->abc", way / length[..., None], way / length[..., None])
    far = length[:, :, None] / length[:, None]
    holds = (cosine <= np.cos(np.radians(ANGLE))) & (far <= PROPORTION) & (far >= 1 / PROPORTION)
    holds &= next_to[:, :, None] & next_to[:, None]
    for a in np.flatnonzero(holds.any(axis=(1, 2))).tolist():
        both = np.where(holds[a], length[a][:, None] + length[a], np.inf)
        b, c = divmod(int(both.argmin()), len(places))
        yield a, b, c


def rows(places: Array, widths: Array, alike: Truth) -> list[tuple[int, ...]]:
    """Rows of at least three of the objects at `places` (n, 2), each from end to end, the longest first.

    `alike` (n, n) tells which may stand in one row. Spacings differ by at most `EVEN`, no place is further from the
    line through their mean, along the way from end to end, than `STRAIGHT`, and the spacing is at most `NEIGHBOURS`
    times the mean of `widths` (n,). An object stands in one row at most, the longest, of these the closest.
    """
    near = alike & (
        ((places[:, None] - places) ** 2).sum(axis=-1) <= (NEIGHBOURS / 2 * (widths[:, None] + widths)) ** 2
    )
    chains = {_walk(i, j, places, alike) for i, j in np.argwhere(near).tolist()}
    found = set()
    for chain in chains:
        row = chain
        while len(row) >= AT_LEAST and not _is_row(places[list(row)], float(widths[list(row)].mean())):
            row = row[:-1]
        if len(row) >= AT_LEAST:
            spacing = float(np.linalg.norm(places[row[-1]] - places[row[0]])) / (len(row) - 1)
            found.add((-len(row), round(spacing, 6), min(row, row[::-1])))
    taken: set[int] = set()
    kept: list[tuple[int, ...]] = []
    for *_, row in sorted(found):
        if not taken.intersection(row):
            kept.append(row)
            taken.update(row)
    return kept


def _walk(i: int, j: int, places: Array, alike: Truth) -> tuple[int, ...]:
    """Objects from i over j onwards, each about where a further step would lead."""
    chain = [i, j]
    while True:
        step = places[chain[-1]] - places[chain[-2]]
        off = np.sqrt(((places - places[chain[-1]] - step) ** 2).sum(axis=1))
        off[chain] = np.inf
        off[~alike[i]] = np.inf
        following = int(off.argmin())
        if off[following] > 0.5 * np.sqrt((step**2).sum()):
            return tuple(chain)
        chain.append(following)


def _is_row(places: Array, width: float) -> bool:
    way = places[-1] - places[0]
    length = float(np.sqrt(way @ way))
    if length == 0:
        return False
    mean = length / (len(places) - 1)
    spacings, aside = np.diff(places @ way) / length, (places - places.mean(axis=0)) @ [-way[1], way[0]] / length
    straight = bool(np.abs(aside).max() <= STRAIGHT * mean)
    return straight and bool(spacings.min() > 0 and spacings.std() <= EVEN * mean) and mean <= NEIGHBOURS * width


def around(places: Array, labels: Sequence[str], near: Truth) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Which (anchor, members) of objects at `places` (n, 2) have at least three of one label around another one.

    `near` (n, n) tells which [member, anchor] are close enough. Seen from the anchor's place, the members' bearings
    span at least `SPAN` degrees.
    """
    of_label = {label: np.array([other == label for other in labels]) for label in dict.fromkeys(labels)}
    for those in of_label.values():
        close = near & those[:, None]
        for anchor in np.flatnonzero(close.sum(axis=0) >= AT_LEAST).tolist():
            members = np.flatnonzero(close[:, anchor])
            x, y = (places[members] - places[anchor]).T
            bearings = np.sort(np.degrees(np.arctan2(y, x)))
            widest = np.diff(np.append(bearings, bearings[0] + 360)).max()
            if 360 - widest >= SPAN:
                yield anchor, tuple(members.tolist())
