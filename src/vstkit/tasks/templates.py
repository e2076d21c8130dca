"""Question templates: TOML files beside the generators, their slots checked when they are loaded."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from vstkit.errors import DataError

Texts = dict[str, list[tuple[str, str]]]  # for each key, texts and their names for `meta`


def load(name: str, slots: Mapping[str, Set[str]], own: str | None = None) -> Texts:
    """The templates of `name`.toml: for each key of `slots` ("table.key") texts that have exactly its slots.

    `own` is a user's file with some or all of the keys; its texts replace ours. Raises DataError where a key is
    missing or unknown, or a text lacks a slot or has another, so that a bad template fails at the start and not at the
    ten-thousandth scene.
    """
    texts = _read(Path(__file__).with_name(f"{name}.toml"), name, slots)
    if missing := set(slots) - set(texts):
        raise DataError(f"{name}.toml: expected the keys {sorted(missing)} too")
    if own is not None:
        texts |= _read(Path(own), Path(own).stem, slots)
    return texts


def _read(source: Path, name: str, slots: Mapping[str, Set[str]]) -> Texts:
    try:
        tables = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as e:
        raise DataError(f"{source}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise DataError(f"{source}: expected TOML: {e}") from e
    texts: Texts = {}
    for table, held in tables.items():
        for key, values in held.items() if isinstance(held, dict) else [("", held)]:
            full = f"{table}.{key}" if key else table
            if full not in slots:
                raise DataError(f"{source}: {full}: unknown; known: {', '.join(sorted(slots))}")
            texts[full] = [
                (_checked(text, slots[full], f"{source}: {full}[{i}]"), f"{name}/{full}/{i}")
                for i, text in enumerate(_listed(values, f"{source}: {full}"))
            ]
    return texts


def _listed(values: Any, where: str) -> list[Any]:
    if not isinstance(values, list) or not values:
        raise DataError(f"{where}: expected a list of texts")
    return values


def _checked(text: Any, wanted: Set[str], where: str) -> str:
    if not isinstance(text, str):
        raise DataError(f"{where}: expected a text, got {text!r}")
    try:
        found = {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
    except ValueError as e:
        raise DataError(f"{where}: {e}") from e
    if found != wanted:
        raise DataError(f"{where}: expected the slots {sorted(wanted)}, got {sorted(found)}")
    return text
