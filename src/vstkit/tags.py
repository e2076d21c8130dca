"""Where pictures stand in a message: as parts, as records have it, or as tags in one text, as other formats have it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vstkit.errors import DataError

Part = dict[str, Any]
Content = str | Sequence[Mapping[str, Any]]


class Tags(NamedTuple):
    """What stands for an image and for a video. Where white space beside a tag says nothing, `loose`, `beside` is
    what is written there."""

    image: str = "<image>"
    video: str = "<video>"
    loose: bool = False
    beside: str = ""


PLAIN = Tags()  # LLaMA-Factory, ms-swift and verl put the tokens of a picture in place of its tag
LLAVA = Tags(loose=True, beside="\n")
VST = Tags("<|image_pad|>", "<|video_pad|>", loose=True)  # vst/preprocess.py, b493767


def written(content: Content, tags: Tags) -> str:
    """A message's content as one text. Raises DataError where a text has a tag in it: it would stand for a picture."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text, tagged = "", False
    for i, part in enumerate(parts):
        if part["type"] == "text":
            if found := next((tag for tag in (tags.image, tags.video) if tag in part["text"]), None):
                raise DataError(f"content[{i}].text: expected plain text, got {found} in it")
            text += (tags.beside if tagged and part["text"] else "") + part["text"]
            tagged = tagged and not part["text"]
        else:
            text += (tags.beside if text else "") + (tags.image if part["type"] == "image" else tags.video)
            tagged = True
    return text


def read(text: str, tags: Tags) -> list[Part]:
    """A text with tags as the parts of a message; what `written` gives, less texts of nothing, and joined ones."""
    pieces = re.split(f"({re.escape(tags.image)}|{re.escape(tags.video)})", text)
    if len(pieces) == 1:
        return [{"type": "text", "text": text}]
    parts: list[Part] = []
    for i, piece in enumerate(pieces):
        if i % 2:
            parts.append({"type": "image" if piece == tags.image else "video"})
        elif kept := piece.strip() if tags.loose else piece:
            parts.append({"type": "text", "text": kept})
    return parts


def placed(messages: Sequence[Mapping[str, Any]], kind: str) -> int:
    """How many parts of a kind, image or video, messages have."""
    return sum(part["type"] == kind for m in messages if not isinstance(m["content"], str) for part in m["content"])
