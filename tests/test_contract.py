"""What every command promises, held against the installed program: streams, errors, statuses, start-up, options."""

from __future__ import annotations

import ast
import copy
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

import tiny
from support import CHECKOUT, DATA, PROGRAM, environment, run
from vstkit.cli import COMMANDS, SUMMARIES, load, module_of
from vstkit.lineio import encode
from vstkit.tasks import detection
from vstkit.validation import problems

Record = dict[str, Any]
Process = subprocess.CompletedProcess[bytes]

HEAVY = ["torch", "transformers", "deepspeed", "verl", "numpy", "scipy", "PIL", "rich"]
STREAMS = [name for name in SUMMARIES if name != "sft"]  # sft works on whole files and writes a folder
GENERATORS = [name for name in SUMMARIES if name.startswith("gen-")]
# One record in, its records out; the others hold several and write what they do not handle at once.
IN_PLACE = ["check", "fov-unify", *GENERATORS]
BAD = {
    "cut": b'{"kind":"score","id"\n',
    "no object": b"[1]\n",
    "NaN": b'{"kind":"scene","id":"a","views":[{"camera":[NaN,1,1,1]}]}\n',
    "no kind": b'{"id":"a"}\n',
    "no id": b'{"kind":"scene"}\n',
}


def passed(count: int) -> list[bytes]:
    """Records that no command handles, so that each passes them on; not as our own writer would write them."""
    return [
        b'{ "kind":"score","id":"p%d", "suite":"s","metric":"m","value":1.50e0,"n":3,"mine":[ ] }\n' % i
        for i in range(count)
    ]


@cache
def handled(name: str) -> list[bytes]:
    """Twenty records that the command works on, with a field that it does not know."""
    scene = orjson.loads((DATA / "scenes.jsonl").read_bytes())
    scenes = [{**scene, "id": f"room/{i}", "mine": {"kept": [i]}} for i in range(20)]
    if name in ("fov-unify", *GENERATORS):
        return list(map(encode, scenes))
    asked = [made for s in scenes[:5] for made in detection.generate(s, Counter(), root=str(DATA))]
    samples = [{**made, "mine": {"kept": [i]}} for i, made in enumerate(asked)]
    answered = [{**s, "kind": "prediction", "response": s["messages"][-1]["content"][0]["text"]} for s in samples]
    held = {"check": [*scenes[:5], *samples[:10], *answered[:5]], "score": answered}.get(name, samples)
    assert len(held) == 20
    return list(map(encode, held))


def needed(name: str) -> list[str]:
    """Options that a command does not run without."""
    if name not in ("pack", "detect3d"):
        return []
    own = ["--length", "2048"] if name == "pack" else ["--max-new-tokens", "2"]
    return ["--model", str(tiny.model()), *own]


def start(name: str, *more: str | Path, stdin: bytes = b"") -> Process:
    """Run a command in the folder of its data; whatever becomes of it, it ends decently."""
    process = run(name, *needed(name), *more, stdin=stdin, cwd=DATA)
    assert b"Traceback" not in process.stderr
    assert b"a fault of vstkit itself" not in process.stderr
    assert process.stdout == b"" or process.stdout.endswith(b"\n")
    for line in process.stdout.splitlines():
        orjson.loads(line)
    return process


def shell(script: str, **variables: str | Path) -> Process:
    """Run a line of bash with `vstkit` in it."""
    env = environment({"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", **{k: str(v) for k, v in variables.items()}})
    return subprocess.run(["bash", "-c", script], capture_output=True, cwd=DATA, env=env, timeout=60, check=False)


# Run as `python -c CHILD ARGUMENT...`: what the program does, then the heavy modules that it imported.
CHILD = f"""
import sys
from vstkit.cli import run
status = run(sys.argv[1:])
sys.stderr.write(" ".join(["imported:", *(name for name in {HEAVY} if name in sys.modules)]))
sys.exit(status)
"""


