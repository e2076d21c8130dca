"""Ranks of training runs without the seconds that imports take: forked from one process that has them behind it.

Not for what the launcher does, which is tested with the launcher.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

# What the process behind forks from imports; this module is imported there too.
PRELOADED = ["deepspeed", "ranks", "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl", "vstkit.training.worker"]


def _context() -> Any:
    os.environ["DS_ACCELERATOR"] = "cpu"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _rank(path: str, rank: int, world: int, port: int, said: str) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # as the launcher does: DeepSpeed talks there
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    import torch

    from vstkit.training import worker

    torch.set_num_threads(1)
    sys.exit(worker.main(["worker", path]))


def start(path: Path, world: int = 1) -> list[BaseProcess]:
    """Start the ranks of a run.json; their standard error goes into `said` beside it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = str(path.with_name("said"))
    ranks = [_context().Process(target=_rank, args=(str(path), rank, world, port, said)) for rank in range(world)]
    for process in ranks:
        process.start()
    return ranks


def run(path: Path, world: int = 1, kill: Callable[[], bool] | None = None, seconds: float = 120) -> list[int]:
    """Run the ranks to their end, or until `kill` says to send them SIGKILL; returns their exit statuses."""
    ranks = start(path, world)
    deadline = time.monotonic() + seconds
    try:
        while any(process.is_alive() for process in ranks):
            if kill and kill():
                break
            if any(process.exitcode for process in ranks) or time.monotonic() > deadline:
                break
            time.sleep(0.002 if kill else 0.02)
    finally:
        for process in ranks:
            process.kill()
            process.join()
    return [process.exitcode or 0 for process in ranks]
