"""What dataset readers share: paths, JSON, pictures, and matrices that are checked as they come in.

`where` names the file and the field in messages: "scan/intrinsic.txt", "train.json: annotations[3].R_cam".
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import ArrayLike

from vstkit import images
from vstkit.errors import DataError, at
from vstkit.geometry.rotations import Array, matrix_to_euler
from vstkit.lineio import Record
from vstkit.records import Scene
from vstkit.validation import parse

ORTHONORMAL = 1e-3  # how far axes may be from unit length and right angles
ASPECT = 0.01  # share by which a map's aspect may differ from its picture's: ScanNet's does by half of it
SKEW = 1e-3  # share of fx
_ENDS = {b"\x89PNG": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}  # how a whole file ends, by how it begins


def relative(path: str | os.PathLike[str], root: str = ".") -> str:
    """`path`, which starts from the current folder, as records have it: from `root`.

    A path outside the default root, the current folder, stays as it is.
    """
    given = os.fspath(path)
    from_root = images.really_from(given, root)
    outside = from_root.split(os.sep, 1)[0] == os.pardir
    return given if outside and os.path.normpath(root) == os.curdir else from_root


def numerically(name: str | os.PathLike[str]) -> list[str | int]:
    """A key that sorts frame 2 before frame 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", os.fspath(name))]


def load_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file; NaN is read, so that the check of the field can name it. Raises DataError."""
    raw = read_bytes(path)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw)  # knows NaN and Infinity, which Python writes
    except ValueError as e:
        raise DataError(f"{os.fspath(path)}: not JSON: {e}") from None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """A file's content; raises DataError naming a file that is missing or cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{os.fspath(path)}: no such file") from None
    except OSError as e:
        raise DataError(f"{os.fspath(path)}: {e.strerror or e}") from e


def read_numbers(path: str | os.PathLike[str], count: int | None = None) -> list[float]:
    """The numbers of a text file in a row, `count` of them where it is given; raises DataError."""
    try:
        values = [float(word) for word in read_bytes(path).decode().replace(",", " ").split()]
    except ValueError as e:
        raise DataError(f"{os.fspath(path)}: expected numbers: {e}") from None
    if count is not None and len(values) != count:
        raise DataError(f"{os.fspath(path)}: expected {count} numbers, got {len(values)}")
    return values


