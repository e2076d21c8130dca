"""Packing: counting tokens against the models' own processors, and filling packs against plainer ways, in one run.

    python bench/pack.py [--samples 3000] [--lengths 1000000] [--rounds 3] [--seed 0]

Counting: samples as VST-P's are (64.8 % one picture, 33.1 % several, 2.1 % frames of a video, some of several turns),
with 1,000 pictures of 640 x 480 on disk, which several samples ask about, and templated and free text. The processors
of transformers do a part of them; counts are compared. Filling: lengths of the same mixture into 16,384 tokens.

Times are of the process, on one core, the best of several rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import real_processor
import tiny
from vstkit.bins import best_fit_decreasing
from vstkit.models.chat import Chat
from vstkit.packing import Sized, cost, measure, pack, pack_record
from vstkit.stream import Stream

LENGTH = 16384
PICTURES = 1000
ASKED = (
    "Camera intrinsic parameters: horizontal fov, hfov={hfov:.2f}, and vertical fov, vfov={vfov:.2f}.\n"
    "We take the camera coordinate system as the world coordinate system.\n"
    'Output a json list where each entry contains the object name in "label" and its 3D bounding box in "bbox_3d".\n'
    "Detect the 3D bounding boxes of {label}"
)


def samples(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Samples of the paper's mixture; half of the answers are boxes, half are free words."""
    rng = random.Random(seed)
    words = [word for sentence in tiny.example().SENTENCES for word in sentence.split()]
    labels = tiny.example().LABELS.split()
    for number in range(count):
        kind = rng.choices(["one", "several", "video"], [64.8, 33.1, 2.1])[0]
        shown = {"one": 1, "several": rng.randrange(2, 9), "video": 0}[kind]
        images = [f"{rng.randrange(PICTURES)}.jpg" for _ in range(shown)]
        videos = [{"frames": [f"{n}.jpg" for n in range(16)], "fps": 2}] if kind == "video" else []
        media = [{"type": "image"}] * shown + [{"type": "video"}] * len(videos)
        messages: list[dict[str, Any]] = []
        for turn in range(rng.choice([1, 1, 1, 4])):
            label = rng.choice(labels)
            asked = ASKED.format(hfov=rng.uniform(40, 90), vfov=rng.uniform(30, 60), label=label)
            if rng.random() < 0.5:
                boxes = [
                    {"bbox_3d": [round(rng.uniform(-3, 3), 2) for _ in range(9)], "label": label}
                    for _ in range(rng.randrange(1, 5))
                ]
                said = "```json\n" + json.dumps(boxes, indent=1) + "\n```"
            else:
                said = " ".join(rng.choices(words, k=rng.randrange(5, 120)))
            messages += [
                {"role": "user", "content": [*(media if turn == 0 else []), {"type": "text", "text": asked}]},
                {"role": "assistant", "content": [{"type": "text", "text": said}]},
            ]
        yield {"kind": "sample", "id": f"s{number}", "images": images, "videos": videos, "messages": messages}


def theirs(folder: Path, record: dict[str, Any], root: Path) -> int:
    """Tokens of a sample by the model's own processor, which decodes and resizes to count."""
    images = [Image.open(root / name) for name in record["images"]]
    videos = [(np.stack([np.asarray(Image.open(root / f)) for f in v["frames"]]), v["fps"]) for v in record["videos"]]
    made = real_processor.encoded(folder, record["messages"], images, videos, generation=False)
    return int(made["input_ids"].shape[1])


