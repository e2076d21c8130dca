"""Ask for the 3D boxes of the objects of one kind.

DESCRIPTION
    For each view and label one question: detect the 3D boxes of all objects of that label. Question and answer are
    written as the released VST models read and write them: the camera as fields of view, boxes in camera axes as
    JSON, angles divided by 180, two decimals. Run vstkit-fov-unify(1) before.

    The answer lists every instance in view. A label is left out when an instance is hardly seen, or when neither mask
    nor depth tells whether it is in view; the summary on standard error counts why. Without instance images the
    projected boxes decide, which know nothing of occlusion.

INPUT
    Scene records with 3D boxes. Streams.

OUTPUT
    Sample records of task det3d; with -k each scene after its samples.

EXAMPLES
    Samples for a detector:

        vstkit fov-unify scenes.jsonl | vstkit gen-det3d -j 2 > det3d.jsonl

SEE ALSO
    vstkit-fov-unify(1), vstkit-detect3d(1), vstkit-score(1)
"""

from __future__ import annotations

from typing import Any

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    min_share: options.MinShare = options.MIN_SHARE,
    min_fraction: options.MinFraction = options.MIN_FRACTION,
    root: options.Root = ".",
    seed: options.Seed = 0,
    keep: options.Keep = False,
    report: options.Report = None,
    explain: options.Explain = None,
) -> None:
    """Ask for the 3D boxes of the objects of one kind."""
    from functools import partial

    from vstkit.tasks import detection

    from . import _generating

    generate = partial(detection.generate, root=root, seed=seed, min_share=min_share, min_fraction=min_fraction)
    _generating.run(stream, generate, detection.explain, keep=keep, report=report, sample_id=explain)
