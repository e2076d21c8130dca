"""Multimodal rotary positions (M-RoPE) of Qwen2.5-VL and Qwen3-VL: three axes, time, down and across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vstkit.errors import DataError


def rope_index(
    vision: np.ndarray[Any, Any],
    grids: Sequence[tuple[int, int, int]],
    merge: int,
    intervals: Sequence[float] | None = None,
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions (3, L) of the L tokens of one sample.

    `vision` (L, bool) marks visual tokens; `grids` are the patches (time, down, across) of each image or video in
    order, `merge` x `merge` of them a token. `intervals` are the positions from one time step of a grid to the
    next: for Qwen2.5-VL videos seconds per grid step x the model's tokens_per_second; it has no bearing on images.

    Text counts on by one on all axes; after a picture it goes on at the largest position yet plus one, and a time
    step's position is floored, not its interval. Both as in Qwen's rope2d.py and vLLM; transformers 5.10 differs
    on videos. Raises DataError when the visual tokens are not those of the grids.
    """
    flags = np.asarray(vision, dtype=bool)
    positions = np.zeros((3, len(flags)), dtype=np.int64)
    done = reached = 0
    for number, (t, h, w) in enumerate(grids):
        shape = t, h // merge, w // merge
        ahead = np.flatnonzero(flags[done:])
        start = done + (int(ahead[0]) if len(ahead) else 0)
        end = start + math.prod(shape)
        if not len(ahead) or end > len(flags) or not flags[start:end].all():
            raise DataError(f"grid {number}: expected {math.prod(shape)} visual tokens in a row")
        positions[:, done:start] = np.arange(reached, reached + start - done)
        axes = np.indices(shape).reshape(3, -1)
        axes[0] = np.floor(axes[0] * (1.0 if intervals is None else intervals[number]))
        positions[:, start:end] = axes + reached + (start - done)
        reached = int(positions[:, start:end].max()) + 1
        done = end
    if flags[done:].any():
        raise DataError(f"expected the visual tokens of {len(grids)} grids, got more")
    positions[:, done:] = np.arange(reached, reached + len(flags) - done)
    return positions
