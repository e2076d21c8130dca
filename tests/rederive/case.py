"""A sample laid open: its turns, the picture that its recipe makes, and which objects its names denote."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rederive.descriptions import fitting
from rederive.sight import Record, Sight, Window
from rederive.words import bare

LETTERS = "ABCDEFGH"
STUFF = {"wall", "floor", "ceiling", "room", "shelter", "background", "object", "otherfurniture", "unknown", "void"}
LETTERED = re.compile(r"point-(?P<tag>[A-Z])")
MARKED = re.compile(r"(?P<label>.+) \((?P<color>\w+) (?P<shape>box|point)(?:-(?P<tag>\w+))?\)")
WRITTEN = re.compile(r"(?P<label>.+) at (?P<bracket>[\[(])(?P<place>[-\d, ]+)[\])]")


class Rules(NamedTuple):
    """The options of the commands that decide what is clear enough to ask; lengths in metres."""

    min_share: float = 0.001
    min_fraction: float = 0.1
    min_gap: float = 0.1  # of depths
    min_ratio: float = 0.1
    min_apart: float = 0.15  # of distances between objects
    min_apart_ratio: float = 0.2


class Turn(NamedTuple):
    question: str
    reply: str
    answer: Record


class Case:
    """One sample about one view."""

    def __init__(self, sample: Record, sight: Sight, rules: Rules) -> None:
        self.sample, self.sight, self.rules = sample, sight, rules
        self.meta: Record = sample["meta"]
        texts = [_text(message) for message in sample["messages"]]
        answers = sample["answer"] if isinstance(sample["answer"], list) else [sample["answer"]]
        self.turns = [Turn(*turn) for turn in zip(texts[::2], texts[1::2], answers, strict=True)]
        self.ops = _added(sample["images"][0], sight.view["image"])
        self.marks = [op for op in self.ops if op["op"] == "mark"]
        # From the view's image to the picture as it is shown.
        size = (sight.width, sight.height)
        self.shown = Window(1, 0, 1, 0).then(self.ops, size)
        resized = [op["size"] for op in self.ops if op["op"] == "resize"]
        self.size = tuple(resized[-1]) if resized else size

    @property
    def objects(self) -> list[str]:
        return self.meta["objects"]

    def denoted(self, name: str) -> list[str]:
        """Ids of the objects that a name can stand for, by what its words, marks or pixels say."""
        things = self.sight.things
        if held := LETTERED.fullmatch(name):
            marks = [m for m in self.marks if m.get("text") == held["tag"]]
            return self._marked("point", marks[0]["xy"]) if [m["shape"] for m in marks] == ["point"] else []
        if held := MARKED.fullmatch(name):
            marks = [m for m in self.marks if (m["shape"], m["color"]) == (held["shape"], held["color"])]
            if held["tag"]:
                marks = [m for m in marks if m.get("text") == held["tag"]]
            found = self._marked(held["shape"], marks[0]["xy"]) if len(marks) == 1 else []
            return [i for i in found if things[i]["label"] == held["label"]]
        if held := WRITTEN.fullmatch(name):
            numbers = [int(x) for x in held["place"].split(",")]
            place = [x for uv in zip(numbers[::2], numbers[1::2], strict=True) for x in self.shown.back(*uv)]
            coarse = max(1.0, 1 / self.shown.sx, 1 / self.shown.sy)
            found = self._marked("box" if held["bracket"] == "[" else "point", place, coarse)
            return [i for i in found if things[i]["label"] == held["label"]]
        return fitting(self.sight, name)

    def pointed(self, name: str) -> tuple[float, float]:
        """Where `point-A` or `point (62, 180)` lies in the view's image; far outside where there is none."""
        if held := LETTERED.fullmatch(name):
            found = [m["xy"] for m in self.marks if m.get("text") == held["tag"] and m["shape"] == "point"]
            return (found[0][0], found[0][1]) if len(found) == 1 else (math.inf, math.inf)
        held = re.fullmatch(r"point \((-?\d+), (-?\d+)\)", name)
        return self.shown.back(int(held[1]), int(held[2])) if held else (math.inf, math.inf)

    def _marked(self, shape: str, xy: list[float], coarse: float = 1.0) -> list[str]:
        """The object at a point; those that a box surrounds to a pixel of the map and of the picture."""
        sight = self.sight
        if shape == "point":
            found = sight.at(*xy)
            return [] if found is None else [found]
        room = coarse + max(sight.window.sx, sight.window.sy) / 2
        visible = [i for i in sight.things if sight.pixels(i) > 0]
        return [i for i in visible if np.abs(sight.extent(i) - xy).max() <= room]

    def faults_of_names(self, names: list[str], objects: list[str]) -> Iterator[str]:
        """What keeps names from standing for just these objects, and these from being asked about."""
        if len(set(names)) < len(names):
            yield f"names stand twice: {names}"
        for name, thing in zip(names, objects, strict=True):
            if (found := self.denoted(name)) != [thing]:
                yield f"{name!r} denotes {found}, not {thing}"
            yield from self.faults_of_sight(thing)

    def faults_of_sight(self, thing: str) -> Iterator[str]:
        sight, rules = self.sight, self.rules
        if thing not in sight.things:
            yield f"{thing} is not in the scene"
            return
        if self.is_stuff(thing):
            yield f"{thing} is stuff"
        if sight.pixels(thing) < rules.min_share * sight.width * sight.height - 1:
            yield f"{thing} shows {sight.pixels(thing):.0f} pixels only"
        if sight.share(thing) < rules.min_fraction * 0.99:
            yield f"{thing} shows {sight.share(thing):.1%} of its outline only"
        if thing in sight.bodies and sight.bodies[thing].holds(np.zeros((1, 3)))[0]:
            yield f"the camera is inside {thing}"

    def is_stuff(self, thing: str) -> bool:
        record = self.sight.things[thing]
        return bool(record.get("stuff")) or record["label"].lower() in STUFF

    def faults_of_order(self, names: list[str], text: str) -> Iterator[str]:
        """The text has the names in this order."""
        at = 0
        for name in names:
            found = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)").search(text, at)
            if found is None:
                yield f"{name!r} is not said in its place in {text!r}"
                return
            at = found.end()

    def faults_of_marks(self) -> Iterator[str]:
        """Marks lie in the picture, can be told apart, and each is spoken of."""
        said = " ".join(f"{turn.question} {turn.reply}" for turn in self.turns)
        looks = [(m["shape"], m["color"], m.get("text")) for m in self.marks]
        if len(set(looks)) < len(looks):
            yield f"marks look the same: {looks}"
        for mark in self.marks:
            us, vs = mark["xy"][::2], mark["xy"][1::2]
            if not all(-1 <= u <= self.sight.width for u in us) or not all(-1 <= v <= self.sight.height for v in vs):
                yield f"a mark leaves the picture: {mark}"
            if not (mark["color"] in said or (mark.get("text") and f"point-{mark['text']}" in said)):
                yield f"nobody speaks of the mark {mark}"
        points = [m["xy"] for m in self.marks if m["shape"] == "point"]
        least = 0.03 * math.hypot(self.sight.width, self.sight.height)
        if any(math.dist(p, q) < least for i, p in enumerate(points) for q in points[:i]):
            yield "two points lie on top of each other"

    def clear(self, near: float, far: float, *, depths: bool = True, slack: float = 2e-3) -> bool:
        """The one rule: by metres, where there are any, and by a share of the nearer."""
        gap, ratio = self.rules[2:4] if depths else self.rules[4:6]
        return far - near >= max(gap if self.sight.metric else 0.0, ratio * near) - slack

    def names_in(self, question: str) -> list[str]:
        """What a question calls by the label of an object in view, with the mark or the pixels said behind it."""
        things = self.sight.things.values()
        labels = sorted({thing["label"] for thing in things}, key=len, reverse=True)
        captions = sorted({bare(thing["caption"]) for thing in things if "caption" in thing}, key=len, reverse=True)
        label = "|".join(map(re.escape, labels))
        most = "(?:leftmost|rightmost|tallest|shortest|largest|smallest|nearest|farthest) "
        behind = rf"(?: (?:on|in|next to) the (?:{label})| \(\w+ (?:box|point)\)| at \[[-\d, ]+\]| at \([-\d, ]+\))?"
        said = "|".join([*map(re.escape, captions), f"(?:{most})?(?:{label}){behind}"])
        return re.findall(rf"\bthe ({said})(?!\w)", question)


