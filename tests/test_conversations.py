"""Conversations in other people's files: their own layouts, and what is wrong with them."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import run
from vstkit.datasets import CONVERSATIONS, conversations, reader
from vstkit.errors import DataError, UsageError
from vstkit.images import open_image

Record = dict[str, Any]
IMAGE, VIDEO = {"type": "image"}, {"type": "video"}
ASKED = {"from": "human", "value": "<image>\nWhat is this?"}
SAID = {"from": "gpt", "value": "A cat."}


def text(value: str) -> Record:
    return {"type": "text", "text": value}


def png(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures beside the file, and the current folder elsewhere."""
    for i, name in enumerate(["a.png", "b.png", "film/1.png", "film/2.png", "film/10.png"]):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(png(i))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def table(folder: Path, rows: list[Record], name: str = "rows.jsonl", schema: Any = None) -> str:
    path = folder / name
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        pytest.importorskip("pyarrow.parquet").write_table(pa.Table.from_pylist(rows, schema), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path.relative_to(Path.cwd()))


def read(layout: str, path: str, images: str | None = None, **options: Any) -> list[Record]:
    module = reader(layout)
    units = json.loads(json.dumps(list(module.find(path, **({"images": images} if images else {})))))
    return [made for unit in units for made in module.read(unit, Counter(), **options)]


def contents(record: Record) -> list[Any]:
    return [message["content"] for message in record["messages"]]


# What the formats' own files look like


def test_llava_instruct(folder: Path) -> None:
    several = [{"from": "human", "value": "First <image>\nand\n<image>"}, SAID]
    rows = [
        {"id": "000000033471", "image": "a.png", "conversations": [ASKED, SAID]},
        {"id": 7, "image": ["a.png", "b.png"], "conversations": several},
        {"id": "words", "conversations": [{"from": "human", "value": "Hi\n"}, SAID], "model": ""},
        {"id": "last", "image": "b.png", "conversations": [{"from": "human", "value": "What?\n<image>"}, SAID]},
    ]
    one, two, words, last = read("llava", table(folder, rows, "llava.json"))
    assert one == {
        "kind": "sample", "id": "000000033471", "images": ["data/a.png"],
        "messages": [{"role": "user", "content": [IMAGE, text("What is this?")]},
                     {"role": "assistant", "content": [text("A cat.")]}],
    }  # fmt: skip
    assert (two["id"], two["images"]) == ("7", ["data/a.png", "data/b.png"])
    assert contents(two)[0] == [text("First"), IMAGE, text("and"), IMAGE]
    assert contents(words)[0] == [text("Hi\n")]
    assert "images" not in words
    assert contents(last)[0] == [text("What?"), IMAGE]


def test_llava_onevision(folder: Path) -> None:
    """Pictures stand in the parquet; a row of text has none."""
    rows = [
        {"id": "a", "image": {"bytes": png(), "path": "x.png"}, "conversations": [ASKED, SAID], "data_source": "clevr"},
        {"id": "b", "image": None, "conversations": [{"from": "human", "value": "2+2?"}, SAID], "data_source": "text"},
    ]
    path = table(folder, rows, "train-0.parquet")
    one, two = read("llava", path, write="stored")
    assert (one["dataset"], two["dataset"], two.get("images")) == ("clevr", "text", None)
    assert np.array_equal(np.asarray(open_image(one["images"][0])), np.asarray(Image.open(io.BytesIO(png()))))
    with pytest.raises(UsageError, match="pictures that stand in the file need a folder: give --write"):
        read("llava", path)
    assert run("ingest", "llava", path).returncode == 2


def test_pictures_that_no_tag_places_stand_first(folder: Path) -> None:
    rows = [{"image": ["a.png", "b.png"], "conversations": [{"from": "human", "value": "Compare."}, SAID]}]
    rows.append({"system": "Be brief.", **rows[0]})
    for layout in ("llava", "sharegpt", "ms-swift"):
        plain, told = read(layout, table(folder, rows))
        assert contents(plain)[0] == [IMAGE, IMAGE, text("Compare.")]
        assert told["messages"][0] == {"role": "system", "content": [text("Be brief.")]}
        assert contents(told)[1] == [IMAGE, IMAGE, text("Compare.")]


