"""Conversations as token ids, exactly as the model's own processor makes them, without torch and without pixels."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from vstkit import images as pictures
from vstkit.errors import DataError, at
from vstkit.models.template import Template
from vstkit.models.video import VideoRule
from vstkit.models.vision import Grid, ImageRule
from vstkit.models.words import Words, starts_word

IMAGE = "<|image_pad|>"
VIDEO = "<|video_pad|>"
PLACEHOLDER = re.compile("|".join(map(re.escape, (IMAGE, VIDEO))))


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as tokens. `ids` hold one image or video token a visual token; `spans` are the [start, end) of
    the tokens to learn; `images` and `videos` the patches (time, down, across) of each.

    `grids` are those of every run of visual tokens, in their order, and `intervals` the M-RoPE positions from one
    time step of a run to the next, as `vstkit.training.rope` takes them. They are the images' grids where there is
    no video; a video of Qwen3-VL is a run (1, down, across) for each time step, with the time written between.
    """

    ids: list[int]
    spans: list[tuple[int, int]]
    grids: list[Grid]
    intervals: list[float]
    images: list[Grid]
    videos: list[Grid]

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def targets(self) -> int:
        """Number of tokens to learn."""
        return sum(end - start for start, end in self.spans)


class _Read(NamedTuple):
    """A conversation as text with one placeholder for each run of visual tokens, and its turns to learn in it."""

    text: str
    turns: list[tuple[int, int]]
    images: list[Grid]
    videos: list[Grid]
    rates: list[float]  # frames a second of each video


