"""Captions by a model behind a server on loopback, good and bad, and a server that fails in the ways real ones do."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

import fault_server as fs
import test_teacher
import tiny
from fault_server import FaultServer, Handler, Play
from support import DATA, PROGRAM, environment, generated, run
from vstkit import images
from vstkit.errors import DataError
from vstkit.tasks.captions.prompt import prompt
from vstkit.tasks.captions.table import of
from vstkit.tasks.captions.teacher import rewrite
from vstkit.teacher import Totals
from vstkit.validation import problems

Record = dict[str, Any]
served = test_teacher.served  # the fixture of `transformers serve`
SCENES = [orjson.loads(line) for line in (DATA / "scenes.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def samples() -> list[Record]:
    """Some of a few rooms that differ in their ids."""
    rooms = [{**SCENES[0], "id": f"room/{i}"} for i in range(4)]
    return [made for scene in rooms for made in generated("caption", scene, DATA, forms=("point",), per_view=6)]


class Model:
    """A model that knows the template's captions, and gives them or a bad one."""

    def __init__(self, samples: list[Record]) -> None:
        self.known = {prompt(of(s["meta"])): s["answer"]["value"] for s in samples}

    def good(self, handler: Handler, body: Record) -> None:
        text = body["messages"][0]["content"][1]["text"]
        handler.give(200, fs.completion(f"Well.\n<caption>{self.known[text]}</caption>", prompt=1000, made=200))

    def bad(self, handler: Handler, body: Record) -> None:
        handler.give(200, fs.completion("<caption>A nice room with a chair.</caption>", prompt=1000, made=20))


class Run:
    """What became of samples: what was written and rejected, and the counts."""

    def __init__(self, url: str, records: list[Record], **more: Any) -> None:
        self.written: list[Record] = []
        self.rejected: list[tuple[Record, str]] = []
        self.tally: Counter[str] = Counter()
        self.totals = Totals()
        settings = {"model": "big", "root": str(DATA), "timeout": 1.0, "backoff": 0.01, "concurrency": 4, **more}
        self.totals = rewrite(
            records,
            write=self.written.append,
            reject=lambda record, error: self.rejected.append((record, error)),
            tally=self.tally,
            url=url,
            **settings,
        )


def ids(records: list[Record]) -> list[str]:
    return [record["id"] for record in records]


