"""How many tokens a text has, without making them: each different word is tokenized once."""

from __future__ import annotations

import json
import re
from typing import Any

# The split that the tokenizers of Qwen2 to Qwen3 have in common.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The same in Python's `re`, for the characters that mean the same to both engines and that NFC leaves as they are.
_LETTERS = "A-Za-zÀ-ÖØ-öø-ž一-龥"
_PLAIN = re.compile(rf"[\t\n\r -~{_LETTERS}°×±·–—‘’“”…•→≤≥、。，：；！？（）]*")
_WORD = re.compile(
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n{_LETTERS}0-9]?[{_LETTERS}]+|[0-9]"
    rf"| ?[^\s{_LETTERS}0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_KEPT = 1_000_000  # words


class Words(dict[str, int]):
    """Tokens of each word that was asked for, by a `tokenizers.Tokenizer`. A text with characters that are none of
    the common ones is tokenized whole. Raises ValueError for a tokenizer of another kind (see `fits`)."""

    def __init__(self, tokenizer: Any, source: bytes) -> None:
        super().__init__()
        settings = json.loads(source)
        if not fits(settings):
            raise ValueError("expected a tokenizer that splits as Qwen's")
        self._tokenizer = tokenizer
        added = sorted((token["content"] for token in settings["added_tokens"]), key=len, reverse=True)
        self._added = re.compile("|".join(map(re.escape, added)) or r"(?!)")

    def __missing__(self, word: str) -> int:
        if len(self) >= _KEPT:
            self.clear()
        self[word] = count = self._tokens(word)
        return count

    def count(self, text: str) -> int:
        """Tokens of a text; added tokens, as "<|im_end|>", are one each."""
        parts = self._added.split(text)
        total = len(parts) - 1
        for part in parts:
            if _PLAIN.fullmatch(part):
                total += sum(map(self.__getitem__, _WORD.findall(part)))
            else:
                total += self._tokens(part)
        return total

    def _tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))


def starts_word(text: str, place: int) -> bool:
    """Whether the tokens of `text` surely part before `place`: a new line starts there, and with no space."""
    return text[place - 1 : place] == "\n" and not text[place].isspace() and bool(_PLAIN.fullmatch(text[place]))


def fits(settings: dict[str, Any]) -> bool:
    """Whether tokenizer.json describes a byte-level BPE that splits as Qwen's and finds added tokens as they stand."""
    steps = (settings.get("pre_tokenizer") or {}).get("pretokenizers") or []
    if [step["type"] for step in steps] != ["Split", "ByteLevel"]:
        return False
    split, level = steps
    return (
        split["pattern"] == {"Regex": SPLIT}
        and (split["behavior"], split.get("invert", False)) == ("Isolated", False)
        and not level["add_prefix_space"]
        and not level["use_regex"]
        and settings["model"]["type"] == "BPE"
        and not settings["model"].get("dropout")
        and (settings.get("normalizer") or {"type": "NFC"}) == {"type": "NFC"}
        and not settings.get("truncation")
        and not settings.get("padding")
        and not any(t[k] for t in settings["added_tokens"] for k in ("lstrip", "rstrip", "single_word", "normalized"))
    )
