"""Score predictions against their answers.

DESCRIPTION
    Numbers in this field cannot be compared, because every scorer reads answers, groups them and takes means in its own
    way. So each score says which rules made it. A suite is a benchmark; --rules says who scores it: official (its own
    scorer), vlmeval, easi, lmms (VLMEvalKit, EASI, lmms-eval), vst (as in the paper's tables), strict (ours: the
    official groups and headline, answers read with care; every benchmark has it). The first that a suite has is the
    default:

    vsibench       official, vlmeval, easi, lmms, vst
    cvbench        official, vlmeval, vst, lmms
    3dsrbench      official, vlmeval, easi, lmms, vst
    mmsi           official, vlmeval, easi, lmms, vst
    mmsi-circular  easi
    blink          official, vlmeval, easi, lmms, vst
    mmstar         official, vlmeval, vst, lmms
    mmbench        official, vlmeval, vst
    realworldqa    vlmeval, lmms, vst
    mmmu           official, vlmeval, lmms, vst
    ocrbench       official, vlmeval, lmms, vst
    ai2d           vlmeval, lmms, vst
    sparbench      official, vlmeval, easi, lmms
    viewspatial    official, easi
    mindcube       official, easi
    sat            lmms
    omnispatial    easi
    stibench       easi
    spbench        official, easi
    site           official, easi
    vsr            official, lmms
    whatsup        official
    spatialscore   official
    egoschema      lmms
    samples        strict
    det3d          --protocol says which
    vst            (S-AVG and MM-AVG of the paper, over several suites) vst

    Rules of others are followed where they are wrong, too; strict mends that. What cannot be read scores 0 and is
    counted as unparsed; no random answer is drawn for it, not even where the official scorer does. Nothing is evaluated
    as code, and nothing asks the network.

    Each run has the headline, overall, with a 95 % bootstrap interval over groups that depend on each other (scenes,
    rolled copies of one question), and always the mean over questions, micro, and over tasks, macro. Where rows are
    right only together there are circular, flip, pair and so on. Then come the groups of the suite, or those that --by
    names: fields of the suite or of the benchmark's row.

    A prediction that stands twice, one that --truth does not know and one that it knows and that is missing are errors;
    with --partial the first counts, the second is left out, and the third too. They are counted. With --partial the
    headline is made of the tasks and circular copies that there are.

    Relative accuracy (MRA) of a true number 0 does not exist, and is refused.

    Suite det3d: average precision of 3D boxes with exact IoU: AP (mean over thresholds .05 to .50), AP15, AP25, AP50,
    by depth (near to 10 m, med to 35 m, far), average recalls, and precision, recall and F1, which depend on no order;
    --by label has AP of each label too. A number for which there is nothing to find (no object beyond 35 m) is absent.
    AP says which labels it is the mean of: a number is comparable only with one over the same labels.

    --protocol vst is the benchmark of Visual Spatial Tuning. --protocol omni3d is that of Omni3D: truths that are cut
    off by a third, lower than 1/16 of the picture or partly behind the camera need not be found; of datasets that it
    knows (by the field dataset), only Omni3D's categories count; and in SUN RGB-D and Objectron, which are annotated in
    part, only predictions near a true box are judged (2D IoU above .3).

    Models give no confidence, so all predictions tie, and AP depends on how ties are taken: --ties file takes them in
    the order of the input, as the official evaluation does, and the number changes with that order; --ties average
    gives the mean of the official number over all orders of the input (and of the boxes in each answer), which no order
    changes; spread is how far the official number strays from it, error how exactly the mean is known.

    --from reads the result files of others: vlmevalkit (and EASI: xlsx, tsv, csv, json), lmms (lmms-eval
    --log_samples), blink, mmmu, vst-vsi. They have the ids that vstkit-ingest(1) gives to the rows of a benchmark's own
    file, which can be their --truth.

    For --suite det3d, --from vst reads predictions of 3D boxes as VST's benchmark has them, with its file of questions
    as --truth; --from omni3d Cube R-CNN's omni_instances_results.json, with the Omni3D file as --truth. A question that
    has no prediction has found nothing, which takes --partial.

INPUT
    Prediction records, each with its answer, or with --truth samples that have it. What the benchmark says of a
    question stands in meta.bench under its own names: question_type, category, index, qid, and so on. For suite vst the
    dataset of a record is the name of its suite, and score records are taken too. Holds a few numbers of each
    prediction; of det3d all boxes.

OUTPUT
    Score records; a table when standard output is a terminal. --details writes {"id", "extracted", "score", "parsed",
    "why"} of each prediction.

EXAMPLES
    Detect, then score:

        vstkit detect3d --model runs/sft det3d.jsonl | vstkit score --suite det3d

    What did the rules not read?

        vstkit score --suite blink --details details.jsonl predictions.jsonl
        jq 'select(.parsed | not)' details.jsonl

    3D boxes of another program, by the rules of Omni3D:

        vstkit score --suite det3d --protocol omni3d --from omni3d --truth SUNRGBD_test.json omni_instances_results.json

    The average of the paper:

        cat cv.jsonl 3dsr.jsonl mmsi.jsonl blink.jsonl vsi.jsonl | vstkit score --suite vst

SEE ALSO
    vstkit-compare(1), vstkit-detect3d(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from . import _command
from . import _scoring as options


@_command.streaming
def command(
    stream: Any,
    suite: Annotated[
        str, typer.Option("--suite", metavar="NAME", help="What the predictions are scored as.")
    ] = "samples",
    rules: options.Rules = None,
    truth: options.Truth = None,
    by: options.By = "",
    details: Annotated[
        str | None, typer.Option("--details", metavar="FILE", help="Write what each prediction scored here, and why.")
    ] = None,
    partial: options.Partial = False,
    ties: Annotated[
        Literal["file", "average"], typer.Option("--ties", help="How predictions of equal confidence are taken.")
    ] = "file",
    protocol: Annotated[
        Literal["vst", "omni3d"], typer.Option("--protocol", help="Whose evaluation of 3D boxes.")
    ] = "vst",
    form: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="Whose files these are, if not ours."),
    ] = None,
) -> None:
    """Score predictions against their answers."""
    from vstkit.errors import UsageError
    from vstkit.scoring import running

    from . import _table

    by_fields = options.names(by)
    convert = _reader(form, suite, truth, protocol=protocol, partial=partial) if form else None
    if form and suite == "det3d":
        truth = None  # the reader has joined it
    with stream(needs="FILE" if form else "", convert=convert) as predictions, running.details(details) as tell:
        ids = running.Ids(truth, partial)
        if suite == "det3d":
            if rules not in (None, "vst") or details or set(by_fields) - {"label"}:
                raise UsageError("--suite det3d: expected --rules vst, --by label and no --details")
            more = {"ties": ties, "by_label": "label" in by_fields}
            scores = _boxes(predictions, ids, truth, partial, protocol, **more)
        else:
            scores = _items(predictions, ids, tell, suite, rules, by=by_fields, truth=truth, partial=partial)
        if not scores:
            return
        if _table.wanted(predictions):
            predictions.write_text(options.table(scores))
        else:
            for score in scores:
                predictions.write(score)


def _items(
    predictions: Any,
    ids: Any,
    tell: Any,
    suite: str,
    rules: str | None,
    **given: Any,
) -> list[dict[str, Any]]:
    """The scores of a suite that scores one prediction after the other, or of several."""
    from functools import partial

    from vstkit.scoring import running

    several = suite == "vst"
    if not several:
        running.chosen(suite, rules)
    work = partial(running.judge, suite=suite, family=rules, detailed=tell is not running.nothing, **given)
    held: dict[str, list[Any]] = {}
    scores = []
    for name, found in predictions.results(work, kinds=("prediction", "score") if several else ("prediction",)):
        if not name:
            scores.append(found)
        elif not ids.again(found.item.id, name):
            held.setdefault(name, []).append(found.item)
            tell(found.detail)
    counts = ids.counts(predictions.tally["unknown"])
    return running.reported(held, suite, rules, by=given["by"], counts=counts, partial=given["partial"], given=scores)


def _reader(form: str, suite: str, truth: str | None, **given: Any) -> Any:
    """What makes prediction records of a file of another form."""
    from functools import partial as bound

    from vstkit.errors import UsageError
    from vstkit.scoring import readers
    from vstkit.scoring.det3d_readers import READERS

    if suite != "det3d":
        return bound(readers.read, source=form, suite=suite)
    if form not in READERS or not truth:
        raise UsageError(f"--from: expected {' or '.join(READERS)} and --truth for --suite det3d, got --from {form}")
    return bound(READERS[form], truth=truth, **given)


def _boxes(
    predictions: Any, ids: Any, truth: str | None, partial: bool, protocol: Any, **given: Any
) -> list[dict[str, Any]]:
    """The scores of 3D boxes, which take all predictions at once."""
    from functools import partial as bound

    from vstkit.scoring import running
    from vstkit.scoring.det3d_records import det3d_scores

    questions = []
    work = bound(running.boxes, truth=truth, partial=partial, protocol=protocol)
    for name, found in predictions.results(work, kinds=("prediction",)):
        if not ids.again(name):
            questions += found
    counts = ids.counts(predictions.tally["unknown"])
    scores = list(det3d_scores(questions, protocol=protocol, **given)) if questions else []
    if scores and any(counts):
        scores[0] |= counts._asdict()
    return scores
