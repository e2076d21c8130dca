"""The rule for videos against transformers' video processors."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

import real_processor
import tiny
from vstkit.errors import DataError
from vstkit.models.video import VideoRule


def theirs(folder: Path, arch: str) -> Any:
    """transformers' video processor of a folder, and the size of frames that it makes of (frames, width, height)."""
    made = real_processor.processor(folder).video_processor
    module = real_processor.module(arch)

    def resized(frames: int, width: int, height: int) -> tuple[int, int]:
        bounds = {"min_pixels": made.size["shortest_edge"], "max_pixels": made.size["longest_edge"]}
        factor = made.patch_size * made.merge_size
        if arch == "qwen3_vl":
            bounds["num_frames"] = frames
            bounds["temporal_factor"] = made.temporal_patch_size
        return tuple(module.smart_resize(height=height, width=width, factor=factor, **bounds))

    return resized


def folders(tmp_path: Path, arch: str) -> dict[str, Path]:
    """Models that keep the rule in each of the places that transformers looks in."""
    rule = json.loads((tiny.model(arch) / "preprocessor_config.json").read_text())
    own = {**rule, "size": {"shortest_edge": 5000, "longest_edge": 200_000}}
    own = {key: value for key, value in own.items() if key not in ("min_pixels", "max_pixels")}
    written: dict[str, dict[str, Any]] = {
        "with images": {},
        "beside": {"video_preprocessor_config.json": own},
        "nested": {"processor_config.json": {"video_processor": own}, "video_preprocessor_config.json": rule},
        "defaults": {"video_preprocessor_config.json": {"patch_size": rule["patch_size"]}},
    }
    made = {}
    for name, files in written.items():
        made[name] = shutil.copytree(tiny.model(arch), tmp_path / name)
        for file, content in files.items():
            (made[name] / file).write_text(json.dumps(content))
    return made


@pytest.mark.parametrize("arch", ["qwen2_5_vl", "qwen3_vl"])
def test_grids_equal_those_of_transformers(tmp_path: Path, arch: str) -> None:
    rng = random.Random(0)
    for folder in folders(tmp_path, arch).values():
        rule, resized = VideoRule.read(folder), theirs(folder, arch)
        for _ in range(1000):
            frames, width, height = rng.randrange(1, 70), *(int(2 ** rng.uniform(3, 12)) for _ in range(2))
            try:
                down, across = resized(frames, width, height)
            except ValueError:
                with pytest.raises(DataError, match="expected"):
                    rule.grid(width, height, frames)
            else:
                expected = -(-frames // 2), down // rule.patch, across // rule.patch
                assert rule.grid(width, height, frames) == expected, (width, height, frames)


def test_times_and_intervals() -> None:
    rule = VideoRule(patch=16, merge=2, depth=2, smallest=1, largest=10**9, ticks=None)
    assert rule.times(5, 2.0) == [0.25, 1.25, 2.0]  # the last frame stands for a whole step
    assert rule.interval(2.0) == 1.0
    older = VideoRule(patch=14, merge=2, depth=2, smallest=1, largest=10**9, ticks=2.0)
    assert older.interval(0.5) == 8.0


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(tiny.model(), tmp_path / "model")
    (folder / "video_preprocessor_config.json").write_text("[")
    with pytest.raises(DataError, match=r"video_preprocessor_config\.json: expected a JSON object"):
        VideoRule.read(folder)
