"""What readers share: a row and a response as a prediction, and what is lost on the way."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from vstkit.datasets.benches import rows
from vstkit.errors import DataError, at
from vstkit.lineio import Record
from vstkit.tables import EXCEL_CELL, Row, missing
from vstkit.tables import rows as read_rows

log = logging.getLogger("vstkit")


def prediction(row: Row, response: Any, suite: str, number: int) -> Record:
    """The prediction of a benchmark's row, the `number`th of its file; without an answer where the row has none.

    An empty cell is an empty response. Raises DataError as `rows.sample` does.
    """
    text = "" if missing(response) else str(response)
    return {**rows.sample(row, suite, number), "kind": "prediction", "response": text}


def columns(path: str, suite: str, names: tuple[str, ...] = rows.PREDICTED) -> Iterator[Record]:
    """Predictions out of a table with the response in the first of the columns `names` that it has.

    Raises DataError where no row has one. Logs how many responses are empty or as long as Excel lets them be.
    """
    found = 0
    lost: Counter[str] = Counter()
    number = -1
    for number, (where, row) in enumerate(read_rows(path)):
        response = rows.first(row, names)
        found += response is not None
        if response is None:
            lost["are empty"] += 1
        elif path.endswith(".xlsx") and len(str(response)) >= EXCEL_CELL:
            lost[f"have {EXCEL_CELL} characters, where Excel cuts texts"] += 1
        with at(where):
            record = prediction(row, response, suite, number)
        yield record
    if number >= 0 and not found:
        raise DataError(f"{path}: expected a column {' or '.join(names)}, found none with a text in it")
    warn(path, lost, number + 1)


def warn(path: str, lost: Counter[str], of: int) -> None:
    """Say once for a file what is wrong with how many of its responses."""
    for what, n in lost.items():
        log.warning("%s: %d of %d responses %s", path, n, of, what)


def known(found: Iterable[tuple[str, Row, Any]], suite: str, path: str) -> Iterator[Record]:
    """Predictions out of (place, row, response); rows whose answer is hidden are left out and counted."""
    lost: Counter[str] = Counter()
    number = -1
    for number, (where, row, response) in enumerate(found):
        if any(row.get(name) in rows.HIDDEN for name in rows.bench(suite).answer):
            lost["are of the test split, whose answers are hidden, and left out"] += 1
            continue
        if missing(response):
            lost["are empty"] += 1
        with at(where):
            record = prediction(row, response, suite, number)
        yield record
    warn(path, lost, number + 1)
