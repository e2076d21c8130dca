"""VLMEvalKit's and EASI's prediction files: the benchmark's table without its pictures and with a column `prediction`.

xlsx by default, tsv or json where it was asked for. Excel keeps 32767 characters of a text: what was longer is cut, or
the cell is empty; both are counted and told. A text that begins with "=" is stored as a formula, and read as the text.
A judged file (`*_result.xlsx`) has the same columns and more.
"""

from __future__ import annotations

from collections.abc import Iterator

from vstkit.lineio import Record
from vstkit.scoring.readers.common import columns


def read(path: str, suite: str) -> Iterator[Record]:
    """The predictions of one file. Raises DataError for a table without predictions."""
    return columns(path, suite, ("prediction",))
