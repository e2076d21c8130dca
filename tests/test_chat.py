"""Chat encoding against the real transformers processors, token for token."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vstkit.errors import DataError
from vstkit.models import vision
from vstkit.models.chat import Chat

SIZES = {"wide.png": (400, 90), "tall.png": (61, 233), "small.png": (9, 13), "odd.png": (127, 85)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return folder


def sample(images: list[str], *turns: str, system: str = "") -> dict[str, Any]:
    """Turns alternate between user and assistant; the images come first."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for number, text in enumerate(turns):
        content: list[dict[str, str]] = [{"type": "image"} for _ in images] if number == 0 else []
        content.append({"type": "text", "text": text})
        messages.append({"role": ("user", "assistant")[number % 2], "content": content})
    return {"kind": "sample", "id": "s", "images": images, "messages": messages}


SAMPLES = {
    "one image": sample(["odd.png"], "Which is nearer?", "the chair"),
    "several images": sample(["wide.png", "tall.png", "small.png"], "Same room?", "no"),
    "several turns": sample(["tall.png"], "What is this?", " a lamp\n", "\nAnd its box?", '{"bbox_3d": [-0.12]}'),
    "text only": sample([], "How far is 1 m?", "1 m"),
    "beyond ASCII": sample(["small.png"], "Où est l’été? 椅子 🙂", "là-bas — 桌子 ①"),
    "system": sample(["odd.png"], "Where?", "here", system="Be brief."),
    "repeated": sample(["odd.png", "odd.png"], "Twice?", "yes\n\nindeed  "),
}


@cache
def processor(folder: Path) -> Any:
    """The model's real processor, less the video part, which alone needs torchvision."""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
    from transformers.processing_utils import ProcessorMixin

    real = {"qwen2_5_vl": Qwen2_5_VLProcessor, "qwen3_vl": Qwen3VLProcessor}
    tokenizer = AutoTokenizer.from_pretrained(folder)

    class ImageOnly(real[AutoConfig.from_pretrained(folder).model_type]):  # type: ignore[misc]
        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

        def __init__(self, image_processor: Any, tokenizer: Any) -> None:
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
            self.vision_start_token_id = tokenizer.convert_tokens_to_ids("<|vision_start|>")
            self.vision_end_token_id = tokenizer.convert_tokens_to_ids("<|vision_end|>")
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=tokenizer.chat_template)

    return ImageOnly(vision.image_processor(folder), tokenizer)


def reference(folder: Path, messages: list[dict[str, Any]], images: list[Image.Image], generation: bool) -> Any:
    made = processor(folder)
    text = made.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation)
    return made(text=[text], images=images or None, return_tensors="np")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("generation", [False, True])
def test_tokens_equal_the_real_processor(tiny_model: Path, root: Path, name: str, generation: bool) -> None:
    record = SAMPLES[name]
    images = [Image.open(root / path) for path in record["images"]]
    messages = record["messages"][:-1] if generation else record["messages"]
    expected = reference(tiny_model, messages, images, generation)

    encoded = Chat(tiny_model).encode(record, str(root), generation=generation)

    assert encoded.ids == expected["input_ids"][0].tolist()
    assert [list(grid) for grid in encoded.grids] == (expected["image_grid_thw"].tolist() if images else [])


@pytest.mark.parametrize("name", SAMPLES)
def test_trained_tokens_are_the_answers_and_their_stops(tiny_model: Path, root: Path, name: str) -> None:
    chat, record = Chat(tiny_model), SAMPLES[name]
    encoded = chat.encode(record, str(root))
    learnt = [chat.tokenizer.decode(encoded.ids[start:end], skip_special_tokens=False) for start, end in encoded.spans]
    answers = [m["content"][0]["text"] for m in record["messages"] if m["role"] == "assistant"]
    assert learnt == [answer + "<|im_end|>" for answer in answers]
    assert encoded.targets == sum(end - start for start, end in encoded.spans) > 0


def test_random_conversations_equal_the_real_processor(tiny_model: Path, root: Path) -> None:
    rng = random.Random(0)
    chat = Chat(tiny_model)
    alphabet = ["chair", "12.5", " ", "\n", "  ", "é", '{"', '"]}', "<|", "1", "-0.3", "\t", "床", "'s", "im_end"]
    for _ in range(30):
        images = rng.choices(list(SIZES), k=rng.randrange(3))
        turns = ["".join(rng.choices(alphabet, k=rng.randrange(1, 12))) for _ in range(2 * rng.randrange(1, 3))]
        record = sample(images, *turns)
        opened = [Image.open(root / path) for path in images]
        expected = reference(tiny_model, record["messages"], opened, generation=False)
        assert chat.encode(record, str(root)).ids == expected["input_ids"][0].tolist(), turns


