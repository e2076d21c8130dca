"""See records, in a browser or as pictures.

DESCRIPTION
    Writes one HTML page that holds everything it shows and loads nothing: send it to somebody, open it without a
    network. Scenes have their boxes projected into every view, and drawn from above; samples their marked pictures,
    question and answer; predictions the true and the predicted boxes side by side, and how well they agree. Scores and
    packs are tables, any other record is what it is.

    The page filters by kind, task and label, searches text and is walked through by keys (? lists them). It holds
    thousands of records: only what is on the screen is drawn. Pictures are stored once each, --width pixels wide;
    with --link those without marks or crops stay in their files, and the page has to stay where it is written
    (vstkit render makes files of the others).

    With --png DIR every record with a picture becomes a PNG instead, and their names are what is written. With --rrd
    FILE scenes become a recording for Rerun: cameras, boxes and the points that depth gives. This needs the extra
    [view].

INPUT
    Records of any kind. Streams.

OUTPUT
    An HTML page, or lines of file names with --png, or nothing with --rrd. Of no records nothing.

EXAMPLES
    What was generated?

        vstkit gen-det3d scenes.jsonl | vstkit show > page.html

    The boxes that a model found, as pictures:

        vstkit detect3d --model runs/sft det3d.jsonl | vstkit show --png pictures

SEE ALSO
    vstkit-stats(1), vstkit-render(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    width: Annotated[int, typer.Option("--width", metavar="PX", min=16, help="Pictures are at most this wide.")] = 640,
    link: Annotated[
        bool, typer.Option("--link", help="Name picture files in the page instead of embedding them.")
    ] = False,
    png: Annotated[
        str | None, typer.Option("--png", metavar="DIR", help="Write a picture of each record here.")
    ] = None,
    rrd: Annotated[str | None, typer.Option("--rrd", metavar="FILE", help="Write scenes as a Rerun recording.")] = None,
    root: options.Root = ".",
) -> None:
    """See records, in a browser or as pictures."""
    import logging
    from functools import partial

    from vstkit.errors import UsageError
    from vstkit.stream import left_out

    if sum(map(bool, (link, png, rrd))) > 1:
        raise UsageError("expected one of --link, --png and --rrd")
    with stream() as records:
        if png:
            from vstkit.show import pictures

            for name in records.results(partial(pictures.write, folder=png, root=root, width=width), kinds=None):
                records.write_text(name)
            logging.getLogger("vstkit").info(
                "%d pictures%s", records.tally["pictures"], left_out(records.tally, ["pictures"])
            )
        elif rrd:
            from vstkit.show import rerun_log

            with rerun_log.Recording(rrd, root) as recording:
                for scene in records.results(rerun_log.scenes, kinds=None):
                    recording.log(scene)
            logging.getLogger("vstkit").info(
                "%d scenes%s", records.tally["scenes"], left_out(records.tally, ["scenes"])
            )
        else:
            from vstkit.show import page

            prepare = partial(page.prepared, root=root, width=width, link_from=records.folder if link else None)
            for text in page.page(records.results(prepare, kinds=None)):
                records.write_text(text)
