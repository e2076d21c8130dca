"""Predictions in the order of their questions, each written once."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vstkit.answering.questions import Question, names, predictions
from vstkit.errors import DataError
from vstkit.teacher import Answer, Totals

Record = dict[str, Any]
Engine = Callable[[Iterator[Question]], Iterator[Answer]]
"""Answers questions in order: an Answer for each, whose request is about it, with its replies or an error."""


@dataclass(slots=True)
class Sums(Totals):
    """Sums over answers, and since when they are made, in seconds of time.monotonic."""

    began: float = field(default_factory=time.monotonic)

    def rates(self) -> str:
        """How fast it went, in words."""
        seconds = time.monotonic() - self.began
        answered = (self.requests - self.failed) / seconds
        return f"{answered:,.1f} questions/s, {self.completion_tokens / seconds:,.0f} tokens/s"


def answer(
    records: Iterable[Question | Record],
    engine: Engine,
    *,
    write: Callable[[Record], None],
    reject: Callable[[Record, str], None],
    tally: Counter[str],
    done: Collection[str] = (),
    draws: int = 1,
    think: bool = False,
    watch: Callable[[Sums], None] = lambda sums: None,
) -> Sums:
    """Write the predictions of all questions, and every other record, in their order.

    A record whose id is in `done` is left out; a question is asked again where one of its `draws` is missing. What is
    not answered goes to `reject` with the reason. `watch` is called after every answer. Raises DataError where nothing
    at all was answered, and what the engine raises, after writing what was answered before.
    """
    sums = Sums()
    waiting: deque[Record] = deque()  # records that stand behind a question that is not answered yet, which are {}
    said = frozenset(done)

    def put(record: Record) -> None:
        if record["id"] in said:
            tally["there already"] += 1
        else:
            write(record)

    def asked() -> Iterator[Question]:
        for held in records:
            if isinstance(held, Question):
                if said.issuperset(names(held, draws)):
                    tally["there already"] += draws
                    continue
                waiting.append({})
                yield held
            elif waiting:
                waiting.append(held)
            else:
                put(held)

    error = ""
    for found in engine(asked()):
        sums.add(found)
        waiting.popleft()
        if found.error:
            error = found.error
            reject(found.request.about.record, error)
        for record in predictions(found, think=think):
            tally["cut"] += "cut" in record
            put(record)
        while waiting and waiting[0]:
            put(waiting.popleft())
        watch(sums)
    if error and sums.failed == sums.requests:
        raise DataError(f"none of {sums.requests} questions was answered; the last: {error}")
    return sums
