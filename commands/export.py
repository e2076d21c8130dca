"""Write samples as other trainers read them.

DESCRIPTION
    Makes rows of samples in the format of --format. vstkit-ingest(1) reads all of them back.

    parquet  Sample records in columns: messages, images, videos; answer, meta and what has no column as JSON. Holds all
    but the recipes, which have become pictures.
    llava  {id, image, conversations}, for LLaVA and what descends from it. No videos, answers, tasks, meta.
    sharegpt  {conversations, images, videos}, for LLaMA-Factory. No answers, tasks, meta; of videos the frames, and not
    how many a second.
    ms-swift  {messages, images, videos}, likewise.
    vst  Parquet of {conversations, id, data_source, images, type, meta_info}, for the code of Visual Spatial Tuning. No
    videos, answers, tasks, meta.
    verl  Parquet of {data_source, prompt, images, videos, reward_model, extra_info}, for reinforcement learning: the
    last answer is the ground truth, as JSON, and no part of the prompt. Of a conversation, no answer but the last.

    dataset becomes data_source. White space around texts beside pictures is lost in llava and vst, where it has no
    meaning. A text that holds the tag of a picture (<image>, <|image_pad|>) is a bad record: it would stand for one.

    In the three that are parquet, pictures stand in the file: as they are, or where a recipe changes them, rendered.
    The other formats name them by path, from --root, and the trainer has to be told of this folder; pictures with a
    recipe are rendered into --write DIR, and without it refused. So are pictures that only their EXIF data turn
    upright, which most trainers do not read; in parquet they are turned.

    For LLaMA-Factory, dataset_info.json needs:

        "mine": {"file_name": "mine.jsonl", "formatting": "sharegpt",
                 "columns": {"messages": "conversations", "images": "images", "videos": "videos"},
                 "tags": {"system_tag": "system"}}

INPUT
    Sample records; others are left out, and counted. Streams: parquet is written in groups of at most 1000 rows or
    64 MB.

OUTPUT
    Rows as JSON lines, or as one JSON list where -o FILE ends in .json, which LLaVA wants; or parquet, which needs
    pip install 'vstkit[parquet]'.

EXAMPLES
    For LLaMA-Factory:

        vstkit gen-depth scenes.jsonl | vstkit export --format sharegpt --write pictures -o mine.jsonl

    In one file with its pictures:

        vstkit export --format parquet samples.jsonl -o samples.parquet

SEE ALSO
    vstkit-ingest(1), vstkit-mix(1), vstkit-render(1), vstkit-records(5)
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    context: typer.Context,
    layout: Annotated[
        Literal["parquet", "llava", "sharegpt", "ms-swift", "vst", "verl"],
        typer.Option("--format", help="The format of the rows."),
    ],
    write: options.Write = None,
    root: options.Root = ".",
) -> None:
    """Write samples as other trainers read them."""
    from functools import partial

    from vstkit import exports
    from vstkit.errors import UsageError
    from vstkit.stream import left_out

    columns = exports.FORMATS[layout].columns
    if write and columns:
        raise UsageError(f"--write: {layout} has no use for it: pictures stand in the file")
    array = not columns and str(context.params["output"]).endswith(".json")
    row = partial(exports.row, layout=layout, root=root, folder=write)
    with stream() as records:
        exports.write(records.results(row, kinds=None), layout, records.write_bytes, array=array)
    reasons = left_out(records.tally, besides=("rows", "rendered", "kept"))
    logging.getLogger("vstkit").info("%d rows%s", records.tally["rows"], reasons)
