"""Conversations as token ids, exactly as the model's own processor makes them, without torch and without pixels."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vstkit.errors import DataError
from vstkit.models.vision import Grid, ImageRule

IMAGE = "<|image_pad|>"
VIDEO = "<|video_pad|>"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as tokens. `ids` hold one image token a visual token; `spans` are the [start, end) of the
    tokens to learn; `grids` the patches (time, down, across) of each image."""

    ids: list[int]
    spans: list[tuple[int, int]]
    grids: list[Grid]

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def targets(self) -> int:
        """Number of tokens to learn."""
        return sum(end - start for start, end in self.spans)


class Chat:
    """The tokenizer, the chat template and the image rule of the model in a folder.

    `fingerprint` names the three together: samples encode to the same tokens under the same fingerprint.
    Raises DataError where the folder holds no such model.
    """

    def __init__(self, folder: str | Path) -> None:
        from tokenizers import Tokenizer

        self.folder = Path(folder)
        self.rule = ImageRule.read(self.folder)
        path = self.folder / "tokenizer.json"
        try:
            source = path.read_bytes()
            self.tokenizer = Tokenizer.from_str(source.decode())
        except FileNotFoundError as error:
            raise DataError(f"{folder}: no model: tokenizer.json is missing") from error
        except Exception as error:  # tokenizers raises nothing narrower
            raise DataError(f"{path}: not a tokenizer: {error}") from error
        settings = _json(self.folder / "tokenizer_config.json")
        self._names = _control_names(settings)
        self.template = _template(self.folder, settings)
        self.stop = self._names.get("eos_token", "")
        self.stop_id = self._id("eos_token")
        self.pad_id = self._id("pad_token") if "pad_token" in self._names else self.stop_id
        self.image_id = self.tokenizer.token_to_id(IMAGE)
        if self.image_id is None:
            raise DataError(f"{path}: expected the token {IMAGE}, got none")
        rule = json.dumps(asdict(self.rule), sort_keys=True)
        whole = b"\0".join([source, self.template.encode(), rule.encode()])
        self.fingerprint = hashlib.sha256(whole).hexdigest()[:16]

    def encode(self, sample: dict[str, Any], root: str = ".", generation: bool = False) -> Encoded:
        """Tokens of a sample. With `generation` the last assistant turn is left off and the model's turn opened.

        Images are found under `root`; only their headers are read. Raises DataError, starting with the field.
        """
        messages = sample["messages"]
        if sample.get("videos"):
            raise DataError("videos: expected none, because only images can be encoded")
        self._check_text(messages)
        if generation and messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        text = self._render(messages, generation)
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        grids = self._grids(sample.get("images") or [], encoding.ids.count(self.image_id), root)
        ids, added = self._expand(encoding.ids, grids)
        starts = [start for start, _ in encoding.offsets]

        def token(character: int) -> int:
            index = bisect_left(starts, character)
            return index + sum(count for placeholder, count in added if placeholder < index)

        turns = [] if generation else self._trained(messages, text)
        return Encoded(ids, [(token(start), token(end)) for start, end in turns], grids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _id(self, role: str) -> int:
        token = self.tokenizer.token_to_id(self._names.get(role, ""))
        if token is None:
            raise DataError(f"{self.folder}/tokenizer_config.json: {role}: expected a token, got none")
        return int(token)

    def _check_text(self, messages: list[dict[str, Any]]) -> None:
        """Control tokens typed into a text would end a turn or claim an image."""
        for number, message in enumerate(messages):
            content = message["content"]
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
            for token in (IMAGE, VIDEO, self.stop):
                if any(token in part for part in parts):
                    raise DataError(f"messages[{number}].content: expected plain text, got {token} in it")

    def _render(self, messages: list[dict[str, Any]], generation: bool) -> str:
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            rendered, _ = render_jinja_template(
                conversations=[messages],
                chat_template=self.template,
                add_generation_prompt=generation,
                **self._names,
            )
        except TemplateError as error:
            raise DataError(f"messages: the chat template refuses them: {error}") from error
        return str(rendered[0])

    def _grids(self, images: list[Any], placeholders: int, root: str) -> list[Grid]:
        from vstkit.images import size

        if len(images) != placeholders:
            raise DataError(f"images: expected {placeholders}, as the messages show, got {len(images)}")
        grids = []
        for number, recipe in enumerate(images):
            try:
                grids.append(self.rule.grid(*size(recipe, root)))
            except DataError as error:
                raise DataError(f"images[{number}]: {error}") from error
        return grids

    def _expand(self, ids: list[int], grids: list[Grid]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids with every placeholder repeated for its visual tokens, and (index, tokens added) of each."""
        expanded: list[int] = []
        added = []
        done = 0
        for grid in grids:
            index, count = ids.index(self.image_id, done), self.rule.tokens(grid)
            expanded += ids[done:index] + [self.image_id] * count
            added.append((index, count - 1))
            done = index + 1
        return expanded + ids[done:], added

    def _trained(self, messages: list[dict[str, Any]], text: str) -> list[tuple[int, int]]:
        """Characters [start, end) of the assistant's turns in the rendered `text`, each with its stop token.

        A turn starts where the conversation before it, opened for the model to answer, ends: true of every
        template that renders a turn the same whatever follows, and checked.
        """
        spans = []
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._render(messages[:number], generation=True)
            end = text.find(self.stop, len(before))
            if not text.startswith(before) or end < 0:
                raise DataError(f"messages[{number}]: the chat template hides where this turn starts and ends")
            spans.append((len(before), end + len(self.stop)))
        if not spans:
            raise DataError("messages: expected a turn of the assistant to learn, got none")
        return spans


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise DataError(f"{path.parent}: no model: {path.name} is missing") from error
    except ValueError as error:
        raise DataError(f"{path}: expected a JSON object: {error}") from error


def _control_names(settings: dict[str, Any]) -> dict[str, str]:
    """The control tokens by role, as templates know them: {"eos_token": "<|im_end|>", ...}."""
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
