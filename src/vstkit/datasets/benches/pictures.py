"""The pictures of a benchmark's row: base64 or bytes that are written once, by their content, or files that are there.

No path in a file leads out of the folder of the pictures, and what is written is named by what it holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from vstkit import images
from vstkit.datasets import frames
from vstkit.datasets.common import picture, relative
from vstkit.errors import DataError
from vstkit.lineio import Record
from vstkit.tables import Row, listed, missing

FIELDS = ("image", "images", "image_bytes", *(f"image_{i}" for i in range(1, 10)))
PATHS = ("image_path", "image_paths", "img_paths", "img_path", "visual")
REFERENCE = 64  # characters: a shorter text that names no file is the index of the row that has the picture
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


def of_row(row: Row) -> list[Record]:
    """What a row says about its pictures, in order: {"base64"}, {"path"} or {"index"}, the id of another row."""
    found = [_one(value) for name in FIELDS for value in _several(row.get(name))]
    return found or [_one(value) for name in PATHS for value in _several(row.get(name))]


def _several(value: Any) -> list[Any]:
    return [] if missing(value) else [item for item in listed(value) or [value] if not missing(item)]


def _one(value: Any) -> Record:
    if isinstance(value, dict):  # as the Hugging Face hub stores pictures
        value = value.get("bytes") or value.get("path") or ""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    text = str(value).strip()
    if Path(text[-16:]).suffix.lower() in images.SUFFIXES | {".gif"}:
        return {"path": text}
    return {"index": text} if len(text) <= REFERENCE else {"base64": text}


def stored(text: str, folder: str, root: str = ".") -> str:
    """Write a picture that stands in base64 under a name made of its content; its path for the record.

    A file that is there is not written again. Raises DataError for what is not base64, or no picture.
    """
    from PIL import Image

    text = "".join((text.partition(",")[2] if text.startswith("data:") else text).split())
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as e:
        raise DataError(f"expected base64: {e}") from None
    name = hashlib.blake2b(raw, digest_size=12).hexdigest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(raw))
            suffix = SUFFIXES.get(str(image.format))
            target = Path(folder) / f"{name}{suffix or '.png'}"
            if target.exists():
                return relative(target, root)
            image.load()  # a picture that was cut says so only here
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"refused: the header claims more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, EOFError, ValueError) as e:
        raise DataError(f"not a picture: {e}") from None
    if suffix:
        _write(raw, target)
    else:
        images.save(image.convert("RGB"), target)
    return relative(target, root)


def _write(raw: bytes, target: Path) -> None:
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(raw)
        temporary.replace(target)
    except OSError as e:
        raise DataError(f"cannot write {target}: {e.strerror or e}") from e


def inside(name: str, folder: str) -> Path:
    """The file that a row names, under the folder of the pictures; DataError for a name that leads out of it."""
    top = os.path.normpath(folder)
    path = os.path.normpath(os.path.join(top, name))
    if os.path.commonpath([os.path.abspath(top), os.path.abspath(path)]) != os.path.abspath(top):
        raise DataError(f"expected a file in {folder}, got {name!r} (--images names the folder of the pictures)")
    return Path(path)


def there(name: str, folder: str, root: str = ".") -> str | None:
    """The path for the record of a picture under `folder`, None where there is no such file; DataError if it is cut."""
    file = inside(name, folder)
    return picture(file, root)[0] if os.path.isfile(file) else None  # which no name makes raise


def filmed(name: str, folder: str) -> Path | None:
    """The folder of frames or the video file that `name`, with or without its suffix, stands for; None without."""
    place = inside(name, folder)
    bare = place.with_suffix("") if place.suffix.lower() in frames.SUFFIXES else place
    if os.path.isdir(bare) and any(file.suffix.lower() in images.SUFFIXES for file in bare.iterdir()):
        return bare
    candidates: Iterator[Path] = (bare.with_name(bare.name + suffix) for suffix in sorted(frames.SUFFIXES))
    return next((file for file in candidates if os.path.isfile(file)), None)


@lru_cache(maxsize=1024)  # rows about one video need not follow each other
def video(path: str, root: str, write: str | None, fps: float | None, most: int | None) -> Record:
    """The frames of a video file or of a folder, as a sample's `videos` have them.

    Of a file `fps` frames a second are kept, by default all; pictures of a folder were taken `fps` a second, by default
    one. At most `most` are left, evenly spread. Frames of a file are written under `write`.
    """
    from collections import Counter

    (unit,) = frames.find(path, hfov=60.0, fps=fps, max_frames=most)  # of which no sample tells
    place = Path(path).resolve()
    unit["id"] = f"{place.parent.name}/{place.stem}"
    (scene,) = frames.read(unit, Counter(), root=root, write=write)
    views = scene["views"]
    lasts = views[-1].get("time", len(views) - 1) - views[0].get("time", 0)
    return {"frames": [view["image"] for view in views], "fps": round((len(views) - 1) / lasts, 6) if lasts else 1.0}
