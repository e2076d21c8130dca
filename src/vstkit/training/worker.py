"""One process of a supervised training run: `python -m vstkit.training.worker RUN/run.json`.

The launcher starts one on every device; without a launcher the run has this one. The run folder receives
log.jsonl, a line a step, checkpoints, and in the end the trained model.

The loop is our own, not transformers' Trainer. What a step is divided by has to be counted over all packs and
processes, and the Trainer takes means of means; a checkpoint has to be whole or absent, and the Trainer writes in
place; packs are read by number, so that step k is the same whoever asks, and the Trainer skips batches to get there.
Bending these three would be longer than the loop, and would break with the next version.
"""

from __future__ import annotations

# First of all: a launcher may go while torch is imported. Without one the parent is a shell, which may go as well.
import os

from vstkit.training import launch

if __name__ == "__main__" and "RANK" in os.environ:
    launch.die_with_parent()

import json
import math
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from vstkit.errors import VstkitError
from vstkit.models.chat import Chat
from vstkit.training import checkpoints, data, engine, logs, parts, steps

Run = dict[str, Any]
Plan = list[tuple[int, list[int]]]  # epoch and pack numbers of each step


def main(argv: list[str]) -> int:
    """Train as argv[1], a run.json, says; returns the exit status, having said on standard error what went wrong."""
    # DeepSpeed calls what torch will rename; a user can do nothing about it.
    warnings.simplefilter("ignore", FutureWarning)
    _alone_by_default()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    folder = Path(argv[1]).parent
    run = json.loads(Path(argv[1]).read_bytes())
    try:
        chat = Chat(run["model"])
        packs = data.Packs(run["packs"], chat.fingerprint)
        held_out = data.Packs(run["eval"], chat.fingerprint) if run["eval"] else None
    except VstkitError as error:
        if rank == 0:  # the others find the same
            sys.stderr.write(f"vstkit sft: {error}\n")
        return error.status
    try:
        train(run, folder, chat, packs, held_out, rank, world)
    except VstkitError as error:
        if rank == 0 or not isinstance(error, steps.Diverged):
            sys.stderr.write(f"{logs.CLEAR if run['progress'] else ''}vstkit sft: {error}\n")
        return error.status
    except Exception as error:
        if os.environ.get("VSTKIT_DEBUG"):
            raise
        if world > 1:
            # Where another process fell first and broke this one's connection, the launcher ends this one now.
            time.sleep(3)
        report = folder / f"error-{rank}.txt"
        report.write_text(traceback.format_exc(), encoding="utf-8")
        sys.stderr.write(f"vstkit sft: rank {rank}: {type(error).__name__}: {error} (see {report})\n")
        return 1
    return 0


def train(
    run: Run, folder: Path, chat: Chat, packs: data.Packs, held_out: data.Packs | None, rank: int, world: int
) -> None:
    """All steps of a run that are left, and the model saved.

    Raises DataError for a bad pack and for a loss that is not finite.
    """
    plan = planned(run, len(packs))
    resume = run["resume"] or {"step": 0}
    done = resume["step"]
    # Packs that one process sees in a step; there is no use in more places than packs.
    size = math.ceil(min(run["global_batch"], len(packs)) / world)
    pixels = data.Pixels(chat.folder, run["root"], exact=run["exact_pixels"])
    prepare = partial(data.prepare, chat=chat, pixels=pixels, root=run["root"])
    numbers = list(chain.from_iterable(data.share(step, rank, world, size) for _, step in plan[done:]))
    stream: Iterator[Any] = data.batches(packs, numbers, prepare, workers=run["workers"])
    torch.manual_seed(run["seed"])
    source = Path(resume["checkpoint"]) / engine.MODEL if resume.get("weights_only") else run["model"]
    tuned = engine.build(run, size, str(source))
    if done and not resume["weights_only"]:
        engine.load(tuned, Path(resume["checkpoint"]), rank)
    trainer = steps.Steps(tuned, run, size, world, places=size * world * max(packs.lengths))
    log = logs.Log(folder, done, run=run, steps=len(plan)) if rank == 0 else None
    if rank == 0:
        checkpoints.prune(folder, run["keep"])
    for number, (epoch, _) in enumerate(plan[done:], done + 1):
        rates = parts.set_rates(tuned.optimizer, run, learning_rate(number - 1, len(plan), run["warmup"]))
        entry = {"step": number, "epoch": epoch + 1, **trainer.step(stream, number, rates)}
        if log:
            log.write(entry)
        if held_out and due(number, run["eval_every"], len(plan)):
            found = trainer.evaluate(evaluated(held_out, prepare, rank, world, run["workers"]))
            if log:
                log.write({"step": number, **found})
        if run["save_every"] and number % run["save_every"] == 0:
            _save(tuned, run, folder, chat, number, rank, world)
    _finish(tuned, run, folder, chat, rank)
    if log:
        log.close()


def planned(run: Run, packs: int) -> Plan:
    """What every step trains on: `max_steps` of them, or as many as the epochs take."""
    total = run["max_steps"] or run["epochs"] * math.ceil(packs / run["global_batch"])
    return list(islice(data.steps(packs, run["global_batch"], run["seed"]), total))


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """The share of the peak rate at `step` from 0: a linear rise over the first `warmup` of the steps, then half a
    cosine that would reach 0 one step after the last."""
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising) / (steps - rising))) / 2


def due(step: int, every: int, steps: int) -> bool:
    """Whether something that happens `every` steps, and after the last, happens after this one."""
    return step == steps or (every > 0 and step % every == 0)


def evaluated(packs: data.Packs, prepare: Any, rank: int, world: int, workers: int) -> Iterator[Any]:
    """This process's share of the packs, as many as every other's."""
    numbers = data.share(range(len(packs)), rank, world, math.ceil(len(packs) / world))
    return data.batches(packs, numbers, prepare, workers=workers)


def _save(tuned: Any, run: Run, folder: Path, chat: Chat, step: int, rank: int, world: int) -> None:
    checkpoints.write(
        folder,
        step,
        lambda part: engine.save(tuned, run, part, chat, rank),
        lambda path: engine.written_by(path, rank),
        torch.distributed.barrier,
        rank=rank,
        about={"processes": world, "zero": run["zero"], "dtype": run["dtype"]},
    )
    if rank == 0:
        checkpoints.prune(folder, run["keep"])


def _finish(tuned: Any, run: Run, folder: Path, chat: Chat, rank: int) -> None:
    """Write the model into the run folder: beside it first, then renamed, config.json last."""
    part = folder / ".model"
    engine.save_model(tuned, run, part, chat, rank)
    if rank == 0:
        for path in sorted(part.iterdir(), key=lambda path: path.name == "config.json"):
            checkpoints.flush(path)
            path.replace(folder / path.name)
        part.rmdir()
        checkpoints.flush(folder)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _alone_by_default() -> None:
    """Without a launcher: a world of one process, at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in alone.items():
        os.environ.setdefault(name, str(value))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
