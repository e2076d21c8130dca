"""The wheel holds every command and every manual page, and the version is said once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from support import CHECKOUT
from vstkit.cli import SUMMARIES


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel built here, without the network."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=CHECKOUT, capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_has_every_command(names: set[str]) -> None:
    held = {name.removeprefix("vstkit/commands/") for name in names if name.startswith("vstkit/commands/")}
    assert held == {path.name for path in (CHECKOUT / "commands").iterdir() if path.suffix == ".py"} | {"__init__.py"}
    assert {f"{name.replace('-', '_')}.py" for name in SUMMARIES} <= held


def test_the_wheel_has_the_library(names: set[str]) -> None:
    source = CHECKOUT / "src"
    files = {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file() and p.parent.name != "__pycache__"}
    assert files <= names
    assert "vstkit/py.typed" in names
    assert any(name.endswith(".toml") for name in names)  # question templates


def test_the_wheel_has_every_page(names: set[str]) -> None:
    shared = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    assert shared == {f"share/man/man{page.suffix[1:]}/{page.name}" for page in (CHECKOUT / "man").glob("*.[15]")}


def test_the_wheel_has_nothing_else(names: set[str]) -> None:
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"vstkit"}
    assert not [name for name in names if "test" in name or "__pycache__" in name]


def test_the_version_is_said_once() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    for folder in ("src", "commands", "tools"):
        for path in (CHECKOUT / folder).rglob("*.py"):
            assert not re.search(rf"\b{re.escape(version)}\b", path.read_text(encoding="utf-8")), path
    newest = re.search(r"^## (\S+) - \d{4}-\d\d-\d\d$", Path(CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == version
