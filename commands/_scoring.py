"""What the scoring commands share: options, and score records as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

Rules = Annotated[
    str | None,
    typer.Option(
        "--rules", metavar="NAME", help="Whose rules: official, vlmeval, easi, lmms, vst or strict; the suite's first."
    ),
]
Truth = Annotated[
    str | None, typer.Option("--truth", metavar="FILE", help="Samples with the answers, joined to predictions by id.")
]
By = Annotated[
    str, typer.Option("--by", metavar="FIELD,...", help="Report groups of these fields instead of the suite's own.")
]
Partial = Annotated[
    bool, typer.Option("--partial", help="Score what there is, and count what is missing, unknown or there twice.")
]


def names(text: str) -> tuple[str, ...]:
    """The fields that --by names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def table(scores: Sequence[dict[str, Any]]) -> str:
    """Score records for people, in percent."""
    from . import _table

    rows = []
    for s in scores:
        low, high = s.get("interval", (None, None))
        rows.append([
            s["suite"], s["metric"], " ".join(s.get("group", {}).values()) or "all", f"{100 * s['value']:.2f}",
            "" if low is None else f"{100 * low:.2f} to {100 * high:.2f}", str(s["n"]), str(s.get("unparsed", "")),
        ])  # fmt: skip
    text = _table.text(("suite", "metric", "group", "percent", "95 %", "n", "unparsed"), rows)
    told: dict[str, str] = {}
    for s in scores:
        told.setdefault(s["suite"], "; ".join(filter(None, [s.get("rules"), s.get("version")])))
    boxes = [_of_boxes(s) for s in scores if "labels" in s]
    return "\n".join([text, "", *(f"{suite}, {rules}" for suite, rules in told.items() if rules), *boxes])


def _of_boxes(score: dict[str, Any]) -> str:
    """What AP is the mean of, and how far it strays where it is a mean over orders."""
    labels = f"{score['metric']} is the mean of {len(score['labels'])} labels: {', '.join(score['labels'])}"
    spread, error = (100 * score.get(name, 0) for name in ("spread", "error"))
    strays = (
        f"; one order strays from it by {spread:.2f}, the mean is known to {error:.3f}" if "spread" in score else ""
    )
    return labels + strays
