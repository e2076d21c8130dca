"""The client of chat servers, against a server on loopback that fails in every way that real ones do."""

from __future__ import annotations

import base64
import io
import itertools
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import fault_server as fs
import tiny
from fault_server import FaultServer, Play
from support import CHECKOUT, environment
from vstkit.chance import Chance
from vstkit.chatting import Failed, Passing, asked_wait, base, complaint
from vstkit.errors import DataError, UsageError
from vstkit.images import open_image
from vstkit.teacher import Answer, Request, Totals, _replies, answers, first_model


def asked(i: int) -> Request:
    return Request(f"r{i}", [{"role": "user", "content": f"q{i}"}])


def ask(server: FaultServer | str, requests: Any, **more: Any) -> Iterator[Answer]:
    """`answers` with waits that suit a test."""
    url = server if isinstance(server, str) else server.url
    return answers(requests, **{"url": url, "model": "m", "key": "", "backoff": 0.01, **more})


FAULTS: dict[str, tuple[Play, str]] = {
    "429": (fs.openai_error(429, "slow down", code="rate_limit_exceeded"), "429: slow down"),
    "408": (fs.status(408), "408 Request Timeout"),
    "409": (fs.status(409, {"detail": "busy"}), "409: busy"),
    "500": (fs.status(500, b"<html>\n<b>oh no</b>"), "500: <html> <b>oh no</b>"),
    "503": (fs.status(503, {"error": "loading"}, Retry_After="0"), "503: loading"),
    "reset": (fs.reset, "connection lost (ReadError)"),
    "cut": (fs.cut, "peer closed connection without sending complete message body (incomplete chunked read)"),
    "short": (fs.short, "peer closed connection without sending complete message body (received "),
    "hang up": (fs.hang_up, "Server disconnected without sending a response."),
    "not JSON": (fs.NOT_JSON, "the reply is not JSON: "),
    "wrong JSON": (fs.WRONG_JSON, "expected a chat completion, got a JSON list"),
    "no choices": (fs.NO_CHOICES, "the reply holds no choices: "),
    "error in 200": (fs.ERROR_IN_200, "the reply holds no choices: upstream is tired"),
    "no message": (fs.status(200, {"choices": ["text"]}), "a choice of the reply holds no message"),
}
SLOW = {"stall": fs.stall, "drip": fs.drip}
FINAL: dict[str, tuple[Play, str]] = {
    "OpenAI 400": (fs.openai_error(400, "bad image"), "400: bad image"),
    "vLLM 400": (fs.vllm_error(400, "the prompt is\ntoo long"), "400: the prompt is too long"),
    "413": (fs.status(413), "413 Request Entity Too Large"),
    "422": (fs.status(422, {"detail": [{"msg": "field required"}]}), '422: [{"msg":"field required"}]'),
    "refusal": (fs.status(200, fs.completion(None, refusal="I will not")), "the model refuses: I will not"),
    "huge": (fs.huge, "200: refused: a reply of more than 10,000,000 bytes"),
}


