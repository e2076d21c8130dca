"""The order of things that a model's text tells."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vstkit.scoring.wording import cut, words

_SMALL_WORDS = """
the a an and then next first second third fourth fifth sixth seventh eighth ninth tenth finally last lastly after that
followed by comes is are appears appear one order sequence it was were at to of in
"""
_FILLERS = {*_SMALL_WORDS.split(), *map(str, range(2, 13))}  # `words` writes number words as digits
_SEPARATOR = re.compile(r"->|=>|[><;,\n]|(?<!\d)\d{1,2}[.):]\s")
_LONGEST = 8192
_LEAD = re.compile(r"^[^:\n]*:\s*")
_ORDINAL = re.compile(r"(?:^|(?<=\s))\(?\d{1,2}[.):](?=\s)")


def sequence(said: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """Names in the order in which the first of some texts that tells one has them; None where none does.

    A JSON list, a numbered list, commas, arrows or words such as "then" all tell an order. Between the names there may
    be nothing else, so that a list with a foreign name is one: it comes back as its parts. Names are told apart by
    words, the longest first; case and articles do not matter.
    """
    keys = {_key(name): name for name in names}
    said = [cut(text, _LONGEST) for text in said]
    for text in said:
        for part in _parts(text):
            found = _scan(part, keys)
            if found:
                return found
    for text in said:
        listed = [entry.strip(" \t\"'[]().") for entry in _SEPARATOR.split(_LEAD.sub("", text.strip()))]
        listed = [entry for entry in listed if entry]
        if len(listed) > 1 and all(len(entry) < 60 for entry in listed):
            return listed[:50]
    return None


def _key(text: str) -> str:
    return "".join(f" {word} " for word in words(text) if word not in ("the", "a", "an"))


def _parts(text: str) -> list[str]:
    """Where an order may stand in a text: its last bracket, its list, its last line, after its colon, all of it."""
    opening = text.rfind("[")
    closing = text.find("]", opening)
    lines = [line for line in text.split("\n") if line.strip()]
    listed = [line for line in lines if re.match(r"\s*(?:\(?\d{1,2}[.):]|[-•])\s", line)]
    parts = [text[opening + 1 : closing]] if 0 <= opening < closing else []
    if len(listed) > 1:
        parts.append("\n".join(listed))
    if lines:
        parts += [lines[-1], lines[-1].rpartition(":")[2]]
    return [*parts, text, text.rpartition(":")[2]]


def _scan(text: str, keys: dict[str, str]) -> list[str] | None:
    """The names of a text that holds names and small words, and nothing else; each once."""
    body = _key(_ORDINAL.sub(" ", text))
    places: list[tuple[int, str]] = []
    for key in sorted(keys, key=len, reverse=True):
        at = body.find(key)
        if at < 0 or not key:
            continue
        if body.find(key, at + 1) >= 0:
            return None
        places.append((at, keys[key]))
        body = body[:at] + " " * len(key) + body[at + len(key) :]
    if not places or any(word not in _FILLERS for word in body.split()):
        return None
    return [name for _, name in sorted(places)]
