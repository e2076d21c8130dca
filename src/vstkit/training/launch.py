"""The training run's folder and the launcher's command line. Never imports torch: that is for the ranks to do."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vstkit.chance import digest
from vstkit.errors import DataError, UsageError
from vstkit.models.loading import check

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def write_run(
    output: str,
    *,
    packs: Sequence[str],
    model: str,
    root: str = ".",
    zero: int = 2,
    lr: float = 5e-5,
    vision_lr: float = 5e-6,
    epochs: int = 1,
    max_steps: int | None = None,
    global_batch: int = 128,
    warmup: float = 0.03,
    dtype: str | None = None,
    gradient_checkpointing: bool = False,
    workers: int = 1,
    seed: int = 0,
    progress: bool = False,
    argv: Sequence[str] = (),
) -> Path:
    """Make the run folder `output` and write run.json, all that a rank needs to know; returns its path.

    `zero` is DeepSpeed's stage, 1 to 3; `global_batch` is in packs a step, over all processes; `max_steps` overrides
    `epochs`; `warmup` is a fraction of the steps; `dtype` is bfloat16 or float32, by default by device; `workers`
    prepare images ahead in every process; with `progress` each step is shown on standard error; `argv` is kept for
    the reader. Raises UsageError for another stage, and
    DataError when the model or a pack file is missing or the folder already holds a model.
    """
    if zero not in (1, 2, 3):  # DeepSpeed's stage 0 clips gradients in another way, and saves nothing over 1
        raise UsageError(f"--zero: expected 1, 2 or 3, got {zero}")
    check(model)
    for name in packs:
        if not Path(name).is_file():
            raise DataError(f"{name}: no such file")
    folder = Path(output)
    if (folder / "config.json").exists():
        raise DataError(f"{output}: already holds a trained model: choose another folder or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    run = {
        "vstkit": _version(),
        "command": shlex.join(argv),
        "model": str(model),
        "packs": [str(name) for name in packs],
        "root": str(root),
        "zero": zero,
        "lr": lr,
        "vision_lr": vision_lr,
        "epochs": epochs,
        "max_steps": max_steps,
        "global_batch": global_batch,
        "warmup": warmup,
        "dtype": dtype,
        "gradient_checkpointing": gradient_checkpointing,
        "workers": workers,
        "seed": seed,
        "progress": progress,
    }
    path = folder / "run.json"
    path.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    return path


def command(output: str, processes: int = 1, hostfile: str | None = None) -> tuple[list[str], dict[str, str]]:
    """The launcher's command line for the run in `output`, and what it adds to the environment.

    `processes` are started on this machine, one a GPU where there are GPUs; with a DeepSpeed `hostfile`, as many
    as its slots on each of its machines, over ssh.
    """
    own = {} if has_gpu() else {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    env = {name: os.environ.get(name, value) for name, value in own.items()}
    # Two runs on one machine must not meet; a port of its own keeps a run's command line the same every time.
    port = 20_000 + int(digest(os.path.abspath(output), length=8), 16) % 10_000
    worker = ["--no_local_rank", "--module", "vstkit.training.worker", os.path.join(output, "run.json")]
    common = [f"--master_port={port}", "--log_level=critical", *worker]
    if hostfile:
        return [sys.executable, "-m", "deepspeed.launcher.runner", f"--hostfile={hostfile}", *common], env
    # The deepspeed program would only start this one, as it stands, and lose its exit status to a signal.
    world = urlsafe_b64encode(json.dumps({"localhost": _devices(processes)}).encode()).decode()
    return [sys.executable, "-m", "deepspeed.launcher.launch", f"--world_info={world}", *common], env


def has_gpu() -> bool:
    """Whether training here would run on GPUs, from what the drivers and the environment say."""
    if "DS_ACCELERATOR" in os.environ:
        return os.environ["DS_ACCELERATOR"] != "cpu"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/proc/driver/nvidia/version"))


def _devices(processes: int) -> list[int | str]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "") if has_gpu() else ""
    named: list[int | str] = [int(name) if name.isdigit() else name for name in visible.split(",") if name]
    if named and processes > len(named):
        raise UsageError(f"--gpus: expected at most {len(named)} (CUDA_VISIBLE_DEVICES={visible}), got {processes}")
    return named[:processes] or list(range(processes))


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run the launcher to its end and return its exit status, 128 + n where signal n ended it.

    It runs in a process group of its own, which is gone when this returns: SIGINT and SIGTERM are passed on to it,
    and it does not outlive this process. Its standard output, on which DeepSpeed talks about itself, is shown on
    standard error when VSTKIT_DEBUG is set.
    """
    libc = ctypes.CDLL(None)
    child = subprocess.Popen(
        argv,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno() if os.environ.get("VSTKIT_DEBUG") else subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM),  # noqa: PLW1509 - no threads here
    )
    passed_on: list[int] = []

    def pass_on(number: int, _: Any) -> None:
        passed_on.append(number)
        child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    if passed_on:
        return 128 + passed_on[0]
    # The launcher exits with its rank's -n, which the system cuts to 256 - n.
    return 128 + 256 - status if status > 192 else 128 - status if status < 0 else status


def _version() -> str:
    try:
        return version("vstkit")
    except PackageNotFoundError:
        return "not installed"  # a checkout on PYTHONPATH


def die_with_parent() -> None:
    """Have the system kill this process when the one that started it ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
