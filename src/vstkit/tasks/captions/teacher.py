"""Captions written by a model behind a chat server, each checked; a bad one goes back once with its faults."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vstkit import teacher
from vstkit.tasks.captions import prompt, table
from vstkit.tasks.captions.check import problems, unwrapped
from vstkit.teacher import Answer, Request, Totals

Record = dict[str, Any]
TOKENS = 2048  # that a reply may have: 20 long sentences, with names, and some thought before


@dataclass(eq=False)
class Held:
    """A record that waits for its turn to be written: the rest of the stream, or a sample at the teacher."""

    record: Record
    settled: bool = True
    fault: str = ""
    said: str = ""  # the first reply, when the second is awaited
    faults: list[str] = field(default_factory=list)


def rewrite(
    records: Iterable[Record],
    *,
    write: Callable[[Record], None],
    reject: Callable[[Record, str], None],
    tally: Counter[str],
    done: Collection[str] = (),
    url: str,
    model: str,
    **settings: Any,
) -> Totals:
    """Write each sample with a caption by the model instead of its own, in order; records of other kinds as they are.

    What is `done` already is left out. A caption that has a problem goes back once with its problems; where the second
    has one too, or the server gave none, the sample goes to `reject` with the reason. `settings` are those of
    `teacher.answers`; raises what that raises, after writing what was answered before.
    """
    waiting: deque[Held] = deque()
    back: deque[Held] = deque()
    totals = Totals()
    source = iter(records)

    def flush() -> None:
        while waiting and waiting[0].settled:
            held = waiting.popleft()
            if held.fault:
                tally["the teacher's caption fails"] += 1
                reject(held.record, held.fault)
            else:
                write(held.record)

    def requests() -> Iterator[Request]:
        while True:
            while back:
                yield _request(back.popleft())
            if (record := next(source, None)) is None:
                return
            if record["id"] in done:
                tally["there already"] += 1
                continue
            asked = record["kind"] == "sample"
            waiting.append(Held(record, settled=not asked))
            if asked:
                yield _request(waiting[-1])
            flush()

    try:
        more = True
        while more:
            # What is sent back when the source has ended makes another round.
            for answer in teacher.answers(requests(), url=url, model=model, options={"max_tokens": TOKENS}, **settings):
                totals.add(answer)
                if _judged(answer, answer.request.about, model):
                    back.append(answer.request.about)
                    tally["captions sent back"] += 1
                flush()
            more = bool(back)
    finally:
        flush()
    return totals


def _request(held: Held) -> Request:
    """The first question of a sample, or with what was wrong with the first caption the second."""
    question = prompt.prompt(table.of(held.record["meta"]))
    content = [{"type": "image"}, {"type": "text", "text": question}]
    messages: list[Record] = [{"role": "user", "content": content}]
    if held.said:
        messages.append({"role": "assistant", "content": held.said})
        messages.append({"role": "user", "content": prompt.again(held.faults)})
    return Request(held.record["id"], messages, held.record["images"], held)


def _judged(answer: Answer, held: Held, model: str) -> bool:
    """Settle a sample by its answer; whether it has to go back instead."""
    caption, faults = ("", [answer.error]) if answer.error else unwrapped(answer.text)
    faults = faults or problems(caption, table.of(held.record["meta"]))
    if faults and answer.text and not held.said:
        held.said, held.faults = answer.text, faults
        return True
    held.settled, held.fault = True, "; ".join(faults)
    if not faults:
        held.record = _with(held.record, caption, model)
    return False


def _with(sample: Record, caption: str, model: str) -> Record:
    reply = {"role": "assistant", "content": [{"type": "text", "text": caption}]}
    return {
        **sample,
        "messages": [*sample["messages"][:-1], reply],
        "answer": {**sample["answer"], "value": caption},
        "meta": {**sample["meta"], "writer": model},
    }
