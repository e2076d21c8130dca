"""One rank of a supervised training run: `python -m vstkit.training.worker RUN/run.json`.

The launcher starts one on every device; without a launcher it is a run of one process. The run folder receives
log.jsonl, one line a step, and in the end the trained model.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vstkit.errors import DataError, UsageError, VstkitError
from vstkit.models.chat import Chat
from vstkit.training import attention, data
from vstkit.training.launch import die_with_parent

Run = dict[str, Any]
MODEL_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
)


def main(argv: list[str]) -> int:
    die_with_parent()
    rank = int(os.environ.get("RANK", "0"))
    folder = Path(argv[1]).parent
    try:
        train(json.loads(Path(argv[1]).read_bytes()), folder)
    except VstkitError as error:
        # What is wrong with all of the data every rank finds at once; the first says it.
        if rank == 0 or not getattr(error, "everywhere", False):
            sys.stderr.write(f"vstkit sft: {error}\n")
        return error.status
    except Exception as error:
        report = folder / f"error-{rank}.txt"
        report.write_text(traceback.format_exc(), encoding="utf-8")
        if os.environ.get("VSTKIT_DEBUG"):
            raise
        sys.stderr.write(f"vstkit sft: rank {rank}: {type(error).__name__}: {error} (traceback in {report})\n")
        return 1
    return 0
