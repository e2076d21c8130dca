"""Pixel values against transformers' own processors, in grey levels, and how pictures become a batch."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tiny
from support import shared
from vstkit.errors import DataError
from vstkit.models import vision
from vstkit.models.pixels import DEPTH, Patches, values

RNG = np.random.default_rng(0)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(width: int, height: int) -> Image.Image:
    return noise(width // 16 + 1, height // 16 + 1).resize((width, height), Image.Resampling.BICUBIC)


def model(folder: Path, arch: str, tokens: int = 400) -> Path:
    """What of a model's folder makes pixels, with images of up to so many tokens."""
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copyfile(tiny.model(arch) / name, folder / name)
    path = folder / "preprocessor_config.json"
    config = json.loads(path.read_text())
    step = 2 * config["patch_size"]
    if "max_pixels" in config:
        config["max_pixels"] = tokens * step**2
    else:
        config["size"]["longest_edge"] = tokens * step**2
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return model(tmp_path, request.param)


def levels_apart(folder: Path, found: Any, expected: Any) -> Any:
    """How far pixel values are from each other, in grey levels."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype == np.float32
    std = np.array(vision.processor_config(folder)["image_std"])
    apart = np.abs(found.astype(np.float64) - expected).reshape(len(found), 3, -1)
    return apart * std[:, None] * 255


def stock(folder: Path, image: Image.Image) -> Any:
    """transformers' values of an image that is resized with Pillow, across and then down.

    That is the order of torch, of transformers with torchvision, and of Pillow but from 13 on, which takes the other
    where that is less work; overshoots are then cut off at other places. Once an image has its size, the processor
    leaves it alone.
    """
    _, down, across = vision.ImageRule.read(folder).grid(*image.size)
    patch = vision.ImageRule.read(folder).patch
    wide = image.resize((across * patch, image.height), Image.Resampling.BICUBIC)
    return vision.pixels(
        vision.image_processor(folder), [wide.resize((across * patch, down * patch), Image.Resampling.BICUBIC)]
    )[0]


SIZES = [(640, 480), (480, 640), (1280, 960), (300, 200), (100, 31), (40, 400), (28, 28), (57, 3000)]


@pytest.mark.parametrize("size", SIZES)
def test_images_are_transformers_own_to_a_rounding(folder: Path, size: tuple[int, int]) -> None:
    patches = Patches(folder)
    for image in (noise(*size), smooth(*size)):
        found, (grid,) = patches.values([image])
        assert grid == vision.pixels(vision.image_processor(folder), [image])[1][0]
        apart = levels_apart(folder, found, stock(folder, image))
        assert (apart < 2.01).all()
        assert (apart > 1.01).mean() <= 1e-4  # torch has 16 bits for a weight, Pillow 22
        assert apart.mean() < 0.02


def test_images_that_keep_their_size_are_transformers_own(folder: Path) -> None:
    step = 2 * vision.ImageRule.read(folder).patch
    image = noise(5 * step, 3 * step)
    found, grids = Patches(folder).values([image, image])
    expected, expected_grids = vision.pixels(vision.image_processor(folder), [image, image])
    assert grids == expected_grids
    assert levels_apart(folder, found, expected).max() < 1e-3


def test_real_photographs_are_transformers_own_to_a_rounding(folder: Path) -> None:
    photographs = sorted((shared() / "coco").glob("*.jpg"))
    assert photographs
    patches = Patches(folder)
    for path in photographs:
        image = Image.open(path).convert("RGB")
        apart = levels_apart(folder, patches.values([image])[0], stock(folder, image))
        assert (apart < 2.01).all()
        assert (apart > 1.01).mean() <= 1e-4


def test_pixels_are_those_of_transformers_with_torchvision(folder: Path) -> None:
    if not importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is not installed")
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    patches, rule = Patches(folder), vision.ImageRule.read(folder)
    bounds = {"shortest_edge": rule.smallest, "longest_edge": rule.largest}
    processor = Qwen2VLImageProcessor.from_pretrained(folder, size=bounds)
    for size in SIZES:
        image = noise(*size)
        expected = processor(images=[image], return_tensors="np")["pixel_values"]
        assert levels_apart(folder, patches.values([image])[0], expected).max() < 1e-3
    frames = [noise(320, 240) for _ in range(5)]
    cut, grid = patches.video(frames)
    expected, expected_grid = Patches(folder, exact=True).video(frames)
    assert grid == expected_grid
    assert levels_apart(folder, values(torch.from_numpy(cut), patches.levels).numpy(), expected).max() < 1e-3


def frame_by_frame(folder: Path, frames: list[Image.Image], grid: vision.Grid) -> Any:
    """Pixel values of frames that have their size, told one value at a time from transformers' layout."""
    rule = vision.ImageRule.read(folder)
    config = vision.processor_config(folder)
    mean, std = np.array(config["image_mean"]), np.array(config["image_std"])
    t, h, w = grid
    out = np.zeros((t * h * w, 3, DEPTH, rule.patch, rule.patch), dtype=np.float32)
    row = 0
    for time in range(t):
        pair = [np.asarray(frames[min(DEPTH * time + i, len(frames) - 1)]) / 255 for i in range(DEPTH)]
        for i in range(h // rule.merge):
            for j in range(w // rule.merge):
                for inner in np.ndindex(rule.merge, rule.merge):
                    top, left = ((rule.merge * n + k) * rule.patch for n, k in zip((i, j), inner, strict=True))
                    for place, frame in enumerate(pair):
                        cut = (frame[top : top + rule.patch, left : left + rule.patch] - mean) / std
                        out[row, :, place] = cut.transpose(2, 0, 1)
                    row += 1
    return out.reshape(len(out), -1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_are_cut_into_time_steps(tmp_path: Path, count: int) -> None:
    for arch in ("qwen2_5_vl", "qwen3_vl"):
        folder = model(tmp_path, arch)
        patches = Patches(folder)
        frames = [noise(320, 256) for _ in range(count)]
        cut, grid = patches.video(frames)
        t, down, across = grid
        assert t == -(-count // DEPTH)
        patch = patches.rule.patch
        sized = [
            frame.resize((across * patch, frame.height), Image.Resampling.BICUBIC).resize(
                (across * patch, down * patch), Image.Resampling.BICUBIC
            )
            for frame in frames
        ]
        found = values(torch.from_numpy(cut), patches.levels).numpy()
        apart = levels_apart(folder, found, frame_by_frame(folder, sized, grid))
        assert apart.max() < 2.01
        assert (apart > 1.01).mean() <= 1e-4


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 400), st.integers(20, 400))
def test_a_video_of_one_image_is_that_image(width: int, height: int) -> None:
    folder = tiny.model("qwen2_5_vl")
    patches = Patches(folder)
    image = noise(width, height)
    cut, grid = patches.image(image)
    assert grid == patches.rule.grid(width, height)
    assert cut.shape == (grid[1] * grid[2], 3, 1, 14 * 14)
    assert cut.dtype == np.uint8
    filmed, filmed_grid = patches.video([image])
    if filmed_grid == grid:
        assert (filmed == cut).all()
    numbers = values(torch.from_numpy(cut), patches.levels).reshape(-1, 3, DEPTH, 14 * 14)
    assert torch.equal(numbers[:, :, 0], numbers[:, :, 1])


def test_exact_pixels_are_the_stock_processors(folder: Path) -> None:
    images = [noise(200, 90), smooth(61, 133)]
    expected, expected_grids = vision.pixels(vision.image_processor(folder), images)
    found, grids = Patches(folder, exact=True).values(images)
    assert grids == expected_grids
    assert (found == expected).all()
    if not importlib.util.find_spec("torchvision"):
        with pytest.raises(DataError, match="exact pixels of videos need torchvision"):
            Patches(folder, exact=True).video(images[:1])


@pytest.mark.parametrize("change", [{"do_normalize": False}, {"resample": 2}, {"rescale_factor": 1.0}])
def test_a_model_with_other_settings_has_the_stock_processor(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = model(tmp_path, "qwen2_5_vl")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    image = noise(200, 90)
    assert (Patches(folder).values([image])[0] == vision.pixels(vision.image_processor(folder), [image])[0]).all()


def test_shapes_that_no_model_takes_are_refused(folder: Path) -> None:
    for exact in (False, True):
        with pytest.raises(DataError, match="aspect ratio of at most 200, got 1 x 300"):
            Patches(folder, exact).image(noise(1, 300))
