"""MMMU's files: {id: letter or text}, and a list of {id, question_type, answer, all_choices, index2ans, response}.

The first has no answers: they come from another, `vstkit ingest bench mmmu answer_dict_val.json`.
"""

from __future__ import annotations

from collections.abc import Iterator

from vstkit.errors import DataError
from vstkit.lineio import Record
from vstkit.scoring.readers.common import known
from vstkit.tables import Row, rows

SUITES = ("mmmu",)


def read(path: str, suite: str) -> Iterator[Record]:
    """The predictions of one file. Raises DataError for one in another form."""
    return known(_found(path), suite, path)


def _found(path: str) -> Iterator[tuple[str, Row, object]]:
    for where, row in rows(path):
        if row.keys() <= {"id", "value"}:
            yield where, {"id": row["id"]}, row.get("value")
        elif {"id", "question_type"} <= row.keys():
            yield where, row, row.get("response")
        else:
            raise DataError(
                f"{where}: expected id, question_type and response, or an answer by id, got {', '.join(row)}"
            )
