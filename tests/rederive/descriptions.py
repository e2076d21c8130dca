"""Which objects a description fits: "cup on the desk", "leftmost chair", or the scene's own caption."""

from __future__ import annotations

import re

import numpy as np

from rederive.relations import beside, heights, inside, near, on
from rederive.sight import Sight, distance
from rederive.words import alike, bare

MOST = re.compile(r"(?P<word>leftmost|rightmost|tallest|shortest|largest|smallest|nearest|farthest) (?P<label>.+)")
PLACED = re.compile(r"(?P<label>.+) (?P<word>on|in|next to) the (?P<anchor>.+)")


def fitting(sight: Sight, name: str) -> list[str]:
    """Ids of the objects in view that it fits, or nearly."""
    visible = [i for i in sight.things if sight.pixels(i) > 0]
    if found := [i for i in visible if bare(sight.things[i].get("caption", "")) == bare(name)]:
        return found
    if held := MOST.fullmatch(name):
        return _most(sight, held["word"], [i for i in visible if alike(held["label"], sight.things[i]["label"])])
    if held := PLACED.fullmatch(name):
        anchors = [i for i in visible if alike(held["anchor"], sight.things[i]["label"])]
        kind = [i for i in visible if alike(held["label"], sight.things[i]["label"])]
        if len(anchors) == 1 and kind:
            return _placed(sight, kind, held["word"], *anchors)
    return [i for i in visible if alike(name, sight.things[i]["label"])]


def _most(sight: Sight, word: str, kind: list[str]) -> list[str]:
    """The one that leads, and with it those that are hardly behind."""
    if word in ("leftmost", "rightmost"):
        middles = {i: float(np.mean(sight.extent(i)[[0, 2]])) for i in kind}
        first = (min if word == "leftmost" else max)(kind, key=middles.__getitem__)
        width = float(np.diff(sight.extent(first)[[0, 2]])[0])
        return [first, *(i for i in kind if i != first and abs(middles[i] - middles[first]) < 0.45 * width)]
    values = {i: _value(sight, word, i) for i in kind}
    first = (min if word in ("shortest", "smallest", "nearest") else max)(kind, key=values.__getitem__)
    factor = 1.09 if word in ("nearest", "farthest") else 1.24
    close = [i for i in kind if i != first and 1 / factor < values[i] / values[first] < factor]
    return [first, *close]


def _value(sight: Sight, word: str, thing: str) -> float:
    if word in ("tallest", "shortest"):
        return float(np.ptp(heights(sight, thing)))
    if word in ("largest", "smallest"):
        return float(sight.bodies[thing].half.max())
    return sight.median(thing)


def _placed(sight: Sight, kind: list[str], word: str, anchor: str) -> list[str]:
    """Those so close to the anchor that the words may be said of them; none if they are true of none."""
    rule = {"on": on, "in": inside, "next to": beside}[word]
    least = {i: 1.9 * near(sight, i, anchor) if word == "next to" else 0.09 for i in kind}
    close = [i for i in kind if i != anchor and distance(sight.bodies[i], sight.bodies[anchor]) < least[i]]
    return close if any(not rule(sight, i, anchor) for i in close) else []
