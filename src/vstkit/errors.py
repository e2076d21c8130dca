"""Errors that a user can cause, each with the exit status that it ends in.

The library raises them; `vstkit.stream` adds the file and the line, `vstkit.cli` prints one line and exits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class VstkitError(Exception):
    """Base of both; the message is lower case, without a full stop."""

    status = 1


class DataError(VstkitError):
    """The input is wrong, or the run failed. A message about a record starts with the field's path."""

    status = 1


class UsageError(VstkitError):
    """The command line is wrong."""

    status = 2


@contextmanager
def at(path: str) -> Iterator[None]:
    """Put the path of a field before a fault that was found by what the field names, such as a file."""
    try:
        yield
    except DataError as e:
        raise DataError(f"{path}: {e}") from None
