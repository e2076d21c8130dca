"""Compare two runs of a suite, question by question.

DESCRIPTION
    Scores the predictions in A and B as vstkit score does and tells for each number how far B is from A: the
    difference, its 95 % interval by a bootstrap that draws the same scenes or circular groups for both, how many
    questions B scores higher and lower on, and the probability that a fair coin would split these as unevenly (sign
    test, two-sided).

    An interval that holds 0 says that the runs may be equally good. The sign test does not know that questions of one
    scene depend on each other; the interval does.

    The runs must have the same ids; with --partial those count that both have. 3D boxes (det3d) are not compared: their
    average precision is no mean over questions.

INPUT
    Two files of prediction records, with answers or with --truth. Holds a few numbers of each prediction.

OUTPUT
    Score records with value = b - a, a, b, interval, wins, losses and p; a table when standard output is a terminal.
    --plot draws them as bars.

EXAMPLES
    Is the new model better?

        vstkit compare old.jsonl new.jsonl --suite vsibench --plot vsi.png

SEE ALSO
    vstkit-score(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as shared
from . import _scoring as options


@_command.saying
def command(
    first: Annotated[str, typer.Argument(metavar="A", help="Predictions of one run.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Predictions of the other run, on the same questions.")],
    suite: Annotated[
        str, typer.Option("--suite", metavar="NAME", help="What the predictions are scored as.")
    ] = "samples",
    rules: options.Rules = None,
    truth: options.Truth = None,
    by: options.By = "",
    partial: options.Partial = False,
    plot: Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw the numbers as a picture.")] = None,
    output: shared.Output = None,
) -> None:
    """Compare two runs of a suite, question by question."""
    import sys
    from functools import partial as bound

    from vstkit.lineio import Output, encode
    from vstkit.scoring import compare, running

    running.chosen(suite, rules)
    fields = options.names(by)
    judge = bound(running.judge, suite=suite, family=rules, by=fields, truth=truth, partial=partial)
    a, b = (running.items_of(name, judge, running.Ids(truth, partial)) for name in (first, second))
    found = compare.compared(a, b, suite, rules, by=fields, partial=partial)
    if plot and found:
        from pathlib import Path

        from vstkit import images

        images.save(compare.plot(found, (first, second)), Path(plot))
    target = Output(output)
    try:
        if output in (None, "-") and sys.stdout.isatty() and found:
            target.write(_table(found).encode() + b"\n")
        else:
            for record in found:
                target.write(encode(record))
        target.finish()
    finally:
        target.discard()


def _table(records: list[dict[str, Any]]) -> str:
    from . import _table as tables

    rows = []
    for r in records:
        low, high = r.get("interval", (None, None))
        rows.append([
            r["metric"].removesuffix(" difference"), " ".join(r.get("group", {}).values()) or "all",
            *(f"{100 * r[key]:.2f}" for key in ("a", "b", "value")),
            "" if low is None else f"{100 * low:+.2f} to {100 * high:+.2f}",
            str(r["n"]), str(r["wins"]), str(r["losses"]), f"{r['p']:.2g}",
        ])  # fmt: skip
    head = ("metric", "group", "A", "B", "B - A", "95 %", "n", "wins", "losses", "p")
    return tables.text(head, rows) + f"\n\n{records[0]['suite']}, {records[0]['rules']}"
