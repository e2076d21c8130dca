"""Distance questions: which of two to four objects is closest to an anchor or farthest from it, how far two are apart.

Distances are between 3D boxes: between their closest points (`vstkit.geometry.distances`), or between their centres.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from vstkit.chance import Chance
from vstkit.evidence import Seen
from vstkit.geometry import distances
from vstkit.geometry.margins import clear_gap
from vstkit.relations.descriptions import Topic
from vstkit.tasks import references
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.references import FORMS, LETTERS, PATCH, Describe, Referred, described, listed
from vstkit.tasks.samples import Turn
from vstkit.tasks.whole import COMPARED, EXACT, HALF, Shown, boxed, complete, shown

COMMAND = "gen-distance"
OPTIONAL: frozenset[str] = frozenset()
SLOTS = {
    **{f"{which}.{style}": {"anchor", "names"} for which in ("nearest", "farthest") for style in ("name", "worked")},
    **{f"{which}.letter": {"anchor", "options"} for which in ("nearest", "farthest")},
    **{f"{which}.reply": {"facts", "winner"} for which in ("nearest", "farthest")},
    "value.closest": {"a", "b"},
    "value.centers": {"a", "b"},
}

MIN_GAP, MIN_RATIO = 0.15, 0.2  # metres, and share of the nearer distance: people misjudge both by as much
TOUCHING = 0.02  # metres between boxes below which they may as well touch
SHORTEST, LONGEST = 0.2, 10.0  # metres that are asked for
MOST = 4  # candidates
TELLING: frozenset[Topic] = frozenset({"distance", "place"})  # a description that tells of it gives the answer away


class Apart(NamedTuple):
    """Metres between every two of a view's objects, by their ids: closest points and centres of their boxes."""

    place: dict[str, int]
    closest: list[list[float]]
    centers: list[list[float]]

    def of(self, anchor: Seen, others: Sequence[Seen]) -> tuple[list[float], list[float]]:
        """From the anchor to each of the others, by both definitions."""
        i, rest = self.place[anchor.object.id], [self.place[s.object.id] for s in others]
        return [self.closest[i][j] for j in rest], [self.centers[i][j] for j in rest]


