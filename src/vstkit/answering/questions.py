"""Questions out of samples, predictions out of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from vstkit.errors import DataError, at
from vstkit.images import Recipe, edited, size
from vstkit.models.vision import ImageRule, smart_resize
from vstkit.records import Sample
from vstkit.scoring.wording import split_thought
from vstkit.tags import placed
from vstkit.teacher import Answer, Reply
from vstkit.turns import THINKING_PROMPT
from vstkit.validation import parse

Record = dict[str, Any]


class Question(NamedTuple):
    """What a model is asked: `asked` has the messages up to its turn, and their images and videos; `record` is the
    sample that becomes the prediction."""

    record: Record
    asked: Record


def questions(
    record: Record,
    tally: Counter[str],
    *,
    think: bool = False,
    max_frames: int | None = None,
    rule: ImageRule | None = None,
    root: str = ".",
) -> Iterator[Question | Record]:
    """One question for each turn of a sample that is or awaits an answer; a record of another kind as it is.

    The model is asked each turn with the true conversation before it. Where there are several, the records are
    ID/turn-1, ID/turn-2 and so on, each with its own of a list of answers. With `think` a sample without a system
    prompt gets the paper's. Of videos `max_frames` are kept, spread evenly. Images and frames are brought to the size
    that `rule` gives them, from their headers. Raises DataError for a sample that asks nothing, and for files that
    cannot be read.
    """
    if record["kind"] != "sample":
        yield record
        return
    parse(record, Sample)
    for turn in _turns(record):
        messages = turn["messages"][:-1] if turn["messages"][-1]["role"] == "assistant" else turn["messages"]
        if think and messages[0]["role"] != "system":
            messages = [{"role": "system", "content": THINKING_PROMPT}, *messages]
        yield Question(turn, {"id": turn["id"], "messages": messages, **_shown(turn, max_frames, rule, root)})


def picture_rule(model: str, most: int | None) -> ImageRule | None:
    """How large the model in a folder sees a picture, of `most` pixels where that is given.

    Of a model that is not here nothing is known but that; without it there is no rule.
    """
    if Path(model).is_dir():
        rule = ImageRule.read(Path(model))
    elif most:
        rule = ImageRule(patch=1, merge=1, smallest=1, largest=most)
    else:
        return None
    return replace(rule, smallest=min(rule.smallest, most), largest=min(rule.largest, most)) if most else rule


def predictions(answer: Answer, *, think: bool = False) -> Iterator[Record]:
    """The prediction records of an answer to a `Question`: one, or ID/draw-1, ID/draw-2 and so on.

    With `think` what the model thought is kept apart from what it said; what a server split off always is.
    """
    record = answer.request.about.record
    for number, reply in enumerate(answer.replies, 1):
        several = {"id": f"{record['id']}/draw-{number}", "draw": number} if len(answer.replies) > 1 else {}
        yield {**record, **several, "kind": "prediction", **_said(reply, think)}


def names(question: Question, draws: int) -> list[str]:
    """The ids that the predictions of a question have."""
    name = question.record["id"]
    return [f"{name}/draw-{number}" for number in range(1, draws + 1)] if draws > 1 else [name]


def _said(reply: Reply, think: bool) -> Record:
    thought, text = reply.thought, reply.text
    if think and not thought:
        thought, text = (part.strip() for part in split_thought(text))
    cut = {"cut": True} if reply.finish == "length" else {}
    return {"response": text, **({"thought": thought} if thought else {}), **cut}


def _turns(sample: Record) -> list[Record]:
    messages = sample["messages"]
    ends = [number + 1 for number, message in enumerate(messages) if message["role"] == "assistant"]
    if messages and messages[-1]["role"] == "user":
        ends.append(len(messages))
    if not ends:
        raise DataError("messages: expected a question, got none")
    for end in ends:
        before = end - 2 if messages[end - 1]["role"] == "assistant" else end - 1
        if before < 0 or messages[before]["role"] != "user":
            raise DataError(f"messages[{end - 1}]: expected a question before it")
    if len(ends) == 1:
        return [{**sample, "messages": messages[: ends[0]]}]
    return [_turn(sample, number, ends) for number in range(len(ends))]


def _turn(sample: Record, number: int, ends: list[int]) -> Record:
    """A conversation up to one of its turns, with the pictures that are shown until then."""
    messages = sample["messages"][: ends[number]]
    turn = {**sample, "id": f"{sample['id']}/turn-{number + 1}", "messages": messages}
    for name in ("images", "videos"):
        if name in sample:
            turn[name] = sample[name][: placed(messages, name[:-1])]
    answer = turn.pop("answer", None)
    if isinstance(answer, list) and len(answer) == len(ends):
        turn["answer"] = answer[number]
    elif answer is not None and number + 1 == len(ends):
        turn["answer"] = answer
    return turn


def _shown(turn: Record, max_frames: int | None, rule: ImageRule | None, root: str) -> Record:
    images, videos = [], []
    for number, recipe in enumerate(turn.get("images") or []):
        with at(f"images[{number}]"):
            images.append(_sized(recipe, rule, root))
    for number, video in enumerate(turn.get("videos") or []):
        thinned = _thinned(video, max_frames)
        with at(f"videos[{number}]"):
            videos.append({**thinned, "frames": [_sized(frame, rule, root) for frame in thinned["frames"]]})
    return {"images": images, "videos": videos}


def _sized(recipe: Recipe, rule: ImageRule | None, root: str) -> Recipe:
    if rule is None:
        return recipe
    held = size(recipe, root)
    wanted = smart_resize(*held, rule.patch * rule.merge, rule.smallest, rule.largest)
    return recipe if wanted == held else edited(recipe, {"op": "resize", "size": list(wanted)})


def _thinned(video: Record, most: int | None) -> Record:
    """A video of at most so many frames, from its first to its last, at the rate that they then have."""
    frames = video["frames"]
    last = len(frames) - 1
    if most is None or last < most:
        return video
    if most == 1:
        return {**video, "frames": frames[:1]}
    kept = [frames[round(i * last / (most - 1))] for i in range(most)]
    return {**video, "frames": kept, "fps": video["fps"] * (most - 1) / last}