def seconds(rounds: int, work: Callable[[], Any]) -> float:
    """The best of several rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def counting(count: int, rounds: int, seed: int, root: Path) -> None:
    rng = np.random.default_rng(seed)
    for number in range(PICTURES):
        coarse = Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8))
        coarse.resize((640, 480)).save(root / f"{number}.jpg")
    made = list(samples(count, seed))
    lines = root / "samples.jsonl"
    lines.write_text("".join(json.dumps(record) + "\n" for record in made))
    for arch in ("qwen2_5_vl", "qwen3_vl"):
        folder = tiny.model(arch)
        chat, part = Chat(folder), made[:: max(1, count // 100)]
        expected = [theirs(folder, record, root) for record in part]
        slow = seconds(1, lambda folder=folder, part=part: [theirs(folder, record, root) for record in part]) / len(
            part
        )
        found = [chat.count(record, str(root))[0] for record in part]
        assert found == expected, "counts differ"
        whole = seconds(1, lambda chat=chat: [chat.encode(record, str(root)) for record in made[:500]])
        fast = seconds(rounds, lambda chat=chat: [chat.count(record, str(root)) for record in made])
        piped = seconds(rounds, lambda folder=folder: command(lines, folder, root))
        tokens = sum(chat.count(record, str(root))[0] for record in made) / count
        print(
            f"{arch:11}  {tokens:,.0f} tokens a sample, {len(part)} counts equal to the processor's\n"
            f"    processor {1 / slow:10,.0f} samples/s\n"
            f"    encode    {min(500, count) / whole:10,.0f}\n"
            f"    count     {count / fast:10,.0f}   {slow * count / fast:,.0f} times the processor\n"
            f"    pack      {count / piped:10,.0f}   from lines to packs, one process, less start-up"
        )


def command(lines: Path, folder: Path, root: Path) -> None:
    """What `vstkit pack` does, without its start-up."""

    def sized(record: dict[str, Any], tally: Counter[str]) -> Iterator[Sized]:
        return measure(record, tally, model=str(folder), root=str(root))

    with Stream("pack", files=[str(lines)], output=str(root / "packs.jsonl")) as stream:
        for group in pack(stream.results(sized, kinds=("sample",)), LENGTH, global_batch=128):
            stream.write(pack_record(group, "bench"))


def mixture(count: int, seed: int) -> list[int]:
    """Token counts of VST-P's shares: 300 to 1500 for one picture, to 6000 for several, 4000 to 14000 for a video."""
    rng = np.random.default_rng(seed)
    one = np.clip(rng.lognormal(np.log(650), 0.4, count), 300, 1500)
    several = np.clip(rng.lognormal(np.log(3000), 0.4, count), 1500, 6000)
    kind = rng.choice(3, count, p=[0.648, 0.331, 0.021])
    return np.choose(kind, [one, several, rng.uniform(4000, 14000, count)]).astype(int).tolist()


def next_fit(lengths: list[int]) -> list[list[int]]:
    groups: list[list[int]] = [[]]
    room = LENGTH
    for index, length in enumerate(lengths):
        if length > room:
            groups.append([])
            room = LENGTH
        groups[-1].append(index)
        room -= length
    return groups


def filling(count: int, rounds: int, seed: int) -> None:
    lengths = mixture(count, seed)
    sized = [Sized({"id": str(index)}, length, 0) for index, length in enumerate(lengths)]
    ways: dict[str, Callable[[], list[Any]]] = {
        "pack, buffer 10,000, steps of 128": lambda: list(pack(sized, LENGTH, global_batch=128)),
        "pack, divisible by 128": lambda: list(pack(sized, LENGTH, global_batch=128, divisible=128)),
        "best-fit decreasing, all at once": lambda: best_fit_decreasing(lengths, LENGTH),
        "next fit": lambda: next_fit(lengths),
    }
    print(f"{count:,} lengths, {sum(lengths) / count:,.0f} tokens on average")
    for name, way in ways.items():
        packs: list[list[Any]] = []
        took = seconds(rounds, lambda way=way, packs=packs: packs.__setitem__(slice(None), way()))
        costs = np.array(
            [cost(group) if isinstance(group[0], Sized) else sum(lengths[i] ** 2 for i in group) for group in packs],
            dtype=float,
        )
        if not name.startswith("pack"):  # a trainer would shuffle these
            costs = np.random.default_rng(seed).permutation(costs)
        together = costs[: len(costs) // 128 * 128].reshape(-1, 8)
        print(
            f"    {name:34} {took:5.2f} s  {len(packs):,} packs  fill {sum(lengths) / LENGTH / len(packs):.4f}"
            f"  squares: std/mean {costs.std() / costs.mean():.2f}"
            f"  slowest of 8 at a time {(together.max(1) / together.mean(1)).mean():.2f} times the mean"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--lengths", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counting(options.samples, options.rounds, options.seed, Path(folder))
    filling(options.lengths, options.rounds, options.seed)


if __name__ == "__main__":
    main()
