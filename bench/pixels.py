"""Pixel values of images and frames against transformers' own processors in the same run: python bench/pixels.py.

Decoded pictures become a Qwen2.5-VL model's pixel values: resized, normalised, cut into patches, float32. `ours` is all
of it; `ahead` is the part that is done before a training step (patches as bytes), `beside` what is left to do where
the model is: here on a CPU core, into memory that is there, in training on a GPU. The stock processor is the one that
transformers takes without torchvision, where it has none for videos; with torchvision installed, its processors of
images and videos are measured as well. They alternate, in processor time, and medians are told.

Then whole files, from JPEG to patches, by `vstkit.training.ahead` with 0, 1 and 2 processes, in time on the clock.

Goal: 5 times the stock processor on an image of 1,280 tokens.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from vstkit.images import open_image
from vstkit.models import vision
from vstkit.models.pixels import CLIP_MEAN, CLIP_STD, DEPTH, Patches, values
from vstkit.training.ahead import ahead

ROUNDS = 9
FILES = 24

RNG = np.random.default_rng(0)


def photograph(width: int, height: int) -> Image.Image:
    """Edges of all strengths, and a little noise."""
    blocks = Image.fromarray(RNG.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    picture = np.asarray(blocks.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return Image.fromarray(np.clip(picture + RNG.integers(-8, 9, picture.shape), 0, 255).astype(np.uint8))


def model(folder: Path) -> Path:
    """What of Qwen2.5-VL's folder makes pixels, images bounded at 1,280 tokens as transformers does by default."""
    config = {"patch_size": 14, "merge_size": 2, "min_pixels": 56 * 56, "max_pixels": 1280 * 28 * 28}
    config |= {"image_mean": CLIP_MEAN, "image_std": CLIP_STD}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    return folder


def timed(works: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Milliseconds of each, alternating."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            taken[name].append(time.process_time() - start)
    return {name: 1e3 * median(times[1:]) for name, times in taken.items()}


def told(name: str, tokens: int, found: dict[str, float]) -> None:
    ahead, beside = found.pop("ahead"), found.pop("beside")
    print(f"{name}, {tokens} tokens: ours {ahead + beside:.1f} ms (ahead {ahead:.1f}, beside {beside:.1f})")
    for other, taken in found.items():
        print(f"    {other:22} {taken:6.1f} ms: {taken / (ahead + beside):5.1f} x ours, {taken / ahead:5.1f} x ahead")


def images(folder: Path) -> None:
    patches, stock = Patches(folder), vision.image_processor(folder)
    fast = fast_image_processor(folder)
    out = torch.zeros((4 * 1280, 3 * DEPTH * 14 * 14))
    for size in ((1920, 1440), (1280, 960), (1146, 876), (640, 480), (320, 240)):
        image = photograph(*size)
        cut, grid = patches.image(image)
        works: dict[str, Callable[[], Any]] = {
            "ahead": partial(patches.image, image),
            "beside": partial(values, torch.from_numpy(cut), patches.levels, out[: len(cut)]),
            "stock": partial(vision.pixels, stock, [image]),
        }
        if fast:
            works["stock with torchvision"] = partial(fast, images=[image], return_tensors="pt")
        told(f"image of {size[0]} x {size[1]}", patches.rule.tokens(grid), timed(works))


def frames(folder: Path) -> None:
    patches, exact = Patches(folder), Patches(folder, exact=True)
    held = [photograph(640, 480) for _ in range(16)]
    cut, grid = patches.video(held)
    out = torch.zeros((len(cut), 3 * DEPTH * 14 * 14))
    works: dict[str, Callable[[], Any]] = {
        "ahead": lambda: patches.video(held),
        "beside": lambda: values(torch.from_numpy(cut), patches.levels, out),
    }
    if importlib.util.find_spec("torchvision"):
        works["stock with torchvision"] = lambda: exact.video(held)
    told(f"{len(held)} frames of 640 x 480", patches.rule.tokens(grid), timed(works))


def fast_image_processor(folder: Path) -> Any:
    if not importlib.util.find_spec("torchvision"):
        return None
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    rule = vision.ImageRule.read(folder)
    return Qwen2VLImageProcessor.from_pretrained(
        folder, size={"shortest_edge": rule.smallest, "longest_edge": rule.largest}
    )


def files(folder: Path) -> None:
    patches = Patches(folder)
    for number in range(4):
        photograph(1920, 1440).save(folder / f"{number}.jpg", quality=90)

    def prepared(name: str) -> tuple[dict[str, Any], int]:
        cut, grid = patches.image(open_image(name, str(folder)))
        return {"pixel_values": cut}, patches.rule.tokens(grid)

    names = [f"{number % 4}.jpg" for number in range(FILES)]
    for workers in (0, 1, 2):
        start = time.perf_counter()
        stream = ahead(prepared, names, workers, room=2**23, lent=["pixel_values"])
        tokens = sum(tokens for _, tokens in stream)
        seconds = time.perf_counter() - start
        rate = f"{1e3 * seconds / FILES:.1f} ms each, {tokens / seconds:,.0f} tokens/s"
        print(f"JPEG files of 1920 x 1440, {workers} workers: {rate}")


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = model(Path(name))
        images(folder)
        frames(folder)
        files(folder)


if __name__ == "__main__":
    main()
