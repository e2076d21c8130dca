"""BLINK's files: `saved_val_predictions`, {id: "(A)"}, and `saved_outputs`, {"val": [rows], "test": [rows]}.

A row of the latter has idx, answer, full_prediction, the model's text, and prediction, the letter that gpt-3.5 found in
it. The text is the response, and the letter stays in meta.bench.extracted. A file of letters has no answers: they come
from another, `vstkit ingest bench blink val_answers.json`. Answers of the test split are hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

from vstkit.errors import DataError
from vstkit.lineio import Record
from vstkit.scoring.readers.common import known
from vstkit.tables import Row, rows

SUITES = ("blink",)


def read(path: str, suite: str) -> Iterator[Record]:
    """The predictions of one file. Raises DataError for one in another form."""
    return known(_found(path), suite, path)


def _found(path: str) -> Iterator[tuple[str, Row, object]]:
    for where, row in rows(path):
        if "idx" in row:
            kept = {name: row[name] for name in ("idx", "answer") if name in row}
            extracted = {"extracted": row["prediction"]} if "prediction" in row else {}
            yield where, kept | extracted, row.get("full_prediction")
        elif row.keys() <= {"id", "value"}:
            yield where, {"id": row["id"]}, row.get("value")
        else:
            raise DataError(
                f"{where}: expected idx, answer and full_prediction, or a letter by id, got {', '.join(row)}"
            )
