"""Rows of conversations with pictures, as other trainers' files have them, made into sample records.

The files are JSON, JSON lines or parquet. What a format has of its own stands in a module for each: llava, sharegpt,
ms_swift, vst, verl, samples; this one reads what they share. Turns stand in `conversations` or `messages`, as from and
value or as role and content; pictures in `image` or `images`, as paths, as bytes or in base64; videos in `video` or
`videos`, as files or as their frames.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from vstkit import tags as tags_of
from vstkit.chance import digest
from vstkit.datasets.benches import pictures
from vstkit.errors import DataError, UsageError, at
from vstkit.lineio import Output, Record
from vstkit.records import Sample
from vstkit.tables import Row
from vstkit.tables import rows as read_rows
from vstkit.tags import Tags
from vstkit.validation import parse

TURNS = ("conversations", "messages", "conversation", "prompt")
KEPT = ("id", "system", "data_source", "type", "task", "scene", "dataset", "answer", "meta", "more")
REWARDED = ("reward_model", "extra_info")  # of verl
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
FPS = 2.0  # of frames whose format does not say: what LLaMA-Factory and qwen_vl_utils take them for


def find(path: str, *, images: str | None = None) -> Iterator[Record]:
    """A unit for each row of a file, in its order; `images` is where paths start from, by default the file's folder.

    Raises DataError for a file that cannot be read.
    """
    for where, row in read_rows(path):
        unit: Record = {"kind": "unit", "id": where, "where": where.removeprefix(f"{path}: "), "file": path}
        unit["folder"] = images or str(Path(path).parent)
        unit["row"] = {name: row[name] for name in (*TURNS, *KEPT, *REWARDED) if name in row}
        for name in ("image", "video"):
            held = row.get(f"{name}s", row.get(name, []))
            found = [_reference(one) for one in (held if isinstance(held, list) else [held])]
            unit[f"{name}s"] = [one for one in found if one]
        yield unit


def _reference(value: Any) -> Record | list[Record] | None:
    """A picture or a video as a unit can say it: {"base64", "path"}, or a list of frames; None for one of nothing."""
    if isinstance(value, list):
        return [one for one in map(_reference, value) if isinstance(one, dict)]
    if isinstance(value, Mapping):
        if frames := value.get("frames") or value.get("video"):
            fps = value.get("fps")
            return {"frames": _reference(frames), **({"fps": fps} if fps else {})}
        data, path = value.get("bytes"), value.get("path") or value.get("image") or ""
        held = {"base64": base64.b64encode(data).decode()} if isinstance(data, bytes) and data else {}
        return {**held, "path": str(path)} if held or path else None
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    text = str(value)
    return {"base64": text} if text.startswith("data:") else {"path": text.removeprefix("file://")} if text else None


def read(
    unit: Record,
    tally: Counter[str],
    *,
    tags: Tags,
    root: str = ".",
    write: str | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> Iterator[Record]:
    """The sample of one row. Pictures that stand in the file and the frames of video files are put under `write`.

    Pictures without a tag in any message stand before the first question. `fps` is at how many frames a second to take
    a video file, and how many were taken where there are frames only, by default 2. Raises DataError for a row that is
    no conversation, or whose tags do not fit its pictures, and UsageError where `write` is missing.
    """
    row, place = unit["row"], Shelf(unit["folder"], root, write, fps, max_frames)
    with at(unit["where"]):
        made: Record = {"kind": "sample", "id": "", **said(row)}
        messages = turns(row, tags)
        held: dict[str, list[Any]] = {"images": place.images(unit["images"]), "videos": place.videos(unit["videos"])}
        if held["videos"] and not held["images"] and not tags_of.placed(messages, "video"):
            # LLaVA has one tag for both.
            messages = [{**m, "content": _as_videos(m["content"])} for m in messages]
        made["messages"] = _fronted(messages, {name: len(of) for name, of in held.items()})
        made |= {name: of for name, of in held.items() if of}
        made["id"] = str(row.get("id") or f"{Path(unit['file']).stem}/{_named(made)}")
        parse(made, Sample)
    yield made


def said(row: Row) -> Record:
    """What a row says beside its conversation, under the names that records have."""
    source = row.get("dataset") or row.get("data_source")
    found = {"dataset": source, "task": row.get("task"), "scene": row.get("scene")}
    made: Record = {name: str(value) for name, value in found.items() if value}
    return made | ({"meta": {"type": str(row["type"])}} if row.get("type") else {})


def turns(row: Row, tags: Tags) -> list[Record]:
    """A row's messages, as records have them. Raises DataError with the field."""
    field = next((name for name in TURNS if name in row), None)
    given = row[field] if field else None
    if not isinstance(given, list) or not given:
        got = repr(given) if field else "none"
        raise DataError(f"{field or TURNS[0]}: expected turns of a conversation, got {got}")
    messages = []
    if system := row.get("system"):
        messages.append({"role": "system", "content": tags_of.read(str(system), tags)})
    for i, turn in enumerate(given):
        with at(f"{field}[{i}]"):
            messages.append(_message(turn, tags))
    return messages


