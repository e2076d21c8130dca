"""Fill training sequences with samples.

DESCRIPTION
    Short samples waste a training step, so several are put into one sequence of at most --length tokens. Tokens are
    counted as the model's own tokenizer, chat template and rules for images and videos make them; of pictures and
    frames only the headers are read.

    Packs are made out of --buffer samples at a time: the long are spread so that attention, which costs the squares
    of lengths, costs nearly the same in all packs, and the short fill up by best fit, decreasing. Packs under 99 %
    go back to the buffer once.

    Packs leave by steps of --global-batch, drawn by --seed among the packs of a buffer: every step has packs of all
    costs, the costliest first, so that those next to each other cost nearly the same. With --divisible their number
    is a multiple of processes times accumulation: the last packs are parted for it; where they hold too few samples,
    those over the multiple are left out, fewer than N samples.

    A sample longer than --length is left out, counted, and written to --rejects with its length. With --overlong
    split-turns one of several turns is split between them: each piece has the system prompt, all images shown before
    it, and an id of its own. The fill is told on standard error.

INPUT
    Sample records. Holds --buffer samples, and packs for one step.

OUTPUT
    Pack records, each with its samples. A pack belongs to the model that counted its tokens; vstkit-sft(1) refuses it
    for another tokenizer, chat template or rule for images.

EXAMPLES
    From scenes to packs:

        vstkit gen-det3d scenes.jsonl | vstkit pack --model DIR --length 16384 -o packs.jsonl

    For 8 GPUs, where every step of 128 packs shall be whole:

        vstkit pack samples.jsonl --model DIR --global-batch 128 --divisible 128 --rejects long.jsonl -o packs.jsonl

SEE ALSO
    vstkit-sft(1)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any, Literal

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
    global_batch: Annotated[
        int, typer.Option("--global-batch", metavar="PACKS", min=1, help="Packs of one step, over all processes.")
    ] = 128,
    divisible: Annotated[
        int, typer.Option("--divisible", metavar="N", min=1, help="Make the number of packs a multiple of this.")
    ] = 1,
    overlong: Annotated[
        Literal["reject", "split-turns"],
        typer.Option("--overlong", help="What a sample over --length is: left out, or split between its turns."),
    ] = "reject",
    thinking: Annotated[
        bool, typer.Option("--thinking", help="Give samples whose answers think the paper's system prompt.")
    ] = False,
    root: options.Root = ".",
    seed: options.Seed = 0,
) -> None:
    """Fill training sequences with samples."""
    from functools import partial

    from vstkit import packing
    from vstkit.models.chat import Chat
    from vstkit.stream import left_out

    fingerprint = Chat(model).fingerprint
    split_over = length if overlong == "split-turns" else None
    count = partial(packing.measure, model=model, root=root, split_over=split_over, thinking=thinking)
    packs = samples = tokens = 0
    with stream() as records:

        def fitting() -> Iterator[packing.Sized]:
            for item in records.results(count, kinds=("sample",)):
                if item.length <= length:
                    yield item
                else:
                    records.tally["too long"] += 1
                    records.reject(item.sample, f"messages: {item.length} tokens, more than the {length} of a pack")

        def leave_out(item: packing.Sized) -> None:
            records.tally["over the multiple"] += 1
            records.reject(item.sample, f"messages: in a pack over the multiple of {divisible}")

        settings = {"buffer": buffer, "global_batch": global_batch, "divisible": divisible, "seed": seed}
        for group in packing.pack(fitting(), length, leave_out=leave_out, **settings):
            record = packing.pack_record(group, fingerprint)
            records.write(record)
            packs, samples, tokens = packs + 1, samples + len(group), tokens + record["length"]
    fill = f", {tokens / packs / length:.1%} full" if packs else ""
    split = f", {records.tally['split']} split" if records.tally["split"] else ""
    left = left_out(records.tally, besides=("split",))
    logging.getLogger("vstkit").info(
        "%d samples, %d tokens in %d packs%s%s%s", samples, tokens, packs, fill, split, left
    )
