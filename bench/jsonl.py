"""The pipe: records a second of the runner that all commands share, against a bare orjson loop over the same file.

Usage: python bench/jsonl.py [RECORDS]. The runs alternate in one process and the best of each counts, so only their
ratio is to be trusted (goal: at least 60 % of the bare loop). `vstkit check` is a process of its own, start included.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from vstkit.stream import Stream

ROUNDS = 5


def record(number: int) -> dict[str, Any]:
    """A sample of about 1.1 KB, as the generators write them."""
    listed = [
        {"label": "office chair", "box3d": [0.25 * i + number * 1e-6, 0.71, 2.5, 0.6, 0.9, 0.6, 0.0, 33.75, 0.0]}
        for i in range(4)
    ]
    boxes = [{**box, "box3d": [0.25, 0.71, 2.5, 0.6, 0.9, 0.6, 0.0, 0.19, 0.0]} for box in listed]
    question = "Detect the 3D bounding boxes of every office chair that can be seen in the image."
    return {
        "kind": "sample",
        "id": f"gen-det3d/{number:016x}",
        "task": "det3d",
        "scene": f"room/{number:06d}",
        "images": [{"path": f"image/{number:06d}.jpg", "ops": [{"op": "resize", "size": [959, 696]}]}],
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": orjson.dumps(boxes).decode()}]},
        ],
        "answer": {"type": "boxes3d", "value": listed},
        "meta": {"objects": [f"o{i}" for i in range(4)], "template": "vst", "seed": 0, "view": 0},
    }


def bare(source: Path, target: Path) -> None:
    with source.open("rb") as lines, target.open("wb") as out:
        for line in lines:
            out.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))


def runner(source: Path, target: Path) -> None:
    with Stream("bench", files=[str(source)], output=str(target)) as stream:
        stream.map(lambda record, tally: [record], kinds=None)


def check(source: Path, target: Path) -> None:
    program = Path(sys.executable).with_name("vstkit")
    subprocess.run([program, "check", source, "-o", target], check=True)


def seconds(function: Callable[[Path, Path], None], source: Path, target: Path) -> float:
    start = time.perf_counter()
    function(source, target)
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        source.write_bytes(b"".join(orjson.dumps(record(i), option=orjson.OPT_APPEND_NEWLINE) for i in range(count)))
        functions = {"bare orjson loop": bare, "Stream.map": runner, "vstkit check": check}
        best = dict.fromkeys(functions, float("inf"))
        for _ in range(ROUNDS):
            for name, function in functions.items():
                best[name] = min(best[name], seconds(function, source, target))
        size = source.stat().st_size / count
    print(f"{count:,} records of {size:,.0f} bytes, best of {ROUNDS} rounds")
    for name, took in best.items():
        print(f"{name:16}  {count / took:9,.0f} records/s  {best['bare orjson loop'] / took:4.0%}")


if __name__ == "__main__":
    main()
