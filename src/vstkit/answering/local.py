"""The engine that runs a model here: batches of like lengths, with pictures made ready ahead of the model.

Questions are read ahead until they are worth a few batches, sorted by length, cut into batches by the tokens that
these may take in memory, and given back in order.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

from vstkit.answering.questions import Question
from vstkit.errors import DataError
from vstkit.models import loading
from vstkit.models.chat import Chat, Encoded
from vstkit.models.generate import Prompt, continued, prompt
from vstkit.models.pixels import Patches
from vstkit.models.sampling import Draws, Sampling
from vstkit.teacher import Answer, Reply, Request

WINDOW = 8  # batches whose questions are sorted together
AHEAD = 2  # batches whose pictures are made ready while the model answers another
DECODERS = min(8, os.cpu_count() or 1)


@dataclass(eq=False)
class _Held:
    """A question that waits for its turn to be given back."""

    question: Question
    encoded: Encoded
    replies: list[Reply | None]
    error: str = ""
    tokens: int = 0

    @property
    def settled(self) -> bool:
        return bool(self.error) or None not in self.replies

    def answer(self) -> Answer:
        about = self.question.asked
        request = Request(about["id"], about["messages"], about=self.question)
        if self.error:
            return Answer(request, (), error=self.error)
        return Answer(request, tuple(r for r in self.replies if r), 0, self.encoded.length, self.tokens)


def load(folder: str) -> Any:
    """The model in a folder, with the fastest attention that there is. Raises DataError."""
    import torch

    flash = torch.cuda.is_available() and find_spec("flash_attn") is not None
    return loading.load(folder, attention="flash_attention_2" if flash else "sdpa")


class _Row(NamedTuple):
    held: _Held
    draw: int


@dataclass
class Local:
    """A model of a folder, and how it answers: an engine of `vstkit.answering.running`.

    `load` gives the model, at the first question. A batch may take `batch_tokens` tokens, of prompts, padding and
    answers of `max_new_tokens`; one question may be more. Each question is answered `draws` times. The answers do not
    depend on the batches, but for roundings of the model's numbers.
    """

    load: Callable[[], Any]
    chat: Chat
    root: str = "."
    max_new_tokens: int = 1024
    batch_tokens: int = 65536
    draws: int = 1
    sampling: Sampling = field(default_factory=Sampling)

    def __call__(self, questions: Iterator[Question]) -> Iterator[Answer]:
        """An answer to each question, in order; one that cannot be asked has an error instead of replies."""
        first = next(questions, None)  # reading may fork workers, which has to come before threads
        if first is None:
            return
        model, patches = self.load(), Patches(self.chat.folder)
        waiting: deque[_Held] = deque()
        ready: deque[tuple[list[_Row], dict[int, Future[Prompt]]]] = deque()
        pool = ThreadPoolExecutor(DECODERS)
        try:
            for rows in itertools.chain(self._batches(itertools.chain([first], questions), waiting), [None] * AHEAD):
                if rows:
                    once = {id(row.held): row.held for row in rows}.items()
                    ready.append((rows, {i: pool.submit(self._prompt, patches, held) for i, held in once}))
                if ready and (rows is None or len(ready) > AHEAD):
                    self._settle(model, patches, *ready.popleft())
                while waiting and waiting[0].settled:
                    yield waiting.popleft().answer()
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches(self, questions: Iterable[Question], waiting: deque[_Held]) -> Iterator[list[_Row] | None]:
        """Rows to be answered together; every question that is read goes to `waiting`."""
        window: list[_Row] = []
        tokens = 0
        for question in questions:
            held = self._read(question)
            waiting.append(held)
            if not held.error:
                window += [_Row(held, draw) for draw in range(self.draws)]
                tokens += self.draws * (held.encoded.length + self.max_new_tokens)
            if tokens >= WINDOW * self.batch_tokens:
                yield from self._cut(window)
                window, tokens = [], 0
        yield from self._cut(window)

    def _cut(self, window: list[_Row]) -> list[list[_Row]]:
        """A window as batches of like lengths, first the one with the question that was read first."""
        places = {row: place for place, row in enumerate(window)}
        batches: list[list[_Row]] = []
        room = 0
        for row in sorted(window, key=lambda row: -row.held.encoded.length):
            if room == 0:
                batches.append([])
                room = max(1, self.batch_tokens // (row.held.encoded.length + self.max_new_tokens))
            batches[-1].append(row)
            room -= 1
        return sorted(batches, key=lambda rows: min(places[row] for row in rows))

    def _read(self, question: Question) -> _Held:
        try:
            encoded = self.chat.encode(question.asked, self.root, generation=True)
        except DataError as e:
            return _Held(question, Encoded([], [], [], [], [], []), [], str(e))
        return _Held(question, encoded, [None] * self.draws)

    def _prompt(self, patches: Patches, held: _Held) -> Prompt:
        return prompt(self.chat, patches, held.question.asked, held.encoded, self.root)

    def _settle(self, model: Any, patches: Patches, rows: Sequence[_Row], coming: dict[int, Future[Prompt]]) -> None:
        """Ask a batch, without the questions whose pictures cannot be read."""
        prompts = {}
        for row in rows:
            try:
                prompts[row] = coming[id(row.held)].result()
            except DataError as e:
                row.held.error = str(e)
        if prompts:
            self._ask(model, patches, prompts)

    def _ask(self, model: Any, patches: Patches, prompts: dict[_Row, Prompt]) -> None:
        """Ask a batch, in halves where it does not fit the memory."""
        import torch

        rows = list(prompts)
        chances = [self.sampling.chance(row.held.question.record["id"], row.draw + 1) for row in rows]
        draws = Draws(self.sampling, chances) if self.sampling.temperature else None
        try:
            made = continued(model, self.chat, patches.levels, [*prompts.values()], self.max_new_tokens, draws)
        except torch.OutOfMemoryError as e:
            if len(rows) == 1:
                rows[0].held.error = f"out of memory: {str(e).splitlines()[0]}"
                return
            made = []
        if not made:  # not in the handler, whose traceback holds on to the memory
            for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self._ask(model, patches, {row: prompts[row] for row in half})
        for row, ids in zip(rows, made, strict=False):
            ended = bool(ids) and ids[-1] in (self.chat.stop_id, self.chat.pad_id)
            row.held.replies[row.draw] = Reply(self.chat.decode(ids), "stop" if ended else "length")
            row.held.tokens += len(ids)
