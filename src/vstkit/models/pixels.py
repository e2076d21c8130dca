"""Images and frames as a model takes them: resized, cut into patches and normalised.

They are what transformers' own processors make with torchvision, several times as fast and without it: torch resizes
in whole grey levels, patches stay bytes until they are where the model is, and a multiplication and an addition make
numbers of them. transformers' processors without torchvision resize with Pillow, whose grey levels are the same but
for roundings; where an image grows one way and shrinks the other, Pillow from 13 on may start with the other way,
and overshoots are cut off at other places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vstkit.errors import DataError
from vstkit.models import vision
from vstkit.models.video import VideoRule
from vstkit.models.vision import Grid, ImageRule

if TYPE_CHECKING:
    from PIL.Image import Image

DEPTH = 2  # frames of a time step, in all Qwen models
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # where none are given

Array = np.ndarray[Any, Any]


class Patches:
    """The patches that the model in a folder sees of images and videos.

    They are uint8 grey levels, (patches, 3, frames, patch x patch): one frame for an image, DEPTH for a video;
    `values` makes a model's numbers of them with `levels` (2, 3), the scale and the shift of red, green and blue.
    Patches come in the order of transformers' Qwen2-VL processors: the merge x merge of a token follow each other.

    With `exact`, and for a model with settings other than Qwen's, transformers' own processors are asked; then they
    are the numbers themselves, (patches, 3 x DEPTH x patch x patch) float32. Raises DataError where the folder holds
    no such model.
    """

    def __init__(self, folder: str | Path, exact: bool = False) -> None:
        self._folder = Path(folder)
        self.rule = ImageRule.read(self._folder)
        self._video_rule = VideoRule.read(self._folder)
        config = vision.processor_config(self._folder)
        mean = np.array(config.get("image_mean") or CLIP_MEAN, dtype=np.float64)
        std = np.array(config.get("image_std") or CLIP_STD, dtype=np.float64)
        self.levels: Array = np.stack([1 / (255 * std), -mean / std]).astype(np.float32)
        self._stock: Any = None
        if exact or not _usual(config):
            self._stock = vision.image_processor(self._folder)

    def image(self, image: Image) -> tuple[Array, Grid]:
        """The patches and the grid of an RGB image. Raises DataError for a shape that no model takes."""
        grid = self.rule.grid(*image.size)
        if self._stock:
            return vision.pixels(self._stock, [image])[0], grid
        return _cut([image], grid, self.rule), grid

    def video(self, frames: Sequence[Image]) -> tuple[Array, Grid]:
        """The patches and the grid of RGB frames of one size; the last is repeated where they are an odd number."""
        grid = self._video_rule.grid(*frames[0].size, len(frames))
        if self._stock:
            return _stock_video(self._folder, self._video_rule, frames), grid
        return _cut([*frames, *[frames[-1]] * (-len(frames) % DEPTH)], grid, self._video_rule), grid

    def blank(self) -> tuple[Array, Grid]:
        """The smallest image there is: a black one of one token."""
        merge, patch = self.rule.merge, self.rule.patch
        shape = (merge**2, 3 * DEPTH * patch**2) if self._stock else (merge**2, 3, 1, patch**2)
        return np.zeros(shape, dtype=np.float32 if self._stock else np.uint8), (1, merge, merge)

    def values(self, images: Sequence[Image]) -> tuple[Array, list[Grid]]:
        """Pixel values of RGB images, (patches of all, 3 x DEPTH x patch x patch) float32, and their grids."""
        import torch

        cut = [self.image(image) for image in images]
        numbers = values(torch.from_numpy(np.concatenate([patches for patches, _ in cut])), self.levels)
        return numbers.numpy(), [grid for _, grid in cut]


def values(patches: Any, levels: Array, out: Any = None) -> Any:
    """The model's numbers of a tensor of `Patches`, float32 (patches, 3 x DEPTH x patch x patch) on its device.

    An image is seen twice, as both frames of a time step. `out`, a tensor of that shape, spares the time that new
    memory takes, which on a CPU is most of it.
    """
    import torch

    if patches.dtype != torch.uint8:
        return patches
    scale, shift = torch.from_numpy(levels).to(patches.device)[:, :, None, None]
    seen = patches.expand(-1, -1, DEPTH, -1)
    numbers = seen.float() if out is None else out.view(seen.shape).copy_(seen)
    return numbers.mul_(scale).add_(shift).flatten(1)


def together(parts: Sequence[Array]) -> Array:
    """Patches of images and videos as one array: as they are where they are of one sort, else images seen twice."""
    if len({part.shape[1:] for part in parts}) > 1:
        parts = [np.broadcast_to(part, (*part.shape[:2], DEPTH, part.shape[3])) for part in parts]
    return np.concatenate(parts)


def _cut(images: Sequence[Image], grid: Grid, rule: ImageRule | VideoRule) -> Array:
    """uint8 (patches, 3, frames, patch x patch) of images that become the time steps of `grid`."""
    times, down, across = grid
    patch, merge, frames = rule.patch, rule.merge, len(images) // times
    cut = np.zeros((times * down * across, 3, frames, patch**2), dtype=np.uint8)
    rows = cut.reshape(times, down // merge, across // merge, merge, merge, 3, frames, patch, patch)
    for number, image in enumerate(images):
        tiles = _resized(image, across * patch, down * patch).reshape(
            3, down // merge, merge, patch, across // merge, merge, patch
        )
        rows[number // frames, ..., number % frames, :, :] = tiles.transpose(1, 4, 2, 5, 0, 3, 6)
    return cut


def _resized(image: Image, width: int, height: int) -> Array:
    """(3, height, width) uint8: antialiased and bicubic, in fixed point; across first, then down."""
    import torch

    # Channels last in memory, as Pillow has them: torch then reads every pixel once.
    levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(levels, size=(height, width), mode="bicubic", antialias=True)
    return np.asarray(resized[0])


def _usual(config: dict[str, Any]) -> bool:
    """Whether an image processor's settings are the ones written down here."""
    bicubic = 3  # as Pillow counts its filters
    return (
        all(config.get(step, True) for step in ("do_resize", "do_rescale", "do_normalize"))
        and config.get("resample") in (None, bicubic)
        and abs(config.get("rescale_factor", 1 / 255) * 255 - 1) < 1e-6
        and config.get("temporal_patch_size", DEPTH) == DEPTH
    )


def _stock_video(folder: Path, rule: VideoRule, frames: Sequence[Image]) -> Array:
    """What transformers' own video processor makes of frames."""
    try:
        from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
        from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
    except ImportError as error:
        raise DataError(f"exact pixels of videos need torchvision: {error}") from error
    size = {"shortest_edge": rule.smallest, "longest_edge": rule.largest}
    stamped = rule.ticks is None
    processor = (Qwen3VLVideoProcessor if stamped else Qwen2VLVideoProcessor).from_pretrained(folder, size=size)
    made = processor(videos=[np.stack([np.asarray(f) for f in frames])], do_sample_frames=False, return_tensors="np")
    return np.asarray(made["pixel_values_videos"], dtype=np.float32)
