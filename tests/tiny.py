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
