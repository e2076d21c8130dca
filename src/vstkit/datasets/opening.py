"""A reader and the options that a user gave, put together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from vstkit.datasets import reader
from vstkit.errors import UsageError
from vstkit.lineio import Convert, Record


def opened(layout: str, root: str, given: Mapping[str, Any]) -> tuple[Convert, Callable[..., Iterable[Record]]]:
    """What finds the units of a layout under a path, and what reads one.

    `given` are the options of `find` and `read` that the user gave. Raises UsageError for one that the layout does
    not have, and for a layout that is not known.
    """
    module = reader(layout)
    own = {name: set(inspect.signature(getattr(module, name)).parameters) for name in ("find", "read")}
    for option in given:
        if option not in own["find"] | own["read"]:
            raise UsageError(f"--{option.replace('_', '-')}: {layout} has no use for it")
    find, read = ({key: value for key, value in given.items() if key in own[name]} for name in ("find", "read"))
    return partial(module.find, **find), partial(module.read, root=root, **read)


def numbers(text: str) -> list[float]:
    """Intrinsics as they are written on the command line: fx,fy,cx,cy."""
    try:
        fx, fy, cx, cy = map(float, text.split(","))
    except ValueError:
        raise UsageError(f"--camera: expected FX,FY,CX,CY, got {text}") from None
    return [fx, fy, cx, cy]
