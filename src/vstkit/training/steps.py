"""One optimizer step over the packs of all processes, counted exactly, and what the log tells of it."""

from __future__ import annotations

import math
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from vstkit.errors import DataError
from vstkit.training import data, engine
from vstkit.training.flops import Arithmetic, peak
from vstkit.training.losses import PackLoss, pack_loss

Prepared = tuple[data.Batch, dict[str, Any]]  # a batch, and `tasks`: the task of each of its samples
Totals = dict[str, float]
GIB = 2**30


class Diverged(DataError):
    """The loss or its gradient is not finite, which every process finds at the same step."""


class Steps:
    """The steps of a run of `world` processes, each with `size` packs a step; `places` is how many tokens a step
    has room for."""

    def __init__(self, tuned: Any, run: dict[str, Any], size: int, world: int, places: int) -> None:
        import torch

        self._engine, self._size, self._world, self._places = tuned, size, world, places
        self._forward, self._weighting = partial(engine.forward, tuned), run["loss_weight"]
        # A few numbers a step, beside the collectives of the gradients; they need no GPU.
        self._group = torch.distributed.new_group(backend="gloo")
        learning = {"llm", "vision", "merger"} - set(run["freeze"])
        self._arithmetic = Arithmetic.of(tuned.module, learning, adapted=bool(run["lora"]))
        cuda = tuned.device.type == "cuda"
        self._peak = peak(torch.cuda.get_device_name(tuned.device)) if cuda else None

    def step(self, stream: Iterator[Prepared], number: int, rates: dict[str, float]) -> dict[str, Any]:
        """Learn from the next `size` packs at these rates; returns what the log tells of it, `rates` among it.

        Raises Diverged where the loss or its gradient is not finite.
        """
        start, wait, done = time.perf_counter(), 0.0, []
        lost: list[str] = []
        for place in range(self._size):
            asked = time.perf_counter()
            batch, about = next(stream)
            wait += time.perf_counter() - asked
            loss = pack_loss(self._forward, batch, self._engine.device, self._weighting)
            self._engine.backward(loss.objective, scale_wrt_gas=False)
            if place < self._size - 1:
                self._engine.step()  # only counts
            loss.objective = loss.objective.detach()
            lost += about["lost"]
            done.append((loss, self._facts(loss, batch, about), about["tasks"]))
        counts, nats, targets = _counted(done)
        # Work of the device is waited for by now; rates are those of the slowest process.
        totals, slowest = self._gathered({**counts, "nats": nats, "targets": targets, "lost": lost}, {"wait": wait})
        loss_value = totals["objective"] / totals["weight"] if totals["weight"] else 0.0
        if not math.isfinite(loss_value):
            raise Diverged(f"step {number}: expected a finite loss, got {loss_value}: try a lower --lr")
        norm = engine.step(self._engine, totals["weight"], self._world)
        if not math.isfinite(norm):
            raise Diverged(f"step {number}: expected a finite gradient, got a norm of {norm}: try a lower --lr")
        seconds = time.perf_counter() - start
        entry = {"loss": loss_value, **_by_task("tasks", totals), **rates, "grad_norm": norm}
        entry |= {name: int(totals[name]) for name in ("tokens", "trained", "samples", "left_out") if totals[name]}
        entry |= {
            "tokens_per_s": round(totals["tokens"] / seconds, 1),
            "samples_per_s": round(totals["samples"] / seconds, 2),
            "fill": round(totals["tokens"] / self._places, 4),
        }
        if self._peak:
            entry["mfu"] = round(totals["flops"] / seconds / self._peak / self._world, 4)
        entry |= {"wait": round(slowest["wait"] / seconds, 4), "memory_gib": round(slowest["memory"] / GIB, 3)}
        return {**entry, "seconds": round(seconds, 4), **({"lost": totals["lost"]} if totals["lost"] else {})}

    def evaluate(self, stream: Iterator[Prepared]) -> dict[str, Any]:
        """The mean loss of the trained tokens of all packs in the processes' streams, and of each task's."""
        import torch

        self._engine.eval()
        done: list[tuple[PackLoss, Totals, list[str]]] = []
        with torch.no_grad():
            for batch, about in stream:
                done.append((pack_loss(self._forward, batch, self._engine.device), {}, about["tasks"]))
        self._engine.train()
        _, nats, targets = _counted(done)
        totals, _ = self._gathered({"nats": nats, "targets": targets}, {})
        trained = sum(totals["targets"].values())
        whole = {"eval_loss": sum(totals["nats"].values()) / trained} if trained else {}
        return {**whole, **_by_task("eval_tasks", totals), "eval_trained": trained}

    def _facts(self, loss: PackLoss, batch: data.Batch, about: dict[str, Any]) -> Totals:
        lengths = _lengths(batch)
        samples = len(about["tasks"])  # a blank picture may follow them
        flops = self._arithmetic.pack(lengths, sum(loss.targets), batch["image_grid_thw"].tolist())
        return {"tokens": sum(lengths[:samples]), "samples": samples, "left_out": about["left_out"], "flops": flops}

    def _gathered(self, sums: dict[str, Any], largest: Totals) -> tuple[dict[str, Any], Totals]:
        """`sums` added up over the processes, in their order, and the largest of `largest` and of the memory."""
        import torch

        cuda = self._engine.device.type == "cuda"
        largest["memory"] = (
            torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        )
        gathered: list[Any] = [None] * self._world
        torch.distributed.all_gather_object(gathered, (sums, largest), group=self._group)
        totals = gathered[0][0]
        for other, _ in gathered[1:]:
            totals = {name: totals[name] + value for name, value in other.items()}
        return totals, {name: max(others[name] for _, others in gathered) for name in largest}


def _counted(done: Sequence[tuple[PackLoss, Totals, list[str]]]) -> tuple[Totals, Counter[str], Counter[str]]:
    """What packs add to a step, and the nats and trained tokens of each task."""
    counts: Totals = {}
    nats: Counter[str] = Counter()
    targets: Counter[str] = Counter()
    for loss, facts, tasks in done:
        added = {"objective": float(loss.objective), "weight": loss.weight, "trained": sum(loss.targets), **facts}
        counts = {name: counts.get(name, 0) + value for name, value in added.items()}
        for task, spent, count in zip(tasks, loss.nats.tolist(), loss.targets, strict=False):
            nats[task] += spent
            targets[task] += count
    return counts, nats, targets


def _lengths(batch: data.Batch) -> Sequence[int]:
    """Tokens of each segment of a batch."""
    row = batch["position_ids"][0, 0]
    lengths: list[int] = np.diff([*np.flatnonzero(row == 0), len(row)]).tolist()
    return lengths


def _by_task(name: str, totals: dict[str, Any]) -> dict[str, dict[str, float]]:
    """{name: {task: mean loss of its trained tokens}}, or nothing where samples have no task."""
    means = {task: totals["nats"][task] / n for task, n in sorted(totals["targets"].items()) if task and n}
    return {name: means} if means else {}
