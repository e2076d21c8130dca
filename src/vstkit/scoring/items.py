"""What one answer scores, by its type, and why.

Types are those of answers in records, and `ocr` (another name of words) and `math`. Choices and numbers can be read by
the rules of other scorers, which `extraction.RULES` and `numbers.RULES` hold; all else is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vstkit.errors import DataError, UsageError
from vstkit.scoring import boxes, extraction, numbers
from vstkit.scoring.expressions import equal
from vstkit.scoring.sequences import sequence
from vstkit.scoring.wording import WHOLE, container, cut, declared, plain, split_thought, words

__all__ = ["Verdict", "anls", "judge"]

Answer = Mapping[str, Any]


class Verdict(NamedTuple):
    """The score of an answer, in [0, 1]."""

    score: float
    extracted: str | float | list[Any] | None
    why: str
    """Why it is not 1, or what else is to be said; may be empty."""
    parsed: bool
    """Whether an answer was found in the text at all; what is not has score 0."""


UNPARSED = Verdict(0.0, None, "no answer found", parsed=False)


def judge(answer: Answer, text: str, rules: str = "strict") -> Verdict:
    """Score a model's text against an answer, a mapping with `type`, `value` and what else the type has.

    `choice`: 1 for the right letter. `number`: mean relative accuracy, units converted where there is a `unit`.
    `count`: 1 for the number itself; `why` tells the mean relative accuracy. `text`: 1 for the value, or one of
    `accept`, but for case, punctuation and articles. `words`, `ocr`: ANLS, 0 below .5. `math`: 1 for the same value, in
    the same unit. `order`: 1 for the whole sequence. `boxes3d`: mean of IoU and F1, as `boxes.found` has them.

    Rules that have no way to read numbers (or letters) leave those to "strict". Never raises for any text. Raises
    DataError for an answer that cannot be scored against, such as a number 0, and UsageError for unknown rules.
    """
    if rules not in extraction.RULES and rules not in numbers.RULES:
        raise UsageError(f"rules: expected one of {', '.join(extraction.RULES)}, got {rules}")
    kind = answer.get("type")
    if kind not in JUDGES:
        raise DataError(f"answer.type: expected one of {', '.join(JUDGES)}, got {kind}")
    return JUDGES[kind](answer, text, rules)


def _choice(answer: Answer, text: str, rules: str) -> Verdict:
    options: Mapping[str, str] = answer["options"]
    letter = extraction.letter(text, options, rules if rules in extraction.RULES else "strict")
    if letter not in options:
        return Verdict(0.0, letter or None, "no option found", parsed=False)
    right = letter == answer["value"]
    return Verdict(float(right), letter, "" if right else f"expected {answer['value']}", parsed=True)


def _value(answer: Answer, text: str, rules: str) -> float | None:
    """The number of a text; None where there is none that is finite."""
    rules = rules if rules in numbers.RULES else "strict"
    unit = answer.get("unit") if rules == "strict" else None
    found = numbers.quantity(text, unit) if unit else numbers.number(text, rules)
    return None if found is None or not math.isfinite(found) else found


def _number(answer: Answer, text: str, rules: str) -> Verdict:
    truth = float(answer["value"])
    found = _value(answer, text, rules)
    score = numbers.mra(math.nan if found is None else found, truth)
    if found is None:
        return UNPARSED
    return Verdict(score, found, "" if score == 1 else f"expected {truth:g}", parsed=True)


def _count(answer: Answer, text: str, rules: str) -> Verdict:
    truth, found = answer["value"], _value(answer, text, rules)
    if found is None:
        return UNPARSED
    if found == truth:
        return Verdict(1.0, found, "", parsed=True)
    near = f"; mean relative accuracy {numbers.mra(found, truth):.1f}" if truth else ""
    return Verdict(0.0, found, f"expected {truth}{near}", parsed=True)


def _said(text: str) -> list[str]:
    """What a text answers with, surest first: what it puts in a box or states, else all of it and its last line."""
    answer = cut(split_thought(cut(text, WHOLE))[1])
    held = container(answer)
    for part in (answer,) if held is None else (held, answer):
        clean = plain(part).strip()
        if stated := declared(clean):
            return [stated]
        if clean and (held is not None or "\n" not in clean):
            return [clean]
        if clean:
            return [clean, clean.rpartition("\n")[2].strip()]
    return []


def _accepted(answer: Answer) -> list[str]:
    return [answer["value"], *answer.get("accept", [])]


def normal(text: str) -> str:
    """A text in lower case without punctuation and articles, number words from two to twelve as digits."""
    kept = [word for word in words(plain(text)) if word not in ("a", "an", "the")]
    return " ".join(kept) or text.strip().lower()


_YES_NO = ("yes", "no")


def _text(answer: Answer, text: str, rules: str) -> Verdict:
    said = [normal(part) for part in _said(text)]
    if not said:
        return UNPARSED
    accepted = {normal(value) for value in _accepted(answer)}
    if accepted <= set(_YES_NO):
        said = [part.split(" ")[0] if part.startswith(_YES_NO) else part for part in said]
    right = not accepted.isdisjoint(said)
    return Verdict(float(right), said[0], "" if right else f"expected {answer['value']}", parsed=True)


_TEXT_LIMIT = 4096


def anls(predicted: str, truth: str) -> float:
    """Normalised Levenshtein similarity: 1 - distance / the longer length, in lower case, spaces joined; 0 below .5.

    Biten et al., Scene Text Visual Question Answering, ICCV 2019. Looks at the first 4096 characters of both.
    """
    a, b = (" ".join(text.lower().split())[:_TEXT_LIMIT] for text in (predicted, truth))
    longer, shorter = max(len(a), len(b)), min(len(a), len(b))
    if 2 * shorter < longer:
        return 0.0
    similarity = 1 - distance(a, b) / longer if longer else 1.0
    return similarity if similarity >= 0.5 else 0.0


def distance(a: str, b: str) -> int:
    """Levenshtein distance, all of a column at once in the bits of an integer (Myers, 1999; Hyyrö, 2003)."""
    if not a:
        return len(b)
    places: dict[str, int] = {}
    for i, letter in enumerate(a):
        places[letter] = places.get(letter, 0) | 1 << i
    mask, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, result = mask, 0, len(a)
    for letter in b:
        equal_here = places.get(letter, 0)
        vertical = equal_here | down
        diagonal = (((equal_here & up) + up) ^ up) | equal_here
        right_up = down | ~(diagonal | up) & mask
        right_down = up & diagonal
        result += bool(right_up & last) - bool(right_down & last)
        right_up = (right_up << 1 | 1) & mask
        right_down = right_down << 1 & mask
        up = right_down | ~(vertical | right_up) & mask
        down = right_up & vertical
    return result


def _words(answer: Answer, text: str, rules: str) -> Verdict:
    said = _said(text)
    if not said:
        return UNPARSED
    pairs = [(anls(part, value), part) for part in said for value in _accepted(answer)]
    score, best = max(pairs, key=lambda pair: pair[0])
    return Verdict(score, best[:_TEXT_LIMIT], "" if score == 1 else f"expected {answer['value']}", parsed=True)


def _math(answer: Answer, text: str, rules: str) -> Verdict:
    said = _said(text)
    if not said:
        return UNPARSED
    right = any(equal(part, value) for part in said for value in map(str, _accepted(answer)))
    return Verdict(float(right), said[0][:_TEXT_LIMIT], "" if right else f"expected {answer['value']}", parsed=True)


def _order(answer: Answer, text: str, rules: str) -> Verdict:
    truth = list(answer["value"])
    found = sequence(_said(text), truth)
    if found is None:
        return UNPARSED
    right = found == truth
    return Verdict(float(right), list(found), "" if right else f"expected {', '.join(truth)}", parsed=True)


def _boxes3d(answer: Answer, text: str, rules: str) -> Verdict:
    found = boxes.found(text[: boxes.LIMIT], answer["value"])
    if found.boxes is None:
        return UNPARSED
    why = f"mean IoU {found.iou:.3f}, F1 {found.f1:.3f}: {found.why}"
    return Verdict((found.iou + found.f1) / 2, found.boxes, why, parsed=True)


JUDGES: dict[str, Callable[[Answer, str, str], Verdict]] = {
    "choice": _choice, "number": _number, "count": _count, "text": _text, "words": _words, "ocr": _words,
    "math": _math, "order": _order, "boxes3d": _boxes3d,
}  # fmt: skip
