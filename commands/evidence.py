"""Look at what each view shows of each object.

DESCRIPTION
    Measures once what every generator needs and writes it into the scene: for each object and view the visible pixels,
    their share of the outline of the object's box, the 2D box around them, the visible point farthest (or nearly so)
    from the edge of the mask, whether the image's border cuts it off, and depth along the optical axis (median, nearest
    tenth, at the point) with the share of readings that lie in the object's box. Depth in masks of more than 32 pixels
    across is that of a grid of pixels in them, which leaves the median off by some millimetres, on slanted floors more.

    Where a view has an instance image, its masks say what is seen. Else depth does: a pixel shows the smallest box that
    its point lies in. Else the boxes are cast as solid bodies; such evidence is weak. The view's field evidence says
    which: masks, depth or boxes.

    Generators compute the same on the fly; with several in a pipe, evidence before them saves the time.

INPUT
    Scene records. Streams.

OUTPUT
    Scene records with seen written to their objects, and evidence to their views.

EXAMPLES
    Measure once, ask twice:

        vstkit evidence -j 2 scenes.jsonl | vstkit gen-depth -k | vstkit gen-det3d > samples.jsonl

    Whose depth misses its box?

        vstkit evidence scenes.jsonl | jq -c '.objects[] | select(any(.seen[]; .agreement < 0.9)) | .id'

SEE ALSO
    vstkit-gen-depth(1), vstkit-gen-det3d(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Any

from . import _command
from . import _options as options


@_command.streaming
def command(stream: Any, root: options.Root = ".") -> None:
    """Look at what each view shows of each object."""
    from functools import partial

    from vstkit import evidence

    with stream() as scenes:
        scenes.map(partial(evidence.annotate, root=root), kinds=("scene",))
