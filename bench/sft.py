"""Tuning: tokens a second of `vstkit sft` on packs against TRL's SFTTrainer with padding, on the same samples.

Usage: python bench/sft.py [--samples 240] [--rounds 2] [--batch 4]. TRL is not among vstkit's requirements:
`pip install -c constraints.txt trl`. Both run in processes of their own, in turn, with the same tiny model, one thread,
one reader of pictures, float32 and AdamW, over the same samples once, and learn from the assistant's turns.
Counted are the samples' own tokens, no padding, over the time spent in steps; goal: at least twice TRL's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
STEPS = 8


def samples(folder: Path, count: int) -> list[dict[str, Any]]:
    """Conversations with one picture (65 of 100) or several, and answers of very different lengths, as VST-P has."""
    from PIL import Image

    chance = random.Random(0)
    for number in range(60):
        small = Image.effect_noise((32, 24), 80).convert("RGB")
        small.resize((640, 480), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=90)
    made = []
    for number in range(count):
        pictures = 1 if chance.random() < 0.65 else chance.randint(2, 6)
        boxes = [
            f'{{"bbox_3d": [0.{i}, 1.2, {chance.uniform(0, 9):.2f}], "label": "chair"}}'
            for i in range(chance.choice((0, 0, 1, 2, 5, 9)))
        ]
        question = [{"type": "image"}] * pictures + [{"type": "text", "text": "Detect the 3D bounding boxes of chair."}]
        answer = [{"type": "text", "text": f"[{', '.join(boxes)}]" if boxes else "point-A"}]
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        images = [f"{chance.randrange(60)}.jpg" for _ in range(pictures)]
        made.append({"kind": "sample", "id": f"bench/{number}", "images": images, "messages": messages})
    return made


def vstkit(folder: Path, batch: int) -> tuple[float, float]:
    """Seconds in steps, and the mean loss of the first of them."""
    program = [sys.executable, "-c", "import sys; from vstkit.cli import main; sys.argv[0] = 'vstkit'; main()"]
    packs = folder / "packs.jsonl"
    count = sum(1 for _ in packs.open())
    with tempfile.TemporaryDirectory(dir=folder) as output:
        subprocess.run(
            [*program, "sft", packs, "--model", folder / "model", "-o", output, "--root", folder, "--lr", "1e-4",
             "--vision-lr", "1e-4", "--global-batch", str(-(-count // STEPS)), "--save-every", "0", "--workers", "1"],
            check=True, env=environment(),
        )  # fmt: skip
        log = [json.loads(line) for line in (Path(output) / "log.jsonl").open()]
    return sum(entry["seconds"] for entry in log), log[0]["loss"]


def trl(folder: Path, batch: int) -> tuple[float, float]:
    """The same of TRL, `batch` samples padded to the longest of them at a time."""
    argv = [sys.executable, __file__, "--trl", folder, "--batch", str(batch)]
    said = subprocess.run(argv, check=True, env=environment(), capture_output=True, text=True).stdout
    seconds, loss = said.splitlines()[-1].split()
    return float(seconds), float(loss)


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1"}


def train_with_trl(folder: Path, batch: int) -> None:
    """Run TRL's trainer in this process; prints the seconds of its loop and its loss."""
    import torch
    from datasets import Dataset, Image, List
    from transformers import AutoModelForImageTextToText
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(1)
    records = [json.loads(line) for line in (folder / "samples.jsonl").open()]
    rows = [
        {
            "images": [str(folder / name) for name in record["images"]],
            "prompt": [{"role": "user", "content": record["messages"][0]["content"][-1]["text"]}],
            "completion": [{"role": "assistant", "content": record["messages"][1]["content"][0]["text"]}],
        }
        for record in records
    ]
    options = SFTConfig(
        output_dir=str(folder / "trl"), num_train_epochs=1, per_device_train_batch_size=batch, max_length=None,
        gradient_accumulation_steps=max(1, round(len(rows) / STEPS / batch)), learning_rate=1e-4, use_cpu=True,
        bf16=False, gradient_checkpointing=False, dataloader_num_workers=1, save_strategy="no", report_to="none",
        logging_steps=1, disable_tqdm=True, remove_unused_columns=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=AutoModelForImageTextToText.from_pretrained(folder / "model", dtype=torch.float32),
        args=options,
        train_dataset=Dataset.from_list(rows).cast_column("images", List(Image())),
        processing_class=processor(folder / "model"),
    )
    found = trainer.train()
    print(found.metrics["train_runtime"], trainer.state.log_history[0]["loss"])


def processor(folder: Path) -> Any:
    """The model's processor without the one of videos, which needs torchvision."""
    from transformers import AutoTokenizer
    from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
    from transformers.processing_utils import ProcessorMixin

    from vstkit.models.vision import image_processor

    class Processor(Qwen2_5_VLProcessor):
        @classmethod
        def get_attributes(cls) -> list[str]:
            return ["image_processor", "tokenizer"]

        def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
            for name in ("image", "video"):
                setattr(self, f"{name}_token", f"<|{name}_pad|>")
                setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(f"<|{name}_pad|>"))
            for name in ("start", "end"):
                setattr(self, f"vision_{name}_token", f"<|vision_{name}|>")
                setattr(self, f"vision_{name}_token_id", tokenizer.convert_tokens_to_ids(f"<|vision_{name}|>"))
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    tokenizer = AutoTokenizer.from_pretrained(folder)
    Processor.__name__ = Qwen2_5_VLProcessor.__name__
    return Processor(image_processor(folder), tokenizer, tokenizer.chat_template)


def prepare(folder: Path, count: int) -> int:
    """Write model, samples and packs into a folder; returns the samples' tokens."""
    sys.path.insert(0, str(CHECKOUT / "examples"))
    import tiny_model

    from vstkit.models.chat import Chat
    from vstkit.packing import Sized, pack, pack_record

    tiny_model.quiet()
    tiny_model.build(folder / "model")
    chat = Chat(folder / "model")
    made = samples(folder, count)
    encoded = [chat.encode(record, str(folder)) for record in made]
    sized = [Sized(record, found.length, found.targets) for record, found in zip(made, encoded, strict=True)]
    packs = [pack_record(group, chat.fingerprint) for group in pack(sized, 4096)]
    for name, records in (("samples", made), ("packs", packs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    tokens = sum(found.length for found in encoded)
    print(f"{count} samples, {sum(len(s['images']) for s in made)} pictures, {tokens} tokens in {len(packs)} packs")
    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--trl", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.trl:
        train_with_trl(options.trl, options.batch)
        return
    programs = [vstkit, *([trl] if importlib.util.find_spec("trl") else [])]
    with tempfile.TemporaryDirectory() as name:
        tokens = prepare(Path(name), options.samples)
        rates: dict[str, list[float]] = {program.__name__: [] for program in programs}
        for _ in range(options.rounds):
            for program in programs:
                seconds, loss = program(Path(name), options.batch)
                rates[program.__name__].append(tokens / seconds)
                print(f"  {program.__name__:8}{tokens / seconds:8.0f} tokens/s, loss of the first step {loss:.3f}")
    if len(programs) == 1:
        print("TRL is not installed: nothing to compare with")
    else:
        ratios = [ours / theirs for ours, theirs in zip(rates["vstkit"], rates["trl"], strict=True)]
        print(f"vstkit / TRL with padding, {options.batch} at a time: {statistics.median(ratios):.2f} (goal: 2)")


if __name__ == "__main__":
    main()
