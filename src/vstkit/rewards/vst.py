r"""The reward that Visual Spatial Tuning released (projects/spatial_rl, e31b5b3), restated with its holes.

Kept as it is, where a model can earn what it should not: the inverted ANLS, free credit for `[]`, labels that are not
read, units that are not read, the article that is an answer; commands/reward.py lists them. Not kept: pytorch3d's
IoU, which is inexact and for tiny boxes without bound, is the exact one here; of the library math_verify only numbers,
fractions and percentages, in text or \frac and \boxed; and of an answer, no more than `LIMIT` characters are read.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vstkit.scoring import published
from vstkit.scoring.boxes import LIMIT, MOST, Found, ious, matched
from vstkit.scoring.items import distance

_MODES = {"choice": ["multi_choices_score"], "words": ["anls_score"], "ocr": ["anls_score"]}
_USUAL = ["vqa_score", "math_score"]


def form(text: str) -> bool:
    """Whether there is one <think>...</think>, whatever stands before it, and an answer behind the last of its ends."""
    opening = text.find("<think>")
    closing = text.find("</think>", opening + 7) if opening >= 0 else -1
    if closing < 0:
        return False
    again = text.find("<think>", closing + 8)
    return (again < 0 or text.find("</think>", again + 7) < 0) and bool(answer_of(text))


def answer_of(text: str) -> str:
    """What follows the last </think>."""
    return text[text.rfind("</think>") + 8 if "</think>" in text else 0 :].strip()


def accuracy(text: str, answer: Mapping[str, Any]) -> float:
    """How right a text is, by the best of the answer's `reward_mode`s, else by those that its type had.

    Any answer but 3D boxes. Numbers are compared without their unit; other strings to accept were not known.
    """
    given, truth = answer_of(text)[:LIMIT], _written(answer)
    if "\\boxed" in truth:
        boxed = _boxed(given)
        if boxed is not None:  # the truth is unwrapped only then, as released
            given, inside = boxed, _boxed(truth)
            truth = truth if inside is None else inside
    if given.lower() == truth.lower():
        return 1.0
    modes = answer.get("reward_mode") or _MODES.get(answer.get("type", ""), _USUAL)
    if not all(mode in SCORES for mode in modes):
        return 0.0
    return max(SCORES[mode](given, truth) for mode in modes)


def _written(answer: Mapping[str, Any]) -> str:
    value = answer["value"]
    if isinstance(value, str):
        return value
    return ", ".join(value) if isinstance(value, list) else f"{value:.12g}"


def _boxed(text: str) -> str | None:
    """What stands between \\boxed{ and the first }, on one line."""
    start = text.find("\\boxed{")
    while start >= 0:
        start += 7
        end = text.find("}", start)
        broken = text.find("\n", start, end)
        if end < 0 or broken < 0:
            return None if end < 0 else text[start:end]
        start = text.find("\\boxed{", broken)
    return None


def multi_choices_score(given: str, truth: str) -> float:
    """The letter rule of MMSI-Bench on both sides; a truth that names no letter is never met."""
    wanted = published.vst(truth, {})
    return float(bool(wanted) and published.vst(given, {}) == wanted)


_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_PERIOD = re.compile(r"(?!<=\d)\.(?!\d)")  # as released; a look-behind was meant, which keeps the stop of "3."
_SPELLED = "zero one two three four five six seven eight nine ten"
_NUMBERS = {"none": "0", **{word: str(number) for number, word in enumerate(_SPELLED.split())}}
_CONTRACTED = (
    "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't how'd how'll isn't it'd it'll i'm "
    "i've let's ma'am might've mightn't must've mustn't needn't not've o'clock oughtn't should've shouldn't that'd "
    "there'd they'd they'll they're they've wasn't we've weren't what'll what're what've where'd where've who'd who'll "
    "who've why'll why're won't would've wouldn't y'all you'd you'll you're you've"
)
_CONTRACTIONS = {word.replace("'", ""): word for word in _CONTRACTED.split()}


def vqa_score(given: str, truth: str) -> float:
    """Equality after the normalisation of the VQA evaluator, in which "none" is 0."""
    wanted = _normal(truth)
    return float(bool(wanted) and _normal(given) == wanted)


def _normal(text: str) -> str:
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    whole = kept = text.replace("\n", " ").replace("\t", " ").strip()
    for mark in _PUNCTUATION:
        beside = f"{mark} " in whole or f" {mark}" in whole
        kept = kept.replace(mark, "" if beside else " ")
    words = [_NUMBERS.get(word, word) for word in _PERIOD.sub("", kept).split()]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in ("a", "an", "the"))


def relaxed_score(given: str, truth: str) -> float:
    """Within 5 % of the true number, percent signs ignored; four characters that begin with 20 are a year."""
    if not (len(truth) == 4 and truth.startswith("20")):
        number, wanted = (_float(text.strip().strip("%")) for text in (given, truth))
        if number is not None and wanted:
            return float(abs(number - wanted) / abs(wanted) <= 0.05)
    return float(given.lower() == truth.lower())


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def anls_score(given: str, truth: str) -> float:
    """The edit distance over the longer length: inverted, a wrong answer earns most; and no cut at one half."""
    longer = max(len(given), len(truth))
    short, long = sorted((" ".join(text.lower().split()) for text in (given, truth)), key=len)
    return min(distance(short, long) / longer, 1.0) if longer else 0.0


_NUMBER = r"(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?+(?:[eE][+-]?\d{1,3})?|\.\d++"
_LAST = re.compile(
    rf"(?P<sign>-?)(?:\\[dt]?frac\{{(?P<over>-?(?:{_NUMBER}))\}}\{{(?P<under>{_NUMBER})\}}"
    rf"|(?P<plain>{_NUMBER})(?:/(?P<by>{_NUMBER}))?)(?P<percent>\s?\\?%)?"
)


def math_score(given: str, truth: str) -> float:
    """The last numbers are equal, to six decimals; units and words are not read."""
    wanted, number = _last(truth), _last(given)
    return float(wanted is not None and number is not None and round(number - wanted, 6) == 0)


def _last(text: str) -> float | None:
    numbers = deque(_LAST.finditer(text), maxlen=1)
    if not numbers:
        return None
    (found,) = numbers
    top, bottom = found["over"] or found["plain"], found["under"] or found["by"] or "1"
    over, under = (_float(part.replace(",", "")) for part in (top, bottom))
    if over is None or not under:
        return None
    value = over / under * (-1 if found["sign"] else 1) / (100 if found["percent"] else 1)
    return value if math.isfinite(value) else None


SCORES: dict[str, Callable[[str, str], float]] = {
    score.__name__: score for score in (vqa_score, relaxed_score, anls_score, math_score, multi_choices_score)
}


def boxes(text: str, truth: Sequence[Mapping[str, Any]]) -> Found:
    """The parts of the reward for 3D boxes; reads the released models' notation only.

    The summed IoU of the best matching over the number of true boxes, and F1 at IoU >= 0.25. Labels are not compared.
    The form is right where the text is a list of entries that have nine numbers and a label each: so it is for [].
    """
    entries = _listed(text)
    if entries is None:
        return Found(0.0, 0.0, False, "no list of boxes")
    if not entries or not truth:
        return Found(0.0, 0.0, True, "no boxes" if truth else "nothing to find")
    read = [_numbers(entry["bbox_3d"]) for entry in entries]
    predicted = [box for box in read if box is not None]
    if len(predicted) < len(read):
        return Found(0.0, 0.0, True, "a box of no numbers")
    pairs = matched(ious(predicted[:MOST], [box["box3d"] for box in truth]))
    hits = sum(iou >= 0.25 for iou in pairs)
    why = f"{hits} of {len(truth)} found, {len(read) - hits} wrong"
    return Found(min(sum(pairs) / len(truth), 1.0), 2 * hits / (len(read) + len(truth)), True, why)


def _listed(text: str) -> list[dict[str, Any]] | None:
    """The entries of the list that a text is, or that follows a line of ```json; None unless all are formed well."""
    lines = text.splitlines()
    if "```json" in lines:
        text = "\n".join(lines[lines.index("```json") + 1 :]).partition("```")[0]
    if len(text) > 4 * LIMIT:
        return None
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(entries, list) and all(
        isinstance(entry, dict) and "label" in entry and _nine(entry.get("bbox_3d")) for entry in entries
    )
    return entries if whole else None


def _nine(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 9


def _numbers(values: list[Any]) -> list[float] | None:
    """A box in metres and degrees, negative sizes turned positive; None where the original would have raised.

    One with a triangle of no more than 1e-8 m2 in a face keeps IoU 0, by a size of 0.
    """
    if not all(isinstance(value, float | int) and abs(value) < 1e50 for value in values):
        return None
    x, y, z = (abs(size) for size in values[3:6])
    sizes = [0.0] * 3 if min(x * y, y * z, x * z) <= 2e-8 else [float(x), float(y), float(z)]
    return [*map(float, values[:3]), *sizes, *(180.0 * angle for angle in values[6:])]
