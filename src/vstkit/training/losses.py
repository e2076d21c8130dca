"""The loss of a pack, and what it is to be divided by: how samples of different lengths are weighed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vstkit.training import data

Floats = np.ndarray[Any, np.dtype[np.float64]]


def _by_sample(lengths: Floats, power: float) -> Floats:
    return np.divide(1.0, lengths**power, out=np.zeros_like(lengths), where=lengths > 0)


# Trained tokens of each sample of a pack -> weight of each of its tokens. The sum of all weights of a step divides it.
WEIGHTS: dict[str, Callable[[Floats], Floats]] = {
    "token": lambda lengths: _by_sample(lengths, 0.0),
    "micro-mean": lambda lengths: _by_sample(np.full_like(lengths, lengths.sum()), 1.0),
    "sample": lambda lengths: _by_sample(lengths, 1.0),
    "sqrt": lambda lengths: _by_sample(lengths, 0.5),
}


@dataclass(slots=True)
class PackLoss:
    """What a pack adds to a step.

    `objective`, a tensor with a gradient, is the weighted sum of the trained tokens' cross entropies in nats, `weight`
    the sum of their weights; `nats` (segments,) the plain sums by sample and `targets` (segments,) their tokens.
    """

    objective: Any
    weight: float
    nats: Any
    targets: Sequence[int]


def pack_loss(model: Callable[..., Any], batch: data.Batch, device: Any = "cpu", weighting: str = "token") -> PackLoss:
    """The loss of a batch of `data.collate`; `weighting` is one of WEIGHTS.

    `token` weighs every trained token alike, whatever pack and process it is in: eq. 1 of the VST paper. `micro-mean`
    weighs packs alike, as the authors' released code; `sample` weighs samples alike, and `sqrt` by the root of their
    trained tokens.

    Logits are made only where a trained token is to be predicted: at Qwen's 150,000 words, those of a whole pack
    would take gigabytes. No cache: with one, transformers takes a pack for a single text.
    """
    import torch

    labels = batch["labels"][0, 1:]
    places = np.flatnonzero(labels != data.IGNORED)
    segment = np.cumsum(batch["position_ids"][0, 0] == 0)[1:][places] - 1
    segments = int((batch["position_ids"][0, 0] == 0).sum())
    targets = np.bincount(segment, minlength=segments)
    lengths = targets.astype(np.float64)
    weights = WEIGHTS[weighting](lengths)
    # A pack without any keeps one ignored place, so that its gradients are zeros and not missing.
    kept = places if len(places) else np.zeros(1, dtype=np.int64)
    inputs = data.inputs(batch, device)
    logits = model(**inputs, use_cache=False, logits_to_keep=torch.from_numpy(kept).to(device)).logits[0]
    wanted = torch.from_numpy(labels[kept]).to(device)
    nats = torch.nn.functional.cross_entropy(logits.float(), wanted, ignore_index=data.IGNORED, reduction="none")
    factors = weights[segment] if len(places) else np.zeros(1)
    objective = (nats * torch.from_numpy(factors).to(device, nats.dtype)).sum()
    sums = torch.zeros(segments, dtype=nats.dtype, device=nats.device)
    if len(places):
        sums.index_add_(0, torch.from_numpy(segment).to(device), nats.detach())
    return PackLoss(objective, float((weights * lengths).sum()), sums, targets.tolist())


def loss_sum(model: Callable[..., Any], batch: data.Batch, device: Any = "cpu") -> Any:
    """Cross entropy in nats, summed over the trained tokens of a batch: a tensor with a gradient."""
    return pack_loss(model, batch, device).objective