def _message(turn: Any, tags: Tags) -> Record:
    if not isinstance(turn, Mapping):
        raise DataError(f"expected from and value, or role and content, got {type(turn).__name__}")
    role, content = turn.get("from", turn.get("role")), turn.get("value", turn.get("content"))
    if role not in ROLES:
        raise DataError(f"from: expected one of {', '.join(ROLES)}, got {role!r}")
    if isinstance(content, list):
        return {"role": ROLES[role], "content": [_part(part) for part in content]}
    if not isinstance(content, str):
        raise DataError(f"value: expected text, got {type(content).__name__}")
    return {"role": ROLES[role], "content": tags_of.read(content, tags)}


def _part(part: Any) -> Record:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind not in ("image", "video"):
        raise DataError(f"content: expected parts of text, image or video, got {part!r}")
    return {"type": kind}


def _as_videos(content: Sequence[Record]) -> list[Record]:
    return [{"type": "video"} if part["type"] == "image" else part for part in content]


def _fronted(messages: list[Record], held: Mapping[str, int]) -> list[Record]:
    """The messages, with pictures that none of them places before the first question."""
    missing: list[Record] = []
    for name, count in held.items():
        if (placed := tags_of.placed(messages, name[:-1])) not in (0, count):
            raise DataError(f"{name}: expected {placed}, as the tags say, got {count}")
        missing += [{"type": name[:-1]}] * (count - placed)
    asked = next((i for i, message in enumerate(messages) if message["role"] == "user"), None)
    if asked is None or not missing:
        return messages
    fronted = {**messages[asked], "content": [*missing, *messages[asked]["content"]]}
    return [*messages[:asked], fronted, *messages[asked + 1 :]]


def _named(made: Record) -> str:
    return digest(*(orjson.dumps(made.get(name)).decode() for name in ("images", "videos", "messages")))


def _put(raw: bytes, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"cannot write {place}: {e.strerror}") from e
    file = Output(str(place))
    try:
        file.write(raw)
        file.finish()
    finally:
        file.discard()


class Shelf:
    """Where the pictures of a file lie and go: paths start from `folder`, those for records from `root`."""

    def __init__(
        self, folder: str, root: str = ".", write: str | None = None, fps: float | None = None, most: int | None = None
    ) -> None:
        self._folder, self._root, self._write, self._fps, self._most = folder, root, write, fps, most

    def images(self, references: Sequence[Record]) -> list[str]:
        """Paths for a record; pictures that stand in the file are written. Raises DataError with the field."""
        return self._all(references, "images")

    def videos(self, references: Sequence[Any]) -> list[Record]:
        """Videos as records have them: lists of frames, video files, or folders of frames."""
        found = []
        for i, one in enumerate(references):
            with at(f"videos[{i}]"):
                frames = one.get("frames") if isinstance(one, dict) else one
                if frames is None:
                    found.append(self._film(one))
                elif isinstance(frames, dict):  # a file by its name, as qwen_vl_utils has it
                    found.append(self._film(frames))
                else:
                    fps = one.get("fps") if isinstance(one, dict) else None
                    found.append({"frames": self._all(frames, "frames"), "fps": fps or self._fps or FPS})
        return found

    def _all(self, references: Sequence[Record], name: str) -> list[str]:
        found = []
        for i, one in enumerate(references):
            with at(f"{name}[{i}]"):
                found.append(self._image(one))
        return found

    def _image(self, one: Record) -> str:
        if "base64" in one:
            return pictures.stored(one["base64"], self._room("pictures"), self._root)
        if path := pictures.there(one["path"], self._folder, self._root):
            return path
        raise DataError(f"{one['path']}: no such file in {self._folder} (--images names the folder)")

    def _film(self, one: Record) -> Record:
        if "base64" in one:
            raw = base64.b64decode(one["base64"])
            suffix = Path(one.get("path", "")).suffix or ".mp4"
            place = Path(self._room("videos")) / f"{hashlib.blake2b(raw, digest_size=12).hexdigest()}{suffix}"
            if not place.exists():
                _put(raw, place)
        elif (there := pictures.filmed(one["path"], self._folder)) is None:
            raise DataError(f"{one['path']}: no video and no folder of frames in {self._folder}")
        else:
            place = there
        return pictures.video(str(place), self._root, self._write, self._fps, self._most)

    def _room(self, what: str) -> str:
        if self._write is None:
            raise UsageError(f"{what} that stand in the file need a folder: give --write")
        return self._write