def test_good_captions_replace_the_template_s(samples: list[Record]) -> None:
    model = Model(samples)
    with FaultServer(lambda question, attempt: model.good) as server:
        found = Run(server.url, [samples[0], SCENES[0], *samples[1:], SCENES[0]])
        body = server.seen[0].body
    assert ids(found.written) == ids([samples[0], SCENES[0], *samples[1:], SCENES[0]])
    assert found.rejected == []
    assert found.totals.prompt_tokens == 1000 * len(samples)
    for made, old in zip((r for r in found.written if r["kind"] == "sample"), samples, strict=True):
        assert problems(made) == []
        assert made["meta"] == {**old["meta"], "writer": "big"}
        assert made["answer"] == old["answer"]
        assert made["messages"] == old["messages"]
    assert body["model"] == "big"
    image, text = body["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert text["text"] in model.known


def test_the_picture_is_sent_with_its_marks(samples: list[Record]) -> None:
    import base64
    import io

    import numpy as np
    from PIL import Image

    model = Model(samples)
    with FaultServer(lambda question, attempt: model.good) as server:
        Run(server.url, samples[:1])
        url = server.seen[0].body["messages"][0]["content"][0]["image_url"]["url"]
    sent = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    marked = images.open_image(samples[0]["images"][0], str(DATA))
    plain = images.open_image(SCENES[0]["views"][0]["image"], str(DATA))
    off = [np.abs(np.asarray(sent, float) - np.asarray(one, float)).mean() for one in (marked, plain)]
    assert off[0] < off[1] / 3


def test_a_bad_caption_goes_back_once_with_its_faults(samples: list[Record]) -> None:
    model = Model(samples)
    first = {q: i for i, q in enumerate(model.known)}

    def play(handler: Handler, body: Record) -> None:
        number = first[body["messages"][0]["content"][1]["text"]]
        well = number % 3 == 0 or (number % 3 == 1 and len(body["messages"]) > 1)
        (model.good if well else model.bad)(handler, body)

    with FaultServer(lambda question, attempt: play) as server:
        found = Run(server.url, samples)
        again = [seen.body["messages"] for seen in server.seen if len(seen.body["messages"]) > 1]
    bad = [s for s in samples if first[prompt(of(s["meta"]))] % 3]
    assert len(again) == len(bad) == found.tally["captions sent back"]
    for _, said, asked in again:
        assert said == {"role": "assistant", "content": "<caption>A nice room with a chair.</caption>"}
        assert "- expected 4 to 20 sentences, found 1\n" in asked["content"]
    assert sorted(ids(found.written) + [r["id"] for r, _ in found.rejected]) == sorted(ids(samples))
    assert ids(found.written) == [i for i in ids(samples) if i in {*ids(found.written)}]
    assert ids([r for r, _ in found.rejected]) == ids([s for s in samples if first[prompt(of(s["meta"]))] % 3 == 2])
    assert len(found.rejected) == found.tally["the teacher's caption fails"]
    assert all("expected 4 to 20 sentences, found 1; " in error for _, error in found.rejected)
    assert all(r["meta"]["writer"] == "template" for r, _ in found.rejected)  # and so its own, unchanged


PASSING = {
    "429": fs.openai_error(429, "slow down", code="rate_limit_exceeded"),
    "500 of vLLM": fs.vllm_error(500, "engine is dead"),
    "503": fs.status(503, b"<html>busy</html>"),
    "timeout": fs.stall,
    "cut": fs.cut,
    "reset": fs.reset,
    "short": fs.short,
    "not JSON": fs.NOT_JSON,
    "wrong JSON": fs.WRONG_JSON,
    "error in 200": fs.ERROR_IN_200,
}


def test_what_passes_is_tried_again(samples: list[Record]) -> None:
    model = Model(samples)
    order = {q: i for i, q in enumerate(model.known)}
    faults = [*PASSING.values()]

    def play(question: str, attempt: int) -> Play:
        return faults[order[question] % len(faults)] if attempt == 0 else model.good

    with FaultServer(play) as server:
        found = Run(server.url, samples, concurrency=8)
    assert ids(found.written) == ids(samples)
    assert found.totals.retries == len(samples)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (fs.vllm_error(400, "maximum context length is 10"), "400: maximum context length is 10"),
        (fs.vllm_error(500, "engine is dead"), r"500: engine is dead \(2 tries\)"),
        (fs.WRONG_JSON, r"expected a chat completion, got a JSON list \(2 tries\)"),
        (fs.status(200, fs.completion(None)), "expected one caption between <caption> and </caption>, found 0"),
    ],
)
def test_what_stays_is_rejected_with_its_reason(samples: list[Record], fault: Play, reason: str) -> None:
    import re

    model = Model(samples)
    worst = next(iter(model.known))
    with FaultServer(lambda question, attempt: fault if question == worst else model.good) as server:
        found = Run(server.url, samples, retries=1)
    assert ids(found.written) == ids(samples[1:])
    ((record, error),) = found.rejected
    assert record == samples[0]
    assert re.fullmatch(reason, error)


def test_a_server_that_refuses_everybody_ends_the_run(samples: list[Record]) -> None:
    model = Model(samples)
    order = {q: i for i, q in enumerate(model.known)}
    refuse = fs.openai_error(401, "Incorrect API key provided")
    with (
        FaultServer(lambda question, attempt: model.good if order[question] < 3 else refuse) as server,
        pytest.raises(DataError, match="401: Incorrect API key provided"),
    ):
        Run(server.url, samples, concurrency=1)
    with pytest.raises(DataError, match=r"127\.0\.0\.1:1"):
        Run("http://127.0.0.1:1", samples, retries=0)


