"""What rows of single benchmarks are about: the kind of their answer, and rows brought into the common form."""

from __future__ import annotations

import os
import re

from vstkit.chance import Chance
from vstkit.tables import Row, listed

LETTER = "Answer with the option's letter from the given choices directly."
WORD = "Please answer the question using a single word or phrase."


def choice(row: Row) -> str:
    """Of a benchmark that only has choices."""
    return "choice"


def text(row: Row) -> str:
    """Of one that only has texts."""
    return "text"


def truth(row: Row) -> str:
    """Of one that asks whether a caption is true."""
    return "truth"


def same(row: Row) -> Row:
    """A row that needs no change."""
    return row


def film(row: Row) -> str:
    """The path of a row's video, where a field tells it."""
    return str(row.get("video") or row.get("video_path") or row.get("Video") or "")


def told_by_id(row: Row) -> str:
    """The task that an id of BLINK or MMMU tells: val_Art_Style_1, validation_Music_3."""
    found = re.fullmatch(r"(?:val|validation|test|dev)_(.+)_\d+", str(row.get("idx") or row.get("id") or ""))
    return found[1] if found else ""


_IMAGES = ["the second image", "the third image"]
_POINTS = [f"Point {letter}" for letter in "ABCD"]
# What BLINK's options say; those of Counting are numbers, and differ from question to question.
BLINK = {
    "Art_Style": _IMAGES, "Jigsaw": _IMAGES, "Visual_Similarity": _IMAGES, "Functional_Correspondence": _POINTS,
    "Semantic_Correspondence": _POINTS, "Visual_Correspondence": _POINTS, "Multi-view_Reasoning": ["left", "right"],
    "Forensic_Detection": [f"the {nth} image" for nth in ("first", "second", "third", "fourth")],
    "IQ_Test": [f"picture {letter}" for letter in "ABCD"], "Object_Localization": ["Box A", "Box B"],
    "Relative_Depth": ["A is closer", "B is closer"],
    "Relative_Reflectance": ["A is darker", "B is darker", "About the same"], "Spatial_Relation": ["yes", "no"],
}  # fmt: skip


def blink_row(row: Row) -> Row:
    """BLINK: options of a row of its results, which have none."""
    options = BLINK.get(told_by_id(row))
    return row if "question" in row or "choices" in row or not options else {**row, "choices": options}


def vsi(row: Row) -> str:
    """VSI-Bench and SPBench: by the type of question."""
    kinds = {"object_counting": "count", "object_abs_distance": "number m", "object_size_estimation": "number cm",
             "room_size_estimation": "number m2"}  # fmt: skip
    return kinds.get(str(row.get("question_type") or row.get("problem_type")), "choice")


def vsi_video(row: Row) -> str:
    """VSI-Bench: the scene's."""
    return f"{row['dataset']}/{row['scene_name']}" if {"dataset", "scene_name"} <= row.keys() else ""


def spar(row: Row) -> str:
    """SPAR-Bench: by the task."""
    task = str(row.get("task", ""))
    if task.startswith(("depth_prediction", "distance_prediction")):
        return "number m"
    return "text" if task == "view_change_infer" else "choice"


_BOXES = ("The values represent the bounding box coordinates normalized to a 0-1000 scale, "
          "with the top-left corner as the origin of the image.")  # fmt: skip


def spar_row(row: Row) -> Row:
    """SPAR-Bench: a prompt made of the question, as its evaluation asks."""
    if "question" not in row:
        return row
    boxes = f"\n{_BOXES}" if row.get("task") in ("position_matching", "camera_motion_infer") else ""
    tail = {"choice": f"{boxes}\n{LETTER}", "text": ""}.get(spar(row), f"\n{WORD}")
    return {**row, "prompt": f"{row['question']}{tail}"}


def mmmu(row: Row) -> str:
    """MMMU: open questions and choices; VLMEvalKit's rows of open questions have no options."""
    opened = row.get("question_type") in ("open", "short-answer") or not (
        "A" in row or listed(row.get("options")) or row.get("question_type")
    )
    return "text" if opened else "choice"


def realworldqa(row: Row) -> str:
    """RealWorldQA: VLMEvalKit's rows have options, the original's may have any answer."""
    answer = str(row.get("answer", ""))
    return "choice" if "A" in row or re.fullmatch(r"[A-D]", answer) else "text"


def spatialscore(row: Row) -> str:
    """SpatialScore: by the type of question."""
    kind = str(row.get("question_type", "")).lower()
    return "choice" if "choice" in kind else "text" if "judg" in kind or "yes" in kind else "quantity"


# The seven categories of visual-spatial-reasoning; "among" is in two of its lists, and the last one counts.
VSR = {
    relation: category
    for category, relations in {
        "Adjacency": "adjacent to, alongside, at the side of, at the right side of, at the left side of, attached to, "
        "at the back of, ahead of, against, at the edge of",
        "Directional": "off, past, toward, down, deep down, up, away from, along, around, from, into, to, across, "
        "across from, through, down from",
        "Orientation": "facing, facing away from, parallel to, perpendicular to",
        "Projective": "on top of, beneath, beside, behind, left of, right of, under, in front of, below, above, over, "
        "in the middle of",
        "Proximity": "by, close to, near, far from, far away from",
        "Topological": "connected to, detached from, has as a part, part of, contains, within, at, on, in, with, "
        "surrounding, among, consists of, out of, between, inside, outside, touching",
        "Unallocated": "beyond, next to, opposite to, after, among, enclosed by",
    }.items()
    for relation in relations.split(", ")
}


def vsr_row(row: Row) -> Row:
    """Visual Spatial Reasoning: the caption is what is asked; its relation tells the category."""
    told = {"category": kind} if (kind := VSR.get(str(row.get("relation")))) else {}
    return {**told, **row, "question": row.get("caption", ""), "answer": row.get("label", row.get("answer"))}


def egoschema_row(row: Row) -> Row:
    """EgoSchema: options out of the fields "option 0" to "option 4"."""
    held = [row[name] for i in range(26) if (name := f"option {i}") in row]
    rest = {name: value for name, value in row.items() if not name.startswith("option ")}
    return {**rest, "options": held} if held else row


# The file name tells the things and what holds between them: mug_left_of_plate.jpeg.
_RELATIONS = ("left", "right", "on", "under", "in-front", "behind")


def whatsup_row(row: Row) -> Row:
    """What'sUp's controlled pictures: the first caption is right; options are shuffled, always in the same way."""
    captions = listed(row.get("caption_options")) or []
    if not captions:
        return row
    path = str(row.get("image_path", ""))
    stem = os.path.splitext(os.path.basename(path))[0]
    words = stem.split("_")
    relation = words[1] if len(words) > 2 and words[1] in _RELATIONS else ""
    subset = "B" if "clevr" in path else "A"
    told = {"set": f"{subset}/{words[0]}/{words[-1]}", "relation": relation, "subset": subset} if relation else {}
    options = Chance(0, "whatsup", stem, *map(str, captions)).shuffled(captions)
    question = "Which of the captions is true of the picture?"
    return {**told, "question": question, **row, "options": options, "answer": captions[0]}
