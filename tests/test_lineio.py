"""Lines in and out of files: packing, cut files, whole or absent."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from support import environment
from vstkit.errors import DataError
from vstkit.lineio import Output, ResumedOutput, decode, encode, lines

RECORD = b'{"kind":"score","id":"a"}\n'


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b'{"kind":"scene","id"', "not JSON: "),
        (b"[1]", "expected a JSON object, got list"),
        (b'{"id":"a"}', "kind: missing"),
        (b'{"kind":"scene"}', "id: missing"),
        (b'{"kind":5,"id":"a"}', "kind: expected str"),
        (b'{"kind":"scene","id":null}', "id: expected str"),
        (
            b'{"kind":"scene","id":"a","views":[{"camera":[NaN,1]}]}',
            "views[0].camera[0]: expected a finite number, got nan",
        ),
        (b'{"kind":"scene","id":"a","up":[1,-1e999]}', "up[1]: expected a finite number, got -inf"),
        (b'{"kind":"scene","id":"\xff"}', "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
    ],
)
def test_a_line_that_is_no_record(raw: bytes, fault: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(raw)
    assert str(caught.value).startswith(fault)
    assert "\n" not in str(caught.value)


def test_all_numbers_that_are_not_finite_are_named() -> None:
    with pytest.raises(DataError, match=r"^a: .* got nan; b\[0\]\.c: .* got inf$"):
        decode(b'{"kind":"scene","id":"a","a":NaN,"b":[{"c":Infinity}]}')


def test_numpy_values_are_written_as_json() -> None:
    record = {"kind": "scene", "id": "a", "x": np.float64(0.5), "n": np.int32(3), "box": np.arange(3.0)}
    assert decode(encode(record)) == {"kind": "scene", "id": "a", "x": 0.5, "n": 3, "box": [0, 1, 2]}
    assert encode(record).endswith(b"}\n")


def packer(suffix: str) -> Callable[[bytes], bytes]:
    """What makes one frame of a file whose name ends so."""
    return {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]  # type: ignore[return-value]


texts = st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=12)


@given(texts, st.integers(0, 400), st.booleans(), st.sampled_from(["", ".gz", ".zst"]))
def test_any_lines_come_back(
    tmp_path_factory: pytest.TempPathFactory, held: list[bytes], cut: int, ended: bool, suffix: str
) -> None:
    """Whatever frames a file is packed in, with a newline at its end or without; blank lines only count."""
    data = b"\n".join(held) + (b"\n" if ended else b"")
    pack = packer(suffix)
    path = tmp_path_factory.getbasetemp() / f"lines{suffix}"
    path.write_bytes(pack(data[:cut]) + pack(data[cut:]))
    numbered = [(str(path), number, raw) for number, raw in enumerate(data.split(b"\n"), 1) if raw.strip()]
    assert [(name, number, raw.removesuffix(b"\n")) for name, number, raw in lines([str(path)])] == numbered


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_lines_across_blocks_and_frames(tmp_path: Path, suffix: str) -> None:
    long = [orjson.dumps({"i": i, "text": os.urandom(50_000).hex()}) + b"\n" for i in range(8)]
    pack, data = packer(suffix), b"".join(long)
    path = tmp_path / f"long.jsonl{suffix}"
    path.write_bytes(pack(data[:350_001]) + pack(b"") + pack(data[350_001:]))
    assert [raw for _, _, raw in lines([str(path)])] == long


def test_carriage_returns_stay_and_blank_lines_go(tmp_path: Path) -> None:
    path = tmp_path / "dos.jsonl"
    path.write_bytes(b"\r\n" + RECORD.replace(b"\n", b"\r\n") + b"\n \t\n" + RECORD)
    assert [(n, raw) for _, n, raw in lines([str(path)])] == [(2, RECORD[:-1] + b"\r\n"), (5, RECORD)]
    assert decode(b'{"kind":"score","id":"a"}\r\n')["id"] == "a"


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_cut_file_gives_its_whole_lines_then_a_fault(tmp_path: Path, suffix: str) -> None:
    data = b"".join(encode({"kind": "score", "id": f"{i * 7919 % 1000}"}) for i in range(300))
    packed = packer(suffix)(data)
    path = tmp_path / f"cut.jsonl{suffix}"
    for size in range(0, len(packed), 7):
        path.write_bytes(packed[:size])
        found: list[bytes] = []
        with pytest.raises(DataError, match=r"cut\.jsonl\.\w+: the file is cut short"):
            found.extend(raw for _, _, raw in lines([str(path)]))
        assert data.startswith(b"".join(found))
        assert all(raw.endswith(b"\n") for raw in found)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_not_packed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plain.jsonl{suffix}"
    path.write_bytes(RECORD)
    with pytest.raises(DataError, match=r"^.*plain\.jsonl"):
        list(lines([str(path)]))


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_an_output_is_whole_or_absent(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.jsonl{suffix}"
    first = Output(str(path))
    first.write(RECORD)
    first.flush()
    assert not path.exists()
    first.finish()
    before = path.read_bytes()
    assert [raw for _, _, raw in lines([str(path)])] == [RECORD]

    failed = Output(str(path))
    failed.write(RECORD * 3)
    failed.discard()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]

    again = Output(str(path))
    again.write(RECORD)
    again.finish()
    again.discard()  # after `finish` there is nothing to discard
    assert path.read_bytes() == before
    assert suffix != ".gz" or before[4:8] == bytes(4)  # no time stamp in it


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_an_empty_output_reads_as_empty(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"none{suffix}"
    Output(str(path)).finish()
    assert path.exists()
    assert list(lines([str(path)])) == []


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "real.jsonl", tmp_path / "link.jsonl"
    target.write_bytes(b"old\n")
    link.symlink_to(target)
    output = Output(str(link))
    output.write(RECORD)
    output.finish()
    assert link.is_symlink()
    assert target.read_bytes() == RECORD


def test_a_named_pipe_is_written_in_place(tmp_path: Path) -> None:
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    output = Output(str(pipe))
    output.write(RECORD)
    output.finish()
    reader.join()
    assert found == [RECORD]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cannot write .*nowhere/out: No such file or directory$"):
        Output(str(tmp_path / "nowhere" / "out"))
    with pytest.raises(DataError, match=r"^cannot write .*: Is a directory$"):
        Output(str(tmp_path))
    full = Output("/dev/full")
    full.write(RECORD)
    with pytest.raises(DataError, match=r"^cannot write /dev/full: No space left on device$"):
        full.finish()
    full.discard()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^nothing\.jsonl: No such file or directory$"):
        list(lines(["nothing.jsonl"]))
    with pytest.raises(DataError, match="Is a directory"):
        list(lines([str(tmp_path)]))


def done(path: Path) -> set[str]:
    """The ids that a run would find there."""
    output = ResumedOutput(str(path))
    output.discard()
    return output.done


def numbered(n: int) -> list[bytes]:
    return [encode({"kind": "score", "id": f"{i}", "text": "é" * (i * 37 % 60)}) for i in range(n)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_resumed_output_goes_on_after_any_byte(tmp_path: Path, suffix: str) -> None:
    """A run that was killed after any byte of its file leaves its whole lines, and the next drops the rest."""
    path, held = tmp_path / f"out.jsonl{suffix}", numbered(6)
    data = b"".join(held)
    for size in range(len(data) + 1):
        (tmp_path / f".{path.name}.part").write_bytes(data[:size])
        output = ResumedOutput(str(path))
        whole = data[:size].count(b"\n")
        assert output.done == {str(i) for i in range(whole)}
        for raw in held[whole:]:
            output.write(raw)
        output.flush()
        assert not path.exists()
        output.finish()
        output.discard()  # after `finish` there is nothing to keep
        assert [raw for _, _, raw in lines([str(path)])] == held
        assert os.listdir(tmp_path) == [path.name]
        path.unlink()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_resumed_output_takes_up_the_file_that_is_there(tmp_path: Path, suffix: str) -> None:
    """Also where both are there, as after a run that was killed between its last two steps."""
    path, held = tmp_path / f"out.jsonl{suffix}", numbered(7)
    path.write_bytes(packer(suffix)(b"".join(held[:4]).removesuffix(b"\n")))
    output = ResumedOutput(str(path))
    assert output.done == {"0", "1", "2", "3"}
    output.write(held[4])
    output.discard()
    assert [raw for _, _, raw in lines([str(path)])] == [*held[:3], held[3].removesuffix(b"\n")]
    output = ResumedOutput(str(path))
    assert output.done == {"0", "1", "2", "3", "4"}
    output.write(held[5])
    output.write(held[6])
    output.finish()
    assert [raw for _, _, raw in lines([str(path)])] == held
    assert os.listdir(tmp_path) == [path.name]


def test_every_line_is_with_the_system_when_it_is_written(tmp_path: Path) -> None:
    path, held = tmp_path / "out.jsonl", numbered(3)
    output = ResumedOutput(str(path))
    for i, raw in enumerate(held, 1):
        output.write(raw)
        assert (tmp_path / ".out.jsonl.part").read_bytes() == b"".join(held[:i])
    output.discard()
    assert done(path) == {"0", "1", "2"}


KILLED = """
import itertools, sys
from vstkit.lineio import ResumedOutput, encode
output = ResumedOutput(sys.argv[1])
for i in itertools.count():
    if str(i) not in output.done:
        output.write(encode({"kind": "score", "id": str(i), "text": "x" * (i % 5000)}))
