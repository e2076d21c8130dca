"""What the tests of the program share: running it, and finding real data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from vstkit.tasks import asking

CHECKOUT = Path(__file__).parents[1]
DATA = CHECKOUT / "tests" / "data"
PROGRAM = Path(sys.executable).with_name("vstkit")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment less any setting of vstkit, with one thread for each process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VSTKIT_")}
    return {**kept, "OMP_NUM_THREADS": "1", **(more or {})}


def run(
    *argv: str | Path, stdin: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the installed program on `argv`; `env` is added to the environment."""
    return subprocess.run(
        [PROGRAM, *argv], input=stdin, capture_output=True, cwd=cwd, env=environment(env), timeout=60, check=False
    )


HEAVY = ["torch", "transformers", "deepspeed", "verl", "numpy", "scipy", "PIL", "rich"]
# Run as `python -c CHILD ARGUMENT...`: what the program does, then the heavy modules that it imported.
CHILD = f"""
import sys
from vstkit.cli import run
status = run(sys.argv[1:])
sys.stderr.write(" ".join(["imported:", *(name for name in {HEAVY} if name in sys.modules)]))
sys.exit(status)
"""


def watched(*argv: str, stdin: bytes = b"") -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
    """Run a command in a Python of its own; returns the heavy modules too."""
    process = subprocess.run(
        [sys.executable, "-c", CHILD, *argv],
        input=stdin, capture_output=True, cwd=DATA, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    return process, process.stderr.rpartition(b"imported:")[2].decode().split()


def shared() -> Path:
    """The folder of real data, which is no part of the project; the test is skipped where it is not there."""
    folder = Path(os.environ.get("VSTKIT_SHARED", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (VSTKIT_SHARED names the folder)")
    return folder


def generated(module: str, scene: dict[str, Any], root: str | Path = ".", **options: Any) -> list[dict[str, Any]]:
    """What the generator of `vstkit.tasks.MODULE` makes of a scene; `options` are its tasks' own and the frame's."""
    return list(generator(module, root=str(root), **options)(scene, Counter()))


def generator(module: str, *, tasks: Sequence[str] | None = None, **options: Any) -> Any:
    """The generator of a task module, as its command makes it."""
    frame = {name: options.pop(name) for name in list(options) if name in FRAME}
    return asking.maker(module, options, tasks=tasks, **frame)


FRAME = {
    "templates", "exclude", "root", "seed", "per_view", "per_scene", "balance", "min_share", "min_fraction"
}  # fmt: skip
