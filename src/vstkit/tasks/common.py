"""What all generators share: who may be asked about, and the sum of a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstkit.evidence import Seen
from vstkit.geometry import boxes
from vstkit.naming import STUFF
from vstkit.stream import left_out


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


NOTE = "note: "  # begins the counts of what is not left out, but should be known


def summary(tally: Counter[str]) -> str:
    """The counts of a run in one line: candidates, samples, and every reason of a drop."""
    counted = f"{tally['candidates']} candidates, {tally['samples']} samples"
    noted = [key for key in tally if key.startswith(NOTE)]
    return counted + left_out(tally, besides=("candidates", "samples", *noted))


def notes(tally: Counter[str]) -> list[str]:
    """What the user should know of a run, each with its count."""
    return [f"{key.removeprefix(NOTE)}: {n}" for key, n in sorted(tally.items()) if key.startswith(NOTE) and n]
