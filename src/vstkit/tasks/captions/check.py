"""Whether a caption may stand: what it must tell, what it may not say, and what it says against the facts.

The words are English, whoever wrote them. A claim is looked for in simple forms ("A is left of B", "to the left of B is
A", "from left to right A, B and C"); what it is in other words is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import NamedTuple

from vstkit.tasks.captions.claims import Named, contradicted
from vstkit.tasks.captions.table import Table

SHORTEST, LONGEST = 4, 20  # sentences
TOLD = 0.7  # of the distances, more than
SLACK = 0.006  # metres by which a number may be off its rounding: the table's own is rounded too

# What gives away that somebody reads a table instead of looking at a picture, and what is no prose.
BANNED = (
    r"coordinates?", r"centroids?", r"[xyz][ -]ax[ei]s", r"bounding box(es)?", r"scene graph", r"binary relation\w*",
    r"multi[ -]*object relation\w*", r"group relation\w*", r"(object|input|given) (table|data|list|information)",
    r"(as )?(shown|listed|given|stated|indicated|provided) (in|by) the (data|table|list|input|information)",
    r"according to the (data|table|list|input|information)", r"(as an|i am an) ai", r"i (cannot|can't|am unable)",
)  # fmt: skip
MARKDOWN = r"^\s*(#{1,6}\s|[-*+•]\s|\d+[.)]\s|>\s|\|)|\*\*|__|`|\[[^\]]*\]\("
PRONOUN = re.compile(r"^((?:\w+,? )?)it\b(?! is (?:clear|possible|worth)\b)", re.IGNORECASE)
NUMBER = re.compile(
    r"(?<![\w.-])(\d+(?:\.\d+)?)[\s-]*(m|metres?|meters?|cm|centimet(?:re|er)s?)\b(?!\s*(?:high|tall|wide|long))"
)

# By which words a relation can be told, from either side.
WORDS = {
    "left of": r"left|right",
    "in front of": r"front|behind|beyond|near\w*|clos\w+|far\w*|further|back|deeper|past",
    "on": r"on|onto|atop|upon|carr\w+|support\w*|hold\w*|bear\w*",
    "inside": r"in|inside|within|contain\w*|hold\w*",
    "above": r"above|over|below|under\w*|beneath|overhead|higher|lower",
    "next to": r"next|beside|alongside|adjacent|near\w*|close|neighbou?r\w*|together|flank\w*|by",
    "taller than": r"tall\w*|short\w*|high\w*|low\w*|height|tower\w*",
    "larger than": r"larg\w*|big\w*|small\w*|size\w*",
    "in a row": r"rows?|lines?|lined|align\w*",
    "around": r"around|surround\w*|encircl\w*|ring\w*",
    "between": r"between|middle|flank\w*",
}


class Sentence(NamedTuple):
    """A sentence, and the things it names in order."""

    text: str
    named: tuple[Named, ...]

    @property
    def ids(self) -> set[str]:
        return {thing.id for thing, _, _ in self.named}


def problems(caption: str, table: Table) -> list[str]:
    """What is wrong with a caption of the table, each in words that a writer can act on; nothing where it may stand."""
    text = " ".join(caption.split())
    read = [*_read(text, table)]
    found = [*_form(caption, len(read)), *_names(text, table), *_covered(read, table)]
    for sentence in read:
        found += _numbers(sentence, table)
        found += contradicted(sentence.text, sentence.named, table)
    return found


def unwrapped(reply: str) -> tuple[str, list[str]]:
    """The caption between <caption> and </caption> of a model's reply, and what is wrong with that."""
    held = re.findall(r"<caption>(.*?)</caption>", reply, re.DOTALL)
    if len(held) != 1 or not held[0].strip():
        return "", [f"expected one caption between <caption> and </caption>, found {len(held)}"]
    return held[0].strip(), []


def sentences(text: str) -> list[str]:
    """The sentences of a text; the point of a number or of `m.` inside of one ends none."""
    parts = re.split(r"(?<=[.!?])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])", " ".join(text.split()))
    return [part for part in parts if re.search(r"\w", part)]


def _form(caption: str, count: int) -> Iterator[str]:
    if not SHORTEST <= count <= LONGEST:
        yield f"expected {SHORTEST} to {LONGEST} sentences, found {count}"
    if found := re.search(MARKDOWN, caption, re.MULTILINE):
        yield f"expected plain text, found {found[0].strip()!r}"
    for phrase in BANNED:
        if found := re.search(rf"\b{phrase}\b", caption, re.IGNORECASE):
            yield f"the phrase {found[0]!r} may not be used"
    if found := re.search(r"[(\[]\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?", caption):
        yield f"no coordinates may be told: {found[0]!r}"


def _names(text: str, table: Table) -> Iterator[str]:
    named = _pattern(table)
    for thing in table.things:
        if not any(found[0].lower() == thing.name.lower() for found in named.finditer(text)):
            yield f"{thing.name} is not named"
    if any("-" in thing.name and thing.name.endswith(")") for thing in table.things):
        for found in re.finditer(r"\(?[\w-]*\s*\b(points?|box(es)?)-\d+(\s*(,|and)\s*\d+)*\)?", named.sub("", text)):
            yield f"{found[0].strip()!r} is no name of an object: names are used whole and unchanged"


