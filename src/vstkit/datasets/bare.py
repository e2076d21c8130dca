"""Cameras of pictures that come without one."""

from __future__ import annotations

import logging
import os

from vstkit import images
from vstkit.fov import ASSUMED_HFOV
from vstkit.geometry import cameras

log = logging.getLogger("vstkit")


def warn(path: str, hfov: float | None) -> None:
    """Say once for a whole data set what is assumed of pictures whose field of view nothing tells."""
    if hfov is None:
        log.warning(
            "%s: the field of view is unknown; where EXIF does not tell it, %g degrees are assumed: were it 70, things "
            "would be 21 %% larger at that depth; give --hfov",
            path,
            ASSUMED_HFOV,
        )


def camera(path: str | os.PathLike[str], width: int, height: int, hfov: float | None) -> list[float]:
    """[fx, fy, cx, cy] of a picture from `hfov` in degrees, else EXIF's focal length, else 60 degrees."""
    focal = cameras.focal(hfov, width) if hfov is not None else images.exif_focal(os.fspath(path))
    if not focal:
        focal = cameras.focal(ASSUMED_HFOV, width)
    return [focal, focal, (width - 1) / 2, (height - 1) / 2]
