"""How far questions can be answered without their pictures: python bench/blind.py [SAMPLES.jsonl ... | < samples].

For each task, over the first turn of its samples:

    chance    what guessing among the options is worth
    letter    always the letter that is right most often
    label     the option whose label is right most often ("chair" of "chair (red box)")
    longest   the option with most characters
    place     of options with pixels written out, the one lowest in the picture, or highest: what is near is low
    answer    answers that are not chosen, by what is usual for the labels asked about: an order that is right as a
              whole, a number within a tenth
    twice     samples whose questions, less spaces and case, and picture stand before

Habits are learned on four fifths of the families of scenes and tried on the last, in turn: no family is on both sides.
Compare a column with chance; +- is two standard errors of a share at chance. Without arguments, on samples about made
rooms.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple
from zlib import crc32

FOLDS = 5
MODULES = ("depth", "distance", "measure", "detection", "caption")

Sample = dict[str, Any]


class Asked(NamedTuple):
    """A sample's first turn; `fold` is that of its family."""

    fold: int
    question: str
    answer: dict[str, Any]
    labels: tuple[str, ...]


def asked(sample: Sample) -> Asked:
    answer = sample["answer"][0] if isinstance(sample["answer"], list) else sample["answer"]
    question = next(_texts(sample))
    named = answer["options"].values() if answer["type"] == "choice" else answer["value"]
    labels = map(bare, named) if answer["type"] in ("choice", "order") else [_asked_about(question)]
    place = sample.get("family") or sample["scene"]
    return Asked(crc32(place.encode()) % FOLDS, question, answer, tuple(labels))


def bare(name: str) -> str:
    return re.sub(r" \(.*?\)| at [\[(].*?[\])]", "", name)


def _asked_about(question: str) -> str:
    """The question less numbers, marks and places: its wording and the labels in it."""
    return re.sub(r"\d+(\.\d+)?", "0", bare(question))


def _texts(sample: Sample, role: str = "user") -> Iterator[str]:
    for message in (message for message in sample["messages"] if message["role"] == role):
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        yield from (part["text"] for part in parts if part["type"] == "text")


def habits(seen: list[Asked]) -> Iterator[tuple[Asked, list[Asked]]]:
    """Each question with those of the other folds."""
    rest = {fold: [one for one in seen if one.fold != fold] for fold in range(FOLDS)}
    for one in seen:
        yield one, rest[one.fold]


def by_letter(seen: list[Asked]) -> float:
    """Right by the letter that is usual among as many options."""
    usual: dict[tuple[int, int], str] = {}
    right = 0
    for one, others in habits(seen):
        n = len(one.answer["options"])
        if (one.fold, n) not in usual:
            counts = Counter(o.answer["value"] for o in others if len(o.answer["options"]) == n)
            usual[one.fold, n] = counts.most_common(1)[0][0] if counts else "A"
        right += usual[one.fold, n] == one.answer["value"]
    return right / len(seen)


def by_label(seen: list[Asked]) -> float:
    """Right by the label that is usual: how often it was right of the times that it was offered, drawn to chance."""
    rates: dict[int, dict[str, float]] = {}
    total = 0.0
    for one, others in habits(seen):
        if one.fold not in rates:
            won, met = Counter[str](), Counter[str]()
            for other in others:
                n = len(other.labels)
                for letter, label in zip(other.answer["options"], other.labels, strict=True):
                    won[label] += (letter == other.answer["value"]) - 1 / n  # more than chance
                    met[label] += 1
            rates[one.fold] = {label: won[label] / (met[label] + 2) for label in met}
        scores = [rates[one.fold].get(label, 0.0) for label in one.labels]
        best = [letter for letter, s in zip(one.answer["options"], scores, strict=True) if s == max(scores)]
        total += (one.answer["value"] in best) / len(best)
    return total / len(seen)


def by_length(seen: list[Asked]) -> float:
    """Right by the longest option; of several as long, by chance."""
    total = 0.0
    for one in seen:
        most = max(map(len, one.answer["options"].values()))
        best = [letter for letter, text in one.answer["options"].items() if len(text) == most]
        total += (one.answer["value"] in best) / len(best)
    return total / len(seen)


