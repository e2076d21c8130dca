"""Prompts with rewards, as verl reads them: parquet, JSON or JSON lines.

{"data_source", "prompt": [{"role", "content": "<image>What is this?"}], "images", "videos",
"reward_model": {"style", "ground_truth"}, "extra_info"}. A ground truth that vstkit wrote is an answer, any other a
text; the answer's turn is `extra_info.answer`, where there is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from vstkit.datasets import conversations
from vstkit.datasets.conversations import find
from vstkit.errors import at
from vstkit.lineio import Record
from vstkit.records import Sample
from vstkit.tags import PLAIN
from vstkit.validation import parse

__all__ = ["find", "read"]


def read(
    unit: Record,
    tally: Counter[str],
    *,
    root: str = ".",
    write: str | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> Iterator[Record]:
    """As `conversations.read`."""
    row = unit["row"]
    extra = {name: value for name, value in _dict(row.get("extra_info")).items() if value not in (None, "")}
    row |= {name: extra[name] for name in ("id", "task", "scene", "dataset") if name in extra}
    meta = _decoded(extra.get("meta"))
    truth = _dict(row.get("reward_model")).get("ground_truth")
    options: dict[str, Any] = {"root": root, "write": write, "fps": fps, "max_frames": max_frames}
    for made in conversations.read(unit, tally, tags=PLAIN, **options):
        if isinstance(extra.get("answer"), str):
            made["messages"].append({"role": "assistant", "content": [{"type": "text", "text": extra["answer"]}]})
        if truth is not None:
            made["answer"] = _answer(truth)
        if isinstance(meta, dict):
            made["meta"] = meta
        with at(unit["where"]):
            parse(made, Sample)
        yield made


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decoded(value: Any) -> Any:
    """The value of a text of JSON; anything else as it is."""
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value


def _answer(truth: Any) -> Any:
    answer = _decoded(truth)
    return answer if isinstance(answer, dict) and "type" in answer else {"type": "text", "value": str(truth)}
