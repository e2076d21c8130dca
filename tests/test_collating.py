"""Pictures and packs as batches: bad pictures, videos beside images, what the model is called with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import tiny
from vstkit.errors import DataError
from vstkit.models.chat import Chat
from vstkit.models.pixels import Patches, values
from vstkit.training import data

RNG = np.random.default_rng(0)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def root(tmp_path: Path) -> str:
    for name, size in {"a.png": (200, 90), "b.png": (61, 133), "f0.png": (90, 120), "f1.png": (90, 120)}.items():
        noise(*size).save(tmp_path / name)
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    return str(tmp_path)


def test_a_picture_asked_about_twice_is_prepared_once(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[Any] = []
    real = Patches.image
    monkeypatch.setattr(Patches, "image", lambda self, image: prepared.append(image) or real(self, image))
    pixels = data.Pixels(tiny.model(), root)
    first = pixels.image("a.png")
    assert pixels.image("a.png")[0] is first[0]
    pixels.image({"path": "a.png", "ops": [{"op": "crop", "box": [0, 0, 90, 90]}]})
    assert len(prepared) == 2

    small = data.Pixels(tiny.model(), root, limit=first[0].nbytes)
    for name in ("a.png", "b.png", "a.png"):
        small.image(name)
    assert len(prepared) == 5


def sample(name: str, images: list[str], frames: list[str] | None = None) -> dict[str, Any]:
    videos = [{"frames": frames, "fps": 2.0}] if frames else []
    content = [{"type": "image"}] * len(images) + [{"type": "video"}] * len(videos) + [{"type": "text", "text": "?"}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": f"it is {name}"}]
    held = {"kind": "sample", "id": name, "task": name, "images": images, "messages": messages}
    return {**held, "videos": videos} if videos else held


def pack(chat: Chat, root: str, *samples: dict[str, Any]) -> dict[str, Any]:
    encoded = [chat.encode(record, root) for record in samples]
    return {
        "kind": "pack",
        "id": "p",
        "model": chat.fingerprint,
        "length": sum(e.length for e in encoded),
        "targets": sum(e.targets for e in encoded),
        "samples": list(samples),
    }


def test_a_bad_picture_costs_its_sample_only(tiny_model: Path, root: str) -> None:
    chat = Chat(tiny_model)
    pixels = data.Pixels(tiny_model, root)
    whole = pack(chat, root, sample("one", ["a.png"]), sample("cut", ["b.png", "cut.png"]), sample("two", ["b.png"]))
    batch, about = data.prepare(whole, chat, pixels, root)
    without = pack(chat, root, whole["samples"][0], whole["samples"][2])
    expected, _ = data.prepare(without, chat, pixels, root)
    assert about["tasks"] == ["one", "two"]
    assert about["left_out"] == 1
    assert about["lost"][0].startswith("samples[1].images[1]: cut.png: cannot be read: ")
    assert about["lost"][0].endswith("(sample cut)")
    assert batch.keys() == expected.keys()
    assert all((batch[name] == expected[name]).all() for name in batch)
    with pytest.raises(DataError, match=r"^samples\[1\]\.images\[1\]: cut\.png"):
        data.collate(whole, chat, pixels, root)

    nothing = {**whole, "samples": [whole["samples"][1]]}
    batch, about = data.prepare(nothing, chat, pixels, root)
    assert (about["tasks"], about["left_out"]) == ([], 1)
    assert (batch["labels"] == -100).all()


def test_broken_exif_data_cost_their_sample_only(root: str) -> None:
    turned = Image.Exif()
    turned[0x010E], turned[0x0112] = "description", 6
    path = Path(root) / "turned.jpg"
    noise(90, 60).save(path, exif=turned)
    raw = bytearray(path.read_bytes())
    assert raw[raw.index(b"Exif") + 16 :][:4] == b"\x01\x0e\x00\x02"
    raw[raw.index(b"Exif") + 17] = 0  # the description's tag: now the image's width
    path.write_bytes(raw)
    chat = Chat(tiny.model())
    packed = pack(chat, root, sample("one", ["b.png"]), sample("two", ["turned.jpg"]))
    _, about = data.prepare(packed, chat, data.Pixels(chat.folder, root), root)
    assert about["tasks"] == ["one"]
    assert about["lost"][0].startswith("samples[1].images[0]: turned.jpg: cannot be read: ")


def test_a_picture_that_grew_since_it_was_packed_is_left_out(root: str) -> None:
    chat = Chat(tiny.model())
    packed = pack(chat, root, sample("one", ["b.png"]), sample("two", ["b.png"]))
    packed["samples"][1] = sample("two", ["b.png", "a.png", "a.png"])
    _, about = data.prepare(packed, chat, data.Pixels(chat.folder, root), root)
    assert about["tasks"] == ["one"]
    assert "tokens, got " in about["lost"][0]


def test_a_wrong_root_is_found_at_once(root: str, tmp_path: Path) -> None:
    chat = Chat(tiny.model())
    path = tmp_path / "packs.jsonl"
    path.write_text(json.dumps(pack(chat, root, *[sample(f"s{i}", ["b.png"]) for i in range(8)])) + "\n")
    packs = data.Packs([str(path)], chat.fingerprint)
    pixels = data.Pixels(chat.folder, "elsewhere")
    stream = data.batches(packs, [0, 0], lambda p: data.prepare(p, chat, pixels, "elsewhere"), workers=0)
    assert next(stream)[1]["left_out"] == 8
    with pytest.raises(DataError, match=rf"^{path}:1: samples\[0\]\.images\[0\]: .*; 16 of 16 samples could not"):
        next(stream)


@pytest.mark.parametrize("exact", [False, True])
def test_a_batch_in_the_models_terms(tiny_model: Path, root: str, exact: bool) -> None:
    chat = Chat(tiny_model)
    record = pack(chat, root, sample("one", ["a.png", "b.png"]), sample("two", ["b.png"]))
    batch = data.collate(record, chat, data.Pixels(tiny_model, root, exact=exact), root)
    tensors = data.inputs(batch)
    assert sorted(tensors) == ["image_grid_thw", "input_ids", "pixel_values", "position_ids"]
    images = [Image.open(Path(root) / name) for name in ("a.png", "b.png", "b.png")]
    expected, grids = Patches(tiny_model, exact).values(images)
    assert tensors["pixel_values"].numpy().tobytes() == expected.tobytes()
    assert [tuple(grid) for grid in tensors["image_grid_thw"].tolist()] == grids


@pytest.mark.parametrize("frames", [["f0.png", "f1.png", "f1.png"], ["f1.png"]])
def test_videos_beside_images_are_what_the_model_takes_as_videos(
    tiny_model: Path, root: str, frames: list[str]
) -> None:
    """Against the model called with each sample alone, its frames as a video under the video's own tokens."""
    from vstkit.models import loading
    from vstkit.training import attention
    from vstkit.training.losses import loss_sum

    chat = Chat(tiny_model)
    samples = [sample("both", ["a.png"], frames), sample("image", ["b.png"]), sample("video", [], frames)]
    record = pack(chat, root, *samples)
    model = loading.load(tiny_model, device="cpu", attention=attention.register())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(3)
        found = loss_sum(model, data.collate(record, chat, data.Pixels(tiny_model, root), root))
        expected = sum(alone(model, chat, one, root) for one in samples)
        assert float(found) == pytest.approx(float(expected), rel=1e-5)
        other = pack(chat, root, *samples[:2], sample("video", [], ["b.png"]))
        changed = loss_sum(model, data.collate(other, chat, data.Pixels(tiny_model, root), root))
        assert abs(float(changed) - float(found)) > 1e-3


