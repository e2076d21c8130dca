"""The `vstkit` program: one table of commands, each loaded only when it runs, and the exit statuses.

0 done, 1 data or run failed, 2 usage, 130 interrupted, 141 the reader of our output went away.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperGroup

from vstkit.errors import DataError, UsageError, VstkitError

# Group -> command -> one-line summary, which is also the first line of the command's module.
COMMANDS = {
    "Data": {
        "synth": "Make furnished rooms with exact geometry, and pictures of them.",
        "ingest": "Make scene records of other people's data.",
        "check": "Validate records, and the files they name.",
        "fov-unify": "Bring every image to one field of view.",
        "estimate-depth": "Add depth to pictures, by a monocular model.",
        "evidence": "Look at what each view shows of each object.",
        "gen-depth": "Ask what is nearer to the camera.",
        "gen-distance": "Ask what is closest, and how far objects are apart.",
        "gen-measure": "Ask how tall and how long objects are.",
        "gen-det3d": "Ask for the 3D boxes of objects, and for the names of what boxes hold.",
        "gen-caption": "Describe where things are in a picture.",
        "render": "Write the images that recipes describe.",
        "stats": "Count what is in records.",
        "show": "See records, in a browser or as pictures.",
        "mix": "Mix sources of samples by a recipe.",
        "export": "Write samples as other trainers read them.",
        "pack": "Fill training sequences with samples.",
    },
    "Training": {
        "sft": "Tune a model on packs, through DeepSpeed.",
    },
    "Inference": {
        "detect3d": "Find objects in a picture as 3D boxes.",
        "ask": "Ask a model all questions of samples, here or on a server.",
    },
    "Scoring": {
        "score": "Score predictions against their answers.",
        "compare": "Compare two runs of a suite, question by question.",
        "reward": "Say what answers earn in reinforcement learning.",
    },
}
SUMMARIES = {name: text for group in COMMANDS.values() for name, text in group.items()}

HELP = {"help_option_names": ["-h", "--help"]}
PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}  # rich doubles the start-up


class ReaderGone(Exception):
    """The reader of our output closed it. Typer would turn the BrokenPipeError into status 1."""


class Interrupted(Exception):
    """Ctrl-C, which Typer would turn into an Abort with status 1."""


def module_of(name: str) -> ModuleType:
    """The module of a command, in `vstkit.commands`."""
    return importlib.import_module(f"vstkit.commands.{name.replace('-', '_')}")


def load(name: str) -> Any:
    """The click command `name`, from its module in `vstkit.commands`."""
    module = module_of(name)
    app = typer.Typer(add_completion=False, context_settings=HELP, **PLAIN)
    app.command(name, help=SUMMARIES[name], epilog=f"The whole manual: vstkit help {name}")(_guard(module.command))
    return typer.main.get_command(app)


def _guard(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except BrokenPipeError as e:
            raise ReaderGone from e
        except KeyboardInterrupt as e:
            raise Interrupted from e

    return run


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        raise DataError(f"cannot write standard output: {e.strerror}") from e


class Group(TyperGroup):
    """Commands by group, none of them imported for the list."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*SUMMARIES, "help"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in SUMMARIES:
            return load(cmd_name)
        if (found := super().get_command(ctx, cmd_name)) is None:
            _external(cmd_name)
        return found

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for group, commands in COMMANDS.items():
            with formatter.section(group):
                formatter.write_dl(list(commands.items()))


def _external(name: str) -> None:
    """Become `vstkit-NAME` from PATH where there is one, as git does; this is the whole plug-in system."""
    program = shutil.which(f"vstkit-{name}")
    if program and "_VSTKIT_COMPLETE" not in os.environ:
        os.execv(program, [program, *sys.argv[sys.argv.index(name) + 1 :]])


app = typer.Typer(cls=Group, no_args_is_help=True, context_settings=HELP, **PLAIN)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"vstkit {version('vstkit')}\n")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """Visual spatial tuning as Unix commands: JSON lines in, JSON lines out."""


@app.command("help", hidden=True)
def help_(name: str = typer.Argument("", metavar="[COMMAND]")) -> None:
    """Show the manual page of a command."""
    page = "-".join(["vstkit", *filter(None, [name])])
    if name and name not in SUMMARIES and name != "records":
        raise UsageError(f"no command {name!r}: vstkit -h lists them")
    section = "5" if name == "records" else "1"
    local = os.path.join(sys.prefix, "share", "man", f"man{section}", f"{page}.{section}")
    if shutil.which("man") and os.path.exists(local):
        os.execvp("man", ["man", local])
    if name in SUMMARIES:
        sys.stdout.write(f"{module_of(name).__doc__}\n")
    else:
        sys.stdout.write(f"no manual page {page}({section}) at {local}\n")


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit status."""
    command = next((a for a in argv if not a.startswith("-")), "")
    name = f"vstkit {command}" if command in SUMMARIES else "vstkit"
    logging.basicConfig(format=f"{name}: %(message)s", level=logging.WARNING)
    try:
        status = int(app(argv, standalone_mode=False, prog_name="vstkit") or 0)
        _flush()
        return status
    except (ReaderGone, BrokenPipeError):
        # The interpreter flushes standard output once more on its way out; let it find a reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Interrupted:
        return 128 + signal.SIGINT
    except Exception as e:
        if hasattr(e, "exit_code"):  # Typer's own: a usage error has something to show
            if hasattr(e, "show"):
                e.show()
            return int(e.exit_code)
        if "VSTKIT_DEBUG" in os.environ:
            raise
        return _complain(name, command, e)


def _complain(name: str, command: str, error: Exception) -> int:
    if isinstance(error, UsageError) and command in SUMMARIES:
        click = load(command)
        sys.stderr.write(f"{click.get_usage(typer.Context(click, info_name=name))}\n")
    if isinstance(error, VstkitError):
        sys.stderr.write(f"{name}: {error}\n")
        return error.status
    notes = " ".join(getattr(error, "__notes__", []))
    what = f"{type(error).__name__}: {error} {notes}".rstrip()
    sys.stderr.write(f"{name}: a fault of vstkit itself: {what} (--debug shows where)\n")
    return 1
