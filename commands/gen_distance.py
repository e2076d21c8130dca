"""Ask what is closest, and how far objects are apart.

DESCRIPTION
    Distances are between 3D boxes: between their closest points, exactly, or between their centres. The tasks:

    distance-nearest    Which of two to four objects is closest to another one, the anchor.
    distance-farthest   Which is farthest from it.
    distance-value      How far two objects are apart, in metres: the question says whether between their closest
                        points or their centres.

    The answer to the first two is a name, a letter, or the distances worked out and then the name; --forms says how
    objects are referred to. The closest, or farthest, must lead every other candidate by --min-gap metres and by
    --min-ratio of the nearer one's distance, both between closest points and between centres, where it must be the
    same one; where distances are worked out, so must any two. A candidate that touches the anchor makes no question:
    a cup is at no distance from the table on which it stands.

    Distances are compared of objects that show a quarter of the outline of their box, and half of its width and of its
    height on the picture. Numbers are told only of objects that are seen from end to end: not cut off by the picture's
    border, with 40 % of the outline and 70 % of width and height; and of 0.2 to 10 m. Where depth tells that a box does
    not fit what is seen, nothing is asked about it. The summary on standard error counts what is left out and why.

INPUT
    Scene records with 3D boxes, in metres; evidence (vstkit-evidence(1)) is used where it is present. Streams.

OUTPUT
    Sample records. Their meta has the ids of the objects, the anchor first, and in metres the distances between
    closest points (values) and centres (centers); with -k each scene after its samples.

EXAMPLES
    Questions whose answers work the distances out:

        vstkit gen-distance --tasks distance-nearest scenes.jsonl | jq 'select(.meta.worked)'

    Why is this the answer?

        vstkit gen-distance scenes.jsonl --explain gen-distance/0123456789abcdef

SEE ALSO
    vstkit-gen-depth(1), vstkit-gen-measure(1), vstkit-evidence(1)
"""

from __future__ import annotations

from typing import Any

from . import _generating
from . import _options as options


@_generating.generator("distance")
def command(
    min_gap: options.MinGap = 0.15,
    min_ratio: options.MinRatio = 0.2,
    forms: options.Forms = options.FORMS,
    patch: options.Patch = options.PATCH,
) -> dict[str, Any]:
    """Ask what is closest, and how far objects are apart."""
    return {"min_gap": min_gap, "min_ratio": min_ratio, "forms": options.forms(forms), "patch": patch}