def alone(model: Any, chat: Chat, record: dict[str, Any], root: str) -> Any:
    """The summed loss of one sample, its positions from its tokens."""
    from vstkit.training.rope import rope_index

    patches = Patches(chat.folder)
    encoded = chat.encode(record, root)
    ids = torch.tensor([encoded.ids])
    labels = torch.full_like(ids, -100)
    for start, end in encoded.spans:
        labels[0, start:end] = ids[0, start:end]
    visual = np.isin(encoded.ids, [chat.image_id, chat.video_id])
    rope = rope_index(visual, encoded.grids, chat.rule.merge, encoded.intervals)
    positions = np.concatenate([np.arange(len(visual))[None], rope])[:, None]
    inputs: dict[str, Any] = {"input_ids": ids, "position_ids": torch.from_numpy(positions), "use_cache": False}
    if record["images"]:
        pixels, grids = patches.values([Image.open(Path(root) / name) for name in record["images"]])
        inputs |= {"pixel_values": torch.from_numpy(pixels), "image_grid_thw": torch.tensor(grids)}
    for video in record.get("videos", []):
        cut, grid = patches.video([Image.open(Path(root) / name) for name in video["frames"]])
        inputs["pixel_values_videos"] = values(torch.from_numpy(cut), patches.levels)
        inputs["video_grid_thw"] = torch.tensor([grid])
    logits = model(**inputs).logits
    return torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], ignore_index=-100, reduction="sum")
