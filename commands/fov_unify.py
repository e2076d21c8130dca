"""Bring every image to one field of view.

DESCRIPTION
    Models that read sizes in metres from one picture confuse a zoomed camera with a near object. fov-unify resizes
    every image so that all look as if taken by one camera of focal length --focal (Visual Spatial Tuning, algorithm
    1): the width is scaled by focal/fx, the height by focal/fy, cut to whole pixels. The camera is scaled along, and
    so is all else that counts in pixels; boxes in metres do not change.

    No pixel is read: the resize is written into the image's recipe. --write DIR stores the resized pictures.

    A FILE may be a picture. Its field of view is --hfov, else the focal length in its EXIF data, else 60 degrees,
    which is said.

INPUT
    Scene records, or pictures named as FILE. Streams.

OUTPUT
    Scene records.

EXAMPLES
    An image 730 pixels wide with f = 529.5 becomes 959x696:

        vstkit fov-unify scenes.jsonl | jq -c '.views[] | [.width, .height]'

    A picture of your own:

        vstkit fov-unify kitchen.jpg --hfov 69.16

SEE ALSO
    vstkit-gen-det3d(1), vstkit-detect3d(1)
"""

from __future__ import annotations

from typing import Any

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    focal: options.Focal = None,
    hfov: options.Hfov = None,
    write: options.Write = None,
    root: options.Root = ".",
) -> None:
    """Bring every image to one field of view."""
    import functools

    from vstkit import fov
    from vstkit.geometry import cameras

    unify = functools.partial(fov.unify, focal=focal or cameras.DEFAULT_FOCAL, root=root, write=write)
    with stream(convert=_command.pictures(root, hfov)) as scenes:
        scenes.map(unify, kinds=("scene",))
