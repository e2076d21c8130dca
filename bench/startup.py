"""Start-up, which is felt on every call in a pipe: processor time of help and of a small run, over `python -c pass`.

Usage: python bench/startup.py. The programs run in turn and medians count (goal for -h: at most 100 ms more).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 15
PROGRAM = str(Path(sys.executable).with_name("vstkit"))
LINES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "vstkit -h": [PROGRAM, "-h"],
    "vstkit check -h": [PROGRAM, "check", "-h"],
    "vstkit check, no input": [PROGRAM, "check"],
    "vstkit fov-unify, no input": [PROGRAM, "fov-unify"],
    "vstkit gen-det3d, no input": [PROGRAM, "gen-det3d", "-q"],
}


def processor_seconds(argv: list[str]) -> float:
    """User and system time of one run."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)}: status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in LINES}
    for _ in range(ROUNDS):
        for name, argv in LINES.items():
            seconds[name].append(processor_seconds(argv))
    bare = statistics.median(seconds["python -c pass"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:28} {1000 * median:4.0f} ms  {1000 * (median - bare):+5.0f} ms")


if __name__ == "__main__":
    main()
