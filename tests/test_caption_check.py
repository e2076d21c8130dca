"""The checker of captions: an account as a person would write it stands, and every way to spoil it is found."""

from __future__ import annotations

import re

import pytest

from vstkit.tasks.captions.check import problems, sentences, unwrapped
from vstkit.tasks.captions.prompt import prompt
from vstkit.tasks.captions.table import Table, Thing

FRONT, BACK = "chair (orange point-3)", "chair (orange point-2)"
TABLE, LAMP, RUG = "table (blue point-1)", "lamp (red point-5)", "rug (pink point-4)"
ROOM = Table(
    (
        Thing("b", TABLE, (0.2, 0.6, 3.0), (1.2, 0.75, 0.8), -0.6, True),
        Thing("d", BACK, (1.6, 0.5, 4.2), (0.5, 0.9, 0.5), -0.5, True),
        Thing("a", FRONT, (-1.0, 0.5, 1.7), (0.5, 0.9, 0.5), -0.5, True),
        Thing("e", RUG, (0.0, 1.0, 2.6), (2.0, 0.02, 1.5), -1.0, False),
        Thing("c", LAMP, (0.3, 0.0, 3.05), (0.2, 0.45, 0.2), 0.0, True),
    ),
    (
        ("c", "on", "b"),
        ("a", "left of", "b"),
        ("b", "left of", "d"),
        ("a", "in front of", "d"),
        ("d", "taller than", "c"),
        ("b", "on", "e"),
    ),
    ((("a", "d"), "between", "b"),),
    (("a", "b", 0.71), ("b", "d", 0.93), ("a", "c", 1.62), ("c", "d", 1.35)),
    ("a", "b", "d"),
    "a",
)
GOOD = (
    f"Standing at the door, I first see the {FRONT} at a depth of 1.70 m. The {TABLE} is 1.3 m farther away, 3 m deep "
    f"into the room, and 0.71 m from the {FRONT}. From left to right come the {FRONT}, the {TABLE} and the {BACK}. "
    f"The {LAMP} stands on the {TABLE}, and the {BACK} is to the right of the {TABLE}, 0.93 m away from it. It is at a "
    f"depth of 4.2 m, behind the {FRONT}, with the {TABLE} between them. The {LAMP} is shorter than the {BACK} and "
    f"1.35 m apart from it. On the {RUG} stands the {TABLE}."
)


def test_what_a_person_writes_stands() -> None:
    assert problems(GOOD, ROOM) == []
    assert problems(GOOD.replace(". ", ".\n"), ROOM) == []
    more = (
        f"Behind the {FRONT} is the {BACK}.",
        f"To the left of the {BACK} one sees the {TABLE} and the {FRONT}.",
        f"The {FRONT} and the {TABLE} are left of the {BACK}, which is farther from the camera than the {LAMP}.",
        f"Nearest to the camera is the {FRONT}, farthest from us the {BACK}.",
        f"The {BACK} is not left of the {TABLE}.",
        f"The {FRONT} (depth = 1.70 m) is 2.5 m closer than the {BACK} (depth = 4.20 m).",
        f"At a depth of 1.7 m is the {FRONT}, and at a depth of 3 m the {TABLE}.",
        f"The {FRONT} is at 1.7 m and the {TABLE} at 300 cm.",
        "There are two chairs and 1 lamp in all.",
        f"The {LAMP} is above the {RUG}, and behind the {FRONT} is the {BACK}.",
    )
    for text in more:
        assert problems(f"{GOOD} {text}", ROOM) == [], text