def watched(*argv: str, stdin: bytes = b"") -> tuple[Process, list[str]]:
    """Run a command in a Python of its own; returns the heavy modules too."""
    process = subprocess.run(
        [sys.executable, "-c", CHILD, *argv],
        input=stdin, capture_output=True, cwd=DATA, env=environment(), timeout=60, check=False,
    )  # fmt: skip
    return process, process.stderr.rpartition(b"imported:")[2].decode().split()


# Help and start-up


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


# Usage errors


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


@pytest.mark.parametrize("name", STREAMS)
def test_a_terminal_is_no_input(name: str) -> None:
    master, terminal = pty.openpty()
    try:
        process = subprocess.run(
            [PROGRAM, name, *needed(name)],
            stdin=terminal, capture_output=True, env=environment(), timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(terminal)
    assert (process.returncode, process.stdout) == (2, b"")
    assert process.stderr.startswith(f"Usage: vstkit {name} ".encode())
    assert b"standard input is a terminal" in process.stderr


def test_closed_streams() -> None:
    for script, what in (("vstkit check <&-", "input"), ("echo | vstkit check >&-", "output")):
        process = shell(script)
        assert process.returncode == 2
        assert f"vstkit check: standard {what} is closed: ".encode() in process.stderr


# Bad input


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    more = ["--model", str(tiny.model()), "-o", str(tmp_path / "run")] if name == "sft" else []
    process = start(name, *more, "nowhere.jsonl")
    assert (process.returncode, process.stdout) == (1, b"")
    (line,) = process.stderr.decode().splitlines()
    assert re.match(rf"vstkit {name}: nowhere\.jsonl: no such file", line, re.IGNORECASE)


@pytest.mark.parametrize("name", STREAMS)
def test_no_input_no_output(name: str) -> None:
    process = start(name)
    assert (process.returncode, process.stdout) == (0, b"")


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "check"])
def test_a_bad_line_stops_the_run(name: str) -> None:
    first, last = passed(2)
    for what, bad in BAD.items():
        process = start(name, stdin=first + bad + last)
        assert (process.returncode, process.stdout) == (1, first), what
        (line,) = process.stderr.decode().splitlines()
        assert line.startswith(f"vstkit {name}: standard input:2: "), what


def test_check_tells_every_fault() -> None:
    first, last = passed(2)
    process = start("check", stdin=b"".join([first, *BAD.values(), last]))
    assert (process.returncode, process.stdout) == (1, first + last)
    *faults, count = process.stderr.decode().splitlines()
    assert [line.split(": ")[1] for line in faults] == [f"standard input:{n}" for n in range(2, 2 + len(BAD))]
    assert count == f"vstkit check: {len(BAD)} of {len(BAD) + 2} records were bad"


@pytest.mark.parametrize("name", STREAMS)
def test_bad_records_may_be_skipped(name: str, tmp_path: Path) -> None:
    good = passed(5)
    stdin = b"".join(line for pair in zip(good, BAD.values(), strict=True) for line in pair)
    process = start(name, "--on-error", "skip", "--max-bad", "0.5", "--rejects", tmp_path / "rejects", stdin=stdin)
    assert (process.returncode, process.stdout) == (0, b"".join(good))
    told = [line for line in process.stderr.decode().splitlines() if "standard input" in line]
    assert [line.split(": ")[1] for line in told] == [f"standard input:{n}" for n in (2, 4, 6, 8, 10)]
    assert f"vstkit {name}: 5 of 10 records were bad and left out" in process.stderr.decode().splitlines()
    rejects = [orjson.loads(line) for line in (tmp_path / "rejects").read_bytes().splitlines()]
    assert [r["line"] for r in rejects] == [2, 4, 6, 8, 10]
    assert [fault for r in rejects for fault in problems(r)] == []

    process = start(name, "--on-error", "skip", "-o", tmp_path / "out", stdin=stdin)
    assert process.returncode == 1
    assert process.stderr.decode().splitlines()[-1] == f"vstkit {name}: 5 of 10 records were bad"
    assert os.listdir(tmp_path) == ["rejects"]


