"""VSI-Bench results as the evaluations of VST and thinking-in-space write them: the benchmark's rows with `prediction`.

A JSON list for each process or the merged one, JSON lines, or the table that is made of them. Samplers of several
processes repeat the last rows to give each the same number: these have the same id.
"""

from __future__ import annotations

from collections.abc import Iterator

from vstkit.lineio import Record
from vstkit.scoring.readers.common import columns

SUITES = ("vsibench", "spbench")


def read(path: str, suite: str) -> Iterator[Record]:
    """The predictions of one file. Raises DataError for a file without predictions."""
    return columns(path, suite)
