"""What every command promises, held against the installed program: input, output, errors, statuses.

A new command is tested as it stands. It is named here only if it needs options (`needed`), other records than scenes
(`handled`), or is none of what the lists below take it for.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

import tiny
from support import DATA, PROGRAM, environment, generated, run, watched
from vstkit.cli import SUMMARIES, load
from vstkit.lineio import encode
from vstkit.validation import problems

Record = dict[str, Any]
Process = subprocess.CompletedProcess[bytes]

# These make records of something else, or something else of records, and have tests of their own.
NO_STREAMS = ["sft", "ingest", "synth", "stats", "show", "compare", "mix", "export"]
STREAMS = [name for name in SUMMARIES if name not in NO_STREAMS]
GENERATORS = [name for name in SUMMARIES if name.startswith("gen-")]
MODELS = ["detect3d", "ask"]  # these load a model with torch when there is something to ask it
# These hold several records and write what they do not handle at once; the others: one record in, its records out.
HOLDERS = ["pack", "score", "detect3d", "ask"]
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
    """Twelve records that the command works on, with a field that it does not know."""
    scene = orjson.loads((DATA / "scenes.jsonl").read_bytes())
    scenes = [{**scene, "id": f"room/{i}", "mine": {"kept": [i]}} for i in range(12)]
    if name not in ("check", "reward", *HOLDERS):
        return list(map(encode, scenes))
    asked = [made for s in scenes[:3] for made in generated("detection", s, DATA, tasks=["det3d"])]
    samples = [{**made, "mine": {"kept": [i]}} for i, made in enumerate(asked)]
    answered = [{**s, "kind": "prediction", "response": s["messages"][-1]["content"][0]["text"]} for s in samples]
    mixed = [*scenes[:4], *samples[:4], *answered[:4]]
    held = {"check": mixed, "score": answered, "reward": answered}.get(name, samples)
    assert len(held) == 12
    return list(map(encode, held))


def needed(name: str) -> list[str]:
    """Options that a command does not run without."""
    if name == "render":
        return ["pictures"]
    if name == "estimate-depth":
        return ["--model", str(tiny.depth_model()), "--write", "maps"]
    if name not in ("pack", "detect3d", "ask"):
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


# No input, bad input


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


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name != "synth"])  # which makes the folder it is given
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    more = {
        "sft": ["--model", str(tiny.model()), "-o", str(tmp_path / "run")],
        "ingest": ["coco"],
        "compare": [str(DATA / "scenes.jsonl")],
        "export": ["--format", "llava"],
    }.get(name, [])
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
    for what in BAD if name == "fov-unify" else ["NaN"]:
        process = start(name, stdin=first + BAD[what] + last)
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
    others, mine = passed(12), handled(name)
    stdin = b"".join(line for pair in zip(others, mine, strict=True) for line in pair)
    keep = ["-k"] if name in GENERATORS else []
    whole, imported = watched(name, *needed(name), *keep, stdin=stdin)
    assert whole.returncode == 0
    assert ("torch" in imported) == (name in MODELS)
    out = whole.stdout.splitlines(keepends=True)
    assert [line for line in out if line in others] == others
    if name not in HOLDERS:
        last = [out[out.index(line) - 1] for line in others[1:]]  # what came of each record, or the record itself
        assert out[0] == others[0]
        assert [orjson.loads(line)["id"] for line in last] == [orjson.loads(line)["id"] for line in mine[:-1]]
        assert last == mine[:-1] or not (keep or name == "check")
    assert start(name, *keep, "-j", "2", stdin=stdin).stdout == whole.stdout
    if name not in MODELS:  # which takes seconds each time
        shards = [start(name, *keep, "--shard", f"{i}/2", stdin=stdin).stdout for i in (1, 2)]
        assert COMPARED.get(name, sorted)(b"".join(shards).splitlines()) == COMPARED.get(name, sorted)(
            whole.stdout.splitlines()
        )
    assert whole.stdout.count(b'"mine":{"kept":') == (0 if name == "score" else 12)


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
        # One stops at a bad line, the other at a folder that cannot be written to.
        more = ["--rejects", str(tmp_path)] if target == packed else []
        process = start(name, "-o", target, *more, stdin=data + b"{\n")
        assert process.returncode == 1
    assert os.listdir(tmp_path) == [packed.name]
    assert packed.read_bytes() == before


def test_every_stream_has_every_stream_option() -> None:
    words = {name: {word for option in load(name).params for word in option.opts} for name in SUMMARIES}
    shared = set(words["check"]) - {"--files", "--root"}
    assert {"--output", "--on-error", "--max-bad", "--rejects", "--jobs", "--limit", "--shard"} <= shared
    for name in STREAMS:
        assert shared <= words[name], name
    for name in GENERATORS:
        assert {"--keep", "--report", "--explain", "--seed", "--root"} <= words[name], name
