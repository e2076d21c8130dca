"""The runner: order, workers, errors, counts; what it leaves behind and what it does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from support import environment
from vstkit.errors import DataError
from vstkit.lineio import encode
from vstkit.stream import Stream

Record = dict[str, Any]


def numbered(count: int, kind: str = "scene") -> list[bytes]:
    return [encode({"kind": kind, "id": f"r{i}", "i": i}) for i in range(count)]


def written(path: Path, data: list[bytes]) -> str:
    path.write_bytes(b"".join(data))
    return str(path)


def unevenly(record: Record, tally: Counter[str]) -> Iterator[Record]:
    """Three, none, one or two records, some of them late."""
    if record["i"] % 17 == 3:
        time.sleep(0.01)
    tally["all"] += 1
    tally[f"odd {record['i'] % 2}"] += 1
    for part in range(record["i"] * 7 % 4):
        yield {"kind": "sample", "id": f"{record['id']}/{part}"}


def same(record: Record, tally: Counter[str]) -> list[Record]:
    return [record]


def picky(record: Record, tally: Counter[str]) -> list[Record]:
    if record["i"] % 10 == 7:
        raise DataError(f"i: expected no seven, got {record['i']}")
    return [record]


def mapped(tmp_path: Path, files: list[str], function: Any = same, **options: Any) -> list[bytes]:
    """The lines that a stream over `files` writes."""
    keep, kinds = options.pop("keep", False), options.pop("kinds", None)
    target = tmp_path / "out.jsonl"
    target.unlink(missing_ok=True)
    with Stream("test", files=files, output=str(target), **options) as stream:
        stream.map(function, kinds=kinds, keep=keep)
    return target.read_bytes().splitlines(keepends=True)


def test_workers_change_nothing(tmp_path: Path) -> None:
    data = [line for pair in zip(numbered(150), numbered(150, "score"), strict=True) for line in pair]
    source = written(tmp_path / "in.jsonl", data)
    outputs, tallies = [], []
    for jobs in (1, 3):
        target = tmp_path / f"{jobs}.jsonl"
        with Stream("test", files=[source], output=str(target), jobs=jobs) as stream:
            stream.map(unevenly, kinds=("scene",), keep=True)
        outputs.append(target.read_bytes())
        tallies.append(stream.tally)
    assert outputs[0] == outputs[1]
    assert tallies[0] == tallies[1] == {"all": 150, "odd 0": 75, "odd 1": 75}
    expected = []
    for scene, score in zip(numbered(150), numbered(150, "score"), strict=True):
        expected += [*map(encode, unevenly(orjson.loads(scene), Counter())), scene, score]
    assert outputs[0] == b"".join(expected)


def test_other_kinds_pass_byte_for_byte(tmp_path: Path) -> None:
    odd = [b'{ "kind": "score","id":"a",  "x":1.0e1}\n', b'{"kind":"x","id":"","n":123456789012345678901234567890}']
    source = written(tmp_path / "in.jsonl", odd)
    assert mapped(tmp_path, [source], kinds=("scene",)) == [odd[0], odd[1] + b"\n"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_record_stops_the_run(tmp_path: Path, jobs: int) -> None:
    source, target = written(tmp_path / "in.jsonl", numbered(100)), tmp_path / "out.jsonl"
    target.write_bytes(b"before\n")
    stream = Stream("test", files=[source], output=str(target), jobs=jobs)
    with pytest.raises(DataError, match=r"in\.jsonl:8: i: expected no seven, got 7$"), stream:
        stream.map(picky, kinds=None)
    assert target.read_bytes() == b"before\n"
    assert sorted(os.listdir(tmp_path)) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_records_are_skipped_and_kept(tmp_path: Path, jobs: int, caplog: pytest.LogCaptureFixture) -> None:
    data = [*numbered(20), b"{\n"]
    source, rejects = written(tmp_path / "in.jsonl", data), tmp_path / "rejects.jsonl"
    out = mapped(tmp_path, [source], picky, on_error="skip", max_bad=0.2, rejects=str(rejects), jobs=jobs)
    assert out == [line for i, line in enumerate(data) if i not in (7, 17, 20)]
    kept = [orjson.loads(line) for line in rejects.read_bytes().splitlines()]
    assert [(r["kind"], r["file"], r["line"], r["id"]) for r in kept] == [
        ("reject", source, n, f"{source}:{n}") for n in (8, 18, 21)
    ]
    assert kept[0]["error"] == "i: expected no seven, got 7"
    assert [r["record"] for r in kept] == [orjson.loads(data[7]), orjson.loads(data[17]), "{"]
    assert caplog.messages[-1] == "3 of 21 records were bad and left out"
    assert caplog.messages[0] == f"{source}:8: i: expected no seven, got 7"
    assert len(caplog.messages) == 4


@pytest.mark.parametrize(("max_bad", "fails"), [(0.0, True), (0.09, True), (0.1, False), (1.0, False)])
def test_a_share_of_bad_records_is_borne(tmp_path: Path, max_bad: float, fails: bool) -> None:
    source = written(tmp_path / "in.jsonl", numbered(10))
    if fails:
        with pytest.raises(DataError, match=r"^1 of 10 records were bad$"):
            mapped(tmp_path, [source], picky, on_error="skip", max_bad=max_bad)
        assert os.listdir(tmp_path) == ["in.jsonl"]
    else:
        assert len(mapped(tmp_path, [source], picky, on_error="skip", max_bad=max_bad)) == 9


def test_report_all_goes_on_and_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = written(tmp_path / "in.jsonl", numbered(30))
    with pytest.raises(DataError, match=r"^3 of 30 records were bad$"):
        mapped(tmp_path, [source], picky, report_all=True)
    assert len(caplog.messages) == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_lines_before_a_broken_file_are_done_first(tmp_path: Path, jobs: int) -> None:
    source, pipe, found = written(tmp_path / "in.jsonl", numbered(100)), tmp_path / "pipe", tmp_path / "found"
    os.mkfifo(pipe)  # written in place, so that we see what came before the fault
    with found.open("wb") as out, subprocess.Popen(["cat", pipe], stdout=out):
        stream = Stream("test", files=[source, "missing.jsonl"], output=str(pipe), jobs=jobs)
        with pytest.raises(DataError, match=r"^missing\.jsonl: No such file or directory$"), stream:
            stream.map(same, kinds=None)
    assert found.read_bytes() == b"".join(numbered(100))


def test_shards_are_a_partition(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", numbered(23))
    shards = [mapped(tmp_path, [source], shard=(i, 4)) for i in (1, 2, 3, 4)]
    assert shards[1] == numbered(23)[1::4]
    assert sorted(line for shard in shards for line in shard) == sorted(numbered(23))


def test_limit_counts_records_read(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", numbered(9))
    assert mapped(tmp_path, [source], limit=0) == []
    assert mapped(tmp_path, [source, "missing.jsonl"], limit=9) == numbered(9)
    assert mapped(tmp_path, [source], limit=2, shard=(2, 3)) == [numbered(9)[1], numbered(9)[4]]


def test_several_files_are_one_stream(tmp_path: Path) -> None:
    first = written(tmp_path / "a.jsonl", [b"".join(numbered(3)).rstrip(b"\n")])  # no newline at its end
    second = written(tmp_path / "b.jsonl", [b'{"kind"'])
    with pytest.raises(DataError, match=r"b\.jsonl:1: not JSON"):
        mapped(tmp_path, [first, second])
    assert mapped(tmp_path, [first, first]) == numbered(3) * 2


def test_a_name_may_become_records(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", numbered(1))

    def convert(name: str) -> list[Record] | None:
        return [{"kind": "scene", "id": name, "i": 7}] if name.endswith(".jpg") else None

    assert mapped(tmp_path, [source, "x.jpg"], convert=convert) == [
        *numbered(1),
        b'{"kind":"scene","id":"x.jpg","i":7}\n',
    ]
    with pytest.raises(DataError, match=r"^x\.jpg: i: expected no seven, got 7$"):  # it has no lines
        mapped(tmp_path, ["x.jpg"], picky, convert=convert)


def test_results_are_what_the_function_gives(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", [*numbered(2), *numbered(1, "score"), *numbered(1)])
    target = tmp_path / "out.jsonl"
    with Stream("test", files=[source], output=str(target)) as stream:
        assert list(stream.results(lambda r, _: [r["i"] + 0.5], kinds=("scene",))) == [0.5, 1.5, 0.5]
        stream.write({"kind": "score", "id": "sum"})
    assert target.read_bytes() == numbered(1, "score")[0] + b'{"kind":"score","id":"sum"}\n'


def test_outputs_that_cannot_both_be_opened_leave_nothing(tmp_path: Path) -> None:
    for output, rejects in (("out", "no/where"), ("no/where", "rejects")):
        with pytest.raises(DataError, match=r"^cannot write .*no/where: No such file or directory$"):
            Stream("test", output=str(tmp_path / output), rejects=str(tmp_path / rejects))
    assert os.listdir(tmp_path) == []


def die(record: Record, tally: Counter[str]) -> list[Record]:
    if record["i"] == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return [record]


def test_a_worker_that_is_killed_fails_the_run(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", numbered(50))
    with pytest.raises(DataError, match=r"^a worker was killed \(out of memory\?\); try fewer with -j$"):
        mapped(tmp_path, [source], die, jobs=2)
    assert os.listdir(tmp_path) == ["in.jsonl"]


def stumble(record: Record, tally: Counter[str]) -> list[Record]:
    return [record["missing"]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_of_our_own_says_where(tmp_path: Path, jobs: int) -> None:
    source = written(tmp_path / "in.jsonl", numbered(3))
    with pytest.raises(KeyError) as caught:
        mapped(tmp_path, [source], stumble, jobs=jobs)
    assert caught.value.__notes__ == [f"at {source}:1"]


def sleepy(record: Record, tally: Counter[str]) -> list[Any]:
    if record["i"]:
        time.sleep(60)
    return [os.getpid()]


def gone(pid: int) -> bool:
    """Has the process ended? It may take a moment."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_a_run_that_ends_early_does_not_wait_for_its_workers(tmp_path: Path) -> None:
    source = written(tmp_path / "in.jsonl", numbered(20))
    began = time.monotonic()
    with Stream("test", files=[source], output=str(tmp_path / "out"), jobs=2) as stream:
        worker = next(stream.results(sleepy, kinds=None))
    assert time.monotonic() - began < 20
    assert gone(worker)


