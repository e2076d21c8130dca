"""A model's answers to samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vstkit.errors import DataError
from vstkit.images import open_image
from vstkit.models import vision
from vstkit.models.chat import Chat


def generate(
    model: Any,
    chat: Chat,
    samples: Sequence[dict[str, Any]],
    root: str = ".",
    max_new_tokens: int = 1024,
    batch: int = 8,
) -> list[str]:
    """What `model` says to each sample, most likely token by token, without control tokens.

    A sample's own last answer is not shown to it. Settings that came with the model, such as a penalty on
    repetitions, are not used: boxes repeat. `batch` samples are answered at a time, each as if alone. Images are
    found under `root`. Raises DataError, starting with the sample's id.
    """
    texts: list[str] = []
    processor = vision.image_processor(chat.folder)
    for start in range(0, len(samples), batch):
        prompts, pictures = [], []
        for sample in samples[start : start + batch]:
            try:
                prompts.append(chat.encode(sample, root, generation=True).ids)
                pictures += [open_image(recipe, root) for recipe in sample.get("images") or []]
            except DataError as error:
                raise DataError(f"{sample['id']}: {error}") from error
        inputs = _left_padded(prompts, chat)
        if pictures:
            inputs["pixel_values"], grids = vision.pixels(processor, pictures)
            inputs["image_grid_thw"] = np.array(grids)
        texts += [chat.decode(ids) for ids in _continued(model, chat, inputs, max_new_tokens)]
    return texts


def _left_padded(prompts: list[list[int]], chat: Chat) -> dict[str, np.ndarray[Any, Any]]:
    """Prompts of different lengths as arrays (prompts, longest) that all end where the answer begins."""
    shape = len(prompts), max(map(len, prompts))
    ids, mask = np.full(shape, chat.pad_id), np.zeros(shape, dtype=np.int64)
    for row, prompt in enumerate(prompts):
        ids[row, -len(prompt) :] = prompt
        mask[row, -len(prompt) :] = 1
    return {"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": (ids == chat.image_id).astype(np.int64)}


def _continued(model: Any, chat: Chat, inputs: dict[str, np.ndarray[Any, Any]], max_new_tokens: int) -> list[list[int]]:
    """The new tokens of each row, up to its stop token."""
    import torch
    from transformers import GenerationConfig

    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        repetition_penalty=1.0,
        eos_token_id=sorted({chat.stop_id, chat.pad_id}),
        pad_token_id=chat.pad_id,
    )
    tensors = {name: torch.from_numpy(array).to(model.device) for name, array in inputs.items()}
    with torch.inference_mode():
        made = model.generate(**tensors, generation_config=settings)
    rows: list[list[int]] = made[:, tensors["input_ids"].shape[1] :].tolist()
    return rows
