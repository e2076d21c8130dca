"""Sample records as other trainers' rows, for `vstkit export`.

`chats` makes rows of samples, `pictures` brings their recipes into files or bytes, `tables` writes parquet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from vstkit.exports import chats, pictures, tables
from vstkit.lineio import Record, encode
from vstkit.records import Sample
from vstkit.validation import parse

Row = dict[str, Any]


class Format(NamedTuple):
    """How a sample becomes a row, and for parquet, where pictures stand in the row, its columns."""

    row: Callable[[Record], Row]
    columns: Callable[[], Any] | None = None


FORMATS = {
    "parquet": Format(chats.whole, tables.whole),
    "llava": Format(chats.llava),
    "sharegpt": Format(chats.sharegpt),
    "ms-swift": Format(chats.ms_swift),
    "vst": Format(chats.vst, tables.vst),
    "verl": Format(chats.verl, tables.verl),
}


def row(
    record: Record, tally: Counter[str], *, layout: str, root: str = ".", folder: str | None = None
) -> Iterator[Row]:
    """The row of a sample in the format `layout`; records of other kinds are left out and counted.

    Pictures that are named by path, and have a recipe or lie on their side, are written to `folder`. Raises DataError
    for a sample that the format cannot hold, and for such a picture where there is no folder.
    """
    if record["kind"] != "sample":
        tally[record["kind"]] += 1
        return
    parse(record, Sample)
    how = FORMATS[layout]
    sample = pictures.upright(record, root)
    sample = pictures.embedded(sample, root) if how.columns else pictures.by_path(sample, tally, root, folder)
    tally["rows"] += 1
    yield how.row(sample)


def write(rows: Iterable[Row], layout: str, send: Callable[[bytes], None], *, array: bool = False) -> None:
    """Send the bytes of a file of rows: parquet, JSON lines, or with `array` one JSON list. In constant memory.

    Raises UsageError where pyarrow is missing.
    """
    columns = FORMATS[layout].columns
    if columns:
        numbered = chats.numbered(rows) if layout == "verl" else rows
        tables.write(numbered, columns(), send)
    elif array:
        before = b"[\n"
        for one in rows:
            send(before + encode(one).rstrip(b"\n"))
            before = b",\n"
        send(b"\n]\n" if before == b",\n" else b"[]\n")
    else:
        for one in rows:
            send(encode(one))
