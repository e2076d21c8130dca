"""Depth and instance maps that readers write, where a layout keeps them in a form that records cannot name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vstkit import images
from vstkit.datasets.common import relative
from vstkit.errors import DataError

MILLIMETRES = 1000.0  # the scale of depth that is written
HIGHEST = 65535
DEPTH_NEEDS_WRITE, INSTANCES_NEED_WRITE = "depth needs --write", "instances need --write"


def millimetres(depth: NDArray[Any]) -> NDArray[np.uint16]:
    """Depth in metres (h, w) as 16-bit millimetres; 0, no reading, for what is not finite, positive and below 65 m."""
    scaled = np.round(np.nan_to_num(depth.astype(float), nan=0.0, posinf=0.0, neginf=0.0) * MILLIMETRES)
    return np.where((scaled > 0) & (scaled <= HIGHEST), scaled, 0).astype(np.uint16)


def store(values: NDArray[Any], folder: str, name: str, root: str = ".") -> str:
    """Write integers (h, w) as a 16-bit PNG `name` under `folder`, the same bytes each time; its path for the record.

    Raises DataError for values that 16 bits cannot hold.
    """
    target = Path(folder) / name
    if values.size and (values.min() < 0 or values.max() > HIGHEST):
        raise DataError(f"{target}: expected values from 0 to {HIGHEST}, got {values.min()} to {values.max()}")
    images.save(Image.fromarray(values.astype(np.uint16)), target)
    return relative(target, root)
