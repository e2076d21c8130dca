"""Options that mean the same in every command, each defined once; `_command.py` says who has which."""

from __future__ import annotations

import math
from typing import Annotated, Literal

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
    typer.Option("--model", metavar="DIR", envvar="VSTKIT_MODEL", help="Folder of the model."),
]
Keep = Annotated[
    bool, typer.Option("--keep", "-k", help="Pass each scene on after its samples, for the next generator.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the -o FILE of a run that was stopped, asking only for the rest.")
]
Concurrency = Annotated[int, typer.Option("--concurrency", metavar="N", min=1, help="Requests to the server at once.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="S", min=0.001, help="Seconds that one try of a request may take.")
]
Price = Annotated[
    str | None,
    typer.Option("--price", metavar="IN,OUT", help="Prices of a million tokens in and out, to count the cost."),
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

MinGap = Annotated[
    float,
    typer.Option(
        "--min-gap", metavar="M", min=0, help="Metres by which one length must exceed another to be compared."
    ),
]
MinRatio = Annotated[
    float,
    typer.Option("--min-ratio", metavar="SHARE", min=0, help="Share of the lesser length by which it must, too."),
]

# These stand in vstkit.tasks.references too, for the same reason.
FORMS, PATCH = "text,box,point,text-box,text-point", 28
Forms = Annotated[
    str,
    typer.Option("--forms", metavar="NAME,...", help="How objects are referred to; caption is the one more there is."),
]
Patch = Annotated[
    int,
    typer.Option(
        "--patch",
        metavar="PX",
        min=0,
        help="Multiple of pixels that the model resizes to, for pixels written out: 28 Qwen2.5-VL, 32 Qwen3-VL.",
    ),
]


def forms(text: str) -> list[str]:
    """The forms that --forms names. Raises UsageError."""
    known = [*FORMS.split(","), "caption"]
    asked = [name.strip() for name in text.split(",") if name.strip()]
    if not asked or any(name not in known for name in asked):
        raise UsageError(f"--forms: expected some of {', '.join(known)}, got {text!r}")
    return asked


Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="[FILE]...", help="Files of JSON lines; none or - is standard input."),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here, whole or not at all, instead of standard output."),
]
OnError = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-error", help="What a bad record does: stop the run, or be counted and left out."),
]
MaxBad = Annotated[
    float,
    typer.Option(
        "--max-bad",
        metavar="SHARE",
        min=0,
        max=1,
        help="With --on-error skip: fail at the end above this share of bad records.",
    ),
]
Rejects = Annotated[
    str | None,
    typer.Option("--rejects", metavar="FILE", help="Write each bad record here, with its place and its fault."),
]
Jobs = Annotated[
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
Limit = Annotated[int | None, typer.Option("--limit", "-n", metavar="N", min=0, help="Read at most this many records.")]
Shard = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Read only records I, I+N, I+2N, ... (I from 1 to N).")
]
Quiet = Annotated[
    int, typer.Option("--quiet", "-q", count=True, show_default=False, help="Say less on standard error.")
]
Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; first the command line itself."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
Write = Annotated[
    str | None, typer.Option("--write", metavar="DIR", help="Folder for pictures and maps that have to be stored.")
]


def prices(text: str | None) -> tuple[float, float] | None:
    """The two prices that --price names. Raises UsageError."""
    if text is None:
        return None
    try:
        first, second = (float(part) for part in text.split(","))
        if 0 <= first < math.inf and 0 <= second < math.inf:
            return first, second
    except ValueError:
        pass
    raise UsageError(f"--price: expected two prices as IN,OUT, got {text}")
