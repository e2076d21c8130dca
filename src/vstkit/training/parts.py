"""The parts of a model that learn at rates of their own, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from vstkit.errors import UsageError

# The learning rate of each part, by its name in run.json and in the log.
RATES = {"llm": "lr", "vision": "vision_lr", "merger": "merger_lr"}


def part_of(name: str) -> str:
    """vision, merger or llm: where a parameter or module of that name belongs.

    The merger leads from the vision tower to the language model; Qwen3-VL has several.
    """
    if "visual" not in name:
        return "llm"
    return "merger" if "merger" in name else "vision"


def freeze(model: Any, parts: Collection[str]) -> None:
    """Keep the parameters of these parts as they are. Raises UsageError when nothing is left to learn."""
    for name, parameter in model.named_parameters():
        if part_of(name) in parts:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("--freeze: nothing is left to learn")


def groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """The optimizer's parameter groups: what learns, by part, matrices apart from the vectors, which do not decay.

    Each has its `part`; its rate is set at every step.
    """
    found: dict[tuple[str, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            # ZeRO 3 flattens what it has in hand and keeps the shape beside it.
            matrix = len(getattr(parameter, "ds_shape", parameter.shape)) > 1
            found.setdefault((part_of(name), matrix or not weight_decay), []).append(parameter)
    return [
        {"params": parameters, "part": part, "weight_decay": weight_decay if decays else 0.0, "lr": 0.0}
        for (part, decays), parameters in sorted(found.items(), key=lambda item: item[0])
    ]


def set_rates(optimizer: Any, run: Mapping[str, Any], share: float) -> dict[str, float]:
    """Give every group its peak rate times `share`; returns the rates that are applied, by their names."""
    rates = {}
    for group in optimizer.param_groups:
        name = RATES[group["part"]]
        group["lr"] = rates[name] = run[name] * share
    return dict(sorted(rates.items(), key=lambda item: list(RATES.values()).index(item[0])))
