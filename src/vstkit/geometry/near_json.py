"""A tolerant scanner of JSON lists in model text: reads any text, in linear time, and never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TypeAlias

import orjson

# Lists are looked for in the text (_START); from there, tokens are read (_TOKEN) until the list
# ends, and the search goes on behind it, so the time is linear; nothing recurses. A token that makes no sense where it
# stands does no more harm than to make an entry unusable.

Value: TypeAlias = "float | str | list[Value] | dict[str, Value] | None"

_START = re.compile(
    r"""
    (?P<fence>```)
    | (?P<list>\[) (?= \s*+ (?: [{\]] | \Z ) )      # of objects, or empty, or cut off
    | (?P<entry>(?=\{)) (?= \{ \s*+ ["'] (?: bbox_3d | box_3d | label ) ["'] )
    """,
    re.VERBOSE,
)
_TOKEN = re.compile(
    r"""
    (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>,)
    | (?P<fence>```)
    | (?P<string> " (?: [^"\\\n] | \\. )*+ " | ' (?: [^'\\\n] | \\. )*+ ' )
    | (?P<cut> ["'] [^\n]*+ \Z )                    # a string that the text ends in
    | (?P<word> (?: [^\s\[\]{},:"'`\\] | \\. )++ )  # a number, or something else
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEEPEST = 16  # entries are two levels deep


def number(value: Value) -> float:
    """The number that a value is, or is written out as in a string; else NaN."""
    if isinstance(value, float):
        return value
    try:
        return float(value) if isinstance(value, int | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        return math.nan


def lists(text: str) -> Iterator[tuple[int, list[Value], bool]]:
    """Every list: the number of the fenced block it is in (0: none), its entries, whether the text ends inside it."""
    if (strict := _strict(text)) is not None:
        yield strict
        return
    fences = position = 0
    while start := _START.search(text, position):
        position = start.end()
        if start.lastgroup == "fence":
            fences += 1
            continue
        entries, cut, position = _entries(text, position, bare=start.lastgroup == "entry")
        yield fences if fences % 2 else 0, entries, cut


def _strict(text: str) -> tuple[int, list[Value], bool] | None:
    """The list of a text that is one, and that JSON, fenced or not: most answers are, and a parser in C is quick."""
    text = text.strip()
    fenced = text.startswith("```json\n") and text.endswith("```") and text.count("```") == 2
    inner = text[8:-3] if fenced else text
    if "\\" in inner or not inner.startswith("["):
        return None
    try:
        found = orjson.loads(inner)
    except ValueError:
        return None
    return (int(fenced), found, False) if not found or isinstance(found[0], dict) else None


def _entries(text: str, position: int, bare: bool) -> tuple[list[Value], bool, int]:
    """The entries of the list whose inside starts at `position`, whether the text ends inside it, and where it ends.

    A bare list has no brackets: it ends where anything but a comma or an object follows an entry.
    """
    entries: list[Value] = []
    stack: list[list[Value] | dict[str, Value]] = [entries]
    keys: list[str | None] = [None]  # of every container that is open, the key that waits for its value
    for token in _TOKEN.finditer(text, position):
        kind, word = token.lastgroup, token[0]
        if bare and len(stack) == 1 and word not in ("{", ","):
            return entries, False, token.start()
        if kind == "cut":
            break
        if kind == "fence" or len(stack) > _DEEPEST:
            if len(stack) > 1:
                entries[-1] = None
            return entries, False, token.start()
        if kind == "close":
            opened = list if word == "]" else dict
            depth = max((d for d, container in enumerate(stack) if isinstance(container, opened)), default=len(stack))
            if depth == 0:
                return entries, False, token.end()
            del stack[depth:], keys[depth:]
        elif kind == "comma":
            keys[-1] = None
        else:
            _add(stack, keys, kind, word)
    if len(stack) > 1:
        entries.pop()
    return entries, not bare or len(stack) > 1, len(text)


def _add(stack: list[list[Value] | dict[str, Value]], keys: list[str | None], kind: str | None, word: str) -> None:
    """Put the value that a token stands for, or begins, into the innermost container."""
    value: Value
    if kind == "open":
        value = [] if word == "[" else {}
    elif kind == "string":
        value = _unquote(word)
    else:
        value = number(word)
    container, key = stack[-1], keys[-1]
    if isinstance(container, list):
        container.append(value)
    elif key is None:
        keys[-1] = value if isinstance(value, str) else None
    else:
        container[key] = value
        keys[-1] = None
    if isinstance(value, list | dict):
        stack.append(value)
        keys.append(None)


def _unquote(word: str) -> str:
    """The text of a string in JSON or Python quotes."""
    text = _ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPED.get(m[1], m[1]), word[1:-1])
    # Joins the halves of escaped surrogate pairs, and replaces halves that are alone: they fit in no UTF-8 output.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
