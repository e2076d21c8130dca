"""Plain tables for people; programs get JSON lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def wanted(stream: Any) -> bool:
    """Is a person reading: standard output is a terminal, and no -o names a file?"""
    return bool(stream.to_stdout and sys.stdout.isatty())


def text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell, words to the left and numbers to the right."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    right = [all(_is_number(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in table
    )


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()
