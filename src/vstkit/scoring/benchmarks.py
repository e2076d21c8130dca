"""The suites, one entry each: who scores what by which rules, and how the headline is made.

A suite reads a prediction's answer and the fields of the benchmark's own row, `meta.bench`, under the names that the
benchmark gives them. A rule family says how each type of answer is judged and how the headline is made; the first
family of a suite is its default. "strict" is our own: the official groups and headline, our own reading of answers;
each suite has it. What a family leaves out is not known of it, or it has no such suite.

Sources are the repositories named in `version`, VLMEvalKit (e8e78f05, 2026-08-18), lmms-eval (75571cfe, 2026-08-06) and
EASI (0c1a41e, 2026-04-27). Where an official scorer asks a language model to extract letters, "official" reads those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from vstkit.scoring import judges, rows
from vstkit.scoring.aggregate import Formula, Parts
from vstkit.scoring.judges import Judge, letters, relative

Row = Mapping[str, Any]
Field = tuple[str, ...] | Callable[[Row], str]
Judges = Mapping[str, Judge]


class Rules(NamedTuple):
    """A rule family of a suite: a judge for each type of answer, and the headline."""

    judges: Judges
    overall: Formula = Formula("micro")


class Suite(NamedTuple):
    """How a benchmark is scored."""

    about: str
    version: str
    rules: Mapping[str, Rules]
    fields: Mapping[str, Field] = {"task": ("category", "task")}
    """What predictions are grouped by: the first of these fields of a row that is there, or a function of the row."""
    cluster: Field = ("scene",)
    """Rows that are no independent evidence; a row of its own where none of the fields is there."""
    parts: Parts = MappingProxyType({})
    units: Mapping[str, Callable[[Row], str]] = MappingProxyType({})
    """Rows that are right only together, as a metric of its own."""


MICRO = Formula("micro")
STRICT: Judges = {
    "choice": letters("strict"),
    "number": relative("strict"),
    "count": relative("strict"),
    **dict.fromkeys(("text", "words", "order", "boxes3d"), judges.OURS),
}


def choosing(rules: str, **more: Judge) -> Judges:
    """Judges of letters by one rule set of `extraction`."""
    return {"choice": letters(rules), **more}


def measuring(letter: str, number: str) -> Judges:
    """Judges of letters, and of numbers by mean relative accuracy."""
    return {"choice": letters(letter), "number": relative(number), "count": relative(number)}


def families(overall: Formula = MICRO, **readers: str | Judges) -> dict[str, Rules]:
    """Rule families that share a headline, each with the rule set of letters that it reads, or all its judges."""
    return {name: Rules(choosing(r) if isinstance(r, str) else r, overall) for name, r in readers.items()}


def strict(suite: Suite) -> Rules:
    """Our own rules for a suite: the headline of its first family, and its rules for text."""
    first = next(iter(suite.rules.values()))
    text = {kind: judge for kind, judge in first.judges.items() if kind in ("text", "words")}
    return Rules({**STRICT, **text}, first.overall)


_CV = Formula("mean", "source", ("2D", "3D"))
_CIRCULAR = Formula("micro", unit="circular")
_SPAR_OFFICIAL: Judges = {"choice": judges.SPAR_LETTER, "number": judges.SPAR_NUMBER, "text": judges.SPAR_MOVES}
_OCR: Judges = {"text": judges.HELD, "words": judges.HELD}
_QUESTION_TYPE: Mapping[str, Field] = {"task": ("question_type", "category", "task")}

SUITES: dict[str, Suite] = {
    "vsibench": Suite(
        "VSI-Bench, 5130 questions; official = the Avg. of the paper and of VST",
        "thinking-in-space 51e089c",
        families(
            Formula("mean", "task", rows.VSI),
            official=measuring("vsi", "vsi"),
            vlmeval=measuring("easi", "vlmeval"),
            easi=measuring("easi", "easi"),
            lmms=measuring("vsi", "lmms"),
            vst=measuring("vsi", "vst"),
        ),
        fields=_QUESTION_TYPE,
        cluster=("scene_name", "scene"),
        parts=rows.VSI_PARTS,
    ),
    "cvbench": Suite(
        "CV-Bench, 2638 questions; official = (2D + 3D) / 2 of the paper and of VST",
        "cambrian",
        {
            **families(_CV, official="cambrian", vlmeval="vlmeval", vst="vlmeval"),
            **families(Formula("mean", "type", ("2D", "3D")), lmms="lmms-start"),
        },
        fields={"task": ("task", "category"), "source": ("source",), "type": rows.dimensions},
        parts={"2D": ("ADE20K", "COCO"), "3D": ("Omni3D",)},
    ),
    "3dsrbench": Suite(
        "3DSRBench; official = CircularEval, vst = plain accuracy over all rows, as in VST's table",
        "SpatialReasoner compute_3dsrbench_results; VLMEvalKit c9729aac",
        {
            **families(_CIRCULAR, official="vlmeval", vlmeval="vlmeval", easi="easi", lmms="lmms"),
            **families(vst="vlmeval"),
        },
        fields={"task": ("category", "task"), "part": rows.part_of_3dsr},
        cluster=rows.question,
        units={"flip": rows.flip, "circular": rows.roll, "flip-circular": rows.question},
    ),
    "mmsi": Suite(
        "MMSI-Bench, 1000 questions; official = the paper's",
        "MMSI-Bench 5de2f3d",
        families(official="mmsi", vlmeval="vlmeval", easi="easi", lmms={"choice": judges.MMSI_LMMS}, vst="mmsi"),
    ),
    "mmsi-circular": Suite(
        "MMSI-Bench with options rolled four times (EASI)",
        "EASI 0c1a41e",
        families(_CIRCULAR, easi="easi"),
        cluster=rows.circular,
        units={"circular": rows.circular},
    ),
    "blink": Suite(
        "BLINK val, 1901 questions; official = the paper's mean over 14 tasks, of letters that gpt-3.5 extracted",
        "BLINK_Benchmark 2d6a779",
        {
            **families(Formula("mean", "task", rows.BLINK), official={"choice": judges.BLINK}),
            **families(vlmeval="vlmeval", easi="easi", lmms="lmms-start", vst="vlmeval"),
        },
    ),
    "mmstar": Suite(
        "MMStar, 1500 questions; official = the paper's",
        "MMStar 88f243a",
        {
            **families(official="mmstar", vlmeval="vlmeval", vst="vlmeval"),
            **families(Formula("mean", "l2"), lmms="mmstar"),
        },
        fields={"task": ("category", "task"), "l2": ("l2-category", "l2_category")},
    ),
    "mmbench": Suite(
        "MMBench_DEV_EN with circular rows; official = CircularEval without a judge",
        "VLMEvalKit e8e78f05",
        families(_CIRCULAR, official="vlmeval", vlmeval="vlmeval", vst="vlmeval"),
        fields={"task": ("category", "task"), "l2": ("l2-category", "l2_category")},
        cluster=rows.circular,
        units={"circular": rows.circular},
    ),
    "realworldqa": Suite(
        "RealWorldQA, 765 questions; the original has no scorer: vlmeval = VST's, all rows as choices",
        "VLMEvalKit e8e78f05",
        families(
            vlmeval=choosing("vlmeval", text=judges.SAME),
            lmms=choosing("lmms", text=judges.SAME),
            vst=choosing("vlmeval", text=judges.SAME),
        ),
    ),
    "mmmu": Suite(
        "MMMU val, 900 questions; official = the paper's, less its random letters",
        "MMMU bb0b95a",
        families(
            official=choosing("mmmu", text=judges.MMMU_OPEN),
            vlmeval=choosing("vlmeval", text=judges.OPEN_AS_CHOICE),
            lmms=choosing("mmmu", text=judges.MMMU_OPEN),
            vst=choosing("vlmeval", text=judges.OPEN_AS_CHOICE),
        ),
        fields={"task": rows.subject},
    ),
    "ocrbench": Suite(
        "OCRBench, 1000 questions; official = the score / 1000",
        "MultimodalOCR; VLMEvalKit e8e78f05",
        families(official=_OCR, vlmeval=_OCR, lmms=dict.fromkeys(_OCR, judges.HELD_FOLDED), vst=_OCR),
        fields={"task": ("category", "type", "task"), "part": rows.ocr_part},
    ),
    "ai2d": Suite(
        "AI2D_TEST with masked labels, 3088 questions",
        "VLMEvalKit e8e78f05",
        families(vlmeval="vlmeval", lmms={"choice": judges.AI2D_LMMS}, vst="vlmeval"),
    ),
    "sparbench": Suite(
        "SPAR-Bench, 7207 questions; official = the paper's mean over 20 tasks, in which an empty answer is right",
        "spar 1679885",
        families(
            Formula("mean", "task", tuple(name for level in rows.SPAR.values() for name in level)),
            official=_SPAR_OFFICIAL,
            vlmeval={**measuring("easi", "vlmeval"), "text": judges.MOVES},
            easi={**measuring("easi", "easi"), "text": judges.MOVES},
            lmms=_SPAR_OFFICIAL,
            strict={**STRICT, "text": judges.MOVES},
        ),
        fields={"task": ("task", "category")},
        parts=rows.SPAR,
    ),
    "viewspatial": Suite(
        "ViewSpatial-Bench, 5712 questions; official = the paper's",
        "ViewSpatial-Bench 2e85a5e",
        families(official="viewspatial", easi="easi"),
        fields=_QUESTION_TYPE,
    ),
    "mindcube": Suite(
        "MindCube; official leaves translation out",
        "MindCube 6d8fd9a",
        {
            **families(Formula("micro", "task", ("among", "around", "rotation")), official="mindcube"),
            **families(easi="easi"),
        },
        fields={"task": rows.mindcube},
    ),
    "sat": Suite(
        "SAT; the original has no scorer",
        "lmms-eval 75571cfe",
        families(lmms={"choice": judges.FIRST_TOKEN}),
        fields=_QUESTION_TYPE,
    ),
    "omnispatial": Suite(
        "OmniSpatial, 1533 questions; the original takes A for what it cannot read",
        "OmniSpatial 208bac2",
        families(easi="easi"),
        fields={"task": ("task_type", "category", "task"), "subtask": ("sub_task_type",)},
    ),
    "stibench": Suite(
        "STI-Bench, 2064 questions",
        "STI-Bench 43ddebe; EASI 0c1a41e",
        families(easi="easi"),
        fields={"task": ("task", "category")},
    ),
    "spbench": Suite(
        "SPBench SI and MV, questions of VSI-Bench's types; official = the mean over types",
        "SpatialLadder; EASI 0c1a41e",
        families(Formula("mean"), official=measuring("vsi", "vsi"), easi=measuring("easi", "easi")),
        fields=_QUESTION_TYPE,
        cluster=("scene_name", "scene"),
    ),
    "site": Suite(
        "SITE; official = class-adjusted accuracy, less its random letters",
        "SITE-Bench 36295bb",
        families(Formula("caa"), official="site", easi="easi"),
        fields={"task": ("category", "task"), "dataset": ("dataset",)},
    ),
    "vsr": Suite(
        "Visual Spatial Reasoning as questions: is the caption true?",
        "visual-spatial-reasoning",
        families(official=choosing("strict", text=judges.YES_NO), lmms=choosing("lmms", text=judges.YES_NO_FIRST)),
        fields={"task": ("category", "task"), "relation": ("relation",)},
        cluster=("image",),
    ),
    "whatsup": Suite(
        "What'sUp as questions; official = single accuracy, with pairs and sets beside it",
        "whatsup_vlms",
        families(official="strict"),
        fields={"task": ("subset", "category", "task"), "relation": ("relation",)},
        cluster=("set",),
        units={"pair": rows.pair, "set": lambda row: str(row["set"])},
    ),
    "spatialscore": Suite(
        "SpatialScore; official = accuracy, numbers within a factor of 2",
        "SpatialScore 1995c4f",
        families(
            official=choosing("strict", number=judges.RATIO, count=judges.RATIO, text=judges.YES_NO),
            strict={**STRICT, "number": judges.RATIO, "count": judges.RATIO, "text": judges.YES_NO},
        ),
        fields={"task": ("category", "task"), "type": ("question_type",), "source": ("source",)},
    ),
    "egoschema": Suite(
        "EgoSchema, the 500 questions with public answers",
        "egoschema; lmms-eval 75571cfe",
        families(lmms="mmmu"),
    ),
    "samples": Suite(
        "our own tasks, each answer by its type",
        "vstkit 1",
        families(strict=dict.fromkeys(STRICT, judges.OURS)),
        fields={"task": ("task",), "type": ("answer type",)},
    ),
}
SUITES = {
    name: suite._replace(rules={**suite.rules, "strict": suite.rules.get("strict", strict(suite))})
    for name, suite in SUITES.items()
}
