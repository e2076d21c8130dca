"""transformers' own processors, videos included, where torchvision is missing: it would only resize pixels."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

from vstkit.models import vision


@contextmanager
def _torchvision() -> Iterator[None]:
    """A stand-in for imports; transformers still knows that the real one is not there."""
    names = [
        "torchvision",
        "torchvision.transforms",
        "torchvision.transforms.v2",
        "torchvision.transforms.v2.functional",
    ]
    modules = {name: ModuleType(name) for name in names}
    for name in names[1:]:
        parent, _, last = name.rpartition(".")
        setattr(modules[parent], last, modules[name])
    with patch.dict(sys.modules, modules):
        yield


@cache
def module(arch: str) -> Any:
    """transformers' module of the video processor, which needs torchvision to be imported."""
    import transformers.utils.auto_docstring

    docs = sys.modules[transformers.utils.auto_docstring.__module__]  # the function hides its module
    with _torchvision(), patch.object(docs, "get_placeholders_dict", lambda *_: {}):  # it, too, needs torchvision
        family = "qwen2_vl" if arch == "qwen2_5_vl" else arch
        return importlib.import_module(f"transformers.models.{family}.video_processing_{family}")


@cache
def _video_class(arch: str) -> Any:
    held = module(arch)
    base = held.Qwen3VLVideoProcessor if arch == "qwen3_vl" else held.Qwen2VLVideoProcessor

    class Grey(base):  # type: ignore[misc]
        """Sizes and grids as they are, every pixel grey."""

        def resize(self, image: Any, size: Any, **_: Any) -> Any:
            return image.new_zeros(*image.shape[:-2], size.height, size.width)

        def convert_to_rgb(self, video: Any) -> Any:
            return video

        def rescale_and_normalize(self, images: Any, *_: Any) -> Any:
            return images

    return Grey


@cache
def processor(folder: Path) -> Any:
    """The model's processor, with its PIL image processor and its video processor."""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

    arch = AutoConfig.from_pretrained(folder).model_type
    tokenizer = AutoTokenizer.from_pretrained(folder)
    video_class = _video_class(arch)
    settings, _ = video_class.get_video_processor_dict(folder)
    settings = {"size": dict(video_class.size), **settings}  # else it writes into its shared default

    class Whole({"qwen2_5_vl": Qwen2_5_VLProcessor, "qwen3_vl": Qwen3VLProcessor}[arch]):  # type: ignore[misc]
        def check_argument_for_proper_class(self, *_: Any) -> Any:
            """transformers' place-holders for classes that need torchvision would refuse the real ones."""

    return Whole(vision.image_processor(folder), tokenizer, video_class(**settings), tokenizer.chat_template)


def encoded(
    folder: Path, messages: list[dict[str, Any]], images: list[Any], videos: list[Any], generation: bool
) -> Any:
    """What the processor makes of a conversation; a video is (frames (t, h, w, 3) uint8, frames a second)."""
    from transformers.video_utils import VideoMetadata

    made = processor(folder)
    text = made.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
    about = [
        VideoMetadata(total_num_frames=len(frames), fps=fps, frames_indices=list(range(len(frames))))
        for frames, fps in videos
    ]
    more: dict[str, Any] = (
        {"videos": [np.asarray(frames) for frames, _ in videos], "video_metadata": about} if videos else {}
    )
    return made(text=[text], images=images or None, do_sample_frames=False, return_tensors="np", **more)
