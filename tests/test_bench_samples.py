"""Benchmarks' annotation files as samples: each suite in its documented layout, the real files, and broken ones."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench_layouts import LAYOUTS, MCQ, choice, tsv
from support import run, shared
from vstkit.datasets.benches import pictures, rows, samples
from vstkit.datasets.benches.suites import BENCHES
from vstkit.errors import DataError, UsageError
from vstkit.lineio import encode
from vstkit.scoring.benchmarks import SUITES
from vstkit.tables import missing
from vstkit.validation import problems

Record = dict[str, Any]


def png(colour: int = 0, size: tuple[int, int] = (40, 30), form: str = "PNG") -> bytes:
    out = io.BytesIO()
    raw = bytes(i * i * (colour + 3) % 251 for i in range(3 * size[0] * size[1]))
    Image.frombytes("RGB", size, raw).save(out, form)
    return out.getvalue()


def text64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def read(path: Path, suite: str, tally: Counter[str] | None = None, **options: Any) -> list[Record]:
    finding = {name: options.pop(name) for name in ("images",) if name in options}
    tally = Counter() if tally is None else tally
    return [s for unit in samples.find(str(path), suite=suite, **finding) for s in samples.read(unit, tally, **options)]


def text(sample: Record) -> str:
    return "".join(part.get("text", "<image>") for part in sample["messages"][0]["content"])


@pytest.mark.parametrize(("suite", "row", "name", "task", "prompt", "answer"), LAYOUTS)
def test_each_layout(
    suite: str, row: Record, name: str, task: str, prompt: str, answer: Record, tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text(json.dumps([row]))
    (sample,) = read(tmp_path / "b.json", suite)
    assert (sample["id"], sample.get("task", ""), sample["dataset"]) == (name, task, suite)
    assert text(sample) == prompt
    assert sample["answer"] == answer
    asked = {"question", "Question", "options", "choices", "answers", "answer", "Answer", "ground_truth", "prompt"}
    assert not asked & sample["meta"]["bench"].keys()


def test_every_suite_has_a_layout_here() -> None:
    assert {layout[0] for layout in LAYOUTS} | {"whatsup", "mmsi-circular"} == BENCHES.keys()
    assert BENCHES.keys() == SUITES.keys() - {"samples"}


def test_the_same_from_a_tsv(tmp_path: Path) -> None:
    """Lists as text, numbers with decimals: what pandas makes of the rows."""
    for suite, row, name, _, prompt, answer in LAYOUTS:
        written = {k: str(v) if isinstance(v, list | dict) else v for k, v in row.items()}
        written = {k: f"{v}.0" if k == "index" else "" if v is None else v for k, v in written.items()}
        (sample,) = read(tsv(tmp_path / "b.tsv", [written]), suite)
        assert (sample["id"], text(sample), sample["answer"]) == (name, prompt, answer)


def test_whatsup_is_shuffled_always_alike(tmp_path: Path) -> None:
    captions = [f"A mug {where} a plate" for where in ("to the left of", "to the right of", "on", "under")]
    paths = [f"data/controlled_images/mug{i}_left_of_plate.jpeg" for i in range(40)]
    (tmp_path / "b.json").write_text(json.dumps([{"image_path": p, "caption_options": captions} for p in paths]))
    found = read(tmp_path / "b.json", "whatsup")
    assert found == read(tmp_path / "b.json", "whatsup")
    assert len({s["answer"]["value"] for s in found}) == 4
    assert all(s["answer"]["options"][s["answer"]["value"]] == captions[0] for s in found)
    told = {name: found[0]["meta"]["bench"][name] for name in ("set", "relation", "subset")}
    assert told == {"set": "A/mug0/plate", "relation": "left", "subset": "A"}


# Answers, options, kinds


@pytest.mark.parametrize("value", ["B", "b", "(B)", "B.", "B. right", "(B) right", "right", " B ", "B: right"])
def test_forms_of_a_letter(value: str) -> None:
    found = rows.answer_of(value, "choice", {"A": "left", "B": "right"})
    assert found == choice("B", "left", "right")


@pytest.mark.parametrize("value", ["C", "middle", "", "AB", 3, "A person", "(Z)"])
def test_what_is_no_option(value: Any) -> None:
    with pytest.raises(DataError, match=r"answer: expected one of A, B, got"):
        rows.answer_of(value, "choice", {"A": "left", "B": "right"})


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [("abc", "number m", "a number"), ("nan", "number m", "a finite"), ("2.5", "count", "an integer"),
     ("maybe", "truth", "1 or 0")],
)  # fmt: skip
def test_answers_that_do_not_fit(value: str, kind: str, message: str) -> None:
    with pytest.raises(DataError, match=f"expected {message}"):
        rows.answer_of(value, kind, {})


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which? (A) left (B) right", ["left", "right"]),
        ("Which?\nA. left\nB. right\nThink.", ["left", "right"]),
        ("See image A: a cat. Options: A: on, B: under, C: by", ["on", "under", "by"]),
        ("Is A. Smith there?", []),
        ("A and B", []),
        ("", []),
        ("f(A)(B) x", []),
    ],
)
def test_options_within_a_question(question: str, wanted: list[str]) -> None:
    assert list(rows.within(question).values()) == wanted


def test_no_answer_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps([{"index": i, "question": "?", "A": "x", "B": "y", **more} for i, more in enumerate(
        ({}, {"answer": "hidden"}, {"answer": None}, {"answer": "?"}))]))  # fmt: skip
    assert not any("answer" in sample for sample in read(path, "mmbench"))


def test_duplicates_are_refused(tmp_path: Path) -> None:
    path = tsv(tmp_path / "b.tsv", [{"index": i, "question": "?", "answer": "A"} for i in ("1", "1.0")])
    with pytest.raises(DataError, match=r"b.tsv: row 2: id: 'ai2d/1' stands twice"):
        read(path, "ai2d")


def test_a_bad_row_can_be_skipped(tmp_path: Path) -> None:
    table = [{"index": i, "question": "?", "A": "x", "B": "y", "answer": a} for i, a in enumerate("AQB")]
    path = tsv(tmp_path / "b.tsv", table)
    done = run("ingest", "bench", "ai2d", path, "--on-error", "skip", "--max-bad", "0.5")
    assert done.returncode == 0, done.stderr
    assert b"b.tsv: row 2: answer: expected one of A, B, got 'Q'" in done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["ai2d/0", "ai2d/2"]
    assert run("ingest", "bench", "ai2d", path).returncode == 1


# Pictures


def test_base64_is_written_once(tmp_path: Path) -> None:
    """A picture's name is made of what it holds; rolled copies refer to the row that has it."""
    first, second = png(), png(9, form="JPEG")
    table = [
        {"index": 0, "question": "?", "A": "x", "B": "y", "answer": "A", "image": "7"},
        {"index": 7, "question": "?", "A": "x", "B": "y", "answer": "A", "image": text64(first)},
        {"index": 1_000_007, "question": "?", "A": "y", "B": "x", "answer": "B", "image": "7"},
        {"index": 8, "question": "?", "A": "x", "B": "y", "answer": "A", "image": str([text64(first), text64(second)])},
    ]
    tally: Counter[str] = Counter()
    found = read(tsv(tmp_path / "b.tsv", table), "mmbench", tally, write=str(tmp_path / "out"), root=str(tmp_path))
    assert [len(s["images"]) for s in found] == [1, 1, 1, 2]
    assert len({path for s in found for path in s["images"]}) == len(list((tmp_path / "out").iterdir())) == 2
    assert (tmp_path / found[0]["images"][0]).read_bytes() == first
    assert (tmp_path / found[3]["images"][1]).read_bytes() == second
    assert found[3]["images"][1].endswith(".jpg")
    assert [part["type"] for part in found[3]["messages"][0]["content"]] == ["image", "image", "text"]
    assert not tally
    again = read(tmp_path / "b.tsv", "mmbench", tally)
    assert not any("images" in s for s in again)
    assert tally == {samples.PICTURES_NEED_WRITE: 4}