# How a run ends


@pytest.fixture(scope="module")
def long_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More records than a pipe holds."""
    path = tmp_path_factory.mktemp("contract") / "long.jsonl"
    path.write_bytes(b"".join(passed(20_000)))
    return path


@pytest.mark.parametrize("name", STREAMS)
def test_a_reader_that_goes_away(name: str, long_stream: Path) -> None:
    for jobs in ("1", "2") if name == "fov-unify" else ("1",):
        script = f'vstkit {name} {" ".join(needed(name))} -j {jobs} "$LONG" | head -1; echo "${{PIPESTATUS[0]}}"'
        process = shell(script, LONG=long_stream)
        assert process.stdout == passed(1)[0] + b"141\n"
        assert process.stderr == b""


@pytest.mark.parametrize("name", STREAMS)
def test_a_full_disk(name: str) -> None:
    with open("/dev/full", "wb") as full:
        process = subprocess.run(
            [PROGRAM, name, *needed(name)],
            input=passed(1)[0], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False,
        )  # fmt: skip
    assert process.returncode == 1
    assert process.stderr.decode() == f"vstkit {name}: cannot write standard output: No space left on device\n"


@pytest.mark.parametrize("name", STREAMS)
def test_an_interrupt(name: str) -> None:
    for jobs, lines in (("1", 1), ("2", 1000)) if name == "fov-unify" else (("1", 1),):
        process = subprocess.Popen(
            [PROGRAM, name, *needed(name), "-j", jobs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert process.stderr
        with process:
            process.stdin.write(b"".join(passed(lines)))
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 60)[0]  # it is up, and waits for more
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == b""


# What comes out


@pytest.mark.parametrize("name", STREAMS)
def test_the_output_is_the_same_for_workers_and_shards(name: str) -> None:
    """Other kinds pass byte for byte; -j 2 gives the same bytes; two shards give the same records."""
    others, mine = passed(20), handled(name)
    stdin = b"".join(line for pair in zip(others, mine, strict=True) for line in pair)
    keep = ["-k"] if name in GENERATORS else []
    whole, imported = watched(name, *needed(name), *keep, stdin=stdin)
    assert whole.returncode == 0
    if name != "detect3d":
        assert "torch" not in imported
    out = whole.stdout.splitlines(keepends=True)
    assert [line for line in out if line in others] == others
    if name in IN_PLACE:
        assert out[0] == others[0]
        assert [out[out.index(line) - 1] for line in others[1:]] == [came_of(name, line) for line in mine[:-1]]
    assert start(name, *keep, "-j", "2", stdin=stdin).stdout == whole.stdout
    if name != "detect3d":  # it loads its model each time
        shards = [start(name, *keep, "--shard", f"{i}/2", stdin=stdin).stdout for i in (1, 2)]
        assert COMPARED.get(name, sorted)(b"".join(shards).splitlines()) == COMPARED.get(name, sorted)(
            whole.stdout.splitlines()
        )
    assert whole.stdout.count(b'"mine":{"kept":') == (0 if name == "score" else 20)


def came_of(name: str, line: bytes) -> bytes:
    """The last line that an in-place command writes for a record: the record, or the one it makes of it."""
    if name != "fov-unify":
        return line
    from vstkit import fov

    (scene,) = fov.unify(orjson.loads(line), Counter())
    return encode(scene)


def _samples(lines: list[bytes]) -> list[bytes]:
    packs = [record for line in lines if (record := orjson.loads(line))["kind"] == "pack"]
    return sorted(encode(sample) for pack in packs for sample in pack["samples"])


def _counted(lines: list[bytes]) -> int:
    scores = [record for line in lines if (record := orjson.loads(line))["kind"] == "score" and "rules" in record]
    return sum(score["n"] for score in scores if score["metric"] == "AP")


# These make something of several records: their shards agree in what went into it.
COMPARED: Mapping[str, Callable[[list[bytes]], Any]] = {"pack": _samples, "score": _counted}


@pytest.mark.parametrize("name", STREAMS)
def test_an_output_file_is_whole_or_absent(name: str, tmp_path: Path) -> None:
    data = b"".join(passed(5))
    packed = tmp_path / "out.jsonl.zst"
    process = start(name, "--limit", "3", "-o", packed, stdin=data)
    assert (process.returncode, process.stdout) == (0, b"")
    assert start(name, packed, "-").stdout == b"".join(passed(3))

    before = packed.read_bytes()
    for target in (packed, tmp_path / "new.jsonl.gz"):
        process = start(name, "-o", target, *(["--rejects", tmp_path] if target == packed else []), stdin=data + b"{\n")
        assert process.returncode == 1
    assert os.listdir(tmp_path) == [packed.name]
    assert packed.read_bytes() == before


# Standard error


def test_verbose_and_quiet() -> None:
    scene = (DATA / "scenes.jsonl").read_bytes()
    plain, quiet, verbose = (start("gen-depth", *flags, stdin=scene) for flags in ([], ["-q"], ["-v", "--seed", "0"]))
    assert plain.stdout == quiet.stdout == verbose.stdout != b""
    assert quiet.stderr == b""
    (summary,) = plain.stderr.decode().splitlines()
    assert verbose.stderr.decode().splitlines() == ["vstkit gen-depth: vstkit gen-depth -v --seed 0", summary]


@pytest.mark.parametrize(("flags", "shown"), [([], True), (["-q"], False)])
def test_progress_is_for_terminals(flags: list[str], shown: bool) -> None:
    master, terminal = pty.openpty()
    process = subprocess.run(
        [PROGRAM, "check", *flags],
        input=b"".join(passed(2)), stdout=subprocess.PIPE, stderr=terminal, env=environment(), timeout=60, check=True,
    )  # fmt: skip
    os.close(terminal)
    try:
        told = os.read(master, 10_000)
    except OSError:  # nothing was written, and the other end is closed
        told = b""
    os.close(master)
    assert process.stdout == b"".join(passed(2))
    assert (b"check" in told) == shown


def test_debug_shows_where() -> None:
    process = run("check", "--debug", "nowhere.jsonl")
    assert process.returncode == 1
    assert b"Traceback" in process.stderr


# Around the commands


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

    assert completed("vstkit gen-") == GENERATORS
    assert completed("vstkit check --fi") == ["--files"]


# The table of commands and their options


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
DIFFERENT = {"--output": "a folder for sft, a file everywhere else"}


def test_the_same_word_means_the_same() -> None:
    seen: dict[str, dict[tuple[Any, ...], str]] = {}
    for name, option in options():
        for word in option.opts:
            if word.startswith("--"):
                meaning = (option.help, option.metavar, option.envvar, option.default, *sorted(option.opts))
                seen.setdefault(word, {}).setdefault(meaning, name)
    differing = {word: list(meanings.values()) for word, meanings in seen.items() if len(meanings) > 1}
    assert differing.keys() == DIFFERENT.keys(), differing


def test_every_stream_has_every_stream_option() -> None:
    words = {name: {w for n, o in options() if n == name for w in o.opts} for name in SUMMARIES}
    shared = copy.copy(words["check"]) - {"--files", "--root"}
    assert {"--output", "--on-error", "--max-bad", "--rejects", "--jobs", "--limit", "--shard"} <= shared
    for name in STREAMS:
        assert shared <= words[name], name
    for name in GENERATORS:
        assert {"--keep", "--report", "--explain", "--seed", "--root"} <= words[name], name
