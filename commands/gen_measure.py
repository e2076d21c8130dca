"""Ask how tall and how long objects are.

DESCRIPTION
    Lengths are those of 3D boxes, in metres, centimetres or millimetres as the question asks. The tasks:

    measure-height   How tall an object is: the vertical extent of its box. Only where it is known what is up, and only
                     of boxes that stand upright: an axis within 10 degrees of the vertical, and what tilt adds to the
                     size along it at most 3 %. Of others the vertical extent is no height.
    measure-longest  The largest of the three sizes. Which of the others is length and which is width is not asked:
                     nobody could tell.
    measure-turns    Two to five objects of one picture, one turn each, in one unit.

    Measured are objects that are seen from end to end: not cut off by the picture's border, with 40 % of the outline of
    their box visible and 70 % of its width and of its height on the picture; whose box fits the depth image where there
    is one; and of 3 cm to 10 m. A unit is asked for where its last digit, hundredths of metres or whole centimetres or
    millimetres, makes up at most 5 % of the value. The summary on standard error counts what is left out and why.

INPUT
    Scene records with 3D boxes, in metres; evidence (vstkit-evidence(1)) is used where it is present. Streams.

OUTPUT
    Sample records. Their meta has the ids of the objects, what is measured of each, and the values in metres; with -k
    each scene after its samples.

EXAMPLES
    Heights alone, objects in coloured boxes:

        vstkit gen-measure --tasks measure-height --forms box scenes.jsonl > heights.jsonl

    Why is this the answer?

        vstkit gen-measure scenes.jsonl --explain gen-measure/0123456789abcdef

SEE ALSO
    vstkit-gen-distance(1), vstkit-evidence(1)
"""

from __future__ import annotations

from typing import Any

from . import _generating
from . import _options as options


@_generating.generator("measure")
def command(forms: options.Forms = options.FORMS, patch: options.Patch = options.PATCH) -> dict[str, Any]:
    """Ask how tall and how long objects are."""
    return {"forms": options.forms(forms), "patch": patch}
