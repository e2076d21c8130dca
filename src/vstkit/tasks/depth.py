"""Depth questions: which of two to five objects is nearest to the camera, in one view.

The objects are named in one of three forms: bare label (`text`), coloured box (`box`) or lettered point (`point`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import UNSET

from vstkit import evidence, images
from vstkit.chance import Chance
from vstkit.evidence import Seen
from vstkit.marks import COLORS
from vstkit.records import Scene
from vstkit.tasks import templates
from vstkit.tasks.common import askable, clear_gap, distinct_names, sample
from vstkit.validation import parse

COMMAND, TASK = "gen-depth", "depth-nearest"
FORMS = ("text", "box", "point")
LETTERS = "ABCDE"
TEMPLATES = templates.load("depth", {"name": {"names"}, "letter": {"options"}})
TRIES = 4  # candidate sets looked at for each question wanted


def generate(
    record: dict[str, Any],
    tally: Counter[str],
    *,
    root: str = ".",
    seed: int = 0,
    per_view: int = 4,
    min_gap: float = 0.1,
    min_ratio: float = 0.1,
    min_share: float = evidence.MIN_SHARE,
    min_fraction: float = evidence.MIN_FRACTION,
) -> Iterator[dict[str, Any]]:
    """Up to `per_view` questions for each view and form of reference.

    Depth is measured along the optical axis: of an object over its visible pixels, of a point where it lies. The
    nearest must be nearer than every other by `min_gap` metres and by `min_ratio` of its own depth, for an object in
    the median and in the nearest decile alike; sets where it is not are dropped and counted. Where depth is right up
    to scale or in its order only, only the ratio counts, and values have no unit.
    """
    scene = parse(record, Scene)
    for index, view in enumerate(scene.views):
        metric = scene.metric and (view.depth is UNSET or view.depth.kind != "mono-relative")
        present = evidence.look(scene, index, root, min_share=min_share, min_fraction=min_fraction)
        asked = askable(present, tally)
        with_depth = [s for s in asked if s.depth is not None]
        tally["object: no depth reading"] += len(asked) - len(with_depth)
        for form in FORMS:
            pool = _pool(form, with_depth, present, tally)
            made: set[str] = set()
            for attempt in range(TRIES * per_view if len(pool) >= 2 else 0):
                chance = Chance(seed, COMMAND, record["id"], index, form, attempt)
                group = chance.sample(pool, 2 + chance.below(min(4, len(pool) - 1)))
                tally["candidates"] += 1
                if not _clear([_measures(form, s) for s in group], min_gap if metric else 0.0, min_ratio):
                    tally["no clear nearest"] += 1
                    continue
                question = _question(record, index, form, group, chance, seed, metric)
                if question["id"] in made:
                    tally["asked already"] += 1
                    continue
                yield question
                tally["samples"] += 1
                made.add(question["id"])
                if len(made) == per_view:
                    break


def _pool(form: str, with_depth: list[Seen], present: list[Seen], tally: Counter[str]) -> list[Seen]:
    """The objects that this form can name."""
    if form == "text":
        pool, reason = distinct_names(with_depth, present), "object: its name fits another one"
    elif form == "point":
        pool, reason = [s for s in with_depth if s.at_point is not None], "object: no even surface for a point"
    else:
        return with_depth
    tally[reason] += len(with_depth) - len(pool)
    return pool


def _measures(form: str, seen: Seen) -> tuple[float, ...]:
    """Depths by which an object is compared, the first the one that counts: a point has one, an object two."""
    found = (seen.at_point,) if form == "point" else (seen.depth, seen.near)
    return tuple(value for value in found if value is not None)


def _clear(measures: Sequence[tuple[float, ...]], min_gap: float, min_ratio: float) -> bool:
    """The nearest by the first measure leads by the margin in all measures."""
    first, *rest = sorted(measures)
    return all(
        clear_gap(nearer, farther, min_gap, min_ratio)
        for other in rest
        for nearer, farther in zip(first, other, strict=True)
    )


def _question(
    record: dict[str, Any], index: int, form: str, group: Sequence[Seen], chance: Chance, seed: int, metric: bool
) -> dict[str, Any]:
    names, marks = _references(form, group, chance)
    wanted = chance.choice(("name", "letter"))
    number = chance.below(len(TEMPLATES[wanted]))
    options = dict(zip(LETTERS, names, strict=False))
    article = "" if form == "point" else "the "
    listed = [f"{article}{name}" for name in names]
    question = TEMPLATES[wanted][number].format(
        names=f"{', '.join(listed[:-1])} or {listed[-1]}", options="\n".join(f"{k}. {v}" for k, v in options.items())
    )
    measures = [_measures(form, s) for s in group]
    letter = LETTERS[measures.index(min(measures))]
    return sample(
        command=COMMAND,
        task=TASK,
        scene=record,
        images=[images.edited(record["views"][index]["image"], *marks)],
        question=question,
        reply=options[letter] if wanted == "name" else letter,
        answer={"type": "choice", "value": letter, "options": options},
        meta={
            "view": index,
            "form": form,
            "objects": [s.object.id for s in group],
            "values": [round(m[0], 3) for m in measures],
            **({"near": [round(m[1], 3) for m in measures]} if form != "point" else {}),
            **({"unit": "m"} if metric else {}),
            "template": f"depth/{wanted}/{number}",
            "seed": seed,
        },
    )


def _references(form: str, group: Sequence[Seen], chance: Chance) -> tuple[list[str], list[dict[str, Any]]]:
    """How the question names each object, and the marks that this needs on the image."""
    labels = [s.object.label for s in group]
    if form == "text":
        return labels, []
    colors = chance.sample(COLORS, len(group))
    if form == "box":
        names = [f"{label} ({color} box)" for label, color in zip(labels, colors, strict=True)]
        return names, [_mark("box", s.box2d, c) for s, c in zip(group, colors, strict=True)]
    names = [f"point-{letter}" for letter in LETTERS[: len(group)]]
    # One colour for all points: the letter tells them apart, so that no colour gives the answer away.
    points = [_mark("point", s.point, colors[0]) | {"text": n[-1]} for s, n in zip(group, names, strict=True)]
    return names, points


def _mark(shape: str, xy: Sequence[float], color: str) -> dict[str, Any]:
    return {"op": "mark", "shape": shape, "xy": [round(value) for value in xy], "color": color}


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a sample of this task came about, from its `meta` and the scene's labels."""
    meta = made["meta"]
    labels = {thing["id"]: thing["label"] for thing in record["objects"]}
    kinds = {"values": "depth at the point" if meta["form"] == "point" else "median depth", "near": "nearest tenth"}
    kinds = {key: what for key, what in kinds.items() if key in meta}
    order = sorted(range(len(meta["objects"])), key=lambda i: meta["values"][i])
    unit = f" {meta['unit']}" if "unit" in meta else ""
    lines = [
        f"{made['id']}: {made['task']} in view {meta['view']} of {made['scene']}, named by {meta['form']}",
        f"depth along the optical axis{' in metres' if unit else ''}, nearest first ({', '.join(kinds.values())}):",
    ]
    for i in order:
        thing = meta["objects"][i]
        depths = "  ".join(f"{meta[key][i]:.3f}" for key in kinds)
        lines.append(f"  {depths}  {thing} ({labels[thing]}), called {made['answer']['options'][LETTERS[i]]}")
    first, second = order[:2]
    for key, what in kinds.items():
        gap = meta[key][second] - meta[key][first]
        lines.append(
            f"{what}: ahead of the next by {gap:.3f}{unit}, {gap / max(meta[key][first], 1e-9):.0%} of its own"
        )
    lines.append(f"answer: {made['answer']['value']}, written as {made['messages'][-1]['content'][0]['text']!r}")
    return "\n".join(lines)
