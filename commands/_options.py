"""Options that mean the same in every command, each defined once.

`Files` and the options of `streaming` are on every command over records; the others are picked where they apply.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vstkit.errors import UsageError

Root = Annotated[
    str,
    typer.Option(
        "--root",
        metavar="DIR",
        envvar="VSTKIT_ROOT",
        help="Folder that relative paths in records start from.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of every random choice.")]
Model = Annotated[
    str,
    typer.Option("--model", metavar="DIR", envvar="VSTKIT_MODEL", help="Folder of a Qwen2.5-VL or Qwen3-VL model."),
]
Keep = Annotated[
    bool, typer.Option("--keep", "-k", help="Pass each scene on after its samples, for the next generator.")
]
Report = Annotated[str | None, typer.Option("--report", metavar="FILE", help="Write the counts as JSON.")]
Explain = Annotated[
    str | None,
    typer.Option("--explain", metavar="ID", help="Write how one sample came about instead of all samples."),
]
Focal = Annotated[
    float | None,
    typer.Option(
        "--focal",
        metavar="PX",
        help="Focal length to unify to; 696.3 (a 960 px wide image of 69.16 degrees) if not given.",
    ),
]
Hfov = Annotated[
    float | None, typer.Option("--hfov", metavar="DEG", help="Horizontal field of view of bare image files.")
]

# The defaults stand in vstkit.evidence too, which may not be imported for a help text: numpy takes 0.1 s.
MIN_SHARE, MIN_FRACTION = 0.001, 0.1
MinShare = Annotated[
    float,
    typer.Option(
        "--min-share",
        metavar="SHARE",
        min=0,
        max=1,
        help="Share of the image that an object must cover to count as seen.",
    ),
]
MinFraction = Annotated[
    float,
    typer.Option("--min-fraction", metavar="SHARE", min=0, max=1, help="Share of its box's outline that must be seen."),
]

_Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="Files of JSON lines; none or - is standard input."),
]
_Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here, whole or not at all, instead of standard output."),
]
_OnError = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-error", help="What a bad record does: stop the run, or be counted and left out."),
]
_MaxBad = Annotated[
    float,
    typer.Option(
        "--max-bad",
        metavar="SHARE",
        min=0,
        max=1,
        help="With --on-error skip: fail at the end above this share of bad records.",
    ),
]
_Rejects = Annotated[
    str | None,
    typer.Option("--rejects", metavar="FILE", help="Write each bad record here, with its place and its fault."),
]
_Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=1,
        envvar="VSTKIT_JOBS",
        help="Processes; the output is the same for any number.",
    ),
]
_Limit = Annotated[
    int | None, typer.Option("--limit", "-n", metavar="N", min=0, help="Read at most this many records.")
]
_Shard = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Read only records I, I+N, I+2N, ... (I from 1 to N).")
]
_Quiet = Annotated[
    int, typer.Option("--quiet", "-q", count=True, show_default=False, help="Say less on standard error.")
]
_Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; first the command line itself."),
]
_Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]

_SAYING: dict[str, tuple[Any, Any]] = {
    "quiet": (_Quiet, 0),
    "verbose": (_Verbose, 0),
    "debug": (_Debug, False),
}
_STREAMING: dict[str, tuple[Any, Any]] = {
    "files": (_Files, None),
    "output": (_Output, None),
    "on_error": (_OnError, "stop"),
    "max_bad": (_MaxBad, 0.01),
    "rejects": (_Rejects, None),
    "jobs": (_Jobs, 1),
    "limit": (_Limit, None),
    "shard": (_Shard, "1/1"),
    **_SAYING,
}


def streaming(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of every command over records.

    The command's first parameter, `stream`, becomes a function that opens the `vstkit.stream.Stream` they
    describe; its keywords are the stream's own that are no options.
    """

    name = function.__module__.rpartition(".")[2].replace("_", "-")

    def call(shared: dict[str, Any], own: dict[str, Any]) -> None:
        def open_stream(**more: Any) -> Any:
            from vstkit.stream import Stream

            options = {**shared, "files": shared["files"] or [], "shard": _shard(shared["shard"])}
            return Stream(name, **options, **more)

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


def pictures(root: str, hfov: float | None) -> Callable[[str], dict[str, Any] | None]:
    """Lets a command take picture files beside files of records."""

    def convert(name: str) -> dict[str, Any] | None:
        from vstkit import fov, images

        return fov.scene_of_image(name, root, hfov) if Path(name).suffix.lower() in images.SUFFIXES else None

    return convert