class Chat:
    """The tokenizer, the chat template, the image and the video rule of the model in a folder.

    `fingerprint` names them: samples encode to the same tokens under the same fingerprint. Its two halves are the
    text's (tokenizer and template) and the pictures' (both rules). Raises DataError where the folder holds no such
    model.
    """

    def __init__(self, folder: str | Path) -> None:
        from tokenizers import Tokenizer

        self.folder = Path(folder)
        self.rule = ImageRule.read(self.folder)
        self.video_rule = VideoRule.read(self.folder)
        path = self.folder / "tokenizer.json"
        try:
            source = path.read_bytes()
            self.tokenizer = Tokenizer.from_str(source.decode())
        except FileNotFoundError as error:
            raise DataError(f"{folder}: no model: tokenizer.json is missing") from error
        except Exception as error:  # tokenizers raises nothing narrower
            raise DataError(f"{path}: not a tokenizer: {error}") from error
        self.template = Template(self.folder)
        self.stop_id = self._id("eos_token")
        self.pad_id = self._id("pad_token") if "pad_token" in self.template.names else self.stop_id
        self.image_id = self.tokenizer.token_to_id(IMAGE)
        self.video_id = self.tokenizer.token_to_id(VIDEO)
        if self.image_id is None:
            raise DataError(f"{path}: expected the token {IMAGE}, got none")
        rules = json.dumps([asdict(self.rule), asdict(self.video_rule)], sort_keys=True).encode()
        self.fingerprint = f"{_short(source, self.template.source.encode())}-{_short(rules)}"
        self._file_size = lru_cache(2**16)(pictures.file_size)  # many questions are about one picture
        try:
            self._words: Words | None = Words(self.tokenizer, source)
        except ValueError:
            self._words = None

    def unlike(self, fingerprint: str) -> str:
        """What tells this chat from that of a fingerprint, in words; nothing where they are the same."""
        theirs, ours = fingerprint.split("-"), self.fingerprint.split("-")
        if theirs[0] != ours[0]:
            return "another tokenizer or chat template"
        return "" if theirs == ours else "another rule for images and videos"

    def encode(self, sample: dict[str, Any], root: str = ".", generation: bool = False) -> Encoded:
        """Tokens of a sample. With `generation` the last assistant turn is left off and the model's turn opened.

        Images and frames are found under `root`; only their headers are read. Raises DataError, starting with the
        field.
        """
        read = self._read(sample, root, generation)
        encoding = self.tokenizer.encode(read.text, add_special_tokens=False)
        grids, intervals = self._runs(read)
        ids, added = self._expand(encoding.ids, grids)
        starts = [start for start, _ in encoding.offsets]

        def token(character: int) -> int:
            index = bisect_left(starts, character)
            return index + sum(count for placeholder, count in added if placeholder < index)

        spans = [(token(start), token(end)) for start, end in read.turns]
        return Encoded(ids, spans, grids, intervals, read.images, read.videos)

    def count(self, sample: dict[str, Any], root: str = ".") -> tuple[int, int]:
        """(length, targets) of `encode`, several times as fast: words are looked up, not tokenized."""
        read = self._read(sample, root, generation=False)
        text, words = read.text, self._words
        if words is None or not all(
            starts_word(text, start) and IMAGE not in text[start:end] and VIDEO not in text[start:end]
            for start, end in read.turns
        ):
            encoded = self.encode(sample, root)
            return encoded.length, encoded.targets
        targets = length = done = 0
        for start, end in read.turns:
            turn = words.count(text[start:end])
            length += words.count(text[done:start]) + turn
            targets += turn
            done = end
        grids, _ = self._runs(read)
        return length + words.count(text[done:]) + sum(self.rule.tokens(grid) - 1 for grid in grids), targets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens, without control tokens."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def _id(self, role: str) -> int:
        token = self.tokenizer.token_to_id(self.template.names.get(role, ""))
        if token is None:
            raise DataError(f"{self.folder}/tokenizer_config.json: {role}: expected a token, got none")
        return int(token)

    def _read(self, sample: dict[str, Any], root: str, generation: bool) -> _Read:
        messages = sample["messages"]
        self._check_text(messages)
        if generation and messages and messages[-1]["role"] == "assistant":
            messages = messages[:-1]
        text = self.template.render(messages, generation)
        images, videos = sample.get("images") or [], sample.get("videos") or []
        for name, held, token in (("images", images, IMAGE), ("videos", videos, VIDEO)):
            if (placed := text.count(token)) != len(held):
                raise DataError(f"{name}: expected {placed}, as the messages show, got {len(held)}")
        image_grids = [self._image_grid(recipe, f"images[{number}]", root) for number, recipe in enumerate(images)]
        video_grids = [self._video_grid(video, f"videos[{number}]", root) for number, video in enumerate(videos)]
        stamps = [self._stamps(video) for video in videos]
        turns = [] if generation else self.template.turns(messages, text)
        return _Read(*_stamped(text, turns, stamps), image_grids, video_grids, [float(v["fps"]) for v in videos])

    def _check_text(self, messages: list[dict[str, Any]]) -> None:
        """Control tokens typed into a text would end a turn or claim an image."""
        for number, message in enumerate(messages):
            content = message["content"]
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
            for token in (IMAGE, VIDEO, self.template.stop):
                if any(token in part for part in parts):
                    raise DataError(f"messages[{number}].content: expected plain text, got {token} in it")

    def _image_grid(self, recipe: Any, field: str, root: str) -> Grid:
        with at(field):
            return self.rule.grid(*self._size(recipe, root))

    def _video_grid(self, video: dict[str, Any], field: str, root: str) -> Grid:
        if self.video_id is None:
            raise DataError(f"{field}: the model's tokenizer has no {VIDEO}")
        if not video["frames"]:
            raise DataError(f"{field}.frames: expected at least one")
        sizes = []
        for number, recipe in enumerate(video["frames"]):
            with at(f"{field}.frames[{number}]"):
                sizes.append(self._size(recipe, root))
            if sizes[number] != sizes[0]:
                (w, h), (w0, h0) = sizes[number], sizes[0]
                raise DataError(f"{field}.frames[{number}]: expected {w0} x {h0} pixels, as before, got {w} x {h}")
        with at(field):
            return self.video_rule.grid(*sizes[0], len(sizes))

    def _size(self, recipe: Any, root: str) -> tuple[int, int]:
        if any(op["op"] in ("resize", "crop") for op in pictures.ops_of(recipe)):
            return pictures.size(recipe, root)
        return self._file_size(pictures.path_of(recipe), root)

    def _stamps(self, video: dict[str, Any]) -> str:
        """What a video's placeholder stands for: itself, or for Qwen3-VL a time and a placeholder a time step.

        The template's own frame stays around it, as in transformers from 5.10 on and vLLM beside it.
        """
        if self.video_rule.ticks is not None:
            return VIDEO
        times = self.video_rule.times(len(video["frames"]), video["fps"])
        return "".join(f"<{time:.1f} seconds><|vision_start|>{VIDEO}<|vision_end|>" for time in times)

    def _runs(self, read: _Read) -> tuple[list[Grid], list[float]]:
        """The grid and the interval of every placeholder in the text."""
        grids: list[Grid] = []
        intervals: list[float] = []
        images = iter(read.images)
        steps = iter(
            (grid, self.video_rule.interval(rate))
            for (t, h, w), rate in zip(read.videos, read.rates, strict=True)
            for grid in ([(t, h, w)] if self.video_rule.ticks is not None else [(1, h, w)] * t)
        )
        for token in PLACEHOLDER.findall(read.text) if read.videos else [IMAGE] * len(read.images):
            grid, interval = (next(images), 1.0) if token == IMAGE else next(steps)
            grids.append(grid)
            intervals.append(interval)
        return grids, intervals

    def _expand(self, ids: list[int], grids: list[Grid]) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids with every placeholder repeated for its visual tokens, and (index, tokens added) of each."""
        expanded: list[int] = []
        added = []
        done = 0
        places = [index for index, token in enumerate(ids) if token in (self.image_id, self.video_id)]
        for index, grid in zip(places, grids, strict=True):
            count = self.rule.tokens(grid)
            expanded += ids[done:index] + [ids[index]] * count
            added.append((index, count - 1))
            done = index + 1
        return expanded + ids[done:], added


def _stamped(text: str, turns: list[tuple[int, int]], stamps: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """`text` with every video's placeholder replaced, and where the turns in it are then."""
    if all(stamp == VIDEO for stamp in stamps):
        return text, turns
    places = [found.start() for found in re.finditer(re.escape(VIDEO), text)]
    parts = text.split(VIDEO)
    whole = parts[0] + "".join(stamp + part for stamp, part in zip(stamps, parts[1:], strict=True))

    def moved(character: int) -> int:
        return character + sum(
            len(stamp) - len(VIDEO) for place, stamp in zip(places, stamps, strict=True) if place < character
        )

    return whole, [(moved(start), moved(end)) for start, end in turns]


def _short(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:8]
