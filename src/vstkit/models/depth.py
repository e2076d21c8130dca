"""Depth from one picture, by any monocular model that transformers loads (Depth Anything V2, ZoeDepth, DPT, ...)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vstkit import images
from vstkit.chance import digest
from vstkit.errors import DataError, at
from vstkit.records import Scene
from vstkit.validation import parse

Array = NDArray[Any]
Kind = Literal["metric", "relative"]
Estimate = Callable[[Any], Array]  # an RGB picture -> (height, width) what the model says, at the picture's size

STORED = 1000  # units a metre in the PNGs, up to 65.535 m


def check(folder: str) -> None:
    """Raise DataError, naming what is missing, unless `folder` holds a depth model. Needs no torch."""
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: no model: no such folder")
    for name in ("config.json", "preprocessor_config.json"):
        if not Path(folder, name).is_file():
            raise DataError(f"{folder}: no model: {name} is missing")
    try:
        made = json.loads(Path(folder, "config.json").read_bytes()).get("architectures") or ["none"]
    except (ValueError, AttributeError) as error:
        raise DataError(f"{folder}/config.json: expected a JSON object") from error
    if not made[0].endswith("ForDepthEstimation"):
        raise DataError(f"{folder}/config.json: architectures: expected a model for depth estimation, got {made[0]}")


@cache
def load(folder: str, kind: Kind | None = None) -> tuple[Estimate, Kind]:
    """The model in `folder` as a function, and whether it tells metres.

    The kind is the configuration's (`depth_estimation_type`; ZoeDepth and Depth Pro are metric) unless given. A
    relative model tells nearness: its numbers fall with depth. Raises DataError when the folder holds no such model.
    """
    import torch

    check(folder)
    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # see vstkit.models.loading
    from safetensors import SafetensorError
    from transformers import AutoModelForDepthEstimation
    from transformers.models.auto.image_processing_auto import AutoImageProcessor
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise DataError(f"{folder}: the model cannot be loaded: {error}") from error
    if torch.cuda.is_available():
        model.to("cuda")
    told = getattr(model.config, "depth_estimation_type", None)
    metric = told == "metric" or model.config.model_type in ("zoedepth", "depth_pro")

    def estimate(picture: Any) -> Array:
        inputs = processor(images=picture, return_tensors="pt").to(model.device)
        with torch.no_grad():
            said = model(**inputs).predicted_depth
        size = (picture.height, picture.width)
        wide = torch.nn.functional.interpolate(said[:, None].float(), size=size, mode="bicubic", align_corners=False)
        values: Array = wide[0, 0].cpu().numpy()
        return values

    return estimate, kind or ("metric" if metric else "relative")


def annotate(
    record: dict[str, Any], tally: Counter[str], *, model: str, write: str, kind: Kind | None = None, root: str = "."
) -> list[dict[str, Any]]:
    """A scene whose views without depth have it from the model in folder `model`, as PNGs in folder `write`.

    Depth is estimated on the unedited picture, with which stored depth is aligned. Where a metric model sees less
    than a millimetre or nothing finite, there is no reading. Nearness n of a relative model is stored as
    1 / (1 + 9 (n - min) / (max - min)): right in its order and in nothing else, which `kind` mono-relative says.
    """
    from PIL import Image

    parse(record, Scene)
    views = []
    for index, view in enumerate(record["views"]):
        if "depth" in view:
            tally["kept"] += 1
            views.append(view)
            continue
        estimate, told = load(model, kind)
        source = images.path_of(view["image"])
        with at(f"views[{index}].image"):
            values = estimate(images.open_image(source, root))
        metres = values if told == "metric" else _order(values)
        stored = np.where(np.isfinite(metres), np.clip(np.round(metres * STORED), 0, 65535), 0).astype(np.uint16)
        target = Path(write) / f"{Path(source).stem}-{digest(source, length=8)}-depth.png"
        images.save(Image.fromarray(stored), target)
        views.append(
            {**view, "depth": {"path": images.from_root(target, root), "scale": STORED, "kind": f"mono-{told}"}}
        )
        tally["estimated"] += 1
    return [{**record, "views": views}]


def _order(nearness: Array) -> Array:
    """Numbers between 0.1 and 1 that rise where nearness falls."""
    low, high = float(nearness.min()), float(nearness.max())
    ordered: Array = 1 / (1 + 9 * (nearness - low) / max(high - low, 1e-12))
    return ordered
