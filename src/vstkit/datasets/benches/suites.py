"""The benchmarks, one entry each: how a row asks, and where in it things stand.

The prompts are those that the benchmarks, or the tools that score them, send: they are part of what is measured. Where
there is none, because a benchmark was not made for chat, the prompt is ours, and its entry says so.

Sources: thinking-in-space (VSI-Bench), cambrian (CV-Bench), the repositories of MMSI-Bench, ViewSpatial-Bench,
MindCube, SITE-Bench, STI-Bench, SpatialLadder (SPBench), whatsup_vlms, SpatialScore and visual-spatial-reasoning,
VLMEvalKit with EASI's suites, lmms-eval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vstkit.datasets.benches import forms
from vstkit.datasets.benches.forms import LETTER, WORD
from vstkit.tables import Row

# VLMEvalKit's for choices; `hint` is "Hint: ...\n" where there is one.
VLMEVALKIT = (
    "{hint}Question: {question}\nOptions:\n{options}Please select the correct answer from the options above. \n"
)


class Bench(NamedTuple):
    """How samples are made of a benchmark's rows; `rows` tells about the fields that are in none of these lists."""

    about: str
    choice: str = VLMEVALKIT
    """The prompt of a question with options, which stand in `options`, one a line as `option` says.

    Where they stand in the question itself, the prompt is without them and without their heading.
    """
    open: str = "{hint}Question: {question}\n"
    """The prompt of one without."""
    option: str = "{letter}. {text}"
    given: str = ""
    """The field that holds the whole prompt, in rows that have it."""
    kind: Callable[[Row], str] = forms.choice
    """What a row's answer is: choice, count, text, truth, quantity, or "number" with its unit."""
    task: tuple[str, ...] = ("category", "task", "question_type")
    ids: tuple[str, ...] = ("index", "id", "idx", "question_id", "qid", "q_uid", "uid", "ID")
    part: tuple[str, ...] = ()
    """What a row's id begins with, where the files of a benchmark number their rows each."""
    options: tuple[str, ...] = ("options", "choices", "candidates", "Candidates")
    answer: tuple[str, ...] = ("answer", "ground_truth", "gt_answer", "Answer", "correct_answer", "value")
    counted: bool = False
    """Whether a number as the answer of a choice counts the options, from 0."""
    video: Callable[[Row], str] = forms.film
    """The path of a row's video, or of the folder of its frames, without its suffix or with it."""
    row: Callable[[Row], Row] = forms.same
    """Brings a row into the common form."""


_MINDCUBE = (
    "Based on these images, answer the question based on this rule: You only need to provide *ONE* correct answer "
    "selecting from the options listed below. For example, if you think the correct answer is 'A. above' from "
    "'A. above B. under C. front D. behind.', your response should only be 'A. above'.\n{question}\n{options}"
)
_SITE = "Question: {question}\nOptions:\n{options}Give me the answer letter directly. The best answer is:"
_VSI = "These are frames of a video.\n{question}\n"
_STI = "{period}{question}\n{options}Please output only the option you choose!"

