"""What found 3D boxes are worth: eq. 3 of the VST paper over an optimal one-to-one matching."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from vstkit.geometry import iou_plain
from vstkit.geometry.cameras import Camera
from vstkit.geometry.dialects import VST, Notation, Parsed, parse_boxes
from vstkit.geometry.iou import iou_matrix
from vstkit.scoring.matching import best_matching

Box: TypeAlias = Sequence[float]
Matrix: TypeAlias = list[list[float]]

LIMIT = 1 << 14
"""Characters of an answer that are read: what a box takes is 80, and up to 240 with a line for each number."""
MOST = 100
"""Boxes of one answer that are compared, as many as the evaluations of 3D detection take; any more count as wrong."""
THRESHOLD = 0.25
_FEW, _SMALL = 25, 1000  # pairs that meet, and pairs in all, up to which plain Python is quicker than arrays


class Found(NamedTuple):
    """What an answer holds of the true boxes. `iou` and `f1` are in [0, 1]."""

    iou: float
    f1: float
    whole: bool
    """The answer is a list that ends, of boxes with labels, and has one unless there is nothing to find."""
    why: str
    boxes: list[dict[str, Any]] | None = None
    """What was read; None where the text has no list of boxes."""


def found(
    text: str,
    truth: Sequence[Mapping[str, Any]],
    threshold: float = THRESHOLD,
    notation: Notation = VST,
    camera: Camera | None = None,
) -> Found:
    """Compare the boxes in a model's text with the true ones, {"label": str, "box3d": nine numbers}.

    Boxes match boxes of the same label only, but for case, hyphens and underscores, so that the summed IoU is
    greatest. With N predicted and M true boxes, IoU is that sum over max(N, M): the mean over the matching, where a box
    without partner is a pair of IoU 0. The paper's mean is over matched pairs alone, and rises when a box below it is
    left out; the released code's is over M, and wrong boxes cost nothing. F1 takes pairs of IoU above the threshold as
    right. Entries that cannot be used, repetitions and boxes beyond `MOST` count in N. Nothing found where nothing is
    to be found is right, if an empty list says so.
    """
    parsed = parse_boxes(text, notation, camera)
    if not parsed.found:
        return Found(0.0, 0.0, False, "no list of boxes")
    n, m = len(parsed.boxes) + parsed.dropped, len(truth)
    pairs = _pairs(parsed.boxes[:MOST], truth)
    hits = sum(iou > threshold for iou in pairs)
    iou, f1 = (sum(pairs) / max(n, m), 2 * hits / (n + m)) if n or m else (1.0, 1.0)
    return Found(min(iou, 1.0), f1, _whole(parsed, n, m), _told(parsed, hits, n, m), parsed.boxes)


def _whole(parsed: Parsed, n: int, m: int) -> bool:
    labelled = all(box["label"].strip() for box in parsed.boxes)
    return labelled and not parsed.cut and not parsed.dropped and (n > 0 or m == 0)


def _told(parsed: Parsed, hits: int, n: int, m: int) -> str:
    faults = ", cut off" * parsed.cut + f", {parsed.dropped} unusable" * bool(parsed.dropped)
    return f"{hits} of {m} found, {n - hits} wrong{faults}"


def _pairs(predicted: Sequence[Mapping[str, Any]], truth: Sequence[Mapping[str, Any]]) -> list[float]:
    """The IoU of each pair of the best matching within each label."""
    ours, theirs = _by_label(predicted), _by_label(truth)
    return [iou for name in ours if name in theirs for iou in matched(ious(ours[name], theirs[name]))]


def _by_label(boxes: Sequence[Mapping[str, Any]]) -> dict[str, list[Box]]:
    named: dict[str, list[Box]] = {}
    for box in boxes:
        name = " ".join(box["label"].casefold().replace("_", " ").replace("-", " ").split())
        named.setdefault(name, []).append(box["box3d"])
    return named


def matched(gains: Matrix) -> list[float]:
    """The entries of a matrix that its best matching takes."""
    return [gains[i][j] for i, j in best_matching(gains)]


def ious(predicted: Sequence[Box], truth: Sequence[Box]) -> Matrix:
    """IoU (n, m) of boxes (n, 9) and (m, 9), in [0, 1]."""
    if len(predicted) * len(truth) <= _SMALL and _meeting(predicted, truth) <= _FEW:
        return iou_plain.iou_matrix(predicted, truth)
    matrix: Matrix = iou_matrix(predicted, truth).clip(0, 1).tolist()
    return matrix


def _meeting(predicted: Sequence[Box], truth: Sequence[Box]) -> int:
    """How many pairs have spheres around them that meet."""
    spheres = [(*box[:3], math.hypot(*box[3:6]) / 2) for box in truth]
    meeting = 0
    for box in predicted:
        x, y, z, r = *box[:3], math.hypot(*box[3:6]) / 2
        meeting += sum([math.hypot(x - a, y - b, z - c) < r + s for a, b, c, s in spheres])
    return meeting
