"""A caption in words of the templates: from the nearest object into the scene, then how things stand to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from vstkit.chance import Chance
from vstkit.geometry.margins import clear_gap
from vstkit.tasks.asking import Asking
from vstkit.tasks.captions.table import ASIDE, MIN_GAP, MIN_RATIO, Table, Thing
from vstkit.tasks.references import listed

LIST = 3  # objects told by their depths in one sentence
STEP = 0.3  # metres by which one is said to be farther away than the one before

# Of each relation what is said of the first object, and of the second; nobody says that a desk is under a cup.
PLACES = {
    "on": ("on", ""),
    "inside": ("inside", ""),
    "above": ("above", "below"),
    "next to": ("beside", "beside"),
    "left of": ("left", "right"),
    "in front of": ("front", "behind"),
    "taller than": ("taller", "shorter"),
    "larger than": ("larger", "smaller"),
}
SIDEWAYS = ("nearer", "farther")  # instead of front and behind
WITH_GAP = {"beside", "left", "right", "above", "below"}  # "next to the cup, 0.20 m from it"
SLOTS = {
    "first.nearest": {"a", "depth"},
    "first.partly": {"a"},
    "first.level": {"a", "depth"},
    "later.one": {"a", "b", "depth", "more"},
    "later.list": {"list"},
    "later.next": {"list"},
    "later.item": {"a", "depth"},
    "later.single": {"a", "depth"},
    "line.right": {"list"},
    "group.row": {"list"},
    **{f"group.{name}": {"a", "list"} for name in ("around", "on", "inside")},
    "group.between": {"a", "b", "c"},
    **{f"place.{key}": {"b"} for keys in (*PLACES.values(), SIDEWAYS) for key in keys if key},
    "place.apart": {"b", "metres"},
    "place.off": {"place", "metres"},
    "say.one": {"a", "place"},
    "say.two": {"a", "place", "also"},
    "say.again": {"place"},
}


class Fact(NamedTuple):
    """What is told of two objects: `keys` name the words for a with regard to b, and the other way round, if any.

    `metres` is the distance that is told with it, or 0.
    """

    a: str
    b: str
    keys: tuple[str, str]
    metres: float = 0.0


@dataclass(frozen=True)
class Writer:
    """The words that chance takes of the templates for one table."""

    ask: Asking
    chance: Chance
    table: Table

    def sentences(self) -> list[str]:
        """Those of the caption."""
        facts, gaps = self.facts()
        parts = (self.depths(), self.line(), map(self.group, self.table.groups), self.told(facts), self.told(gaps))
        return [text[0].upper() + text[1:] for part in parts for text in part]

    def words(self, key: str, **slots: str) -> str:
        return self.ask.words(key, self.chance, **slots)[0]

    def the(self, thing: str) -> str:
        return f"the {self.table.names[thing]}"

    def all_of(self, things: Iterable[str]) -> str:
        return listed([self.the(thing) for thing in things], "and")

    def depths(self) -> Iterator[str]:
        """From the nearest object on; only of what is seen from end to end the depth is told."""
        nearest, before = self.table.nearest, 0.0
        order = [thing for thing in self.table.by_depth if thing.whole]
        if nearest and order[0].id != nearest:
            yield self.words("first.partly", a=self.the(nearest))
        else:
            first = order.pop(0)
            kind, before = "nearest" if nearest else "level", first.depth
            yield self.words(f"first.{kind}", a=self.the(first.id), depth=_metres(first.depth))
            if order and order[0].depth - first.depth >= STEP:
                before = order[0].depth
                yield self.farther(order.pop(0), first)
        while order:
            some, order = (order, []) if len(order) == LIST + 1 else (order[:LIST], order[LIST:])
            if len(some) == 1:
                yield self.words("later.single", a=self.the(some[0].id), depth=_metres(some[0].depth))
                continue
            items = [self.words("later.item", a=self.the(thing.id), depth=_metres(thing.depth)) for thing in some]
            kind = "list" if clear_gap(before, some[0].depth, MIN_GAP, MIN_RATIO) else "next"
            yield self.words(f"later.{kind}", list=listed(items, "and"))
            before = some[-1].depth

    def farther(self, thing: Thing, than: Thing) -> str:
        # The difference of what is written, so that a reader who subtracts finds the same.
        more = round(thing.depth, 2) - round(than.depth, 2)
        a, b = self.the(thing.id), self.the(than.id)
        return self.words("later.one", a=a, b=b, depth=_metres(thing.depth), more=_metres(more))

    def line(self) -> Iterator[str]:
        if self.table.line:
            yield self.words("line.right", list=self.all_of(self.table.line))

    def group(self, group: tuple[tuple[str, ...], str, str]) -> str:
        members, name, anchor = group
        if name == "in a row":
            return self.words("group.row", list=self.all_of(members))
        if name == "between":
            b, c = members
            return self.words("group.between", a=self.the(anchor), b=self.the(b), c=self.the(c))
        return self.words(f"group.{name}", a=self.the(anchor), list=self.all_of(members))

    def facts(self) -> tuple[list[Fact], list[Fact]]:
        """What is told of two, and the distances that are not told with it."""
        apart = {frozenset((a, b)): (a, b, metres) for a, b, metres in self.table.distances}
        places = {thing.id: thing.centre for thing in self.table.things}
        told = set(pairwise(self.table.line))
        facts = []
        for a, name, b in self.table.relations:
            if name == "left of" and (a, b) in told:
                continue
            keys = PLACES[name]
            if name == "in front of" and abs(places[a][0] - places[b][0]) > ASIDE:
                keys = SIDEWAYS
            gap = apart.pop(frozenset((a, b)), None) if keys[0] in WITH_GAP else None
            facts.append(Fact(a, b, keys, gap[2] if gap else 0.0))
        return facts, [Fact(a, b, ("apart", "apart"), metres) for a, b, metres in apart.values()]

    def told(self, facts: Sequence[Fact]) -> Iterator[str]:
        """The facts, those of one object together."""
        left = list(facts)
        while left:
            times = Counter(thing for fact in left for thing, key in zip(fact[:2], fact.keys, strict=True) if key)
            subject = max(self.table.by_depth, key=lambda thing: times[thing.id]).id
            own = [f for f in left if subject == f.a or (subject == f.b and f.keys[1])][:3]
            left = [f for f in left if f not in own]
            places = self.places(subject, own)
            # One distance in a sentence, at its end.
            if len(places) > 1 and not (min(fact.metres for fact in own) and own[0].keys[0] != "apart"):
                yield self.words("say.two", a=self.the(subject), place=places[0], also=places[1])
                places = places[2:]
            else:
                yield self.words("say.one", a=self.the(subject), place=places[0])
                places = places[1:]
            for place in places:
                yield self.words("say.again", place=place)

    def places(self, subject: str, facts: Sequence[Fact]) -> list[str]:
        """What stands after "the cup is", of facts of one kind together, those with a distance last."""
        alike: dict[tuple[str, float], list[str]] = {}
        for fact in sorted(facts, key=lambda fact: fact.metres > 0):
            other, key = (fact.b, fact.keys[0]) if subject == fact.a else (fact.a, fact.keys[1])
            alike.setdefault((key, fact.metres), []).append(other)
        places = []
        for (key, metres), others in alike.items():
            if key == "apart":
                places.append(self.words("place.apart", b=self.all_of(others), metres=_metres(metres)))
                continue
            place = self.words(f"place.{key}", b=self.all_of(others))
            places.append(self.words("place.off", place=place, metres=_metres(metres)) if metres else place)
        return places


def _metres(value: float) -> str:
    return f"{value:.2f} m"
