"""The blind audit finds the biases that are planted, and nothing in samples without any."""

from __future__ import annotations

import random
import sys
from typing import Any

from support import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "bench"))

import blind


def samples(right: Any, n: int = 400) -> list[dict[str, Any]]:
    """Choices among three of six labels; `right` says which one is right of the labels, and draws."""
    rng = random.Random(0)
    made = []
    for i in range(n):
        names = [f"{label} at ({rng.randrange(600)}, {rng.randrange(400)})" for label in rng.sample(LABELS, 3)]
        options = dict(zip("ABC", names, strict=True))
        text = f"{i}: which of {', '.join(names)}?"
        made.append({
            "kind": "sample", "task": "which", "scene": f"room/{i}", "images": [f"{i}.png"],
            "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            "answer": {"type": "choice", "options": options, "value": right(options, rng)},
        })  # fmt: skip
    return made


LABELS = ["cup", "pot", "lamp", "sofa", "plant", "desk"]


def columns(held: list[dict[str, Any]]) -> dict[str, float]:
    head, row = blind.table(held)
    told = row.split()[1:]
    return {name: float(value.rstrip("%")) for name, value in zip(head.split()[1:], told, strict=True) if value != "-"}


def test_nothing_is_found_in_answers_by_chance() -> None:
    found = columns(samples(lambda options, rng: rng.choice(sorted(options))))
    assert found["chance"] == 33.3
    assert all(abs(found[name] - 33.3) < 9 for name in ("letter", "label", "longest", "place"))
    assert found["twice"] == 0


def test_planted_biases_are_found() -> None:
    assert columns(samples(lambda options, rng: rng.choice("AAAABC")))["letter"] > 55
    assert columns(samples(lambda options, _: max(options, key=lambda k: blind.bare(options[k]))))["label"] > 85
    assert columns(samples(lambda options, _: max(options, key=lambda k: len(options[k]))))["longest"] > 75
    lowest = samples(lambda options, _: max(options, key=lambda k: int(options[k].split()[-1][:-1])))
    assert columns(lowest)["place"] == 100
    assert columns(lowest + lowest[:7])["twice"] == 7
