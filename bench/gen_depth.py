"""Speed of gen-depth, in one run: python bench/gen_depth.py [SCENES.jsonl [ROOT]].

From maps: against the mere reading of the same depth and instance images. From evidence that the stream carries:
samples a second on one core, of the tasks that need no maps, and of all. Without arguments, on three rendered rooms of
30 boxes at 640x480 (ray casting of the tests).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from vstkit import evidence, images
from vstkit.lineio import encode
from vstkit.tasks import asking, depth

ROUNDS = 7
Record = dict[str, Any]


def rooms(folder: Path) -> list[Record]:
    """Scenes with two views each, written to `folder`."""
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from room import look_at, write_scene

    camera = (525.0, 525.0, 319.5, 239.5)
    views = [(camera, 640, 480, None), (camera, 640, 480, look_at((-1, -1, 0), (0, 0, 3)))]
    scenes = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        boxes = np.hstack(
            [rng.uniform([-3, -1, 1], [3, 1, 6], (30, 3)), rng.uniform(0.1, 0.8, (30, 3)), 360 * rng.random((30, 3))]
        )
        walls = [[0, 0, 8, 14, 8, 0.1, 0, 0, 0], [0, 1.6, 4, 14, 0.1, 10, 0, 0, 0]]
        labels = [f"thing{i}" for i in range(30)] + ["wall", "floor"]
        scenes.append(write_scene(folder, np.vstack([boxes, walls]), labels, views, name=f"room{seed}"))
    return scenes


def read(scenes: list[Record], root: str) -> int:
    """Reads the maps of every view; returns how many views there are."""
    for scene in scenes:
        for view in scene["views"]:
            for key in ("depth", "instances"):
                if key in view:
                    images.read_map(view[key]["path"], root)
    return sum(len(scene["views"]) for scene in scenes)


def generated(scenes: list[Record], root: str, tasks: list[str] | None = None) -> int:
    """Samples made of the scenes and written as lines."""
    make = asking.maker("depth", {}, root=root, tasks=tasks)
    return sum(len(encode(one)) > 0 for scene in scenes for one in make(scene, Counter()))


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """Seconds of one core, and what the work returns."""
    start = time.process_time()
    count = work()
    return time.process_time() - start, count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        if len(sys.argv) > 1:
            scenes = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
            root = (sys.argv[2:] or ["."])[0]
        else:
            scenes, root = rooms(Path(folder)), folder
        known = [evidence.annotate(scene, Counter(), root=root)[0] for scene in scenes]
        boxes = [name for name in depth.TASKS if name not in {*depth.OPTIONAL, "depth-points"}]
        works: dict[str, Callable[[], int]] = {
            "reading": lambda: read(scenes, root),
            "from maps": lambda: generated(scenes, root),
            "from evidence": lambda: generated(known, root, boxes),
            "with points": lambda: generated(known, root),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        counts: dict[str, int] = {}
        for _ in range(ROUNDS):
            for name, work in works.items():
                took, counts[name] = timed(work)
                times[name].append(took)
    took = {name: median(held[1:]) for name, held in times.items()}
    per_view = {name: 1000 * seconds / counts["reading"] for name, seconds in took.items()}
    print(f"{counts['reading']} views: reading their maps {per_view['reading']:.1f} ms a view")
    share = took["reading"] / took["from maps"]
    made = f"{counts['from maps']} samples"
    print(f"from maps: {per_view['from maps']:.1f} ms a view, {share:.0%} of the rate of reading ({made})")
    for name in ("from evidence", "with points"):
        print(f"{name}: {counts[name] / took[name]:,.0f} samples/s ({counts[name]} samples)")


if __name__ == "__main__":
    main()
