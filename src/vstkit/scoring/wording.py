"""The parts of a model's text that a score looks at: the answer after the reasoning, boxes and tags, plain words.

Every function takes any text, never raises, and takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LIMIT, WHOLE = 1 << 13, 1 << 16
"""Characters that are looked at, half at the start and half at the end: of an answer, of a text with its reasoning."""

_CLOSED = re.compile(r"</\s*+think(?:ing)?\s*+>|◁/think▷", re.IGNORECASE)
_OPENED = re.compile(r"<think(?:ing)?>|◁think▷", re.IGNORECASE)


def cut(text: str, limit: int = LIMIT) -> str:
    """The text without its middle, where it is longer than the limit."""
    return text if len(text) <= limit else f"{text[: limit // 2]}\n{text[-(limit // 2) :]}"


def split_thought(text: str) -> tuple[str, str]:
    """Reasoning and answer. The answer follows the last closing tag, whether or not there is an opening one.

    Reasoning that was never closed has no answer behind it, unless an <answer> tag follows; what stands before the
    opening tag is the answer then.
    """
    closings = list(_CLOSED.finditer(text))
    opening = _OPENED.search(text)
    if closings:
        last = closings[-1]
        begin = opening.end() if opening and opening.end() <= last.start() else 0
        return text[begin : last.start()], text[last.end() :]
    if not opening:
        return "", text
    tag = text.lower().rfind("<answer>")
    if tag >= opening.end():
        return text[opening.end() : tag], text[tag:]
    return text[opening.end() :], text[: opening.start()]


_FOLDED = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},  # full-width ASCII
    **{ord(a): b for a, b in zip("\u3000\xa0。、【】「」“”‘’−–—", '  .,[]""""\'\'---', strict=True)},
    ord("→"): "->",
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\ufeff`$#"), None),
}
_LATEX = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|mathsf|operatorname|boldsymbol|bm|rm|bf)\s?\{([^{}]*+)\}|\\[()\[\]!,;]"
)
# Of bold and italics, not those of 2*3 and 2**3.
_ASTERISKS = re.compile(r"(?<![\d)*])(?<![\d)] )\*++|\*++(?! ?\d|\()")
_UNDERSCORES = re.compile(r"(?<![^\W_])_++|_++(?![^\W_])")


def plain(text: str) -> str:
    """The text without Markdown, LaTeX fonts and zero-width characters, full-width forms as ASCII."""
    folded = text.translate(_FOLDED)
    folded = _ASTERISKS.sub("", folded) if "*" in folded else folded
    if "\\" in folded:
        folded = _LATEX.sub(lambda font: font[1] or " ", folded)
    return _UNDERSCORES.sub("", folded) if "_" in folded else folded


_CONTAINER = re.compile(r"<\s?answer\s?>|<\|begin_of_box\|>|\\f?box(?:ed)?\s?\{", re.IGNORECASE)
_CONTAINED = re.compile(r"<\s?/\s?answer\s?>|<\|end_of_box\|>", re.IGNORECASE)
_BRACE = re.compile(r"\\?[{}]")


def container(text: str) -> str | None:
    r"""What the last <answer>...</answer> or \boxed{...} holds, braces balanced; None where there is none.

    One that is not closed ends with the text.
    """
    openings = list(_CONTAINER.finditer(text))
    if not openings:
        return None
    opening = openings[-1]
    if opening[0].endswith(">"):
        end = _CONTAINED.search(text, opening.end())
        return text[opening.end() : end.start() if end else len(text)]
    depth = 1
    for brace in _BRACE.finditer(text, opening.end()):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return text[opening.end() : brace.start()]
    return text[opening.end() :]


_WORD = re.compile(r"\d++(?:[.,]\d++)*+|[^\W\d_]++(?:'[^\W\d_]++)?+|[%°/]|(?<![^\s(])-(?=\d)")
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], start=2
    )
}
_NEGATED = re.compile(
    r" (?:not|never|neither|nor|cannot|isn't|aren't|wasn't|doesn't|don't|can't) "
    r"(?: (?:the|a|an|on|in|at|to|of|be|is|it) )*+"
)
_ARTICLES = ("the", "a", "an")


def words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, number words from two to twelve as digits."""
    found = _WORD.findall(text.lower())
    return [_NUMBER_WORDS.get(word, word) for word in found]


def _spaced(text: str) -> str:
    """Each word between two spaces of its own, a negation and its small words as one."""
    return _NEGATED.sub(" \x00 ", "".join(f" {word} " for word in words(text)))


def stated(text: str, options: Mapping[str, str]) -> str:
    """The letter of the one option whose text is stated in a text; "" where there is none, or several.

    Words count, not case or punctuation. "left" is not stated by "front left" where that is an option too, nor by "not
    on the left".
    """
    keys: dict[str, list[str]] = {}
    for letter, option in options.items():
        kept = words(option)
        while len(kept) > 1 and kept[0] in _ARTICLES:
            del kept[0]
        if kept:
            keys.setdefault(_spaced(" ".join(kept)), []).append(letter)
    body, found = _spaced(text), []
    for key in sorted(keys, key=len, reverse=True):
        body = body.replace(f" \x00 {key}", " \x01 ")
        if key in body:
            found += keys[key]
            body = body.replace(key, " \x01 ")
    return found[0] if len(found) == 1 else ""


_DECLARED = re.compile(r"\banswers?\b\s{0,3}(?:is|are|would be|should be|:|=)(?:\s?:)?|答案[是为]?:?", re.IGNORECASE)


def declared(text: str) -> str:
    """What the last "the answer is" of a text is followed by, to the end of its line; "" where there is none.

    An empty rest of a line goes on with the next; a full stop at the end goes.
    """
    said = list(_DECLARED.finditer(text))
    for found in said[: -len(said) - 1 : -1][:50]:
        rest = text[found.end() : found.end() + 4096].lstrip(" \t\n:").split("\n")[0].strip()
        if rest.strip(" .\"'"):
            return rest.removesuffix(".").strip()
    return ""
