"""The checker of answers can fail: of samples that are right in all but one thing it says that they are wrong."""

from __future__ import annotations

import copy
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rederive
from rederive import wrong
from support import generated
from vstkit import synth

Record = dict[str, Any]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    folder = tmp_path_factory.mktemp("rooms")
    units = synth.units(str(folder), count=4, seed=7)
    return [synth.scene(unit, Counter(), views=2, size=(320, 240))[0] for unit in units]


def swapped(sample: Record) -> None:
    answer = sample["answer"]
    options = sorted(answer["options"])
    answer["value"] = options[(options.index(answer["value"]) + 1) % len(options)]


def renamed(sample: Record) -> None:
    options = sample["answer"]["options"]
    options["B"] = options["A"]


def other_reply(sample: Record) -> None:
    sample["messages"][1]["content"][0]["text"] += " or so"


def shifted_mark(sample: Record) -> None:
    (mark, *_) = [op for op in sample["images"][0]["ops"] if op["op"] == "mark"]
    mark["xy"] = [x + 25 for x in mark["xy"]]


def recoloured_mark(sample: Record) -> None:
    (mark, *_) = [op for op in sample["images"][0]["ops"] if op["op"] == "mark"]
    mark["color"] = "black"


def shifted_pixels(sample: Record) -> None:
    part = sample["messages"][0]["content"][1]
    part["text"] = part["text"].replace(" at [", " at [1")


def larger(sample: Record) -> None:
    answer = sample["answer"]
    answer["value"] = round(1.1 * answer["value"] + 0.01, 2)
    sample["messages"][1]["content"][0]["text"] = f"{answer['value']:.2f} {answer['unit']}"


def larger_meta(sample: Record) -> None:
    sample["meta"]["values"] = [round(1.1 * value + 0.01, 3) for value in sample["meta"]["values"]]


def other_unit(sample: Record) -> None:
    sample["answer"]["unit"] = {"m": "cm", "cm": "mm", "mm": "m"}[sample["answer"]["unit"]]


def reordered(sample: Record) -> None:
    names = sample["answer"]["value"]
    names[0], names[1] = names[1], names[0]


def moved_box(sample: Record) -> None:
    sample["answer"]["value"][0]["box3d"][0] += 0.05


def turned_box(sample: Record) -> None:
    sample["answer"]["value"][0]["box3d"][7] += 10


def forgotten_box(sample: Record) -> None:
    sample["answer"]["value"].pop()
    sample["meta"]["objects"].pop()


def other_turn(sample: Record) -> None:
    sample["answer"][0], sample["answer"][1] = sample["answer"][1], sample["answer"][0]


def other_name(sample: Record) -> None:
    if sample["answer"]["type"] == "text":
        sample["answer"]["value"] = "unicorn"
    else:
        swapped(sample)


def larger_numbers(sample: Record) -> None:
    part = sample["messages"][1]["content"][0]
    part["text"] = re.sub(r"\d+\.\d\d m", lambda held: f"{1.1 * float(held[0][:-2]) + 0.02:.2f} m", part["text"])
    sample["answer"]["value"] = part["text"]


def turned_words(sample: Record) -> None:
    part = sample["messages"][1]["content"][0]
    places = {"left of": "right of", "right of": "left of", "behind": "in front of", "in front of": "behind"}
    part["text"] = re.sub("|".join(places), lambda held: places[held[0]], part["text"])
    sample["answer"]["value"] = part["text"]


def turned_relation(sample: Record) -> None:
    a, name, b = sample["meta"]["relations"][0]
    if name != "next to":
        sample["meta"]["relations"][0] = [b, name, a]


def other_family(sample: Record) -> None:
    sample["family"] = "somebody else's"


def flipped(sample: Record) -> None:
    sample["flip_safe"] = True


MUTATIONS: list[tuple[str, str, str | None, Callable[[Record], None]]] = [
    ("depth", "depth-nearest", None, swapped),
    ("depth", "depth-farthest", None, renamed),
    ("depth", "depth-nearest", None, other_reply),
    ("depth", "depth-nearest", "box", shifted_mark),
    ("depth", "depth-nearest", "point", shifted_mark),
    ("depth", "depth-farthest", "box", recoloured_mark),
    ("depth", "depth-nearest", "text-box", shifted_pixels),
    ("depth", "depth-farthest", None, larger_meta),
    ("depth", "depth-order", None, reordered),
    ("depth", "depth-order-choice", None, swapped),
    ("depth", "depth-points", None, swapped),
    ("depth", "depth-points", None, flipped),
    ("depth", "depth-value", None, larger),
    ("distance", "distance-nearest", None, swapped),
    ("distance", "distance-farthest", None, larger_meta),
    ("distance", "distance-value", None, larger),
    ("distance", "distance-value", None, other_family),
    ("measure", "measure-height", None, larger),
    ("measure", "measure-longest", None, other_unit),
    ("measure", "measure-height", "box", shifted_mark),
    ("detection", "det3d", None, moved_box),
    ("detection", "det3d", None, turned_box),
    ("detection", "det3d", None, forgotten_box),
    ("detection", "det3d-labels", None, forgotten_box),
    ("detection", "det3d-turns", None, other_turn),
    ("detection", "ground3d", None, turned_box),
    ("detection", "ground3d", "text-box", shifted_pixels),
    ("detection", "name3d", None, other_name),
    ("detection", "det3d-absent", None, other_family),
    ("caption", "caption", None, larger_numbers),
    ("caption", "caption", None, turned_words),
    ("caption", "caption", "box", shifted_mark),
    ("caption", "caption", None, turned_relation),
]


@pytest.mark.parametrize(("module", "task", "form", "spoil"), MUTATIONS, ids=lambda x: getattr(x, "__name__", x))
def test_the_checker_finds(
    rooms: list[Record], module: str, task: str, form: str | None, spoil: Callable[[Record], None]
) -> None:
    spoiled = 0
    for scene in rooms:
        for sample in generated(module, scene, tasks=[task], **({"forms": [form]} if form else {})):
            bad = copy.deepcopy(sample)
            spoil(bad)
            if bad != sample:
                spoiled += 1
                assert wrong(bad, scene), f"nothing wrong is found in {bad}"
    assert spoiled


def test_the_checker_shares_no_code_with_the_generators() -> None:
    sources = [path.read_text() for path in Path(rederive.__file__).parent.glob("*.py")]
    imported = {name for text in sources for name in re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE)}
    assert imported <= {"numpy", "scipy", "PIL", "rederive", *sys.stdlib_module_names}
