"""Chat encoding against the real transformers processors, token for token."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import real_processor
import tiny
from vstkit.errors import DataError
from vstkit.models import vision
from vstkit.models.chat import Chat
from vstkit.training.rope import rope_index
from vstkit.turns import THINKING_PROMPT

SIZES = {"wide.png": (400, 90), "tall.png": (61, 233), "small.png": (9, 13), "odd.png": (127, 85)}
FRAMES = [f"frame{i}.png" for i in range(5)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name, (width, height) in {**SIZES, **dict.fromkeys(FRAMES, (160, 120))}.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models of both families, with a rule for videos of their own as those of the hub have."""
    folders = {}
    for arch, bounds in {"qwen2_5_vl": (4 * 784, 9 * 784), "qwen3_vl": (4096, 60_000)}.items():
        folder = shutil.copytree(tiny.model(arch), tmp_path_factory.mktemp("models") / arch)
        rule = json.loads((folder / "preprocessor_config.json").read_text())
        size = dict(zip(("shortest_edge", "longest_edge"), bounds, strict=True))
        kept = {key: rule[key] for key in ("patch_size", "merge_size", "temporal_patch_size")}
        (folder / "video_preprocessor_config.json").write_text(json.dumps({**kept, "size": size}))
        folders[arch] = folder
    return folders


