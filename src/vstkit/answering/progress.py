"""How far a run is, on a terminal."""

from __future__ import annotations

import time
from types import TracebackType

from vstkit.answering.running import Sums


class Progress:
    """Answers, their rate and that of their tokens, and the time left where it is known of how many questions.

    Redrawn at most ten times a second.
    """

    def __init__(self, total: int | None = None) -> None:
        from rich.console import Console
        from rich.status import Status

        self._total, self._next = total, 0.0
        self._status = Status("ask", console=Console(stderr=True))

    def __enter__(self) -> Progress:
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    def show(self, sums: Sums) -> None:
        """Say the sums of now."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 0.1
            self._status.update(f"ask: {said(sums, self._total)}")


def said(sums: Sums, total: int | None) -> str:
    """The sums and the time left, in words."""
    of = f"{sums.requests:,} of {total:,} questions" if total else f"{sums.requests:,} questions"
    if not total or not sums.requests:
        return f"{of}; {sums.rates()}"
    left = max(0, round((total - sums.requests) * (time.monotonic() - sums.began) / sums.requests))
    return f"{of}; {sums.rates()}; {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
