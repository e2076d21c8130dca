"""lmms-eval's samples: `*_samples_TASK.jsonl` of --log_samples, or the `logs` of the JSON that it wrote before.

A line has doc_id, doc (the benchmark's row without its pictures), target, resps [[text]], filtered_resps [text] and the
metrics, of which some (vsibench_score) hold the row too. The response is what lmms-eval scores, the filtered one; where
a question was asked several times, the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vstkit.datasets.benches import rows
from vstkit.errors import DataError
from vstkit.lineio import Record
from vstkit.scoring.readers.common import known
from vstkit.tables import Row, whole
from vstkit.tables import rows as read_rows


def read(path: str, suite: str) -> Iterator[Record]:
    """The predictions of one file. Raises DataError for a file of results without samples."""
    return known(_found(path, suite), suite, path)


def _found(path: str, suite: str) -> Iterator[tuple[str, Row, object]]:
    entry = rows.bench(suite)
    for where, line in read_rows(path):
        if not {"resps", "filtered_resps"} & line.keys():
            raise DataError(f"{where}: expected a sample with resps or filtered_resps, got {', '.join(line)[:200]}")
        doc = _doc(line)
        row = doc if rows.first(doc, entry.answer) is not None else {"answer": line.get("target"), **doc}
        if rows.first(row, entry.ids) is None and "doc_id" in line:
            row[entry.ids[0]] = whole(line["doc_id"])
        yield where, row, _text(line.get("filtered_resps") or line.get("resps"))


def _doc(line: Row) -> Row:
    """The benchmark's row: the doc, and what the metrics hold of it."""
    held = [value for value in line.values() if isinstance(value, dict) and "prediction" in value]
    doc = line.get("doc")
    return {**(held[0] if held else {}), **(doc if isinstance(doc, dict) else {})}


def _text(value: Any) -> Any:
    while isinstance(value, list):
        value = value[0] if value else None
    return value
