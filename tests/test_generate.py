"""Loading models from folders, and their answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from vstkit.errors import DataError
from vstkit.models import loading
from vstkit.models.chat import Chat
from vstkit.models.generate import generate


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, (width, height) in {"a.png": (200, 90), "b.png": (61, 133)}.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return str(folder)


@pytest.fixture
def model(tiny_model: Path) -> Iterator[Any]:
    """Enlarged weights, so that answers differ from sample to sample."""
    import torch

    made = loading.load(tiny_model, device="cpu")
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
    return made


def sample(images: list[str], question: str) -> dict[str, Any]:
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "not to be seen"}]
    return {"kind": "sample", "id": question, "images": images, "messages": messages}


SAMPLES = [
    sample(["a.png"], "Which object is nearest to the camera?"),
    sample(["b.png", "a.png"], "box"),
    sample([], "How far?"),
    sample(["b.png"], "Detect the 3D bounding boxes of chair. " * 5),
]


def test_answers_are_the_same_batched_and_single(tiny_model: Path, root: str, model: Any) -> None:
    chat = Chat(tiny_model)
    together = generate(model, chat, SAMPLES, root, max_new_tokens=12)
    alone = [generate(model, chat, [record], root, max_new_tokens=12)[0] for record in SAMPLES]
    assert together == alone == generate(model, chat, SAMPLES, root, max_new_tokens=12, batch=3)
    assert len(set(together)) == len(SAMPLES)


def test_answers_are_the_most_likely_tokens_and_end_at_the_stop(tiny_model: Path, root: str, model: Any) -> None:
    """Against one full forward pass a token, without a cache; also when the model came with sampling settings."""
    import torch

    from vstkit.models import vision

    chat = Chat(tiny_model)
    ids = chat.encode(SAMPLES[0], root, generation=True).ids
    values, grids = vision.pixels(vision.image_processor(tiny_model), [Image.open(Path(root) / "a.png")])
    greedy: list[int] = []
    for _ in range(6):
        tokens = torch.tensor([ids + greedy])
        logits = model(
            input_ids=tokens,
            mm_token_type_ids=(tokens == chat.image_id).int(),
            pixel_values=torch.from_numpy(values),
            image_grid_thw=torch.tensor(grids),
            use_cache=False,
        ).logits
        greedy.append(int(logits[0, -1].argmax()))
    model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=5.0, top_k=1, top_p=0.001)
    assert generate(model, chat, SAMPLES[:1], root, max_new_tokens=6) == [chat.decode(greedy)]

    with torch.no_grad():  # make the third token the stop
        model.lm_head.weight[chat.stop_id] = model.lm_head.weight[greedy[2]] * 1.01
    before_stop = greedy[: greedy.index(greedy[2])]
    assert generate(model, chat, SAMPLES[:1], root, max_new_tokens=6) == [chat.decode(before_stop)]


def test_a_bad_sample_is_named(tiny_model: Path, model: Any) -> None:
    with pytest.raises(DataError, match=r"^lost: images\[0\]: .*gone\.png"):
        generate(model, Chat(tiny_model), [sample(["gone.png"], "lost")], max_new_tokens=1)


def test_a_folder_that_is_no_model_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        loading.load(tmp_path / "none")
    with pytest.raises(DataError, match=r"config\.json is missing"):
        loading.load(tmp_path)
    folder = shutil.copytree(tiny.model(), tmp_path / "model")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="the model cannot be loaded"):
        loading.load(folder)
    weights.unlink()
    with pytest.raises(DataError, match=r"model\.safetensors is missing"):
        loading.load(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(DataError, match="model_type: expected qwen2_5_vl or qwen3_vl, got llama"):
        loading.check(folder)


def test_weights_left_out_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(tiny.model(), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    lost = sorted(weights)[0]
    del weights[lost]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=f"1 of its weights are missing, such as .*{lost.split('.')[-1]}"):
        loading.load(folder)
