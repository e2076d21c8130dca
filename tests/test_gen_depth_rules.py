"""What must and must not change depth questions, on scenes that carry their evidence."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from typing import Any

import pytest

import known
from room import look_at
from support import generated, run
from vstkit.chance import Chance
from vstkit.tasks import depth, depth_order

POSE = look_at((0.3, -1.4, -2.0), (0.0, 0.0, 1.5))
ALL = list(depth.TASKS)
Record = dict[str, Any]


def question(one: Record) -> str:
    return str(one["messages"][0]["content"][1]["text"])


def reply(one: Record) -> str:
    return str(one["messages"][1]["content"][0]["text"])


def test_what_is_nearer_only_by_the_axis_is_not_asked_about() -> None:
    """Along the axis the pot at the border is nearer, along the straight way the cup in the middle."""
    scene = known.scene(0, 2)
    scene["views"][0]["camera"] = [250.0, 250.0, 319.5, 239.5]
    for thing, (u, z) in zip(scene["objects"], [(319.5, 2.0), (620, 1.75)], strict=True):
        thing["seen"][0] |= {"point": [u, 239.5], "box2d": [u - 9, 230, u + 9, 250]}
        thing["seen"][0] |= {"depth": z, "near": z, "point_depth": z}
    assert not generated("depth", scene)
    scene["objects"][1]["seen"][0] |= {"depth": 1.0, "near": 1.0, "point_depth": 1.0}
    samples = generated("depth", scene)
    assert {one["task"] for one in samples} == set(ALL) - {"depth-points", "depth-value"}
    for one in samples:
        assert one["meta"]["ranges"] == pytest.approx(
            [z * math.hypot(u / 250, 1) for z, u in ((2, 0), (1, 300.5))][
                :: 1 if one["meta"]["objects"][0] == "o1" else -1
            ],
            abs=1e-3,
        )


@pytest.mark.parametrize("which", ["depth", "near"])
def test_margins_hold_in_both_measures(which: str) -> None:
    scene = known.scene(0, 2)
    for thing, z in zip(scene["objects"], (2.0, 4.0), strict=True):
        thing["seen"][0] |= {"depth": z, "near": z, "point_depth": z, "point": [300, 200]}
    assert len(generated("depth", scene, forms=["text"], per_view=9)) == 4
    scene["objects"][1]["seen"][0][which] = 2.15
    assert not generated("depth", scene, forms=["text"])
    assert generated("depth", scene, forms=["text"], min_ratio=0.07)
    # The same difference from the other side.
    for thing, z in zip(scene["objects"], (2.15, 2.0), strict=True):
        thing["seen"][0][which] = z
    assert not generated("depth", scene, forms=["text"], min_ratio=0.07)
    for thing, z in zip(scene["objects"], (4.0, 2.0), strict=True):
        thing["seen"][0] |= {"depth": z, "near": z}
    assert generated("depth", scene, forms=["text"])
    scene["objects"][0]["seen"][0][which] = 2.15
    assert not generated("depth", scene, forms=["text"])


def answers(samples: list[Record]) -> list[Any]:
    """What is asked and answered, less pixels written out."""
    return [
        (one["id"], one["meta"]["objects"], json.loads(re.sub(r"[\[(]\d+(, \d+)+[\])]", "", json.dumps(one["answer"]))))
        for one in samples
    ]


def test_a_mirror_changes_no_depth() -> None:
    count = 0
    for seed in range(20):
        held = known.scene(seed, 8)
        plain, other = generated("depth", held), generated("depth", known.mirrored(held))
        assert answers(plain) == answers(other)
        count += len(plain)
        for a, b in zip(plain, other, strict=True):
            if a["flip_safe"]:
                assert question(a) == question(b)
                assert reply(a) == reply(b)
    assert count > 250


def test_scale_and_turning_change_nothing() -> None:
    for seed in range(10):
        held = known.scene(seed, 8)
        plain = generated("depth", held, min_gap=0.1)
        assert answers(generated("depth", known.scaled(held, 4), min_gap=0.4)) == answers(plain)
        turned = {**held, "views": [{**view, "pose": POSE} for view in held["views"]], "up": [0, -1, 0]}
        assert generated("depth", turned) == plain


def test_captions_name_what_the_scene_describes() -> None:
    """Captions stand without their article; what two have says nothing of either, nor may depth be told."""
    scene = known.scene(3, 5)
    captions = [
        "the cup with the handle broken",
        "A pot of basil.",
        "lamp by the door",
        "lamp by the door",
        "the nearest seat",
    ]
    for thing, caption in zip(scene["objects"], captions, strict=True):
        thing["caption"] = caption
    samples = generated("depth", scene, forms=["caption"], per_view=20, min_gap=0, min_ratio=0.001)
    assert {one["task"] for one in samples} == set(ALL) - {"depth-points", "depth-value"}
    told = " ".join(question(one) + str(one["answer"]) for one in samples)
    assert "the cup with the handle broken" in told
    assert "the pot of basil" in told
    assert not re.search(r"the (the|a) |basil\.[^\s\"']|by the door|nearest seat", told, re.IGNORECASE)
    assert not any(one["flip_safe"] for one in samples)


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_options_do_not_tell_which_order_is_right(n: int) -> None:
    """The order that is most like the others, and the one that is least like them, are right as often as any other."""
    alike, unlike, places = 0.0, 0.0, 2 if n == 2 else 4
    rounds = 2000
    for i in range(rounds):
        chance = Chance(n, i)
        right = tuple(chance.shuffled(range(n)))
        options = depth_order.others(right, chance)
        assert len(set(options)) == places
        assert all(sorted(one) == list(range(n)) for one in options)
        swaps = [sum(_apart(a, b) for b in options) for a in options]
        mine = swaps[options.index(right)]
        alike += (mine == min(swaps)) / swaps.count(min(swaps))
        unlike += (mine == max(swaps)) / swaps.count(max(swaps))
    noise = 3.5 * math.sqrt(rounds * (1 / places) * (1 - 1 / places))
    assert abs(alike - rounds / places) < noise
    assert abs(unlike - rounds / places) < noise


def _apart(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Pairs that two orders have the other way round."""
    return sum((a.index(i) < a.index(j)) != (b.index(i) < b.index(j)) for i, j in combinations(range(len(a)), 2))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--forms", "text,mask"], "--forms: expected some of text, box, point, text-box, text-point, caption"),
        (["--forms", ","], "--forms: expected some of"),
        (["--min-gap", "-1"], "--min-gap"),
        (["--min-ratio", "much"], "--min-ratio"),
        (["--patch", "-28"], "--patch"),
        (["--per-view", "1.5"], "--per-view"),
    ],
)
def test_options_that_make_no_sense(options: list[str], told: str) -> None:
    process = run("gen-depth", *options)
    assert process.returncode == 2
    assert told in process.stderr.decode()
