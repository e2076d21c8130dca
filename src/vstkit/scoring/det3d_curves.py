"""Precision and recall of one category at a time, in the order of the file and over random orders.

Axes of arrays: K orders, A depth ranges, T IoU thresholds, M limits on the predictions of a question, R sampled
recalls, S predictions of one category, N curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vstkit.scoring.det3d_boxes import Bools, Boxes, Floats, Ints
from vstkit.scoring.det3d_matching import Pairs, Verdict, match, ranks, runs

RECALLS = np.linspace(0, 1, 101)
LIMITS = np.array([1, 10, 100])

WORK = 1 << 22  # predictions that random orders place and recalls that they sample, all categories together
LEAST, MOST = 16, 1 << 11  # random orders of a category
AT_ONCE = 1 << 16  # of it at once, which bounds the memory


class Numbers(NamedTuple):
    """What one category comes to in each of K orders; NaN where it has no truth in a range."""

    ap: Floats  # (K, A, T)
    ar: Floats  # (K, A, M, T)


def in_file_order(boxes: Boxes, pairs: Pairs, ignored: Bools, counted: Bools) -> Iterator[Numbers]:
    """Each category as the official evaluation takes it: by falling score, equal ones as they stand in the input."""
    rank = ranks(boxes.predicted_question, -boxes.scores)
    verdict = match(pairs, rank, ignored, counted)
    category = boxes.category[boxes.predicted_question]
    order = np.lexsort((rank, boxes.predicted_question, -boxes.scores, category))
    for c, positives in enumerate(_positives(boxes, ignored)):
        rows = order[np.searchsorted(category[order], c) : np.searchsorted(category[order], c, side="right")]
        right, wrong = (each[:, :, None, rows] for each in verdict)
        yield _measure(right, wrong, rank[None, rows], positives)


def over_orders(boxes: Boxes, pairs: Pairs, ignored: Bools, counted: Bools) -> Iterator[Numbers]:
    """Each category in many random orders of the input: of its questions, and of the predictions in each.

    Scores stay what they are, so that only ties are broken. Each order is as likely as any other and comes with its
    reverse, which makes the mean steadier. The fewer predictions a category has, the more orders it gets, since its
    numbers stray more. `boxes` are canonical: the orders then depend on nothing but what is in them.
    """
    first = np.searchsorted(boxes.predicted_question, np.arange(len(boxes.category) + 1))
    rank = np.arange(len(boxes.predicted)) - first[boxes.predicted_question]
    settled = match(pairs, rank, ignored, counted)
    # Only predictions that share a truth with others can fare otherwise in another order.
    shared = np.bincount(pairs.truth, minlength=len(boxes.truth))[pairs.truth] > 1
    open_ = np.zeros(len(boxes.predicted), dtype=bool)
    open_[pairs.predicted[shared]] = True
    disputed = pairs.take(open_[pairs.predicted])
    category = boxes.category[boxes.predicted_question]
    for c, positives in enumerate(_positives(boxes, ignored)):
        rows = np.arange(np.searchsorted(category, c), np.searchsorted(category, c, side="right"))
        contest = _Contest.of(disputed.take(category[disputed.predicted] == c), rows, ignored, counted)
        part = Verdict(*(each[:, :, rows] for each in settled))
        yield _average(boxes, rows, part, contest, positives, c)


class _Contest(NamedTuple):
    """The predictions of a category that share truths, numbered among themselves."""

    members: Ints  # (H,) their places among the category's predictions
    pairs: Pairs
    ignored: Bools  # (G, A)
    counted: Bools  # (H, A)

    @classmethod
    def of(cls, pairs: Pairs, rows: Ints, ignored: Bools, counted: Bools) -> _Contest:
        members, predicted = np.unique(pairs.predicted, return_inverse=True)
        truths, truth = np.unique(pairs.truth, return_inverse=True)
        start = rows[0] if len(rows) else 0
        return cls(members - start, Pairs(predicted, truth, pairs.iou), ignored[truths], counted[members])

    def settle(self, rank: Ints) -> Verdict:
        """The verdicts (A, T, K, H) for ranks (K, H)."""
        orders, h = rank.shape
        of = np.repeat(np.arange(orders), len(self.pairs.iou))
        repeated = Pairs(
            np.tile(self.pairs.predicted, orders) + of * h,
            np.tile(self.pairs.truth, orders) + of * len(self.ignored),
            np.tile(self.pairs.iou, orders),
        )
        ignored, counted = (np.tile(each, (orders, 1)) for each in (self.ignored, self.counted))
        verdict = match(repeated, rank.ravel(), ignored, counted)
        return Verdict(*(each.reshape(*each.shape[:2], orders, h) for each in verdict))


def _average(boxes: Boxes, rows: Ints, settled: Verdict, contest: _Contest, positives: Ints, category: int) -> Numbers:
    s = len(rows)
    if not s:
        right, wrong = (each[:, :, None] for each in settled)
        return _measure(right, wrong, np.zeros((1, 0), dtype=np.intp), positives)
    each = s + len(RECALLS)  # what an order costs
    couples = int(np.clip(WORK / len(boxes.categories) / each, LEAST, MOST)) // 2
    bits = np.random.PCG64(category)
    question = boxes.predicted_question[rows] - boxes.predicted_question[rows[0]]
    chunks = []
    while couples > 0:
        now = min(couples, max(1, AT_ONCE // (2 * each)))
        order, rank = _orders(question, boxes.scores[rows], now, bits)
        again = contest.settle(rank[:, contest.members])
        into = (order + np.arange(len(order))[:, None] * s).ravel()
        right, wrong = (
            _placed(first, contest.members, changed, into) for first, changed in zip(settled, again, strict=True)
        )
        chunks.append(_measure(right, wrong, np.take_along_axis(rank, order, 1), positives))
        couples -= now
    return Numbers(*map(np.concatenate, zip(*chunks, strict=True)))


def _placed(settled: Bools, members: Ints, changed: Bools, into: Ints) -> Bools:
    """Verdicts (A, T, S) with those of `members` as they are in each order, (A, T, K, H), placed in that order."""
    each = np.repeat(settled[:, :, None], changed.shape[2], axis=2)
    each[..., members] = changed
    placed: Bools = each.reshape(*each.shape[:2], -1).take(into, axis=2).reshape(each.shape)
    return placed


def _orders(question: Ints, scores: Floats, couples: int, bits: np.random.PCG64) -> tuple[Ints, Ints]:
    """Random orders (K, S) and the ranks (K, S) in their questions, K = 2 couples; every second one is a reverse.

    Predictions come sorted by question, then by falling score, and those of one score stay together.
    """
    s, questions = len(question), int(question[-1]) + 1
    start = runs(question, scores)
    tied = np.repeat(np.arange(len(start)), np.diff(start, append=s))
    # Numpy keeps what a bit generator gives; what it makes of the bits may change.
    chance = (bits.random_raw(couples * (s + questions)).reshape(couples, -1) >> 12) * 2.0**-52 + 2.0**-53
    chance = np.stack([chance, 1 - chance], axis=1).reshape(2 * couples, -1)
    inside = np.argsort(tied + chance[:, :s], axis=1, kind="stable")
    rank = np.zeros_like(inside)
    np.put_along_axis(rank, inside, (np.arange(s) - np.searchsorted(question, question))[None], axis=1)
    place = np.argsort(np.argsort(chance[:, s:], axis=1, kind="stable"), axis=1)
    level = np.unique(-scores, return_inverse=True)[1]
    return np.argsort((level * questions + place[:, question]) * s + rank, axis=1), rank


def _measure(right: Bools, wrong: Bools, rank: Ints, positives: Ints) -> Numbers:
    """AP and AR of predictions in order, (A, T, K, S), with their ranks (K, S) in their questions."""
    a, t, k, s = right.shape
    ap, ar = np.full((k, a, t), np.nan), np.full((k, a, len(LIMITS), t), np.nan)
    within = [rank < limit for limit in LIMITS]
    if not within[-1].all():
        right, wrong = right & within[-1], wrong & within[-1]
    for i in np.flatnonzero(positives):
        curves = average_precision(right[i].reshape(t * k, s), wrong[i].reshape(t * k, s), int(positives[i]))
        ap[:, i] = curves.reshape(t, k).T
        for m, inside in enumerate(within):
            ar[:, i, m] = (right[i] & inside).sum(-1).T / positives[i]
    return Numbers(ap, ar)


def average_precision(right: Bools, wrong: Bools, positives: int) -> Floats:
    """AP (N,) of predictions (N, S) in order: the mean over recalls of the greatest precision at or beyond each.

    It is 0 beyond the last recall that is reached.
    """
    n, s = right.shape
    if not s:
        return np.zeros(n)
    tp, fp = (np.cumsum(each, axis=1, dtype=np.int32) for each in (right, wrong))
    precision = tp / (fp + tp + np.spacing(1))
    # Recall r is reached with the prediction that is the needed one of those that are right. From one such place to the
    # next the greatest precision is taken; from there back, the greatest so far.
    needed = np.searchsorted(np.arange(positives + 1) / positives, RECALLS)
    count = tp[:, -1]
    hits = np.append(np.flatnonzero(right), 0)
    nth = (np.cumsum(count) - count)[:, None] + needed - 1
    reached = needed <= count[:, None]
    place = np.where(needed > 0, hits[np.where(reached, nth, -1)], np.arange(n)[:, None] * s)
    best = np.zeros((n, len(RECALLS)))
    best[reached] = np.maximum.reduceat(precision.ravel(), place[reached])
    mean: Floats = np.maximum.accumulate(best[:, ::-1], axis=1).mean(1)
    return mean


def _positives(boxes: Boxes, ignored: Bools) -> Ints:
    """Truths that count, (C, A)."""
    count = np.zeros((len(boxes.categories), ignored.shape[1]), dtype=np.intp)
    np.add.at(count, boxes.category[boxes.truth_question], ~ignored)
    return count
