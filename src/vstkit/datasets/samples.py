"""Sample records in parquet, as vstkit-export(1) writes them: with everything but recipes, which have become pictures.

Any parquet of {"messages": [{"role", "content": text or parts}], "images"} is read too, TRL's for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from vstkit.datasets import conversations
from vstkit.datasets.conversations import find
from vstkit.errors import DataError, at
from vstkit.lineio import Record
from vstkit.records import Sample
from vstkit.tags import PLAIN
from vstkit.validation import parse

__all__ = ["find", "read"]


def read(
    unit: Record,
    tally: Counter[str],
    *,
    root: str = ".",
    write: str | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> Iterator[Record]:
    """As `conversations.read`; raises DataError for columns of JSON that are none."""
    row = unit["row"]
    options: dict[str, Any] = {"root": root, "write": write, "fps": fps, "max_frames": max_frames}
    for made in conversations.read(unit, tally, tags=PLAIN, **options):
        with at(unit["where"]):
            said = {name: _value(row[name], name) for name in ("answer", "meta") if name in row}
            if not isinstance(more := _value(row.get("more", "{}"), "more"), dict):
                raise DataError("more: expected an object")
            whole = {**made, **said, **more}
            parse(whole, Sample)
        yield whole


def _value(text: Any, name: str) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as e:
        raise DataError(f"{name}: expected JSON: {e}") from None
