"""vstkit export, and back by vstkit ingest: equal up to what a format can hold, which `held` states."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import PROGRAM, environment, run, watched
from vstkit import exports, images
from vstkit.cli import load
from vstkit.exports import tables

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

Record = dict[str, Any]
FORMATS = list(exports.FORMATS)
EMBEDDED = ["parquet", "vst", "verl"]
IMAGE, VIDEO = {"type": "image"}, {"type": "video"}


def text(value: str) -> Record:
    return {"type": "text", "text": value}


def sample(name: str, *turns: tuple[str, Any], **more: Any) -> Record:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"kind": "sample", "id": f"made/{name}", "messages": messages, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of noise, one of which its EXIF data turn, and a folder of frames."""
    chance = np.random.default_rng(0)
    noise = [Image.fromarray(chance.integers(0, 256, (12, 16, 3), dtype=np.uint8)) for _ in range(5)]
    noise[0].save(tmp_path / "a.png")
    noise[1].save(tmp_path / "b.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    noise[1].save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "film").mkdir()
    for i in range(3):
        noise[2 + i].save(tmp_path / "film" / f"{i}.png")
    return tmp_path


MARKED = {"path": "a.png", "ops": [{"op": "resize", "size": [32, 24]}, {"op": "crop", "box": [0, 0, 20, 20]}]}
FILM = {"frames": ["film/0.png", "film/1.png", "film/2.png"], "fps": 2.0}
CHOICE = {"type": "choice", "value": "A", "options": {"A": "chair", "B": "stół"}}


def records() -> list[Record]:
    """One of each kind of conversation."""
    asked = ("user", [IMAGE, text("Which is nearer?")])
    said = ("assistant", [text("chair")])
    several = ("user", [text("Between"), IMAGE, text("and"), IMAGE, text("what moved? 椅子 🪑")])
    number = {"type": "number", "value": 1.5, "unit": "m"}
    return [
        sample("one", asked, said, images=["a.png"], answer=CHOICE, task="depth-order", scene="s/1", dataset="made",
               meta={"objects": ["o1"], "values": [1.5]}, license="CC0"),
        sample("several", several, ("assistant", [text("nothing")]), images=["a.png", "b.jpg"],
               answer={"type": "text", "value": "nothing"}),
        sample("turns", ("system", [text("Be brief.")]), asked, said, ("user", [text("How far?")]),
               ("assistant", [text("1.5 m")]), images=["b.jpg"], answer=[CHOICE, number]),
        sample("words", ("user", [text("What is a metre?")]), ("assistant", [text("A length.\n")]),
               answer={"type": "text", "value": "a length"}),
        sample("edited", asked, said, images=[MARKED], answer=CHOICE),
    ]  # fmt: skip


FILMED = sample(
    "film", ("user", [VIDEO, text("What?")]), ("assistant", [text("A walk.")]), videos=[FILM], answer=CHOICE
)


def held(record: Record, layout: str) -> Record:
    """What of a sample a format holds, without its pictures."""
    kept = {"kind", "id", "messages", "dataset"}
    kept |= {"parquet": set(record), "verl": {"task", "scene", "answer", "meta"}}.get(layout, set())
    made = {name: value for name, value in record.items() if name in kept - {"images", "videos"}}
    if layout == "verl" and isinstance(made["answer"], list):
        made["answer"] = made["answer"][-1]
    return made


def restored(record: Record, layout: str) -> Record:
    """What was read back, less what stands for nothing: vst's and verl's data_source, vst's type."""
    made = {name: value for name, value in record.items() if name not in ("images", "videos")}
    if made.get("dataset") == "vstkit":
        del made["dataset"]
    if layout == "vst":
        assert made.pop("meta") == {"type": "mm_qa" if "images" in record else "text"}
    return made


def lines(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def exported(folder: Path, layout: str, given: list[Record], name: str = "", *more: str) -> Path:
    target = folder / (name or f"out.{'parquet' if layout in EMBEDDED else 'jsonl'}")
    write = [] if layout in EMBEDDED else ["--write", "pictures"]
    done = run("export", "--format", layout, "-o", target, *write, *more, stdin=lines(given), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"vstkit export: %d rows\n" % len(given)
    return target


def ingested(folder: Path, layout: str, path: Path, *more: str) -> list[Record]:
    done = run("ingest", layout, path, "--write", "back", "-q", *more, cwd=folder)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def pixels(record: Record, folder: Path) -> list[np.ndarray[Any, Any]]:
    frames = [frame for video in record.get("videos", []) for frame in video["frames"]]
    return [np.asarray(images.open_image(one, str(folder))) for one in [*record.get("images", []), *frames]]


def same_pixels(a: Record, b: Record, folder: Path) -> bool:
    pairs = zip(pixels(a, folder), pixels(b, folder), strict=True)
    return all(np.array_equal(p, q) for p, q in pairs)


# Round trips


@pytest.mark.parametrize("layout", FORMATS)
def test_round_trip(folder: Path, layout: str) -> None:
    given = records()
    back = ingested(folder, layout, exported(folder, layout, given))
    assert [restored(record, layout) for record in back] == [held(record, layout) for record in given]
    assert all(same_pixels(a, b, folder) for a, b in zip(given, back, strict=True))
    again = ingested(folder, layout, exported(folder, layout, back, "again.parquet" if layout in EMBEDDED else ""))
    assert [restored(record, layout) for record in again] == [restored(record, layout) for record in back]


@pytest.mark.parametrize("layout", ["parquet", "sharegpt", "ms-swift", "verl"])
def test_frames_of_videos(folder: Path, layout: str) -> None:
    slow = {**FILMED, "id": "slow", "videos": [{**FILM, "fps": 0.5}]}
    back = ingested(folder, layout, exported(folder, layout, [FILMED, slow]))
    assert [b["messages"] for b in back] == [FILMED["messages"]] * 2
    assert all(same_pixels(FILMED, b, folder) for b in back)
    # Two of them do not say how many frames were taken a second; what the trainers assume is read.
    assert [b["videos"][0]["fps"] for b in back] == [2.0, 2.0 if layout in ("sharegpt", "ms-swift") else 0.5]
    if layout == "sharegpt":
        told = ingested(folder, layout, folder / "out.jsonl", "--fps", "0.5")
        assert [b["videos"][0]["fps"] for b in told] == [0.5, 0.5]


def test_strings_and_fields_that_no_column_has(folder: Path) -> None:
    plain = sample("plain", ("user", "Why?"), ("assistant", ""), mine={"a": [1, "x", None, 2.5]}, flip_safe=True)
    (back,) = ingested(folder, "parquet", exported(folder, "parquet", [plain]))
    assert back == {**plain, "messages": [{**m, "content": [text(m["content"])]} for m in plain["messages"]]}


def test_pictures_that_lie_on_their_side(folder: Path) -> None:
    turned = sample("t", ("user", [IMAGE, text("?")]), ("assistant", [text("!")]), images=["turned.jpg"], answer=CHOICE)
    for layout in ("llava", "vst"):
        (back,) = ingested(folder, layout, exported(folder, layout, [turned]))
        with Image.open(folder / back["images"][0]) as image:
            assert (image.size, image.getexif().get(0x0112, 1)) == ((12, 16), 1), layout
    done = run("export", "--format", "llava", stdin=lines([turned]), cwd=folder)
    assert done.returncode == 1
    assert b"images[0]: expected a picture as it is, got one to be changed: --write DIR renders it" in done.stderr


# As the other programs read it


def test_llava_is_one_list(folder: Path) -> None:
    rows = json.loads(exported(folder, "llava", records(), "out.json").read_bytes())
    assert [json.loads(line) for line in exported(folder, "llava", records()).read_bytes().splitlines()] == rows
    assert rows[0] == {
        "id": "made/one", "image": "a.png", "data_source": "made",
        "conversations": [{"from": "human", "value": "<image>\nWhich is nearer?"}, {"from": "gpt", "value": "chair"}],
    }  # fmt: skip
    assert rows[1]["image"] == ["a.png", "b.jpg"]
    assert "image" not in rows[3]
    assert len(ingested(folder, "llava", folder / "out.json")) == 5


@pytest.mark.parametrize(("layout", "field"), [("sharegpt", "conversations"), ("ms-swift", "messages")])
def test_rows_that_are_read_as_columns(folder: Path, layout: str, field: str) -> None:
    rows = [json.loads(line) for line in exported(folder, layout, [*records(), FILMED]).read_bytes().splitlines()]
    for row in rows:
        said = "".join(turn.get("value", turn.get("content")) for turn in row[field])
        assert (said.count("<image>"), said.count("<video>")) == (len(row["images"]), len(row["videos"]))
        frames = [frame for video in row["videos"] for frame in video]
        assert all((folder / path).is_file() for path in [*row["images"], *frames])
    assert rows[2][field][0] in ({"from": "system", "value": "Be brief."}, {"role": "system", "content": "Be brief."})
    assert rows[-1]["videos"] == [FILM["frames"]]


def test_vst_has_what_its_loader_opens(folder: Path) -> None:
    rows = parquet.read_table(exported(folder, "vst", records())).to_pylist()
    assert set(rows[0]) == {"conversations", "id", "data_source", "images", "type", "meta_info"}
    assert rows[1]["conversations"][0]["value"] == "Between<|image_pad|>and<|image_pad|>what moved? 椅子 🪑"
    for row in rows:
        sizes = [Image.open(io.BytesIO(image["bytes"])).size for image in row["images"]]
        assert [(info["width"], info["height"]) for info in json.loads(row["meta_info"])] == sizes
        assert row["type"] == ("mm_qa" if sizes else "text")
    assert rows[0]["images"][0]["bytes"] == (folder / "a.png").read_bytes()
    assert json.loads(rows[4]["meta_info"])[0] == {
        "resized_width": -1, "resized_height": -1, "width": 20, "height": 20,
    }  # fmt: skip


def test_verl_has_a_prompt_and_a_truth(folder: Path) -> None:
    rows = parquet.read_table(exported(folder, "verl", [*records(), FILMED])).to_pylist()
    assert rows[0]["prompt"] == [{"role": "user", "content": "<image>Which is nearer?"}]
    assert json.loads(rows[0]["reward_model"]["ground_truth"]) == CHOICE
    assert rows[0]["reward_model"]["style"] == "rule"
    assert [row["extra_info"]["index"] for row in rows] == list(range(6))
    assert [len(row["prompt"]) for row in rows] == [1, 1, 4, 1, 1, 1]
    for row in rows:
        tags = "".join(turn["content"] for turn in row["prompt"]).count("<image>")
        assert tags == len(row["images"] or [])
        assert row["images"] is None or all(set(image) == {"bytes", "path"} for image in row["images"])
    (film,) = rows[5]["videos"]
    first = base64.b64decode(film["video"][0].removeprefix("data:image;base64,"))
    assert first == (folder / "film" / "0.png").read_bytes()


# What no row can be made of


@pytest.mark.parametrize(
    ("layout", "change", "message"),
    [
        ("llava", {"images": [MARKED]}, "images[0]: expected a picture as it is, got one to be changed: --write DIR"),
        ("sharegpt", {"images": ["none.png"]}, "images[0]: none.png: no such file"),
        ("parquet", {"images": ["none.png"]}, "images[0]: none.png: no such file"),
        ("verl", {"answer": None}, "answer: "),
        ("llava", {"images": []}, "images: expected 1, as the messages place them, got 0"),
    ],
)
def test_samples_that_a_format_cannot_hold(folder: Path, layout: str, change: Record, message: str) -> None:
    record = {name: value for name, value in {**records()[0], **change}.items() if value is not None}
    done = run("export", "--format", layout, stdin=lines([record]), cwd=folder)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert f"vstkit export: standard input:1: {message}" in done.stderr.decode()


@pytest.mark.parametrize(
    ("layout", "turns", "message"),
    [
        ("sharegpt", [("user", "a <image>"), ("assistant", "b")], "messages[0]: content[0].text: expected plain text"),
        ("vst", [("user", "a"), ("assistant", "<|image_pad|>")], "messages[1]: content[0].text: expected plain text"),
        ("llava", [("user", "a"), ("user", "b")], "messages[1].role: expected assistant, as turns alternate, got user"),
        ("sharegpt", [("system", "a"), ("assistant", "b")], "messages[1].role: expected user, as turns alternate"),
        ("vst", [("user", "a")], "messages: expected an answer of the assistant at the end, got none"),
    ],
)
def test_turns_that_a_format_cannot_hold(layout: str, turns: list[tuple[str, str]], message: str) -> None:
    done = run("export", "--format", layout, stdin=lines([sample("x", *turns)]))
    assert done.returncode == 1
    assert message in done.stderr.decode()


@pytest.mark.parametrize("layout", ["llava", "vst"])
def test_formats_without_frames(folder: Path, layout: str) -> None:
    done = run("export", "--format", layout, "--on-error", "skip", "--max-bad", "1", stdin=lines([FILMED]), cwd=folder)
    assert done.returncode == 0
    assert b"videos: expected none" in done.stderr


# The file


def test_other_records_are_left_out_and_bad_lines_are_told(folder: Path) -> None:
    scene = {"kind": "scene", "id": "s", "views": []}
    given = lines([scene, *records()[3:4], scene]) + b"{\n"
    options = ("--on-error", "skip", "--max-bad", "0.5", "--rejects", "bad.jsonl")
    done = run("export", "--format", "ms-swift", *options, stdin=given, cwd=folder)
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["made/words"]
    assert b"vstkit export: 1 rows; left out: scene 2\n" in done.stderr
    assert b"not JSON" in (folder / "bad.jsonl").read_bytes()


@pytest.mark.parametrize("layout", FORMATS)
def test_of_nothing(folder: Path, layout: str) -> None:
    target = exported(folder, layout, [])
    if layout in EMBEDDED:
        assert parquet.read_table(target).num_rows == 0
    else:
        assert target.read_bytes() == b""
        assert json.loads(exported(folder, layout, [], "out.json").read_bytes()) == []
    assert ingested(folder, layout, target) == []


def test_parquet_through_a_pipe_and_by_workers(folder: Path) -> None:
    target = exported(folder, "parquet", records())
    piped = run("export", "--format", "parquet", "-j", "2", stdin=lines(records()), cwd=folder).stdout
    assert piped == target.read_bytes()


def test_a_run_that_fails_leaves_no_file(folder: Path) -> None:
    broken = lines(records()) + lines([{**records()[0], "images": []}])
    for layout in ("parquet", "llava"):
        write = ["--write", "p"] if layout == "llava" else []
        done = run("export", "--format", layout, *write, "-o", f"x.{layout}", stdin=broken, cwd=folder)
        assert done.returncode == 1
        assert not list(folder.glob("*x.*"))


def test_rows_are_written_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    def groups(count: int, size: int) -> list[int]:
        pieces: list[bytes] = []
        rows = ({"id": str(i), "messages": [], "images": [{"bytes": b"x" * size, "path": ""}]} for i in range(count))
        tables.write(rows, tables.whole(), pieces.append)
        file = parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
        assert file.read().column("id").to_pylist() == [str(i) for i in range(count)]
        return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]

    monkeypatch.setattr(tables, "GROUP_ROWS", 4)
    monkeypatch.setattr(tables, "GROUP_BYTES", 100)
    assert groups(10, 1) == [4, 4, 2]
    assert groups(5, 50) == [2, 2, 1]
    assert groups(4, 1) == [4]


PEAK = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=sys.stdin)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")  # a megabyte
    one = sample("one", ("user", [IMAGE]), ("assistant", "x"), images=["a.png"])

    def peak(count: int) -> int:
        argv = [PROGRAM, "export", "--format", "parquet", "-q", "-o", "/dev/null"]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *argv],
            input=lines([one] * count), capture_output=True, cwd=tmp_path, env=environment(), timeout=60, check=True,
        )  # fmt: skip
        status, kilobytes = map(int, done.stdout.split())
        assert status == 0
        return kilobytes

    assert peak(400) < peak(130) + 40_000  # two groups, and six


