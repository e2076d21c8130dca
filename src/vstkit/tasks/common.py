"""What all generators share: who may be asked about, and what counts as a clear difference."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstkit.evidence import Seen
from vstkit.geometry import boxes
from vstkit.stream import left_out

# Labels of surfaces and of leftovers in the public sets; a scene marks its own with `stuff`.
STUFF = frozenset(
    {
        "wall",
        "floor",
        "ceiling",
        "room",
        "shelter",
        "roof",
        "ground",
        "background",
        "object",
        "objects",
        "unknown",
        "remove",
        "split",
        "otherfurniture",
        "otherstructure",
        "otherprop",
        "misc",
        "void",
    }
)


def askable(views_of: Sequence[Seen], tally: Counter[str]) -> list[Seen]:
    """The objects that a question may be about; each that is left out is counted with its reason."""
    kept = []
    for seen in views_of:
        reason = _reason(seen)
        if reason:
            tally[f"object: {reason}"] += 1
        else:
            kept.append(seen)
    return kept


def _reason(seen: Seen) -> str:
    if seen.object.stuff or seen.object.label.lower() in STUFF:
        return "stuff"
    if seen.box is not None and _around_camera(seen.box):
        return "the camera is inside it"
    return {"seen": "", "hardly": "hardly seen", "hidden": "not in view", "unsure": "cannot tell if it is in view"}[
        seen.state
    ]


def _around_camera(box: NDArray[Any]) -> bool:
    x, y, z, *sizes = box[:6].tolist()
    # Most boxes are farther away than their corners reach.
    return math.hypot(x, y, z) <= math.hypot(*sizes) / 2 and bool(boxes.contains(box, np.zeros((1, 3)))[0])


def clear_gap(nearer: float, farther: float, min_gap: float, min_ratio: float) -> bool:
    """The one margin rule for every comparison of lengths: by `min_gap` metres and by `min_ratio` of the nearer."""
    return farther - nearer >= max(min_gap, min_ratio * nearer)


def distinct_names(candidates: Iterable[Seen], present: Iterable[Seen]) -> list[Seen]:
    """The candidates that their bare label names: no other object in view, well seen or not, fits.

    `table` is within `coffee table`, and the other way round: one could be taken for the other.
    """
    labels = [_words(s.object.label) for s in present if s.state != "hidden"]
    times = Counter(labels)
    holding = Counter(part for words in labels for part in _parts(words))
    named = []
    for seen in candidates:
        words = _words(seen.object.label)
        fitting = holding[words] + sum(times[part] for part in _parts(words) if part != words)
        if fitting == 1:
            named.append(seen)
    return named


def _words(label: str) -> tuple[str, ...]:
    return tuple(_stem(word) for word in re.findall(r"[\w'-]+", label.lower()))


def _stem(word: str) -> str:
    """What a word and its plural share: shelf and shelves, box and boxes, berry and berries, stove and stoves."""
    if word.endswith("s") and not word.endswith(("ss", "us")):
        word = word[:-1]
    word = word.removesuffix("e")
    return word[:-1] + {"v": "f", "y": "i"}.get(word[-1], word[-1]) if word else word


def _parts(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Every run of words in a name, the whole one too."""
    return {words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)}


NOTE = "note: "  # begins the counts of what is not left out, but should be known


def summary(tally: Counter[str]) -> str:
    """The counts of a run in one line: candidates, samples, and every reason of a drop."""
    counted = f"{tally['candidates']} candidates, {tally['samples']} samples"
    noted = [key for key in tally if key.startswith(NOTE)]
    return counted + left_out(tally, besides=("candidates", "samples", *noted))


def notes(tally: Counter[str]) -> list[str]:
    """What the user should know of a run, each with its count."""
    return [f"{key.removeprefix(NOTE)}: {n}" for key, n in sorted(tally.items()) if key.startswith(NOTE) and n]
