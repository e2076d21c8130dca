"""Average precision of 3D boxes, by the protocol of Omni3D and as VST uses it.

The boxes of one category in one image are a question. In a question predictions take truths, by falling score; all
questions of a category make a precision-recall curve, sampled at 101 recalls; AP is its mean, over ten IoU thresholds
and all categories. Source: pycocotools' COCOeval and Cube R-CNN's `omni3d_evaluation.py` (Brazil et al., CVPR 2023).

Protocol `vst` is what VST's benchmark makes of it: no 2D boxes, truths let go by size, depth and absurd height only.
Protocol `omni3d` is the original with the settings it is tested with: truths let go that are truncated by a third or
more, lower than 1/16 of the picture, or have a corner behind the camera; and, where a question asks for `proximity`
(SUN RGB-D and Objectron, whose objects are not all annotated), only predictions whose 2D box has an IoU above .3 with
that of a truth can match it, and those near no truth are left out of account. A prediction's depth is the z of its
centre in both; Omni3D takes the mean z of the corners, which is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypedDict

import numpy as np

from vstkit.geometry.iou import iou_pairs
from vstkit.scoring.det3d_boxes import Bools, Boxes, Protocol, Question, flatten
from vstkit.scoring.det3d_curves import LIMITS, Numbers, in_file_order, over_orders
from vstkit.scoring.det3d_matching import Iou, Pairs, judged, match, overlaps, ranks_by_overlap

__all__ = ["METRICS", "POOLED", "Evaluation", "Iou", "Protocol", "Question", "Ties", "evaluate"]

Ties = Literal["file", "average"]

NAMED_THRESHOLDS = {"15": 2, "25": 4, "50": 9}
NAMED_RANGES = {"near": 1, "med": 2, "far": 3}
POOLED = tuple(f"{metric}@{name}" for metric in ("precision", "recall", "F1") for name in NAMED_THRESHOLDS)

# Where in a category's numbers a metric is: AP or AR, depth range, and threshold or limit; it is the mean of the rest.
METRICS: dict[str, tuple[Literal["ap", "ar"], int, int | None]] = {
    "AP": ("ap", 0, None),
    **{f"AP{name}": ("ap", 0, t) for name, t in NAMED_THRESHOLDS.items()},
    **{f"AP{name}": ("ap", a, None) for name, a in NAMED_RANGES.items()},
    **{f"AR{limit}": ("ar", 0, m) for m, limit in enumerate(LIMITS)},
    **{f"AR{name}": ("ar", a, len(LIMITS) - 1) for name, a in NAMED_RANGES.items()},
}
BY_CATEGORY = ("AP", "AP15", "AP25", "AP50", "AR100")


class Evaluation(TypedDict):
    """What `evaluate` returns; a number is None where there is no truth to find."""

    metrics: dict[str, float | None]
    spread: dict[str, float | None]
    """With ties="average", how far the official number strays from order to order (standard deviation); else empty."""
    error: dict[str, float | None]
    """With ties="average", the standard error of the mean over orders; else empty."""
    categories: dict[str, dict[str, float | None]]
    """AP, AP15, AP25, AP50 and AR100 of each category, by name; `truth` is how many truths count."""
    counts: dict[str, int]


def evaluate(
    questions: Iterable[Question],
    *,
    protocol: Protocol = "vst",
    ties: Ties = "file",
    iou: Iou = iou_pairs,
) -> Evaluation:
    """Score the predicted boxes of a whole set.

    `metrics` has the 13 numbers of Omni3D (AP, AP15, AP25, AP50, APnear, APmed, APfar, AR1, AR10, AR100, ARnear, ARmed,
    ARfar) and precision, recall and F1 at IoU .15, .25, .50 (`precision@15`, ...), which count all categories together
    and depend on no order: in a question, predictions are matched by falling best IoU. `counts` has images,
    categories, with_truth (of the categories), truth, ignored (of the truth), predicted, excused (of the predicted).

    `ties` says what equal scores mean for AP and AR; without scores that is every prediction. With "file", the official
    way, they stand in the order of the input, and the numbers depend on it. With "average" the numbers are the
    expectation of the official ones over all orders of the input, that is of the questions and of the predictions in
    each, all equally likely. It is taken over random orders that depend on the content alone, so that another order of
    the input gives the same numbers, to the last bit; `error` tells how exact they are (AP of a set like SUN RGB-D:
    better than 1e-4).

    `iou` maps boxes (n, 9), (n, 9) to (n,); with the default, predictions that are not finite or not positive in size
    overlap nothing, and so are false positives. Questions with the same image and category are joined. Raises DataError
    for arrays of a wrong shape, for truths or scores that are not finite, and for proximity without camera.
    """
    boxes = flatten(questions, protocol, canonical=ties == "average")
    pairs, excused = overlaps(boxes, iou)
    counted = judged(boxes, excused)
    ranges, place = _ranges(boxes.ignored, counted)
    ignored, counted = boxes.ignored[:, ranges], counted[:, ranges]
    take = in_file_order if ties == "file" else over_orders
    found = [_moments(_placed(numbers, place)) for numbers in take(boxes, pairs, ignored, counted)]

    metrics, spread, error = (dict[str, float | None]() for _ in range(3))
    for name in METRICS:
        metrics[name], spread[name], error[name] = _over_categories([moments[name] for moments in found])
    metrics |= _pooled(boxes, pairs, ignored, counted)
    truth = np.bincount(boxes.category[boxes.truth_question], ~boxes.ignored[:, 0], minlength=len(found))
    by_category: dict[str, dict[str, float | None]] = {
        category: {name: _over_categories([found[c][name]])[0] for name in BY_CATEGORY} | {"truth": int(truth[c])}
        for c, category in enumerate(boxes.categories)
    }
    counts = {"images": boxes.images, "categories": len(found), "with_truth": int((truth > 0).sum())}
    counts |= {"truth": len(boxes.truth), "ignored": int(boxes.ignored[:, 0].sum())}
    counts |= {"predicted": len(boxes.predicted), "excused": int(excused.sum())}
    averaged = ties == "average"
    return {
        "metrics": metrics,
        "spread": spread if averaged else {},
        "error": error if averaged else {},
        "categories": by_category,
        "counts": counts,
    }


def _ranges(ignored: Bools, counted: Bools) -> tuple[list[int], list[int]]:
    """The depth ranges that are worth matching, and the place among them of each range; past the end without truth.

    Indoors, all is near, and nothing far.
    """
    kept: list[int] = []
    place = []
    columns = np.concatenate([ignored, counted]).T
    for a, column in enumerate(columns):
        equal = [i for i, b in enumerate(kept) if np.array_equal(column, columns[b])]
        if a > 0 and ignored[:, a].all():
            place.append(-1)
        elif equal:
            place.append(equal[0])
        else:
            place.append(len(kept))
            kept.append(a)
    return kept, place


def _placed(numbers: Numbers, place: list[int]) -> Numbers:
    """The same with all depth ranges, NaN for those without truth."""
    return Numbers(*(np.concatenate([e, np.full_like(e[:, :1], np.nan)], axis=1)[:, place] for e in numbers))


class _Moments(NamedTuple):
    """What is known of a category's number; NaN without truth."""

    mean: float
    variance: float
    """From order to order."""
    error: float
    """The variance of the mean."""


