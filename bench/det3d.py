"""Time of `vstkit score` on a set as large as SUN RGB-D, and of its parts against the plain loops of the protocol.

    python bench/det3d.py [--images 5050] [--rounds 5] [--seed 0] [--write FILE]

The set is synthetic: ten categories, 2.6 questions an image, boxes of furniture size, and predictions that are close,
fair, poor or stray. The program is timed from start to end on prediction records, once with their boxes, as detect3d
writes them, and once with the text alone. The plain loops (`tests/reference_det3d.py`) do a part of it in the same run,
with the same IoU. With --write nothing is timed: the records are written to FILE.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vstkit.geometry.dialects import detection_prompt, format_boxes
from vstkit.geometry.iou import iou_pairs
from vstkit.lineio import encode
from vstkit.scoring import det3d, det3d_boxes, det3d_curves, det3d_matching

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference_det3d

CAMERA, SIZE = (529.5, 529.5, 365.0, 265.0), (730, 530)
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
                    "camera": CAMERA,
                    "size": SIZE,
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


def records(questions: list[det3d.Question], *, boxes: bool) -> Iterator[dict[str, Any]]:
    """The questions as prediction records, one each, with what a whole record of detect3d holds."""
    for question in questions:
        label = question["category"]
        true, found = (
            [{"label": label, "box3d": box} for box in np.asarray(question[field]).tolist()]
            for field in ("truth", "predicted")
        )
        text = detection_prompt([label], CAMERA, *SIZE)
        record = {
            "kind": "prediction",
            "id": f"sun/{question['image']}/{label}",
            "task": "det3d",
            "scene": f"sun/{question['image']}",
            "dataset": "sun",
            "messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
            "images": [f"sun/{question['image']}.jpg"],
            "answer": {"type": "boxes3d", "value": true},
            "meta": {"camera": CAMERA, "size": SIZE, "labels": [label], "dialect": "vst"},
            "response": format_boxes(found),
        }
        yield (
            {**record, "boxes3d": [{**box, "box2d": [100.5, 100.5, 200.5, 200.5]} for box in found]}
            if boxes
            else record
        )


# Run in a Python that is small itself: a child's peak cannot read below that of the process that starts it.
WATCH = """
import os, sys, time
start = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], {**os.environ, "OMP_NUM_THREADS": "1"})
_, status, usage = os.wait4(child, 0)
assert not status
print(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""


def time_program(path: Path, *options: str) -> list[float]:
    """Wall seconds, processor seconds and peak megabytes of `vstkit score`, from start to end."""
    program = [str(Path(sys.executable).with_name("vstkit")), "score", "--suite", "det3d", "-o", os.devnull]
    watch = [sys.executable, "-ISc", WATCH, *program, *options, str(path)]
    return [float(word) for word in subprocess.run(watch, check=True, capture_output=True).stdout.split()]


def time_parts(questions: list[det3d.Question], ties: det3d.Ties) -> dict[str, float]:
    """Seconds of each part of `evaluate`, and of the whole."""
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable, *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        value = function(*arguments, **options)
        seconds[name] = time.perf_counter() - start
        return value

    boxes = timed("flatten", det3d_boxes.flatten, questions, canonical=ties == "average")
    pairs, excused = timed("IoU", det3d_matching.overlaps, boxes, iou_pairs)
    counted = det3d_matching.judged(boxes, excused)[:, :1]
    curves = {"file": det3d_curves.in_file_order, "average": det3d_curves.over_orders}[ties]
    timed("match and curves, one depth range", lambda: list(curves(boxes, pairs, boxes.ignored[:, :1], counted)))
    timed("whole", det3d.evaluate, questions, ties=ties)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5050)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", metavar="FILE", type=Path)
    options = parser.parse_args()
    questions = synthetic_set(options.images, np.random.default_rng(options.seed))
    if options.write:
        options.write.write_bytes(b"".join(map(encode, records(questions, boxes=True))))
        return

    folder = Path(tempfile.mkdtemp())
    try:
        for name, boxes in (("boxes", True), ("text", False)):
            path = folder / f"{name}.jsonl"
            path.write_bytes(b"".join(map(encode, records(questions, boxes=boxes))))
            for ties in ("file", "average"):
                rounds = [time_program(path, "--ties", ties) for _ in range(options.rounds)]
                wall, processor, memory = map(statistics.median, zip(*rounds, strict=True))
                print(f"vstkit score, {name}, ties {ties}: {wall:.2f} s wall, {processor:.2f} s, {memory:.0f} MB")
    finally:
        shutil.rmtree(folder)

    for ties in ("file", "average"):
        found = det3d.evaluate(questions, ties=ties)
        print(f"\n{len(questions)} questions,", ", ".join(f"{n} {name}" for name, n in found["counts"].items()))
        numbers = {name: value for name, value in found["metrics"].items() if value is not None}
        print(" ".join(f"{name} {100 * value:.2f}" for name, value in numbers.items()))
        if found["spread"]:
            print(
                f"AP strays by {100 * found['spread']['AP']:.2f} over orders, known to {100 * found['error']['AP']:.3f}"
            )
        rounds = [time_parts(questions, ties) for _ in range(options.rounds)]
        print(f"ties={ties}: median of {options.rounds} rounds, ms")
        for name in rounds[0]:
            print(f"  {name:34}{1000 * statistics.median(r[name] for r in rounds):8.1f}")

    part = questions[: max(1, len(questions) // 10)]
    for protocol in ("vst", "omni3d"):
        start = time.perf_counter()
        slow = reference_det3d.evaluate(part, iou_pairs, protocol)
        middle = time.perf_counter()
        fast = det3d.evaluate(part, protocol=protocol)["metrics"]
        end = time.perf_counter()
        assert all(value is None or abs(value - fast[name]) < 1e-12 for name, value in slow.items())
        ratio = (middle - start) / (end - middle)
        print(f"\n{protocol}, the first {len(part)} questions: plain loops {middle - start:.2f} s, ratio {ratio:.0f}")


if __name__ == "__main__":
    main()
