"""Score predictions against their answers.

DESCRIPTION
    Suite det3d: average precision of 3D boxes by the Omni3D protocol as Visual Spatial Tuning uses it, with exact
    IoU: AP (mean over thresholds .05 to .50), AP15, AP25, AP50, by depth, average recalls, and precision, recall and
    F1, which do not depend on the order of the predictions.

    Models give no confidence, so all predictions tie, and AP depends on how ties are taken: --ties file takes them in
    the order of the input, as the official evaluation does, and the number changes with that order; --ties average
    takes them as one step of the precision-recall curve, which has no order, and gives lower numbers.

    A number for which there is nothing to find (no object beyond 35 m) is absent.

INPUT
    Prediction records, each with its answer. Holds all boxes; memory grows with the input.

OUTPUT
    Score records; a table when standard output is a terminal.

EXAMPLES
    Detect, then score:

        vstkit detect3d --model runs/sft det3d.jsonl | vstkit score --suite det3d

SEE ALSO
    vstkit-detect3d(1)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from . import _command


@_command.streaming
def command(
    stream: Any,
    suite: Annotated[Literal["det3d"], typer.Option("--suite", help="What the predictions are scored as.")] = "det3d",
    ties: Annotated[
        Literal["file", "average"], typer.Option("--ties", help="How predictions of equal confidence are taken.")
    ] = "file",
    by_label: Annotated[bool, typer.Option("--by-label", help="AP of each label too.")] = False,
) -> None:
    """Score predictions against their answers."""
    from vstkit.scoring import suites

    from . import _table

    with stream() as predictions:
        questions = list(predictions.results(_questions, kinds=("prediction",)))
        scores = suites.det3d_scores(questions, ties=ties, by_label=by_label) if questions else []
        if _table.wanted(predictions):
            rows = [(s["metric"], s.get("group", {}).get("label", "all"), f"{100 * s['value']:.2f}") for s in scores]
            predictions.write_text(_table.text(("metric", "label", "percent"), rows))
        else:
            for score in scores:
                predictions.write(score)


def _questions(record: dict[str, Any], tally: Any) -> Any:
    from vstkit.scoring import suites

    return suites.det3d_questions(record)
