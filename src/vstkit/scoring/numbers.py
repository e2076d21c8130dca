"""The number that a model's text answers with, by rule set, and mean relative accuracy.

Our own rules, "strict", take the number of the last <answer> or \\boxed{}, else the last that is stated ("the answer is
2.5", "the distance is about 2 m", "= 2.5"), else the only number of the text, else that of a line with nothing else.
Where numbers disagree and none of that holds, the text is unparsed. The rules of other scorers restate what their
code does; their faults stand in their docstrings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import islice

from vstkit.errors import DataError, UsageError
from vstkit.scoring.wording import WHOLE, container, cut, plain, split_thought

EDGES = (
    0.5, 0.44999999999999996, 0.4, 0.35, 0.30000000000000004,
    0.25, 0.19999999999999996, 0.15000000000000002, 0.10000000000000009, 0.050000000000000044,
)  # fmt: skip
"""1 - theta for the ten thresholds numpy.linspace(.5, .95, 10), to the last bit: what rounding does there is part of
the metric (an error of 20 % exactly passes 6 of them, not 7)."""


def mra(predicted: float, truth: float) -> float:
    """Mean relative accuracy of VSI-Bench (Yang et al., 2024): the share of the ten edges that |p - t| / t is within.

    As the official code has it, the edge itself counts; a prediction that is not finite has 0. Raises DataError for a
    truth of 0, to which no error is relative (the official code ends there), or that is not finite.
    """
    if not math.isfinite(truth) or truth == 0:
        raise DataError(f"answer.value: expected a number other than 0 for mean relative accuracy, got {truth}")
    error = abs(predicted - truth) / abs(truth)
    return sum(error <= edge for edge in EDGES) / len(EDGES)


def number(text: str, rules: str = "strict") -> float | None:
    """The number that a text answers with; None where the rules find none.

    Never raises for any text, and takes linear time; of long texts the middle is not looked at, as in
    `extraction.letter`. Raises UsageError for rules without a way to read numbers.
    """
    if rules not in RULES:
        raise UsageError(f"rules: expected one of {', '.join(RULES)}, got {rules}")
    return RULES[rules](cut(text, WHOLE))


def quantity(text: str, unit: str) -> float | None:
    """The quantity that a text answers with, by our own rules, in a unit of `UNITS`, or one spelled out ("meters").

    "71 cm" is 0.71 in metres; "5 ft 11 in" is one quantity, and "2.5 m (8.2 ft)" is too. A number without a unit is in
    the one that was asked for; numbers with a unit of another kind do not count. Raises DataError for unknown units.
    """
    if not (name := unit_named(unit)):
        raise DataError(f"answer.unit: expected one of {', '.join(UNITS)}, got {unit}")
    return _answered(cut(text, WHOLE), lambda part: _quantities(part, name))


_NUMBER = r"(?:\d{1,3}(?:,\d{3})++(?!\d)|\d++)(?:\.\d++)?+(?:[eE][-+]?\d++)?+|\.\d++"
_NUMBERS = re.compile(
    rf"(?<![\w.,])(?P<sign>(?<!\d )(?<!\))[-+])?+(?P<value>{_NUMBER})"
    r"(?:\s?/\s?(?P<below>\d++(?:\.\d++)?+)(?![\d/]))?+(?!D\b|,?\d)",
    re.ASCII,
)
_UNITS_WRITTEN = (
    r"(?:square|sq\.?|cubic)?\s{0,2}"
    r"(?:kilomet(?:er|re)s?|centimet(?:er|re)s?|millimet(?:er|re)s?|met(?:er|re)s?|feet|foot|inch(?:es)?|yards?|degrees?"
    r"|radians?|seconds?|minutes?|hours?|sqm|sqft"
    r"|km|cm|mm|ft|in|yd|deg|rad|sec|min|ms|hr?|m|s|°|'|\"|米|厘米|毫米|平方米|度|秒)"
    r"(?:\s?\^\s?\{?2\}?|²|2(?!\d))?"
)
_UNIT = re.compile(rf"\s{{0,2}}-?({_UNITS_WRITTEN})(?![A-Za-z])", re.IGNORECASE)

UNITS = {
    "m": ("length", 1.0), "cm": ("length", 0.01), "mm": ("length", 0.001), "km": ("length", 1000.0),
    "ft": ("length", 0.3048), "in": ("length", 0.0254), "yd": ("length", 0.9144),
    "m2": ("area", 1.0), "cm2": ("area", 1e-4), "ft2": ("area", 0.09290304),
    "deg": ("angle", 1.0), "rad": ("angle", 180 / math.pi),
    "s": ("time", 1.0), "ms": ("time", 0.001), "min": ("time", 60.0), "h": ("time", 3600.0),
}  # fmt: skip
"""What a unit measures, and how many of the first of its kind it holds."""

_NAMES = {
    "feet": "ft", "foot": "ft", "'": "ft", "inch": "in", "inches": "in", '"': "in", "yard": "yd", "yards": "yd",
    "degree": "deg", "degrees": "deg", "°": "deg", "度": "deg", "radian": "rad", "radians": "rad", "second": "s",
    "seconds": "s", "sec": "s", "秒": "s", "minute": "min", "minutes": "min", "hour": "h", "hours": "h", "hr": "h",
    "米": "m", "厘米": "cm", "毫米": "mm", "平方米": "m2", "sqm": "m2", "sqft": "ft2",
}  # fmt: skip


def unit_named(written: str) -> str:
    """The unit of `UNITS` that is written; "" for another."""
    name = re.sub(r"[\s.^{}]", "", written.lower()).replace("²", "2")
    square = name.startswith(("square", "sq")) or name.endswith("2")
    if name not in _NAMES:
        name = re.sub(r"^(?:square|sq)|2$", "", name)
        name = re.sub(r"^(kilo|centi|milli|)met(?:er|re)s?$", lambda m: {"": "m"}.get(m[1], m[1][:1] + "m"), name)
        name = _NAMES.get(name, name) + ("2" if square else "")
    else:
        name = _NAMES[name]
    return name if name in UNITS else ""


def unit_after(text: str, at: int = 0) -> tuple[str, int]:
    """The unit that a text goes on with at a place, and where it ends; "" where there is none that is known."""
    found = _UNIT.match(text, at)
    name = unit_named(found[1]) if found else ""
    return (name, found.end()) if found and name else ("", at)


class _Found(tuple[int, int, float]):
    """Where a number starts and ends in a text, and what it is."""

    __slots__ = ()


_MOST = 500  # numbers in a text that still answers a question

Finder = Callable[[str], list[_Found]]


def _plain_numbers(text: str) -> list[_Found]:
    found: list[_Found] = []
    for match in _NUMBERS.finditer(text):
        if len(found) >= _MOST:
            return []
        value = float(match["value"].replace(",", ""))
        below = float(match["below"]) if match["below"] else 1.0
        if below and math.isfinite(value / below):
            found.append(_Found((match.start(), match.end(), (-value if match["sign"] == "-" else value) / below)))
    return found or _numbers_in_words(text)


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_WORDS = {word: n for n, word in enumerate(f"{_ONES} eighteen nineteen".split())}
_TENS = {
    word: 10 * n
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)
}
_IN_WORDS = re.compile(
    rf"\b(?<!the )(?<!this )(?<!that )(?:(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<unit>{'|'.join(list(_WORDS)[1:10])}))?"
    rf"|(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))}))\b(?! of\b)",
    re.IGNORECASE,
)


def _numbers_in_words(text: str) -> list[_Found]:
    found = []
    for match in islice(_IN_WORDS.finditer(text), _MOST):
        tens, unit, word = (match[name] and match[name].lower() for name in ("tens", "unit", "word"))
        value = _WORDS[word] if word else _TENS[tens] + (_WORDS[unit] if unit else 0)
        found.append(_Found((match.start(), match.end(), float(value))))
    return found


def _quantities(text: str, unit: str) -> list[_Found]:
    """The quantities of a text in a unit; where none has a unit of its kind, the numbers without any."""
    kind, scale = UNITS[unit]
    bare: list[_Found] = []
    own: list[_Found] = []
    size, stop = 0.0, 0  # of the unit before, and where it ends
    for start, end, value in _plain_numbers(text):
        name, unit_end = unit_after(text, end)
        if not name:
            bare.append(_Found((start, end, value)))
        elif UNITS[name][0] == kind:
            before, held = size, text[stop:start].strip()
            size, stop = UNITS[name][1], unit_end
            if own and before > size and held in ("", "and", ","):  # 5 ft 11 in
                first, _, larger = own.pop()
                own.append(_Found((first, unit_end, larger + value * size / scale)))
                continue
            if bare and _RANGE.fullmatch(text, bare[-1][1], start):
                own.append(_Found((*bare[-1][:2], bare[-1][2] * size / scale)))
            own.append(_Found((start, unit_end, value * size / scale)))
    return own or bare


_RANGE = re.compile(r"\s{0,2}(?:-|to|and|or|~)\s{0,2}")
_IS = r"[^.\n:=0-9]{0,40}?(?:\bis\b|\bare\b|\bbe\b|\bas\b|\bto\b|:|=|≈)"
_ANSWER_IS = re.compile(rf"\banswer\b{_IS}|答案[是为]?:?", re.IGNORECASE)
_STATEMENT = re.compile(
    rf"\b(?:result|total|distance|size|length|height|width|depth|area|angle|number|count)\b{_IS}"
    r"|[=≈]|总共有?|\bthere (?:is|are)\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"[\s:~≈$\\(\[\"']*+(?:(?:approximately|approx\.?|about|around|roughly|nearly|almost"
                    r"|estimated (?:at|to be)|a total of|exactly|约)[\s~≈]*+)?+", re.IGNORECASE)  # fmt: skip


def _answered(text: str, find: Finder) -> float | None:
    """The number that a text answers with, out of those that `find` finds in a part of it."""
    answer = cut(split_thought(text)[1])
    held = container(answer)
    for part in (answer,) if held is None else (held, answer):
        if (found := _of_part(plain(part).strip(), find)) is not None:
            return found
    return None


def _of_part(text: str, find: Finder) -> float | None:
    found = find(text)
    if not found or (same := _same(found)) is not None:
        return same if found else None
    if (said := _said(_ANSWER_IS, text, found)) is not None:
        return said
    lines = [line.strip(" .~≈$()[]") for line in (text.partition("\n")[0], text.rpartition("\n")[2])]
    alone = [numbers[0] for line in lines if len(numbers := find(line)) == 1 and numbers[0][:2] == (0, len(line))]
    return alone[-1][2] if alone and _same(alone) is not None else _said(_STATEMENT, text, found)


def _said(statement: re.Pattern[str], text: str, found: Sequence[_Found]) -> float | None:
    """The last number that follows a statement."""
    at = {start: value for start, _, value in found}
    ends = [_ABOUT.match(text, said.end()) for said in statement.finditer(text)]
    said = [at[about.end()] for about in ends if about and about.end() in at]
    return said[-1] if said else None


def _same(found: Sequence[_Found]) -> float | None:
    """The first of numbers that are all the same to 2 %, as they are when written in two units."""
    first = found[0][2] if found else None
    if first is None or any(abs(value - first) > 0.02 * abs(first) for _, _, value in found):
        return None
    return first


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _strict(text: str) -> float | None:
    return _answered(text, _plain_numbers)


def vsi(text: str) -> float | None:
    """VSI-Bench (thinking-in-space 51e089c, VST, lmms-eval until 2025): the first word, if it is a number.

    Faults: "2m", "~2", "about 2", "five", "1,000" and everything after reasoning are unparsed, and so score 0.
    """
    return _float(text.partition(" ")[0].rstrip(".").strip())


_DIGITS = re.compile(r"-?\d++(?:\.\d++)?+")


def lmms(text: str) -> float | None:
    """lmms-eval (75571cfe, 2026-08-06): the first number, in digits, else in words.

    Faults: "1,000" is 1; the number of the reasoning wins over the answer; the first of several wins.
    """
    found = _DIGITS.search(text)
    if found:
        return float(found[0])
    spelled = _numbers_in_words(text)
    return spelled[0][2] if spelled else None


_SIGNED = re.compile(r"[-+]?(?:\d*+\.\d++|\d++)(?:[eE][-+]?\d++)?+|[-+]?\d++(?:[eE][-+]?\d++)?+")
_TO_TWENTY = re.compile(rf"\b({'|'.join([*_WORDS, 'twenty'])})\b", re.IGNORECASE)
_TAG = re.compile(r"<\s*+answer\b[^<>]*+>\s*+", re.IGNORECASE)
_AFTER = re.compile(r"<\s*+/?\s*+think\s*+>", re.IGNORECASE)


def easi(text: str) -> float | None:
    """EASI and VLMEvalKit (can_match_na, April 2026): the number that <answer> begins with, else the last after the
    last </think>, else the last of all. Words to twenty are numbers.

    Faults: "1,000" is 0, "twenty-one" is -1, and of "between 2 and 3" or "3 chairs and 2 tables" the last counts.
    """
    text = re.sub("[\u200b-\u200d\ufeff]", "", text.strip())
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1].split(",")[0]
    text = _TO_TWENTY.sub(lambda word: str({**_WORDS, "twenty": 20}[word[1].lower()]), text)
    tag = _TAG.search(text)
    if tag and (found := _SIGNED.match(text, tag.end())):
        return float(found[0])
    tags = list(_AFTER.finditer(text))
    closing = [found for found in tags if "/" in found[0]] or tags
    for part in (text[closing[-1].end() :] if closing else text, text):
        if numbers := _SIGNED.findall(part):
            return float(numbers[-1])
    return None


RULES: dict[str, Callable[[str], float | None]] = {
    "strict": _strict, "vsi": vsi, "vst": vsi, "lmms": lmms, "easi": easi, "vlmeval": easi
}  # fmt: skip