def test_what_has_no_id_is_named_by_what_it_says(folder: Path) -> None:
    rows = [{"image": "a.png", "conversations": [ASKED, SAID]}, {"image": "b.png", "conversations": [ASKED, SAID]}]
    first = [record["id"] for record in read("llava", table(folder, rows, "mine.jsonl"))]
    other = [record["id"] for record in read("llava", table(folder, rows[::-1], "mine.jsonl"))]
    assert first == other[::-1]
    assert len(set(first)) == 2
    assert all(name.startswith("mine/") for name in first)


def test_vst_p(folder: Path) -> None:
    def row(kind: str, asked: str, *pictures: bytes) -> Record:
        turns = [{"from": "human", "value": asked}, SAID]
        held = [{"bytes": data, "path": "x/y.jpg"} for data in pictures]
        return {"conversations": turns, "id": asked, "data_source": "s.json", "images": held, "type": kind,
                "meta_info": "[]"}  # fmt: skip

    rows = [
        row("bbox_3d", " <|image_pad|>\nDetect <|image_pad|> ", png(1), png(2)),
        row("mm_qa", "<image>\nHow far?", png(1)),
        row("text", "2+2?", b""),
        row("text", "3+3?", png(3)),
    ]
    made = read("vst", table(folder, rows, "vst.parquet"), write="stored")
    assert contents(made[0])[0] == [IMAGE, text("Detect"), IMAGE]
    assert contents(made[1])[0] == [IMAGE, text("How far?")]
    assert [len(record.get("images", [])) for record in made] == [2, 1, 0, 0]
    assert [record["meta"]["type"] for record in made] == ["bbox_3d", "mm_qa", "text", "text"]
    assert {record["dataset"] for record in made} == {"s.json"}


def test_messages(folder: Path) -> None:
    """ms-swift's and OpenAI's form; here what stands beside a tag is text."""
    uri = "data:image/png;base64," + base64.b64encode(png(5)).decode()
    rows = [
        {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "<image>\nA <image>B"},
                      {"role": "assistant", "content": "<tag> C"}], "images": ["a.png", uri]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "X"}, {"type": "image", "image": None}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "Y"}]}], "images": ["b.png"]},
    ]  # fmt: skip
    one, two = read("ms-swift", table(folder, rows), write="stored")
    assert contents(one) == [[text("S")], [IMAGE, text("\nA "), IMAGE, text("B")], [text("<tag> C")]]
    assert [Path(path).parent.name for path in one["images"]] == ["data", "stored"]
    assert contents(two) == [[text("X"), IMAGE], [text("Y")]]


def test_frames_and_folders_of_frames(folder: Path) -> None:
    asked = [{"from": "human", "value": "<video>What?"}, SAID]
    frames = ["film/1.png", "film/2.png"]
    rows = [{"conversations": asked, "videos": [frames]}, {"conversations": asked, "videos": ["film.mp4"]}]
    listed, named = read("sharegpt", table(folder, rows))
    assert listed["videos"] == [{"frames": ["data/film/1.png", "data/film/2.png"], "fps": 2.0}]
    assert [Path(frame).name for frame in named["videos"][0]["frames"]] == ["1.png", "2.png", "10.png"]
    assert contents(listed)[0] == [VIDEO, text("What?")]
    # LLaVA tags a video as it tags an image.
    (one,) = read("llava", table(folder, [{"video": "film", "conversations": [ASKED, SAID]}]))
    assert contents(one)[0] == [VIDEO, text("What is this?")]
    assert len(one["videos"][0]["frames"]) == 3


