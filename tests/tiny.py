"""The tiny model that the tests share, built once by the example a user would run."""

from __future__ import annotations

import atexit
import importlib.util
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).parents[1]


@cache
def example() -> ModuleType:
    """examples/tiny_model.py as a module."""
    spec = importlib.util.spec_from_file_location("tiny_model", CHECKOUT / "examples" / "tiny_model.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def model(arch: str = "qwen2_5_vl") -> Path:
    """The folder of a tiny random model: 2 layers, images of at most 16 tokens."""
    return _built(arch)


@cache
def _built(arch: str) -> Path:
    example().quiet()
    temporary = tempfile.TemporaryDirectory()
    atexit.register(temporary.cleanup)
    folder = Path(temporary.name) / arch
    step = 28 if arch == "qwen2_5_vl" else 32
    example().build(folder, arch=arch, hidden=64, layers=2, max_pixels=16 * step * step)
    return folder


@cache
def depth_model() -> Path:
    """The folder of a tiny Depth Anything with random weights, the metric kind, and its image processor."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    example().quiet()
    torch.manual_seed(0)
    backbone = {
        "model_type": "dinov2",
        "hidden_size": 32,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": 56,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
        "reshape_hidden_states": False,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 16, 32, 32],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type="metric",
        max_depth=20,
    )
    temporary = tempfile.TemporaryDirectory()
    atexit.register(temporary.cleanup)
    folder = Path(temporary.name)
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    size = {"height": 56, "width": 56}
    DPTImageProcessorPil(size=size, keep_aspect_ratio=True, ensure_multiple_of=14).save_pretrained(folder)
    return folder
