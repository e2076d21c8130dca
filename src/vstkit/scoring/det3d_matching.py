"""Which predictions find which truths: overlaps, and the greedy matching of pycocotools, for all questions at once.

Axes of arrays: D predicted boxes, G truth boxes, P pairs of a prediction and a truth of one question, A depth ranges,
T IoU thresholds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vstkit.scoring.det3d_boxes import FARTHEST, NEAREST, Bools, Boxes, Floats, Ints

Iou = Callable[[Floats, Floats], Floats]

IOU_THRESHOLDS = np.linspace(0.05, 0.5, 10)
PROXIMITY = 0.3  # 2D IoU above which a prediction is near a truth


class Pairs(NamedTuple):
    """Predictions and truths of one question that overlap by the lowest threshold or more."""

    predicted: Ints  # (P,)
    truth: Ints  # (P,)
    iou: Floats  # (P,)

    def take(self, which: Bools | Ints) -> Pairs:
        return Pairs(self.predicted[which], self.truth[which], self.iou[which])


class Verdict(NamedTuple):
    """Which predictions are right and which are wrong; those that are neither do not count."""

    right: Bools  # (A, T, D)
    wrong: Bools  # (A, T, D)


def candidate_pairs(boxes: Boxes) -> tuple[Ints, Ints]:
    """Indices (n,), (n,) of every prediction with every truth of its question."""
    by_question = np.argsort(boxes.truth_question, kind="stable")
    count = np.bincount(boxes.truth_question, minlength=len(boxes.category))
    each = count[boxes.predicted_question]
    first = (np.cumsum(count) - count)[boxes.predicted_question] - (np.cumsum(each) - each)
    return np.repeat(np.arange(len(each)), each), by_question[np.arange(each.sum()) + np.repeat(first, each)]


def overlaps(boxes: Boxes, iou: Iou) -> tuple[Pairs, Bools]:
    """The candidate pairs that overlap enough, and which predictions (D,) are excused: far from all truths.

    Proximity is asked for by the question; without a truth in the question nothing is excused, as in the official code.
    """
    predicted, truth = candidate_pairs(boxes)
    excused = np.zeros(len(boxes.predicted), dtype=bool)
    asked = boxes.proximity[boxes.predicted_question[predicted]]
    if asked.any():
        near = ~asked
        near[asked] = _iou_2d(boxes.predicted_2d[predicted[asked]], boxes.truth_2d[truth[asked]]) > PROXIMITY
        excused[predicted] = True
        excused[predicted[near]] = False
        predicted, truth = predicted[near], truth[near]
    value = iou(boxes.predicted[predicted], boxes.truth[truth])
    keep = value >= IOU_THRESHOLDS[0]
    return Pairs(predicted[keep], truth[keep], value[keep]), excused


def _iou_2d(a: Floats, b: Floats) -> Floats:
    """IoU (n,) of rectangles x0, y0, x1, y1 (n, 4); 0 where one is not known."""
    shared = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared_area = np.maximum(shared, 0).prod(1)
    first, second = (np.maximum(box[:, 2:] - box[:, :2], 0).prod(1) for box in (a, b))
    union = first + second - shared_area
    result: Floats = np.divide(shared_area, union, out=np.zeros(len(a)), where=union > 0)
    return result


def judged(boxes: Boxes, excused: Bools) -> Bools:
    """Which predictions (D, A) are wrong if they match nothing: those in the depth range that are not excused."""
    z = boxes.predicted[:, 2:3]
    inside: Bools = ((z >= NEAREST) & (z <= FARTHEST)) | ~np.isfinite(z)
    return inside & ~excused[:, None]


def match(pairs: Pairs, rank: Ints, ignored: Bools, counted: Bools) -> Verdict:
    """Let predictions take truths, in the order of `rank` (D,), which need not be dense.

    Each takes the free truth of greatest IoU at or above the threshold: one that counts before one that is `ignored`
    (G, A), the later of equals. Those that take an ignored truth are neither right nor wrong, and those that take
    none are wrong where they are `counted` (D, A). Predictions of one rank must not compete, so that a round serves
    all questions. (pycocotools' bound min(t, 1 - 1e-10) is t here.)
    """
    order = np.lexsort((pairs.predicted, rank[pairs.predicted]))
    predicted, truth, iou = pairs.take(order)
    n = len(order)
    by_strength = np.lexsort((truth, iou))
    strength = np.zeros(n, dtype=np.intp)
    strength[by_strength] = np.arange(n)
    choice = strength[:, None] + n * ~ignored[truth]  # (P, A), no two equal for one A
    above = iou[:, None] >= IOU_THRESHOLDS  # (P, T)
    taken = np.zeros((*ignored.shape, len(IOU_THRESHOLDS)), dtype=bool)
    wrong = np.repeat(counted[:, :, None], len(IOU_THRESHOLDS), axis=2)
    right = np.zeros_like(wrong)
    for first, last in pairwise([*runs(rank[predicted]), n]):
        rows = slice(first, last)
        free = above[rows, None] & ~taken[truth[rows]]
        best = np.maximum.reduceat(np.where(free, choice[rows, :, None], -1), runs(predicted[rows]))
        won, a, t = np.nonzero(best >= 0)
        value = best[won, a, t]
        pair = by_strength[value % n]
        taken[truth[pair], a, t] = True
        wrong[predicted[pair], a, t] = False
        right[predicted[pair], a, t] = value >= n
    return Verdict(*(np.ascontiguousarray(each.transpose(1, 2, 0)) for each in (right, wrong)))


def ranks(question: Ints, *keys: NDArray[np.generic]) -> Ints:
    """Rank (D,) of each prediction in its question, from 0, by falling importance of `keys`, the first first."""
    order, n = np.lexsort((*keys[::-1], question)), len(question)
    start = runs(question[order])
    rank = np.zeros(n, dtype=np.intp)
    rank[order] = np.arange(n) - np.repeat(start, np.diff(start, append=n))
    return rank


def ranks_by_overlap(boxes: Boxes, pairs: Pairs) -> Ints:
    """Rank (D,) in the question by falling best IoU, whatever the scores: it does not depend on the input's order."""
    best = np.zeros(len(boxes.predicted))
    np.maximum.at(best, pairs.predicted, pairs.iou)
    return ranks(boxes.predicted_question, -best, *boxes.predicted.T[::-1])


def runs(*keys: NDArray[np.generic]) -> Ints:
    """First index of each run of equal entries in sorted arrays (n,)."""
    change = np.ones(len(keys[0]), dtype=bool)
    change[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.flatnonzero(change)