BENCHES: dict[str, Bench] = {
    "vsibench": Bench(
        "VSI-Bench; the prompts of thinking-in-space and VST",
        f"{_VSI}Options:\n{{options}}{LETTER}",
        f"{_VSI}{WORD}",
        kind=forms.vsi,
        task=("question_type",),
        ids=("id", "index"),
        video=forms.vsi_video,
    ),
    "cvbench": Bench(
        "CV-Bench; its own prompts, else VLMEvalKit's",
        given="prompt",
        task=("task", "category"),
        part=("type", "split"),
    ),
    "3dsrbench": Bench("3DSRBench; VLMEvalKit's prompt"),
    "mmsi": Bench(
        "MMSI-Bench; its own prompt, options in the question",
        f"{{question}}\n{{options}}{LETTER} Enclose the option's letter within ``.",
        task=("category", "question_type", "type"),
    ),
    "blink": Bench(
        "BLINK; its own prompts, else VLMEvalKit's",
        given="prompt",
        task=("category", "sub_task"),
        ids=("idx", "id", "index"),
        row=forms.blink_row,
    ),
    "mmstar": Bench("MMStar; VLMEvalKit's prompt"),
    "mmbench": Bench("MMBench, with rolled copies; VLMEvalKit's prompt"),
    "realworldqa": Bench(
        "RealWorldQA; VLMEvalKit's prompt, the question alone without options",
        open="{question}",
        kind=forms.realworldqa,
    ),
    "mmmu": Bench(
        "MMMU; VLMEvalKit's prompt",
        kind=forms.mmmu,
        options=("options", "index2ans"),
        task=("subject", "category"),
        ids=("id", "index"),
    ),
    "ocrbench": Bench(
        "OCRBench; the question alone",
        open="{question}",
        kind=forms.text,
        task=("category", "question_type", "type"),
        ids=("index", "id"),
    ),
    "ai2d": Bench("AI2D; VLMEvalKit's prompt"),
    "sparbench": Bench(
        "SPAR-Bench; its own prompts", given="prompt", kind=forms.spar, task=("task",), row=forms.spar_row
    ),
    "viewspatial": Bench(
        "ViewSpatial-Bench; its own prompt",
        "Question: {question}\nChoices: {options}Reply only to the corresponding option.\nAnswer:",
        task=("question_type",),
    ),
    "mindcube": Bench("MindCube; its own prompts", _MINDCUBE, given="input_prompt", task=("type", "category")),
    "sat": Bench(
        "SAT; VLMEvalKit's prompt, for the benchmark asks for words",
        options=("answers", "options"),
        answer=("correct_answer", "answer"),
        task=("question_type",),
    ),
    "omnispatial": Bench(
        "OmniSpatial; EASI's direct prompt",
        "{question}\n{options}Answer directly with the option letter from the given choices. ",
        task=("task_type", "category"),
        answer=("gt", "answer"),
        counted=True,
    ),
    "stibench": Bench(
        "STI-Bench; its own prompt without the frame rate",
        _STI,
        option="{letter} {text}",
        task=("task", "Task", "task_type", "category"),
    ),
    "spbench": Bench(
        "SPBench SI and MV; its own prompts",
        "Question: {question}\nOptions:\n{options}\n"
        "Please answer with the option's letter from the given choices (e.g., A, B, etc.) directly.",
        "Question: {question}\n\nPlease answer the question using a numerical value (e.g., 42 or 3.1) directly.",
        kind=forms.vsi,
        task=("question_type", "problem_type"),
    ),
    "site": Bench("SITE-Bench, pictures and videos; its own prompt", _SITE, option="{letter}: {text}"),
    "vsr": Bench(
        "Visual Spatial Reasoning; the prompt is ours",
        open='Is this caption true of the picture? "{question}" Answer yes or no.',
        kind=forms.truth,
        row=forms.vsr_row,
    ),
    "whatsup": Bench("What'sUp; the question is ours, in VLMEvalKit's prompt", task=("subset",), row=forms.whatsup_row),
    "spatialscore": Bench(
        "SpatialScore; the question alone, options in it",
        "{question}\n{options}",
        open="{question}",
        kind=forms.spatialscore,
        task=("category",),
    ),
    "egoschema": Bench(
        "EgoSchema; lmms-eval's prompt",
        f"{{question}}\n{{options}}{LETTER}",
        options=("options", "option"),
        ids=("q_uid", "uid", "video_idx", "id", "question_idx"),
        counted=True,
        video=lambda row: str(row.get("q_uid") or row.get("uid") or row.get("video_idx") or ""),
        row=forms.egoschema_row,
    ),
}
BENCHES["mmsi-circular"] = BENCHES["mmsi"]._replace(about="MMSI-Bench with rolled options; its own prompt")
