"""The manual pages are up to date, whole, and good roff."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys

import pytest

from support import CHECKOUT
from vstkit.cli import SUMMARIES, load

MAN = CHECKOUT / "man"
PAGES = sorted(MAN.glob("*.[15]"))


def test_pages_are_as_they_would_be_written() -> None:
    check = subprocess.run(
        [sys.executable, CHECKOUT / "tools" / "man.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_option_is_in_its_page_and_no_other(name: str) -> None:
    page = (MAN / f"vstkit-{name}.1").read_text(encoding="utf-8").replace(r"\-", "-")
    entries = page.partition(".SH OPTIONS")[2].partition(".SH ")[0]
    options = [p for p in load(name).params if p.param_type_name == "option"]
    assert set(re.findall(r"^\.TP\n\\fB(.*?)\\fP(?:,|$| )", entries, re.MULTILINE)) == {p.opts[0] for p in options}
    for option in options:
        for word in (*option.opts, *option.secondary_opts):
            assert rf"\fB{word}\fP" in entries


@pytest.mark.parametrize("name", SUMMARIES)
def test_pages_have_their_sections_in_order(name: str) -> None:
    page = (MAN / f"vstkit-{name}.1").read_text(encoding="utf-8")
    wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "INPUT", "OUTPUT", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    assert re.findall(r"^\.SH (.*)$", page, re.MULTILINE) == wanted


def test_references_lead_somewhere() -> None:
    there = {path.name for path in PAGES}
    for path in PAGES:
        text = path.read_text(encoding="utf-8").replace(r"\-", "-").replace(r"\fP(", "(")
        for name, section in re.findall(r"(vstkit(?:-\w+)*)\((\d)\)", text):
            assert f"{name}.{section}" in there, (path.name, name)


@pytest.mark.parametrize("name", SUMMARIES)
def test_examples_say_the_command(name: str) -> None:
    page = (MAN / f"vstkit-{name}.1").read_text(encoding="utf-8").replace(r"\-", "-")
    assert re.search(rf"\bvstkit {name}\b", page.partition(".SH EXAMPLES")[2])


def test_mandoc_finds_nothing() -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *PAGES], capture_output=True, text=True, check=False
    )
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_what_roff_would_swallow_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(CHECKOUT / "tools")
    man = importlib.import_module("man")
    source = "SECTION\n    .leading dot\n\n        --option 'x' `y` \\n ~ ^\n"
    assert list(man.body(source)) == [
        ".SH SECTION",
        r"\&.leading dot",
        ".PP",
        ".nf",
        ".RS 4",
        r"\-\-option \(aqx\(aq \(gay\(ga \en \(ti \(ha",
        ".RE",
        ".fi",
    ]
