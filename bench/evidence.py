"""Speed of evidence against the reading of its inputs, in the same run: python bench/evidence.py [SCENES.jsonl [ROOT]].

The floor is PIL and NumPy alone: both maps of a view opened and held as arrays. The whole is `evidence.annotate`, from
record to record. Every round measures both, so that what else the machine does slows both.

Without arguments, on a rendered room of 30 boxes at 640x480 (ray casting of the tests).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from vstkit import evidence

ROUNDS = 15


def room(folder: Path) -> list[dict[str, Any]]:
    """One scene with eight views, written to `folder`."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from room import look_at, write_scene

    rng = np.random.default_rng(0)
    boxes = np.hstack(
        [rng.uniform([-3, -1, 1], [3, 1, 6], (30, 3)), rng.uniform(0.1, 0.8, (30, 3)), 360 * rng.random((30, 3))]
    )
    camera = (525.0, 525.0, 319.5, 239.5)
    views = [(camera, 640, 480, look_at((x / 2, -1, 0), (0, 0, 3))) for x in range(-4, 4)]
    return [write_scene(folder, boxes, [f"thing{i}" for i in range(30)], views)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            held = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
            root = (sys.argv[2:] or ["."])[0]
        else:
            held, root = room(Path(folder)), folder
        views = [view for record in held for view in record["views"]]
        reading, looking = [], []
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            for view in views:
                _maps = [np.asarray(Image.open(Path(root, view[key]["path"]))) for key in ("depth", "instances")]
            middle = time.perf_counter()
            for record in held:
                evidence.annotate(record, Counter(), root=root)
            reading.append(middle - start)
            looking.append(time.perf_counter() - middle)
        floor, whole = (1000 * median(times[1:]) / len(views) for times in (reading, looking))
        print(f"{len(views)} views: evidence {whole:.1f} ms a view, reading alone {floor:.1f} ms: {floor / whole:.0%}")


if __name__ == "__main__":
    main()
