"""What surrounds a command's function: the options that all commands share, and the stream that they describe."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vstkit.errors import UsageError

from . import _options as options

_SAYING: dict[str, tuple[Any, Any]] = {
    "quiet": (options.Quiet, 0),
    "verbose": (options.Verbose, 0),
    "debug": (options.Debug, False),
}
_STREAMING: dict[str, tuple[Any, Any]] = {
    "files": (options.Files, None),
    "output": (options.Output, None),
    "on_error": (options.OnError, "stop"),
    "max_bad": (options.MaxBad, 0.01),
    "rejects": (options.Rejects, None),
    "jobs": (options.Jobs, 1),
    "limit": (options.Limit, None),
    "shard": (options.Shard, "1/1"),
    **_SAYING,
}


def streaming(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every command over records.

    The command's first parameter, `stream`, becomes a function that opens the `vstkit.stream.Stream` they
    describe; its keywords are the stream's own that are no options. `needs` names what must be given as FILE.
    """

    name = function.__module__.rpartition(".")[2].replace("_", "-")

    def call(shared: dict[str, Any], own: dict[str, Any]) -> None:
        def open_stream(needs: str = "", **more: Any) -> Any:
            from vstkit.stream import Stream

            if needs and not shared["files"]:
                raise UsageError(f"expected a {needs}, got none")
            options = {**shared, "files": shared["files"] or [], "shard": _shard(shared["shard"])}
            return Stream(name, **{**options, **more})

        function(open_stream, **own)

    return _extended(function, _STREAMING, call, skip=1)


def saying(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command that is not over records -q, -v and --debug."""
    return _extended(function, _SAYING, lambda _, own: function(**own), skip=0)


def _extended(
    function: Callable[..., None],
    options: dict[str, tuple[Any, Any]],
    call: Callable[[dict[str, Any], dict[str, Any]], None],
    skip: int,
) -> Callable[..., None]:
    """`function` with the parameters `options` after its own, which Typer reads from the signature."""

    @functools.wraps(function)
    def command(**given: Any) -> None:
        shared = {name: given.pop(name) for name in options}
        _say(shared["quiet"], shared.pop("verbose"), shared.pop("debug"))
        call(shared, given)

    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[skip:]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in options.items()
    ]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + added
    # Files come first in the usage line whatever the order here; options are listed as they stand.
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return command


def _say(quiet: int, verbose: int, debug: bool) -> None:
    # Level INFO, the default, is what a command sums up at its end.
    logging.getLogger("vstkit").setLevel(logging.INFO + 10 * (quiet - verbose))
    logging.getLogger("vstkit").debug("%s", shlex.join(["vstkit", *sys.argv[1:]]))
    if debug:
        os.environ["VSTKIT_DEBUG"] = "1"  # workers and child processes see it too


def _shard(text: str) -> tuple[int, int]:
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise UsageError(f"--shard: expected I/N with I from 1 to N, got {text}")
    return int(index), int(count)


def pictures(root: str, hfov: float | None) -> Callable[[str], list[dict[str, Any]] | None]:
    """Lets a command take picture files beside files of records."""

    def convert(name: str) -> list[dict[str, Any]] | None:
        from vstkit import fov, images

        return [fov.scene_of_image(name, root, hfov)] if Path(name).suffix.lower() in images.SUFFIXES else None

    return convert