def test_killed_and_resumed(samples: list[Record], tmp_path: Path) -> None:
    """Every id is there once, however often the run was killed."""
    model = Model(samples)
    scenes = tmp_path / "scenes.jsonl"
    scenes.write_bytes(b"".join(orjson.dumps({**SCENES[0], "id": f"room/{i}"}) + b"\n" for i in range(4)))

    def slow(handler: Handler, body: Record) -> None:
        time.sleep(0.15)
        model.good(handler, body)

    more = ["--forms", "point", "--per-view", "6", "--root", str(DATA), "--concurrency", "2", "--price", "1,2"]
    rejects = tmp_path / "rejects.jsonl"
    with FaultServer(lambda question, attempt: slow) as server:
        asked = [
            PROGRAM,
            "gen-caption",
            scenes,
            "--teacher",
            server.url,
            "--resume",
            "-o",
            tmp_path / "out.jsonl",
            *more,
        ]
        part = tmp_path / ".out.jsonl.part"
        for killed in range(2):
            process = subprocess.Popen(asked, env=environment(), stderr=subprocess.DEVNULL)
            end = time.monotonic() + 30
            while not part.exists() or part.read_bytes().count(b"\n") < 2 * (killed + 1):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        before = len(server.seen)
        done = part.read_bytes().count(b"\n")
        last = run(*map(str, asked[1:]), "--rejects", str(rejects))
        assert last.returncode == 0, last.stderr
        assert len(server.seen) - before <= len(samples) - done + 1  # and the question for its models
        made = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
        assert ids(made) == ids(samples)
        assert {r["meta"]["writer"] for r in made} == {"first"}
        assert b" failed, 0 retries; " in last.stderr
        assert b"; cost 0.0" in last.stderr
        assert rejects.read_bytes() == b""


def test_rejects_and_kept_scenes_of_the_command(samples: list[Record], tmp_path: Path) -> None:
    model = Model(samples)
    scenes = orjson.dumps({**SCENES[0], "id": "room/0"}) + b"\n"
    mine = [s for s in samples if s["scene"] == "room/0"]
    more = ["--forms", "point", "--per-view", "6", "--root", str(DATA), "--teacher-model", "m", "-k"]
    for j in ("1", "2"):
        with FaultServer(lambda question, attempt: model.bad) as server:
            done = run(
                "gen-caption", "--teacher", server.url, *more, "-j", j, "--rejects", str(tmp_path / "r"), stdin=scenes
            )
        assert done.returncode == 0, done.stderr
        assert [orjson.loads(line)["id"] for line in done.stdout.splitlines()] == ["room/0"]
        rejects = [orjson.loads(line) for line in (tmp_path / "r").read_bytes().splitlines()]
        assert [r["record"] for r in rejects] == mine
        assert [fault for r in rejects for fault in problems(r)] == []
        assert f"the teacher's caption fails {len(mine)}".encode() in done.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["--resume", "-o", "x"],
        ["--teacher-model", "m"],
        ["--price", "1,2"],
        ["--teacher", "http://h", "--resume"],
        ["--teacher", "http://h", "--price", "1"],
        ["--teacher", "http://h", "--price", "1,-2"],
        ["--teacher", "ftp://h"],
        ["--forms", "caption"],
        ["--concurrency", "0"],
    ],
)
def test_wrong_options(argv: list[str], tmp_path: Path) -> None:
    done = run("gen-caption", *argv, str(DATA / "scenes.jsonl"), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_real_server_with_a_model_that_babbles(served: str, samples: list[Record]) -> None:
    """The tiny model knows no captions: each goes back once, and then is rejected for what it lacks."""
    found = Run(served, samples[:1], model=str(tiny.model()), timeout=60, concurrency=2)
    assert found.written == []
    assert ids([r for r, _ in found.rejected]) == ids(samples[:1])
    assert all(error.startswith("expected one caption between <caption> and </caption>") for _, error in found.rejected)
    assert found.totals.failed == 0
    assert found.totals.requests == 1 + found.tally["captions sent back"]
    assert found.totals.prompt_tokens > 500
