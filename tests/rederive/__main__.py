"""Check samples against their scenes; says what is wrong, then counts by task. Status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rederive import Rules, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="rederive")
    parser.add_argument("scenes", help="scene records, JSON lines")
    parser.add_argument("samples", nargs="+", help="sample records, JSON lines; other kinds are passed over")
    parser.add_argument("--root", default=".", help="folder that paths start from")
    for name, default in zip(Rules._fields, Rules(), strict=True):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    given = parser.parse_args()
    rules = Rules(*(getattr(given, name) for name in Rules._fields))
    scenes = {scene["id"]: scene for scene in map(json.loads, Path(given.scenes).read_text().splitlines())}
    counts: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    for path in given.samples:
        with Path(path).open() as lines:
            for sample in map(json.loads, lines):
                if sample["kind"] != "sample":
                    continue
                counts[sample["task"]] += 1
                ids[sample["id"]] += 1
                if reasons := wrong(sample, scenes[sample["scene"]], given.root, rules):
                    bad[sample["task"]] += 1
                    print(f"{sample['id']} {sample['task']}: {'; '.join(reasons)}")
    twice = [name for name, n in ids.items() if n > 1]
    for name in twice:
        print(f"{name}: stands twice")
    for task, n in sorted(counts.items()):
        print(f"{task:20} {n:7} samples {bad[task]:5} wrong")
    return 1 if bad or twice else 0


if __name__ == "__main__":
    sys.exit(main())
