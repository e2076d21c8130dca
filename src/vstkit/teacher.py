"""Conversations answered by a model behind an OpenAI-compatible server (OpenAI, vLLM, SGLang, llama.cpp, ...).

for answer in answers(requests, url="http://localhost:8000", model="tiny", options={"max_tokens": 512}):
    print(answer.error or answer.text)
"""

from __future__ import annotations

import base64
import io
import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from vstkit.errors import DataError, UsageError, at
from vstkit.images import Recipe, open_image

if TYPE_CHECKING:
    from vstkit.chatting import Session


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation to go on with: messages as in a sample, and the images that they place.

    `about` is the caller's, and comes back with the answer.
    """

    id: str
    messages: Sequence[Mapping[str, Any]]
    images: Sequence[Recipe] = ()
    about: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said; `finish` is why it ended ("stop", "length", ...), `thought` what a server split off."""

    text: str
    finish: str = ""
    thought: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: its replies (as many as `n` asks for), or none and an `error`."""

    request: Request
    replies: tuple[Reply, ...]
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        """The first reply's."""
        return self.replies[0].text if self.replies else ""


@dataclass(slots=True)
class Totals:
    """Sums over answers; the tokens are as the server counts them."""

    requests: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        self.requests += 1
        self.failed += bool(answer.error)
        self.retries += answer.retries
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def cost(self, prices: tuple[float, float]) -> float:
        """What the tokens cost at the prices of a million prompt and a million completion tokens."""
        return (self.prompt_tokens * prices[0] + self.completion_tokens * prices[1]) / 1e6

    def summary(self, prices: tuple[float, float] | None = None) -> str:
        """The sums in words, and the cost where prices are given."""
        cost = f"; cost {self.cost(prices):.2f}" if prices else ""
        return (
            f"{self.requests:,} requests, {self.failed:,} failed, {self.retries:,} retries; "
            f"{self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens{cost}"
        )


def answers(
    requests: Iterable[Request],
    *,
    url: str,
    model: str,
    options: Mapping[str, Any] | None = None,
    key: str | None = None,
    root: str = ".",
    lossless: bool = False,
    concurrency: int = 8,
    retries: int = 5,
    timeout: float = 120.0,
    deadline: float = 900.0,
    backoff: float = 0.5,
) -> Iterator[Answer]:
    """An answer to each request, in order, with up to `concurrency` of them out at once.

    `url` is the server's, with or without /v1. `options` are fields of the request's body as they are
    (temperature, top_p, max_tokens, seed, n, a server's own), None left out. `key` is by default OPENAI_API_KEY.
    Images are found under `root` and sent inline with their recipe applied, as JPEG of quality 95 without chroma
    subsampling, or as PNG with `lossless`.

    A try ends after `timeout` seconds. A request is tried again, up to `retries` times within `deadline` seconds,
    after a connection that was refused, reset or cut, a timeout, status 408, 409, 425, 429 or 5xx, and a reply that
    is not JSON or holds no choice; the wait is what Retry-After says and a random part of `backoff` seconds, twice as
    many each time. Status 429 and Retry-After hold back all requests. Other faults, and images that cannot be
    read, fail the request at once; so does a reply of more than 10 MB. None of these raises: `error` has the reason.

    At most 4 x `concurrency` requests are read ahead of the answer that is next, the first before any thread is
    started, and an answer that is there waits for the next request to be read. Closing the iterator ends what is out.
    Raises UsageError for a URL or key that cannot be one, and DataError, after the answers before it, for what would
    fail every request: no server there, status 401 to 405, a redirection, a quota that is used up, or a wait that is
    longer than `deadline`.
    """
    session = _session(
        url, key, concurrency=concurrency, retries=retries, timeout=timeout, deadline=deadline, backoff=backoff
    )
    body = {"model": model, **{name: value for name, value in (options or {}).items() if value is not None}}
    return _answers(iter(requests), session, body, concurrency, root, lossless)


def first_model(url: str, *, key: str | None = None, retries: int = 5, timeout: float = 30.0) -> str:
    """The first model that a server names. Raises DataError when it cannot be asked or names none."""
    session = _session(url, key, retries=retries, timeout=timeout)
    from vstkit.chatting import Failed

    with session.running() as portal:
        try:
            found: str = portal.call(session.exchange, "models", "/models", None, _first_model)[0]
        except Failed as e:
            raise DataError(f"{session.server}: cannot list its models: {e}") from None
    if not found:
        raise DataError(f"{session.server}: names no model: expected one to be given")
    return found


def _first_model(value: Any) -> str:
    held = value.get("data") if isinstance(value, dict) else None
    first = held[0] if isinstance(held, list) and held else None
    return str(first.get("id", "")) if isinstance(first, dict) else ""


def _session(url: str, key: str | None, **settings: Any) -> Session:
    try:
        from vstkit.chatting import Session
    except ModuleNotFoundError as e:
        raise UsageError(f"a chat server needs {e.name}: pip install 'vstkit[teacher]'") from None
    return Session(url, os.environ.get("OPENAI_API_KEY", "") if key is None else key, **settings)


