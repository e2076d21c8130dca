"""Low-rank adapters on linear layers (Hu et al. 2021, LoRA), merged into the weights when a model is written.

Not peft's: a model is always written whole here, merged out of weights that ZeRO 3 has gathered on one process, and
what that leaves of the method is this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

SCALE = 2.0  # alpha / rank, at the usual alpha of twice the rank
BASE, DOWN, UP = ".base", ".lora_down", ".lora_up"


def adapt(model: Any, rank: int, wanted: Callable[[str], bool]) -> list[str]:
    """Freeze `model` and give every linear layer whose name is `wanted` an adapter of `rank`; returns their names.

    An adapted layer computes W x + SCALE * U D x, with D (rank, in) random and U (out, rank) zero, so that it begins
    as it was. Draws from torch's generator.
    """
    import torch

    model.requires_grad_(False)
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not name.endswith("lm_head") and wanted(name)
    ]
    for name in layers:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, _adapted(model.get_submodule(name), rank))
    return layers


def _adapted(layer: Any, rank: int) -> Any:
    import torch

    class Adapted(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
            self.base = layer
            self.lora_down = torch.nn.Parameter(torch.zeros(rank, layer.in_features, **like))
            self.lora_up = torch.nn.Parameter(torch.zeros(layer.out_features, rank, **like))
            torch.nn.init.kaiming_uniform_(self.lora_down, a=math.sqrt(5))

        def forward(self, x: Any) -> Any:
            low = torch.nn.functional.linear(x, self.lora_down)
            return self.base(x) + SCALE * torch.nn.functional.linear(low, self.lora_up)

    return Adapted()


def merged(weights: dict[str, Any]) -> dict[str, Any]:
    """The weights of an adapted model under the names and with the values of a plain one."""
    plain = {}
    for name, weight in weights.items():
        layer, _, last = name.rpartition(".")
        if name.endswith((DOWN, UP)):
            continue
        if not layer.endswith(BASE):
            plain[name] = weight
            continue
        layer = layer.removesuffix(BASE)
        if last == "weight" and layer + UP in weights:
            added = weights[layer + UP].float() @ weights[layer + DOWN].float()
            plain[f"{layer}.{last}"] = (weight.float() + SCALE * added).to(weight.dtype)
        else:
            plain[f"{layer}.{last}"] = weight
    return plain
