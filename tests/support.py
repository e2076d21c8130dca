"""What the tests of the program share: running it, and finding real data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

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


def shared() -> Path:
    """The folder of real data, which is no part of the project; the test is skipped where it is not there."""
    folder = Path(os.environ.get("VSTKIT_SHARED", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (VSTKIT_SHARED names the folder)")
    return folder
