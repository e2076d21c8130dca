"""Mix sources of samples by a recipe.

DESCRIPTION
    A recipe names sources and says how much of each goes into the mixture; mix draws it, in an order that the seed
    alone decides. In YAML (or the same in TOML):

        sources:
          vst:
            files: vst/*.jsonl
            repeat: 1/3
          general:
            files: onevision/*.parquet
            format: llava
            write: pictures
            cap: 800000

    files  A file or a pattern, or a list of them, from the current folder.
    format  records, which is the default, or a format of vstkit-ingest(1): llava, sharegpt, ms-swift, vst, verl,
    parquet. Its options images and write may stand beside it.
    repeat  How often each sample comes: 2, 0.5, 1/3. All samples come once before any comes twice; of a part, each is
    as likely as another. By default 1.
    cap  The most samples that are taken, after repeat. Drawn from all of the source, not its first.
    weight  The source's share in the mixture, as a ratio to the other weights. The mixture is then the largest that has
    these shares and takes no source beyond its repeat and cap. All sources have a weight, or none: then all of each is
    taken.
    window  Samples that are held in memory to shuffle the source; by default 10000. The files of a source are shuffled
    too.

    The sources are interleaved so that every part of the mixture has about the shares of the whole, and all end
    together. For this they are counted first, and read twice.

    The mixture is a function of recipe, files and --seed. It is gone on with, or made in pieces, by saying which part
    is wanted: --skip 1000000 --limit 500000. What has been made need not be kept anywhere else.

INPUT
    Recipes. A file of JSON (not JSON lines) is loaded whole; of all else no more is held than the windows.

OUTPUT
    Sample records as they are in their sources; those that repeat keep their id. Records of other kinds are left out,
    and counted, as are those of families that --exclude names; rows of other formats tell no family.

EXAMPLES
    One third of VST-P and 800,000 general samples, packed:

        vstkit mix examples/third.yaml | vstkit pack --model MODEL -o packs.jsonl

    Go on after a run that was stopped, at the next sample:

        vstkit mix recipe.yaml --skip "$(wc -l < mixed.jsonl)" >> mixed.jsonl

SEE ALSO
    vstkit-ingest(1), vstkit-export(1), vstkit-pack(1), vstkit-records(5)
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
    context: typer.Context,
    skip: Annotated[
        int, typer.Option("--skip", metavar="N", min=0, help="Pass over the first N samples of the mixture.")
    ] = 0,
    exclude: Annotated[
        str | None,
        typer.Option(
            "--exclude",
            metavar="FILE",
            help="Names or records, one a line, whose families are never asked about.",
        ),
    ] = None,
    root: options.Root = ".",
    seed: options.Seed = 0,
) -> None:
    """Mix sources of samples by a recipe."""
    from functools import partial

    from vstkit import mixing
    from vstkit.errors import UsageError
    from vstkit.stream import left_out
    from vstkit.tasks import leaks

    if "-" in (context.params["files"] or ()):
        raise UsageError("expected a file with a recipe, got standard input")
    mixture = mixing.Mixture(seed=seed, skip=skip, exclude=leaks.load(exclude) if exclude else frozenset())
    with stream(convert=mixture.units, needs="RECIPE") as units:
        units.map(partial(mixing.taken, root=root), kinds=("unit",))
    told = ", ".join(f"{name} {units.tally[name]}" for name in mixture.names)
    log = logging.getLogger("vstkit")
    log.info("%d samples: %s%s", sum(units.tally.values()), told or "none", left_out(mixture.left_out))