def faults_of_options(turn: Turn, *, reply: bool = True) -> Iterator[str]:
    """Options are distinct, in the question if it offers letters, and the reply is one of them, as it is asked for."""
    answer = turn.answer
    options: dict[str, str] = answer["options"]
    if list(options) != list(LETTERS[: len(options)]) or len(options) < 2:
        yield f"options are {list(options)}"
    if len({" ".join(text.lower().split()) for text in options.values()}) < len(options):
        yield f"options stand twice: {options}"
    listed = dict(re.findall(r"^([A-H])[.)] (.+)$", turn.question, re.MULTILINE))
    if listed and listed != options:
        yield f"the question lists {listed}, the answer {options}"
    if answer["value"] not in options:
        yield f"{answer['value']} is no option"
        return
    right = answer["value"] if listed else options[answer["value"]]
    if reply and turn.reply != right:
        yield f"the reply is {turn.reply!r}, not {right!r}"


def _text(message: Record) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _added(recipe: str | Record, base: str | Record) -> list[Record]:
    """What the sample's recipe does beyond the view's own."""
    path, ops = (recipe, []) if isinstance(recipe, str) else (recipe["path"], recipe["ops"])
    start, own = (base, []) if isinstance(base, str) else (base["path"], base["ops"])
    if path != start or ops[: len(own)] != own:
        raise ValueError(f"not an edition of the view's image: {recipe}")
    return ops[len(own) :]