def matrix(values: Any, shape: tuple[int, ...], where: str) -> Array:
    """`values` as a finite array of `shape`; -1 in `shape` fits any length. Raises DataError."""
    text = "x".join("n" if n < 0 else str(n) for n in shape)
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{where}: expected {text} numbers, got {str(values)[:60]}") from None
    if len(array.shape) != len(shape) or any(n not in (-1, m) for n, m in zip(shape, array.shape, strict=True)):
        raise DataError(f"{where}: expected {text} numbers, got {'x'.join(map(str, array.shape)) or 'one'}")
    if not np.isfinite(array).all():
        raise DataError(f"{where}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array


def dicts(values: Any, where: str) -> list[Record]:
    """`values` when it is a list of objects; raises DataError."""
    if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
        raise DataError(f"{where}: expected a list of objects, got {str(values)[:60]}")
    return values


def rigid(values: ArrayLike, where: str) -> list[list[float]]:
    """A rotation (3, 3) as it is, or a rigid motion (3, 4) or (4, 4) as a 4x4 matrix, in nested lists.

    Raises DataError unless the numbers are finite, the axes orthonormal to 0.001 and right-handed, and the last row of
    a 4x4 matrix is 0 0 0 1.
    """
    shape = _shape(values)
    given = matrix(values, shape if shape in ((3, 3), (3, 4), (4, 4)) else (4, 4), where)
    R = given[:3, :3]
    off = float(np.abs(R.T @ R - np.eye(3)).max())
    if off > ORTHONORMAL:
        raise DataError(f"{where}: expected an orthonormal rotation (to {ORTHONORMAL}), off by {off:.3g}")
    if np.linalg.det(R) < 0:
        raise DataError(f"{where}: expected a right-handed rotation, got a mirror (determinant -1)")
    if shape == (3, 3):
        return _listed(given, 9)
    if shape == (4, 4) and np.abs(given[3] - (0, 0, 0, 1)).max() > 1e-6:
        raise DataError(f"{where}: expected the last row 0 0 0 1, got {given[3].tolist()}")
    return [*_listed(given[:3], 9), [0.0, 0.0, 0.0, 1.0]]


def intrinsics(K: ArrayLike, where: str) -> list[float]:
    """[fx, fy, cx, cy] of a camera matrix (3, 3), (3, 4) or (4, 4).

    Raises DataError for one that is not finite, is transposed, has skew, or whose focal lengths are not positive.
    """
    shape = _shape(K)
    given = matrix(K, shape if shape in ((3, 4), (4, 4)) else (3, 3), where)
    if np.abs(given[2, :2]).max() > 1e-6 and not given[:2, 2].any():
        raise DataError(f"{where}: expected cx and cy in the last column, got a transposed matrix {given.tolist()}")
    if np.abs(given[2, :3] - (0, 0, 1)).max() > 1e-6 or abs(given[1, 0]) > 1e-6:
        raise DataError(f"{where}: expected rows fx 0 cx, 0 fy cy, 0 0 1, got {given.tolist()}")
    fx, fy, cx, cy = (float(given[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if min(fx, fy) <= 0:
        raise DataError(f"{where}: expected fx and fy positive, got {fx:g} and {fy:g}")
    if abs(given[0, 1]) > SKEW * fx:
        raise DataError(f"{where}: expected a camera without skew, got {given[0, 1]:g}")
    return [fx, fy, cx, cy]


def box9(centre: ArrayLike, size: ArrayLike, R: ArrayLike) -> list[float]:
    """A box as records have it: centre and full sizes (m), then pitch, yaw, roll (degrees) of R (3, 3), box to world.

    Rounded to 1e-6, so that it is the same on every machine. R is one that `rigid` has let pass.
    """
    nine = np.concatenate([np.asarray(centre, dtype=float), np.asarray(size, dtype=float), matrix_to_euler(R)])
    rounded: list[float] = (nine.round(6) + 0.0).tolist()
    return rounded


def unit(vector: ArrayLike, where: str) -> list[float]:
    """A vector (3,) at length 1, such as a scene's `up`; raises DataError for one without direction."""
    given = matrix(vector, (3,), where)
    length = float(np.linalg.norm(given))
    if length < 1e-6:
        raise DataError(f"{where}: expected a direction, got {given.tolist()}")
    rounded: list[float] = ((given / length).round(9) + 0.0).tolist()
    return rounded


def picture(path: str | os.PathLike[str], root: str = ".") -> tuple[str, int, int]:
    """(path for the record, width, height) of an image file, from its header; a file that was cut is a DataError."""
    return _headed(os.fspath(path), root, images.open_image)


def depth(
    path: str | os.PathLike[str], scale: float, kind: str, size: tuple[int, int], root: str = "."
) -> dict[str, Any]:
    """The `depth` of a view whose picture has `size` (width, height); raises DataError for another aspect."""
    return {"path": aligned(path, size, root), "scale": scale, "kind": kind}


def aligned(path: str | os.PathLike[str], size: tuple[int, int], root: str = ".") -> str:
    """The path for the record of a map over a picture of `size`; raises DataError where the aspects differ."""
    name, width, height = _headed(os.fspath(path), root, images.read_map)
    if abs(width / height / (size[0] / size[1]) - 1) > ASPECT:
        raise DataError(
            f"{os.fspath(path)}: expected the aspect of its picture, {size[0]}x{size[1]}, got {width}x{height}"
        )
    return name


def in_split(unit: Record, split: str, tally: Counter[str]) -> bool:
    """Whether a unit is of the split that was asked for: where the layout tells none, it is."""
    if not split or not unit.get("split") or unit["split"] == split:
        return True
    tally[f"unit: of split {unit['split']}"] += 1
    return False


def scene(record: Record, where: str) -> Record:
    """`record` less its empty texts, when it is a valid scene; else a DataError that names the file."""
    kept = {name: value for name, value in record.items() if value != ""}
    with at(where):
        parse(kept, Scene)
    return kept


def _headed(name: str, root: str, decode: Callable[[str], Any]) -> tuple[str, int, int]:
    width, height = images.file_size(name)
    with Path(name).open("rb") as file:
        begin = file.read(4)
        file.seek(-min(8, os.fstat(file.fileno()).st_size), os.SEEK_END)
        end = file.read(8)
    wanted = next((tail for head, tail in _ENDS.items() if begin.startswith(head)), None)
    if wanted is None or not end.endswith(wanted):
        decode(name)  # the header says nothing of a file that was cut: its end is not where it should be
    return relative(name, root), width, height


def _shape(values: Any) -> tuple[int, ...]:
    try:
        return np.shape(values)
    except ValueError:  # rows of different lengths
        return ()


def _listed(values: Array, digits: int) -> list[list[float]]:
    listed: list[list[float]] = (values.round(digits) + 0.0).tolist()
    return listed
