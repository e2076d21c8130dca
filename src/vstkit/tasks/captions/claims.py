"""What a sentence claims of the things it names, in simple forms, and whether their places say the opposite."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from vstkit.tasks.captions.table import Table, Thing

CLEAR = 0.05  # metres the other way from which on a claim is wrong, and not only doubtful
BESIDE = 1.0  # metres between things, each taken as a ball around its box, that are not next to each other

_CAMERA = r"(?: (?:away|back))?(?: (?:to|from) (?:the camera|us|the viewer|the observer))?"
# What stands between "A is" and "B": the kind, and whether it says that A is before B in it or B before A.
CLAIMS: tuple[tuple[str, str, bool], ...] = (
    (r"(?:left(?:-hand side)? of|(?:farther|further) left than)", "left", True),
    (r"(?:right(?:-hand side)? of|(?:farther|further) right than)", "left", False),
    (rf"(?:in front of|(?:closer|nearer){_CAMERA} than)", "front", True),
    (rf"(?:behind|beyond|(?:farther|further){_CAMERA} than|deeper(?: in(?:to)? the scene)? than)", "front", False),
    (r"(?:above|over|higher than|on(?: top of)?|atop)", "above", True),
    (r"(?:below|under|underneath|beneath|lower than)", "above", False),
    (r"(?:taller than|of greater height than)", "taller", True),
    (r"(?:shorter than|of less height than)", "taller", False),
    (r"(?:larger|bigger) than", "larger", True),
    (r"(?:smaller(?: in size)? than|not as (?:big|large) as)", "larger", False),
    (r"(?:next to|beside|alongside|adjacent to|right by)", "beside", True),
)
ACROSS = (
    (r"\bleft to right\b", "left", True),
    (r"\bright to left\b", "left", False),
    (r"\b(?:front to back|near(?:est)? to far(?:thest)?)\b", "front", True),
    (r"\b(?:back to front|far(?:thest)? to near(?:est)?)\b", "front", False),
)
_ARTICLE = r"\s*(?:both )?(?:the |another |an? )?"
_JOINED = re.compile(rf"\s*,?\s*(?:and|or|as well as)?{_ARTICLE}$", re.IGNORECASE)
_VERB = re.compile(r"\s*(?:is|are|was|were|stands?|sits?|lies?|rests?|comes?|hangs?|appears?|there|we|one|you)\b")
_PLURAL = re.compile(r"\s*(?:are|were|stand|sit|lie|rest|come|hang|appear)\b")
_RELATIVE = re.compile(r"\s*,?\s*(?:which|that|who)\b")
_FURTHER = re.compile(r"\s*(?:,|;|and\b|but\b|as well as\b|yet\b|while also\b)")
_DENIED = re.compile(r"\b(?:not|neither|nor|no|nothing|never)\b(?! only| as)", re.IGNORECASE)
_MOST = r"\b(?:{})\b(?! points?\b)(?! to the (?!camera|viewer|observer))(?! to (?:each|one|it))"


def _reach(thing: Thing) -> float:
    return math.hypot(*thing.size) / 2


# How clearly a is before b in each kind, in metres; a claim is wrong where all measures say the opposite.
MEASURES: dict[str, Callable[[Thing, Thing], tuple[float, ...]]] = {
    "left": lambda a, b: (
        b.centre[0] - a.centre[0],
        (b.centre[0] / b.depth - a.centre[0] / a.depth) * min(a.depth, b.depth),
    ),
    "front": lambda a, b: (b.depth - a.depth, b.range - a.range),
    "above": lambda a, b: (a.height - b.height,),
    "taller": lambda a, b: (a.size[1] - b.size[1],),
    "larger": lambda a, b: (max(a.size) - max(b.size), sum(a.size) - sum(b.size)),
    "beside": lambda a, b: (BESIDE + _reach(a) + _reach(b) - math.dist(a.centre, b.centre),),
}


class Named(NamedTuple):
    """A thing with where its name starts and ends in a sentence."""

    thing: Thing
    start: int
    end: int


class Claim(NamedTuple):
    """That a is before b in a kind, and the words that say so of the `first` and the `second` named."""

    a: Thing
    kind: str
    b: Thing
    words: str


def contradicted(text: str, named: Sequence[Named], table: Table) -> Iterator[str]:
    """The claims of a sentence that are wrong."""
    for a, kind, b, words in claims(text, named):
        if a is not b and all(measure < -CLEAR for measure in MEASURES[kind](a, b)):
            yield f"wrong by the facts: {words!r} of {a.name} and {b.name}"
    for pattern, sign in (("nearest|closest", 1), ("farthest|furthest", -1)):
        for found in re.finditer(_MOST.format(pattern), text, re.IGNORECASE):
            after = [n.thing for n in named if n.start >= found.end()]
            before = [n.thing for n in named if n.end <= found.start()]
            one = after[0] if after else before[-1] if before else None
            if one and any(sign * (one.depth - t.depth) > CLEAR < sign * (one.range - t.range) for t in table.things):
                yield f"wrong by the facts: {one.name} is not {found[0]}"


def claims(text: str, named: Sequence[Named]) -> Iterator[Claim]:
    """What a sentence says of pairs of the things that it names."""
    if len(named) < 2:
        return
    for pattern, kind, forward in ACROSS:
        if found := re.search(pattern, text, re.IGNORECASE):
            order = [n.thing for n in named if n.start >= found.end()]
            for first, second in pairwise(order if len(order) > 1 else [n.thing for n in named]):
                yield _claim(first, second, kind, forward, found[0])
            return
    read = _Clauses(text, named)
    for i in range(len(named)):
        gap = read.gap(i)
        if _DENIED.search(gap):
            continue
        for pattern, kind, forward in CLAIMS:
            if found := re.search(rf"\b{pattern}(?={_ARTICLE}$)", gap, re.IGNORECASE):
                last = read.joined_until(i)
                for a in read.subjects(i, last):
                    for b in named[i : last + 1]:
                        yield _claim(a.thing, b.thing, kind, forward, found[0])
                break


def _claim(first: Thing, second: Thing, kind: str, forward: bool, words: str) -> Claim:
    return Claim(first, kind, second, words) if forward else Claim(second, kind, first, words)


class _Clauses:
    """Who a sentence speaks of: what is before each name, and after it."""

    def __init__(self, text: str, named: Sequence[Named]) -> None:
        self.text, self.named = text, named

    def gap(self, i: int) -> str:
        """What stands before a name, after the one before it."""
        return self.text[self.named[i - 1].end if i else 0 : self.named[i].start]

    def rest(self, i: int) -> str:
        return self.text[self.named[i].end :]

    def joined_until(self, i: int) -> int:
        """The last of `B, C and D` from B on; one that has a verb of its own begins another clause."""
        last = i
        while last + 1 < len(self.named) and _JOINED.match(self.gap(last + 1)):
            last += 1
        while last > i and _VERB.match(self.rest(last)):
            last -= 1
        return last

    def joined_from(self, i: int) -> int:
        """The first of `A, B and C` up to C."""
        while i > 0 and _JOINED.match(self.gap(i)):
            i -= 1
        return i

    def subjects(self, i: int, last: int) -> Sequence[Named]:
        """Of whom it is said what stands before name i; `last` is the last of the names it is said with regard to."""
        if (i == 0 or _FURTHER.match(self.gap(i))) and last + 1 < len(self.named) and _VERB.match(self.rest(last)):
            return self.named[last + 1 : self.joined_until(last + 1) + 1]  # behind B is A
        if i == 0:
            return ()
        gap = self.gap(i)
        if _FURTHER.match(gap) and not _RELATIVE.match(gap):
            return self.clause(i - 1)  # A is on B and left of C
        if _VERB.match(gap) or _RELATIVE.match(gap):
            return self.named[self.joined_from(i - 1) if _PLURAL.match(gap) else i - 1 : i]
        return ()

    def clause(self, i: int) -> Sequence[Named]:
        """The subject of the clause in which name i is: what has a verb after it."""
        for k in range(i, -1, -1):
            if _VERB.match(self.rest(k)):
                return self.named[self.joined_from(k) if _PLURAL.match(self.rest(k)) else k : k + 1]
        return self.named[:1]
