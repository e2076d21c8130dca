"""How a model sees a video: the rule of the Qwen video processors for frames that are given, without torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vstkit.errors import DataError
from vstkit.models.vision import Grid, smart_resize


@dataclass(frozen=True, slots=True)
class VideoRule:
    """How a model cuts frames into tokens: as images (`vstkit.models.vision.ImageRule`), `depth` frames a time step.

    The pixels from `smallest` to `largest` are those of a frame for Qwen2.5-VL, of the whole video for Qwen3-VL.
    `ticks` are Qwen2.5-VL's positions a second; Qwen3-VL reads the time from stamps in the text, and has none.
    """

    patch: int
    merge: int
    depth: int
    smallest: int
    largest: int
    ticks: float | None

    @classmethod
    def read(cls, folder: Path) -> VideoRule:
        """The rule of the model in `folder`, looked up in the order of transformers. Raises DataError."""
        config = _json(folder / "config.json")
        stamped = config.get("model_type") == "qwen3_vl"
        patch = 16 if stamped else 14
        settings = _settings(folder)
        # The defaults are those of transformers' classes.
        merge = int(settings.get("merge_size") or 2)
        size = settings.get("size") or {"shortest_edge": 128 * 4 * patch**2, "longest_edge": 768 * 4 * patch**2}
        if not stamped:  # the older names, which only the older class knows
            size = {
                "shortest_edge": settings.get("min_pixels") or size["shortest_edge"],
                "longest_edge": settings.get("max_pixels") or size["longest_edge"],
            }
        return cls(
            patch=int(settings.get("patch_size") or patch),
            merge=merge,
            depth=int(settings.get("temporal_patch_size") or 2),
            smallest=int(size["shortest_edge"]),
            largest=int(size["longest_edge"]),
            ticks=None if stamped else float((config.get("vision_config") or {}).get("tokens_per_second", 4)),
        )

    def grid(self, width: int, height: int, frames: int) -> Grid:
        """Patches (time, down, across) of so many frames of that size in pixels; the last frame fills up a time step.

        Source: `smart_resize` of transformers' Qwen3-VL video processor. Raises DataError for frames of no use to it.
        """
        step = self.patch * self.merge
        times = -(-frames // self.depth)
        if self.ticks is not None:
            across, down = smart_resize(width, height, step, self.smallest, self.largest)
            return times, down // self.patch, across // self.patch
        if min(width, height) < step:
            raise DataError(f"expected frames of at least {step} pixels each way, got {width} x {height}")
        if max(width, height) > 200 * min(width, height):
            raise DataError(f"expected an aspect ratio of at most 200, got {width} x {height} pixels")
        across, down = round(width / step) * step, round(height / step) * step
        volume = times * self.depth * across * down
        if volume > self.largest:
            shrink = math.sqrt(frames * width * height / self.largest)
            across, down = (max(step, math.floor(n / shrink / step) * step) for n in (width, height))
        elif volume < self.smallest:
            stretch = math.sqrt(self.smallest / (frames * width * height))
            across, down = (math.ceil(n * stretch / step) * step for n in (width, height))
        return times, down // self.patch, across // self.patch

    def tokens(self, grid: Grid) -> int:
        """Visual tokens of a grid."""
        return math.prod(grid) // self.merge**2

    def times(self, frames: int, fps: float) -> list[float]:
        """The second that each time step of a grid stands for: the middle between its first and its last frame."""
        seconds = [min(i, frames - 1) / fps for i in range(-(-frames // self.depth) * self.depth)]
        return [(seconds[i] + seconds[i + self.depth - 1]) / 2 for i in range(0, len(seconds), self.depth)]

    def interval(self, fps: float) -> float:
        """M-RoPE positions from one time step to the next; a step with a stamp is a picture of its own."""
        return 1.0 if self.ticks is None else self.ticks * self.depth / fps


def _settings(folder: Path) -> dict[str, Any]:
    held = _json(folder / "processor_config.json").get("video_processor")
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        held = held or _json(folder / name)
    return dict(held or {})


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{path}: expected a JSON object: {error}") from error
