"""A chat server on loopback that answers, or fails in one of the ways that real ones do.

with FaultServer(lambda question, attempt: echo if attempt else reset) as server:
    ...  # server.url

It knows requests by their question: the text of the last message.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Play = Callable[["Handler", dict[str, Any]], None]


def question(body: Mapping[str, Any]) -> str:
    """The text of the last message of a request's body."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def completion(*texts: str | None, prompt: int = 3, made: int = 2, **message: Any) -> dict[str, Any]:
    """A chat completion with a choice for each text."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
    return {"id": "x", "object": "chat.completion", "model": "m", "choices": choices, "usage": usage}


def echo(handler: Handler, body: dict[str, Any]) -> None:
    """The question again, as often as `n` asks for."""
    handler.give(200, completion(*[f"echo {question(body)}"] * body.get("n", 1)))


def status(code: int, body: Any = None, **headers: str) -> Play:
    """A reply with that status, its body as JSON or as the bytes it is."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.give(code, body, named)


def openai_error(answered: int, message: str, /, **more: str) -> Play:
    """OpenAI's shape of an error."""
    return status(answered, {"error": {"message": message, "type": "invalid_request_error", "param": None, **more}})


def vllm_error(code: int, message: str) -> Play:
    """The shape of an error of vLLM."""
    return status(code, {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": code})


def reset(handler: Handler, _: dict[str, Any]) -> None:
    """The connection is reset in the middle of the reply."""
    handler.head(200, {"Content-Length": "1000"})
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    time.sleep(0.02)  # what was written arrives before the reset
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RD)
    handler.hang_up()


def cut(handler: Handler, body: dict[str, Any]) -> None:
    """A chunked reply that ends before its last chunk."""
    handler.head(200, {"Transfer-Encoding": "chunked"})
    half = json.dumps(completion(question(body))).encode()[:40]
    handler.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")
    handler.hang_up()


def short(handler: Handler, body: dict[str, Any]) -> None:
    """A reply that is shorter than its Content-Length."""
    handler.head(200, {"Content-Length": "100000"})
    handler.wfile.write(json.dumps(completion(question(body))).encode())
    handler.hang_up()


def hang_up(handler: Handler, _: dict[str, Any]) -> None:
    """No reply at all."""
    handler.hang_up()


def stall(handler: Handler, _: dict[str, Any]) -> None:
    """Nothing, for longer than anybody waits."""
    handler.server.closing.wait(60)
    handler.hang_up()


def drip(handler: Handler, _: dict[str, Any]) -> None:
    """A byte now and then: no single read takes long."""
    handler.head(200, {"Content-Length": "100000"})
    while not handler.server.closing.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def huge(handler: Handler, body: dict[str, Any]) -> None:
    """A reply of 200 MB; `server.sent` is how much of it went out."""
    handler.head(200, {"Content-Length": "200000000"})
    for _ in range(200):
        handler.wfile.write(b" " * 1_000_000)
        handler.server.sent += 1_000_000
    handler.hang_up()


NOT_JSON = status(200, b'{"choices": [{"mess')
WRONG_JSON = status(200, b"[1, 2]")
NO_CHOICES = status(200, {"id": "x", "choices": []})
ERROR_IN_200 = status(200, {"error": {"message": "upstream is tired", "code": 502}})


@dataclass
class Seen:
    """A request as it came: when (time.monotonic), and what."""

    time: float
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: FaultServer

    def do_GET(self) -> None:
        self.server.seen.append(Seen(time.monotonic(), self.path, dict(self.headers), {}))
        self.server.models(self, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.seen.append(Seen(time.monotonic(), self.path, dict(self.headers), body))
            attempt = server.attempts[question(body)]
            server.attempts[question(body)] += 1
            server.now += 1
            server.most = max(server.most, server.now)
        try:
            server.play(question(body), attempt)(self, body)
        finally:
            with server.lock:
                server.now -= 1

    def give(self, code: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """A whole reply."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        with self.server.lock:
            self.server.now -= 1  # before the client can know, so that `most` never counts too many
        self.head(code, {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(data))})
        self.wfile.write(data)
        self.wfile.flush()
        with self.server.lock:
            self.server.now += 1

    def head(self, code: int, headers: Mapping[str, str]) -> None:
        """Status and headers."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def hang_up(self) -> None:
        """Close the connection now."""
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


class FaultServer(ThreadingHTTPServer):
    """`play(question, attempt)` chooses what a request meets; attempts count from 0."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, play: Callable[[str, int], Play] = lambda question, attempt: echo, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.play = play
        self.models: Play = status(200, {"object": "list", "data": [{"id": "first"}, {"id": "second"}]})
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[Seen] = []
        self.attempts: Counter[str] = Counter()
        self.now = self.most = self.sent = 0
        self.lock, self.closing = threading.Lock(), threading.Event()

    def __enter__(self) -> FaultServer:
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault here."""

    def shutdown_request(self, request: Any) -> None:
        # Not shutdown(SHUT_WR) first, which would end a connection in order that is to be reset.
        cast(socket.socket, request).close()