def test_options() -> None:
    (option,) = [p for p in load("export").params if p.name == "layout"]
    assert list(option.type.choices) == FORMATS
    done = run("export", "--format", "parquet", "--write", "x", stdin=b"")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--write: parquet has no use for it" in done.stderr
    assert run("export", stdin=b"").returncode == 2


@pytest.mark.parametrize("layout", ["parquet", "sharegpt"])
def test_readers_that_go_away_and_disks_that_are_full(folder: Path, layout: str) -> None:
    (folder / "long.jsonl").write_bytes(lines(records()[:1] * 4000))
    script = f'"$PROGRAM" export -q --format {layout} long.jsonl'
    for end, told in (('| head -c 9 | wc -c; echo "${PIPESTATUS[0]}"', b"9\n141\n"), ("> /dev/full; echo $?", b"1\n")):
        env = environment({"PROGRAM": str(PROGRAM)})
        done = subprocess.run(["bash", "-c", f"{script} {end}"], capture_output=True, cwd=folder, env=env, check=True)
        assert done.stdout == told
        full = b"vstkit export: cannot write standard output: No space left on device\n"
        assert done.stderr == (full if "full" in end else b"")


def test_torch_is_not_imported() -> None:
    for argv in (["export", "--format", "parquet"], ["export", "--format", "llava"]):
        done, imported = watched(*argv, stdin=lines(records()[3:4]))
        assert done.returncode == 0
        assert "torch" not in imported
