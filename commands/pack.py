"""Fill training sequences with samples.

DESCRIPTION
    Short samples waste a training step, so several are put into one sequence of at most --length tokens: best-fit
    decreasing over a buffer of samples. Tokens are counted as the model's own tokenizer, chat template and image rule
    make them; of pictures only the headers are read.

    Packs leave in an order mixed by --seed. A sample longer than --length is a bad record, as --on-error and
    --rejects say. The fill is told on standard error.

INPUT
    Sample records. Holds --buffer samples.

OUTPUT
    Pack records, each with its samples. A pack belongs to the model that counted its tokens; vstkit-sft(1) refuses it
    for another.

EXAMPLES
    From scenes to packs:

        vstkit gen-det3d scenes.jsonl | vstkit pack --model DIR --length 16384 -o packs.jsonl

SEE ALSO
    vstkit-sft(1)
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    model: options.Model,
    length: Annotated[int, typer.Option("--length", metavar="TOKENS", min=1, help="Most tokens of a pack.")] = 16384,
    buffer: Annotated[
        int, typer.Option("--buffer", metavar="N", min=1, help="Samples to choose from at a time.")
    ] = 10_000,
    root: options.Root = ".",
    seed: options.Seed = 0,
) -> None:
    """Fill training sequences with samples."""
    from functools import partial

    from vstkit import packing
    from vstkit.models.chat import Chat

    fingerprint = Chat(model).fingerprint
    packs = samples = tokens = 0
    with stream() as records:
        sized = records.results(partial(packing.measure, model=model, root=root, longest=length), kinds=("sample",))
        for group in packing.pack(sized, length, buffer=buffer, seed=seed):
            record = packing.pack_record(group, fingerprint)
            records.write(record)
            packs, samples, tokens = packs + 1, samples + len(group), tokens + record["length"]
    fill = f", {tokens / packs / length:.1%} full" if packs else ""
    logging.getLogger("vstkit").info("%d samples, %d tokens in %d packs%s", samples, tokens, packs, fill)
