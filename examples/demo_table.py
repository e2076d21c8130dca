"""The table at the end of `make demo`: python examples/demo_table.py FOLDER."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def main(folder: Path) -> None:
    """Print what the demo in `folder` did."""
    rows = [
        (f"samples of {task}", f"{n}")
        for task, n in Counter(s["task"] for s in lines(folder / "samples.jsonl")).items()
    ]
    lengths = [pack["length"] for pack in lines(folder / "packs.jsonl")]
    rows += [
        ("tokens", f"{sum(lengths):,}"),
        ("packs", f"{len(lengths)}, {sum(lengths) / len(lengths) / 2048:.1%} full"),
    ]
    log = list(lines(folder / "sft" / "log.jsonl"))
    rows.append(("training loss", f"{log[0]['loss']:.3f} at first, {log[-1]['loss']:.3f} after {len(log)} steps"))
    for model in ("untrained", "trained"):
        scores = {s["metric"]: s["value"] for s in lines(folder / f"{model}.scores.jsonl")}
        rows.append(
            (f"AP15 of the {model} model", f"{scores['AP15']:.3f} on the {len(set(views(folder)))} training views")
        )
    width = max(len(name) for name, _ in rows)
    print()
    for name, value in rows:
        print(f"  {name.ljust(width)}  {value}")
    print(f"\nTrue (green) and predicted (red) boxes are drawn in {folder / 'pictures'}/")


def views(folder: Path) -> Iterator[str]:
    """The picture of each detection question."""
    return (json.dumps(sample["images"][0]) for sample in lines(folder / "det3d.jsonl"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
