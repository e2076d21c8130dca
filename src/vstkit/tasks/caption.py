"""Captions: how the things in a picture are laid out in space, in 4 to 20 sentences of plain prose."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

from vstkit.chance import Chance
from vstkit.errors import UsageError
from vstkit.evidence import Seen
from vstkit.marks import COLORS
from vstkit.relations import graph as relations
from vstkit.relations.graph import Graph
from vstkit.tasks import references
from vstkit.tasks.asking import Asking, Sight
from vstkit.tasks.captions import table as facts
from vstkit.tasks.captions.check import LONGEST, SHORTEST
from vstkit.tasks.captions.table import Table
from vstkit.tasks.captions.words import SLOTS as WORDS
from vstkit.tasks.captions.words import Writer
from vstkit.tasks.references import listed, mark
from vstkit.tasks.samples import Turn
from vstkit.tasks.whole import COMPARED, HALF, boxed

COMMAND = "gen-caption"
OPTIONAL: frozenset[str] = frozenset()
SLOTS = {"ask.marked": set[str](), "ask.named": {"names"}, **WORDS}
FORMS = ("point", "box", "text")  # numbered points, numbered boxes, names alone

FEWEST, MOST = 4, 8  # objects of a caption
FEWEST_WHOLE = 2  # of them seen from end to end, so that there are depths and distances to tell
PICTURE = frozenset({"picture", "image", "photo", "scene", "view", "camera", "room"})  # what every account speaks of
KIN = frozenset({"on", "inside", "next to", "above"})  # what belongs together in an account


def caption(ask: Asking, *, forms: Sequence[str] = ("point", "text")) -> Iterator[dict[str, Any]]:
    """An account of some objects of a view; each one about others."""
    if not ask.sight.metric:
        ask.skip("lengths are not metres")
        return
    found = boxed(ask)
    whole = {s.object.id for s, doubt in zip(found.objects, found.doubts, strict=True) if not doubt}
    held = [s for s, span in zip(found.objects, found.spans, strict=True) if s.fraction >= COMPARED and span >= HALF]
    ask.leave("too little of it is seen", len(found.objects) - len(held))
    singular = [s for s in held if not _plural(s.object.label)]
    ask.leave("its name is a plural", len(held) - len(singular))
    pools = {form: references.pool(form, ask, singular) for form in forms}
    if "text" in pools:
        named = [s for s in pools["text"] if s.object.label.lower() not in PICTURE]
        ask.leave("the account would call something else so", len(pools["text"]) - len(named))
        pools["text"] = named
    usable = [f for f in forms if len(pools[f]) >= FEWEST and len(_whole(pools[f], whole)) >= FEWEST_WHOLE]
    for chance in ask.attempts() if usable else ():
        form = chance.choice(usable)
        graph = _graph(ask.sight)
        group = _grown(chance, pools[form], chance.sample(_whole(pools[form], whole), FEWEST_WHOLE), graph)
        labels = [s.object.label for s in group]
        group = facts.make(group, labels, whole, graph).told(group)
        if not ask.fresh(form, group):
            continue
        if not references.distinct(form, group, ask.sight.view):
            ask.drop("marks too close together")
            continue
        names, ops = _named(form, group, chance)
        table = facts.make(group, names, whole, graph)
        sentences = Writer(ask, chance, table).sentences()
        if not table.relations or not SHORTEST <= len(sentences) <= LONGEST:
            ask.drop("too little to tell" if len(sentences) <= LONGEST else "too much to tell")
            continue
        yield _asked(ask, chance, form, table, ops, " ".join(sentences))


def _asked(
    ask: Asking, chance: Chance, form: str, table: Table, ops: Sequence[dict[str, Any]], text: str
) -> dict[str, Any]:
    if form == "text":
        names = listed([f"the {thing.name}" for thing in table.things], "and")
        question, template = ask.words("ask.named", chance, names=names)
    else:
        question, template = ask.words("ask.marked", chance)
    meta = {"form": form, **table.meta()}
    made = ask.sample([Turn(question, text, {"type": "text", "value": text})], template=template, meta=meta, ops=ops)
    # Who wrote it is no part of what the sample is about, and so not of its id.
    made["meta"]["writer"] = "template"
    return made


TASKS = {"caption": caption}


def check_forms(forms: Sequence[str]) -> list[str]:
    """The forms, where captions have them all. Raises UsageError."""
    if not forms or any(form not in FORMS for form in forms):
        raise UsageError(f"--forms: expected some of {', '.join(FORMS)}, got {', '.join(forms) or 'none'}")
    return list(forms)


@lru_cache(maxsize=1)
def _graph(sight: Sight) -> Graph:
    """Of all objects asked about, among all that may be in view; once a view."""
    others = [s for s in sight.present if s.state != "hidden"]
    return relations.build(sight.asked, sight.up, metric=sight.metric, others=others)


def _plural(label: str) -> bool:
    """Whether it would have to be "the shelves are": the words are for one thing."""
    return label.lower().endswith("s") and not label.lower().endswith(("ss", "us", "is"))


def _whole(pool: Sequence[Seen], whole: Collection[str]) -> list[Seen]:
    return [s for s in pool if s.object.id in whole]


def _grown(chance: Chance, pool: Sequence[Seen], first: Sequence[Seen], graph: Graph) -> list[Seen]:
    """A group with the first ones, to which things that have to do with them come more often than by chance."""
    kin: dict[str, set[str]] = {}
    ties = [(a, b) for a, name, b in graph.relations if name in KIN]
    ties += [(a, b) for g in graph.groups for a in (*g.members, g.anchor) for b in (*g.members, g.anchor) if a and b]
    for a, b in ties:
        kin.setdefault(a, set()).add(b)
        kin.setdefault(b, set()).add(a)
    group, rest = list(first), [s for s in chance.shuffled(pool) if s not in first]
    wanted = FEWEST + chance.below(min(MOST, len(pool)) - FEWEST + 1)
    while len(group) < wanted:
        near = set().union(*(kin.get(s.object.id, set()) for s in group))
        related = [s for s in rest if s.object.id in near]
        one = related[0] if related and chance.below(3) else rest[0]
        rest.remove(one)
        group.append(one)
    return chance.shuffled(group)


def _named(form: str, group: Sequence[Seen], chance: Chance) -> tuple[list[str], list[dict[str, Any]]]:
    """Names, and marks on the picture: things of one label have one colour, and each has a number."""
    labels = [s.object.label for s in group]
    if form == "text":
        return labels, []
    kinds = list(dict.fromkeys(labels))
    colors = dict(zip(kinds, chance.sample(COLORS, len(kinds)), strict=False))
    names, ops = [], []
    for number, (seen, label) in enumerate(zip(group, labels, strict=True), 1):
        names.append(f"{label} ({colors[label]} {form}-{number})")
        ops.append(mark(form, seen.box2d if form == "box" else seen.point, colors[label], str(number)))
    return names, ops


def explain(made: dict[str, Any], record: dict[str, Any]) -> str:
    """How a caption came about: its objects with their places, and what had to be told."""
    meta = made["meta"]
    table = facts.of(meta)
    lines = [
        f"{made['id']}: {made['task']} in view {meta['view']} of {made['scene']}, named by {meta['form']}, "
        f"written by {meta['writer']}",
        "objects, the nearest first; centre in camera axes, size across, up and away, straight way to the camera (m):",
    ]
    for thing in table.by_depth:
        place, size = (" ".join(f"{value:.3f}" for value in values) for values in (thing.centre, thing.size))
        note = "" if thing.whole else "; not seen from end to end: its depth is not told"
        lines.append(f"  [{place}]  [{size}]  {thing.range:.3f}  {thing.id}, called {thing.name}{note}")
    lines.append("to be told:")
    lines += [f"  {a} {name} {b}" for a, name, b in table.relations]
    lines += [f"  {', '.join(members)} {name} {anchor}".rstrip() for members, name, anchor in table.groups]
    lines += [f"  {a} to {b}: {metres:.3f} m between their closest points" for a, b, metres in table.distances]
    return "\n".join([*lines, f"caption: {made['answer']['value']}"])