def test_content_may_be_a_plain_string(root: Path, tiny_model: Path) -> None:
    chat = Chat(tiny_model)
    parts = sample([], "Where?", "here")
    plain = {**parts, "messages": [{**m, "content": m["content"][0]["text"]} for m in parts["messages"]]}
    assert chat.encode(plain) == chat.encode(parts)


@pytest.mark.parametrize("step", [28, 32])
def test_resize_rule_equals_transformers(step: int) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    rng = random.Random(step)
    for _ in range(5000):
        width, height = (int(2 ** rng.uniform(0, 13)) for _ in range(2))
        smallest = rng.choice([56 * 56, 4 * step * step, 256 * step * step])
        largest = smallest * rng.choice([1, 4, 100])
        if max(width, height) > 200 * min(width, height):
            with pytest.raises(DataError, match="aspect ratio"):
                vision.smart_resize(width, height, step, smallest, largest)
        else:
            expected = smart_resize(height, width, step, smallest, largest)
            assert vision.smart_resize(width, height, step, smallest, largest) == expected[::-1], (width, height)


def test_pixels_have_the_grids_that_the_sizes_promise(tiny_model: Path, root: Path) -> None:
    rule = vision.ImageRule.read(tiny_model)
    images = [Image.open(root / name).convert("RGB") for name in SIZES]
    values, grids = vision.pixels(vision.image_processor(tiny_model), images)
    assert grids == [rule.grid(*size) for size in SIZES.values()]
    assert values.shape == (sum(t * h * w for t, h, w in grids), 3 * 2 * rule.patch**2)
    assert values.dtype == np.float32


def test_wrong_records_are_refused_by_field(tiny_model: Path, root: Path) -> None:
    chat = Chat(tiny_model)
    good = sample(["odd.png"], "Where?", "here")
    with pytest.raises(DataError, match=r"^images: expected 1, as the messages show, got 2$"):
        chat.encode({**good, "images": ["odd.png", "odd.png"]}, str(root))
    with pytest.raises(DataError, match=r"^images\[0\]: .*gone\.png"):
        chat.encode({**good, "images": ["gone.png"]}, str(root))
    with pytest.raises(DataError, match=r"^videos: "):
        chat.encode({**good, "videos": [{"frames": ["odd.png"], "fps": 1}]}, str(root))
    with pytest.raises(DataError, match="turn of the assistant"):
        chat.encode({**good, "messages": good["messages"][:1]}, str(root))
    for token in ("<|image_pad|>", "<|im_end|>"):
        with pytest.raises(DataError, match=r"^messages\[1\]\.content: expected plain text"):
            chat.encode(sample(["odd.png"], "Where?", f"here {token}"), str(root))


def test_a_template_that_rewrites_earlier_turns_is_refused(tmp_path: Path, tiny_model: Path, root: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("'<|im_start|>' +", "loop.length|string +"))
    with pytest.raises(DataError, match=r"^messages\[1\]: the chat template"):
        Chat(folder).encode(SAMPLES["several turns"], str(root))


def test_fingerprint_follows_what_makes_the_tokens(tmp_path: Path, tiny_model: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    same = Chat(tiny_model).fingerprint
    assert Chat(folder).fingerprint == same
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert Chat(folder).fingerprint == same

    rule = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**rule, "max_pixels": 10**6}))
    assert Chat(folder).fingerprint != same
    (folder / "preprocessor_config.json").write_text(json.dumps(rule))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert Chat(folder).fingerprint != same


def test_the_template_is_found_where_hub_models_keep_it(tmp_path: Path, tiny_model: Path, root: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(DataError, match=r"no model: chat_template\.jinja is missing"):
        Chat(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for name, value in (
        ("chat_template.json", {"chat_template": template}),
        ("tokenizer_config.json", {**settings, "chat_template": template}),
    ):
        (folder / name).write_text(json.dumps(value))
        assert Chat(folder).encode(SAMPLES["one image"], str(root)) == Chat(tiny_model).encode(
            SAMPLES["one image"], str(root)
        )
        (folder / "chat_template.json").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_a_folder_without_a_model_names_what_is_missing(tmp_path: Path, tiny_model: Path, name: str) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"no model: {name} is missing"):
        Chat(folder)


def test_encoding_needs_no_torch(tiny_model: Path, root: Path) -> None:
    code = (
        "import sys; from vstkit.models.chat import Chat; "
        f"Chat({str(tiny_model)!r}).encode({SAMPLES['one image']!r}, {str(root)!r}); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
