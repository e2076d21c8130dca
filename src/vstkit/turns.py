"""Conversations that are changed before they are learnt from: split between turns, or given a system prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Record = dict[str, Any]

# Section A.2 of the paper: the system prompt of samples whose answers think.
THINKING_PROMPT = (
    "You are a helpful assistant. You should first think about the reasoning process in the mind and then provide the "
    "user with the answer. The reasoning process is enclosed within <think> </think> tags, i.e. <think> reasoning "
    "process here </think> answer here."
)


def with_thinking_prompt(sample: Record) -> Record:
    """A sample with the paper's system prompt, if an answer begins with <think> and there is no system prompt yet."""
    messages = sample["messages"]
    thinks = any(m["role"] == "assistant" and _text(m).lstrip().startswith("<think>") for m in messages)
    if not thinks or messages[0]["role"] == "system":
        return sample
    return {**sample, "messages": [{"role": "system", "content": THINKING_PROMPT}, *messages]}


def split_turns(sample: Record, fits: Callable[[Record], bool]) -> list[Record]:
    """A conversation as several: each of as many turns in a row as `fits` allows, and one at least.

    Every piece has the system prompt, and all images and videos that were shown before it, ahead of its first
    question, so that "the second image" is still the second. Its id says which turns, counted from 1, it has. A list
    of answers, one a turn, is split along.
    """
    system, rounds = _rounds(sample["messages"])
    pieces = []
    start = 0
    while start < len(rounds):
        piece = _piece(sample, system, rounds, start, start + 1)
        end = start + 2
        while end <= len(rounds) and fits(longer := _piece(sample, system, rounds, start, end)):
            piece, end = longer, end + 1
        pieces.append(piece)
        start = end - 1
    return pieces if len(pieces) > 1 else [sample]


def _rounds(messages: list[Record]) -> tuple[list[Record], list[list[Record]]]:
    """The system prompt, and the turns: each ends with an answer, and the last with the conversation."""
    system = [m for m in messages[:1] if m["role"] == "system"]
    rounds: list[list[Record]] = [[]]
    for message in messages[len(system) :]:
        rounds[-1].append(message)
        if message["role"] == "assistant":
            rounds.append([])
    return system, [held for held in rounds if any(m["role"] == "assistant" for m in held)]


def _piece(sample: Record, system: list[Record], rounds: list[list[Record]], start: int, end: int) -> Record:
    shown = [{"type": part["type"]} for part in _media(rounds[:start])]
    messages = [message for held in rounds[start:end] for message in held]
    if shown:
        first, content = messages[0], messages[0]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        messages = [{**first, "content": [*shown, *parts]}, *messages[1:]]
    piece = {**sample, "id": f"{sample['id']}/turns-{start + 1}-{end}", "messages": [*system, *messages]}
    for name, kind in (("images", "image"), ("videos", "video")):
        if name in sample:
            piece[name] = sample[name][: sum(part["type"] == kind for part in _media(rounds[:end]))]
    if isinstance(sample.get("answer"), list):
        if len(sample["answer"]) == len(rounds):
            piece["answer"] = sample["answer"][start:end]
        else:
            del piece["answer"]
    return piece


def _media(rounds: list[list[Record]]) -> Iterator[Record]:
    for held in rounds:
        for message in held:
            if not isinstance(message["content"], str):
                yield from (part for part in message["content"] if part["type"] != "text")


def _text(message: Record) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
