"""Ask what is nearer to the camera.

DESCRIPTION
    For each view, questions of these tasks:

    depth-nearest, depth-farthest  Which of two to five objects is nearest to the camera, or farthest from it? Answers
    are a name or a letter.
    depth-order  Two to six objects from near to far, or from far to near: as a numbered list or, where the question
    has boxes, as a JSON list of {"bbox_2d", "label"}.
    depth-order-choice  The same of two to four objects, picked among two or four orders by its letter.
    depth-points  Which of two points anywhere in the picture is nearer?
    depth-value  How many metres away is it? Only where depth is in metres, and only if --tasks names it.

    Objects are referred to in the forms of --forms: by their label, where it fits no other object in view (text); by a
    caption of the scene's or a description that fits no other and tells nothing of depth (caption, only if asked for);
    by marks on the picture (box, point); by pixels written out (text-box, text-point), of the picture as the model sees
    it. The marks are written into the image's recipe; no picture is decoded.

    Depth is measured along the viewing direction: of an object it is the median over its visible pixels, of a point the
    median of the 5x5 readings around it. One thing is nearer than another only by --min-gap metres and by --min-ratio
    of its own depth, and this must hold of the nearest tenth of its pixels too, and of the straight way to the camera.
    All that a point's mark covers must be one even surface, nearer by as much than all that the other's covers. What
    is less clear is dropped, and the summary on standard error counts why.

    What is lower in a picture is mostly nearer. Of two points the nearer one is therefore the lower one in half of the
    questions; of objects whose pixels are written out it is so less often than it would be, as far as a view allows.

    Where depth is right only up to scale, or only in its order (mono-relative), metres mean nothing: the ratio alone
    decides, and values have no unit.

INPUT
    Scene records with instance and depth images, or with evidence; depth-points needs the depth image. Streams.

OUTPUT
    Sample records; with -k each scene after its samples. Their meta has the objects or the points as the question
    names them, with their depths (values), straight ways to the camera (ranges) and nearest tenths (near).

EXAMPLES
    Two generators in one pipe:

        vstkit gen-depth -k scenes.jsonl | vstkit gen-det3d > samples.jsonl

    Orders of boxes only, one for each view:

        vstkit gen-depth --tasks depth-order --forms box,text-box --per-view 1 scenes.jsonl

    Why is this the answer?

        vstkit gen-depth scenes.jsonl --explain gen-depth/0123456789abcdef

SEE ALSO
    vstkit-evidence(1), vstkit-gen-distance(1), vstkit-pack(1)
"""

from __future__ import annotations

from typing import Any

from . import _generating
from . import _options as options


@_generating.generator("depth")
def command(
    min_gap: options.MinGap = 0.1,
    min_ratio: options.MinRatio = 0.1,
    forms: options.Forms = options.FORMS,
    patch: options.Patch = options.PATCH,
) -> dict[str, Any]:
    """Ask what is nearer to the camera."""
    return {"min_gap": min_gap, "min_ratio": min_ratio, "forms": options.forms(forms), "patch": patch}
