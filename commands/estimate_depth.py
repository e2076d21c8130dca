"""Add depth to pictures, by a monocular model.

DESCRIPTION
    Views that have no depth image get one from --model, a folder with a depth model that transformers loads (Depth
    Anything V2, ZoeDepth, DPT), written to --write as 16-bit PNG. Views that have depth keep it.

    A metric model's depth is marked mono-metric, in millimetres. A relative model only tells what is nearer; its depth
    is marked mono-relative, and generators ask only about order. Which of the two a model is stands in its
    configuration; --kind overrules it.

INPUT
    Scene records, or pictures named as FILE. Streams; the model runs in one process, on a GPU where there is one.

OUTPUT
    Scene records.

EXAMPLES
    Depth questions about your own pictures need masks, too:

        vstkit ingest coco coco.json --write maps | vstkit estimate-depth --model DIR --write maps | vstkit gen-depth

SEE ALSO
    vstkit-ingest(1), vstkit-gen-depth(1)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    model: options.Model,
    write: options.Write = None,
    kind: Annotated[
        Literal["metric", "relative"] | None,
        typer.Option("--kind", help="What the model tells; if not given, what it says."),
    ] = None,
    hfov: options.Hfov = None,
    root: options.Root = ".",
) -> None:
    """Add depth to pictures, by a monocular model."""
    from functools import partial

    from vstkit.errors import UsageError
    from vstkit.models import depth

    if not write:
        raise UsageError("--write: expected a folder for the depth images")
    depth.check(model)
    annotate = partial(depth.annotate, model=model, kind=kind, write=write, root=root)
    with stream(convert=_command.pictures(root, hfov), jobs=1) as scenes:
        scenes.map(annotate, kinds=("scene",))
