"""Whether an object of a view stands in a relation to another one, by the plain meaning of the word.

The generators' rules are narrower: what they say must hold here, and not the other way round. Each function gives the
reason why it does not hold, nothing where it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial import Delaunay

from rederive.sight import Body, Sight, distance

Reason = str


def of_pair(sight: Sight, a: str, name: str, b: str) -> Reason:
    """Why `a` NAME `b` is not so."""
    return PAIRS[name](sight, a, b)


def left(sight: Sight, a: str, b: str) -> Reason:
    dx = sight.bodies[b].centre[0] - sight.bodies[a].centre[0]
    u = [np.mean(sight.extent(i)[[0, 2]]) for i in (a, b)]
    return "" if dx > 0.499 and u[0] < u[1] else f"{a} is {dx:.2f} m to the left of {b}, at {u[0]:.0f} and {u[1]:.0f}"


def ahead(sight: Sight, a: str, b: str) -> Reason:
    dz = sight.bodies[b].centre[2] - sight.bodies[a].centre[2]
    if dz <= 0.999:
        return f"{a} is only {dz:.2f} m in front of {b}"
    if sight.depth is not None and sight.readings(a).size and sight.readings(b).size:
        near, far = sight.median(a), sight.median(b)
        return "" if near < far else f"what is seen of {a} is {near:.2f} m away, of {b} {far:.2f} m"
    return ""


def on(sight: Sight, a: str, b: str) -> Reason:
    (low, high), (_, top) = heights(sight, a), heights(sight, b)
    if abs(low - top) > 0.101:
        return f"{a} begins {low - top:+.2f} m over the top of {b}"
    if high <= top:
        return f"{a} does not rise over {b}"
    share = shared(sight, a, b)
    return "" if share > 0.45 else f"{share:.0%} of the footprint of {a} is over {b}"


def above(sight: Sight, a: str, b: str) -> Reason:
    (low, _), (_, top) = heights(sight, a), heights(sight, b)
    most = max(shared(sight, a, b), shared(sight, b, a))
    return "" if low > top and most > 0.25 else f"{a} begins {low - top:+.2f} m over {b}, {most:.0%} over it"


def inside(sight: Sight, a: str, b: str) -> Reason:
    share = float(sight.bodies[b].holds(filled(sight.bodies[a])).mean())
    return "" if share > 0.85 else f"{share:.0%} of {a} is in {b}"


def beside(sight: Sight, a: str, b: str) -> Reason:
    gap, most = distance(sight.bodies[a], sight.bodies[b]), near(sight, a, b)
    return "" if gap <= most + 1e-3 else f"{a} is {gap:.2f} m from {b}, more than {most:.2f} m"


def taller(sight: Sight, a: str, b: str) -> Reason:
    one, other = (float(np.ptp(heights(sight, i))) for i in (a, b))
    return "" if one - other > 0.299 and one > 1.249 * other else f"{a} is {one:.2f} m high, {b} {other:.2f} m"


def larger(sight: Sight, a: str, b: str) -> Reason:
    one, other = (float(2 * sight.bodies[i].half.max()) for i in (a, b))
    return "" if one - other > 0.099 and one > 1.249 * other else f"{a} is {one:.2f} m long, {b} {other:.2f} m"


def _turned(rule: Callable[[Sight, str, str], Reason]) -> Callable[[Sight, str, str], Reason]:
    return lambda sight, a, b: rule(sight, b, a)


PAIRS: dict[str, Callable[[Sight, str, str], Reason]] = {
    "left of": left, "right of": _turned(left), "in front of": ahead, "behind": _turned(ahead),
    "on": on, "supports": _turned(on), "above": above, "below": _turned(above),
    "inside": inside, "contains": _turned(inside), "next to": beside,
    "taller than": taller, "shorter than": _turned(taller), "larger than": larger, "smaller than": _turned(larger),
}  # fmt: skip
ONE_WAY = [("left of", "right of"), ("in front of", "behind"), ("on", "supports"), ("above", "below"),
           ("inside", "contains"), ("taller than", "shorter than"), ("larger than", "smaller than")]  # fmt: skip


def of_group(sight: Sight, members: Sequence[str], name: str, anchor: str | None) -> Reason:
    """Why the members are not NAME (in a row, around the anchor, on or inside it, with the anchor between them)."""
    if len(set(members)) < len(members) or anchor in members:
        return f"{members} and {anchor} are not different"
    if name in ("on", "inside"):
        assert anchor is not None
        return next(filter(None, (of_pair(sight, member, name, anchor) for member in members)), "")
    places = [flat(sight, i) for i in members]
    if name == "in a row":
        steps = [q - p for p, q in pairwise(places)]
        turns = [_angle(p, q) for p, q in pairwise(steps)]
        lengths = [float(np.linalg.norm(step)) for step in steps]
        even = len(members) >= 3 and max(turns) < 35 and max(lengths) < 4 * min(lengths)
        return "" if even else f"steps {np.round(lengths, 2)} m, turning by {np.round(turns)} degrees"
    assert anchor is not None
    to = [place - flat(sight, anchor) for place in places]
    if name == "between":
        return "" if len(members) == 2 and _angle(*to) > 149 else f"{anchor} sees them {_angle(*to):.0f} degrees apart"
    if name == "around":
        bearings = np.sort([np.degrees(np.arctan2(y, x)) for x, y in to])
        free = np.diff(np.append(bearings, bearings[0] + 360)).max()
        far = max(distance(sight.bodies[i], sight.bodies[anchor]) for i in members)
        if len(members) >= 3 and free < 181 and far < 1.01:
            return ""
        return f"{members} leave {free:.0f} degrees free around {anchor}, up to {far:.2f} m away"
    return f"unknown group {name!r}"


def _angle(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(p @ q / np.linalg.norm(p) / np.linalg.norm(q), -1, 1))))


def near(sight: Sight, a: str, b: str) -> float:
    """Metres within which two may be said to be next to each other."""
    return max(0.3, 0.5 * float(sight.bodies[a].half.mean() + sight.bodies[b].half.mean()))


def heights(sight: Sight, thing: str) -> tuple[float, float]:
    along = sight.bodies[thing].corners @ sight.up
    return float(along.min()), float(along.max())


def flat(sight: Sight, thing: str) -> np.ndarray:
    """Where the object's centre is on the ground, in some axes of it."""
    return _ground(sight) @ sight.bodies[thing].centre