def nearest(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Which is closest to the anchor."""
    return _extreme(ask, "nearest", **options)


def farthest(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Which is farthest from the anchor."""
    return _extreme(ask, "farthest", **options)


def _extreme(
    ask: Asking,
    which: str,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """One must lead every other by `min_gap` metres and by `min_ratio` of the nearer, by both definitions of distance.

    Where the reply works the distances out, this holds between any two of them.
    """
    held, whole = _held(ask)
    describe = described(ask.sight, TELLING)
    pools = _pools(ask, held, forms, describe, 3)
    # Where the reply tells distances, it tells them of objects of which they may be asked.
    told = {form: [s for s in pool if s.object.id in whole] for form, pool in pools.items()}
    for chance in ask.attempts() if pools else ():
        form = chance.choice(list(pools))
        style = chance.choice(("name", "letter", "worked") if len(told[form]) >= 3 else ("name", "letter"))
        pool = told[form] if style == "worked" else pools[form]
        anchor, *group = chance.sample(pool, 3 + chance.below(min(MOST, len(pool) - 1) - 1))
        if not ask.fresh(form, [anchor], group):
            continue
        values, centers = _apart(ask.sight).of(anchor, group)
        if reason := _fault(which, values, centers, style == "worked", min_gap, min_ratio):
            ask.drop(reason)
        elif not references.distinct(form, [anchor, *group], ask.sight.view):
            ask.drop("marks too close together")
        else:
            referred = references.refer(form, [anchor, *group], chance, ask.sight.view, patch=patch, describe=describe)
            meta = {
                "form": form,
                "objects": [s.object.id for s in (anchor, *group)],
                "values": [round(value, 3) for value in values],
                "centers": [round(value, 3) for value in centers],
                "unit": "m",
                "worked": style == "worked",
            }
            yield _asked(ask, chance, which, style, referred, values, meta)


def _fault(
    which: str, values: Sequence[float], centers: Sequence[float], worked: bool, min_gap: float, min_ratio: float
) -> str:
    """Why there is no answer, if there is none."""
    if min(values) < TOUCHING:
        return "one touches the anchor"
    if not all(_leads(found, which, min_gap, min_ratio) for found in (values, centers)):
        return f"no clear {which}"
    if _best(values, which) != _best(centers, which):
        return "closest points and centres disagree"
    if worked and not _ranked(values, centers, min_gap, min_ratio):
        return "no clear ranking to work out"
    return ""


def _best(found: Sequence[float], which: str) -> int:
    return found.index((min if which == "nearest" else max)(found))


def _leads(found: Sequence[float], which: str, min_gap: float, min_ratio: float) -> bool:
    """Whether the nearest or farthest leads every other by the margin."""
    nearer, farther = sorted(found)[:2] if which == "nearest" else sorted(found)[-2:]
    return clear_gap(nearer, farther, min_gap, min_ratio)


def _ranked(values: Sequence[float], centers: Sequence[float], min_gap: float, min_ratio: float) -> bool:
    """Whether the whole order is clear, the same by both definitions, and still told by two decimals."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    return all(
        clear_gap(found[i], found[j], min_gap, min_ratio) for found in (values, centers) for i, j in pairwise(order)
    ) and len({f"{value:.2f}" for value in values}) == len(values)


def _asked(
    ask: Asking,
    chance: Chance,
    which: str,
    style: str,
    referred: Referred,
    values: Sequence[float],
    meta: dict[str, Any],
) -> dict[str, Any]:
    anchor, names, phrases = referred.phrases[0], referred.names[1:], referred.phrases[1:]
    options = dict(zip(LETTERS, names, strict=False))
    slots = {"anchor": anchor, "names": listed(phrases, "or")}
    if style == "letter":
        slots = {"anchor": anchor, "options": "\n".join(f"{letter}. {name}" for letter, name in options.items())}
    text, template = ask.words(f"{which}.{style}", chance, **slots)
    best = _best(values, which)
    letter = LETTERS[best]
    reply = letter if style == "letter" else options[letter]
    if style == "worked":
        facts = [f"{referred.names[0]} - {name}: {value:.2f} m" for name, value in zip(names, values, strict=True)]
        reply, _ = ask.words(f"{which}.reply", chance, facts="\n".join(facts), winner=names[best])
    answer = {"type": "choice", "value": letter, "options": options}
    return ask.sample(
        [Turn(text, reply, answer)], template=template, meta=meta, ops=referred.ops, flip_safe=referred.flip_safe
    )


def value(
    ask: Asking,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """How far two objects are apart that are seen from end to end; nothing is compared, so no margin is needed."""
    held = complete(ask) if _metric(ask) else []
    describe = described(ask.sight, TELLING)
    pools = _pools(ask, held, forms, describe, 2)
    for chance in ask.attempts() if pools else ():
        form, kind = chance.choice(list(pools)), chance.choice(("closest", "centers"))
        pair = chance.sample(pools[form], 2)
        if not ask.fresh(kind, pair):
            continue
        closest, centers = _apart(ask.sight).of(pair[0], pair[1:])
        metres = (closest if kind == "closest" else centers)[0]
        if not SHORTEST <= metres <= LONGEST:
            ask.drop(f"less than {SHORTEST:g} m or more than {LONGEST:g} m")
            continue
        if not references.distinct(form, pair, ask.sight.view):
            ask.drop("marks too close together")
            continue
        referred = references.refer(form, pair, chance, ask.sight.view, patch=patch, describe=describe)
        text, template = ask.words(f"value.{kind}", chance, a=referred.phrases[0], b=referred.phrases[1])
        meta = {
            "form": form,
            "objects": [s.object.id for s in pair],
            "between": kind,
            "values": [round(metres, 3)],
            "unit": "m",
        }
        turn = Turn(text, f"{metres:.2f} m", {"type": "number", "value": round(metres, 2), "unit": "m"})
        yield ask.sample([turn], template=template, meta=meta, ops=referred.ops, flip_safe=referred.flip_safe)


TASKS = {"distance-nearest": nearest, "distance-farthest": farthest, "distance-value": value}


def _metric(ask: Asking) -> bool:
    if not ask.sight.metric:
        ask.skip("lengths are not metres")
    return ask.sight.metric


def _held(ask: Asking) -> tuple[list[Seen], set[str]]:
    """The objects whose distances can be compared, and the ids of those of which numbers may be told.

    Those of which too little is seen are counted.
    """
    if not _metric(ask):
        return [], set()
    found = boxed(ask)
    held = [found.objects[i] for i in _comparable(found)]
    ask.leave("too little of it is seen", len(found.objects) - len(held))
    return held, {s.object.id for s, doubt in zip(found.objects, found.doubts, strict=True) if not doubt}


def _comparable(found: Shown) -> list[int]:
    """Which objects show half of the width and height of their boxes on the picture, and a quarter of the outline."""
    seen = zip(found.objects, found.spans, strict=True)
    return [i for i, (s, span) in enumerate(seen) if s.fraction >= COMPARED and span >= HALF]


def _pools(
    ask: Asking, held: Sequence[Seen], forms: Sequence[str], describe: Describe, least: int
) -> dict[str, list[Seen]]:
    """The forms that can refer to at least so many of the objects, and to which."""
    if not held:
        return {}
    pools = {form: references.pool(form, ask, held, describe) for form in forms}
    return {form: pool for form, pool in pools.items() if len(pool) >= least}


@lru_cache(maxsize=1)
def _apart(sight: Sight) -> Apart:
    """Between all objects that can be compared: once a view, and not for each task or candidate."""
    found = shown(sight)
    rows = _comparable(found)
    centres = found.boxes[rows, :3]
    return Apart(
        {found.objects[row].object.id: i for i, row in enumerate(rows)},
        distances.pairwise(found.boxes[rows]).round(EXACT).tolist(),
        np.linalg.norm(centres[:, None] - centres, axis=-1).round(EXACT).tolist(),
    )


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of this task came about, from its `meta` and the scene's labels."""
    meta = made["meta"]
    labels = {thing["id"]: thing["label"] for thing in record["objects"]}
    first, *others = (f"{thing} ({labels[thing]})" for thing in meta["objects"])
    lines = [f"{made['id']}: {made['task']} in view {meta['view']} of {made['scene']}, named by {meta['form']}"]
    said = made["messages"][-1]["content"][0]["text"]
    if "between" in meta:
        kind = "closest points" if meta["between"] == "closest" else "centres"
        lines += [
            f"both are seen from end to end; metres between the {kind} of their boxes:",
            f"  {meta['values'][0]:.3f}  {first} to {others[0]}",
            f"answer: {made['answer']['value']:.2f} m, written as {said!r}",
        ]
        return "\n".join(lines)
    which = made["task"].removeprefix("distance-")
    lines.append(f"metres between the boxes of {first} and of each other, nearest first (closest points, centres):")
    for i in sorted(range(len(others)), key=lambda i: meta["values"][i]):
        name = made["answer"]["options"][LETTERS[i]]
        lines.append(f"  {meta['values'][i]:.3f}  {meta['centers'][i]:.3f}  {others[i]}, called {name}")
    for key, kind in (("values", "closest points"), ("centers", "centres")):
        near, far = sorted(meta[key])[:2] if which == "nearest" else sorted(meta[key])[-2:]
        lines.append(f"{kind}: {far - near:.3f} m ahead, {(far - near) / max(near, 1e-9):.0%} of the nearer")
    lines.append(f"answer: {made['answer']['value']}, written as {said!r}")
    return "\n".join(lines)
