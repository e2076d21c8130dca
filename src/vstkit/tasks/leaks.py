"""Families of scenes that must not be touched: what a test set shows may not be trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from vstkit.errors import DataError

SCANNET = re.compile(r"^(scene\d{4})_\d\d$")  # scans of one room differ in the last two digits


def family(name: str) -> str:
    """What a scene's id or family stands for: `scannet/scene0025_01` and `_00` are both `scannet/scene0025`."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + SCANNET.sub(r"\1", last)


def load(path: str) -> frozenset[str]:
    """Families to exclude: names of scenes or families, or records (their `family`, `scene` and `id`), one a line.

    Raises DataError for a file that cannot be read and for a line that names nothing.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{path}: {e.strerror if isinstance(e, OSError) else 'expected UTF-8'}") from e
    return frozenset(family(name) for i, line in enumerate(lines, 1) for name in _names(line.strip(), f"{path}:{i}"))


def _names(line: str, where: str) -> Iterable[str]:
    if not line.startswith("{"):
        return [line] if line and not line.startswith("#") else []
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as e:
        raise DataError(f"{where}: expected a name or a record: {e}") from e
    # A sample's own id says nothing of where it comes from.
    names = _of(record)
    if not names:
        raise DataError(f"{where}: expected a record with a family, a scene or, for a scene, an id")
    return names


def _of(record: Mapping[str, Any]) -> list[str]:
    keys = ("family", "id") if record.get("kind") == "scene" else ("family", "scene")
    return [record[key] for key in keys if isinstance(record.get(key), str) and record[key]]


def holds(excluded: frozenset[str], scene: Mapping[str, Any]) -> bool:
    """Whether a scene is of an excluded family; a name without a dataset before it counts for every dataset."""
    families = {family(name) for name in _of(scene)}
    return not excluded.isdisjoint(families | {name.rpartition("/")[2] for name in families})
