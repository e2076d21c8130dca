"""Ask for the 3D boxes of objects, and for the names of what boxes hold.

DESCRIPTION
    For each view, questions whose answers are 3D boxes, nearest centre first:

        det3d         all objects of one label, one question for each label
        det3d-labels  all objects of two to four labels in one question
        det3d-all     all objects of every label, named; and simply all objects
        det3d-turns   two to five labels, one a turn; only the first turn tells camera and format
        ground3d      the one object that is named, marked, pointed at or described (--forms)
        name3d        the other way round: a box is given, its object's name is the answer
        det3d-absent  a label of the scene that is not in view: an empty list. Only where --tasks names it, and right
                      only where every object in view is known

    Questions and answers are written as --dialect has it: vst as the released VST models read and write them (the
    camera as fields of view, boxes in camera axes as JSON, angles divided by 180, two decimals), seed with the camera's
    matrix and tags, qwen3vl and gemini without a camera. --angles quat writes quaternions for Euler angles, --center
    uvd the pixel of the centre and its depth. The typed answer is the same box in camera axes whatever the dialect.

    An answer lists every instance in view, or the label is left out: when an instance is hardly seen (--min-share,
    --min-fraction), when neither mask nor depth tells whether one is in view, when its box does not fit its pixels or
    its centre lies behind the camera, when something else in view is of that kind by its name (a desk lamp is a lamp).
    The summary on standard error counts why. Without instance images the projected boxes decide, which know nothing of
    occlusion. Scenes that are not metric are left out.

    Sizes can only be learnt at one field of view: run vstkit-fov-unify(1) before, with the same --focal if any. Views
    that are not unified are asked about, and counted in a warning at the end.

INPUT
    Scene records with 3D boxes. Streams.

OUTPUT
    Sample records of the tasks above; with -k each scene after its samples.

EXAMPLES
    Samples for a detector:

        vstkit fov-unify scenes.jsonl | vstkit gen-det3d -j 2 > det3d.jsonl

    The paper's mix of single-turn and multi-turn questions, of each as many for a view:

        vstkit gen-det3d --tasks det3d,det3d-turns --per-view 8 unified.jsonl > mix.jsonl

    What the answers look like, in another dialect and with quaternions:

        vstkit gen-det3d --dialect seed --angles quat unified.jsonl | head -1 | jq -r '.messages[1].content[0].text'
        chair: <3dbbox>-0.75 0.44 2.05 0.45 0.8 0.45 0.11 -0.3 -0.03 0.95</3dbbox>
        chair: <3dbbox>1.25 0.13 3.42 0.45 0.8 0.45 0.1 0.53 0.06 0.84</3dbbox>

SEE ALSO
    vstkit-fov-unify(1), vstkit-detect3d(1), vstkit-score(1)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from . import _generating
from . import _options as options


@_generating.generator("detection")
def command(
    dialect: Annotated[
        Literal["vst", "seed", "qwen3vl", "gemini"],
        typer.Option("--dialect", help="Whose way of asking for boxes and of writing them."),
    ] = "vst",
    angles: Annotated[
        Literal["euler", "quat"], typer.Option("--angles", help="Angles about x, y and z, or quaternions x, y, z, w.")
    ] = "euler",
    center: Annotated[
        Literal["xyz", "uvd"],
        typer.Option("--center", help="Centres in metres, or as the pixel that they are seen at and their depth."),
    ] = "xyz",
    focal: options.Focal = None,
    forms: options.Forms = options.FORMS,
    patch: options.Patch = options.PATCH,
) -> dict[str, Any]:
    """Ask for the 3D boxes of objects, and for the names of what boxes hold."""
    own = {"dialect": dialect, "angles": angles, "center": center, "forms": options.forms(forms), "patch": patch}
    return own if focal is None else {**own, "focal": focal}
