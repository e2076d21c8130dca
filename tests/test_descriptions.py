"""Descriptions, each read again and held against every object of the view by code that shares nothing with theirs."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from support import shared
from test_relations import UP, axes_of, corners_of, dining, room, see, standing
from vstkit import evidence
from vstkit.chance import Chance
from vstkit.records import Object, Scene
from vstkit.relations import graph as relations
from vstkit.relations.descriptions import describe
from vstkit.synth import plans, scenes
from vstkit.tasks.common import askable
from vstkit.validation import parse

FORMS = {
    "on": re.compile(r"(?P<label>.+) on the (?P<anchor>.+)"),
    "in": re.compile(r"(?P<label>.+) in the (?P<anchor>.+)"),
    "next to": re.compile(r"(?P<label>.+) next to the (?P<anchor>.+)"),
    "most": re.compile(
        r"(?P<most>tallest|shortest|largest|smallest|leftmost|rightmost|nearest|farthest) (?P<label>.+)"
    ),
}
MEASURES = {
    "tallest": lambda s, up: np.ptp(corners_of(s.box) @ up),
    "largest": lambda s, up: s.box[3:6].max(),
    "rightmost": lambda s, up: (s.box2d[0] + s.box2d[2]) / 2,
    "farthest": lambda s, up: s.depth,
}
OPPOSITE = {"shortest": "tallest", "smallest": "largest", "leftmost": "rightmost", "nearest": "farthest"}


def gap(a, b):
    system = np.hstack([axes_of(a) * a[3:6] / 2, -axes_of(b) * b[3:6] / 2])
    found = lsq_linear(system, b[:3] - a[:3], (-1, 1), method="bvls")
    return np.linalg.norm(system @ found.x - (b[:3] - a[:3]))


def called(label, present):
    """Everything that may be in view and whose label has all the words, or is part of the words."""
    words = set(label.split())
    return [
        s
        for s in present
        if s.state != "hidden" and (words & set(s.object.label.split()) in (words, set(s.object.label.split())))
    ]


def fits(text, present, up):
    """The objects that a description may be about, by a reader who is not strict."""
    for form, pattern in FORMS.items():
        found = pattern.fullmatch(text)
        if not found:
            continue
        those = called(found["label"], present)
        if form == "most":
            most = found["most"]
            sign = -1 if most in OPPOSITE else 1
            values = [sign * MEASURES[OPPOSITE.get(most, most)](s, up) for s in those]
            assert len(values) == 1 or np.diff(np.sort(values)[-2:])[0] > 1e-6
            return [those[int(np.argmax(values))]]
        (anchor,) = called(found["anchor"], present)
        limit = {"on": 0.1, "in": 0.0, "next to": max(0.3, 0.5 * anchor.box[3:6].mean() + 0.25)}[form]
        return [s for s in those if s is not anchor and gap(s.box, anchor.box) <= limit + 1e-6]
    return called(text, present)


def checked(present, graph, up):
    """How many descriptions of each kind there are, all of them right."""
    count = Counter()
    for s in present:
        texts = describe(s, present, graph)
        assert len(set(texts)) == len(texts)
        assert s.state == "seen" or not texts
        for text in texts:
            (only,) = fits(text, present, up)
            assert only is s, (text, only.object.id, s.object.id)
            count[next((form for form, p in FORMS.items() if p.fullmatch(text)), "label")] += 1
    return count


def with_depths(seen):
    return [
        replace(s, depth=float(s.box[2]), near=float(corners_of(s.box)[:, 2].min()))
        if corners_of(s.box)[:, 2].min() > 0
        else s
        for s in seen
    ]


def test_random_rooms():
    count = Counter()
    for seed in range(150):
        seen, up = room(seed)
        rng = np.random.default_rng(seed)
        states = rng.choice(["seen", "seen", "seen", "hardly", "hidden"], len(seen))
        present = [replace(s, state=str(state)) for s, state in zip(with_depths(seen), states, strict=True)]
        graph = relations.build([s for s in present if s.state == "seen"], up, others=present)
        count += checked(present, graph, up)
    assert min(count[form] for form in ("label", "most", "on", "next to", "in")) >= 5


def test_synthetic_rooms():
    count = Counter()
    for number in range(12):
        things = plans.furnished(Chance("descriptions", number)).placed
        made = [scenes._object(thing, i) for i, thing in enumerate(things)]
        present = [see(i, t["label"], t["box3d"], stuff=t.get("stuff", False)) for i, t in enumerate(made)]
        graph = relations.build(present, [0, 0, 1])
        count += checked(present, graph, np.array([0.0, 0, 1]))
    assert count["on"] >= 10


@pytest.mark.parametrize("moment", [0, 1])
def test_the_kitchen(moment):
    folder = shared() / "scenes" / "adt"
    scene = parse(json.loads((folder / "scenes.jsonl").read_text().splitlines()[moment]), Scene)
    for view in range(3):
        present = evidence.look(scene, view, str(folder))
        up = np.array(scene.views[view].pose)[:3, :3].T @ scene.up
        graph = relations.build(askable(present, Counter()), up, others=present)
        assert checked(present, graph, up).total() >= 15


def two_chairs(**changes):
    one, other = see(0, "chair", standing(-1, 3, 0.5, 0.9, 0.5)), see(1, "chair", standing(1, 3, 0.5, 0.9, 0.5))
    table = see(2, "table", standing(-1.7, 3, 0.7, 0.7, 0.7))
    return [one, replace(other, **changes), table]


def described(present, which=0, up=UP, avoid=()):
    seen = [s for s in present if s.state == "seen"]
    return describe(present[which], present, relations.build(seen, up, others=present), avoid)


def test_the_best_comes_first():
    assert described(two_chairs()) == ["chair next to the table", "leftmost chair"]
    assert described(two_chairs(), 1) == ["rightmost chair"]
    assert described(two_chairs(), 2)[0] == "table"
    cup = see(3, "cup", standing(-1.7, 3, 0.1, 0.1, 0.1, bottom=0.7))
    assert described([*two_chairs(), cup], 3) == ["cup", "cup on the table"]


def test_a_rival_that_is_hardly_seen_or_unsure_counts():
    assert described(two_chairs(state="hardly")) == described(two_chairs())
    # Where nobody knows where the other one shows, it may be farther to the left.
    assert described(two_chairs(state="unsure", box2d=())) == ["chair next to the table"]
    assert described(two_chairs(state="unsure", box2d=(), box=None)) == []
    assert described(two_chairs(state="hidden"))[0] == "chair"
    assert described(two_chairs(state="hardly"), 1) == []


def test_a_rival_nearly_as_close_spoils_next_to():
    near, far = (
        [*two_chairs()[:1], see(1, "chair", standing(-1.7, 3 + z, 0.5, 0.9, 0.5)), two_chairs()[2]] for z in (1.1, 1.4)
    )
    assert "chair next to the table" not in described(near)
    assert "chair next to the table" in described(far)


def test_an_anchor_needs_a_name_of_its_own():
    second = see(3, "coffee table", standing(2, 5, 0.7, 0.5, 0.7))
    assert described([*two_chairs(), second]) == ["leftmost chair"]


def test_what_gives_the_answer_away_is_left_out():
    present = with_depths(dining())
    present[1] = replace(present[1], depth=2.0, near=1.9)
    whole = described(present, 1)
    assert {"nearest cup", "leftmost cup"} <= set(whole)
    assert [t for t in whole if t not in described(present, 1, avoid={"depth"})] == ["nearest cup"]
    assert [t for t in whole if t not in described(present, 1, avoid={"side"})] == ["leftmost cup"]
    chair = described(two_chairs(), avoid={"distance", "side", "size", "depth", "place"})
    assert chair == []


def test_the_nearest_leads_by_a_margin_in_both_depths():
    for depth, near, holds in ((2.7, 2.5, True), (2.95, 2.5, False), (2.7, 2.85, False)):
        present = [replace(s, depth=3.0, near=2.8) for s in two_chairs()]
        present[0] = replace(present[0], depth=depth, near=near)
        assert ("nearest chair" in described(present)) == holds


def test_without_metres_sides_are_left():
    present = with_depths(two_chairs())
    assert describe(present[0], present, relations.build(present, UP, metric=False)) == ["leftmost chair"]


def test_captions():
    def captioned(*captions):
        present = two_chairs()
        return [
            replace(s, object=Object(s.object.id, s.object.label, **({"caption": c} if c else {})))
            for s, c in zip(present, captions, strict=True)
        ]

    assert described(captioned("A red chair.", "a blue chair", ""))[0] == "red chair"
    for other in ("", "the red chair", "a red chair with arms", "chair"):
        assert "red chair" not in described(captioned("A red chair.", other, ""))
    assert "red chair near the wall" in described(captioned("red chair near the wall", "blue chair", ""))
    assert "red chair near the wall" not in described(
        captioned("red chair near the wall", "blue chair", ""), avoid={"depth"}
    )