def by_place(seen: list[Asked]) -> float | None:
    """Right by how low in the picture options are that say it: the lowest or the highest, whichever is usual."""
    right: dict[int, list[tuple[int, bool, bool]]] = defaultdict(list)  # by number of options
    for one in seen:
        rows = {letter: _row(text) for letter, text in one.answer["options"].items()}
        if all(row is not None for row in rows.values()):
            ends = max(rows, key=lambda k: rows[k] or 0), min(rows, key=lambda k: rows[k] or 0)
            right[len(rows)].append((one.fold, ends[0] == one.answer["value"], ends[1] == one.answer["value"]))
    found = []
    for held in right.values():
        lead = {fold: sum(low - high for other, low, high in held if other != fold) for fold in range(FOLDS)}
        found += [low if lead[fold] >= 0 else high for fold, low, high in held]
    return fmean(found) if found else None


def _row(name: str) -> int | None:
    """The last number of a place in pixels."""
    held = re.search(r"[(\[][\d, ]*?(\d+)[\])]$", name)
    return int(held[1]) if held else None


def by_answer(seen: list[Asked]) -> float | None:
    """Numbers by the median of the same question, else of all; orders by the usual rank of their labels."""
    kind = seen[0].answer["type"]
    if kind == "number":
        return fmean(map(_near, *zip(*_guesses(seen), strict=True)))
    if kind == "order":
        return fmean(_same_order(one, others) for one, others in habits(seen))
    return None


def _guesses(seen: list[Asked]) -> Iterator[tuple[float, float]]:
    held: dict[int, dict[str, list[float]]] = {}
    for one, others in habits(seen):
        if one.fold not in held:
            held[one.fold] = defaultdict(list)
            for other in others:
                for key in (other.labels[0], other.answer["unit"]):
                    held[one.fold][key].append(other.answer["value"])
        known = held[one.fold]
        usual = known.get(one.labels[0]) or known.get(one.answer["unit"]) or [0.0]
        yield median(usual), one.answer["value"]


def _near(guess: float, true: float) -> bool:
    return abs(guess - true) <= 0.1 * abs(true)


def _same_order(one: Asked, others: list[Asked]) -> bool:
    ranks: dict[str, list[float]] = defaultdict(list)
    for other in others:
        for place, label in enumerate(other.labels):
            ranks[label].append(place / max(len(other.labels) - 1, 1))
    usual = {label: fmean(places) for label, places in ranks.items()}
    guess = sorted(set(one.labels), key=lambda label: usual.get(label, 0.5))
    return guess == list(one.labels)


def twice(samples: list[Sample]) -> int:
    met = Counter((json.dumps(s["images"]), " ".join(" ".join(_texts(s)).lower().split())) for s in samples)
    return len(samples) - len(met)


def table(samples: Iterable[Sample]) -> Iterator[str]:
    tasks: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        tasks[sample["task"]].append(sample)
    columns = ("chance", "+-", "letter", "label", "longest", "place", "answer", "twice")
    yield f"{'task':20} {'n':>6} " + " ".join(f"{name:>{6 if name in ('+-', 'twice') else 7}}" for name in columns)
    for task, held in sorted(tasks.items()):
        seen = [asked(sample) for sample in held if "answer" in sample]
        row: list[float | None] = [None] * 7
        if choices := [one for one in seen if one.answer["type"] == "choice"]:
            seen = choices
            chance = fmean(1 / len(one.answer["options"]) for one in seen)
            noise = 2 * (chance * (1 - chance) / len(seen)) ** 0.5
            row = [chance, noise, by_letter(seen), by_label(seen), by_length(seen), by_place(seen), None]
        elif seen:
            row[6] = by_answer(seen)
        shares = " ".join(f"{'-' if x is None else f'{x:.1%}':>{6 if i == 1 else 7}}" for i, x in enumerate(row))
        yield f"{task:20} {len(held):6} {shares} {twice(held):6}"


def made(folder: str, count: int = 12) -> Iterator[Sample]:
    """Samples of every task about made rooms."""
    from vstkit import synth
    from vstkit.tasks import asking

    makers = [asking.maker(module, tasks=list(asking.of(module).TASKS), per_view=8) for module in MODULES]
    for unit in synth.units(folder, count=count, seed=0):
        (scene,) = synth.scene(unit, Counter(), size=(320, 240))
        for make in makers:
            yield from make(scene, Counter())


def read(paths: list[str]) -> Iterator[Sample]:
    for path in paths:
        with sys.stdin if path == "-" else Path(path).open(encoding="utf-8") as lines:
            yield from (record for record in map(json.loads, lines) if record["kind"] == "sample")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = sys.argv[1:] or ([] if sys.stdin.isatty() else ["-"])
        samples = list(read(paths)) if paths else []
        print("\n".join(table(samples or made(folder))))


if __name__ == "__main__":
    main()
