"""A video, or a folder of pictures with nothing else, as one scene whose views have times.

A video is decoded with PyAV, one frame at a time; the frames that are kept are written as JPEGs, upright as players
show them. Nothing is known of poses, depth or objects. The camera follows from the field of view, which a video does
not tell: give --hfov.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstkit import images
from vstkit.datasets import bare
from vstkit.datasets.common import numerically, picture, relative, scene
from vstkit.errors import DataError, UsageError
from vstkit.lineio import Record

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg"}


def find(
    path: str, *, hfov: float | None = None, fps: float | None = None, max_frames: int | None = None
) -> Iterator[Record]:
    """One unit: of a video, of a folder's pictures in the order of their numbers, or of each video in a folder.

    `fps` frames a second are kept of a video, by default all; of pictures it says how many were taken a second, by
    default unknown. Of what is left, `max_frames` spread evenly are kept. Raises DataError where there is neither.
    """
    top = Path(path)
    if fps is not None and fps <= 0:
        raise UsageError(f"--fps: expected a positive number, got {fps:g}")
    if max_frames is not None and max_frames < 1:
        raise UsageError(f"--max-frames: expected 1 or more, got {max_frames}")
    inside = sorted(top.iterdir(), key=numerically) if top.is_dir() else [top]
    pictures = [str(file) for file in inside if file.suffix.lower() in images.SUFFIXES] if top.is_dir() else []
    videos = [file for file in inside if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not pictures and not videos:
        raise DataError(f"{path}: expected a video ({', '.join(sorted(SUFFIXES))}) or a folder of pictures")
    bare.warn(path, hfov)
    options = {"kind": "unit", "hfov": hfov, "fps": fps, "max_frames": max_frames}
    if pictures:
        yield {**options, "id": top.resolve().name, "folder": path, "pictures": pictures}
    for video in videos:
        yield {**options, "id": video.stem, "video": str(video)}


def read(
    unit: Record, tally: Counter[str], *, root: str = ".", split: str = "", write: str | None = None
) -> Iterator[Record]:
    """The scene of one unit; a video needs `write`. Raises UsageError where it, or PyAV, is missing."""
    views = _filmed(unit, tally, root, write) if "video" in unit else _photographed(unit, tally, root)
    record: Record = {"kind": "scene", "id": unit["id"], "dataset": "frames", "split": split, "views": views}
    yield scene(record, unit.get("video") or unit["folder"])


def _photographed(unit: Record, tally: Counter[str], root: str) -> list[Record]:
    files = unit["pictures"]
    kept = _spread(len(files), unit["max_frames"])
    if len(kept) < len(files):
        tally["pictures beyond max_frames"] += len(files) - len(kept)
    views = []
    for i in kept:
        held, width, height = picture(files[i], root)
        view: Record = {"image": held, "width": width, "height": height}
        view["camera"] = bare.camera(files[i], width, height, unit["hfov"])
        if unit["fps"]:
            view["time"] = round(i / unit["fps"], 6)
        views.append(view)
    return views


def _filmed(unit: Record, tally: Counter[str], root: str, write: str | None) -> list[Record]:
    if write is None:
        raise UsageError(f"{unit['video']}: a video's frames need a folder: give --write")
    times = _times(unit["video"])
    slots = [math.floor(time * unit["fps"] + 1e-6) for time in times] if unit["fps"] else list(range(len(times)))
    places = [i for i in range(len(times)) if i == 0 or slots[i] > slots[i - 1]]
    kept = {places[i] for i in _spread(len(places), unit["max_frames"])}
    if len(kept) < len(times):
        tally["frames beyond fps or max_frames"] += len(times) - len(kept)
    views = []
    for i, image in _decoded(unit["video"], kept):
        file = Path(write) / unit["id"] / f"{i:06}.jpg"
        images.save(image, file)
        view: Record = {"image": relative(file, root), "width": image.width, "height": image.height}
        view["camera"] = bare.camera(file, image.width, image.height, unit["hfov"])
        views.append({**view, "time": round(times[i] - times[0], 6)})
    if len(views) < len(kept):
        raise DataError(f"{unit['video']}: expected {len(times)} frames, the file is cut short")
    return views


def _spread(count: int, most: int | None) -> list[int]:
    """At most `most` of `count` places, spread evenly, the first and the last among them where there are two."""
    if most is None or count <= most:
        return list(range(count))
    return [round(i * (count - 1) / max(most - 1, 1)) for i in range(most)]


def _times(video: str) -> list[float]:
    """The times of all frames in seconds, in order, read without decoding them."""
    av = _av()
    try:
        with av.open(video) as container:
            stream = container.streams.video[0]
            stamps = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            times = [float(stamp * stream.time_base) for stamp in stamps]
    except (av.FFmpegError, IndexError) as e:
        raise DataError(f"{video}: expected a video: {e}") from None
    if not times:
        raise DataError(f"{video}: expected frames with times, got none")
    return times


def _decoded(video: str, wanted: set[int]) -> Iterator[tuple[int, Image.Image]]:
    """The frames with the numbers `wanted`, in order, upright."""
    av = _av()
    try:
        with av.open(video) as container:
            for i, frame in enumerate(container.decode(video=0)):
                if i in wanted:
                    image = frame.to_image()
                    yield i, image.rotate(frame.rotation, expand=True) if frame.rotation else image
                if i >= max(wanted):
                    return
    except av.FFmpegError as e:
        raise DataError(f"{video}: cannot be decoded: {e}") from None


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise UsageError("frames of a video need PyAV: pip install 'vstkit[video]'") from None
    return av
