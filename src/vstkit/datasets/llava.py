"""LLaVA's conversations (LLaVA-Instruct, LLaVA-NeXT, LLaVA-OneVision), in JSON, JSON lines or parquet.

{"id", "image": path, paths or bytes, "conversations": [{"from": "human", "value": "<image>\\nWhat is this?"}, ...],
"data_source"}. White space beside a tag says nothing, and a `video` has the tag of an image.
"""

from __future__ import annotations

from functools import partial

from vstkit.datasets.conversations import find
from vstkit.datasets.conversations import read as read_as
from vstkit.tags import LLAVA

__all__ = ["find", "read"]
read = partial(read_as, tags=LLAVA)
