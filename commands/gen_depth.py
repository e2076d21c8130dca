"""Ask which object is nearest to the camera.

DESCRIPTION
    For each view, questions about two to five objects: which is nearest? Objects are named by their label, where it
    fits no other object in view (text), by coloured boxes (box), or by lettered points (point). Answers are a letter
    or a name. The marks are written into the image's recipe; no picture is decoded.

    Depth is read from the depth image over the visible pixels of the object's mask. The nearest object must lead
    every other by --min-gap metres and by --min-ratio of its own depth, both in the median and in the nearest tenth
    of its pixels; all else is dropped, and the summary on standard error counts why.

    Where depth is right only up to scale, or only in its order (mono-relative), metres mean nothing: the ratio alone
    decides, and values have no unit.

INPUT
    Scene records with instance and depth images. Streams.

OUTPUT
    Sample records of task depth-nearest; with -k each scene after its samples.

EXAMPLES
    Two generators in one pipe:

        vstkit gen-depth -k scenes.jsonl | vstkit gen-det3d > samples.jsonl

    Why is this the answer?

        vstkit gen-depth scenes.jsonl --explain gen-depth/0123456789abcdef

SEE ALSO
    vstkit-gen-det3d(1), vstkit-pack(1)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    per_view: Annotated[
        int, typer.Option("--per-view", metavar="N", min=0, help="Questions for each view and form of reference.")
    ] = 4,
    min_gap: Annotated[
        float, typer.Option("--min-gap", metavar="M", min=0, help="Metres by which the nearest must lead.")
    ] = 0.1,
    min_ratio: Annotated[
        float, typer.Option("--min-ratio", metavar="SHARE", min=0, help="Share of its own depth by which it must lead.")
    ] = 0.1,
    min_share: options.MinShare = options.MIN_SHARE,
    min_fraction: options.MinFraction = options.MIN_FRACTION,
    root: options.Root = ".",
    seed: options.Seed = 0,
    keep: options.Keep = False,
    report: options.Report = None,
    explain: options.Explain = None,
) -> None:
    """Ask which object is nearest to the camera."""
    from functools import partial

    from vstkit.tasks import depth

    from . import _generating

    generate = partial(
        depth.generate,
        root=root,
        seed=seed,
        per_view=per_view,
        min_gap=min_gap,
        min_ratio=min_ratio,
        min_share=min_share,
        min_fraction=min_fraction,
    )
    _generating.run(stream, generate, depth.explain, keep=keep, report=report, sample_id=explain)
