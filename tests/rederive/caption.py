"""Captions: the table of what a caption has to tell, against the scene; and the sentences, read as plainly as may be.

A sentence is read for what it says of its subject (the first name in it, or that of the sentence before): "NAME is
left of NAME", and for its numbers, each of which must be some length of the things that it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rederive.case import Case
from rederive.relations import of_group, of_pair
from rederive.sight import distance

# Phrases before the other name, and the relation that they say; longer ones first, where one begins with another.
SAID = {
    r"(?:to the |on the )?left of|farther left than": "left of",
    r"(?:to the |on the )?right of|farther right than": "right of",
    r"in front of|(?:nearer|closer) to (?:us|the camera) than": "nearer than",
    r"behind|farther (?:away|from us|from the camera) than|deeper in the scene than": "farther than",
    r"on top of|resting on|rest on|set on|on": "on",
    r"inside|within|kept inside|in": "inside",
    r"above|over": "above",
    r"below|underneath": "below",
    r"next to|beside": "next to",
    r"taller (?:by far |in itself )?than": "taller than",
    r"shorter (?:by far |in itself )?than": "shorter than",
    r"(?:larger|bigger) than|the larger one beside": "larger than",
    r"smaller than|not as big as|a smaller thing than": "smaller than",
}
PHRASE = re.compile("|".join(rf"(?<!\w)(?P<r{i}>{phrase}) <(?P<o{i}>\d+)>" for i, phrase in enumerate(SAID)))
METRES = re.compile(r"(\d+\.\d\d) m\b")
BANNED = re.compile(
    r"according to the coordinates|as shown in the data|(multi-?object|binary) relationships|[xyz]-axis|[*#_]",
    re.IGNORECASE,
)


def told(case: Case) -> Iterator[str]:
    """caption."""
    (turn,) = case.turns
    names = case.meta["names"]
    if len(set(case.objects)) < len(case.objects) or len(names) != len(case.objects):
        yield f"{names} name {case.objects}"
    yield from case.faults_of_names(names, case.objects)
    if not case.marks:
        yield from case.faults_of_order(names, turn.question)
    if not case.sight.metric:
        yield "metres where nothing is metric"
    yield from _faults_of_table(case)
    if turn.reply != turn.answer["value"]:
        yield "the reply is not the answer"
    if case.meta.get("writer", "template") == "template":
        yield from _faults_of_text(case, turn.reply)


def _faults_of_table(case: Case) -> Iterator[str]:
    meta, sight = case.meta, case.sight
    for thing, depth, centre in zip(case.objects, meta["values"], meta["centers"], strict=True):
        true = sight.bodies[thing].centre
        if np.abs(true - centre).max() > 6e-4 or abs(depth - true[2]) > 6e-4:
            yield f"{thing} is at {true.round(3)}, not at {centre}, {depth} deep"
    for thing, size in zip(case.objects, meta["sizes"], strict=True):
        true = np.ptp(sight.bodies[thing].corners, axis=0)
        if sight.up is not None:
            true[1] = np.ptp(sight.bodies[thing].corners @ sight.up)
        if np.abs(true - size).max() > 6e-4:
            yield f"{thing} is {true.round(3)} large, not {size}"
    for a, name, b in meta["relations"]:
        if reason := of_pair(sight, a, name, b):
            yield f"{a} {name} {b}: {reason}"
    held = {(a, name, b) for a, name, b in meta["relations"]}
    if len({frozenset((a, b)) | {name} for a, name, b in held}) < len(meta["relations"]):
        yield f"a relation stands both ways: {meta['relations']}"
    for members, name, anchor in meta["groups"]:
        if reason := of_group(sight, members, name, anchor or None):
            yield f"{members} {name} {anchor}: {reason}"
    for a, b, metres in meta["distances"]:
        true = distance(sight.bodies[a], sight.bodies[b])
        if abs(true - metres) > 6e-4:
            yield f"{a} and {b} are {true:.4f} m apart, not {metres}"
    if meta["nearest"]:
        depths = {thing: sight.bodies[thing].centre[2] for thing in case.objects}
        if min(depths, key=depths.__getitem__) != meta["nearest"]:
            yield f"{meta['nearest']} is not the nearest: {depths}"
    pairs = [(a, b) for a, _, b in meta["relations"]] + [(a, b) for a, b, _ in meta["distances"]]
    if unknown := {thing for pair in pairs for thing in pair} - set(case.objects):
        yield f"the table tells of others: {unknown}"


def _faults_of_text(case: Case, text: str) -> Iterator[str]:
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text.strip())
    if not 4 <= len(sentences) <= 20:
        yield f"{len(sentences)} sentences"
    if held := BANNED.search(text):
        yield f"{held[0]!r} is said"
    coded = [_coded(sentence, case.meta["names"]) for sentence in sentences]
    spoken = {int(i) for sentence in coded for i in re.findall(r"<(\d+)>", sentence)}
    if spoken != set(range(len(case.objects))):
        yield f"{[case.meta['names'][i] for i in range(len(case.objects)) if i not in spoken]} are not spoken of"
    subject = None
    together: set[frozenset[str]] = set()
    for sentence, code in zip(sentences, coded, strict=True):
        those = [int(i) for i in re.findall(r"<(\d+)>", code)]
        again = re.match(r"(It|Besides|Moreover)\b", code)
        if not again and those:
            subject = those[0]
        about = [*([] if subject is None else [subject]), *those]
        together |= {frozenset(pair) for pair in combinations([case.objects[i] for i in about], 2)}
        for fault in (*_faults_of_numbers(case, code, about), *_faults_of_relations(case, code, subject)):
            yield f"{fault}: {sentence!r}"
    yield from _faults_of_cover(case, text, together)


def _coded(sentence: str, names: list[str]) -> str:
    """The sentence with <number> for each name."""
    places = {name: i for i, name in enumerate(names)}
    longest = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"\b(?:[Tt]he )?({longest})(?!\w)", lambda held: f"<{places[held[1]]}>", sentence)


def _faults_of_numbers(case: Case, code: str, about: list[int]) -> Iterator[str]:
    """Each is a depth, a step in depth, or a distance of those that the sentence is about."""
    bodies = [case.sight.bodies[case.objects[i]] for i in dict.fromkeys(about)]
    lengths = [body.centre[2] for body in bodies]
    lengths += [abs(a.centre[2] - b.centre[2]) for a, b in combinations(bodies, 2)]
    lengths += [distance(a, b) for a, b in combinations(bodies, 2)]
    for said in METRES.findall(code):
        if not any(abs(float(said) - length) < 0.0111 for length in lengths):
            yield f"{said} m is nothing of {np.round(lengths, 2)}"
    # Behind what one is farther away than stands the depth of the one.
    code = re.sub(r"farther[a-z ]* than <\d+>( is (?=<))?", "", code)
    depths = re.findall(r"<(\d+)>(?:,| is| at| with| \()?(?: at)?(?: a)? ?depth of (\d+\.\d\d) m", code)
    depths += re.findall(r"<(\d+)> (?:at |\()(\d+\.\d\d) m", code)
    for i, said in depths:
        if abs(float(said) - case.sight.bodies[case.objects[int(i)]].centre[2]) > 0.00551:
            yield f"{case.objects[int(i)]} is not {said} m deep"


def _faults_of_relations(case: Case, code: str, subject: int | None) -> Iterator[str]:
    sight, objects = case.sight, case.objects
    things = [objects[int(i)] for i in re.findall(r"<(\d+)>", code)]
    if "left to right" in code:
        places = [float(np.mean(sight.extent(i)[[0, 2]])) for i in things]
        if places != sorted(places):
            yield f"from left to right {things} are at {places}"
        return
    code = code.replace("between them", "") if "gap of" in code else code
    if re.search(r"\b(row|around|between)\b|^On <|^Inside <|\bhas <|\bholds <|\bhave <", code):
        groups = [{*members, anchor} - {""} for members, _, anchor in case.meta["groups"]]
        if set(things) not in groups:
            yield f"{things} are no group"
        return
    if " and " in code and re.search(r"(are|rest) (on|inside|kept)", code):
        return  # a group too, of which the table is held against the scene
    for held in PHRASE.finditer(code):
        if subject is None:
            yield "nobody is spoken of"
            return
        index = next(i for i in range(len(SAID)) if held[f"r{i}"])
        a, b = objects[subject], objects[int(held[f"o{index}"])]
        name = list(SAID.values())[index]
        if name in ("nearer than", "farther than"):
            near, far = (a, b) if name == "nearer than" else (b, a)
            dz = sight.bodies[far].centre[2] - sight.bodies[near].centre[2]
            if dz <= 0.0:
                yield f"{a} is not {name} {b}: {dz:.2f} m"
        elif reason := of_pair(sight, a, name, b):
            yield f"{a} is not {name} {b}: {reason}"


def _faults_of_cover(case: Case, text: str, together: set[frozenset[str]]) -> Iterator[str]:
    """The two of every relation are spoken of together, and over 70 % of the distances are told."""
    for a, name, b in case.meta["relations"]:
        if frozenset((a, b)) not in together:
            yield f"{a} {name} {b} is not told"
    said = [float(number) for number in METRES.findall(text)]
    distances = [metres for *_, metres in case.meta["distances"]]
    missing = [metres for metres in distances if not any(abs(number - metres) < 0.0051 for number in said)]
    if len(missing) > 0.3 * len(distances):
        yield f"{len(missing)} of {len(distances)} distances are not told"
