"""What every generator command has around its tasks: their options, and samples, or one explained, then the sum."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, NamedTuple

import typer

from vstkit.errors import DataError

from . import _command
from . import _options as options

Record = dict[str, Any]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "tasks": (
        Annotated[
            str | None,
            typer.Option("--tasks", metavar="NAME,...", help="Ask these tasks only; the description names them."),
        ],
        None,
    ),
    "per_view": (
        Annotated[int, typer.Option("--per-view", metavar="N", min=0, help="Samples of each task for each view.")],
        4,
    ),
    "per_scene": (
        Annotated[
            int | None,
            typer.Option("--per-scene", metavar="N", min=0, help="Samples for each scene, spread over the tasks."),
        ],
        None,
    ),
    "balance": (
        Annotated[
            bool, typer.Option("--balance", help="Make more, and keep those that spread the answers of a scene evenly.")
        ],
        False,
    ),
    "templates": (
        Annotated[
            str | None,
            typer.Option("--templates", metavar="FILE", help="Your own wordings (TOML), instead of ours of that key."),
        ],
        None,
    ),
    "exclude": (
        Annotated[
            str | None,
            typer.Option(
                "--exclude",
                metavar="FILE",
                help="Names or records, one a line, whose families are never asked about.",
            ),
        ],
        None,
    ),
    "min_share": (options.MinShare, options.MIN_SHARE),
    "min_fraction": (options.MinFraction, options.MIN_FRACTION),
    "root": (options.Root, "."),
    "seed": (options.Seed, 0),
    "keep": (options.Keep, False),
    "report": (options.Report, None),
    "explain": (options.Explain, None),
}


class Rewritten(NamedTuple):
    """Keywords for each task, and what writes instead of the stream: it gets records, stream and root.

    With `resume` the stream goes on with the file of a run that was stopped.
    """

    own: dict[str, Any]
    write: Callable[[Iterator[Record], Any, str], None]
    resume: bool = False


Own = dict[str, Any] | Rewritten


def generator(module: str) -> Callable[[Callable[..., Own]], Callable[..., None]]:
    """Make a command of `vstkit.tasks.MODULE`, whose COMMAND, TASKS, OPTIONAL, SLOTS and explain it uses.

    The decorated function has the options of its own and returns them as keywords for each task.
    """

    def decorate(function: Callable[..., Own]) -> Callable[..., None]:
        def command(stream: Any, **given: Any) -> None:
            shared = {name: given.pop(name) for name in _OPTIONS}
            _run(stream, module, function(**given), **shared)

        command.__module__, command.__doc__, command.__name__ = function.__module__, function.__doc__, "command"
        stream = inspect.Parameter("stream", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Any)
        own = [p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(function, eval_str=True).parameters.values()]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for name, (kind, default) in _OPTIONS.items()
        ]
        command.__signature__ = inspect.Signature([stream, *own, *added])  # type: ignore[attr-defined]
        return _command.streaming(command)

    return decorate


def _run(
    open_stream: Any,
    module: str,
    own: Own,
    *,
    tasks: str | None,
    templates: str | None,
    exclude: str | None,
    keep: bool,
    report: str | None,
    explain: str | None,
    **frame: Any,
) -> None:
    from vstkit.lineio import Output, encode
    from vstkit.tasks import asking
    from vstkit.tasks.common import notes, summary

    own, write, resume = own if isinstance(own, Rewritten) else (own, None, False)
    names = None if tasks is None else [name.strip() for name in tasks.split(",")]
    generate = asking.maker(module, own, tasks=names, templates=templates, exclude=exclude, **frame)
    with open_stream(**({"resume": True} if resume else {})) as stream:
        if explain:
            texts = stream.results(partial(_explained, generate, asking.of(module).explain, explain), kinds=("scene",))
            if (text := next(texts, None)) is None:
                raise DataError(f"no sample {explain!r} comes from this input with these options")
            stream.write_text(text)
            return
        if write:
            work = partial(_kept, generate) if keep else generate
            write(stream.results(work, kinds=("scene",)), stream, frame["root"])
        else:
            stream.map(generate, kinds=("scene",), keep=keep)
    log = logging.getLogger("vstkit")
    log.info("%s", summary(stream.tally))
    for note in notes(stream.tally):
        log.warning("%s", note)
    if report:
        counts = Output(report)
        counts.write(encode(dict(stream.tally)))
        counts.finish()


def _kept(generate: Callable[..., Any], record: Record, tally: Counter[str]) -> Iterator[Record]:
    yield from generate(record, tally)
    yield record


def _explained(
    generate: Callable[..., Any],
    explain: Callable[[Record, Record], str],
    sample_id: str,
    record: Record,
    tally: Counter[str],
) -> Iterator[str]:
    return (explain(made, record) for made in generate(record, tally) if made["id"] == sample_id)
