"""Samples, packs and pictures that the tests of training share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vstkit.models.chat import Chat
from vstkit.packing import Sized, pack, pack_record


def pictures(folder: Path) -> str:
    """Draw the pictures of SAMPLES into a folder; returns its name."""
    rng = np.random.default_rng(0)
    for name, (width, height) in {"a.png": (200, 90), "b.png": (61, 133), "c.png": (84, 84)}.items():
        Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(folder / name)
    return str(folder)


def sample(name: str, images: list[str], question: str, answer: str, task: str = "") -> dict[str, Any]:
    content = [*({"type": "image"} for _ in images), {"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return {"kind": "sample", "id": name, "images": images, "messages": messages, **({"task": task} if task else {})}


SAMPLES = [
    sample("one", ["a.png"], "Which object is closer?", "A", "depth-nearest"),
    sample(
        "two", ["b.png", "c.png"], "Detect the chair.", '[{"bbox_3d": [0.12, -3.45, 1.0], "label": "chair"}]', "det3d"
    ),
    sample("text", [], "yes or no?", "no"),
    sample(
        "three",
        ["c.png", "a.png", "c.png"],
        "The lamp?",
        "It is to the left of the table, 1.25 meters away.",
        "measure",
    ),
]


def packed(samples: list[dict[str, Any]], chat: Chat, root: str, capacity: int = 4096) -> list[dict[str, Any]]:
    sized = []
    for record in samples:
        encoded = chat.encode(record, root)
        sized.append(Sized(record, encoded.length, encoded.targets))
    return [pack_record(group, chat.fingerprint) for group in pack(sized, capacity)]


def write(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)
