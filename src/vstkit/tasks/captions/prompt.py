"""What a model is asked when it writes a caption: the facts of the table, and the rules that its words are held to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vstkit.tasks.captions.check import LONGEST, SHORTEST
from vstkit.tasks.captions.table import CLOSE, Table

# The rules ask for what table 26 of the VST paper asks for, in words of our own.
RULES = f"""\
You look at one picture, and you know the room behind it to the centimetre. Write an account of where things \
are, as somebody would give it who stands where the camera is.

HOW THE FACTS ARE TO BE READ
The camera is at (0, 0, 0). The first number of a place runs to the right, the second downwards, the third \
straight ahead, into the scene; the third is the depth. A size is the extent across the picture, the extent \
upwards and the extent into the scene. The way to the camera is the straight line to the middle of the thing. \
Lengths are in metres. Distances between two things are between their closest points.

THE THINGS
{{things}}

HOW TWO THINGS STAND TO EACH OTHER
{{pairs}}

HOW SEVERAL THINGS STAND TOGETHER
{{groups}}

DISTANCES
{{distances}}

HOW TO WRITE
- Begin at the camera with the nearest thing and its depth, and go deeper. Then choose the thing that most \
others stand around and say what is beside, on or behind it. Tell of groups before what stands alone.
- Say how much nearer or farther one thing is than another in metres, with the words closer and farther.
- Tell every relation above, of two things and of several, each in a sentence that names all the things in it. \
Of the distances tell more than seven in ten, those below {CLOSE:g} m first.
- You may add what follows from the places: one is left or right of another from 0.5 m on, taller or shorter \
from 0.3 m on, in front or behind from 1 m on. Where a relation above says otherwise, the relation is right. \
Distances tell how far, never in which direction.
- Left, right, front and behind are always as the camera sees them. Of the places only depths may be told.
- Call each thing by its whole name, letter by letter as it stands above. Use no name that is not there. To say \
how many things there are, count them; do not go by the numbers in their names.
- Say with each number what it is, and its unit: a depth of 1.20 m, 0.40 m apart. Where the facts say that a \
thing is seen in part, leave its depth out.
- {SHORTEST} to {LONGEST} sentences of plain prose: no headings, no lists, no markup. Do not recite the facts \
one after the other, and do not let on that there are any: nothing about coordinates, axes, tables, data or \
lists, and no names of the sections above.

Put the account, and nothing else, between <caption> and </caption>."""

AGAIN = """\
This account cannot stand as it is:
{faults}
Write the whole of it again without these faults, by the same rules, between <caption> and </caption>."""


def prompt(table: Table) -> str:
    """The whole question for a table."""
    names = table.names
    things = [
        f"{thing.name}: size {_numbers(thing.size)}, middle at ({', '.join(f'{x:.2f}' for x in thing.centre)}), "
        f"{thing.range:.2f} m from the camera" + ("" if thing.whole else "; seen in part")
        for thing in table.by_depth
    ]
    pairs = [f"{names[a]} is {relation} {names[b]}" for a, relation, b in table.relations]
    groups = [table.together(group) for group in table.groups]
    distances = [
        f"{names[a]} and {names[b]}: {metres:.2f} m"
        for a, b, metres in sorted(table.distances, key=lambda apart: apart[2])
    ]
    held = {"things": things, "pairs": pairs, "groups": groups, "distances": distances}
    return RULES.format(**{key: _lines(lines) for key, lines in held.items()})


def again(faults: Sequence[str]) -> str:
    """The question that sends a caption back."""
    return AGAIN.format(faults=_lines(faults))


def _numbers(values: Iterable[float]) -> str:
    return " x ".join(f"{value:.2f}" for value in values) + " m"


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- none"
