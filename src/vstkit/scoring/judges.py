"""How benchmarks judge one answer: by its letter, by its number, or by rules of their own, faults and all.

A judge takes the answer, the model's text and the benchmark's row, and gives a verdict. What an answer scores never
depends on chance: where a benchmark draws a random answer for a text that it cannot read, the score here is 0.
What is known of each rule comes from the repositories that `benchmarks` names.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from vstkit.scoring import extraction, items, numbers
from vstkit.scoring.items import Verdict

Row = Mapping[str, Any]
Call = Callable[[Row, str, Row], Verdict]


class Judge(NamedTuple):
    """What scores one kind of answer; `name` says it in a record, `metric` what its mean is called."""

    name: str
    call: Call
    metric: str = "accuracy"


def letters(rules: str) -> Judge:
    """Right is the letter that a rule set of `extraction` finds."""
    return Judge(f"letters {rules} {extraction.RULES[rules].version}", partial(_letter, rules))


def _letter(rules: str, answer: Row, text: str, row: Row) -> Verdict:
    return _option(extraction.letter(text, answer["options"], rules), answer)


def _option(found: str, answer: Row) -> Verdict:
    offered = found in {letter.upper() for letter in answer["options"]}
    right = found == answer["value"].upper()
    return Verdict(float(right), found, f"expected {answer['value']}" * (not right), offered)


def relative(rules: str) -> Judge:
    """Mean relative accuracy of the number that a rule set of `numbers` finds.

    "strict" reads units and converts them to the answer's own. Raises DataError where the true number is 0.
    """
    return Judge(f"numbers {rules}", partial(_relative, rules), "MRA")


def _relative(rules: str, answer: Row, text: str, row: Row) -> Verdict:
    truth, unit = float(answer["value"]), answer.get("unit")
    found = numbers.quantity(text, unit) if unit and rules == "strict" else numbers.number(text, rules)
    return _near(found, truth)


def _near(found: float | None, truth: float) -> Verdict:
    score = numbers.mra(math.nan if found is None else found, truth)
    if found is None or math.isnan(found):
        return Verdict(0.0, None, "no number", False)
    return Verdict(score, found, f"expected {truth:g}" * (found != truth), True)


def _truths(answer: Row) -> list[str]:
    return [answer["value"], *answer.get("accept", [])]


def _found(right: bool, text: str, answer: Row) -> Verdict:
    return Verdict(float(right), text, f"expected {answer['value']}" * (not right), bool(text.strip()))


def _ours(answer: Row, text: str, row: Row) -> Verdict:
    return items.judge(answer, text)


def _blink(answer: Row, text: str, row: Row) -> Verdict:
    """BLINK compares what gpt-3.5 extracted, and that has to be "(B)"."""
    found = re.fullmatch(r"\(([A-Z])\)", text)
    return _option(found[1] if found else "", answer)


def _mmsi_lmms(answer: Row, text: str, row: Row) -> Verdict:
    """lmms-eval's MMSI: A-F in any case, in ``..``, `..` or {..}."""
    for quoted in (r"``([^`]*)``", r"`([^`]*)`", r"\{([^}]*)\}"):
        if found := re.search(quoted, text):
            text = found[1]
    found = re.search(r"\b[A-F]\b(?!\s[a-zA-Z])", text, re.IGNORECASE)
    return _option(found[0].upper() if found else "", answer)


def _ai2d_lmms(answer: Row, text: str, row: Row) -> Verdict:
    found = re.match(r"\s*([A-Z])\.", text)
    return _option(found[1] if found else "", answer)


def _first_token(answer: Row, text: str, row: Row) -> Verdict:
    """The first word, less brackets and punctuation (lmms-eval's SAT)."""
    return _option((text.split() or [""])[0].strip("()[].,:;!*`\"'").upper(), answer)


def _spar_letter(answer: Row, text: str, row: Row) -> Verdict:
    """SPAR-Bench: equal, held by the truth, or the first character. So an empty answer is right."""
    lower, truth = text.lower(), answer["value"].lower()
    return _found(lower in truth or lower[:1] == truth, text, answer)._replace(extracted=text[:1].upper())


def _spar_number(answer: Row, text: str, row: Row) -> Verdict:
    """SPAR-Bench: the first number, the last in tasks of several views; signs are lost; of 0 the absolute error."""
    found = [float(number) for number in re.findall(r"(?<!\^)\d+\.\d+|(?<!\^)\d+", text)]
    if not found:
        return Verdict(0.0, None, "no number", False)
    number = found[-1] if str(row.get("task", "")).endswith("_mv") else found[0]
    truth = float(answer["value"])
    return Verdict(_near_or_absolute(number, truth), number, f"expected {truth:g}" * (number != truth), True)


def _near_or_absolute(value: float, of: float) -> float:
    error = abs((value - of) / of) if of else abs(value - of)
    return sum(error <= edge for edge in numbers.EDGES) / len(numbers.EDGES)


_AXES = [("move_right", "move_left"), ("move_up", "move_down"), ("move_forward", "move_backward"),
         ("rotate_right", "rotate_left"), ("rotate_up", "rotate_down")]  # fmt: skip


def _moves(text: str) -> list[float]:
    told = {name: float(value) for name, value in (part.split(":") for part in text.split(","))}
    return [told.get(forth, 0) - told.get(back, 0) for forth, back in _AXES]


