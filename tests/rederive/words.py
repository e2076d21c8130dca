"""Names of things, as people take them."""

from __future__ import annotations

import re


def alike(name: str, label: str) -> bool:
    """Whether one's words are among the other's, in a row; `shelves` are `shelf`, `cups` are `cup`."""
    short, long = sorted((stems(name), stems(label)), key=len)
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def stems(text: str) -> list[str]:
    words = [re.sub(r"ves$", "f", word) for word in re.findall(r"[\w'-]+", text.lower())]
    return [re.sub(r"(?<=x|s)es$|(?<=[cs]h)es$|(?<=[^su])s$", "", word) for word in words]


def bare(caption: str) -> str:
    """A caption without its article and its stop."""
    return re.sub(r"^(an?|the) ", "", caption.strip().lower()).rstrip(".")