"""


def test_a_resumed_output_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    part = tmp_path / ".out.jsonl.part"
    for _ in range(4):
        before = part.stat().st_size if part.exists() else 0
        child = subprocess.Popen([sys.executable, "-c", KILLED, path], env=environment())
        end = time.monotonic() + 30
        while (not part.exists() or part.stat().st_size < before + 50_000) and time.monotonic() < end:
            time.sleep(0.003)
        child.kill()
        child.wait()
        assert part.stat().st_size > before
    ResumedOutput(str(path)).finish()
    records = [decode(raw) for _, _, raw in lines([str(path)])]
    assert [record["id"] for record in records] == [str(i) for i in range(len(records))]
    assert all(len(record["text"]) == i % 5000 for i, record in enumerate(records))


def test_two_runs_on_one_resumed_output(tmp_path: Path) -> None:
    first = ResumedOutput(str(tmp_path / "out"))
    first.write(RECORD)
    with pytest.raises(DataError, match=r"out: another run is writing it$"):
        ResumedOutput(str(tmp_path / "out"))
    first.discard()
    assert done(tmp_path / "out") == {"a"}


def test_what_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^cannot write .*nowhere/out: No such file or directory$"):
        ResumedOutput(str(tmp_path / "nowhere" / "out"))
    (tmp_path / "text").write_bytes(b"hello\n")
    with pytest.raises(DataError, match=r"text:1: not JSON: "):
        ResumedOutput(str(tmp_path / "text"))
    assert (tmp_path / "text").read_bytes() == b"hello\n"
    (tmp_path / ".other.part").write_bytes(b"[1]\n")
    with pytest.raises(DataError, match=r"\.other\.part: expected a JSON object, got list$"):
        ResumedOutput(str(tmp_path / "other"))
    assert (tmp_path / ".other.part").read_bytes() == b"[1]\n"
