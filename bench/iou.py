"""Box IoU: pairs a second on one core, against a floor in the same run and against pytorch3d's rate.

Usage: python bench/iou.py. The floor is the IoU of the same pairs as if no box were turned: a few lines of numpy, or of
Python for `iou_plain`. It alternates with the exact IoU, in processor time, so that their ratio is to be trusted.
pytorch3d is not installed for this: `PEER` has rates of its `iou_box3d` on such boxes (CPU build of main at 9381c401,
one thread, two shared cores of an Intel Xeon with AVX-512); that column is only as good as the machines are alike.
Goals: 8 times the peer on dense sets, 20 times on scenes, and 5 x 5 boxes in less than half a millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vstkit.geometry import iou_plain
from vstkit.geometry.iou import iou_matrix, iou_pairs

ROUNDS = 5
PEER = {"dense": 20_000, "scenes": 54_000}  # pairs a second

Array = np.ndarray[Any, np.dtype[np.float64]]


def boxes(rng: np.random.Generator, n: int, spread: float) -> Array:
    centres, angles = rng.uniform(-spread, spread, (n, 3)), rng.uniform(-180, 180, (n, 3))
    return np.column_stack([centres, rng.uniform(0.3, 2.0, (n, 3)), angles])


def answers(rng: np.random.Generator, n: int) -> tuple[list[list[float]], list[list[float]]]:
    """True boxes of one kind in one picture, and a fair answer, with two decimals as models write them."""
    places = rng.uniform([-2, -0.3, 2], [2, 1, 6], (n, 3))
    true = np.column_stack(
        [places, rng.uniform(0.4, 1.5, (n, 3)), np.full(n, -12), rng.uniform(-90, 90, n), np.ones(n)]
    )
    noise = rng.normal(size=true.shape) * [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 1, 5, 1]
    return (true + noise).round(2).tolist(), true.round(2).tolist()


def unturned(a: Array, b: Array) -> Array:
    low = np.maximum(a[..., :3] - a[..., 3:6] / 2, b[..., :3] - b[..., 3:6] / 2)
    high = np.minimum(a[..., :3] + a[..., 3:6] / 2, b[..., :3] + b[..., 3:6] / 2)
    shared = np.maximum(high - low, 0).prod(axis=-1)
    return shared / (a[..., 3:6].prod(axis=-1) + b[..., 3:6].prod(axis=-1) - shared)


def unturned_plain(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    def one(p: list[float], q: list[float]) -> float:
        shared = 1.0
        for i in range(3):
            low, high = max(p[i] - p[i + 3] / 2, q[i] - q[i + 3] / 2), min(p[i] + p[i + 3] / 2, q[i] + q[i + 3] / 2)
            shared *= max(high - low, 0.0)
        return shared / (p[3] * p[4] * p[5] + q[3] * q[4] * q[5] - shared)

    return [[one(p, q) for q in b] for p in a]


def unturned_matrix(a: Array, b: Array) -> Array:
    return unturned(a[:, None], b)


def compare(name: str, exact: Callable[..., Any], floor: Callable[..., Any], sets: Sequence[tuple[Any, Any]]) -> float:
    """Prints a row but for its last column, and returns the seconds that the exact IoU of all sets takes."""
    values = [np.array(exact(a, b)) for a, b in sets]
    pairs = sum(value.size for value in values)
    overlap = sum((value > 0).sum() for value in values) / pairs
    seconds: dict[Callable[..., Any], list[float]] = {exact: [], floor: []}
    for _ in range(ROUNDS):
        for function, taken in seconds.items():
            start = time.process_time()
            for a, b in sets:
                function(a, b)
            taken.append(time.process_time() - start)
    best, bare = np.median(seconds[exact]), np.median(seconds[floor])
    print(f"{name:40} {overlap:4.0%} overlap {pairs / best:11,.0f} pairs/s {bare / best:6.1%} of the floor", end="")
    return float(best)


def main() -> None:
    rng = np.random.default_rng(0)
    for kind, scenes, count, spread in (("dense", 1, 100, 0.95), ("dense", 200, 20, 0.95), ("scenes", 1000, 20, 3.0)):
        sets = [(boxes(rng, count, spread), boxes(rng, count, spread)) for _ in range(scenes)]
        first = np.concatenate([np.repeat(a, count, axis=0) for a, _ in sets])
        second = np.concatenate([np.tile(b, (count, 1)) for _, b in sets])
        name = f"{kind}: {scenes} x {count} x {count}"
        for how, exact, floor, given in (
            ("each by iou_matrix", iou_matrix, unturned_matrix, sets),
            ("all by iou_pairs", iou_pairs, unturned, [(first, second)]),
        ):
            seconds = compare(f"{name}, {how}", exact, floor, given)
            print(f" {len(first) / seconds / PEER[kind]:6.1f} x pytorch3d")
    for n in (1, 3, 5):
        rewards = [answers(rng, n) for _ in range(300)]
        seconds = compare(f"answers: {n} x {n}, iou_plain", iou_plain.iou_matrix, unturned_plain, rewards)
        print(f" {seconds / len(rewards) * 1e3:6.3f} ms each")


if __name__ == "__main__":
    main()
