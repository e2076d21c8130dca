"""Time of `vstkit.scoring.det3d` on a set as large as SUN RGB-D, and against the plain loops of the protocol.

    python bench/det3d.py [--images 5000] [--rounds 5] [--seed 0]

The set is synthetic: ten categories, 2.6 questions an image, boxes of furniture size, and predictions that are close,
fair, poor or stray. The plain loops (`tests/reference_det3d.py`) do a part of it in the same run, with the same IoU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vstkit.geometry.iou import iou_pairs
from vstkit.scoring import det3d

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference_det3d

SHARE = [0.06, 0.2, 0.08, 0.42, 0.02, 0.1, 0.03, 0.04, 0.04, 0.01]
SIZES = [
    (1.9, 0.9, 1.7),
    (1.2, 0.75, 0.8),
    (1.9, 0.8, 0.9),
    (0.6, 0.9, 0.6),
    (0.45, 0.75, 0.65),
    (1.4, 0.75, 0.7),
    (1.1, 1.0, 0.5),
    (0.5, 0.6, 0.45),
    (1.0, 1.8, 0.4),
    (1.6, 0.6, 0.8),
]


def synthetic_set(images: int, rng: np.random.Generator) -> list[det3d.Question]:
    """Questions whose numbers have two decimals, as those of the VST models."""
    questions: list[det3d.Question] = []
    for image in range(images):
        tilt = rng.normal((-12, 0), (6, 2))
        present, count = np.unique(rng.choice(10, max(1, rng.poisson(3.7)), p=SHARE), return_counts=True)
        for category, n in zip(present, count, strict=True):
            middle = rng.uniform((-1.5, -0.3, 1.5), (1.5, 1.0, 6.5))
            truth = boxes_around(middle, 0.8, SIZES[category], tilt, n, rng)
            noise = rng.choice([0.05, 0.15, 0.4], (n, 1), p=[0.4, 0.4, 0.2])
            hit = truth + noise * rng.normal(0, (1, 0.6, 1.5, 1, 1, 1, 5, 60, 2), (n, 9))
            hit[:, 3:6] = np.maximum(hit[:, 3:6], 0.05)
            stray = boxes_around(middle, 1.2, SIZES[category], tilt, rng.poisson(0.82), rng)
            predicted = np.concatenate([hit[rng.random(n) < 0.9], stray])
            rng.shuffle(predicted)
            questions.append(
                {
                    "image": image,
                    "category": f"category {category}",
                    "truth": truth.round(2),
                    "predicted": predicted.round(2),
                    "camera": (529.5, 529.5, 365.0, 265.0),
                    "height": 530,
                }
            )
    return questions


def boxes_around(
    middle: np.ndarray, spread: float, size: tuple[float, ...], tilt: np.ndarray, n: int, rng: np.random.Generator
) -> np.ndarray:
    """Boxes (n, 9) of one category: alike in size, upright in a camera tilted by pitch and roll."""
    centre = middle + rng.normal(0, (spread, 0.15 * spread, spread), (n, 3))
    centre[:, 2] = np.maximum(centre[:, 2], 0.8)
    angles = np.column_stack([np.full(n, tilt[0]), rng.uniform(-90, 90, n), np.full(n, tilt[1])])
    return np.concatenate([centre, size * rng.lognormal(0, 0.15, (n, 3)), angles], axis=1)


def time_parts(questions: list[det3d.Question], ties: det3d.Ties) -> dict[str, float]:
    """Seconds of each part of `evaluate`, and of the whole."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable, *arguments: object) -> object:
        start = time.perf_counter()
        value = function(*arguments)
        seconds[name] = time.perf_counter() - start
        return value

    boxes = timed("flatten", det3d.flatten, questions)
    timed("candidate pairs", det3d.candidate_pairs, boxes)
    pairs = timed("IoU (with candidate pairs)", det3d.overlaps, boxes, iou_pairs)
    rank, share = timed("rank", det3d.rank_predictions, boxes, pairs, ties)
    verdict = timed("match", det3d.match, boxes, pairs, rank)
    timed("accumulate", det3d.accumulate, boxes, verdict, rank, share, ties)
    timed("precision, recall, F1", det3d.pooled_scores, boxes, pairs)
    start = time.perf_counter()
    det3d.evaluate(questions, ties=ties)
    return seconds | {"whole": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    questions = synthetic_set(options.images, np.random.default_rng(options.seed))
    found = det3d.evaluate(questions)
    print(f"{len(questions)} questions,", ", ".join(f"{n} {name}" for name, n in found["counts"].items()))
    numbers = {name: value for name, value in found["metrics"].items() if value is not None}
    print(" ".join(f"{name} {100 * value:.2f}" for name, value in numbers.items()))

    for ties in ("file", "average"):
        rounds = [time_parts(questions, ties) for _ in range(options.rounds)]
        print(f"\nties={ties}: median of {options.rounds} rounds, ms")
        for name in rounds[0]:
            print(f"  {name:28}{1000 * statistics.median(r[name] for r in rounds):8.1f}")

    part = questions[: max(1, len(questions) // 10)]
    print(f"\nthe first {len(part)} questions, as plain loops and as vstkit, in turn")
    for ties in ("file", "average"):
        ratios = []
        for _ in range(2):
            start = time.perf_counter()
            slow = reference_det3d.evaluate(part, iou_pairs, ties)
            middle = time.perf_counter()
            fast = det3d.evaluate(part, ties=ties)["metrics"]
            end = time.perf_counter()
            ratios.append((middle - start) / (end - middle))
        assert all(value is None or abs(value - fast[name]) < 1e-12 for name, value in slow.items())
        print(f"  ties={ties}: {middle - start:.2f} s and {end - middle:.3f} s, ratio {statistics.median(ratios):.0f}")


if __name__ == "__main__":
    main()
