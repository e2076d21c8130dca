"""Tokens drawn at random, each answer by choices of its own, whatever is answered beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vstkit.chance import Chance


class Sampling(NamedTuple):
    """How tokens are drawn: at temperature 0 the most likely one, else from the most likely that hold `top_p` of all
    probability (nucleus sampling; A. Holtzman et al., 2020)."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def chance(self, name: str, draw: int) -> Chance:
        """The choices of one answer: of the question's name and the number of the draw."""
        return Chance(self.seed, "ask", name, draw)


class Draws:
    """A logits processor of transformers that leaves one token a row: the one that the row's own chance draws.

    With it, greedy search samples. One number a token is drawn, and looked up in the cumulated probabilities.
    """

    def __init__(self, sampling: Sampling, chances: Sequence[Chance]) -> None:
        self._sampling, self._chances = sampling, chances

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """(rows, vocabulary) logits -> 0 for the drawn token of each row, else minus infinity."""
        import torch

        likelihood = (scores.float() / self._sampling.temperature).softmax(-1)
        likely, order = likelihood.sort(dim=-1, descending=True, stable=True)
        reached = likely.double().cumsum(-1)
        held = (reached - likely < self._sampling.top_p).sum(-1, keepdim=True).clamp_(min=1)
        numbers = [chance.below(1 << 53) / (1 << 53) for chance in self._chances]
        drawn = torch.tensor(numbers, dtype=torch.float64, device=scores.device)[:, None] * reached.gather(1, held - 1)
        place = torch.minimum((reached <= drawn).sum(-1, keepdim=True), held - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, order.gather(1, place), 0.0)
