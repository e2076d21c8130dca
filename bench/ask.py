"""Speed of asking in batches against one by one, in the same run: python bench/ask.py [SAMPLES.jsonl MODEL].

Both ask the same model the same questions for the same number of tokens, by `vstkit.answering.local`, and their
answers are compared. A round measures both, so that what else the machine does slows both.

Without arguments, 64 made questions of all lengths, half with a picture, for the tests' tiny model.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson
from PIL import Image

from vstkit.answering.local import Local, load
from vstkit.answering.questions import questions
from vstkit.models.chat import Chat

ROUNDS, TOKENS = 3, 32


def made(folder: Path) -> list[dict[str, Any]]:
    """Questions of one to sixty words."""
    rng = random.Random(0)
    levels = np.random.default_rng(0).integers(0, 255, (112, 112, 3), dtype=np.uint8)
    Image.fromarray(levels).save(folder / "a.png")
    records = []
    for i in range(64):
        images = ["a.png"] * (i % 2)
        words = rng.choices(["chair", "table", "lamp", "nearer", "camera"], k=rng.randint(1, 60))
        content = [*({"type": "image"} for _ in images), {"type": "text", "text": " ".join(words)}]
        messages = [{"role": "user", "content": content}]
        records.append({"kind": "sample", "id": str(i), "images": images, "messages": messages})
    return records


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        if len(sys.argv) > 1:
            records, folder = list(map(orjson.loads, Path(sys.argv[1]).read_bytes().splitlines())), sys.argv[2]
            root = "."
        else:
            sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
            import tiny

            records, folder, root = made(Path(temporary)), str(tiny.model()), temporary
        asked: list[Any] = [q for record in records for q in questions(record, Counter(), root=root)]
        model, chat = load(folder), Chat(folder)
        alone, batched = [], []
        for _ in range(ROUNDS):
            texts, tokens = [], []
            for seconds, batch_tokens in ((alone, 1), (batched, 65536)):
                start = time.perf_counter()
                found = list(Local(lambda: model, chat, root, TOKENS, batch_tokens)(iter(asked)))
                seconds.append(time.perf_counter() - start)
                texts.append([answer.replies[0].text for answer in found])
                tokens.append(sum(answer.completion_tokens for answer in found))
        same = sum(a == b for a, b in zip(*texts, strict=True))
        one, many = median(alone), median(batched)
        print(
            f"{len(asked)} questions, {same} answered the same: one by one {tokens[0] / one:,.0f} tokens/s, "
            f"in batches {tokens[1] / many:,.0f}: {one / many:.1f} times as fast"
        )


if __name__ == "__main__":
    main()
