"""Predictions for the tests of scoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vstkit.lineio import encode
from vstkit.scoring import reporting, suites
from vstkit.scoring.aggregate import Item

Record = dict[str, Any]


def choice(right: str, letters: str | Mapping[str, str] = "ABCD") -> Record:
    options = dict(letters) if isinstance(letters, Mapping) else dict.fromkeys(letters, "")
    return {"type": "choice", "value": right, "options": options}


def number(value: float, unit: str = "m") -> Record:
    return {"type": "number", "value": value, "unit": unit}


def text(value: str, *accept: str) -> Record:
    return {"type": "text", "value": value, "accept": list(accept)}


def prediction(name: str, answer: Record | None, response: str, **bench: Any) -> Record:
    made = {"kind": "prediction", "id": name, "messages": [], "response": response, "meta": {"bench": bench}}
    return made | ({"answer": answer} if answer else {})


def judged(records: Iterable[Record], suite: str, family: str | None = None, by: tuple[str, ...] = ()) -> list[Item]:
    return [suites.judged(record, suite, family, by).item for record in records]


def scored(records: Iterable[Record], suite: str, family: str | None = None, **options: Any) -> list[Record]:
    held = judged(records, suite, family, options.get("by", ()))
    return reporting.scores(held, suite, family, **options)


def value(scores: Iterable[Record], metric: str = "overall", **group: str) -> float:
    """The value of the one score of a metric and a group."""
    (found,) = [s["value"] for s in scores if s["metric"] == metric and s.get("group", {}) == group]
    return float(found)


def lines(records: Iterable[Record]) -> bytes:
    return b"".join(map(encode, records))
