"""Make the files of this folder again: `python tests/data/make.py [FOLDER]`. Everything here comes from this script.

scenes.jsonl is one view of a room: a table, two chairs, a cabinet, a lamp, and a basket behind the cabinet that cannot
be seen. photo.jpg says its focal length in EXIF, plain.jpg does not; the header of huge.png claims 60,000 x 60,000
pixels.
"""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import orjson
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from room import look_at, write_scene

THINGS = {
    "table": (0.2, 0.55, 2.6, 1.2, 0.7, 0.8, 0, 20, 0),
    "left chair": (-0.75, 0.5, 1.9, 0.45, 0.8, 0.45, 0, -35, 0),
    "right chair": (1.25, 0.5, 3.3, 0.45, 0.8, 0.45, 0, 65, 0),
    "cabinet": (-1.1, 0.1, 3.9, 0.9, 1.6, 0.5, 0, 0, 0),
    "lamp": (0.35, 0.05, 2.5, 0.2, 0.3, 0.2, 0, 0, 0),
    "basket": (-1.25, 0.6, 4.6, 0.4, 0.4, 0.4, 0, 10, 0),
}
FOCAL_35MM = 26  # millimetres


def png(width: int, height: int) -> bytes:
    """A PNG file whose header claims this size, with hardly any pixels behind it."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(b"\0"),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )


def main(folder: Path) -> None:
    labels = [name.split()[-1] for name in THINGS]
    view = ([80.0, 80.0, 47.5, 35.5], 96, 72, look_at((0, -0.4, 0), (0, 0.3, 3)))
    scene = write_scene(folder, list(THINGS.values()), labels, [view], dataset="tests", license="Apache-2.0")
    (folder / "scenes.jsonl").write_bytes(orjson.dumps(scene, option=orjson.OPT_APPEND_NEWLINE))

    photo = Image.open(folder / "room-0.png")
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = FOCAL_35MM
    photo.save(folder / "photo.jpg", exif=exif)
    photo.save(folder / "plain.jpg")
    (folder / "huge.png").write_bytes(png(60_000, 60_000))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
