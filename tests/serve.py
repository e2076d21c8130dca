"""`transformers serve` for a folder of Qwen2.5-VL where there is no torchvision.

    python tests/serve.py FOLDER --device cpu --port N

transformers wants torchvision for the video part of the processor alone, so this gives it one without that part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer
from transformers import AutoProcessor, AutoTokenizer, ProcessorMixin, Qwen2_5_VLProcessor
from transformers.cli.serve import Serve

from vstkit.models.vision import image_processor


class Processor(Qwen2_5_VLProcessor):  # type: ignore[misc]
    """Text and images."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        return ["image_processor", "tokenizer"]

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id, self.video_token_id = map(
            tokenizer.convert_tokens_to_ids, (self.image_token, self.video_token)
        )
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


def processor(folder: str, **_: Any) -> Processor:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return Processor(image_processor(Path(folder)), tokenizer, tokenizer.chat_template)


if __name__ == "__main__":
    AutoProcessor.from_pretrained = processor
    program = typer.Typer()
    program.command()(Serve)  # not transformers.cli.transformers, whose chat wants requests
    program()
