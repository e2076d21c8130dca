"""Mutated model answers through parser and reward: none may raise, leave [0, 1], or take more than 50 ms.

Usage: python bench/fuzz_rewards.py [--n 1000000] [--seed 0]. Answers are real ones where the folder of real data is
there (VSTKIT_SHARED, else ../shared/data), and ours: cut, spliced, nested 100,000 deep, with huge numbers, NaN,
odd characters, wrong types, strings of a megabyte. Each is given to both rewards, as the answer to some question of
some type. Time is that of the processor: the wall clock of a shared machine counts others too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vstkit.geometry.dialects import Notation, format_boxes
from vstkit.rewards import reward

LIMIT = 0.05  # s
CAMERA = (600.0, 600.0, 320.0, 240.0)
BOXES = [
    {"label": "chair", "box3d": [-0.29, -0.04, 2.23, 0.61, 0.94, 0.47, 72.0, 59.4, 77.4]},
    {"label": "chair", "box3d": [-0.77, -0.16, 2.24, 0.62, 0.96, 0.51, 64.8, 57.6, 68.4]},
    {"label": "coffee table", "box3d": [0.61, 0.3, 2.58, 1.2, 0.45, 0.6, 0.0, 31.0, 0.0]},
    {"label": "椅子", "box3d": [0.06, -0.37, 2.91, 0.63, 0.85, 0.52, 59.4, 55.8, 63.0]},
]
NOTATIONS = [
    Notation(dialect, angles, center)
    for dialect in ("vst", "seed", "gemini")
    for angles in ("euler", "quat")
    for center in ("xyz", "uvd")
]
ANSWERS: list[dict[str, Any]] = [
    *[{"type": "boxes3d", "value": boxes} for boxes in (BOXES, BOXES * 5, [])],
    {"type": "choice", "value": "B", "options": {"A": "left of the chair", "B": "8 o'clock", "C": "", "D": "none"}},
    {"type": "choice", "value": "A", "options": {"A": "", "B": "", "C": "", "D": "", "E": "", "F": ""}},
    {"type": "number", "value": 2.5, "unit": "m"},
    {"type": "number", "value": 71, "unit": "cm"},
    {"type": "count", "value": 3},
    {"type": "count", "value": 0},
    {"type": "text", "value": "left", "accept": ["to the left"]},
    {"type": "text", "value": "2.5", "reward_mode": ["relaxed_score", "vqa_score", "math_score"]},
    {"type": "words", "value": "NO PARKING ANY TIME"},
    {"type": "math", "value": "\\boxed{\\frac{1}{2}}"},
    {"type": "order", "value": ["chair", "table", "lamp"]},
]
OURS = [
    "B", "(B) 8 o'clock", "The answer is B.", "<think>The chair is left, A or C.</think>\n\nB", "<answer>B</answer>",
    "2.5", "about 2.5 meters", "71 cm (28 in)", "5 ft 11 in", "twenty-one", "1,234.5", "It is 2.5 m, not 3 m.",
    "3 chairs and 2 tables", "to the left", "No parking any time", "\\boxed{\\frac{1}{2}}", "$x = \\sqrt{2}/2^{10}$",
    "chair, table, lamp", '["chair", "table", "lamp"]', "1. chair\n2. table\n3. lamp", "[]", "```json\n[]\n```", "",
]  # fmt: skip
ODD = [
    "1e400", "-1e400", "NaN", "-Infinity", "9" * 400, "0." + "1" * 5000, "1e-400", "null", "true", '"x"', "[]", "{}",
    "-0.0", "\ud800", "\udfff\ud83d", "\x00", "\u202e", "\u200b", "\ufeff", "é\u0301" * 3, "🪑", "İ", "ﬁ", "１２", "٣",
    "\\u12", "\\", '"', "'", "`", "```", "```json\n", "<think>", "</think>", "</think>\n", "<answer>", "</answer>",
    "<3dbbox>", "</3dbbox>", "\\boxed{", "\\frac{1}{0}", "}", "]", "[", "{", ",", ":", "\n", " ", "^", "2^9^9^9",
    "9**9**9", "((", "1/0", "%", " m", " A", "B.",
]  # fmt: skip
DEEP = [
    "[", "{", '{"a":', '[{"bbox_3d":', "[[{", "(", "-", "\\frac{", "\\sqrt{", "<think>", "</think>", "\\boxed{",
    "```\n", "[]", "[{}]", "{},", "1,", "1 ", "1.", "9", "a", "A. ", "A or B, ", "the answer is ", "is: ", "<3dbbox>",
    '"', "\\", "\\u00e9", " ", "\n", "( ", "```[", "'", "- 1 m", "=", "not ", "chair, ", "1/", "^", "ten ", ">", "<",
    "<answer>", "so A ", "\t", ".", "。", "*",
]  # fmt: skip


def seeds(shared: Path | None) -> list[str]:
    """Texts to start from."""
    crowd = [{**box, "box3d": [i / 50, *box["box3d"][1:]]} for box in BOXES for i in range(40)]
    texts = [*OURS, "None", format_boxes(crowd), *[format_boxes(BOXES)] * 5]
    for notation in NOTATIONS:
        texts.append(format_boxes(BOXES, notation, CAMERA))
        texts.append(f"<think>I see four.</think>\nHere they are:\n{texts[-1]}\nThat is all.")
    if shared and shared.is_dir():
        detections = json.loads((shared / "detections/real_3d_predictions.json").read_text(encoding="utf-8"))["items"]
        for item in detections:
            texts += [item.get("response") or json.dumps(item.get("parsed") or item["transcript"])] * 3
        for path in sorted((shared / "benchmarks/blink/saved_outputs/GPT4o").glob("*.json")):
            texts += [row["full_prediction"] for row in json.loads(path.read_text(encoding="utf-8"))["val"][:10]]
        lines = (shared / "benchmarks/vsibench/scene0593_00_gemini.jsonl").read_text(encoding="utf-8").splitlines()
        texts += [value for line in lines for value in json.loads(line).values() if isinstance(value, str)]
    return texts


def mutant(chance: random.Random, texts: list[str]) -> str:
    """A text with up to six faults; one of two hundred is nested deep or a megabyte long."""
    text = chance.choice(texts)
    for _ in range(chance.randint(0, 6)):
        a, b = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
        kind = chance.randrange(7)
        if kind == 0:
            text = text[:b]
        elif kind == 1:
            text = text[:a] + text[b:]
        elif kind == 2:
            text = text[:b] + text[a:]
        elif kind == 3:
            other = chance.choice(texts)
            text = text[:a] + other[chance.randint(0, len(other)) :]
        elif kind == 4:
            text = text[:a] + chance.choice(ODD) * chance.choice((1, 1, 1, 3, 50)) + text[a:]
        elif kind == 5:
            text = _number_replaced(chance, text)
        else:
            text = text[:a] + "".join(chance.choices(text or " ", k=chance.randint(0, 30))) + text[a:]
        text = text[:20_000]
    if chance.random() < 0.005:
        part = chance.choice(DEEP) if chance.random() < 0.8 else text[:200] or "x"
        size = chance.choice((100_000, 100_000 // len(part), 1_000_000 // len(part)))
        place = chance.choice((0, len(text), chance.randint(0, len(text))))
        text = text[:place] + part * min(size, 1_000_000 // len(part)) + text[place:]
    return text


def _number_replaced(chance: random.Random, text: str) -> str:
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    if not digits:
        return text
    start = end = chance.choice(digits)
    while end < len(text) and (text[end].isdigit() or text[end] == "."):
        end += 1
    return text[:start] + chance.choice(ODD) + text[end:]


def trials(n: int, seed: int, shared: Path | None) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], float]]:
    """Text, answer, options and seconds of `n` mutants, each given to both rewards. Raises what these raise."""
    chance, texts = random.Random(seed), seeds(shared)
    for _ in range(n):
        text = mutant(chance, texts)
        boxes = chance.random() < 0.5 and ("3d" in text or "label" in text or "[" in text)
        answer = chance.choice(ANSWERS[:3] if boxes else ANSWERS)
        ours = {"think": chance.random() < 0.5, "notation": chance.choice(NOTATIONS), "camera": CAMERA}
        for options in (ours, {"compat": "vst"}):
            began = time.thread_time()
            try:
                given = reward(text, answer, **options)
            except Exception as e:
                e.add_note(f"{text[:300]!r} {answer} {options}")
                raise
            took = time.thread_time() - began
            parts = [given.accuracy, given.format, *(part for part in (given.iou, given.f1) if part is not None)]
            if not all(0 <= part <= 1 for part in parts):
                raise ValueError(f"not in [0, 1]: {given} of {text[:300]!r} {answer} {options}")
            yield text, answer, options, took


def shared_folder() -> Path | None:
    folder = Path(os.environ.get("VSTKIT_SHARED") or Path(__file__).parents[2] / "shared" / "data")
    return folder if folder.is_dir() else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began, slow, slowest, spent, calls = time.perf_counter(), 0, 0.0, 0.0, 0
    for text, answer, options, took in trials(given.n, given.seed, shared_folder()):
        calls, spent = calls + 1, spent + took
        if took > LIMIT:
            slow += 1
        if took > max(slowest, LIMIT / 2):
            shown = f"{text[:60]!r} .. {text[-60:]!r} ({len(text):,} characters)"
            print(f"{1000 * took:.1f} ms: {answer['type']} {options} {shown}", flush=True)
        slowest = max(slowest, took)
        if calls % 200_000 == 0:
            print(f"{calls // 2:,} texts, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    print(
        f"{given.n:,} texts, {calls:,} rewards, no exception; mean {1e6 * spent / calls:.0f} us, slowest "
        f"{1000 * slowest:.1f} ms, {slow} above {1000 * LIMIT:.0f} ms"
    )


if __name__ == "__main__":
    main()
