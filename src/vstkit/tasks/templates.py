"""Question templates: TOML files beside the generators, their slots checked when they are loaded."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Set
from pathlib import Path

from vstkit.errors import DataError


def load(name: str, slots: Mapping[str, Set[str]]) -> dict[str, list[str]]:
    """The templates of `name`.toml: a list of texts for each key of `slots`, which names the slots that all must have.

    Raises DataError where a key is missing or a text lacks a slot or has another, so that a bad template fails at the
    start and not at the ten-thousandth scene.
    """
    source = Path(__file__).with_name(f"{name}.toml")
    texts = tomllib.loads(source.read_text(encoding="utf-8"))
    if set(texts) != set(slots):
        raise DataError(f"{source.name}: expected the keys {sorted(slots)}, got {sorted(texts)}")
    for key, wanted in slots.items():
        for i, text in enumerate(texts[key]):
            found = {slot for _, slot, _, _ in string.Formatter().parse(text) if slot is not None}
            if found != wanted:
                raise DataError(f"{source.name}: {key}[{i}]: expected the slots {sorted(wanted)}, got {sorted(found)}")
    return texts
