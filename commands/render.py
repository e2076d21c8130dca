"""Write the images that recipes describe.

DESCRIPTION
    Records name images by recipes: a path, and what is done to it when its pixels are needed. render does it: every
    resized, cropped or marked picture is written to DIR, and the records on standard output name these files and have
    no recipes left, so that any other program can read them.

    A file's name is made from its source and its recipe: records that share a recipe share a file, and another run
    writes the same files. The format is that of the source; JPEG is written with quality 95. A path without a recipe
    stays as it is.

    Depth and instance images of a scene stay too, for they fit a resized picture as they are; where a recipe crops,
    they are written anew, cropped alike.

INPUT
    Scenes, samples, predictions and packs; other kinds pass. Streams.

OUTPUT
    The records.

EXAMPLES
    Pictures for a trainer that reads files:

        vstkit gen-depth scenes.jsonl | vstkit render pictures > plain.jsonl

SEE ALSO
    vstkit-fov-unify(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder for the pictures.")],
    root: options.Root = ".",
) -> None:
    """Write the images that recipes describe."""
    import functools
    import logging

    from vstkit import rendering

    render = functools.partial(rendering.render, folder=folder, root=root)
    with stream() as records:
        records.map(render, kinds=("scene", "sample", "prediction", "pack"))
    told = records.tally["rendered"], records.tally["kept"]
    logging.getLogger("vstkit").info("%d recipes rendered, %d images left as they are", *told)
