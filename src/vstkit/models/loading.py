"""Models from local folders."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from vstkit.errors import DataError

ARCHITECTURES = ("qwen2_5_vl", "qwen3_vl")


def check(folder: str | Path) -> None:
    """Raise DataError, naming what is missing, unless `folder` holds a model that `load` can load. Needs no torch."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no model: no such folder")
    try:
        config = json.loads((folder / "config.json").read_bytes())
        arch = config.get("model_type")
    except FileNotFoundError as error:
        raise DataError(f"{folder}: no model: config.json is missing") from error
    except (ValueError, AttributeError) as error:
        raise DataError(f"{folder}/config.json: expected a JSON object") from error
    if arch not in ARCHITECTURES:
        raise DataError(f"{folder}/config.json: model_type: expected {' or '.join(ARCHITECTURES)}, got {arch}")
    weights = ("model.safetensors", "model.safetensors.index.json")
    if not any((folder / name).is_file() for name in weights):
        raise DataError(f"{folder}: no model: {weights[0]} is missing")


def load(folder: str | Path, device: str | None = None, dtype: str | None = None, attention: str = "sdpa") -> Any:
    """The transformers model in `folder`, ready to answer.

    `device` defaults to a GPU where there is one, `dtype` to bfloat16 there and float32 on a CPU. Raises DataError
    when the folder holds no such model.
    """
    import torch

    check(folder)
    if not torch.cuda.is_available():
        # transformers imports deepspeed where it is installed, and that would say on stdout that it found no GPU.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or ("float32" if device == "cpu" else "bfloat16")
    try:
        model, found = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{folder}: the model cannot be loaded: {error}") from error
    if missing := sorted(found["missing_keys"]):  # transformers would leave them random
        raise DataError(f"{folder}: {len(missing)} of its weights are missing, such as {missing[0]}")
    return (model if device == "cpu" else model.to(device)).eval()
