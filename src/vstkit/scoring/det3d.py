"""Average precision of 3D boxes, by the protocol of Omni3D as VST uses it.

The boxes of one category in one image are a question. In a question predictions take truths, by falling score; all
questions of a category make a precision-recall curve, sampled at 101 recalls; AP is its mean, over ten IoU thresholds
and all categories. Source: pycocotools' COCOeval and Cube R-CNN's `omni3d_evaluation.py` (Brazil et al., CVPR 2023),
with VST's settings: no 2D boxes, no proximity test. Axes of arrays, in this order where they meet:

    D  predicted boxes   G  truth boxes         P  pairs of a prediction and a truth of one question
    C  categories        A  depth ranges        M  limits on the predictions of a question
    T  IoU thresholds    R  sampled recalls     S  steps of a precision-recall curve
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vstkit.errors import DataError
from vstkit.geometry.boxes import corners
from vstkit.geometry.iou import iou_pairs

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]
Iou = Callable[[Floats, Floats], Floats]
Ties = Literal["file", "average"]

IOU_THRESHOLDS = np.linspace(0.05, 0.5, 10)
RECALLS = np.linspace(0, 1, 101)
LIMITS = np.array([1, 10, 100])
NEAREST = np.array([0.0, 0, 10, 35])  # metres; the depth ranges are all, near, medium and far
FARTHEST = np.array([1e5, 10, 35, 1e5])
NAMED_THRESHOLDS = {"15": 2, "25": 4, "50": 9}
NAMED_RANGES = {"near": 1, "med": 2, "far": 3}


class Question(TypedDict):
    """Boxes of one category in one image: nine numbers each, camera axes, metres and degrees."""

    image: Hashable
    category: str
    truth: ArrayLike  # (n, 9)
    predicted: ArrayLike  # (m, 9)
    scores: NotRequired[ArrayLike | None]  # (m,); absent or None: all 1
    camera: NotRequired[Sequence[float] | None]  # fx, fy, cx, cy in pixels
    height: NotRequired[float | None]  # of the image, in pixels


class Evaluation(TypedDict):
    """What `evaluate` returns; a number is None where there is no truth to find."""

    metrics: dict[str, float | None]
    categories: dict[str, dict[str, float | None]]
    counts: dict[str, int]


class Boxes(NamedTuple):
    """All questions end to end; questions and categories are numbered as they first appear."""

    questions: list[tuple[Hashable, str]]  # image and category
    categories: list[str]
    truth: Floats  # (G, 9)
    truth_question: Ints  # (G,)
    truth_category: Ints  # (G,)
    ignored: Bools  # (G, A)
    predicted: Floats  # (D, 9)
    predicted_question: Ints  # (D,)
    predicted_category: Ints  # (D,)
    scores: Floats  # (D,)


class Pairs(NamedTuple):
    """Predictions and truths of one question that overlap by the lowest threshold or more."""

    predicted: Ints  # (P,)
    truth: Ints  # (P,)
    iou: Floats  # (P,)


def evaluate(questions: Iterable[Question], *, ties: Ties = "file", iou: Iou = iou_pairs) -> Evaluation:
    """Score the predicted boxes of a whole set.

    `metrics` has the 13 numbers of Omni3D (AP, AP15, AP25, AP50, APnear, APmed, APfar, AR1, AR10, AR100, ARnear, ARmed,
    ARfar) and precision, recall and F1 at IoU .15, .25, .50 (`precision@15`, ...); `categories` has AP, AP15, AP25,
    AP50 of each; `counts` has images, categories, truth, ignored (of the truth), predicted.

    `ties` says what equal scores mean for AP and AR; without scores that is every prediction. With "file", the official
    way, they stand in the order of the input, and the numbers depend on it. With "average" they are one step of their
    category's curve, inside which true and false positives grow in proportion (Davis and Goadrich, ICML 2006); inside a
    question they are matched by falling best IoU, and where a limit cuts through them, each counts with its chance to
    stand inside. The order of predictions then has no effect. The result lies below the mean of "file" over all orders,
    since there the curve keeps the lucky runs of each order: little in large categories, much in small ones.

    `iou` maps boxes (n, 9), (n, 9) to (n,); with the default, predictions that are not finite or not positive in size
    overlap nothing, and so are false positives. Questions with the same image and category are joined. Raises DataError
    for arrays of a wrong shape, and for truths or scores that are not finite.
    """
    boxes = flatten(questions)
    pairs = overlaps(boxes, iou)
    rank, share = rank_predictions(boxes, pairs, ties)
    ap, ar = accumulate(boxes, match(boxes, pairs, rank), rank, share, ties)

    precisions = {"AP": slice(None)} | {f"AP{name}": slice(t, t + 1) for name, t in NAMED_THRESHOLDS.items()}
    metrics = {name: _mean(ap[:, 0, t]) for name, t in precisions.items()}
    metrics |= {f"AP{name}": _mean(ap[:, a]) for name, a in NAMED_RANGES.items()}
    metrics |= {f"AR{limit}": _mean(ar[:, 0, m]) for m, limit in enumerate(LIMITS)}
    metrics |= {f"AR{name}": _mean(ar[:, a, -1]) for name, a in NAMED_RANGES.items()}
    metrics |= pooled_scores(boxes, pairs)
    categories = {
        category: {name: _mean(ap[c, 0, t]) for name, t in precisions.items()}
        for c, category in enumerate(boxes.categories)
    }
    counts = {"images": len({image for image, _ in boxes.questions}), "categories": len(boxes.categories)}
    counts |= {"truth": len(boxes.truth), "ignored": int(boxes.ignored[:, 0].sum()), "predicted": len(boxes.scores)}
    return {"metrics": metrics, "categories": categories, "counts": counts}


def flatten(questions: Iterable[Question]) -> Boxes:
    """Lay the boxes of all questions end to end."""
    number: dict[tuple[Hashable, str], int] = {}
    owner, view, truth, predicted, scores = [], [], [np.zeros((0, 9))], [np.zeros((0, 9))], [np.zeros(0)]
    for i, question in enumerate(questions):
        owner.append(number.setdefault((question["image"], question["category"]), len(number)))
        truth.append(_numbers(i, "truth", question["truth"], (-1, 9)))
        predicted.append(_numbers(i, "predicted", question["predicted"], (-1, 9), finite=False))
        given, m = question.get("scores"), len(predicted[-1])
        scores.append(np.ones(m) if given is None else _numbers(i, "scores", given, (m,)))
        camera, height = question.get("camera"), question.get("height")
        view.append((np.nan, np.nan) if camera is None or height is None else (camera[1], height))
    names = {name: c for c, name in enumerate(dict.fromkeys(category for _, category in number))}
    category = np.array([names[category] for _, category in number], dtype=np.intp)
    all_truth, all_predicted = np.concatenate(truth), np.concatenate(predicted)
    item_t, item_p = (np.repeat(np.arange(len(owner)), [len(x) for x in rows[1:]]) for rows in (truth, predicted))
    of_t, of_p = (np.array(owner, dtype=np.intp)[item] for item in (item_t, item_p))
    truths = all_truth, of_t, category[of_t], ignored_truth(all_truth, np.array(view).reshape(-1, 2)[item_t])
    return Boxes(list(number), list(names), *truths, all_predicted, of_p, category[of_p], np.concatenate(scores))


def ignored_truth(truth: Floats, view: Floats) -> Bools:
    """Which truths (G, 9) nobody has to find, (G, A); `view` (G, 2) is fy and image height, or NaN.

    Those with a size that is not positive, a centre outside the depth range (beyond 1e8 m it is outside of all), a
    projection without height or 10.5 images high.
    """
    with np.errstate(all="ignore"):  # corners in the camera plane project to infinity
        vertices = corners(truth)
        high = view[:, 0] * np.ptp(vertices[..., 1] / vertices[..., 2], axis=1)
    always: Bools = (truth[:, 3:6] <= 0).any(1) | (high <= 0) | (high >= 10.5 * view[:, 1])
    return always[:, None] | (truth[:, 2:3] < NEAREST) | (truth[:, 2:3] > FARTHEST)


def candidate_pairs(boxes: Boxes) -> tuple[Ints, Ints]:
    """Indices (n,), (n,) of every prediction with every truth of its question."""
    by_question = np.argsort(boxes.truth_question, kind="stable")
    count = np.bincount(boxes.truth_question, minlength=len(boxes.questions))
    each = count[boxes.predicted_question]
    first = (np.cumsum(count) - count)[boxes.predicted_question] - (np.cumsum(each) - each)
    return np.repeat(np.arange(len(each)), each), by_question[np.arange(each.sum()) + np.repeat(first, each)]


def overlaps(boxes: Boxes, iou: Iou) -> Pairs:
    """IoU of the candidate pairs, without those below the lowest threshold."""
    predicted, truth = candidate_pairs(boxes)
    value = iou(boxes.predicted[predicted], boxes.truth[truth])
    keep = value >= IOU_THRESHOLDS[0]
    return Pairs(predicted[keep], truth[keep], value[keep])


def rank_predictions(boxes: Boxes, pairs: Pairs, ties: Ties) -> tuple[Ints, Floats]:
    """Rank (D,) of each prediction in its question, from 0, and its share (D, M) in each limit.

    The share is 1 inside the limit and 0 outside; with ties="average" the chance to stand inside.
    """
    n = len(boxes.scores)
    keys = [-boxes.scores, boxes.predicted_question]
    if ties == "average":
        best = np.zeros(n)
        np.maximum.at(best, pairs.predicted, pairs.iou)
        keys = [*boxes.predicted.T, -best, *keys]
    order = np.lexsort(keys)
    question = boxes.predicted_question[order]
    position = np.arange(n) - np.searchsorted(question, question)
    block = _starts(question, boxes.scores[order]) if ties == "average" else np.arange(n)
    size = np.diff(block, append=n)
    inside = np.clip((LIMITS - position[block, None]) / size[:, None], 0, 1)
    rank, share = np.zeros(n, dtype=np.intp), np.zeros((n, len(LIMITS)))
    rank[order], share[order] = position, np.repeat(inside, size, axis=0)
    return rank, share


def match(boxes: Boxes, pairs: Pairs, rank: Ints) -> Bools:
    """Let predictions take truths: which are right, and which are wrong, (2, D, A, T).

    In the order of `rank` (D,), each takes the free truth of greatest IoU at or above the threshold: one that counts
    before one that is ignored, the later of equals. Those that take an ignored truth are neither right nor wrong, nor
    are those that take none and lie outside the depth range. Predictions of one rank never compete, so that a round
    serves all questions. (pycocotools' bound min(t, 1 - 1e-10) is t here.)
    """
    order = np.lexsort((pairs.predicted, rank[pairs.predicted]))
    predicted, truth, iou = (column[order] for column in pairs)
    n = len(order)
    by_strength = np.lexsort((truth, iou))
    choice = np.argsort(by_strength)[:, None] + n * ~boxes.ignored[truth]  # (P, A), no two equal for one A
    above = iou[:, None] >= IOU_THRESHOLDS  # (P, T)
    taken = np.zeros((*boxes.ignored.shape, len(IOU_THRESHOLDS)), dtype=bool)
    z = boxes.predicted[:, 2:3]
    inside = ((z >= NEAREST) & (z <= FARTHEST)) | ~np.isfinite(z)
    wrong = np.repeat(inside[:, :, None], len(IOU_THRESHOLDS), axis=2)
    right = np.zeros_like(wrong)
    for first, last in pairwise([*_starts(rank[predicted]), n]):
        rows = slice(first, last)
        free = above[rows, None] & ~taken[truth[rows]]
        best = np.maximum.reduceat(np.where(free, choice[rows, :, None], -1), _starts(predicted[rows]))
        won, a, t = np.nonzero(best >= 0)
        value = best[won, a, t]
        pair = by_strength[value % n]
        taken[truth[pair], a, t] = True
        wrong[predicted[pair], a, t] = False
        right[predicted[pair], a, t] = value >= n
    return np.stack([right, wrong])


def accumulate(boxes: Boxes, verdict: Bools, rank: Ints, share: Floats, ties: Ties) -> tuple[Floats, Floats]:
    """AP (C, A, T) and AR (C, A, M, T); NaN where a category has no truth in a range."""
    order = np.lexsort((rank, boxes.predicted_question, -boxes.scores))
    shape = len(boxes.categories), len(NEAREST), len(LIMITS), len(IOU_THRESHOLDS)
    ap, ar = np.full((*shape[:2], shape[3]), np.nan), np.full(shape, np.nan)
    for c in range(len(boxes.categories)):
        rows = order[boxes.predicted_category[order] == c]
        ends = np.flatnonzero(np.diff(boxes.scores[rows], append=-np.inf)) if ties == "average" else slice(None)
        # Rounded, so that fractions of predictions add up to whole ones in whatever order.
        tp, fp = np.cumsum(share[rows, -1, None, None] * verdict[:, rows], axis=1)[:, ends].round(9)  # (S, A, T)
        positives = (~boxes.ignored[boxes.truth_category == c]).sum(0)  # (A,)
        for a in np.flatnonzero(positives):
            ar[c, a] = share[rows].T @ verdict[0, rows, a] / positives[a]
            for t in range(len(IOU_THRESHOLDS)):
                ap[c, a, t] = precision_at_recalls(tp[:, a, t], fp[:, a, t], int(positives[a])).mean()
    return ap, ar


def precision_at_recalls(tp: Floats, fp: Floats, positives: int) -> Floats:
    """Greatest precision at or beyond each sampled recall, (R,), 0 beyond the last recall that is reached.

    `tp` and `fp` (S,) are counts at the end of each step; inside a step that adds both they grow in proportion.
    """
    precision = tp / (fp + tp + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    step = np.searchsorted(tp / positives, RECALLS)
    reached = step < len(tp)
    step, found = step[reached], RECALLS[reached] * positives
    new_tp, new_fp = np.diff(tp, prepend=0)[step], np.diff(fp, prepend=0)[step]
    mixed = (new_tp > 0) & (new_fp > 0)
    missing = np.divide(tp[step] - found, new_tp, out=np.zeros(len(step)), where=mixed)
    inside = found / (found + fp[step] - missing * new_fp + np.spacing(1))
    result = np.zeros(len(RECALLS))
    result[reached] = np.maximum(envelope[step], np.where(mixed, inside, 0))
    return result


def pooled_scores(boxes: Boxes, pairs: Pairs) -> dict[str, float | None]:
    """Precision, recall and F1 over all categories, every prediction taken and matched by falling best IoU."""
    positives = int((~boxes.ignored[:, 0]).sum())
    rank, _ = rank_predictions(boxes._replace(scores=np.ones(len(boxes.scores))), pairs, "average")
    tp, fp = match(boxes, pairs, rank)[:, :, 0].sum(1)
    ratios = tp / np.maximum(tp + fp, 1), tp / max(positives, 1), 2 * tp / np.maximum(tp + fp + positives, 1)
    return {
        f"{metric}@{name}": float(ratio[t]) if positives else None
        for metric, ratio in zip(("precision", "recall", "F1"), ratios, strict=True)
        for name, t in NAMED_THRESHOLDS.items()
    }


def _numbers(i: int, field: str, value: ArrayLike, shape: tuple[int, ...], *, finite: bool = True) -> Floats:
    array = np.asarray(value, dtype=float)
    array = array if array.size else array.reshape(0, *shape[1:])
    if array.ndim != len(shape) or array.shape[-1] != shape[-1]:
        wanted = f"{'n x ' * (len(shape) - 1)}{shape[-1]}"
        raise DataError(f"questions[{i}].{field}: expected {wanted} numbers, got an array of shape {array.shape}")
    if finite and not np.isfinite(array).all():
        raise DataError(f"questions[{i}].{field}: expected finite numbers")
    return array


def _starts(*keys: NDArray[np.generic]) -> Ints:
    """First index of each run of equal entries in sorted arrays (n,)."""
    change = np.ones(len(keys[0]), dtype=bool)
    change[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.flatnonzero(change)


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