def _moments(numbers: Numbers) -> dict[str, _Moments]:
    found = {}
    for name, (kind, depth, index) in METRICS.items():
        values = (numbers.ap if kind == "ap" else numbers.ar)[:, depth]
        values = values if index is None else values[:, index]
        values = values if values.ndim == 1 else values.mean(-1)
        # Orders come in couples that belong together.
        couples = values.reshape(-1, 2).mean(1) if len(values) > 2 else values[:1]
        error = couples.var(ddof=1) / len(couples) if len(couples) > 1 else 0.0
        found[name] = _Moments(float(values.mean()), float(values.var()), float(error))
    return found


def _over_categories(values: list[_Moments]) -> tuple[float | None, float | None, float | None]:
    """Mean, standard deviation and standard error of the mean over categories, whose orders are independent."""
    known = [value for value in values if not np.isnan(value.mean)]
    if not known:
        return None, None, None
    mean, variance, error = (np.array(column) for column in zip(*known, strict=True))
    spread, standard_error = (float(np.sqrt(squares.sum()) / len(known)) for squares in (variance, error))
    return float(mean.mean()), spread, standard_error


def _pooled(boxes: Boxes, pairs: Pairs, ignored: Bools, counted: Bools) -> dict[str, float | None]:
    """Precision, recall and F1 over all categories, every prediction taken and matched by falling best IoU."""
    positives = int((~ignored[:, 0]).sum())
    verdict = match(pairs, ranks_by_overlap(boxes, pairs), ignored[:, :1], counted[:, :1])
    tp, fp = (each[0].sum(1) for each in verdict)
    ratios = tp / np.maximum(tp + fp, 1), tp / max(positives, 1), 2 * tp / np.maximum(tp + fp + positives, 1)
    values = [ratio[t] for ratio in ratios for t in NAMED_THRESHOLDS.values()]
    return {name: float(value) if positives else None for name, value in zip(POOLED, values, strict=True)}