SPOILT = [
    (f"stands on the {TABLE}", f"stands beside the {BACK}", "not told: lamp (red point-5) is on table (blue point-1)"),
    (f"with the {TABLE} between them", "far away", "not told in one sentence: table (blue point-1) is between"),
    (f"On the {RUG} stands the {TABLE}.", "", "rug (pink point-4) is not named"),
    ("(red point-5)", "(red point-6)", "'(red point-6)' is no name of an object"),
    ("(red point-5)", "(blue point-5)", "lamp (red point-5) is not named"),
    ("1.70 m", "1.90 m", "'1.90 m' is no depth or distance of what is named beside it"),
    ("depth of 4.2 m", "depth of 3.5 m", "'3.5 m' is no depth or distance"),
    ("1.3 m farther", "1.5 m farther", "'1.5 m' is no depth or distance"),
    ("0.71 m", "0.93 m", "'0.93 m' is no depth or distance"),
    ("0.71 m", "close", "distances have to be told; not told: chair (orange point-3) to table (blue point-1) 0.71 m"),
    (f"to the right of the {TABLE}", f"to the left of the {TABLE}", "wrong by the facts: 'left of'"),
    (f"behind the {FRONT}", f"in front of the {FRONT}", "wrong by the facts: 'in front of'"),
    ("shorter than", "taller than", "wrong by the facts: 'taller than'"),
    ("From left to right come", "From right to left come", "wrong by the facts"),
    ("Standing at the door", "According to the data", "the phrase 'According to the data' may not be used"),
    ("Standing at the door", "In camera coordinates", "the phrase 'coordinates' may not be used"),
    ("Standing at the door", "Along the z-axis", "the phrase 'z-axis' may not be used"),
    ("Standing at the door", "**Here**", "expected plain text, found '**'"),
    (f"On the {RUG}", f"\n- On the {RUG}", "expected plain text, found '-'"),
    ("behind the", "at (1.6, 0.5, 4.2), behind the", "no coordinates may be told"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), SPOILT)
def test_what_is_spoilt_is_found(old: str, new: str, fault: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    assert any(fault in found for found in problems(text, ROOM)), problems(text, ROOM)


WRONG = [
    f"Behind the {BACK} is the {FRONT}.",
    f"To the right of the {BACK} one sees the {TABLE} and the {FRONT}.",
    f"The {TABLE} is below the {LAMP} and left of the {FRONT}.",
    f"The {TABLE} is right of the {FRONT}, and the {BACK} is left of the {TABLE}.",
    f"The {FRONT} and the {BACK} are right of the {TABLE}.",
    f"The {LAMP}, which is below the {TABLE}, is red.",
    f"The {TABLE} is on top of the {LAMP}.",
    f"The {LAMP} is next to the {FRONT} and beside the {BACK}.",
    f"The {LAMP} is larger than the {TABLE}.",
    f"Nearest to the camera is the {BACK}.",
    f"The {TABLE} is farthest from the camera.",
    f"The {FRONT} is at a depth of 3.00 m and the {TABLE} at a depth of 1.70 m.",
    f"The {FRONT} is 1.62 m from the {TABLE} and 0.71 m from the {LAMP}.",
    f"The {BACK} is 2.5 m closer than the {TABLE}.",
    f"The {BACK} is next to the red point-5.",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_sentence_is_found(text: str) -> None:
    assert problems(f"{GOOD} {text}", ROOM), text


def test_too_short_and_too_long() -> None:
    assert "expected 4 to 20 sentences, found 24" in problems(GOOD + 17 * " Nothing moves.", ROOM)
    assert problems(GOOD + 13 * " Nothing moves.", ROOM) == []
    assert "expected 4 to 20 sentences, found 1" in problems(GOOD.replace(". ", "; "), ROOM)
    assert "expected 4 to 20 sentences, found 0" in problems("", ROOM)


def test_sentences() -> None:
    text = "The cup (red point-2) is at 1.5 m. It is 2.00 m. from the pot (blue point-1). Is it? A jar is at 3 m."
    assert sentences(text) == [
        "The cup (red point-2) is at 1.5 m.",
        "It is 2.00 m. from the pot (blue point-1).",
        "Is it?",
        "A jar is at 3 m.",
    ]
    assert unwrapped("so <caption>\nA b. </caption>") == ("A b.", [])
    for bad in ("A b.", "<caption></caption>", "<caption>a</caption><caption>b</caption>", "<caption>a"):
        assert unwrapped(bad)[1]


def test_the_prompt_has_all_the_facts() -> None:
    text = prompt(ROOM)
    for thing in ROOM.things:
        (line,) = re.findall(rf"^- {re.escape(thing.name)}: .*$", text, re.MULTILINE)
        assert f"({', '.join(f'{x:.2f}' for x in thing.centre)})" in line
        assert f"{thing.range:.2f} m from the camera" in line
        assert ("seen in part" in line) == (not thing.whole)
    names = ROOM.names
    assert all(f"- {names[a]} is {relation} {names[b]}\n" in text for a, relation, b in ROOM.relations)
    assert all(f"- {names[a]} and {names[b]}: {metres:.2f} m\n" in text for a, b, metres in ROOM.distances)
    assert f"- {TABLE} is between {FRONT} and {BACK}\n" in text
    for rule in (
        "4 to 20 sentences",
        "0.5 m",
        "0.3 m",
        "1 m",
        "seven in ten",
        "below 3 m",
        "<caption>",
        "letter by letter",
    ):
        assert rule in text
