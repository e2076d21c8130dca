"""The parquet files of VST-P and VST-R: {"conversations", "id", "data_source", "images", "type", "meta_info"}.

As vst/preprocess.py (Yangr116/VST, b493767) reads them: `images` are {"bytes", "path"}; a `type` with "text" in it has
none, whatever stands there, and of one with "video" they are video files. The tags are <|image_pad|> and <|video_pad|>;
where there are none, pictures stand first, and <image>, of which earlier files still have some, is no text then.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from vstkit.datasets import conversations
from vstkit.lineio import Record
from vstkit.tags import VST

__all__ = ["find", "read"]
read = partial(conversations.read, tags=VST)


def find(path: str, *, images: str | None = None) -> Iterator[Record]:
    """As `conversations.find`."""
    for unit in conversations.find(path, images=images):
        kind = str(unit["row"].get("type", ""))
        if "text" in kind:
            unit["images"] = []
        elif "video" in kind:
            unit["images"], unit["videos"] = [], unit["images"]
        turns = unit["row"].get("conversations")
        if isinstance(turns, list) and turns and isinstance(turns[0], dict):
            turns[0] = _untagged(turns[0])
        yield unit


def _untagged(turn: Record) -> Record:
    value = turn.get("value")
    if not isinstance(value, str) or VST.image in value or VST.video in value:
        return turn
    for old in ("<image>\n", "\n<image>", "<image>"):
        value = value.replace(old, "")
    return {**turn, "value": value}
