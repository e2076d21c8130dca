"""The engine that asks a chat server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vstkit import teacher
from vstkit.answering.questions import Question
from vstkit.teacher import Answer, Request


def answers(questions: Iterator[Question], **settings: Any) -> Iterator[Answer]:
    """The answers of the model behind a server; `settings` are those of `vstkit.teacher.answers`.

    Videos are sent as their frames.
    """
    return teacher.answers(map(request, questions), **settings)


def request(question: Question) -> Request:
    """The request of a question: every video as images, in its place."""
    asked = question.asked
    images, videos = iter(asked["images"]), iter(asked["videos"])
    shown: list[Any] = []
    messages = []
    for message in asked["messages"]:
        parts: list[Any] = []
        for part in [] if isinstance(message["content"], str) else message["content"]:
            held = [next(images)] if part["type"] == "image" else []
            held += next(videos)["frames"] if part["type"] == "video" else []
            shown += held
            parts += [{"type": "image"}] * len(held) or [part]
        messages.append({**message, "content": parts or message["content"]})
    return Request(asked["id"], messages, shown, question)