def _answers(
    requests: Iterator[Request], session: Session, body: dict[str, Any], concurrency: int, root: str, lossless: bool
) -> Iterator[Answer]:
    first = next(requests, None)  # reading may fork workers, which has to come before threads
    if first is None:
        return
    with session.running() as portal:
        waiting: deque[Future[Answer]] = deque()
        for request in itertools.chain([first], requests):
            waiting.append(portal.start_task_soon(_answer, session, request, body, root, lossless))
            while waiting and (waiting[0].done() or len(waiting) == 4 * concurrency):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


async def _answer(session: Session, request: Request, body: dict[str, Any], root: str, lossless: bool) -> Answer:
    from anyio import to_thread

    from vstkit.chatting import Failed

    replies: list[Reply] = []
    retries, prompt_tokens, completion_tokens = 0, 0, 0
    wanted = body.get("n", 1)
    async with session.slots:
        try:
            messages = await to_thread.run_sync(_messages, request, root, lossless)
        except DataError as e:  # the request's fault; those of the server go on
            return Answer(request, (), error=str(e))
        try:
            # Some servers give one reply whatever `n` says: the rest is asked for again.
            while len(replies) < wanted:
                content = _body(body, messages, len(replies), wanted)
                found, again = await session.exchange(request.id, "/chat/completions", content, _replies)
                replies += found.replies
                retries += again
                prompt_tokens += found.prompt_tokens
                completion_tokens += found.completion_tokens
        except Failed as e:
            return Answer(request, (), retries + e.retries, prompt_tokens, completion_tokens, str(e))
    return Answer(request, tuple(replies[:wanted]), retries, prompt_tokens, completion_tokens)


def _body(body: dict[str, Any], messages: bytes, done: int, wanted: int) -> bytes:
    """The body that asks for the replies that are not there yet."""
    body = {**body, "messages": orjson.Fragment(messages)}
    if wanted > 1:
        body["n"] = wanted - done
        if "seed" in body:
            body["seed"] += done  # the same seed would give the same reply
    return orjson.dumps(body)


def _messages(request: Request, root: str, lossless: bool) -> bytes:
    """The messages as JSON, each image inline where it is placed."""
    contents = [message["content"] for message in request.messages if not isinstance(message["content"], str)]
    placed = sum(part["type"] == "image" for content in contents for part in content)
    if placed != len(request.images):
        raise DataError(f"images: expected {placed}, as the messages place them, got {len(request.images)}")
    recipes = iter(enumerate(request.images))

    def sent(part: Mapping[str, Any]) -> dict[str, Any]:
        if part["type"] == "text":
            return {"type": "text", "text": part["text"]}
        if part["type"] != "image":
            raise DataError(f"messages: expected text and images, got {part['type']}")
        number, recipe = next(recipes)
        with at(f"images[{number}]"):
            return {"type": "image_url", "image_url": {"url": _data_url(recipe, root, lossless)}}

    messages = []
    for message in request.messages:
        content = message["content"]
        messages.append({**message, "content": content if isinstance(content, str) else [*map(sent, content)]})
    return orjson.dumps(messages)


def _data_url(recipe: Recipe, root: str, lossless: bool) -> str:
    image, packed = open_image(recipe, root), io.BytesIO()
    if lossless:
        image.save(packed, "PNG", compress_level=1)
    else:
        image.save(packed, "JPEG", quality=95, subsampling=0)  # whole colour: marks are thin
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(packed.getbuffer()).decode()}"


class _Found(NamedTuple):
    replies: list[Reply]
    prompt_tokens: int
    completion_tokens: int


def _replies(value: Any) -> _Found:
    """The choices of a chat completion. Raises Passing where there are none, as of a reply that is not whole."""
    from vstkit.chatting import Passing, complaint

    if not isinstance(value, dict):
        raise Passing(f"expected a chat completion, got a JSON {type(value).__name__}")
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        said, _ = complaint(orjson.dumps(value))
        raise Passing(f"the reply holds no choices: {said}")
    usage = value.get("usage")
    counts = [usage.get(name) if isinstance(usage, dict) else 0 for name in ("prompt_tokens", "completion_tokens")]
    prompt_tokens, completion_tokens = (count if isinstance(count, int) else 0 for count in counts)
    return _Found([_reply(choice) for choice in choices], prompt_tokens, completion_tokens)


def _reply(choice: Any) -> Reply:
    from vstkit.chatting import Failed, Passing

    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise Passing("a choice of the reply holds no message")
    if message.get("refusal"):
        raise Failed(f"the model refuses: {message['refusal']}")
    content = message.get("content") or ""  # null where every token went into the thought
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    thought = message.get("reasoning_content") or message.get("reasoning") or ""
    return Reply(str(content), str(choice.get("finish_reason") or ""), str(thought))
