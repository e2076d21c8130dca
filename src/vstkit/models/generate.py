"""A model's answers to samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vstkit.errors import DataError, at
from vstkit.images import open_image
from vstkit.models.chat import Chat, Encoded
from vstkit.models.pixels import Patches, together, values
from vstkit.models.sampling import Draws
from vstkit.models.vision import Grid
from vstkit.training.rope import rope_index

Array = np.ndarray[Any, Any]


class Prompt(NamedTuple):
    """A question as a model takes it: its tokens, their positions (3, tokens), and the patches and the grid of each
    image and video, as `vstkit.models.pixels.Patches` makes them."""

    ids: list[int]
    positions: Array
    images: list[tuple[Array, Grid]]
    videos: list[tuple[Array, Grid]]


def prompt(chat: Chat, patches: Patches, sample: dict[str, Any], encoded: Encoded, root: str = ".") -> Prompt:
    """The prompt of a sample that `chat` has encoded for generation, with its pictures, found under `root`.

    Positions are Qwen's own, also where transformers' differ (`vstkit.training.rope`). Raises DataError, starting with
    the field, for a picture that cannot be read.
    """
    pictures, films = [], []
    for number, recipe in enumerate(sample.get("images") or []):
        with at(f"images[{number}]"):
            pictures.append(patches.image(open_image(recipe, root)))
    for number, video in enumerate(sample.get("videos") or []):
        with at(f"videos[{number}]"):
            films.append(patches.video([open_image(frame, root) for frame in video["frames"]]))
    visual = np.isin(encoded.ids, [chat.image_id, -1 if chat.video_id is None else chat.video_id])
    positions = rope_index(visual, encoded.grids, chat.rule.merge, encoded.intervals)
    return Prompt(encoded.ids, positions, pictures, films)


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
    patches = Patches(chat.folder)
    for start in range(0, len(samples), batch):
        prompts = []
        for sample in samples[start : start + batch]:
            try:
                prompts.append(prompt(chat, patches, sample, chat.encode(sample, root, generation=True), root))
            except DataError as error:
                raise DataError(f"{sample['id']}: {error}") from error
        texts += [chat.decode(ids) for ids in continued(model, chat, patches.levels, prompts, max_new_tokens)]
    return texts


def continued(
    model: Any, chat: Chat, levels: Array, prompts: Sequence[Prompt], max_new_tokens: int, draws: Draws | None = None
) -> list[list[int]]:
    """The tokens that `model` goes on with after each prompt, up to a stop token and with it, `max_new_tokens` at most.

    Each is as if alone. Without `draws` it is the most likely token every time. `levels` are those of the patches.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessorList

    stops = {chat.stop_id, chat.pad_id}
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        repetition_penalty=1.0,
        eos_token_id=sorted(stops),
        pad_token_id=chat.pad_id,
    )
    inputs = {name: torch.from_numpy(held).to(model.device) for name, held in _left_padded(prompts, chat).items()}
    for kind, suffix in (("image", ""), ("video", "_videos")):
        held = [part for one in prompts for part in (one.images if kind == "image" else one.videos)]
        if held:
            cut = torch.from_numpy(together([part for part, _ in held])).to(model.device)
            inputs[f"pixel_values{suffix}"] = values(cut, levels)
            inputs[f"{kind}_grid_thw"] = torch.tensor([grid for _, grid in held], device=model.device)
    with torch.inference_mode():
        made = model.generate(
            **inputs, generation_config=settings, logits_processor=LogitsProcessorList([draws] if draws else [])
        )
    rows = made[:, inputs["input_ids"].shape[1] :].tolist()
    return [row[: next((i + 1 for i, token in enumerate(row) if token in stops), len(row))] for row in rows]


def _left_padded(prompts: Sequence[Prompt], chat: Chat) -> dict[str, Array]:
    """Prompts of different lengths as arrays (prompts, longest) that all end where the answer begins.

    The positions are (4, prompts, longest): transformers counts the text's own beside the three axes.
    """
    shape = len(prompts), max(len(one.ids) for one in prompts)
    ids, mask = np.full(shape, chat.pad_id), np.zeros(shape, dtype=np.int64)
    positions = np.zeros((4, *shape), dtype=np.int64)
    for row, one in enumerate(prompts):
        length = len(one.ids)
        ids[row, -length:] = one.ids
        mask[row, -length:] = 1
        positions[0, row, -length:] = np.arange(length)
        positions[1:, row, -length:] = one.positions
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
