"""What all generators share: who may be asked about, what counts as a clear difference, how a sample is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vstkit.chance import digest
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
    if seen.box is not None and boxes.contains(seen.box, np.zeros((1, 3)))[0]:
        return "the camera is inside it"
    return {"seen": "", "hardly": "hardly seen", "hidden": "not in view", "unsure": "cannot tell if it is in view"}[
        seen.state
    ]


def clear_gap(nearer: float, farther: float, min_gap: float, min_ratio: float) -> bool:
    """The one margin rule for every comparison of lengths: by `min_gap` metres and by `min_ratio` of the nearer."""
    return farther - nearer >= max(min_gap, min_ratio * nearer)


def distinct_names(candidates: Iterable[Seen], present: Iterable[Seen]) -> list[Seen]:
    """The candidates that their bare label names: no other object in view, well seen or not, fits."""
    labels = [_words(s.object.label) for s in present if s.state != "hidden"]
    return [s for s in candidates if sum(_within(_words(s.object.label), other) for other in labels) == 1]


def _words(label: str) -> list[str]:
    return label.lower().split()


def _within(name: list[str], other: list[str]) -> bool:
    """`table` is within `coffee table`, and the other way round: one could be taken for the other."""
    short, long = sorted((name, other), key=len)
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def sample(
    *,
    command: str,
    task: str,
    scene: dict[str, Any],
    images: list[Any],
    question: str,
    reply: str | None,
    answer: dict[str, Any] | None,
    meta: dict[str, Any],
) -> dict[str, Any]:
    """A one-turn sample record; without `reply` and `answer` a question that nobody has answered yet.

    Its id is made from what it is about: scene, task and `meta`, less measured values.
    """
    about = [(key, meta[key]) for key in sorted(meta) if key not in ("values", "near")]
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": question}]
    messages = [{"role": "user", "content": content}]
    if reply is not None:
        messages.append({"role": "assistant", "content": [{"type": "text", "text": reply}]})
    return {
        "kind": "sample",
        "id": f"{command}/{digest(scene['id'], task, about)}",
        "task": task,
        "scene": scene["id"],
        **{key: scene[key] for key in ("dataset", "family", "license", "split") if key in scene},
        "images": images,
        "messages": messages,
        **({"answer": answer} if answer else {}),
        "meta": meta,
    }


def summary(tally: Counter[str]) -> str:
    """The counts of a run in one line: candidates, samples, and every reason of a drop."""
    counted = f"{tally['candidates']} candidates, {tally['samples']} samples"
    return counted + left_out(tally, besides=("candidates", "samples"))
