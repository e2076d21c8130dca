"""A row of a benchmark's file as a sample without its pictures: question, options, answer, and what else it says.

`meta.bench` holds the row's other fields under their own names, as far as they are short. Options come from columns A,
B, C, ...; a list, in JSON or as Python writes it; lines; or the question itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from string import ascii_uppercase
from typing import Any

import orjson

from vstkit.datasets.benches.forms import told_by_id
from vstkit.datasets.benches.suites import BENCHES, Bench
from vstkit.errors import DataError, UsageError
from vstkit.lineio import Record
from vstkit.tables import Row, listed, missing, structured, whole

QUESTION = ("question", "Question", "problem")
PREDICTED = ("prediction", "response", "pred")
LONGEST = 1000  # characters of JSON that a field in meta.bench may take: not a picture, not a text that was drawn up
MOST = 26  # options
HIDDEN = ("hidden", "?")  # what stands for the answer in test splits


def bench(name: str) -> Bench:
    """The entry of a benchmark; raises UsageError for a name that is not known."""
    if name not in BENCHES:
        raise UsageError(f"expected one of {', '.join(BENCHES)}, got {name}")
    return BENCHES[name]


def sample(row: Row, name: str, number: int) -> Record:
    """The sample of a row, which is the `number`th (from 0) of its file, without pictures.

    Without `answer` where the row has none, and without messages where it has no question: then it is good to score
    against. Raises DataError with the name of the field for an answer that is not one of the options, or no number.
    """
    entry = bench(name)
    row = entry.row(row)
    question = str(first(row, QUESTION, ""))
    kind = entry.kind(row)
    options, listed_apart = ({}, False) if kind != "choice" else options_of(row, entry, question)
    answer = answer_of(first(row, entry.answer), kind, options, counted=entry.counted)
    asked = prompt(row, entry, question, options if listed_apart else {}, kind)
    made: Record = {
        "kind": "sample",
        "id": ident(row, entry, name, number),
        "dataset": name,
        "task": _task(row, entry),
        "scene": str(first(row, ("scene_name", "Scene", "scene"), "")),
        "messages": [{"role": "user", "content": [{"type": "text", "text": asked}]}] if asked else [],
        "answer": answer,
        "meta": {"bench": _others(row, entry)},
    }
    return {key: value for key, value in made.items() if value not in ("", None)}


def first(row: Row, names: Iterable[str], default: Any = None) -> Any:
    """The first of some fields that a row has."""
    return next((row[name] for name in names if not missing(row.get(name))), default)


def ident(row: Row, entry: Bench, name: str, number: int) -> str:
    """The id of a row's sample: the benchmark, what parts its files, and the row's own id, else its number."""
    own = whole(first(row, entry.ids, number))
    return "/".join(map(str, filter(None, (name, first(row, entry.part, ""), f"{own}"))))


def _task(row: Row, entry: Bench) -> str:
    task = first(row, entry.task)
    if isinstance(task, list):
        task = next(iter(task), None)
    return told_by_id(row) if task is None else str(task)


def _others(row: Row, entry: Bench) -> Row:
    told = {*QUESTION, *PREDICTED, *entry.options, *entry.answer, *ascii_uppercase, entry.given, "hint"}
    kept = {name: value for name, value in row.items() if name not in told and _short(value)}
    return kept | {name: whole(kept[name]) for name in {"index", *entry.ids} & kept.keys()}


def _short(value: Any) -> bool:
    try:
        return len(orjson.dumps(value)) <= LONGEST
    except TypeError:  # bytes, or a number of more than 64 bits
        return False


def options_of(row: Row, entry: Bench, question: str) -> tuple[dict[str, str], bool]:
    """Texts of options by their letters, and whether they stand beside the question and not in it."""
    columns = {letter: str(row[letter]) for letter in ascii_uppercase if not missing(row.get(letter))}
    if columns:
        return columns, True
    value = structured(first(row, entry.options))
    found = value if isinstance(value, list) else None
    if isinstance(value, Mapping):
        found = [f"{letter}. {text}" for letter, text in value.items() if not missing(text)]
    if found is None and isinstance(value, str):
        found = value.strip().splitlines()
    if not found:
        return within(question), False
    if len(found) > MOST:
        raise DataError(f"{entry.options[0]}: expected at most {MOST} options, got {len(found)}")
    letters = ascii_uppercase[: len(found)]
    marks = [re.match(rf"\s*\(?{letter}[.:)]\s*", str(text)) for letter, text in zip(letters, found, strict=True)]
    texts = [str(text)[mark.end() if mark and all(marks) else 0 :] for text, mark in zip(found, marks, strict=True)]
    return dict(zip(letters, texts, strict=True)), True


_MARK = re.compile(r"(?<![\w(])(?:\(([A-Za-z])\)|([A-Z])[.:)](?=\s))")


def within(question: str) -> dict[str, str]:
    """Options that stand in a question: (A) left (B) right; A. left; A: left. The longest run of letters from A."""
    runs: list[list[re.Match[str]]] = [[]]
    for mark in _MARK.finditer(question):
        letter = (mark[1] or mark[2]).upper()
        if letter == "A":
            runs.append([mark])
        elif runs[-1] and letter == ascii_uppercase[len(runs[-1])]:
            runs[-1].append(mark)
    marks = max(reversed(runs), key=len)
    if len(marks) < 2:
        return {}
    line = question.find("\n", marks[-1].end())
    ends = [*(mark.start() for mark in marks[1:]), line if line >= 0 else len(question)]
    texts = [question[mark.end() : end].strip().rstrip(",;") for mark, end in zip(marks, ends, strict=True)]
    return dict(zip(ascii_uppercase, texts, strict=False))


def prompt(row: Row, entry: Bench, question: str, options: Mapping[str, str], kind: str) -> str:
    """What the benchmark asks: its own words, the question and the options in it."""
    if not question and not row.get(entry.given):
        return ""
    if given := row.get(entry.given):
        return str(given)
    form = entry.choice if kind == "choice" else entry.open
    if kind == "choice" and not options:
        form = form.replace("Options:\n{options}", "{options}")
    lines = "".join(f"{entry.option.format(letter=letter, text=text)}\n" for letter, text in options.items())
    hint = f"Hint: {row['hint']}\n" if row.get("hint") else ""
    times = [first(row, (f"time_{end}",)) for end in ("start", "end")]
    period = "From {} seconds to {} seconds. ".format(*times) if None not in times else ""
    return form.format(question=question, options=lines, hint=hint, period=period)


def answer_of(value: Any, kind: str, options: Mapping[str, str], *, counted: bool = False) -> Record | None:
    """The typed answer of a cell; None for an empty one. Raises DataError where it does not fit."""
    if value is None or value in HIDDEN:
        return None
    if kind == "choice":
        letter = _letter(value, options, counted)
        # Without options in sight there are four, as in most benchmarks, or as many as it takes.
        letters = ascii_uppercase[: max(4, ascii_uppercase.index(letter) + 1)]
        return {"type": "choice", "value": letter, "options": dict(options) or dict.fromkeys(letters, "")}
    if kind == "text":
        texts = [str(text) for text in listed(value) or [value]]
        return {"type": "text", "value": texts[0], **({"accept": texts[1:]} if texts[1:] else {})}
    return {"truth": _truth, "quantity": _quantity, "count": _count}.get(kind, partial(_measure, kind))(value)


def _truth(value: Any) -> Record:
    text = str(whole(value)).lower()
    if text not in _TRUTHS:
        raise DataError(f"label: expected 1 or 0, got {text[:60]!r}")
    return {"type": "text", "value": _TRUTHS[text]}


def _measure(kind: str, value: Any) -> Record:
    return {"type": "number", "value": _number(value), "unit": kind.partition(" ")[2]}


def _count(value: Any) -> Record:
    if not (number := _number(value)).is_integer():
        raise DataError(f"answer: expected an integer, got {value}")
    return {"type": "count", "value": int(number)}


_TRUTHS = {"1": "yes", "true": "yes", "yes": "yes", "0": "no", "false": "no", "no": "no"}


def _letter(value: Any, options: Mapping[str, str], counted: bool) -> str:
    """The letter of an answer: B, (B), b, the text of an option, "B. its text", or the number of one."""
    text = str(whole(value)).strip()
    if counted and text.isdecimal() and int(text) < min(MOST, len(options) or MOST):
        return ascii_uppercase[int(text)]
    bare = re.fullmatch(r"\(?([A-Za-z])\)?[.:)]?", text)
    marked = re.match(r"\(([A-Za-z])\)|([A-Za-z])[.:)]\s", text)
    same = [letter for letter, option in options.items() if option.strip() == text]
    if bare and (not options or bare[1].upper() in options):
        found = bare[1].upper()
    elif len(same) == 1:
        found = same[0]
    else:
        found = (marked[1] or marked[2]).upper() if marked else ""
    if not found or (options and found not in options):
        raise DataError(f"answer: expected one of {', '.join(options) or 'A, B, ...'}, got {text[:60]!r}")
    return found


def _number(value: Any) -> float:
    try:
        number = float(str(value).replace(",", ""))
    except ValueError:
        raise DataError(f"answer: expected a number, got {str(value)[:60]!r}") from None
    if missing(number):
        raise DataError(f"answer: expected a finite number, got {value}")
    return number


_UNITS = {"m": "m", "meter": "m", "metre": "m", "cm": "cm", "centimeter": "cm", "centimetre": "cm", "mm": "mm",
          "millimeter": "mm", "millimetre": "mm", "degree": "deg", "deg": "deg", "°": "deg"}  # fmt: skip


def _quantity(value: Any) -> Record:
    """A number with its unit, an integer without, else a text."""
    text = str(value)
    found = re.fullmatch(r"\s*(-?\d[\d,]*(?:\.\d+)?)\s*([a-z°]*?)s?\.?\s*", text.lower())
    if found and (unit := _UNITS.get(found[2])):
        return {"type": "number", "value": _number(found[1]), "unit": unit}
    if found and not found[2] and _number(found[1]).is_integer():
        return _count(found[1])
    return {"type": "text", "value": text}
