"""Depth questions about one view: nearest and farthest, orders, two points, and depth in metres.

Depth is measured along the optical axis: of an object the median over its visible pixels, of a point where it lies. One
is nearer than another only by the margin (`min_gap` metres and `min_ratio` of the nearer one's depth), and an object
only if its nearest decile is nearer by as much; and so is the straight way to the camera, which at the border of a wide
picture is half as long again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from vstkit.evidence import Seen
from vstkit.tasks import references
from vstkit.tasks.asking import Asking
from vstkit.tasks.depth_measures import MIN_GAP, MIN_RATIO, TOLD, Measures, facts, margin, measures, pools
from vstkit.tasks.depth_order import order, order_choice
from vstkit.tasks.depth_points import nearer_point
from vstkit.tasks.references import FORMS, LETTERS, PATCH, WRITTEN, described, listed
from vstkit.tasks.samples import Turn

COMMAND = "gen-depth"
SLOTS: dict[str, set[str]] = {
    "nearest.name": {"names"},
    "nearest.letter": {"options"},
    "farthest.name": {"names"},
    "farthest.letter": {"options"},
    "direction.near-to-far": set(),
    "direction.far-to-near": set(),
    "order.list": {"names", "order"},
    "order.json": {"names", "order"},
    "order.letter": {"names", "order", "options"},
    "points.name": {"names"},
    "points.letter": {"options"},
    "value.whole": {"name"},
    "value.point": {"name"},
}


def nearest(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Which is nearest."""
    return _extreme(ask, "nearest", **options)


def farthest(ask: Asking, **options: Any) -> Iterator[dict[str, Any]]:
    """Which is farthest."""
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
    """Of two to five objects the nearest or the farthest, which is clear of each other one."""
    sight = ask.sight
    describe = described(sight, TOLD)
    pool_of = pools(ask, forms, describe)
    usable = [form for form in forms if form in pool_of]
    clear = margin(sight, min_gap, min_ratio)
    for chance in ask.attempts() if usable else ():
        form = chance.choice(usable)
        group = chance.few(pool_of[form], 2 + chance.below(min(4, len(pool_of[form]) - 1)))
        if not ask.fresh(form, group):
            continue
        if not references.distinct(form, group, sight.view):
            ask.drop("marks too close together")
            continue
        held = [measures(form, s, sight.view, lettered=True) for s in group]
        if not _leads(held, which, clear):
            ask.drop(f"no clear {which}")
            continue
        best = min if which == "nearest" else max
        answer = held.index(best(held))
        if form in WRITTEN and not ask.fair(answer == _by_rows(form, group, which), 1 / len(group)):
            continue
        referred = references.refer(form, group, chance, sight.view, lettered=True, patch=patch, describe=describe)
        options, letter = dict(zip(LETTERS, referred.names, strict=False)), LETTERS[answer]
        if chance.below(2):
            reply = options[letter]
            text, template = ask.words(f"{which}.name", chance, names=listed(referred.phrases, "or"))
        else:
            reply, lines = letter, "\n".join(f"{key}. {name}" for key, name in options.items())
            text, template = ask.words(f"{which}.letter", chance, options=lines)
        yield ask.sample(
            [Turn(text, reply, {"type": "choice", "value": letter, "options": options})],
            template=template, meta=facts(sight, form, group, held), ops=referred.ops, flip_safe=referred.flip_safe,
        )  # fmt: skip


def _by_rows(form: str, group: Sequence[Seen], which: str) -> int:
    """What one would say who sees the pixels that are written out and not the picture: what is lower is nearer."""
    rows = [s.point[1] if form == "text-point" else s.box2d[3] for s in group]
    return rows.index(max(rows) if which == "nearest" else min(rows))


def _leads(held: Sequence[Measures], which: str, clear: Callable[[Measures, Measures], bool]) -> bool:
    ordered = sorted(held)
    if which == "nearest":
        return all(clear(ordered[0], other) for other in ordered[1:])
    return all(clear(other, ordered[-1]) for other in ordered[:-1])


