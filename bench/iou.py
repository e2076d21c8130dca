"""Box IoU: pairs a second of `iou_matrix` on whole sets, against the same function called one pair at a time.

Usage: python bench/iou.py. Both run in turn in one process, so only their ratio is to be trusted (goal: at least 5).
"""

import time

import numpy as np

from vstkit.geometry.iou import iou_matrix

ROUNDS = 3
SINGLE_PAIRS = 1000


def boxes(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    centres, angles = rng.uniform(-spread, spread, (n, 3)), rng.uniform(-180, 180, (n, 3))
    return np.column_stack([centres, rng.uniform(0.3, 2.0, (n, 3)), angles])


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(name: str, sets: list[tuple[np.ndarray, np.ndarray]]) -> None:
    pairs = sum(len(a) * len(b) for a, b in sets)
    overlap = sum((iou_matrix(a, b) > 0).sum() for a, b in sets) / pairs
    rng = np.random.default_rng(1)
    single = []
    for _ in range(SINGLE_PAIRS):
        a, b = sets[rng.integers(len(sets))]
        i, j = rng.integers(len(a)), rng.integers(len(b))
        single.append((a[i : i + 1], b[j : j + 1]))

    whole, alone = [], []
    for _ in range(ROUNDS):
        whole.append(pairs / seconds(lambda: [iou_matrix(a, b) for a, b in sets]))
        alone.append(len(single) / seconds(lambda: [iou_matrix(a, b) for a, b in single]))
    rate, single_rate = np.median(whole), np.median(alone)
    print(
        f"{name:28} {overlap:4.0%} overlap  {rate:10,.0f} pairs/s  "
        f"one at a time {single_rate:7,.0f} pairs/s  ratio {rate / single_rate:6.1f}"
    )


def main() -> None:
    rng = np.random.default_rng(0)
    compare("100 x 100 dense", [(boxes(rng, 100, 0.7), boxes(rng, 100, 0.7))])
    compare("1000 scenes of 20 x 20", [(boxes(rng, 20, 3.0), boxes(rng, 20, 3.0)) for _ in range(1000)])


if __name__ == "__main__":
    main()
