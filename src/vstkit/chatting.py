"""One exchange with a chat server: tries, waits, limits, and what its faults mean.

The client is httpx2, which openai's own library is made of: that one takes six times as long to import, and hides
what is needed here (a limit to the size of a reply, one wait for all requests, a time for the whole of a try). It is
imported here at once, so this module is imported where it is used. The waits are exponential with full
jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx2
import orjson
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from vstkit.chance import Chance
from vstkit.errors import DataError, UsageError

log = logging.getLogger("vstkit")

T = TypeVar("T")
LARGEST_REPLY = 10_000_000  # bytes
LONGEST_PAUSE = 60.0  # seconds that a retry waits when the server does not say how long
CONNECT_SECONDS = 10.0
PASSING = {408, 409, 425, 429}  # and all from 500 on
EVERYBODY = {401, 402, 403, 404, 405}  # key, account, path or model: the next request would meet the same


class Failed(Exception):
    """A request that is given up; the message is the reason, `retries` how often it was sent again."""

    retries = 0


class Passing(Exception):
    """A fault that may be gone at the next try; `after` are the seconds that the server asks to wait.

    `shared`: every request has to wait for it. `unreachable`: there was no connection.
    """

    def __init__(self, reason: str, after: float = 0.0, *, shared: bool = False, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.after, self.shared, self.unreachable = after, shared, unreachable


class Session:
    """Connections to one server, at most `concurrency` at once, while it is `running`.

    `timeout` and `deadline` are seconds, for one try up to its last byte and for all tries with the waits between;
    `backoff` is the longest wait before the first retry, and doubles with each.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        concurrency: int = 1,
        retries: int = 5,
        timeout: float = 120.0,
        deadline: float = 900.0,
        backoff: float = 0.5,
    ) -> None:
        self.server = base(url)
        self._key, self._concurrency, self._retries = checked_key(key), concurrency, retries
        self._timeout, self._deadline, self._backoff = timeout, deadline, backoff
        self._not_before = self._heard = 0.0  # by time.monotonic: nobody may send; the last reply of any kind
        self._broken = ""  # what makes every request fail

    @contextmanager
    def running(self) -> Iterator[BlockingPortal]:
        """A thread of its own with an event loop, through which requests go out; its end cancels what is out."""
        with start_blocking_portal() as portal:
            kept, _ = portal.start_task(self._keep)
            try:
                yield portal
            finally:
                kept.cancel()

    async def _keep(self, *, task_status: TaskStatus[None]) -> None:
        """Keep the connections until this is cancelled."""
        self._slots = anyio.Semaphore(self._concurrency)
        # A packed reply could be a thousand times what came over the wire.
        headers = {"User-Agent": "vstkit", "Accept-Encoding": "identity", "Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=min(self._timeout, CONNECT_SECONDS)),
            limits=httpx2.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency),
        )
        try:
            task_status.started()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                for _ in range(self._concurrency):  # requests that are cancelled too let go of their connections
                    await self._slots.acquire()
                await self._client.aclose()

    @property
    def slots(self) -> anyio.Semaphore:
        """What a request holds from before its body is made until it is answered or given up."""
        return self._slots

    async def exchange(self, name: str, path: str, body: bytes | None, read: Callable[[Any], T]) -> tuple[T, int]:
        """What `read` makes of the reply's JSON to a POST of `body` (a GET without one), and the number of retries.

        `name` is the request's, for the log and the jitter. `read` raises Passing for what is worth another try.
        Raises Failed, and DataError for what would make every request fail.
        """
        began = time.monotonic()
        end = began + self._deadline
        for retries in itertools.count():
            try:
                await self._wait(end)
                seconds = min(self._timeout, end - time.monotonic())
                with anyio.fail_after(seconds):
                    reply = await self._send(path, body)
                return read(_json(reply)), retries
            except TimeoutError:
                fault = Passing(f"no answer in {seconds:.3g} s")
            except httpx2.RequestError as e:
                unreachable = isinstance(e, httpx2.ConnectError | httpx2.ConnectTimeout)
                fault = Passing(str(e) or f"connection lost ({type(e).__name__})", unreachable=unreachable)
            except Passing as e:
                fault = e
            except Failed as e:
                e.retries = retries
                raise
            await self._again(name, fault, retries, began, end)
        raise AssertionError("unreachable")

    async def _wait(self, end: float) -> None:
        while (wait := self._not_before - time.monotonic()) > 0:
            if self._not_before > end:
                raise Failed(f"the server takes no requests within {self._deadline:g} s")
            await anyio.sleep(wait)
        if self._broken:
            raise DataError(self._broken)

    async def _send(self, path: str, body: bytes | None) -> bytes:
        url = self.server + path
        async with self._client.stream("GET" if body is None else "POST", url, content=body) as response:
            self._heard = time.monotonic()
            reply = bytearray()
            async for piece in response.aiter_bytes():
                reply += piece
                if len(reply) > LARGEST_REPLY:
                    raise Failed(f"{response.status_code}: refused: a reply of more than {LARGEST_REPLY:,} bytes")
        if not response.is_success:
            self._refused(response, bytes(reply))
        return bytes(reply)

    def _refused(self, response: httpx2.Response, reply: bytes) -> None:
        status = response.status_code
        said, code = complaint(reply)
        reason = self._hidden(f"{status}: {said}" if said else f"{status} {response.reason_phrase}")
        if response.has_redirect_location:
            reason = f"{status}: the server is at {response.headers['location']}"
        if response.is_redirect or status in EVERYBODY or code == "insufficient_quota":
            self._broken = f"{self.server}: {reason}"
            raise DataError(self._broken)
        if status in PASSING or status >= 500:
            after = asked_wait(response.headers)
            raise Passing(reason, after or 0.0, shared=status == 429 or after is not None)
        raise Failed(reason)

    async def _again(self, name: str, fault: Passing, retries: int, began: float, end: float) -> None:
        """Wait for the next try after `fault` and so many retries, or raise when there is none."""
        now, reason = time.monotonic(), self._hidden(str(fault))
        if fault.shared and now + fault.after > end:
            self._broken = f"{self.server}: {reason}; it asks to wait {fault.after:g} s"
            raise DataError(self._broken)
        longest = min(LONGEST_PAUSE, self._backoff * 2 ** min(retries, 32))
        pause = fault.after + longest * Chance("teacher", name, retries).below(1 << 32) / (1 << 32)
        if fault.shared:
            self._not_before = max(self._not_before, now + (fault.after or pause))
        if retries == self._retries or now + pause > end:
            reason += f" ({retries + 1} tries)"
            if fault.unreachable and self._heard < began:  # nobody was answered in all that time
                self._broken = f"{self.server}: {reason}"
                raise DataError(self._broken)
            failed = Failed(reason)
            failed.retries = retries
            raise failed
        log.info("%s: %s; retry %d of %d in %.1f s", name, reason, retries + 1, self._retries, pause)
        await anyio.sleep(pause)

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def base(url: str) -> str:
    """Where a server's interface starts, of http://host:8000, .../v1 or .../v1/chat/completions.

    Raises UsageError for what is no such URL.
    """
    try:
        httpx2.URL(url)
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except (ValueError, httpx2.InvalidURL):
        right = False
    if "@" in url:
        raise UsageError("expected a server without a name and password in its URL: they would be logged")
    if not right or parts.query or parts.fragment:
        raise UsageError(f"expected a server as http://HOST:PORT or https://HOST/v1, got {url}")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def checked_key(key: str) -> str:
    """An API key that fits into a header; raises UsageError, without the key."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("API key: expected printable ASCII without spaces")
    return key


def complaint(reply: bytes) -> tuple[str, str]:
    """What a server says is wrong, on one line, and its code, in the shapes of OpenAI, vLLM and FastAPI."""
    said, code = reply.decode(errors="replace"), ""
    try:
        value = orjson.loads(reply)
    except orjson.JSONDecodeError:
        value = None
    if isinstance(value, dict):
        error = value.get("error") or value
        if isinstance(error, dict):
            code = str(error.get("code") or "")
            error = error.get("message") or error.get("detail") or said
        said = error if isinstance(error, str) else orjson.dumps(error).decode()
    line = " ".join(said.split())
    return line if len(line) <= 300 else f"{line[:300]}...", code


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, as a number or as a date (RFC 9110, 10.2.3); None where it says nothing."""
    value = headers.get("retry-after", "").strip()
    try:
        return min(float(value), 1e9) if float(value) >= 0 else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _json(reply: bytes) -> Any:
    try:
        return orjson.loads(reply)
    except orjson.JSONDecodeError as e:
        raise Passing(f"the reply is not JSON: {e}") from None
