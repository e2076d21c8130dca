"""Rewards a second for 3D boxes, against a floor: json.loads of the same texts alone.

Usage: python bench/rewards.py. N true boxes, as many predicted, some centimetres and degrees off, in a room of 6 x 2 x
6 m. Processor time; all run in turn in one process (goal: 2,000 a second at 5 x 5 on one core).
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from vstkit.geometry.dialects import format_boxes
from vstkit.rewards import reward

ROUNDS, SECONDS = 5, 0.2
LABELS = ("chair", "table", "lamp")


def question(chance: random.Random, n: int, labels: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    true, found = [], []
    for _ in range(n):
        center = [chance.uniform(-3, 3), chance.uniform(-1, 1), chance.uniform(1, 7)]
        sizes, turns = (
            [chance.uniform(0.3, 1.5) for _ in range(3)],
            [chance.uniform(-5, 5), chance.uniform(-90, 90), 0.0],
        )
        label = chance.choice(labels)
        true.append({"label": label, "box3d": [*center, *sizes, *turns]})
        near = [value + chance.gauss(0, 0.05) for value in (*center, *sizes)]
        found.append({"label": label, "box3d": [*near, *(angle + chance.gauss(0, 3) for angle in turns)]})
    return format_boxes(found), {"type": "boxes3d", "value": true}


def seconds(call: Callable[[str, dict[str, Any]], object], questions: list[tuple[str, dict[str, Any]]]) -> float:
    """Of one call, over whole rounds of the questions."""
    calls, began = 0, time.thread_time()
    while time.thread_time() - began < SECONDS:
        for text, answer in questions:
            call(text, answer)
        calls += len(questions)
    return (time.thread_time() - began) / calls


def main() -> None:
    calls: dict[str, Callable[[str, dict[str, Any]], object]] = {
        "json.loads": lambda text, answer: json.loads(text.strip("`json\n")),
        "reward": reward,
        "compat vst": lambda text, answer: reward(text, answer, compat="vst"),
    }
    chance = random.Random(0)
    print("boxes              json.loads       reward  compat vst   reward / json.loads")
    for n in (1, 3, 5, 10, 20, 50):
        for labels in (LABELS[:1], LABELS):
            questions = [question(chance, n, labels) for _ in range(40)]
            best = dict.fromkeys(calls, float("inf"))
            for _ in range(ROUNDS):
                for name, call in calls.items():
                    best[name] = min(best[name], seconds(call, questions))
            rates = "  ".join(f"{1 / took:9,.0f}/s" for took in best.values())
            ratio = best["reward"] / best["json.loads"]
            print(f"{n:2} x {n:2}, {len(labels)} label{'s' * (len(labels) > 1):1}  {rates}   {ratio:6.1f}")
    heavy = [name for name in ("torch", "scipy", "PIL") if name in sys.modules]
    print(f"imported of torch, scipy, PIL: {', '.join(heavy) or 'none'}")


if __name__ == "__main__":
    main()
