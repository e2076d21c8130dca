"""Speed of the generators that need boxes only: python bench/gen_box.py [SCENES.jsonl ...].

Samples a second on one core, from lines of scenes with evidence written in to lines of samples; against reading the
same scenes and writing the same samples alone, in the same run. Without arguments, on random rooms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vstkit import evidence
from vstkit.tasks import asking

ROUNDS = 5
GOAL = 5000
MODULES = ("distance", "measure", "detection")
LABELS = ("cup", "pot", "lamp", "sofa", "plant", "desk", "chair", "chair", "chair", "box", "shelf", "bed")


def rooms(count: int = 20, objects: int = 16) -> Iterator[bytes]:
    """Scenes with two views each of upright boxes, and what these show."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from room import look_at, write_scene

    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            rng = np.random.default_rng(seed)
            at, size = rng.uniform([-3, -1, 1], [3, 1, 6], (objects, 3)), rng.uniform(0.2, 0.8, (objects, 3))
            boxes = np.hstack([at, size, rng.uniform(0, 360, (objects, 1)) * [0, 1, 0]])
            labels = [LABELS[i % len(LABELS)] for i in range(objects)]
            views = [((262.0, 262.0, 159.5, 119.5), 320, 240, pose) for pose in (None, look_at((-1, -1, 0), (0, 0, 3)))]
            scene = write_scene(Path(folder), boxes, labels, views, name=f"room{seed}")
            yield orjson.dumps(evidence.annotate(scene, Counter(), root=folder)[0])


def generate(make: Callable[..., Iterable[dict[str, Any]]], lines: list[bytes]) -> list[bytes]:
    tally: Counter[str] = Counter()
    return [orjson.dumps(one) for line in lines for one in make(orjson.loads(line), tally)]


def floor(made: list[dict[str, Any]], lines: list[bytes]) -> None:
    for line in lines:
        orjson.loads(line)
    for one in made:
        orjson.dumps(one)


def seconds(function: Callable[..., Any], *arguments: Any) -> float:
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def main() -> None:
    lines = [line for name in sys.argv[1:] for line in Path(name).read_bytes().splitlines()] or list(rooms())
    print(f"{len(lines)} scenes, best of {ROUNDS} rounds; goal {GOAL} samples/s")
    for module in MODULES:
        make = asking.maker(module)
        made = [orjson.loads(line) for line in generate(make, lines)]
        took, least = float("inf"), float("inf")
        for _ in range(ROUNDS):
            took, least = min(took, seconds(generate, make, lines)), min(least, seconds(floor, made, lines))
        rates = f"{len(made) / took:8,.0f} samples/s, reading and writing alone {len(made) / least:10,.0f}"
        print(f"{asking.of(module).COMMAND:14} {len(made):6,} samples: {rates} ({least / took:.1%})")


if __name__ == "__main__":
    main()
