"""Mutated answers: no text may raise, leave [0, 1], or take long. bench/fuzz_rewards.py does a million."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from support import CHECKOUT
from vstkit.rewards import reward


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(CHECKOUT / "bench")
    return importlib.import_module("fuzz_rewards")


def test_mutated_answers_never_raise(fuzz: Any) -> None:
    """A trial that raises, or gives what is not in [0, 1], raises here."""
    given, total, slowest = 0, 0.0, 0.0
    for _, _, _, took in fuzz.trials(20_000, 7, fuzz.shared_folder()):
        given, total, slowest = given + 1, total + took, max(slowest, took)
    assert given == 40_000
    assert slowest < 1  # s: nothing takes more than linear time; the benchmark tells how long it is


@pytest.mark.parametrize("nested", ["[", '{"a":', '[{"bbox_3d":', "(", "\\frac{", "<think>", "</think>", "[]", "-"])
def test_nested_a_hundred_thousand_deep(fuzz: Any, nested: str) -> None:
    for answer in fuzz.ANSWERS:
        for text in (100_000 * nested, f"```json\n[{100_000 * nested}", f"B{1_000_000 * nested}"[:1_000_000]):
            for compat in ("none", "vst"):
                given = reward(text, answer, compat=compat)
                assert 0 <= given.accuracy <= 1
                assert given.format in (0, 1)
