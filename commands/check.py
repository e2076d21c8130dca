"""Validate records, and the files they name.

DESCRIPTION
    Valid records go on to standard output unchanged, so check can stand at the head of a pipe. Every fault of every
    record is reported on standard error, not only the first, and the status is 1 when there was any.

    With --files every image, depth and instance file is opened and decoded: it must exist, be whole, have the size
    that the record says, and depth must have the image's aspect to within 1 percent.

INPUT
    Records of any kind. Streams.

OUTPUT
    The records that are valid.

EXAMPLES
    Is this a scene?

        echo '{"kind":"scene","id":"s","views":[]}' | vstkit check

SEE ALSO
    vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    files_too: Annotated[bool, typer.Option("--files", help="Open every file that the records name.")] = False,
    root: options.Root = ".",
) -> None:
    """Validate records, and the files they name."""
    import functools

    from vstkit import checking

    with stream(report_all=True) as records:
        records.map(functools.partial(checking.check, files=files_too, root=root), kinds=None, keep=True)
