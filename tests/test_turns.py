"""Conversations split between turns, and the system prompt of those that think."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from vstkit.models.chat import Chat
from vstkit.records import Sample
from vstkit.turns import THINKING_PROMPT, split_turns, with_thinking_prompt
from vstkit.validation import parse

IMAGE, VIDEO = {"type": "image"}, {"type": "video"}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def turns(*contents: Any, **more: Any) -> dict[str, Any]:
    messages = [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]
    return {"kind": "sample", "id": "s", "messages": messages, **more}


FILM = {"frames": ["f.png"], "fps": 1}
LONG = turns(
    [IMAGE, text("one?")], "1", "two?", "2", [text("and"), IMAGE, VIDEO, text("three?")], "3", "four?", "4",
    images=["a.png", "b.png"], videos=[FILM], answer=[{"type": "count", "value": n} for n in (1, 2, 3, 4)], task="t",
)  # fmt: skip


def asked(piece: dict[str, Any]) -> int:
    return sum(message["role"] == "assistant" for message in piece["messages"])


def test_each_piece_has_what_was_shown_before_it() -> None:
    first, second = split_turns(LONG, lambda piece: asked(piece) <= 2)
    assert first == {**LONG, "id": "s/turns-1-2", "messages": LONG["messages"][:4], "images": ["a.png"], "videos": [],
                     "answer": LONG["answer"][:2]}  # fmt: skip
    assert second["id"] == "s/turns-3-4"
    assert second["messages"][0]["content"] == [IMAGE, text("and"), IMAGE, VIDEO, text("three?")]
    assert second["messages"][1:] == LONG["messages"][5:]
    assert (second["images"], second["videos"]) == (["a.png", "b.png"], [FILM])
    assert second["answer"] == LONG["answer"][2:]


def test_a_plain_question_is_given_the_pictures_too() -> None:
    pieces = split_turns(LONG, lambda piece: False)
    assert [asked(piece) for piece in pieces] == [1, 1, 1, 1]
    assert pieces[3]["messages"][0] == {"role": "user", "content": [IMAGE, IMAGE, VIDEO, text("four?")]}


def test_the_system_prompt_is_repeated() -> None:
    system = {"role": "system", "content": "Be brief."}
    pieces = split_turns({**LONG, "messages": [system, *LONG["messages"]]}, lambda piece: asked(piece) <= 3)
    assert [piece["messages"][0] for piece in pieces] == [system, system]
    assert [asked(piece) for piece in pieces] == [3, 1]


@given(st.integers(1, 9), st.integers(1, 9), st.sets(st.integers(0, 8)))
def test_pieces_are_records_and_hold_every_turn_once(rounds: int, most: int, pictured: set[int]) -> None:
    shown = sorted(n for n in pictured if n < rounds)
    contents = [c for n in range(rounds) for c in ([IMAGE] * (n in shown) + [text(f"{n}?")], f"{n}.")]
    sample = turns(*contents, images=[f"{n}.png" for n in shown])
    pieces = split_turns(sample, lambda piece: asked(piece) <= most)
    for piece in pieces:
        parse(piece, Sample)
    answers = [m["content"] for piece in pieces for m in piece["messages"] if m["role"] == "assistant"]
    assert answers == [f"{n}." for n in range(rounds)]
    assert len({piece["id"] for piece in pieces}) == len(pieces) == -(-rounds // most)


def test_one_turn_cannot_be_split() -> None:
    assert split_turns(turns("one?", "1"), lambda piece: False) == [turns("one?", "1")]


def test_answers_that_are_not_one_a_turn_are_left_off() -> None:
    pieces = split_turns({**LONG, "answer": [{"type": "count", "value": 1}]}, lambda piece: False)
    assert not any("answer" in piece for piece in pieces)


@pytest.mark.parametrize("answer", ["<think>x</think> y", [text("\n<think>x"), text("</think> y")]])
def test_samples_that_think_get_the_prompt_once(answer: Any) -> None:
    sample = turns("why?", answer)
    prompted = with_thinking_prompt(sample)
    assert prompted["messages"] == [{"role": "system", "content": THINKING_PROMPT}, *sample["messages"]]
    assert with_thinking_prompt(prompted) == prompted
    assert with_thinking_prompt(turns("why?", "so <think>")) == turns("why?", "so <think>")
    assert "i.e. <think> reasoning process here </think> answer here.<|im_end|>" in rendered(prompted)


def rendered(sample: dict[str, Any]) -> str:
    chat = Chat(tiny.model())
    return str(chat.tokenizer.decode(chat.encode(sample).ids, skip_special_tokens=False))