def test_bytes_of_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table
    shown = [{"bytes": png(i), "path": f"../../{i}.png"} for i in range(3)]
    row = {"id": "validation_Music_1", "question": "<image 2> or <image 1>?", "options": "['<image 3>', 'y']",
           "question_type": "multiple-choice", "answer": "A", "subfield": "Notes",
           **{f"image_{i}": shown[i - 1] if i < 4 else None for i in range(1, 8)}}  # fmt: skip
    sat = {"question": "?", "answers": ["l", "r"], "correct_answer": "l", "image_bytes": [png(1), png(2)]}
    for name, held in (("mmmu", row), ("sat", sat)):
        parquet.write_table(table.from_pylist([held]), tmp_path / f"{name}.parquet")
    (sample,) = read(tmp_path / "mmmu.parquet", "mmmu", write=str(tmp_path / "out"), root=str(tmp_path))
    assert text(sample) == f"Question: <image> or <image>?\nOptions:\nA. <image>\nB. y\n{MCQ}"
    assert [(tmp_path / p).read_bytes() for p in sample["images"]] == [shown[i]["bytes"] for i in (1, 0, 2)]
    assert sample["meta"]["bench"]["subfield"] == "Notes"
    assert not any(name.startswith("image") for name in sample["meta"]["bench"])
    (sample,) = read(tmp_path / "sat.parquet", "sat", write=str(tmp_path / "out"), root=str(tmp_path))
    assert len(sample["images"]) == 2
    assert len(list((tmp_path / "out").iterdir())) == 3  # those of both are written once
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path / "out"}