def _pattern(table: Table) -> re.Pattern[str]:
    names = sorted((thing.name for thing in table.things), key=len, reverse=True)
    return re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in names), re.IGNORECASE)


def _read(text: str, table: Table) -> Iterator[Sentence]:
    """The sentences with what they name; `it` at the start of one is what the one before named first that fits."""
    named, things = _pattern(table), {thing.name.lower(): thing for thing in table.things}
    before: tuple[Named, ...] = ()
    for part in sentences(text):
        texts = [part]
        if PRONOUN.match(part):
            texts = [PRONOUN.sub(rf"\1the {one.thing.name}", part) for one in before] or texts
        found = [
            Sentence(text, tuple(Named(things[m[0].lower()], m.start(), m.end()) for m in named.finditer(text)))
            for text in texts
        ]
        best = min(found, key=lambda sentence: _fitting(sentence, table))
        before = best.named or before
        yield best


def _fitting(sentence: Sentence, table: Table) -> tuple[int, bool]:
    """How many faults a sentence has, and whether it tells nothing that has to be told."""
    faults = [*_numbers(sentence, table), *contradicted(sentence.text, sentence.named, table)]
    tells = any(_tells(sentence, {a, b}, relation) for a, relation, b in table.relations)
    return len(faults), not (tells or any({a, b} <= sentence.ids for a, b, _ in table.distances))


def _tells(sentence: Sentence, ids: Set[str], relation: str) -> bool:
    return ids <= sentence.ids and bool(re.search(rf"\b({WORDS[relation]})\b", sentence.text, re.IGNORECASE))


def _covered(read: list[Sentence], table: Table) -> Iterator[str]:
    names = table.names

    for a, relation, b in table.relations:
        if not any(_tells(sentence, {a, b}, relation) for sentence in read):
            yield f"not told: {names[a]} is {relation} {names[b]}"
    for group in table.groups:
        members, relation, anchor = group
        if not any(_tells(sentence, {*members, anchor} - {""}, relation) for sentence in read):
            yield f"not told in one sentence: {table.together(group)}"
    missing = [
        (a, b, metres)
        for a, b, metres in table.distances
        if not any({a, b} <= s.ids and any(_same(n, metres) for n in _values(s.text)) for s in read)
    ]
    if missing and len(missing) >= (1 - TOLD) * len(table.distances):
        told_of = "; ".join(f"{names[a]} to {names[b]} {metres:.2f} m" for a, b, metres in missing)
        yield f"more than {TOLD:.0%} of the distances have to be told; not told: {told_of}"
    first = next((thing for thing in table.by_depth if thing.whole), None)
    if first and not any(first.id in s.ids and any(_same(n, first.depth) for n in _values(s.text)) for s in read):
        yield f"not told: the depth of {first.name}, {first.depth:.2f} m"


class Value(NamedTuple):
    """A length in a text, in metres: where it stands, and by how much it may be off."""

    metres: float
    slack: float
    start: int
    end: int


def _values(text: str) -> Iterator[Value]:
    for found in NUMBER.finditer(text):
        digits = len(found[1].partition(".")[2])
        metre = 0.01 if found[2].startswith("c") else 1.0
        yield Value(float(found[1]) * metre, 0.5 * 10**-digits * metre + SLACK, found.start(), found.end())


def _same(value: Value, metres: float) -> bool:
    return abs(value.metres - metres) <= value.slack


def _numbers(sentence: Sentence, table: Table) -> Iterator[str]:
    """Lengths that belong to nothing that is named beside them.

    A number may follow what it is about, come before it, or be about the first thing named: all numbers of a sentence
    in the same way, or two of them that are exchanged would each find their place.
    """
    values = [*_values(sentence.text)]
    ways = [[v for v in values if not _fits(v, way, sentence, table)] for way in ("after", "before", "first")]
    for value in min(ways, key=len):
        yield f"{sentence.text[value.start : value.end]!r} is no depth or distance of what is named beside it"


def _fits(value: Value, way: str, sentence: Sentence, table: Table) -> bool:
    before = [thing for thing, _, end in sentence.named if end <= value.start]
    after = [thing for thing, start, _ in sentence.named if start >= value.end]
    beside = [*before[:1], *before[-2:], *after[:1]]
    whom = {"after": before[-1:], "before": after[:1], "first": (before or after)[:1]}[way]
    lead, tail = sentence.text[max(value.start - 24, 0) : value.start], sentence.text[value.end : value.end + 10]
    deep = re.search(r"\bdepth\b[^,;\d]*$", lead) or re.match(r"\s*(deep\b|into|in depth)", tail)
    steps = re.match(r"\s*(farther|further|closer|nearer|deeper|behind|in front|beyond)", tail)
    if any(_same(value, metres) for thing in whom for metres in (thing.depth, thing.range)) and not steps:
        return True
    if deep:
        return False
    pairs = [(a, b) for a in beside for b in beside if a.id < b.id]
    slack = value._replace(slack=value.slack + 0.5 * 10**-2)
    if any(_same(slack, abs(a.depth - b.depth)) for a, b in pairs):
        return True
    if steps:
        return False
    if any(_same(value, metres) for thing in whom for metres in thing.size):
        return True
    ids = {frozenset((a.id, b.id)) for a, b in pairs}
    return any(_same(value, metres) for a, b, metres in table.distances if frozenset((a, b)) in ids)
