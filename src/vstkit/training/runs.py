"""A run's folder before anything starts: what a rank needs to know, checked and written down. Never imports torch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vstkit
from vstkit.chance import digest
from vstkit.errors import DataError, UsageError
from vstkit.models.loading import check
from vstkit.training import checkpoints
from vstkit.training.logs import TRACKERS
from vstkit.training.losses import WEIGHTS
from vstkit.training.parts import RATES

Run = dict[str, Any]

# Tables 15 and 16 of the VST paper; what both stages share is the default.
STAGES: dict[str, dict[str, Any]] = {
    "sft": {"lr": 5e-5, "vision_lr": 5e-6, "epochs": 1},
    "coldstart": {"lr": 1e-5, "vision_lr": 1e-6, "epochs": 2},
}
# Every option of a run with its default, as run.json has it.
OPTIONS: dict[str, Any] = {
    "root": ".",  # folder of the images
    "stage": "sft",  # a key of STAGES: lr, vision_lr and epochs where they are None
    "zero": 2,  # DeepSpeed's stage, 0 to 3
    "processes": 1,
    "lr": None,
    "vision_lr": None,
    "merger_lr": None,  # None: that of the vision tower, as released
    "epochs": None,
    "max_steps": None,  # beats epochs
    "global_batch": 128,  # packs of a step, over all processes
    "warmup": 0.03,  # share of the steps
    "weight_decay": 0.0,
    "loss_weight": "token",  # a key of losses.WEIGHTS
    "freeze": (),  # parts that do not learn, keys of parts.RATES
    "lora": 0,  # rank of adapters; 0: none
    "dtype": None,  # bfloat16 or float32; None: by device
    "gradient_checkpointing": False,
    "seed": 0,
    "exact_pixels": False,  # pictures prepared by transformers' own processor
    "workers": 1,  # processes that prepare images ahead, for each rank
    "save_every": 100,  # steps from one checkpoint to the next; 0: none
    "keep": 2,  # checkpoints that stay
    "eval": (),  # files of packs that nothing is learnt from
    "eval_every": 0,  # steps; 0: at the end
    "track": (),  # keys of logs.TRACKERS
    "progress": False,  # a live line on standard error
}
# Another value of these changes what is learnt: a run goes on with what it began with.
FIXED = (
    "digests", "stage", "lr", "vision_lr", "merger_lr", "epochs", "max_steps", "global_batch", "warmup",
    "weight_decay", "loss_weight", "freeze", "lora", "gradient_checkpointing", "seed", "exact_pixels",
)  # fmt: skip
SHARDED = ("processes", "zero", "dtype")  # and these how the optimizer's state is cut


def write_run(
    output: str,
    *,
    packs: Sequence[str],
    model: str,
    resume: bool = False,
    weights_only: bool = False,
    argv: Sequence[str] = (),
    **options: Any,
) -> Path:
    """Make the run folder `output` and write run.json, all that a rank needs to know; returns its path.

    `options` are those of OPTIONS; `argv` is kept for the reader. With `resume` the run in the folder goes on after
    its last whole checkpoint, or begins if there is none; with `weights_only` its weights and its place in the data
    are all that is taken up. Raises UsageError for an option that cannot be or that the run was not begun with, and
    DataError when the model or a pack file is missing or the folder holds what this run would overwrite.
    """
    if unknown := options.keys() - OPTIONS.keys():
        raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
    run: dict[str, Any] = {"command": shlex.join(argv), "model": str(model), "packs": [str(name) for name in packs]}
    run |= OPTIONS | options
    run |= {name: [str(value) for value in run[name]] for name in ("freeze", "eval", "track")}
    _check_options(run)
    if weights_only and not resume:
        raise UsageError("--weights-only: goes with --resume")
    preset = STAGES[run["stage"]]
    run |= {name: value for name, value in preset.items() if run[name] is None}
    run["merger_lr"] = run["vision_lr"] if run["merger_lr"] is None else run["merger_lr"]
    check(model)
    for name in (*packs, *run["eval"]):
        if not Path(name).is_file():
            raise DataError(f"{name}: no such file")
    folder = Path(output)
    begun = _begun(folder, resume)
    run["digests"] = {"model": _digest(Path(model) / "config.json"), "packs": [_digest(Path(name)) for name in packs]}
    run["eval_digests"] = [_digest(Path(name)) for name in run["eval"]]
    run["id"] = begun.get("id") or digest(folder.resolve(), run["digests"])
    run["resume"] = _resumed(folder, begun, run, weights_only) if resume else None
    run["versions"] = {name: _version(name) for name in ("vstkit", "torch", "transformers", "deepspeed", "numpy")}
    run["versions"]["python"] = platform.python_version()
    run["git"] = _revision()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.json"
    part = path.with_name(".run.json.part")
    part.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def finished(output: str) -> bool:
    """Whether the run in a folder has come to its end: the model's configuration is the last file that it writes."""
    return (Path(output) / "config.json").is_file()


def _check_options(run: Mapping[str, Any]) -> None:
    known = {
        "stage": STAGES, "zero": (0, 1, 2, 3), "loss_weight": WEIGHTS, "freeze": RATES, "track": TRACKERS,
        "dtype": (None, "bfloat16", "float32"),
    }  # fmt: skip
    for name, values in known.items():
        given = run[name] if isinstance(run[name], list) else [run[name]]
        for value in given:
            if value not in values:
                listed = ", ".join(str(value) for value in values if value is not None)
                raise UsageError(f"--{name.replace('_', '-')}: expected one of {listed}, got {value}")
    if set(run["freeze"]) == set(RATES):
        raise UsageError("--freeze: nothing is left to learn")
    for name in run["track"]:
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"--track: {name} is not installed")


def _begun(folder: Path, resume: bool) -> dict[str, Any]:
    """The run.json of the run that the folder holds, or nothing."""
    if finished(str(folder)):
        raise DataError(f"{folder}: already holds a trained model: choose another folder or remove it")
    if not resume:
        if any((folder / checkpoints.FOLDER).glob("step-*")):
            raise DataError(f"{folder}: holds checkpoints of a run: --resume goes on with it, or choose another folder")
        return {}
    try:
        return dict(json.loads((folder / "run.json").read_bytes()))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{folder}/run.json: expected a JSON object: {error}") from error


def _resumed(folder: Path, begun: Mapping[str, Any], run: Mapping[str, Any], weights_only: bool) -> Run | None:
    """What a rank takes up: the folder of a checkpoint, its step, and whether it is the weights only."""
    say = logging.getLogger("vstkit")
    found = checkpoints.newest(folder, say.warning)
    if found is None:
        say.warning("%s: no checkpoint to go on from: the run begins", folder)
        return None
    for name in FIXED:
        if begun and (had := begun.get(name, OPTIONS.get(name))) != run[name]:
            told = f": the run has {had}, not {run[name]}" if name != "digests" else " differ from the run's"
            raise UsageError(f"--resume: {'packs or model' if name == 'digests' else name}{told}")
    for name in SHARDED:
        if not weights_only and found.about[name] != run[name]:
            told = f"the checkpoint has {found.about[name]}, not {run[name]}"
            raise UsageError(f"--resume: {name}: {told}: --weights-only leaves the optimizer's state behind")
    say.info("going on after step %d", found.about["step"])
    return {"checkpoint": str(found.path), "step": found.about["step"], "weights_only": weights_only}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"  # vstkit: a checkout on PYTHONPATH


def _revision() -> str | None:
    """The commit of the checkout that vstkit runs from, with + where files differ from it; None if it is none."""
    source = Path(vstkit.__file__).parent
    git = ["git", "-C", str(source)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout else "")
