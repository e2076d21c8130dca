"""The gallery: one HTML file that needs nothing else. It is written as records come, so memory stays flat.

Images and items stand in the page as data blocks, each image once; the script puts only what is on the screen into the
document. Every text goes through textContent, and "<" is escaped in JSON, so nothing in a record becomes markup.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from vstkit import images
from vstkit.chance import digest
from vstkit.errors import at
from vstkit.show import items

Record = dict[str, Any]

WIDTH = 640  # pixels of an embedded picture
QUALITY = 82
SCORES = 500  # in one table
HERE = Path(__file__).parent


def prepared(
    record: Record, tally: Any, *, root: str = ".", width: int = WIDTH, link_from: str | None = None
) -> list[tuple[Record, dict[str, str]]]:
    """A record's item and the images that it names: {key: base64 JPEG}.

    With `link_from`, the folder of the page, pictures that are files as they stand or only resized are not embedded:
    their key is the file's URL.
    """
    item = items.item(record, root)
    held: dict[str, str] = {}
    for picture in item.get("pictures", []):
        recipe = picture["image"]
        if link_from is not None and all(op["op"] == "resize" for op in images.ops_of(recipe)):
            file = images.located(images.path_of(recipe), root)
            picture["image"] = quote(os.path.relpath(file, link_from))
            continue
        with at(picture["field"]):
            picture["image"], held_image = _embedded(json.dumps(recipe, sort_keys=True), root, width)
        held[picture["image"]] = held_image
    return [(item, held)]


# The samples of one view follow each other and often share its picture.
@functools.lru_cache(maxsize=64)
def _embedded(recipe_json: str, root: str, width: int) -> tuple[str, str]:
    from PIL import Image

    image = images.open_image(json.loads(recipe_json), root)
    if image.width > width:
        image = image.resize((width, max(round(image.height * width / image.width), 1)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"i{digest(recipe_json, root, width)}", base64.b64encode(buffer.getvalue()).decode()


def page(prepared_records: Iterable[tuple[Record, dict[str, str]]], title: str = "vstkit show") -> Iterator[str]:
    """The page, piece by piece; nothing at all where there are no records."""
    written: set[str] = set()
    begun = False
    for item, held in _together(prepared_records):
        if not begun:
            begun = True
            yield _head(title)
        for key, data in held.items():
            if key not in written:
                written.add(key)
                yield f'<script type="image/jpeg" id="{key}">{data}</script>\n'
        yield _block(item)
    if begun:
        yield _tail()


def _together(prepared_records: Iterable[tuple[Record, dict[str, str]]]) -> Iterator[tuple[Record, dict[str, str]]]:
    """Scores that follow each other, as one item: each is one number."""
    table: list[Record] = []

    def scores() -> Iterator[tuple[Record, dict[str, str]]]:
        if table:
            suites = ", ".join(dict.fromkeys(score["suite"] for score in table))
            name = f"{len(table)} of {suites}"
            yield {"record": {"kind": "score", "id": name, "task": suites, "scores": list(table)}}, {}
            table.clear()

    for item, held in prepared_records:
        if item["record"]["kind"] == "score":
            table.append(item["record"])
            if len(table) == SCORES:
                yield from scores()
            continue
        yield from scores()
        yield item, held
    yield from scores()


def _block(item: Record) -> str:
    record = item["record"]
    facets = {
        "kind": record["kind"],
        "task": str(record.get("task") or ""),
        "labels": "\n".join(items.labels(record))
        if record["kind"] in ("scene", "sample", "prediction", "pack")
        else "",
    }
    attributes = " ".join(f'data-{name}="{html.escape(value)}"' for name, value in facets.items())
    # Within a script element only "</" and "<!--" mean anything; in JSON a "<" stands in strings alone.
    text = orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")
    return f'<script type="application/json" {attributes}>{text}</script>\n'


def _head(title: str) -> str:
    before = (HERE / "page.html").read_text(encoding="utf-8").partition("<!-- records -->")[0]
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return before.replace("<!-- title -->", html.escape(title)).replace("/* style */", style)


def _tail() -> str:
    after = (HERE / "page.html").read_text(encoding="utf-8").partition("<!-- records -->")[2]
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("drawing.js", "record.js", "page.js"))
    return after.replace("/* script */", script)
