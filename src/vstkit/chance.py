"""Choices that are the same on every machine, in every order and in every year.

Nothing in vstkit draws from global random state. A choice is a function of the seed and of what is being
decided (command, record id, objects), so shards, workers and a rerun next year all agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def digest(*parts: object, length: int = 16) -> str:
    """Hexadecimal name for `parts`: equal parts give equal names, `length` digits long (at most 128)."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode(), digest_size=(length + 1) // 2).hexdigest()[:length]


class Chance:
    """A stream of choices named by its `parts`; the first is by custom the seed.

    Own arithmetic on BLAKE2b instead of `random.Random`, whose methods may change between versions of Python.
    """

    def __init__(self, *parts: object) -> None:
        self._name = "\x1f".join(str(part) for part in parts).encode()
        self._drawn = 0

    def below(self, n: int) -> int:
        """An integer in [0, n). The bias of the modulo is below n / 2**64."""
        self._drawn += 1
        block = hashlib.blake2b(self._name, digest_size=8, salt=self._drawn.to_bytes(8, "little"))
        return int.from_bytes(block.digest(), "little") % n

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """All `items` in a random order (Fisher-Yates)."""
        mixed = list(items)
        for i in range(len(mixed) - 1, 0, -1):
            j = self.below(i + 1)
            mixed[i], mixed[j] = mixed[j], mixed[i]
        return mixed

    def few(self, items: Sequence[T], n: int) -> list[T]:
        """`n` different ones of `items`, in a random order, drawn one by one: quicker than `sample` for few of many."""
        drawn: dict[int, T] = {}
        while len(drawn) < min(n, len(items)):
            i = self.below(len(items))
            drawn[i] = items[i]
        return list(drawn.values())

    def sample(self, items: Iterable[T], n: int) -> list[T]:
        """`n` different ones of `items`, in a random order."""
        return self.shuffled(items)[:n]
