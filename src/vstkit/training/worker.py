"""One process of a supervised training run: `python -m vstkit.training.worker RUN/run.json`.

The launcher starts one on every device; without a launcher the run has this one. The run folder receives
log.jsonl, a line a step, and in the end the trained model.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson
import torch

from vstkit.errors import DataError, VstkitError
from vstkit.models import loading
from vstkit.models.chat import Chat
from vstkit.training import attention, data
from vstkit.training.launch import die_with_parent

Run = dict[str, Any]
Plan = list[tuple[int, list[int]]]  # epoch and pack numbers of each step

# What makes the tokens and the images, copied beside the weights as it is.
MODEL_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
)


def main(argv: list[str]) -> int:
    """Train as argv[1], a run.json, says; returns the exit status, having said on standard error what went wrong."""
    if "RANK" in os.environ:  # by hand, the parent is a shell that may go
        die_with_parent()
    # DeepSpeed calls what torch will rename; a user can do nothing about it.
    warnings.simplefilter("ignore", FutureWarning)
    _alone_by_default()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    folder = Path(argv[1]).parent
    run = json.loads(Path(argv[1]).read_bytes())
    try:
        chat = Chat(run["model"])
        packs = data.Packs(run["packs"], chat.fingerprint)
    except VstkitError as error:
        if rank == 0:  # the others find the same
            sys.stderr.write(f"vstkit sft: {error}\n")
        return error.status
    try:
        train(run, folder, chat, packs, rank, world)
    except VstkitError as error:
        sys.stderr.write(f"vstkit sft: {error}\n")
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


def train(run: Run, folder: Path, chat: Chat, packs: data.Packs, rank: int, world: int) -> None:
    """All steps of a run, and the model saved. Raises DataError for a bad pack and a loss that is not finite."""
    plan = planned(run, len(packs))
    # Packs that one process sees in a step; there is no use in more places than packs.
    size = math.ceil(min(run["global_batch"], len(packs)) / world)
    numbers = list(chain.from_iterable(data.share(step, rank, world, size) for _, step in plan))
    pixels = data.Pixels(chat.folder, run["root"])
    stream = data.batches(
        packs, numbers, lambda pack: data.collate(pack, chat, pixels, run["root"]), workers=run["workers"]
    )
    torch.manual_seed(run["seed"])
    engine = _engine(run, size)
    log = (folder / "log.jsonl").open("wb") if rank == 0 else None
    clock = time.perf_counter()
    for number, (epoch, step) in enumerate(plan):
        share = learning_rate(number, len(plan), run["warmup"])
        for group, peak in zip(engine.optimizer.param_groups, (run["lr"], run["vision_lr"]), strict=True):
            group["lr"] = peak * share
        loss = _step(engine, stream, size, sum(packs.targets[i] for i in step), world)
        if not math.isfinite(loss):
            raise DataError(f"step {number + 1}: expected a finite loss, got {loss}: try a lower --lr")
        if log:
            now = time.perf_counter()
            tokens = sum(packs.lengths[i] for i in step)
            entry = {
                "step": number + 1,
                "epoch": epoch + 1,
                "loss": loss,
                "lr": run["lr"] * share,
                "vision_lr": run["vision_lr"] * share,
                "grad_norm": float(engine.get_global_grad_norm()),
                "tokens": tokens,
                "tokens_per_s": round(tokens / (now - clock), 1),
                "seconds": round(now - clock, 4),
            }
            clock = now
            log.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
            log.flush()
            if run["progress"]:
                _show(entry, len(plan))
    _save(engine, run, folder, chat, rank)


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


def _engine(run: Run, size: int) -> Any:
    """The model on its device, in the hands of DeepSpeed."""
    cuda = torch.cuda.is_available() and os.environ.get("DS_ACCELERATOR") != "cpu"
    if not cuda:
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed
    import deepspeed.ops
    from transformers.integrations import HfDeepSpeedConfig

    if cuda:
        _take_device()
    else:
        # Shared-memory collectives would be compiled now: half a minute, and a compiler that may not be there.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("nccl" if cuda else "gloo")
    dtype = run["dtype"] or ("bfloat16" if cuda else "float32")
    settings = {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": size,
        "gradient_clipping": 1.0,
        "bf16": {"enabled": dtype == "bfloat16"},
        # In bfloat16 the small gradients of many packs would be lost in their sum.
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": {"stage": run["zero"]},
        "zero_allow_untested_optimizer": True,
    }
    # While this object lives, transformers loads the weights in parts, one to a process.
    partitioned = HfDeepSpeedConfig(settings) if run["zero"] == 3 else None
    model = loading.load(run["model"], device="cpu", dtype=dtype, attention=attention.register())
    del partitioned
    if run["gradient_checkpointing"]:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    groups: dict[bool, list[Any]] = {False: [], True: []}
    for name, parameter in model.named_parameters():
        groups["visual" in name].append(parameter)  # the merger too, as in the VST authors' code
    optimizer = torch.optim.AdamW([{"params": groups[False]}, {"params": groups[True]}], weight_decay=0.0)
    return deepspeed.initialize(model=model.train(), optimizer=optimizer, config=settings)[0]


def _step(engine: Any, stream: Iterator[data.Batch], size: int, targets: int, world: int) -> float:
    """One optimizer step over `size` packs in each process; returns the mean loss of the step's `targets` tokens.

    Every token counts alike, in whichever pack and process: DeepSpeed takes means over packs and processes, so
    their sums are given to it times what it divides by.
    """
    total = torch.zeros((), device=engine.device)
    for _ in range(size):
        loss = loss_sum(engine, next(stream), engine.device)
        engine.backward(loss * (size * world / max(targets, 1)))
        engine.step()
        total += loss.detach()
    torch.distributed.all_reduce(total)
    return float(total) / max(targets, 1)


def loss_sum(model: Callable[..., Any], batch: data.Batch, device: Any = "cpu") -> torch.Tensor:
    """Cross entropy in nats, summed over the trained tokens of a batch of `data.collate`.

    Logits are made only where a trained token is to be predicted: at Qwen's 150,000 words, those of a whole pack
    would take gigabytes. No cache: with one, transformers takes a pack for a single text.
    """
    labels = torch.from_numpy(batch["labels"][0, 1:])
    # A pack without any keeps one ignored place, so that its gradients are zeros and not missing.
    places = (labels != data.IGNORED).nonzero()[:, 0] if (labels != data.IGNORED).any() else torch.tensor([0])
    inputs = {name: torch.from_numpy(array).to(device) for name, array in batch.items() if name != "labels"}
    logits = model(**inputs, use_cache=False, logits_to_keep=places.to(device)).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), labels[places].to(device), reduction="sum")


def _save(engine: Any, run: Run, folder: Path, chat: Chat, rank: int) -> None:
    """Write the model into the run folder: beside it first, then renamed, config.json last."""
    import deepspeed

    weights = {}
    for name, parameter in engine.module.named_parameters():
        with deepspeed.zero.GatheredParameters([parameter], enabled=run["zero"] == 3):
            if rank == 0:
                weights[name] = parameter.detach().cpu().clone()
    if rank == 0:
        temporary = folder / ".model"
        shutil.rmtree(temporary, ignore_errors=True)
        engine.module.save_pretrained(temporary, state_dict=weights)
        for name in MODEL_FILES:
            if (chat.folder / name).is_file():
                shutil.copyfile(chat.folder / name, temporary / name)
        for path in sorted(temporary.iterdir(), key=lambda path: path.name == "config.json"):
            path.replace(folder / path.name)
        temporary.rmdir()
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _show(entry: dict[str, Any], steps: int) -> None:
    """One line on the terminal, overwritten by the next step's."""
    end = "\n" if entry["step"] == steps else ""
    sys.stderr.write(f"\rstep {entry['step']}/{steps}  loss {entry['loss']:.4f}  {entry['tokens_per_s']} tok/s{end}")
    sys.stderr.flush()


def _alone_by_default() -> None:
    """Without a launcher: a world of one process, at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in alone.items():
        os.environ.setdefault(name, str(value))


def _take_device() -> None:
    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise DataError(f"process {local + 1} on this machine has no GPU: there are {torch.cuda.device_count()}")
    torch.cuda.set_device(local)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