def test_every_fault_that_passes_is_survived() -> None:
    """Two of each, once and twice in a row, between answers: all come, once, in order, with what they cost."""
    plays = [fs.echo, *(play for play, _ in FAULTS.values()), *SLOW.values()] * 2

    def play(question: str, attempt: int) -> Play:
        i = int(question[1:])
        return plays[i] if attempt < 1 + i // (len(plays) // 2) else fs.echo

    totals = Totals()
    with FaultServer(play) as server:
        found = list(ask(server, map(asked, range(len(plays))), timeout=1.0, concurrency=16))
        tried = dict(server.attempts)
    assert [answer.request.id for answer in found] == [f"r{i}" for i in range(len(plays))]
    assert [answer.text for answer in found] == [f"echo q{i}" for i in range(len(plays))]
    for i, answer in enumerate(found):
        totals.add(answer)
        assert answer.retries == tried[f"q{i}"] - 1
        assert answer.retries >= (0 if plays[i] is fs.echo else 1 + i // (len(plays) // 2))
        assert answer.replies[0].finish == "stop"
        assert answer.error == ""
    assert totals == Totals(len(plays), 0, sum(tried.values()) - len(plays), 3 * len(plays), 2 * len(plays))


def test_a_fault_that_stays_fails_one_request_with_its_reason() -> None:
    plays = {**FAULTS, **{name: (play, "no answer in 1 s") for name, play in SLOW.items()}, **FINAL}
    names = list(plays)
    # Each fault stands between two requests that are answered.
    with FaultServer(
        lambda question, _: plays[names[int(question[1:]) // 2]][0] if int(question[1:]) % 2 else fs.echo
    ) as server:
        found = list(ask(server, map(asked, range(2 * len(names))), retries=2, timeout=1.0, concurrency=8))
        tried = dict(server.attempts)
    assert all(answer.text for answer in found[::2])
    for i, name in enumerate(names):
        answer, tries = found[2 * i + 1], 1 if name in FINAL else 3
        assert answer.error.startswith(plays[name][1]), name
        assert answer.error.endswith(" (3 tries)") == (name not in FINAL)
        assert (answer.replies, answer.text, answer.retries) == ((), "", tries - 1)
        assert tried[f"q{2 * i + 1}"] == tries
    assert server.sent < 100_000_000  # of 200 MB


def test_order_and_concurrency() -> None:
    """Six at once and never seven, the slowest first; answers in the order of the questions."""
    together = threading.Barrier(6)

    def play(question: str, _: int) -> Play:
        i = int(question[1:])
        if i < 6:
            together.wait(20)  # passes only when six are out at once
        time.sleep(0.03 * (i % 5 == 0))
        return fs.echo

    with FaultServer(play) as server:
        found = [answer.text for answer in ask(server, map(asked, range(60)), concurrency=6)]
    assert found == [f"echo q{i}" for i in range(60)]
    assert server.most == 6


def test_requests_are_read_as_they_are_needed() -> None:
    pulled = 0

    def requests() -> Iterator[Request]:
        nonlocal pulled
        for i in itertools.count():
            pulled += 1
            yield asked(i)

    with FaultServer() as server:
        stream = ask(server, requests(), concurrency=3)
        assert pulled == 0
        for i, answer in enumerate(itertools.islice(stream, 40)):
            assert answer.request.id == f"r{i}"
            assert pulled <= i + 12
        stream.close()  # type: ignore[attr-defined]
        assert len(server.seen) <= pulled


def test_nothing_to_ask_needs_no_server() -> None:
    assert list(ask("http://127.0.0.1:9", [])) == []


@pytest.mark.parametrize(
    ("value", "least"),
    [(lambda: "1", 1.0), (lambda: formatdate(time.time() + 2.5, usegmt=True), 1.4)],
    ids=["seconds", "date"],
)
def test_retry_after_holds_back_everybody(value: Callable[[], str], least: float) -> None:
    together, told = threading.Barrier(3), []

    def play(question: str, attempt: int) -> Play:
        if attempt or int(question[1:]) >= 3:
            return fs.echo
        together.wait(20)
        told.append(time.monotonic())
        return fs.status(429, None, Retry_After=value())

    with FaultServer(play) as server:
        found = list(ask(server, map(asked, range(8)), concurrency=3))
    assert [answer.text for answer in found] == [f"echo q{i}" for i in range(8)]
    after = sorted(seen.time for seen in server.seen)[3:]
    assert len(after) == 8
    assert after[0] - told[0] >= least
    assert after[0] - told[0] < 10


def jitter(i: int) -> float:
    """The part of the longest pause that the first retry of a request waits."""
    return Chance("teacher", f"r{i}", 0).below(1 << 32) / (1 << 32)


def test_a_429_holds_back_everybody() -> None:
    """Without Retry-After the longest of the pauses is everybody's."""
    three = [i for i in range(1000) if 0.6 < jitter(i) < 0.9][:3]
    together, told = threading.Barrier(3), []

    def play(question: str, attempt: int) -> Play:
        if attempt:
            return fs.echo
        together.wait(20)
        told.append(time.monotonic())
        return fs.status(429)

    with FaultServer(play) as server:
        found = list(ask(server, map(asked, three), backoff=1.0))
    assert [answer.retries for answer in found] == [1, 1, 1]
    again = sorted(seen.time for seen in server.seen)[3:]
    assert max(map(jitter, three)) <= again[0] - told[0] < 10


def test_a_deadline_is_for_all_tries() -> None:
    began = time.monotonic()
    with FaultServer(lambda *_: fs.stall) as server:
        (answer,) = ask(server, [asked(0)], timeout=0.3, deadline=0.8, retries=1000)
    assert time.monotonic() - began < 8
    assert re.fullmatch(r"no answer in 0\.\d+ s \(\d tries\)", answer.error)
    assert server.attempts["q0"] <= answer.retries + 1 <= 5


def test_a_wait_of_all_that_is_too_long_for_one() -> None:
    """The first request has little time left when a later one is told to wait."""
    told = threading.Event()

    def play(question: str, attempt: int) -> Play:
        if attempt:
            return fs.echo
        if question == "q0":
            told.wait(20)
            time.sleep(0.2)
            return fs.status(500)
        if question == "q1":
            time.sleep(1.5)
            return fs.echo
        told.set()
        return fs.status(429, None, Retry_After="1")

    with FaultServer(play) as server:
        found = list(ask(server, map(asked, range(3)), concurrency=2, deadline=2.3))
    assert [answer.error for answer in found] == ["the server takes no requests within 2.3 s", "", ""]


FATAL = {
    "401": (fs.openai_error(401, "Incorrect API key provided: sk-secret"), "401: Incorrect API key provided: ***"),
    "402": (fs.openai_error(402, "pay"), "402: pay"),
    "403": (fs.status(403, {"detail": "not from here"}), "403: not from here"),
    "404 model": (fs.vllm_error(404, "The model `m` does not exist."), "404: The model `m` does not exist."),
    "404 path": (fs.status(404, {"detail": "Not Found"}), "404: Not Found"),
    "405": (fs.status(405), "405 Method Not Allowed"),
    "quota": (fs.openai_error(429, "no credit", code="insufficient_quota"), "429: no credit"),
    "moved": (fs.status(308, None, Location="https://else.where/v1"), "308: the server is at https://else.where/v1"),
    "long wait": (fs.status(429, None, Retry_After="4000"), "429 Too Many Requests; it asks to wait 4000 s"),
}


@pytest.mark.parametrize("name", FATAL)
def test_what_fails_every_request_is_raised_after_the_answers_before_it(name: str) -> None:
    play, message = FATAL[name]
    with FaultServer(lambda question, _: play if int(question[1:]) >= 5 else fs.echo) as server:
        found: list[Answer] = []
        with pytest.raises(DataError) as caught:
            found.extend(ask(server, map(asked, range(1000)), concurrency=2, key="sk-secret"))
    assert str(caught.value) == f"{server.url}/v1: {message}"
    assert [answer.text for answer in found] == [f"echo q{i}" for i in range(5)]
    assert len(server.seen) <= 8


def test_no_server_there() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(DataError, match=rf"^{url}/v1: .*[Cc]onnect.* \(3 tries\)$"):
            list(ask(url, map(asked, range(100)), retries=2))
        with pytest.raises(DataError, match=rf"^{url}/v1: .*[Cc]onnect.* \(1 tries\)$"):
            first_model(url, retries=0)


def test_a_server_that_starts_late_is_waited_for() -> None:
    with FaultServer() as server:
        port = server.server_port
    late: list[FaultServer] = []

    def start() -> None:
        time.sleep(0.3)
        late.append(FaultServer(port=port).__enter__())

    starter = threading.Thread(target=start)
    starter.start()
    try:
        (answer,) = ask(server.url, [asked(0)], retries=40, backoff=0.1)
    finally:
        starter.join()
        late[0].__exit__()
    assert answer.text == "echo q0"
    assert answer.retries > 0


def portals() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "portal" in thread.name or "AnyIO" in thread.name]


def wait_for(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_closing_the_iterator_ends_what_is_out() -> None:
    with FaultServer(lambda question, _: fs.echo if question == "q0" else fs.stall) as server:
        stream = ask(server, map(asked, range(100)), concurrency=4)
        assert next(stream).text == "echo q0"
        assert wait_for(lambda: server.now == 4)
        began = time.monotonic()
        stream.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 3
        assert wait_for(lambda: not portals())
        assert len(server.seen) == 5


def test_an_input_that_fails_ends_what_is_out() -> None:
    def requests() -> Iterator[Request]:
        yield asked(0)
        yield asked(1)
        raise DataError("scenes.jsonl:3: broken")

    with FaultServer(lambda *_: fs.stall) as server, pytest.raises(DataError, match="broken"):
        list(ask(server, requests()))
    assert wait_for(lambda: not portals())


INTERRUPTED = """
import sys
from vstkit.teacher import Request, answers
asked = (Request(str(i), [{"role": "user", "content": f"q{i}"}]) for i in range(100))
try:
    for answer in answers(asked, url=sys.argv[1], model="m"):
        print(answer.text, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_interrupt() -> None:
    with FaultServer(lambda question, _: fs.echo if question == "q0" else fs.stall) as server:
        child = subprocess.Popen(
            [sys.executable, "-X", "dev", "-c", INTERRUPTED, server.url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip
        assert wait_for(lambda: server.now == 8)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        slow = [line for line in err.splitlines() if not line.startswith("Executing <")]  # told on a busy machine
        assert (out, slow, child.returncode) == ("echo q0\ninterrupted\n", [], 0)
        assert time.monotonic() - began < 5


RECIPE = {
    "path": "room.png",
    "ops": [
        {"op": "crop", "box": [10, 0, 90, 60]},
        {"op": "resize", "size": [120, 90]},
        {"op": "mark", "shape": "point", "xy": [60, 45], "color": "red", "text": "A"},
    ],
}


@pytest.mark.parametrize("lossless", [True, False])
def test_images_arrive_as_the_model_sees_them(tmp_path: Path, lossless: bool) -> None:
    smooth = np.linspace(0, 255, 60 * 100 * 3).reshape(60, 100, 3).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "room.png")
    Image.fromarray(smooth[::-1]).save(tmp_path / "plain.jpg", quality=95)
    content = [
        {"type": "text", "text": "look at "},
        {"type": "image"},
        {"type": "text", "text": "and"},
        {"type": "image"},
    ]
    request = Request(
        "r", [{"role": "system", "content": "see"}, {"role": "user", "content": content}], [RECIPE, "plain.jpg"]
    )
    with FaultServer() as server:
        (answer,) = ask(server, [request], root=str(tmp_path), lossless=lossless)
    assert answer.text == "echo look at and"
    assert answer.request is request
    system, user = server.seen[0].body["messages"]
    assert system == {"role": "system", "content": "see"}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text", "image_url"]
    for part, recipe, size in zip(user["content"][1::2], request.images, [(120, 90), (100, 60)], strict=True):
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == f"data:image/{'png' if lossless else 'jpeg'};base64"
        got = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        expected = np.asarray(open_image(recipe, str(tmp_path)), dtype=int)
        assert (got.format, got.size) == ("PNG" if lossless else "JPEG", size)
        off = np.abs(np.asarray(got.convert("RGB"), dtype=int) - expected)
        assert off.max() == 0 if lossless else off.mean() < 3


@pytest.mark.parametrize(
    ("content", "images", "fault"),
    [
        ([{"type": "image"}], ["none.png"], "images[0]: none.png: no such file (relative paths start from --root)"),
        ([{"type": "image"}], [], "images: expected 1, as the messages place them, got 0"),
        ("hello", ["a.png"], "images: expected 0, as the messages place them, got 1"),
        ([{"type": "video"}], [], "messages: expected text and images, got video"),
    ],
)
def test_a_request_that_cannot_be_sent(content: Any, images: list[str], fault: str) -> None:
    with FaultServer() as server:
        found = list(ask(server, [Request("r", [{"role": "user", "content": content}], images), asked(1)]))
    assert (found[0].error, found[0].retries) == (fault, 0)
    assert found[1].text == "echo q1"
    assert len(server.seen) == 1


def test_what_is_sent() -> None:
    with FaultServer() as server:
        options = {"temperature": 0.5, "top_p": None, "max_tokens": 7, "chat_template_kwargs": {"a": 1}}
        list(ask(server, [asked(0)], options=options, key=" sk-secret\n"))
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == "Bearer sk-secret"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.body == {
        "model": "m", "temperature": 0.5, "max_tokens": 7, "chat_template_kwargs": {"a": 1},
        "messages": [{"role": "user", "content": "q0"}],
    }  # fmt: skip


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    caplog.set_level("DEBUG")
    tired = fs.status(200, {"error": {"message": "sk-secret is tired"}})
    plays = [fs.openai_error(500, "sk-secret is tired"), tired, fs.echo]
    with FaultServer(lambda _, attempt: plays[attempt]) as server:
        list(ask(server, [asked(0)], key=None))
    assert {seen.headers["Authorization"] for seen in server.seen} == {"Bearer sk-secret"}
    mine = [record.getMessage() for record in caplog.records if record.name == "vstkit"]
    assert len(mine) == 2
    assert re.fullmatch(r"r0: 500: \*\*\* is tired; retry 1 of 5 in 0\.0 s", mine[0])
    assert "sk-secret" not in caplog.text
    with pytest.raises(UsageError, match=r"^API key: expected printable ASCII without spaces$"):
        ask(server, [], key="sk-sëcret")


def test_several_replies_to_each_request() -> None:
    with FaultServer() as server:
        (answer,) = ask(server, [asked(0)], options={"n": 3, "seed": 5})
    assert [reply.text for reply in answer.replies] == ["echo q0"] * 3
    assert [seen.body["n"] for seen in server.seen] == [3]


def test_a_server_that_gives_one_reply_is_asked_again() -> None:
    one: Play = lambda handler, body: handler.give(200, fs.completion(f"seed {body['seed']}"))  # noqa: E731
    with FaultServer(lambda *_: one) as server:
        (answer,) = ask(server, [asked(0)], options={"n": 3, "seed": 5})
    assert [reply.text for reply in answer.replies] == ["seed 5", "seed 6", "seed 7"]
    assert [seen.body["n"] for seen in server.seen] == [3, 2, 1]
    assert (answer.retries, answer.prompt_tokens, answer.completion_tokens) == (0, 9, 6)


def test_what_a_reply_may_hold() -> None:
    shapes = [
        fs.completion("hm", reasoning_content="so"),
        fs.completion(None, reasoning="so"),
        fs.completion([{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]),  # type: ignore[arg-type]
        {"choices": [{"message": {"content": "hm"}}]},
    ]
    found = [_replies(shape) for shape in shapes]
    assert [(f.replies[0].text, f.replies[0].thought) for f in found] == [
        ("hm", "so"),
        ("", "so"),
        ("hm", ""),
        ("hm", ""),
    ]
    assert [(f.prompt_tokens, f.completion_tokens) for f in found] == [(3, 2)] * 3 + [(0, 0)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "error", "prompt_tokens", "text"]), inner
        )
    ),
)


@given(json_values)
def test_no_reply_is_a_surprise(value: Any) -> None:
    try:
        assert _replies(value).replies
    except (Passing, Failed) as e:
        reason = str(e)
        assert reason


@given(st.binary(max_size=60))
def test_no_complaint_is_a_surprise(reply: bytes) -> None:
    said, code = complaint(reply)
    assert code == ""
    assert len(said.splitlines()) <= 1


def test_a_long_complaint_is_cut() -> None:
    assert complaint(b"<p>" * 1000) == ("<p>" * 100 + "...", "")


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "Mon, 99 Foo 2020 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing(value: str) -> None:
    assert asked_wait(httpx2.Headers({"Retry-After": value})) is None


def test_what_retry_after_asks_for() -> None:
    assert asked_wait(httpx2.Headers({})) is None
    assert asked_wait(httpx2.Headers({"retry-after": "2.5"})) == 2.5
    assert asked_wait(httpx2.Headers({"Retry-After": formatdate(time.time() - 60, usegmt=True)})) == 0
    assert 55 < (asked_wait(httpx2.Headers({"Retry-After": formatdate(time.time() + 60, usegmt=True)})) or 0) <= 60


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("https://host/v1", "https://host/v1"),
        ("https://host/api/v1/chat/completions", "https://host/api/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("https://host/v1beta/openai/", "https://host/v1beta/openai"),
    ],
)
def test_urls(url: str, start: str) -> None:
    assert base(url) == start


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "host",
        "http://a\x7f",
        "",
        "ftp://host",
        "http://",
        "http://host:x",
        "http://host/v1?a=b",
        "http://[::1",
    ],
)
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(UsageError, match=r"^expected a server as http://HOST:PORT or https://HOST/v1, got "):
        ask(url, [])


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        ask("http://me:secret@host", [])
    assert "secret" not in str(caught.value)


def test_the_first_model() -> None:
    with FaultServer() as server:
        assert first_model(server.url + "/v1/chat/completions", key="k") == "first"
        assert server.seen[0].path == "/v1/models"
        for reply in ({"data": []}, {"data": ["x"]}, {}):
            server.models = fs.status(200, reply)
            with pytest.raises(DataError, match=r"/v1: names no model: expected one to be given$"):
                first_model(server.url)
        server.models = fs.status(400, {"detail": "no"})
        with pytest.raises(DataError, match=r"/v1: cannot list its models: 400: no$"):
            first_model(server.url)
        server.models = fs.openai_error(401, "no key")
        with pytest.raises(DataError, match=r"/v1: 401: no key$"):
            first_model(server.url)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vstkit.chatting")
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(UsageError, match=r"^a chat server needs httpx2: pip install 'vstkit\[teacher\]'$"):
        ask("http://host", [])


def test_the_client_is_imported_late() -> None:
    code = "import sys, vstkit.teacher; print({'httpx2', 'anyio', 'asyncio', 'PIL', 'numpy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], env=environment()) == b"set()\n"


def test_totals() -> None:
    totals = Totals(1200, 3, 41, 2_000_000, 500_000)
    assert totals.cost((1.5, 6.0)) == 6.0
    assert totals.summary() == ("1,200 requests, 3 failed, 41 retries; 2,000,000 prompt and 500,000 completion tokens")
    assert totals.summary((1.5, 6.0)).endswith(" tokens; cost 6.00")


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The URL of `transformers serve` with the tiny model."""
    for name in ("fastapi", "openai", "uvicorn"):
        pytest.importorskip(name, reason="transformers serve needs the extra transformers[serving]")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = [sys.executable, CHECKOUT / "tests" / "serve.py", tiny.model(), "--device", "cpu", "--port", str(port)]
    more = {"HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(more))
    try:
        end = time.monotonic() + 40
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/health")
                break
            except httpx2.ConnectError:
                assert process.poll() is None, "transformers serve ended"
                if time.monotonic() > end:
                    pytest.skip("transformers serve was not up after 40 s")
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_real_server_says_what_the_model_says(served: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from vstkit.models.chat import Chat
    from vstkit.models.generate import generate
    from vstkit.models.loading import load

    folder = tiny.model()
    noise = np.random.default_rng(0)
    samples = []
    for i in range(6):
        Image.fromarray(noise.integers(0, 256, (60 + 20 * i, 90, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        recipe = {"path": f"{i}.png", "ops": [{"op": "crop", "box": [0, 0, 80, 60]}]}
        content = [{"type": "text", "text": f"the {i}th"}, {"type": "image"}, {"type": "text", "text": "chair" * i}]
        samples.append({"id": f"s{i}", "messages": [{"role": "user", "content": content}], "images": [recipe]})
    requests = [Request(sample["id"], sample["messages"], sample["images"]) for sample in samples]
    found = list(
        answers(
            requests, url=served, model=str(folder), key="", root=str(tmp_path), lossless=True, concurrency=3,
            options={"max_tokens": 12, "temperature": 0.0},
        )
    )  # fmt: skip
    chat = Chat(folder)
    expected = generate(load(folder), chat, samples, str(tmp_path), max_new_tokens=12, batch=1)
    assert [answer.error for answer in found] == [""] * 6
    assert [answer.text for answer in found] == expected
    assert len(set(expected)) > 1
    for sample, answer in zip(samples, found, strict=True):
        assert answer.prompt_tokens == len(chat.encode(sample, str(tmp_path), generation=True).ids)
        assert answer.completion_tokens <= 12
        assert answer.replies[0].finish == ("length" if answer.completion_tokens == 12 else "stop")


@pytest.mark.slow
def test_the_complaints_of_a_real_server(served: str) -> None:
    (answer,) = answers([asked(0)], url=served, model="another", key="")
    assert answer.error == f"400: Server is pinned to '{tiny.model()}'; requested 'another'."
    (answer,) = answers([asked(0)], url=served, model=str(tiny.model()), key="", options={"guided": 1})
    assert answer.error == "422: Unexpected fields in the request: {'guided'}"
    with pytest.raises(DataError, match=r"/v2: 404: Not Found$"):
        list(answers([asked(0)], url=f"{served}/v2", model="x", key=""))
