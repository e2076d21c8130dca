"""The chat template of a model: conversations as text, and where the turns to learn stand in it."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from vstkit.errors import DataError


class Template:
    """The chat template in a model's folder. `names` are the control tokens by role, as templates know them:
    {"eos_token": "<|im_end|>", ...}; `stop` is the one that ends a turn. Raises DataError where there is none."""

    def __init__(self, folder: Path) -> None:
        settings = _json(folder / "tokenizer_config.json")
        self.names = _control_names(settings)
        self.source = _template(folder, settings)
        self.stop = self.names.get("eos_token", "")

    def render(self, messages: list[dict[str, Any]], generation: bool) -> str:
        """The conversation as the model reads it, with `generation` opened for its answer. Raises DataError."""
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            rendered, _ = render_jinja_template(
                conversations=[messages],
                chat_template=self.source,
                add_generation_prompt=generation,
                **self.names,
            )
        except TemplateError as error:
            raise DataError(f"messages: the chat template refuses them: {error}") from error
        return str(rendered[0])

    def turns(self, messages: list[dict[str, Any]], text: str) -> list[tuple[int, int]]:
        """Characters [start, end) of the assistant's turns in the rendered `text`, each with its stop token.

        A turn starts where the conversation before it, opened for the model to answer, ends: true of every
        template that renders a turn the same whatever follows, and checked. The conversation before is rendered
        again only where the turn does not start with the words that open any answer.
        """
        numbers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
        if not numbers:
            raise DataError("messages: expected a turn of the assistant to learn, got none")
        ends = [found.end() for found in re.finditer(re.escape(self.stop), text)]
        own = len(ends) - len(messages)  # turns that the template begins with
        spans = []
        for number in numbers:
            past = number + own - 1
            if self._opening and 0 <= past < len(ends) and text.startswith(self._opening, ends[past]):
                start = ends[past] + len(self._opening)
            else:
                start = self._start(messages, number, text)
            end = text.find(self.stop, start)
            if end < 0:
                raise DataError(f"messages[{number}]: the chat template hides where this turn starts and ends")
            spans.append((start, end + len(self.stop)))
        return spans

    @cached_property
    def _opening(self) -> str:
        """What stands between a question's stop token and the answer, or nothing where that is not to be seen."""
        try:
            return self.render([{"role": "user", "content": "?"}], generation=True).rpartition(self.stop)[2]
        except DataError:
            return ""

    def _start(self, messages: list[dict[str, Any]], number: int, text: str) -> int:
        before = self.render(messages[:number], generation=True)
        if not text.startswith(before):
            raise DataError(f"messages[{number}]: the chat template hides where this turn starts and ends")
        return len(before)


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise DataError(f"{path.parent}: no model: {path.name} is missing") from error
    except ValueError as error:
        raise DataError(f"{path}: expected a JSON object: {error}") from error


def _control_names(settings: dict[str, Any]) -> dict[str, str]:
    tokens = {role: settings.get(role) for role in ("bos_token", "eos_token", "pad_token", "unk_token")}
    named = {role: token["content"] if isinstance(token, dict) else token for role, token in tokens.items()}
    return {role: token for role, token in named.items() if token}


def _template(folder: Path, settings: dict[str, Any]) -> str:
    """The chat template, looked up in the order of transformers' processors."""
    if (path := folder / "chat_template.jinja").is_file():
        return path.read_text(encoding="utf-8")
    if (path := folder / "chat_template.json").is_file():
        settings = _json(path)
    template = settings.get("chat_template")
    if not isinstance(template, str):
        raise DataError(f"{folder}: no model: chat_template.jinja is missing")
    return template
