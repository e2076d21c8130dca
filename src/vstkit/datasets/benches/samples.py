"""Benchmarks' annotation files as samples to ask: tsv with pictures in base64, csv, xlsx, parquet, JSON, JSON lines.

`suites` has an entry for each benchmark, `rows` makes a sample of a row, `pictures` finds and stores what it shows. A
file of answers alone, {id: answer}, becomes samples without questions, to score against (BLINK, MMMU, EgoSchema).

Files are read row by row, but for JSON, and pictures that several rows refer to, which are held.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vstkit.datasets.benches import pictures, rows
from vstkit.errors import DataError, at
from vstkit.lineio import Record
from vstkit.records import Sample
from vstkit.tables import Row, whole
from vstkit.tables import rows as read_rows
from vstkit.validation import parse

PICTURES_NEED_WRITE = "pictures need --write"
NOT_FOUND = "pictures not found (--images DIR)"
VIDEO_NOT_FOUND = "videos not found (--images DIR)"
NO_QUESTION = "rows without a question, to score against only"


def find(path: str, *, suite: str, images: str | None = None) -> Iterator[Record]:
    """A unit for each row of a benchmark's file, in its order.

    `images` is the folder that paths of pictures and videos start from, by default the file's. Raises DataError for a
    file that cannot be read, an id that stands twice, a picture that is not there where `images` is given, and a
    reference to a row that has none.
    """
    entry = rows.bench(suite)
    shared = _shared(path, entry.ids)
    seen: set[str] = set()
    for number, (where, row) in enumerate(read_rows(path)):
        unit: Record = {"kind": "unit", "id": where, "where": where.removeprefix(f"{path}: ")}
        try:
            sample = rows.sample(row, suite, number)
        except DataError as e:  # one bad row is the stream's business
            yield {**unit, "fault": str(e)}
            continue
        if sample["id"] in seen:
            raise DataError(f"{where}: id: {sample['id']!r} stands twice")
        seen.add(sample["id"])
        shown = [shared.get(one["index"], [one]) if "index" in one else [one] for one in pictures.of_row(row)]
        unit |= {"sample": sample, "pictures": [one for several in shown for one in several]}
        unit |= {"video": entry.video(row), "folder": images or str(Path(path).parent), "given": images is not None}
        yield unit


def _shared(path: str, ids: tuple[str, ...]) -> dict[str, list[Record]]:
    """The pictures of rows that other rows refer to by index, as VLMEvalKit saves space."""
    wanted: set[str] = set()
    if not path.endswith(".parquet"):
        wanted = {one["index"] for _, row in read_rows(path) for one in pictures.of_row(row) if "index" in one}
    if not wanted:
        return {}
    held = ((str(whole(rows.first(row, ids))), row) for _, row in read_rows(path))
    return {index: pictures.of_row(row) for index, row in held if index in wanted}


def read(
    unit: Record,
    tally: Counter[str],
    *,
    root: str = ".",
    write: str | None = None,
    fps: float | None = None,
    max_frames: int | None = None,
) -> Iterator[Record]:
    """The sample of one row. Pictures that stand in the file need `write`; without it they are left out and counted."""
    with at(unit["where"]):
        if "fault" in unit:
            raise DataError(unit["fault"])
        sample = unit["sample"]
        if sample["messages"]:
            with at("image"):
                shown = _shown(unit, tally, root, write)
            with at("video"):
                film = _film(unit, tally, root, write, fps, max_frames)
            content, shown = _placed(sample["messages"][0]["content"][0]["text"], shown, len(film))
            sample["messages"] = [{"role": "user", "content": content}]
            sample |= {name: held for name, held in (("images", shown), ("videos", film)) if held}
        else:
            tally[NO_QUESTION] += 1
        parse(sample, Sample)
    yield sample


def _shown(unit: Record, tally: Counter[str], root: str, write: str | None) -> list[str]:
    found: list[str] = []
    for one in unit["pictures"]:
        if "index" in one:
            raise DataError(f"expected a picture, or the index of a row that has one, got {one['index']!r}")
        if "base64" in one:
            if write is None:
                tally[PICTURES_NEED_WRITE] += 1
                return []
            found.append(pictures.stored(one["base64"], write, root))
        elif path := pictures.there(one["path"], unit["folder"], root):
            found.append(path)
        elif unit["given"]:
            raise DataError(f"{one['path']}: no such file in {unit['folder']}")
        else:
            tally[NOT_FOUND] += 1
            return []
    return found


def _film(
    unit: Record, tally: Counter[str], root: str, write: str | None, fps: float | None, most: int | None
) -> list[Record]:
    if not unit["video"]:
        return []
    place = pictures.filmed(unit["video"], unit["folder"])
    if place is None:
        if unit["given"]:
            raise DataError(f"{unit['video']}: no video and no folder of frames in {unit['folder']}")
        tally[VIDEO_NOT_FOUND] += 1
        return []
    if place.is_file() and write is None:
        tally[PICTURES_NEED_WRITE] += 1
        return []
    return [pictures.video(str(place), root, write, fps, most)]


_PLACE = re.compile(r"<image(?: (\d+))?>")


def _placed(text: str, shown: list[str], films: int) -> tuple[list[Row], list[str]]:
    """A message's content, and its pictures in the order in which it places them.

    Pictures stand where the text names them, <image> or <image 2>, if it names all; else before it.
    """
    picture: dict[str, Any] = {"type": "image"}
    content: list[Row] = [{"type": "video"}] * films
    named = [int(mark[1] or i) for i, mark in enumerate(_PLACE.finditer(text), 1)]
    if not shown or set(named) != set(range(1, len(shown) + 1)):
        return [*content, *([picture] * len(shown)), {"type": "text", "text": text}], shown
    for i, part in enumerate(_PLACE.split(text)[::2]):
        content += [picture] if i else []
        content += [{"type": "text", "text": part}] if part.strip() else []
    return content, [shown[number - 1] for number in named]
