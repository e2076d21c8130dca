"""Trajectories: the poses of a sequence in one text file, camera to world, as TUM, ICL-NUIM or Redwood write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vstkit.datasets.common import read_bytes, rigid
from vstkit.errors import DataError

Pose = list[list[float]]
_Line = tuple[int, list[str]]
KINDS = {8: "times", 7: "lines", 3: "log"}  # by the numbers in the first line


def read(file: str) -> tuple[str, dict[float, Pose]]:
    """What the first line says the file is, and its poses (4, 4).

    "times": lines of time tx ty tz qx qy qz qw, poses by time in seconds (TUM). "lines": lines of tx ty tz qx qy qz qw,
    poses by line from 0 (ICL-NUIM). "log": a line i j k and four rows of four, poses by i (Redwood). Lines that begin
    with # are comments. Raises DataError naming the line of what is not finite, not a unit quaternion or not rigid.
    """
    lines, form = _lines(file), kind(file)
    if form == "times":
        return form, {row[0]: placed(row[1:4], row[4:], where) for row, where in _rows(lines, 8, file)}
    if form == "lines":
        rows = enumerate(_rows(lines, 7, file))
        return form, {i: placed(row[:3], row[3:], where) for i, (row, where) in rows}
    return form, dict(_log(lines, file))


def kind(file: str) -> str:
    """What `read` calls the file's form, by the length of its first line; raises DataError for any other."""
    width = len(next((words for _, words in _lines(file)), []))
    if width not in KINDS:
        raise DataError(f"{file}: expected lines of 8 (TUM), 7 (ICL-NUIM) or first 3 numbers (Redwood), got {width}")
    return KINDS[width]


def _lines(file: str) -> list[_Line]:
    text = read_bytes(file).decode(errors="replace")
    numbered = ((number, line.replace(",", " ").split()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, words) for number, words in numbered if words and not words[0].startswith("#")]


def placed(translation: Sequence[float], quaternion: Sequence[float], where: str) -> Pose:
    """The motion (4, 4) that turns by a unit quaternion x y z w, then moves; raises DataError where it is not unit."""
    from scipy.spatial.transform import Rotation

    length = float(np.linalg.norm(quaternion))
    if not abs(length - 1) <= 0.01:
        raise DataError(f"{where}: expected a unit quaternion, got length {length:.4g}")
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    motion[:3, 3] = translation
    return rigid(motion, where)


def _log(lines: list[_Line], file: str) -> Iterator[tuple[int, Pose]]:
    for i in range(0, len(lines), 5):
        head, *body = lines[i : i + 5]
        (index, *_), where = next(_rows([head], 3, file))
        if len(body) != 4:
            raise DataError(f"{where}: expected four rows of a matrix after it, got {len(body)}")
        yield int(index), rigid([row for row, _ in _rows(body, 4, file)], where)


def _rows(lines: list[_Line], width: int, file: str) -> Iterator[tuple[list[float], str]]:
    """Lines as `width` finite numbers, each with its place."""
    for number, words in lines:
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != width or not np.isfinite(row).all():
            raise DataError(f"{file}:{number}: expected {width} finite numbers, got {' '.join(words)[:60]}")
        yield row, f"{file}:{number}"