def test_pictures_that_are_files(tmp_path: Path) -> None:
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "1.png").write_bytes(png())
    path = tmp_path / "b.json"
    path.write_text(json.dumps([{"image_path": "./coco/1.png", "question": "?", "choices": ["x", "y"], "answer": "A"}]))
    assert read(path, "site", root=str(tmp_path))[0]["images"] == ["coco/1.png"]
    assert read(path, "site", images=str(tmp_path), root=str(tmp_path))[0]["images"] == ["coco/1.png"]
    (tmp_path / "coco" / "1.png").write_bytes(png()[:-40])
    with pytest.raises(DataError, match=r"row 1: image: .*1\.png: cannot be read"):
        read(path, "site", root=str(tmp_path))
    (tmp_path / "coco" / "1.png").unlink()
    tally: Counter[str] = Counter()
    assert "images" not in read(path, "site", tally)[0]
    assert tally == {samples.NOT_FOUND: 1}
    with pytest.raises(DataError, match=r"no such file in"):
        read(path, "site", images=str(tmp_path))


@pytest.mark.parametrize("name", ["../1.png", "/etc/1.png", "a/../../1.png", "coco/../../../1.png"])
def test_no_path_leads_out(name: str, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png())
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "b.json"
    path.write_text(json.dumps([{"image_path": name, "question": "?", "choices": ["x", "y"], "answer": "A"}]))
    with pytest.raises(DataError, match=r"image: expected a file in .* got"):
        read(path, "site")
    path.write_text(json.dumps([{"video": name, "question": "?", "choices": ["x", "y"], "answer": "A"}]))
    with pytest.raises(DataError, match=r"video: expected a file in"):
        read(path, "site")


BOMB = text64(b"\x89PNG\r\n\x1a\n" + png()[8:16] + (60_000).to_bytes(4, "big") * 2 + png()[24:])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("!" * 80, "expected base64"),
        ("A" * 81, "expected base64"),
        ("abcd" * 20, "not a picture"),
        (text64(png()[:200]), "not a picture"),
        (text64(b"%PDF-1.4" + bytes(100)), "not a picture"),
        (BOMB, "(refused|not a picture)"),
        ("77", "the index of a row that has one, got '77'"),
        ("1", "the index of a row that has one, got '1'"),
    ],
)
def test_broken_pictures(cell: str, message: str, tmp_path: Path) -> None:
    path = tsv(tmp_path / "b.tsv", [{"index": 1, "question": "?", "A": "x", "B": "y", "answer": "A", "image": cell}])
    with pytest.raises(DataError, match=rf"row 1: image: .*{message}"):
        read(path, "ai2d", write=str(tmp_path / "out"))
    assert not list(tmp_path.glob("out/*"))


def test_other_formats_become_pngs(tmp_path: Path) -> None:
    path = pictures.stored(f"data:image/gif;base64,{text64(png(form='GIF'))}", str(tmp_path))
    assert path.endswith(".png")
    with Image.open(path) as image:
        assert image.size == (40, 30)


# Videos


def test_videos_are_folders_of_frames(tmp_path: Path) -> None:
    folder = tmp_path / "frames" / "scannet" / "s0"
    folder.mkdir(parents=True)
    for i in (10, 9, 2):
        (folder / f"{i}.png").write_bytes(png(i))
    row = {"id": 1, "dataset": "scannet", "scene_name": "s0", "question_type": "object_counting", "question": "?",
           "ground_truth": "3"}  # fmt: skip
    path = tmp_path / "b.jsonl"
    path.write_text("".join(json.dumps({**row, "id": i}) + "\n" for i in range(3)))
    found = read(path, "vsibench", images=str(tmp_path / "frames"), root=str(tmp_path), fps=2.0)
    assert found[0]["videos"] == [{"frames": [f"frames/scannet/s0/{i}.png" for i in (2, 9, 10)], "fps": 2.0}]
    assert [part["type"] for part in found[0]["messages"][0]["content"]] == ["video", "text"]
    assert found[0]["scene"] == "s0"
    few = read(path, "vsibench", images=str(tmp_path / "frames"), root=str(tmp_path), max_frames=2)
    assert [len(s["videos"][0]["frames"]) for s in few] == [2, 2, 2]
    tally: Counter[str] = Counter()
    assert "videos" not in read(path, "vsibench", tally)[0]
    assert tally == {samples.VIDEO_NOT_FOUND: 3}


