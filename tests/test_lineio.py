"""Lines in and out of files: packing, cut files, whole or absent."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vstkit.errors import DataError
from vstkit.lineio import Output, decode, encode, lines

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
