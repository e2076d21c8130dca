"""Shell lines and their bytes: cases/COMMAND/NAME/{cmd,out,err,status}, run in a copy of tests/data.

An `err` or `status` that is not there is empty or 0. `pytest --update-cases` rewrites what came out; read the
difference before you commit it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import DATA, PROGRAM, environment
from vstkit.cli import SUMMARIES

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/*/cmd"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_case(case: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if re.search(r"\bjq\b", (case / "cmd").read_text(encoding="utf-8")) and not shutil.which("jq"):
        pytest.skip("jq is not installed, which this case pipes records through")
    folder = tmp_path / "data"
    shutil.copytree(DATA, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    env = environment({"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"})
    process = subprocess.run(
        ["bash", "-e", "-o", "pipefail", case / "cmd"],
        stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, env=env, timeout=60, check=False,
    )  # fmt: skip
    found = {"out": process.stdout, "err": process.stderr, "status": b"%d\n" % process.returncode}
    usual = {"out": None, "err": b"", "status": b"0\n"}
    if request.config.getoption("--update-cases"):
        for name, value in found.items():
            if value == usual[name]:
                (case / name).unlink(missing_ok=True)
            else:
                (case / name).write_bytes(value)
    wanted = {name: (case / name).read_bytes() if (case / name).exists() else usual[name] for name in found}
    assert {name: text(value) for name, value in found.items()} == {name: text(value) for name, value in wanted.items()}


def text(value: bytes | None) -> list[str] | None:
    """Lines, which pytest compares one by one."""
    return None if value is None else value.decode().splitlines(keepends=True)


def test_cases_are_of_commands_and_hold_nothing_else() -> None:
    assert {case.parent.name for case in CASES} <= {*SUMMARIES, "vstkit"}
    for case in CASES:
        assert {path.name for path in case.iterdir()} <= {"cmd", "out", "err", "status"}