def _spar_moves(by_prediction: bool, answer: Row, text: str, row: Row) -> Verdict:
    """SPAR-Bench's view_change_infer: MRA on five signed axes; the original divides the error by the prediction."""
    try:
        found = _moves(text)
    except ValueError:
        return Verdict(0.0, None, "not moves such as move_right:0.3,rotate_left:10", False)
    pairs = zip(found, _moves(answer["value"]), strict=True)
    scores = [_near_or_absolute(t, p) if by_prediction else _near_or_absolute(p, t) for p, t in pairs]
    return Verdict(sum(scores) / len(scores), found, f"expected {answer['value']}" * (min(scores) < 1), True)


def _same(answer: Row, text: str, row: Row) -> Verdict:
    """Equal but for case, outer spaces and a full stop at the end (lmms-eval's RealWorldQA)."""
    found = text.lower().strip().rstrip(".")
    return _found(found in [truth.lower().strip().rstrip(".") for truth in _truths(answer)], found, answer)


def _held(fold: bool, answer: Row, text: str, row: Row) -> Verdict:
    """OCRBench: one of the truths is in the text. Of formulas without spaces, of the rest in lower case."""
    text = unicodedata.normalize("NFKC", text) if fold else text
    formula = "HME100k" in (row.get("dataset_name"), row.get("dataset")) or str(row.get("category", "")).startswith(
        "Handwritten Mathematical"
    )

    def clean(given: str) -> str:
        given = given.strip().replace("\n", " ")
        return given.replace(" ", "") if formula else given.lower()

    return _found(any(clean(truth) in clean(text) for truth in _truths(answer)), text, answer)


def _open_as_choice(answer: Row, text: str, row: Row) -> Verdict:
    """VLMEvalKit makes a choice of MMMU's open questions: A the answer, B "Other Answers"."""
    made = {"value": "A", "options": {"A": answer["value"], "B": "Other Answers"}}
    return _letter("vlmeval", made, text, row)._replace(extracted=text)


_TELLING = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBER = re.compile(
    r"-?\b\d{1,3}(?:,\d{3})+\b|-?\d+(?:\.\d+)?[eE][+-]?\d+|-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d)(?![,\d])"
)


def _mmmu_open(answer: Row, text: str, row: Row) -> Verdict:
    """MMMU's open questions: what follows words such as "is" in each line, and the numbers in it.

    Numbers are equal to two decimals; a word is right where the text holds the truth anywhere.
    """
    lines = text.strip().strip(".").lower().split("\n")
    tails = []
    for i, line in enumerate(lines):
        words = _TELLING + (("=",) if i == len(lines) - 1 else ())
        after = [line.split(word)[-1].strip() for word in words if word in line]
        if after and (shortest := min(after, key=len)) not in ("", *":,.!?;'"):
            tails.append(shortest)
    tails = tails or [text.strip().strip(".").lower()]
    held = [n for tail in tails for n in (*_normal(tail), *(x for m in _NUMBER.findall(tail) for x in _normal(m)))]
    wanted = [n for truth in _truths(answer) for n in _normal(truth)]
    right = any(
        w in given if isinstance(given, str) and isinstance(w, str) else w == given for w in wanted for given in held
    )
    return _found(right, tails[-1], answer)


def _normal(text: str) -> list[str | float]:
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lower = text.lower()
        return [f" {lower}", f"{lower} "] if len(lower) == 1 else [lower]


_YES, _NO = {"yes", "true", "correct"}, {"no", "false", "incorrect"}


def _yes_no(first: bool, answer: Row, text: str, row: Row) -> Verdict:
    """Yes or true against no or false: the first word, or the one kind that the answer holds."""
    _, said = extraction.split_thought(text)
    words = re.findall(r"[a-z]+", said.lower())
    found = {word in _YES for word in (words[:1] if first else words) if word in _YES | _NO}
    truth = answer["value"].lower() in _YES
    if len(found) != 1:
        return Verdict(0.0, None, "neither yes nor no, or both", False)
    return _found(found == {truth}, "yes" if found == {True} else "no", answer)


def _ratio(answer: Row, text: str, row: Row) -> Verdict:
    """SpatialScore: right within a factor of 2 of the truth, units converted; VSI-like questions by MRA."""
    truth, unit = float(answer["value"]), answer.get("unit")
    found = numbers.quantity(text, unit) if unit else numbers.number(text)
    if truth and "vsi" in str(row.get("source", "")).lower():
        return _near(found, truth)
    if found is None:
        return Verdict(0.0, None, "no number", False)
    right = found == truth or (found * truth > 0 and max(found / truth, truth / found) < 2)
    return Verdict(float(right), found, f"expected {truth:g}" * (not right), True)


OURS = Judge("items strict", _ours, "score")
BLINK = Judge("letters blink (X)", _blink)
MMSI_LMMS = Judge("letters lmms A-F", _mmsi_lmms)
AI2D_LMMS = Judge("letters lmms X.", _ai2d_lmms)
FIRST_TOKEN = Judge("letters first word", _first_token)
SPAR_LETTER = Judge("letters spar", _spar_letter)
SPAR_NUMBER = Judge("numbers spar", _spar_number, "MRA")
SPAR_MOVES = Judge("moves by prediction", partial(_spar_moves, True), "MRA")
MOVES = Judge("moves by truth", partial(_spar_moves, False), "MRA")
SAME = Judge("text equal", _same)
HELD = Judge("text held", partial(_held, False))
HELD_FOLDED = Judge("text held, folded", partial(_held, True))
MMMU_OPEN = Judge("text mmmu", _mmmu_open)
OPEN_AS_CHOICE = Judge("text vlmeval", _open_as_choice)
YES_NO = Judge("yes or no", partial(_yes_no, False))
YES_NO_FIRST = Judge("yes or no, first word", partial(_yes_no, True))
RATIO = Judge("numbers within factor 2", _ratio)
