"""How a model sees an image: the resize rule of the Qwen processors, without torch, and their pixel values."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Grid = tuple[int, int, int]


def smart_resize(width: int, height: int, step: int, smallest: int, largest: int) -> tuple[int, int]:
    """The size (width, height) that Qwen's processors give an image: multiples of `step` pixels, the area
    between `smallest` and `largest` pixels, the aspect as near as that allows.

    Source: `smart_resize` of transformers' Qwen2-VL image processor. Raises DataError above an aspect of 200.
    """
    if max(width, height) > 200 * min(width, height):
        raise DataError(f"expected an aspect ratio of at most 200, got {width} x {height} pixels")
    fitted = round(width / step) * step, round(height / step) * step
    if fitted[0] * fitted[1] > largest:
        shrink = math.sqrt(width * height / largest)
        return (
            max(step, math.floor(width / shrink / step) * step),
            max(step, math.floor(height / shrink / step) * step),
        )
    if fitted[0] * fitted[1] < smallest:
        stretch = math.sqrt(smallest / (width * height))
        return math.ceil(width * stretch / step) * step, math.ceil(height * stretch / step) * step
    return fitted


@dataclass(frozen=True, slots=True)
class ImageRule:
    """How a model cuts images into tokens: patches of `patch` x `patch` pixels, `merge` x `merge` patches a
    token, between `smallest` and `largest` pixels an image."""

    patch: int
    merge: int
    smallest: int
    largest: int

    @classmethod
    def read(cls, folder: Path) -> ImageRule:
        """The rule of the model in `folder`. Raises DataError where there is none."""
        config = processor_config(folder)
        size = config.get("size") or {}
        try:
            return cls(
                patch=int(config["patch_size"]),
                merge=int(config["merge_size"]),
                smallest=int(config.get("min_pixels") or size["shortest_edge"]),
                largest=int(config.get("max_pixels") or size["longest_edge"]),
            )
        except KeyError as error:
            raise DataError(f"{folder}: preprocessor_config.json: expected {error}, got none") from error

    def grid(self, width: int, height: int) -> Grid:
        """Patches (time, down, across) of an image of that size in pixels."""
        across, down = smart_resize(width, height, self.patch * self.merge, self.smallest, self.largest)
        return 1, down // self.patch, across // self.patch

    def tokens(self, grid: Grid) -> int:
        """Visual tokens of a grid."""
        return math.prod(grid) // self.merge**2


def processor_config(folder: Path) -> dict[str, Any]:
    """The image processor's settings: preprocessor_config.json, or where newer transformers keep them."""
    try:
        if (path := folder / "preprocessor_config.json").is_file():
            config = json.loads(path.read_bytes())
        else:
            path = folder / "processor_config.json"
            config = json.loads(path.read_bytes())["image_processor"]
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no model: preprocessor_config.json is missing") from error
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: not an image processor's configuration") from error
    return dict(config)


def image_processor(folder: Path) -> Any:
    """transformers' own image processor of the model in `folder`, the one that needs no torchvision."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    rule = ImageRule.read(folder)
    # The size is given here because the class otherwise writes this model's bounds into its shared default.
    size = {"shortest_edge": rule.smallest, "longest_edge": rule.largest}
    return Qwen2VLImageProcessorPil.from_pretrained(folder, size=size)


def pixels(processor: Any, images: Sequence[Image]) -> tuple[np.ndarray, list[Grid]]:
    """Pixel values of RGB images, (patches of all, 3 x 2 x patch x patch) float32, and their grids."""
    made = processor(images=list(images), return_tensors="np")
    grids = [(int(t), int(h), int(w)) for t, h, w in made["image_grid_thw"]]
    return np.asarray(made["pixel_values"], dtype=np.float32), grids
