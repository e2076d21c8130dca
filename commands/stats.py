"""Count what is in records.

DESCRIPTION
    Counts records by kind, and of each kind the datasets, splits, tasks, labels, types of answers and answer letters;
    bins depths, distances, sizes, numbers that are answers, and the tokens of packs. Bins grow with what they hold; n,
    mean, smallest and largest are exact.

    Depth is measured along the optical axis: of what evidence saw, else of the centres of boxes that are in the
    picture. Distance is from the camera to the centre of a box, size its longest side, all in metres.

    Memory does not grow with the number of records, only with that of different words.

INPUT
    Records of any kind. Streams.

OUTPUT
    A table, or one JSON object with --json: {kind: {"records": n, "label": {"chair": n}, "depth": {"n", "mean", "min",
    "max", "bins"}}}. Of no records nothing.

EXAMPLES
    Are the letters of the answers in balance?

        vstkit gen-depth scenes.jsonl | vstkit stats --json | jq .sample.letter

SEE ALSO
    vstkit-show(1), vstkit-check(1)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command


@_command.streaming
def command(
    stream: Any,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")] = False,
    plot: Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw the numbers as a picture.")] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=1, help="Words of each count in the table.")] = 20,
) -> None:
    """Count what is in records."""
    from vstkit import stats

    with stream() as records:
        summary = stats.Summary()
        for found in records.results(stats.facts, kinds=None):
            for fact in found:
                summary.add(fact)
        if not summary.counts:
            return
        if plot:
            from pathlib import Path

            from vstkit import images

            images.save(stats.plot(summary), Path(plot))
        if as_json:
            records.write(summary.records())
        else:
            records.write_text(_text(summary, most))


def _text(summary: Any, most: int) -> str:
    from vstkit import stats

    from . import _table

    rows = []
    for (kind, name), words in summary.counts.items():
        ordered = stats.ordered(words)
        rows += [[kind, name, word, f"{n}"] for word, n in ordered[:most]]
        if len(ordered) > most:
            rows.append([kind, name, f"({len(ordered) - most} more)", f"{sum(n for _, n in ordered[most:])}"])
    text = _table.text(("kind", "what", "", "count"), rows)
    numbers = []
    for (kind, name), h in summary.histograms.items():
        numbers.append([kind, name, f"{h.n}", *(f"{v:.4g}" for v in (h.total / h.n, h.low, h.high))])
    if numbers:
        text += "\n\n" + _table.text(("kind", "what", "n", "mean", "min", "max"), numbers)
        bins = [
            [kind, name, stats.shown_range(low, high), f"{n}"]
            for (kind, name), h in summary.histograms.items()
            for low, high, n in h.bins()
        ]
        text += "\n\n" + _table.text(("kind", "what", "range", "count"), bins)
    return text