def value(
    ask: Asking,
    *,
    forms: Sequence[str] = FORMS,
    min_gap: float = MIN_GAP,
    min_ratio: float = MIN_RATIO,
    patch: int = PATCH,
) -> Iterator[dict[str, Any]]:
    """How far away one is in metres, unless its nearest decile is clearly nearer than its median."""
    sight = ask.sight
    if not sight.metric:
        ask.skip("depth is not in metres")
        return
    describe = described(sight, TOLD)
    pool_of = pools(ask, forms, describe, least=1)
    usable = [form for form in forms if form in pool_of]
    clear = margin(sight, min_gap, min_ratio)
    for chance in ask.attempts() if usable else ():
        form = chance.choice(usable)
        group = [chance.choice(pool_of[form])]
        if not ask.fresh(form, group):
            continue
        ((depth, _, *near),) = held = [measures(form, group[0], sight.view, lettered=True)]
        if near and clear((near[0],), (depth,)):
            ask.drop("too deep to have one depth")
            continue
        referred = references.refer(form, group, chance, sight.view, lettered=True, patch=patch, describe=describe)
        text, template = ask.words("value.whole" if near else "value.point", chance, name=referred.phrases[0])
        answer = {"type": "number", "value": round(depth, 2), "unit": "m"}
        yield ask.sample(
            [Turn(text, f"{depth:.2f} m", answer)],
            template=template, meta=facts(sight, form, group, held), ops=referred.ops, flip_safe=referred.flip_safe,
        )  # fmt: skip


TASKS = {
    "depth-nearest": nearest,
    "depth-farthest": farthest,
    "depth-order": order,
    "depth-order-choice": order_choice,
    "depth-points": nearer_point,
    "depth-value": value,
}
OPTIONAL = frozenset({"depth-value"})


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of these tasks came about, from its `meta` and the scene's labels."""
    meta, unit = made["meta"], " m" if "unit" in made["meta"] else ""
    labels = {thing["id"]: thing["label"] for thing in record.get("objects", [])}
    whole = meta["form"] not in ("point", "text-point")
    kinds = {
        "values": "median depth" if whole else "depth at the point",
        "ranges": "straight to the camera",
        "near": "nearest tenth",
    }
    kinds = {key: what for key, what in kinds.items() if key in meta}
    if "points" in meta:
        things = [f"({u}, {v})" for u, v in meta["points"]]
    else:
        things = [f"{thing} ({labels[thing]})" for thing in meta["objects"]]
    ranks = sorted(range(len(things)), key=lambda i: meta["values"][i])
    lines = [
        f"{made['id']}: {made['task']} in view {meta['view']} of {made['scene']}, referred to by {meta['form']}",
        f"{', '.join(kinds.values())}{' in metres' if unit else ', without a unit'}; nearest first:",
        *(f"  {'  '.join(f'{meta[key][i]:.3f}' for key in kinds)}  {things[i]}" for i in ranks),
    ]
    for key, what in kinds.items():
        for i, j in _compared(made["task"], ranks):
            near, far = meta[key][i], meta[key][j]
            lines.append(
                f"{what}: {things[i]} is nearer than {things[j]} by {far - near:.3f}{unit},"
                f" {(far - near) / max(near, 1e-9):.0%}"
            )
    answer = made["answer"]
    told = f" = {answer['options'][answer['value']]!r}" if answer["type"] == "choice" else ""
    lines.append(f"answer: {answer['value']}{told}, written as {made['messages'][-1]['content'][0]['text']!r}")
    return "\n".join(lines)


def _compared(task: str, ranks: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs whose margin the answer hangs on, nearer one first; `ranks` are by growing depth."""
    if task == "depth-nearest":
        return [(ranks[0], other) for other in ranks[1:]]
    if task == "depth-farthest":
        return [(other, ranks[-1]) for other in ranks[:-1]]
    return list(pairwise(ranks))
