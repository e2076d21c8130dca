"""The launcher's command line, and the launcher run to its end. Never imports torch: that is for the ranks to do."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vstkit.chance import digest
from vstkit.errors import DataError, UsageError

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def command(output: str, processes: int = 1, hostfile: str | None = None) -> tuple[list[str], dict[str, str]]:
    """The launcher's command line for the run in `output`, and what it adds to the environment.

    `processes` are started on this machine, one a GPU where there are GPUs; with a DeepSpeed `hostfile`, as many
    as its slots on each of its machines, over pdsh and ssh, `output` being a folder that all of them see.
    """
    own = {} if has_gpu() else {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"}
    env = {name: os.environ.get(name, value) for name, value in own.items()}
    # Two runs on one machine must not meet; a port of its own keeps a run's command line the same every time.
    port = 20_000 + int(digest(os.path.abspath(output), length=8), 16) % 10_000
    worker = ["--no_local_rank", "--module", "vstkit.training.worker", os.path.join(output, "run.json")]
    common = [f"--master_port={port}", "--log_level=critical", *worker]
    slots = hosts(hostfile) if hostfile else {"localhost": processes}
    if len(slots) > 1 or not slots.keys() <= _OWN_NAMES:
        return [sys.executable, "-m", "deepspeed.launcher.runner", f"--hostfile={hostfile}", *common], env
    # The deepspeed program would only start this one, as it stands, and lose its exit status to a signal.
    devices = _devices(sum(slots.values()))
    world = urlsafe_b64encode(json.dumps({"localhost": devices}).encode()).decode()
    return [sys.executable, "-m", "deepspeed.launcher.launch", f"--world_info={world}", *common], env


_OWN_NAMES = {"localhost", "127.0.0.1", socket.gethostname()}


def hosts(hostfile: str) -> dict[str, int]:
    """Processes on each machine, from lines `NAME slots=N`; # starts a comment. Raises DataError with the line."""
    found: dict[str, int] = {}
    try:
        lines = Path(hostfile).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{hostfile}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = re.fullmatch(r"(\S+)\s+slots=([1-9]\d*)", text)
        if not match or match[1] in found:
            raise DataError(f"{hostfile}:{number}: expected a new name and slots=N, got {text}")
        found[match[1]] = int(match[2])
    if not found:
        raise DataError(f"{hostfile}: expected a machine, got none")
    return found


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
        env={**os.environ, **env, "VSTKIT_LAUNCHED": "1"},
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


def die_with_parent() -> None:
    """Have the system kill this process when the one that started it ends, however that ends; end where it has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if "VSTKIT_LAUNCHED" in os.environ and os.getppid() == 1:  # it ended before it could be watched
            sys.exit(128 + signal.SIGKILL)
