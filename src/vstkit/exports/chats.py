"""A sample as a row of another format; its pictures are already paths, or {"bytes", "path"} where the row embeds them.

Where the formats are from: LLaVA docs/Finetune_Custom_Data.md; LLaMA-Factory data/README.md (sharegpt) and its
mm_plugin for lists of frames; ms-swift docs, Custom-dataset; VST prepare_data/sft (Yangr116/VST, b493767); verl's
RLHFDataset (0.9.1).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from vstkit import tags
from vstkit.errors import DataError, at
from vstkit.exports.pictures import size
from vstkit.lineio import Record
from vstkit.tags import Tags

Row = dict[str, Any]
SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}
# Fields of a sample that have a column of their own in our parquet.
COLUMNS = ("id", "task", "scene", "dataset", "messages", "images", "videos", "answer", "meta")


def whole(sample: Record) -> Row:
    """All there is: a column of one type for each field, JSON where records have several types."""
    made: Row = {name: sample.get(name) for name in ("id", "task", "scene", "dataset", "images", "videos")}
    made["messages"] = [{"role": m["role"], "content": _parts(m["content"])} for m in sample["messages"]]
    made |= {name: _json(sample[name]) if name in sample else None for name in ("answer", "meta")}
    more = {name: value for name, value in sample.items() if name not in COLUMNS and name != "kind"}
    return {**made, "more": _json(more) if more else None}


def llava(sample: Record) -> Row:
    """{"id", "image", "conversations"}: one path, or a list of several."""
    if sample.get("videos"):
        raise DataError("videos: expected none: llava names video files, not frames")
    shown = sample.get("images", [])
    made: Row = {"id": sample["id"]}
    if shown:
        made["image"] = shown[0] if len(shown) == 1 else shown
    made["conversations"] = _conversation(sample, tags.LLAVA)
    return made | _source(sample)


def sharegpt(sample: Record) -> Row:
    """{"conversations", "images", "videos": lists of frames}."""
    made = {"id": sample["id"], "conversations": _conversation(sample, tags.PLAIN)}
    return made | _shown(sample) | _source(sample)


def ms_swift(sample: Record) -> Row:
    """{"messages": roles and texts, "images", "videos": lists of frames}."""
    made = {"id": sample["id"], "messages": _messages(sample["messages"], tags.PLAIN)}
    return made | _shown(sample) | _source(sample)


def vst(sample: Record) -> Row:
    """A row of VST-P. `meta_info` tells the images' sizes; -1 stands for "not resized", as in theirs."""
    if sample.get("videos"):
        raise DataError("videos: expected none: vst holds video files, not frames")
    shown = sample.get("images", [])
    sizes = [{"resized_width": -1, "resized_height": -1, "width": w, "height": h} for w, h in map(size, shown)]
    return {
        "conversations": _conversation(sample, tags.VST),
        "id": sample["id"],
        "data_source": sample.get("dataset") or "vstkit",
        "images": shown,
        "type": "mm_qa" if shown else "text",
        "meta_info": _json(sizes),
    }


def verl(sample: Record) -> Row:
    """A prompt without its last answer, which becomes the ground truth; frames as qwen_vl_utils decodes them.

    Raises DataError for a sample without an answer: there would be nothing to reward.
    """
    turns, answer = list(sample["messages"]), sample.get("answer")
    if isinstance(answer, list):
        answer = answer[-1] if answer else None
    if answer is None:
        raise DataError("answer: missing: verl rewards by it")
    said = turns.pop() if turns and turns[-1]["role"] == "assistant" else None
    extra = {name: sample.get(name) for name in ("id", "task", "scene", "dataset")}
    extra["meta"] = _json(sample["meta"]) if "meta" in sample else None
    return {
        "data_source": sample.get("dataset") or "vstkit",
        "prompt": _messages(turns, tags.PLAIN),
        "images": sample.get("images") or None,
        "videos": [_frames(video) for video in sample.get("videos", [])] or None,
        "ability": sample.get("task"),
        "reward_model": {"style": "rule", "ground_truth": _json(answer)},
        "extra_info": {**extra, "answer": tags.written(said["content"], tags.PLAIN) if said else None},
    }


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of verl with the `index` that its logs know them by."""
    for index, row in enumerate(rows):
        yield {**row, "extra_info": {**row["extra_info"], "index": index}}


def _conversation(sample: Record, how: Tags) -> list[Row]:
    """Turns as from and value. Raises DataError unless user and assistant take turns, as those trainers want it."""
    messages = sample["messages"]
    begin = 1 if messages and messages[0]["role"] == "system" else 0
    for i, message in enumerate(messages[begin:]):
        if message["role"] != (wanted := ("user", "assistant")[i % 2]):
            raise DataError(f"messages[{begin + i}].role: expected {wanted}, as turns alternate, got {message['role']}")
    if not (len(messages) - begin) or (len(messages) - begin) % 2:
        raise DataError("messages: expected an answer of the assistant at the end, got none")
    return [{"from": SPEAKERS[m["role"]], "value": m["content"]} for m in _messages(messages, how)]


def _messages(messages: Iterable[Mapping[str, Any]], how: Tags) -> list[Row]:
    made = []
    for i, message in enumerate(messages):
        with at(f"messages[{i}]"):
            made.append({"role": message["role"], "content": tags.written(message["content"], how)})
    return made


def _parts(content: Any) -> list[Row]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _shown(sample: Record) -> Row:
    """Paths of pictures; both lists are always there, for files are read as columns."""
    return {"images": sample.get("images", []), "videos": [video["frames"] for video in sample.get("videos", [])]}


def _source(sample: Record) -> Row:
    return {"data_source": sample["dataset"]} if sample.get("dataset") else {}


def _frames(video: Record) -> Row:
    frames = [f"data:image;base64,{base64.b64encode(frame['bytes']).decode()}" for frame in video["frames"]]
    # Of frames that are given one by one, older versions of qwen_vl_utils read `fps` and newer ones `sample_fps`.
    return {"video": frames, "fps": float(video["fps"]), "sample_fps": float(video["fps"])}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
