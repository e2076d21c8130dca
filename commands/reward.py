"""Say what answers earn in reinforcement learning.

DESCRIPTION
    The rule-based reward of Visual Spatial Tuning (eq. 2 and 3), as a trainer would give it: accuracy by the type of
    the answer, plus format, each from 0 to 1.

    accuracy  That of vstkit-score(1): a choice, a count, a text or an order is right or wrong; words are right by ANLS,
    numbers by mean relative accuracy, their unit read. 3D boxes have alpha IoU + (1 - alpha) F1, over the one-to-one
    matching of greatest IoU within each label. IoU is the sum over the matching divided by the number of boxes, of the
    true or of the predicted ones, whichever is more. F1 takes a pair above --iou-threshold as right.
    format  1 where the answer can be read as what was asked for, else 0; of boxes, where their list is whole and has
    nothing else in it. With --format think the text must also begin with one <think>...</think> that is not empty, and
    go on behind it.

    --compat vst gives what the released code gives, 0.5 accuracy + 0.5 format, and so has its holes. Here they are, and
    what is done instead without it:

    choice  The first capital A to F counts that no word follows: "A or B" is B, and "B is correct." is none. Instead:
    the strict rules of vstkit-score(1).
    units  "2 cm" equals 2 m. Instead: units are converted.
    numbers  The last number counts, so that "4 or 3" is 3, and "D. 8 o'clock" equals "A. 8 o'clock". Instead: a text
    of several answers is wrong, and a letter is a letter.
    words  ANLS is inverted: the farther off, the more is earned. Instead: it is the right way round, and 0 below one
    half.
    text  "none" equals "0", and by a mistaken pattern every full stop goes that no digit follows, so that "x.y" equals
    "xy". Instead: words are compared as they are, less case, articles and punctuation.
    charts  A truth of four characters that begins with 20 has to be met exactly, as if it were a year; "5%" equals "5".
    Instead: answers have a type.
    modes  The best of several rules counts, so that each more can only raise the reward. Instead: each type has one.
    boxed  A \\boxed{} ends at the first }, and a right answer without one is wrong where the truth has one. Instead:
    braces are balanced, and truths stand in none.
    thinking  Anything may stand before <think>, and any text behind it has the format. Instead: as above.
    empty list  It has the format, half of all there is to earn, whatever there is to find; and no accuracy where it is
    right. Instead: it has both where there is nothing to find, and neither elsewhere.
    labels  They are not compared: a chair is a table. Instead: boxes match boxes of their label.
    IoU  Divided by the number of true boxes, so that wrong ones cost nothing there; the paper's mean over matched pairs
    would make it a gain to leave a box out. Instead: as above. What pytorch3d gives is inexact, and for tiny boxes
    without bound; with or without --compat vst it is exact here.
    F1  A pair at the threshold is right; in the paper, above it. Instead: as in the paper.
    repetition  A box that is said again is one more prediction that may match. Instead: it is wrong.
    sizes  Negative ones are taken as positive. Instead: such a box is wrong.
    errors  Any is a reward of 0, one of the truth too. Instead: any text is read, and a faulty truth is an error.

    Of the rules that rest on a library (math_verify), numbers, fractions and percentages are restated. With --compat
    vst an answer's field reward_mode, a list as in their data, says which rules count (vqa_score, relaxed_score,
    anls_score, math_score, multi_choices_score); else its type does.

    No text makes it fail or hang: of an answer, 16,384 characters and 100 boxes are compared. Boxes beyond are wrong.

INPUT
    Prediction records with one answer each. Streams.

OUTPUT
    The same, with reward: accuracy, format, total, why; iou and f1 of 3D boxes.

EXAMPLES
    What a detector would earn:

        vstkit detect3d --model runs/sft det3d.jsonl | vstkit reward | jq .reward.total

    Where do the released reward and ours differ?

        vstkit reward --compat vst predictions.jsonl | jq .reward.accuracy > theirs
        vstkit reward predictions.jsonl | jq .reward.accuracy | paste theirs - | awk '$1 > $2'

SEE ALSO
    vstkit-score(1), vstkit-detect3d(1), vstkit-records(5)
"""

from __future__ import annotations

import logging
from typing import Annotated, Any, Literal

import typer

from . import _command

log = logging.getLogger("vstkit")

Weight = Annotated[
    float | None,
    typer.Option(metavar="X", min=0, help="Its weight in the total; 1 if not given, 0.5 with --compat vst."),
]


@_command.streaming
def command(
    stream: Any,
    compat: Annotated[
        Literal["none", "vst"], typer.Option("--compat", help="Whose reward: ours, or the released one.")
    ] = "none",
    form: Annotated[
        Literal["plain", "think"], typer.Option("--format", help="What is asked: the answer alone, or after thinking.")
    ] = "plain",
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="SHARE", min=0, max=1, help="Share of IoU beside F1, for 3D boxes.")
    ] = 0.5,
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", metavar="IOU", min=0, max=1, help="IoU above which a box is right.")
    ] = 0.25,
    accuracy_weight: Weight = None,
    format_weight: Weight = None,
) -> None:
    """Say what answers earn in reinforcement learning."""
    from functools import partial

    from vstkit import rewards

    usual = 0.5 if compat == "vst" else 1.0
    weights = tuple(usual if weight is None else weight for weight in (accuracy_weight, format_weight))
    add = partial(
        rewards.add, compat=compat, think=form == "think", alpha=alpha, threshold=iou_threshold, weights=weights
    )
    with stream() as predictions:
        predictions.map(add, kinds=("prediction",))
        log.info("%s", rewards.summary(predictions.tally))
