"""Rows of benchmarks in their documented layouts, and what is to become of them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]
MCQ = "Please select the correct answer from the options above. \n"
LETTER = "Answer with the option's letter from the given choices directly."
WORD = "Please answer the question using a single word or phrase."


def tsv(path: Path, table: Sequence[Mapping[str, Any]]) -> Path:
    names = list(dict.fromkeys(name for row in table for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    return path


def choice(value: str, *texts: str) -> Record:
    return {"type": "choice", "value": value, "options": dict(zip("ABCDEFGH", texts, strict=False))}


# Suite, a row in its layout, and what is to become of it: id, task, prompt, answer.
LAYOUTS: list[tuple[str, Record, str, str, str, Record]] = [
    ("vsibench",
     {"id": 7, "dataset": "arkitscenes", "scene_name": "41069025", "question_type": "route_planning", "question": "Go?",
      "ground_truth": "B", "options": ["A. Turn Left", "B. Turn Right"]},
     "vsibench/7", "route_planning",
     f"These are frames of a video.\nGo?\nOptions:\nA. Turn Left\nB. Turn Right\n{LETTER}",
     choice("B", "Turn Left", "Turn Right")),
    ("vsibench",
     {"id": 8, "dataset": "scannet", "scene_name": "s", "question_type": "object_counting", "question": "How many?",
      "ground_truth": "4", "options": None},
     "vsibench/8", "object_counting", f"These are frames of a video.\nHow many?\n{WORD}",
     {"type": "count", "value": 4}),
    ("vsibench", {"id": 9, "question_type": "room_size_estimation", "question": "Size?", "ground_truth": "20.7"},
     "vsibench/9", "room_size_estimation", f"These are frames of a video.\nSize?\n{WORD}",
     {"type": "number", "value": 20.7, "unit": "m2"}),
    ("vsibench", {"id": 3, "question_type": "object_size_estimation", "question": "Size?", "ground_truth": "182"},
     "vsibench/3", "object_size_estimation", f"These are frames of a video.\nSize?\n{WORD}",
     {"type": "number", "value": 182.0, "unit": "cm"}),
    ("cvbench",
     {"idx": 3, "type": "2D", "task": "Count", "source": "ADE20K", "question": "How many organs?",
      "choices": ["3", "2"], "answer": "(B)", "prompt": "How many organs? Select.\n(A) 3\n(B) 2"},
     "cvbench/2D/3", "Count", "How many organs? Select.\n(A) 3\n(B) 2", choice("B", "3", "2")),
    ("3dsrbench",
     {"index": 5, "qid": "NF7XUVPP-flip-1", "question": "Higher?", "A": "train", "B": "street", "answer": "B",
      "category": "height_higher"},
     "3dsrbench/5", "height_higher", f"Question: Higher?\nOptions:\nA. train\nB. street\n{MCQ}",
     choice("B", "train", "street")),
    ("mmsi",
     {"index": 0, "category": "Positional Relationship (Cam.–Obj.)", "answer": "C",
      "question": "Where?\nOptions: A: front, B: left, C: back, D: right"},
     "mmsi/0", "Positional Relationship (Cam.–Obj.)",
     f"Where?\nOptions: A: front, B: left, C: back, D: right\n{LETTER} Enclose the option's letter within ``.",
     choice("C", "front", "left", "back", "right")),
    ("blink",
     {"idx": "val_Counting_1", "sub_task": "Counting", "question": "How many?", "choices": ["0", "3"], "answer": "(A)",
      "prompt": "How many? Select.\n(A) 0\n(B) 3"},
     "blink/val_Counting_1", "Counting", "How many? Select.\n(A) 0\n(B) 3", choice("A", "0", "3")),
    ("mmstar", {"index": 1, "question": "What?", "A": "x", "B": "y", "answer": "A", "category": "math",
                "l2_category": "geometry"},
     "mmstar/1", "math", f"Question: What?\nOptions:\nA. x\nB. y\n{MCQ}", choice("A", "x", "y")),
    ("mmbench", {"index": 3_000_241, "hint": "Read.", "question": "Which?", "A": "x", "B": "y", "answer": "B",
                 "category": "ocr", "l2-category": "finegrained"},
     "mmbench/3000241", "ocr", f"Hint: Read.\nQuestion: Which?\nOptions:\nA. x\nB. y\n{MCQ}", choice("B", "x", "y")),
    ("realworldqa", {"index": 2, "question": "Lane?", "A": "1", "B": "2", "answer": "A"},
     "realworldqa/2", "", f"Question: Lane?\nOptions:\nA. 1\nB. 2\n{MCQ}", choice("A", "1", "2")),
    ("realworldqa", {"question": "How many cars? Answer with a number.", "answer": "3"},
     "realworldqa/0", "", "How many cars? Answer with a number.", {"type": "text", "value": "3"}),
    ("mmmu", {"index": 1, "id": "validation_Art_Theory_7", "question": "<image 1> Who?", "A": "x", "B": "y",
              "answer": "B", "category": "Art_Theory"},
     "mmmu/validation_Art_Theory_7", "Art_Theory", f"Question: <image 1> Who?\nOptions:\nA. x\nB. y\n{MCQ}",
     choice("B", "x", "y")),
    ("mmmu", {"id": "validation_Biology_10", "question": "Rate?", "options": "[]", "question_type": "open",
              "answer": "['4', 'four']"},
     "mmmu/validation_Biology_10", "Biology", "Question: Rate?\n", {"type": "text", "value": "4", "accept": ["four"]}),
    ("ocrbench", {"index": 4, "question": "What is written?", "answer": "['CENTRE', 'Centre']",
                  "category": "Regular Text Recognition"},
     "ocrbench/4", "Regular Text Recognition", "What is written?",
     {"type": "text", "value": "CENTRE", "accept": ["Centre"]}),
    ("ai2d", {"index": 0, "question": "Which?", "A": "x", "B": "y", "C": "z", "answer": "C", "category": "foodChains"},
     "ai2d/0", "foodChains", f"Question: Which?\nOptions:\nA. x\nB. y\nC. z\n{MCQ}", choice("C", "x", "y", "z")),
    ("sparbench", {"index": 1, "task": "depth_prediction_oc", "question": "How deep?", "answer": "1.5"},
     "sparbench/1", "depth_prediction_oc", f"How deep?\n{WORD}", {"type": "number", "value": 1.5, "unit": "m"}),
    ("sparbench", {"index": 2, "task": "position_matching", "question": "Which?\nA. [1, 2]\nB. [3, 4]", "answer": "B"},
     "sparbench/2", "position_matching",
     "Which?\nA. [1, 2]\nB. [3, 4]\nThe values represent the bounding box coordinates normalized to a 0-1000 scale, "
     f"with the top-left corner as the origin of the image.\n{LETTER}", choice("B", "[1, 2]", "[3, 4]")),
    ("sparbench", {"index": 3, "task": "view_change_infer", "question": "Moves?", "answer": "move_right:0.3"},
     "sparbench/3", "view_change_infer", "Moves?", {"type": "text", "value": "move_right:0.3"}),
    ("viewspatial", {"question_type": "Camera perspective - Relative Direction", "question": "Where?",
                     "answer": "A. right", "choices": "A. right\nB. front-up"},
     "viewspatial/0", "Camera perspective - Relative Direction",
     "Question: Where?\nChoices: A. right\nB. front-up\nReply only to the corresponding option.\nAnswer:",
     choice("A", "right", "front-up")),
    ("mindcube", {"id": "among_group693_q3", "question": "Where? A. Above B. Under C. Front", "gt_answer": "C",
                  "input_prompt": "Look. Where? A. Above B. Under C. Front", "type": "among"},
     "mindcube/among_group693_q3", "among", "Look. Where? A. Above B. Under C. Front",
     choice("C", "Above", "Under", "Front")),
    ("sat", {"question": "Moved?", "answers": ["left", "right"], "correct_answer": "right",
             "question_type": "obj_movement"},
     "sat/0", "obj_movement", f"Question: Moved?\nOptions:\nA. left\nB. right\n{MCQ}", choice("B", "left", "right")),
    ("omnispatial", {"id": "Dynamic/1", "question": "Which?", "options": ["x", "y"], "answer": 1, "gt": "B",
                     "task_type": "Dynamic_Reasoning", "sub_task_type": "Manipulation"},
     "omnispatial/Dynamic/1", "Dynamic_Reasoning",
     "Which?\nA. x\nB. y\nAnswer directly with the option letter from the given choices. ", choice("B", "x", "y")),
    ("stibench", {"ID": 4, "Question": "How fast?", "Candidates": {"A": "1 m/s", "B": "2 m/s"}, "Answer": "B",
                  "Task": "Speed & Acceleration", "time_start": 0.5, "time_end": 2},
     "stibench/4", "Speed & Acceleration",
     "From 0.5 seconds to 2 seconds. How fast?\nA 1 m/s\nB 2 m/s\nPlease output only the option you choose!",
     choice("B", "1 m/s", "2 m/s")),
    ("spbench", {"index": 0, "question": "Far?", "question_type": "object_abs_distance", "answer": "1.2"},
     "spbench/0", "object_abs_distance",
     "Question: Far?\n\nPlease answer the question using a numerical value (e.g., 42 or 3.1) directly.",
     {"type": "number", "value": 1.2, "unit": "m"}),
    ("site", {"index": 0, "question": "Which?", "options": "['x', 'y', 'z']", "answer": "C", "dataset": "CVBench",
              "category": "counting & existence"},
     "site/0", "counting & existence",
     "Question: Which?\nOptions:\nA: x\nB: y\nC: z\nGive me the answer letter directly. The best answer is:",
     choice("C", "x", "y", "z")),
    ("vsr", {"image": "1.jpg", "caption": "The cat is on the mat.", "label": 0, "relation": "on"},
     "vsr/0", "Topological", 'Is this caption true of the picture? "The cat is on the mat." Answer yes or no.',
     {"type": "text", "value": "no"}),
    ("spatialscore", {"index": 258, "category": "Others", "question_type": "multi-choice", "source": "MMVP",
                      "question": "Moving?\n(a) Left (b) Right", "answer": "(a)"},
     "spatialscore/258", "Others", "Moving?\n(a) Left (b) Right\n", choice("A", "Left", "Right")),
    ("spatialscore", {"index": 1, "category": "Size", "question_type": "open-ended", "question": "How tall?",
                      "answer": "1.5 meters"},
     "spatialscore/1", "Size", "How tall?", {"type": "number", "value": 1.5, "unit": "m"}),
    ("spatialscore", {"index": 2, "category": "Size", "question_type": "judgment", "question": "Tall?",
                      "answer": "yes"},
     "spatialscore/2", "Size", "Tall?", {"type": "text", "value": "yes"}),
    ("egoschema", {"q_uid": "0074", "question": "What?", **{f"option {i}": f"C {i}" for i in range(5)}, "answer": 3},
     "egoschema/0074", "", f"What?\nA. C 0\nB. C 1\nC. C 2\nD. C 3\nE. C 4\n{LETTER}",
     choice("D", "C 0", "C 1", "C 2", "C 3", "C 4")),
]  # fmt: skip