def test_videos_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")
    (tmp_path / "scannet").mkdir()
    with av.open(str(tmp_path / "scannet" / "s0.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(20):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (12 * i, 0, 0)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    row = {"dataset": "scannet", "scene_name": "s0", "question_type": "object_counting", "question": "?"}
    (tmp_path / "b.json").write_text(json.dumps([{**row, "id": i, "ground_truth": "3"} for i in range(4)]))
    pictures.video.cache_clear()
    calls = []
    true = pictures.frames.read
    monkeypatch.setattr(pictures.frames, "read", lambda *a, **k: calls.append(a) or true(*a, **k))
    options = {"write": str(tmp_path / "out"), "root": str(tmp_path)}
    found = read(tmp_path / "b.json", "vsibench", fps=5.0, **options)
    assert len(calls) == 1
    assert len(found[3]["videos"][0]["frames"]) == 10
    assert found[0]["videos"][0]["fps"] == pytest.approx(5)
    assert all(name.startswith("out/scannet/s0/") for name in found[0]["videos"][0]["frames"])
    tally: Counter[str] = Counter()
    assert "videos" not in read(tmp_path / "b.json", "vsibench", tally)[0]
    assert tally == {samples.PICTURES_NEED_WRITE: 4}


# The real files, and the program


@pytest.mark.parametrize(
    ("suite", "name", "count", "left_out"),
    [
        ("vsibench", "vsibench/scene0593_00_gemini.jsonl", 54, samples.NO_QUESTION),
        ("viewspatial", "viewspatial/ViewSpatial-Bench.json", 5712, samples.NOT_FOUND),
        ("vsr", "vsr/random_test.jsonl", 2195, samples.NOT_FOUND),
        ("blink", "blink/val_answers.json", 1901, samples.NO_QUESTION),
        ("mmmu", "mmmu/answer_dict_val.json", 900, samples.NO_QUESTION),
        ("mmmu", "mmmu/qwen_vl_raw_Music.json", 30, samples.NO_QUESTION),
    ],
)
def test_real_files(suite: str, name: str, count: int, left_out: str) -> None:
    tally: Counter[str] = Counter()
    found = read(shared() / "benchmarks" / name, suite, tally)
    assert len({s["id"] for s in found}) == count
    assert all("answer" in s for s in found)
    assert tally == {left_out: count}
    if suite == "viewspatial":
        assert Counter(s["task"] for s in found)["Person perspective - Relative Direction"] == 842
        assert Counter(len(s["answer"]["options"]) for s in found) == {4: 5539, 2: 173}
    if suite == "vsr":
        assert Counter(s["task"] for s in found) == {"Projective": 843, "Topological": 629, "Adjacency": 289,
            "Orientation": 137, "Proximity": 133, "Directional": 88, "Unallocated": 76}  # fmt: skip
    if name.endswith("val.json"):
        assert Counter(s["answer"]["type"] for s in found) == {"choice": 847, "text": 53}


def test_the_program(tmp_path: Path) -> None:
    table = [
        {"index": i, "question": "?", "A": "x", "B": "y", "answer": "A", "image": text64(png(i))} for i in range(9)
    ]
    path = tsv(tmp_path / "b.tsv", table)
    argv = ("ingest", "bench", "ai2d", path, "--write", tmp_path / "out")
    done = run(*argv, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 9
    assert run(*argv, "-j", "2", cwd=tmp_path).stdout == done.stdout
    assert run("check", "--files", stdin=done.stdout, cwd=tmp_path).returncode == 0
    assert run("ingest", "bench", "ai2d", path, "--shard", "2/3", cwd=tmp_path).stdout.count(b"\n") == 3


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["bench"], 2, b"expected bench NAME FILE"),
        (["bench", "blink"], 2, b"expected bench NAME FILE"),
        (["bench", "nonsense", "x.tsv"], 2, b"expected one of vsibench"),
        (["bench", "blink", "none.tsv"], 1, b"none.tsv: No such file"),
        (["bench", "blink", "none.txt"], 1, b"none.txt: expected a table"),
        (["bench", "blink", "x.tsv", "--hfov", "60"], 2, b"--hfov: bench has no use for it"),
    ],
)
def test_what_cannot_be_read(argv: list[str], status: int, message: bytes) -> None:
    done = run("ingest", *argv)
    assert (done.returncode, done.stdout) == (status, b"")
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


NAMES = sorted({name for _, row, *_ in LAYOUTS for name in row} | {"image", "images", "image_path", "video", "hint"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["A", "(B)", "['a']", "x.png"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(sorted(BENCHES)), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
def test_any_row_is_a_sample_or_a_data_error(suite: str, row: Record) -> None:
    try:
        sample = rows.sample({name: value for name, value in row.items() if not missing(value)}, suite, 0)
        of = [one for one in pictures.of_row(row) if "path" in one]
        assert all(pictures.there(one["path"], "nowhere") is None for one in of)
    except DataError:
        return
    assert not problems(sample | {"messages": []})
    assert isinstance(encode(sample), bytes)


def test_unknown_suites() -> None:
    with pytest.raises(UsageError, match="expected one of vsibench"):
        rows.bench("none")
