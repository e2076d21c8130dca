"""Conversations as LLaMA-Factory reads them (formatting: sharegpt), and ms-swift's messages, which say the same.

{"conversations": [{"from", "value"}, ...], "system", "images": [path, ...], "videos": [path or frames, ...]}, or
{"messages": [{"role", "content"}, ...], ...}. The tags <image> and <video> stand where the picture does: what is
beside them is text.
"""

from __future__ import annotations

from functools import partial

from vstkit.datasets.conversations import find
from vstkit.datasets.conversations import read as read_as
from vstkit.tags import PLAIN

__all__ = ["find", "read"]
read = partial(read_as, tags=PLAIN)