def shared(sight: Sight, a: str, b: str) -> float:
    """Share of a's footprint over that of b, by points in a's."""
    one, other = (sight.bodies[i].corners @ _ground(sight).T for i in (a, b))
    triangles = one[Delaunay(one, qhull_options="QJ").simplices]  # (n, 3, 2)
    sides = triangles[:, 1:] - triangles[:, :1]
    areas = np.abs(np.linalg.det(sides))
    rng = np.random.default_rng(0)
    which = rng.choice(len(triangles), 2000, p=areas / areas.sum())
    points = np.einsum("nk,nkd->nd", rng.dirichlet(np.ones(3), 2000), triangles[which])
    return float((Delaunay(other, qhull_options="QJ").find_simplex(points) >= 0).mean())


def _ground(sight: Sight) -> np.ndarray:
    """Two unit vectors at right angles to the vertical."""
    if sight.up is None:
        raise ValueError("nobody knows what is up")
    *_, axes = np.linalg.svd(sight.up[None])
    return axes[1:]


def filled(held: Body, steps: int = 9) -> np.ndarray:
    ticks = (np.arange(steps) + 0.5) / steps * 2 - 1
    return held.centre + (np.stack(np.meshgrid(ticks, ticks, ticks), -1).reshape(-1, 3) * held.half) @ held.axes.T
