"""Sample records out of turns of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vstkit.chance import digest

# What a sample says about values that were measured does not belong to what it is about.
MEASURED = ("distances", "sizes", "heights", "values", "near", "ranges", "centers", "gaps")


class Turn(NamedTuple):
    """One question with its answer; a question that nobody has answered yet has neither reply nor answer.

    `reply` is the assistant's text, `answer` the typed answer of vstkit-records(5).
    """

    question: str
    reply: str | None = None
    answer: dict[str, Any] | None = None


def sample(
    *,
    command: str,
    task: str,
    scene: dict[str, Any],
    images: list[Any],
    turns: Sequence[Turn],
    meta: dict[str, Any],
    flip_safe: bool = False,
) -> dict[str, Any]:
    """A sample record; the images stand before the first question, one answer a turn (a list where turns are several).

    Its id is made from what it is about: scene, task and `meta`, less measured values. `flip_safe` tells a trainer
    that the mirrored picture has the same answer.
    """
    about = [(key, meta[key]) for key in sorted(meta) if key not in MEASURED]
    messages: list[dict[str, Any]] = []
    for i, turn in enumerate(turns):
        held = [{"type": "image"} for _ in images] if i == 0 else []
        messages.append({"role": "user", "content": [*held, {"type": "text", "text": turn.question}]})
        if turn.reply is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": turn.reply}]})
    answers = [turn.answer for turn in turns if turn.answer is not None]
    return {
        "kind": "sample",
        "id": f"{command}/{digest(scene['id'], task, about)}",
        "task": task,
        "scene": scene["id"],
        **{key: scene[key] for key in ("dataset", "family", "license", "split") if key in scene},
        "images": images,
        "messages": messages,
        **({"answer": answers if len(turns) > 1 else answers[0]} if answers else {}),
        "flip_safe": flip_safe,
        "meta": meta,
    }
