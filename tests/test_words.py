"""Counts by words against the tokenizer, for any text."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

import tiny
from vstkit.models import words
from vstkit.models.words import Words, fits, starts_word

SOURCE = (tiny.model() / "tokenizer.json").read_bytes()
TOKENIZER = Tokenizer.from_str(SOURCE.decode())
COUNTER = Words(TOKENIZER, SOURCE)
# What a split can go wrong on, more often than chance would have it.
ODD = ["½", "²", "°", "e\u0301", "\u00a0", "\u2028", "\x1c", "ſ", "\u212a", "🙂", "ﬁ", "\x0b", "\u3000", "𝟙"]
COMMON = [
    " ",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "'s",
    "'LL",
    "12",
    "é",
    "床",
    "<|im_end|>",
    "<|",
    "|>",
    "，",
    "—",
    " chair",
    '{"',
    "_",
]
PIECES = st.sampled_from(COMMON + ODD)


@given(st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join))
@example("a  \n  b\n\n c   ")
def test_counts_are_the_tokenizers(text: str) -> None:
    assert COUNTER.count(text) == len(TOKENIZER.encode(text, add_special_tokens=False))


@given(st.lists(PIECES | st.text(max_size=4), min_size=2, max_size=20), st.data())
def test_tokens_part_where_a_word_surely_starts(parts: list[str], data: Any) -> None:
    text = "".join(parts)
    place = data.draw(st.integers(0, max(len(text) - 1, 0)))
    if text and starts_word(text, place):
        starts = [start for start, _ in TOKENIZER.encode(text, add_special_tokens=False).offsets]
        assert place in starts
        assert COUNTER.count(text[:place]) + COUNTER.count(text[place:]) == len(starts)


def test_a_turn_that_starts_with_a_line_surely_starts_a_word() -> None:
    assert starts_word("assistant\nA", 10)
    for text in ("assistant\n A", "assistant\n\nA", "assistant A", "assistant\n\u0301A"):
        assert not starts_word(text, 10)


def test_words_are_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_KEPT", 3)
    counter = Words(TOKENIZER, SOURCE)
    assert counter.count("one two three four five") == len(TOKENIZER.encode("one two three four five"))
    assert len(counter) <= 3


@pytest.mark.parametrize("change", ["split", "level", "normalizer", "added", "dropout", "truncation", "none"])
def test_other_tokenizers_are_left_alone(change: str) -> None:
    settings = json.loads(SOURCE)
    assert fits(settings)
    other = copy.deepcopy(settings)
    if change == "split":
        other["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+"
    elif change == "level":
        other["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True
    elif change == "normalizer":
        other["normalizer"] = {"type": "NFKC"}
    elif change == "added":
        other["added_tokens"][0]["rstrip"] = True
    elif change == "dropout":
        other["model"]["dropout"] = 0.1
    elif change == "truncation":
        other["truncation"] = {"max_length": 3}
    else:
        other["pre_tokenizer"] = None
    assert not fits(other)
    with pytest.raises(ValueError, match="splits as Qwen's"):
        Words(TOKENIZER, json.dumps(other).encode())