def test_videos_in_parquet(folder: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for i in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 30 * i, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    turns = [{"from": "human", "value": "<|video_pad|>What?"}, SAID]
    row = {"conversations": turns, "images": [{"bytes": buffer.getvalue(), "path": "c.mp4"}], "type": "video"}
    (made,) = read("vst", table(folder, [row], "film.parquet"), write="stored", fps=2)
    assert contents(made)[0] == [VIDEO, text("What?")]
    assert (len(made["videos"][0]["frames"]), made["videos"][0]["fps"]) == (4, 2.0)


def test_verl_of_others(folder: Path) -> None:
    row = {
        "data_source": "hiyouga/geometry3k", "prompt": [{"role": "user", "content": "<image>x?"}],
        "images": [{"bytes": png(), "path": None}], "reward_model": {"style": "rule", "ground_truth": "3"},
        "extra_info": {"index": 4, "split": "train"},
    }  # fmt: skip
    (made,) = read("verl", table(folder, [row], "geo.parquet"), write="stored")
    assert made["answer"] == {"type": "text", "value": "3"}
    assert made["messages"] == [{"role": "user", "content": [IMAGE, text("x?")]}]
    assert made["dataset"] == "hiyouga/geometry3k"


# What is wrong


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "conversations: expected turns of a conversation, got none"),
        ({"conversations": "Hi"}, "conversations: expected turns of a conversation, got 'Hi'"),
        ({"conversations": ["Hi"]}, "conversations[0]: expected from and value, or role and content, got str"),
        ({"conversations": [{"value": "x"}]}, "conversations[0]: from: expected one of human, "),
        ({"conversations": [{"from": "tool", "value": "x"}]}, "conversations[0]: from: expected one of human, "),
        ({"conversations": [ASKED, {"from": "gpt", "value": 3}]}, "conversations[1]: value: expected text, got int"),
        ({"conversations": [ASKED, {"from": "gpt"}]}, "conversations[1]: value: expected text, got NoneType"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages[0]: content: expected parts of"),
        ({"conversations": [ASKED, SAID]}, "images: expected 1, as the tags say, got 0"),
        ({"conversations": [ASKED, SAID], "image": ["a.png", "b.png"]}, "images: expected 1, as the tags say, got 2"),
        ({"conversations": [ASKED, SAID], "image": "none.png"}, "images[0]: none.png: no such file in data (--images"),
        ({"conversations": [ASKED, SAID], "image": "../../etc/a.png"}, "images[0]: expected a file in data, got '../"),
        ({"conversations": [ASKED, SAID], "image": "data:image/png;base64,AAAA"}, "images[0]: not a picture"),
        ({"conversations": [ASKED, SAID], "image": "rows.jsonl"}, "images[0]: "),
        ({"conversations": [ASKED, SAID], "video": "none.mp4"}, "videos[0]: none.mp4: no video and no folder of"),
    ],
)
def test_rows_that_are_none(folder: Path, row: Record, message: str) -> None:
    path = table(folder, [{"image": "a.png", "conversations": [ASKED, SAID]}, row | {"id": "bad"}])
    with pytest.raises(DataError) as raised:
        read("llava", path, write="stored")
    assert str(raised.value).startswith(f"row 2: {message}")


@pytest.mark.parametrize("layout", CONVERSATIONS)
def test_files_that_are_none(folder: Path, layout: str) -> None:
    for name, content in [("x.jsonl", b"{\n"), ("x.json", b"[1]"), ("x.parquet", b"PAR1"), ("x.txt", b"")]:
        (folder / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"data/{name}"):
            read(layout, f"data/{name}")


def test_columns_of_json_that_are_none(folder: Path) -> None:
    messages = [{"role": "user", "content": "x"}]
    for more, message in (({"meta": "{"}, "row 1: meta: expected JSON"), ({"more": "[1]"}, "row 1: more: expected an")):
        with pytest.raises(DataError, match=message):
            read("parquet", table(folder, [{"id": "a", "messages": messages, **more}], "x.parquet"))


def test_bad_rows_may_be_skipped(folder: Path) -> None:
    good = {"image": "a.png", "conversations": [ASKED, SAID]}
    path = table(folder, [{"id": "1", **good}, {"id": "2"}, {"id": "3", **good}])
    done = run("ingest", "llava", path, "--on-error", "skip", "--max-bad", "0.5", "--rejects", "bad.jsonl", "-j", "2")
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["1", "3"]
    assert b"data/rows.jsonl: row 2: conversations: expected turns" in done.stderr
    assert run("ingest", "llava", path).returncode == 1


def test_pictures_that_lie_elsewhere(folder: Path) -> None:
    (Path("lists")).mkdir()
    path = table(Path("lists").resolve(), [{"image": "a.png", "conversations": [ASKED, SAID]}])
    (made,) = read("llava", path, images="data")
    assert made["images"] == ["data/a.png"]
    absolute = {"image": str(folder / "a.png"), "conversations": [ASKED, SAID]}
    (made,) = read("llava", table(folder, [absolute]), images="/")
    assert Path(made["images"][0]).resolve() == (folder / "a.png").resolve()


def test_rows_are_read_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first unit comes before the second row is looked at."""
    good = {"id": "1", "image": "a.png", "conversations": [ASKED, SAID]}

    def rows(path: str) -> Any:
        yield f"{path}: row 1", good
        raise DataError("the end")

    monkeypatch.setattr(conversations, "read_rows", rows)
    assert next(iter(conversations.find("x.jsonl")))["row"]["id"] == "1"