# Run as `python -c SCRIPT JOBS FILE...`.
CHILD = """
import sys
sys.path.insert(0, {tests!r})
from test_stream import *
jobs, *files = sys.argv[1:]
"""


def child(script: str, *argv: str, **more: Any) -> subprocess.Popen[bytes]:
    code = CHILD.format(tests=str(Path(__file__).parent)) + script
    return subprocess.Popen([sys.executable, "-c", code, *argv], stdout=subprocess.PIPE, env=environment(), **more)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = """
with Stream("test", files=files, output="/dev/null", jobs=int(jobs)) as stream:
    for pid in stream.results(sleepy, kinds=None):
        print(pid, flush=True)
"""
    with child(script, "2", written(tmp_path / "in.jsonl", numbered(20))) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.kill()
    assert gone(worker)


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Peak memory of 20,000 records of 1 KB (20 MB), in and out, is that of 1,000."""
    lines = [encode({"kind": "sample", "id": f"{i}", "i": i, "text": "x" * 1000}) for i in range(1000)]
    short = written(tmp_path / "short.jsonl", lines)
    long = written(tmp_path / "long.jsonl", lines * 20)
    script = """
import resource
for file in files:
    with Stream("test", files=[file], output="/dev/null", jobs=int(jobs)) as stream:
        stream.map(same, kinds=("sample",), keep=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, stream.read)
"""
    for jobs in ("1", "2"):
        with child(script, jobs, short, short, long) as process:
            assert process.stdout
            (_, _), (before, _), (after, read) = ([int(w) for w in line.split()] for line in process.stdout)
        assert read == 20_000
        assert after - before < 6_000  # kilobytes
