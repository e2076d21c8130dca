"""Rewards of answers for reinforcement learning (GRPO): accuracy by the type of the answer, and form.

R = R_acc + R_format, eq. 2 of the VST paper, each part in [0, 1]. Accuracy is that of `scoring.items`, and of 3D boxes
eq. 3 as `boxes` says. `compat="vst"` is the reward that was released, with its holes, as `vst` says; our own mends
them, and vstkit-reward(1) lists both. Any text is read, of any length, and none raises or takes long: of a long one the
middle is passed over (`scoring.wording`), and of a long list of boxes the end (`LIMIT`). Pure functions, without torch
or scipy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vstkit.errors import DataError, UsageError
from vstkit.geometry.cameras import Camera
from vstkit.geometry.dialects import VST, Notation, notation_of
from vstkit.rewards import vst
from vstkit.scoring import boxes, items
from vstkit.scoring.boxes import LIMIT
from vstkit.scoring.wording import WHOLE, cut, split_thought

__all__ = ["COMPATS", "LIMIT", "Reward", "add", "reward", "rewards", "summary", "thinks"]

COMPATS = ("none", "vst")
Record = dict[str, Any]


class Reward(NamedTuple):
    """What an answer earns; `total` is the weighted sum of accuracy and format."""

    accuracy: float
    format: float
    total: float
    why: str = ""
    iou: float | None = None
    f1: float | None = None


def reward(
    prediction_text: str,
    answer: Mapping[str, Any],
    *,
    compat: str = "none",
    alpha: float = 0.5,
    threshold: float = 0.25,
    think: bool = False,
    weights: tuple[float, float] | None = None,
    notation: Notation = VST,
    camera: Camera | None = None,
) -> Reward:
    """The reward of a model's text for an answer as records have it, {"type": .., "value": .., ..}.

    The format is right where the answer can be read as what it should be (for boxes, a list that is whole), and with
    `think` only after one <think>...</think> that the text begins with. Of 3D boxes, `alpha` is the share of IoU beside
    F1 at IoU above `threshold`, and `notation` and `camera` are how they are written. `weights` are of accuracy and
    format: 1 and 1 if not given. With `compat` "vst" these are 0.5 and 0.5, and there is nothing else to choose.

    Raises UsageError for another `compat`, and DataError for an answer that nothing can be compared with.
    """
    if compat not in COMPATS:
        raise UsageError(f"compat: expected one of {', '.join(COMPATS)}, got {compat}")
    if compat == "vst":
        return _released(prediction_text, answer, weights or (0.5, 0.5))
    weights = weights or (1.0, 1.0)
    formed = not think or thinks(prediction_text)
    _, said = split_thought(cut(prediction_text, WHOLE))
    if answer.get("type") == "boxes3d":
        found = boxes.found(said[:LIMIT], answer["value"], threshold, notation, camera)
        accuracy = alpha * found.iou + (1 - alpha) * found.f1
        return _weighted(accuracy, formed and found.whole, weights, found.why, found.iou, found.f1)
    verdict = items.judge(answer, said)
    return _weighted(verdict.score, formed and verdict.parsed, weights, verdict.why)


def rewards(texts: Sequence[str], answers: Sequence[Mapping[str, Any]], **options: Any) -> list[float]:
    """The total of each text for the answer in the same place, as trainers want them; options are those of `reward`.

    Raises ValueError unless there are as many texts as answers.
    """
    return [reward(text, answer, **options).total for text, answer in zip(texts, answers, strict=True)]


def thinks(text: str) -> bool:
    """Whether a text is one <think>...</think> with something in it, and something behind it, and no more."""
    opened, _, rest = text.partition("<think>")
    thought, closed, said = rest.partition("</think>")
    once = closed and "<think>" not in rest and "</think>" not in said
    return bool(once and not opened.strip() and thought.strip() and said.strip())


def _released(text: str, answer: Mapping[str, Any], weights: tuple[float, float]) -> Reward:
    if answer.get("type") != "boxes3d":
        return _weighted(vst.accuracy(text, answer), vst.form(text), weights)
    found = vst.boxes(text, answer["value"])
    return _weighted(0.5 * found.iou + 0.5 * found.f1, found.whole, weights, found.why, found.iou, found.f1)


def _weighted(accuracy: float, formed: bool, weights: tuple[float, float], *rest: Any) -> Reward:
    return Reward(accuracy, float(formed), weights[0] * accuracy + weights[1] * formed, *rest)


def add(record: Record, tally: Counter[str], **options: Any) -> Iterator[Record]:
    """The prediction with its `reward`: {"accuracy", "format", "total", "why", and of boxes "iou" and "f1"}.

    `options` are those of `reward`; how boxes are written, the record says. Raises DataError where there is no answer,
    or several, or centres are projected and there is no camera.
    """
    from vstkit.records import Prediction
    from vstkit.validation import parse

    prediction = parse(record, Prediction)
    answer = record.get("answer")
    if not isinstance(answer, Mapping):
        raise DataError(f"answer: expected one, got {'none' if answer is None else len(answer)}")
    notation, camera = notation_of(prediction.meta), prediction.meta.get("camera")
    if notation.center == "uvd" and not camera:
        raise DataError("meta: expected the camera of the image, to read projected centres")
    given = reward(prediction.response, answer, notation=notation, camera=camera, **options)
    tally.update(rewards=1, right=given.accuracy == 1, formed=given.format == 1)
    yield {**record, "reward": {name: value for name, value in given._asdict().items() if value not in (None, "")}}


def summary(tally: Counter[str]) -> str:
    """What a run gave, in one line."""
    return f"{tally['rewards']} answers, {tally['right']} right, {tally['formed']} in the format"