def sample(images: list[str], *turns: str, system: str = "", videos: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Turns alternate between user and assistant; the images come first, then the videos."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for number, text in enumerate(turns):
        content: list[dict[str, str]] = []
        if number == 0:
            content = [*({"type": "image"} for _ in images), *({"type": "video"} for _ in videos)]
        content.append({"type": "text", "text": text})
        messages.append({"role": ("user", "assistant")[number % 2], "content": content})
    return {"kind": "sample", "id": "s", "images": images, "videos": list(videos), "messages": messages}


SAMPLES = {
    "one image": sample(["odd.png"], "Which is nearer?", "the chair"),
    "several images": sample(["wide.png", "tall.png", "small.png"], "Same room?", "no"),
    "several turns": sample(["tall.png"], "What is this?", " a lamp\n", "\nAnd its box?", '{"bbox_3d": [-0.12]}'),
    "text only": sample([], "How far is 1 m?", "1 m"),
    "beyond ASCII": sample(["small.png"], "Où est l’été? 椅子 🙂", "là-bas — 桌子 ①"),
    "system": sample(["odd.png"], "Where?", "here", system="Be brief."),
    "repeated": sample(["odd.png", "odd.png"], "Twice?", "yes\n\nindeed  "),
    "thinking": sample(["odd.png"], "Where?", "<think>It is\n there.</think> there", system=THINKING_PROMPT),
    "ten turns": sample(["odd.png"], *(f"question {i // 2}?" if i % 2 == 0 else f"No. {i}" for i in range(20))),
    "video": sample([], "What moves?", "the door", videos=[{"frames": FRAMES[:4], "fps": 2}]),
    "video, odd frames": sample([], "When?", "never", videos=[{"frames": FRAMES, "fps": 3}]),
    "video of one frame": sample([], "When?", "now", videos=[{"frames": FRAMES[:1], "fps": 0.7}]),
    "image and videos": sample(
        ["tall.png"],
        "Same?",
        "yes",
        "Sure?",
        "no",
        videos=[{"frames": FRAMES[:3], "fps": 1}, {"frames": ["odd.png", "odd.png"], "fps": 29.97}],
    ),
}


def reference(folder: Path, record: dict[str, Any], root: Path, generation: bool) -> Any:
    """What transformers' own processor makes of a sample."""
    messages = record["messages"][:-1] if generation else record["messages"]
    images = [Image.open(root / name) for name in record["images"]]
    videos = [
        (np.stack([np.asarray(Image.open(root / name)) for name in video["frames"]]), video["fps"])
        for video in record.get("videos", [])
    ]
    return real_processor.encoded(folder, messages, images, videos, generation)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("generation", [False, True])
def test_tokens_equal_the_real_processor(models: dict[str, Path], root: Path, name: str, generation: bool) -> None:
    for folder in models.values():
        record = SAMPLES[name]
        expected = reference(folder, record, root, generation)
        encoded = Chat(folder).encode(record, str(root), generation=generation)
        assert encoded.ids == expected["input_ids"][0].tolist()
        for found, key in ((encoded.images, "image_grid_thw"), (encoded.videos, "video_grid_thw")):
            assert [list(grid) for grid in found] == (expected[key].tolist() if found else [])
        if not generation:
            assert Chat(folder).count(record, str(root)) == (encoded.length, encoded.targets)


@pytest.mark.parametrize("name", [name for name in SAMPLES if "video" in name])
def test_runs_are_what_rope_index_takes(models: dict[str, Path], root: Path, name: str) -> None:
    record = SAMPLES[name]
    for arch, folder in models.items():
        chat = Chat(folder)
        encoded = chat.encode(record, str(root))
        visual = np.isin(encoded.ids, [chat.image_id, chat.video_id])
        positions = rope_index(visual, encoded.grids, chat.rule.merge, encoded.intervals)
        assert positions.shape == (3, encoded.length)
        frames = sum(t for t, _, _ in encoded.videos)
        if arch == "qwen3_vl":
            assert len(encoded.grids) == len(record["images"]) + frames
            assert set(encoded.intervals) == {1.0}
        else:
            assert sorted(encoded.grids) == sorted(encoded.images + encoded.videos)
            seconds = reference(folder, record, root, False)["second_per_grid_ts"]
            ticks = [i for i, grid in zip(encoded.intervals, encoded.grids, strict=True) if grid in encoded.videos]
            assert ticks == pytest.approx([4 * float(s) for s in seconds])


@pytest.mark.parametrize("name", SAMPLES)
def test_trained_tokens_are_the_answers_and_their_stops(tiny_model: Path, root: Path, name: str) -> None:
    chat, record = Chat(tiny_model), SAMPLES[name]
    encoded = chat.encode(record, str(root))
    learnt = [chat.tokenizer.decode(encoded.ids[start:end], skip_special_tokens=False) for start, end in encoded.spans]
    answers = [m["content"][0]["text"] for m in record["messages"] if m["role"] == "assistant"]
    assert learnt == [answer + "<|im_end|>" for answer in answers]
    assert encoded.targets == sum(end - start for start, end in encoded.spans) > 0


def test_random_conversations_equal_the_real_processor(models: dict[str, Path], root: Path) -> None:
    rng = random.Random(0)
    alphabet = ["chair", "12.5", " ", "\n", "  ", "é", '{"', '"]}', "<|", "1", "-0.3", "\t", "床", "'s", "im_end", "½"]
    for folder in models.values():
        chat = Chat(folder)
        for _ in range(30):
            images = rng.choices(list(SIZES), k=rng.randrange(3))
            turns = ["".join(rng.choices(alphabet, k=rng.randrange(1, 12))) for _ in range(2 * rng.randrange(1, 4))]
            frames = [FRAMES[: rng.randrange(1, 6)] for _ in range(rng.randrange(2))]
            record = sample(images, *turns, videos=[{"frames": f, "fps": rng.choice([0.5, 2, 29.97])} for f in frames])
            rng.shuffle(record["messages"][0]["content"])
            encoded = chat.encode(record, str(root))
            assert encoded.ids == reference(folder, record, root, False)["input_ids"][0].tolist(), record
            assert chat.count(record, str(root)) == (encoded.length, encoded.targets), record


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
    with pytest.raises(DataError, match=r"^videos: expected 0, as the messages show, got 1$"):
        chat.encode({**good, "videos": [{"frames": ["odd.png"], "fps": 1}]}, str(root))
    film = {"frames": ["odd.png", "wide.png"], "fps": 1}
    with pytest.raises(
        DataError, match=r"^videos\[0\]\.frames\[1\]: expected 127 x 85 pixels, as before, got 400 x 90$"
    ):
        chat.encode(sample([], "When?", "now", videos=[film]), str(root))
    with pytest.raises(DataError, match=r"^videos\[0\]\.frames\[0\]: .*gone\.png"):
        chat.encode(sample([], "When?", "now", videos=[{**film, "frames": ["gone.png"]}]), str(root))
    with pytest.raises(DataError, match=r"^videos\[0\]\.frames: expected at least one"):
        chat.encode(sample([], "When?", "now", videos=[{**film, "frames": []}]), str(root))
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
    chat = Chat(tiny_model)
    same = chat.fingerprint
    assert Chat(folder).fingerprint == same
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert Chat(folder).fingerprint == same

    rule = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**rule, "max_pixels": 10**6}))
    assert chat.unlike(Chat(folder).fingerprint) == "another rule for images and videos"
    (folder / "preprocessor_config.json").write_text(json.dumps(rule))
    assert chat.unlike(Chat(folder).fingerprint) == ""
    (folder / "video_preprocessor_config.json").write_text(
        json.dumps({"size": {"shortest_edge": 1, "longest_edge": 2}})
    )
    assert chat.unlike(Chat(folder).fingerprint) == "another rule for images and videos"
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert chat.unlike(Chat(folder).fingerprint) == "another tokenizer or chat template"


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
