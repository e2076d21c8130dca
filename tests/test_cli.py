"""The program around its commands: help, start-up, usage errors, other programs, the table of commands and options."""

from __future__ import annotations

import ast
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import CHECKOUT, DATA, PROGRAM, environment, run, watched
from vstkit.cli import COMMANDS, SUMMARIES, load, module_of

RECORD = b'{"kind":"score","id":"p","suite":"s","metric":"m","value":1.5,"n":3}\n'


@pytest.mark.parametrize("name", ["", *SUMMARIES])
def test_help_is_quick_and_the_same(name: str) -> None:
    short, imported = watched(*filter(None, [name]), "-h")
    assert imported == []
    assert short.returncode == 0
    assert short.stdout.decode().startswith(f"Usage: vstkit {name}".rstrip() + " [")
    long = run(*filter(None, [name]), "--help")
    assert (long.returncode, long.stdout, long.stderr) == (0, short.stdout, b"")
    for listed in SUMMARIES if not name else []:
        assert f"  {listed} " in short.stdout.decode()


def test_root_without_arguments_shows_the_help() -> None:
    assert run().stdout + run().stderr == run("-h").stdout


def test_version() -> None:
    from importlib.metadata import version

    process, imported = watched("--version")
    assert (process.stdout.decode(), imported) == (f"vstkit {version('vstkit')}\n", [])


@pytest.mark.parametrize("name", SUMMARIES)
def test_an_unknown_option(name: str) -> None:
    process = run(name, "--no-such-option")
    assert (process.returncode, process.stdout) == (2, b"")
    assert b"--no-such-option" in process.stderr
    assert process.stderr.startswith(f"Usage: vstkit {name} ".encode())


def test_an_unknown_command() -> None:
    process = run("gen-nothing")
    assert (process.returncode, process.stdout) == (2, b"")
    assert b"gen-nothing" in process.stderr


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_shard_that_is_none(shard: str) -> None:
    process = run("check", "--shard", shard)
    assert (process.returncode, process.stdout) == (2, b"")
    assert b"--shard: expected I/N with I from 1 to N" in process.stderr


def test_verbose_and_quiet() -> None:
    scene = (DATA / "scenes.jsonl").read_bytes()
    plain, quiet, verbose = (
        run("gen-depth", *flags, stdin=scene, cwd=DATA) for flags in ([], ["-q"], ["-v", "--seed", "0"])
    )
    assert plain.stdout == quiet.stdout == verbose.stdout != b""
    assert quiet.stderr == b""
    (summary,) = plain.stderr.decode().splitlines()
    assert verbose.stderr.decode().splitlines() == ["vstkit gen-depth: vstkit gen-depth -v --seed 0", summary]


@pytest.mark.parametrize(("flags", "shown"), [([], True), (["-q"], False)])
def test_progress_is_for_terminals(flags: list[str], shown: bool) -> None:
    master, terminal = pty.openpty()
    process = subprocess.run(
        [PROGRAM, "check", *flags],
        input=RECORD, stdout=subprocess.PIPE, stderr=terminal, env=environment(), timeout=60, check=True,
    )  # fmt: skip
    os.close(terminal)
    try:
        told = os.read(master, 10_000)
    except OSError:  # nothing was written, and the other end is closed
        told = b""
    os.close(master)
    assert process.stdout == RECORD
    assert (b"check" in told) == shown


def test_debug_shows_where() -> None:
    process = run("check", "--debug", "nowhere.jsonl")
    assert process.returncode == 1
    assert b"Traceback" in process.stderr


def test_other_programs_are_commands_too(tmp_path: Path) -> None:
    program = tmp_path / "vstkit-hello"
    program.write_text('#!/bin/sh\nread line\necho "$line" "$@"\nexit 7\n')
    program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = run("hello", "-h", "--to", "a b", stdin=b"hello\n", env=env)
    assert (process.returncode, process.stdout, process.stderr) == (7, b"hello -h --to a b\n", b"")


def test_help_shows_the_manual() -> None:
    for name in ("gen-depth", "records", ""):
        process = run("help", *filter(None, [name]), env={"MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""})
        assert process.returncode == 0
        assert (SUMMARIES.get(name, name).rstrip(".") or "vstkit") in process.stdout.decode()
    process = run("help", "nothing")
    assert (process.returncode, process.stdout) == (2, b"")
    assert b"no command 'nothing'" in process.stderr


def test_completion_in_bash() -> None:
    def completed(words: str) -> list[str]:
        env = {"_VSTKIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return run(env=env).stdout.decode().split()

    assert completed("vstkit gen-") == [name for name in SUMMARIES if name.startswith("gen-")]
    assert completed("vstkit check --fi") == ["--files"]


def test_table_files_and_pages_agree() -> None:
    files = {p.stem.replace("_", "-") for p in (CHECKOUT / "commands").glob("*.py") if not p.stem.startswith("_")}
    pages = {p.stem.removeprefix("vstkit-") for p in (CHECKOUT / "man").glob("vstkit-*.1")}
    assert files == pages == set(SUMMARIES)
    assert len(SUMMARIES) == sum(map(len, COMMANDS.values()))


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_summary_is_said_once(name: str) -> None:
    module = module_of(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command"]
    documented = [ast.get_docstring(tree), ast.get_docstring(function)]
    assert [text.splitlines()[0] for text in documented if text] == [SUMMARIES[name]] * 2


def options() -> list[tuple[str, Any]]:
    return [(name, p) for name in SUMMARIES for p in load(name).params if p.param_type_name == "option"]


def test_options_are_long_and_explained() -> None:
    short = {"-j", "-k", "-n", "-o", "-q", "-v", "-h"}
    for name, option in options():
        names = {*option.opts, *option.secondary_opts}
        assert any(n.startswith("--") for n in names), (name, names)
        assert {n for n in names if not n.startswith("--")} <= short, (name, names)
        assert option.help, (name, names)
        assert option.help.endswith("."), (name, option.help)


# Where one name has to stand for two things, and why.
DIFFERENT = {
    "--keep": "checkpoints for sft, the scene for generators, which shorten it to -k",
    "--model": "for ask a server's model too, and left out where the server has one",
    "--resume": "sft goes on with a folder of checkpoints, the others with a file of records",
    "--format": "of rows for export, of answers for reward",
    "--output": "a folder for sft, a file everywhere else",
    "--min-gap": "what is clear by default depends on what is compared",
    "--min-ratio": "likewise",
    "--forms": "a caption tells of all objects at once, by fewer forms",
}


def test_the_same_word_means_the_same() -> None:
    seen: dict[str, dict[tuple[Any, ...], str]] = {}
    for name, option in options():
        for word in option.opts:
            if word.startswith("--"):
                meaning = (option.help, option.metavar, option.envvar, option.default, *sorted(option.opts))
                seen.setdefault(word, {}).setdefault(meaning, name)
    differing = {word: list(meanings.values()) for word, meanings in seen.items() if len(meanings) > 1}
    assert differing.keys() == DIFFERENT.keys(), differing
