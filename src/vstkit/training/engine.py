"""A model in the hands of DeepSpeed: made, stepped, written and read back."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from pathlib import Path
from typing import Any

from vstkit.errors import DataError
from vstkit.models import loading
from vstkit.models.chat import Chat
from vstkit.training import attention, lora, parts

Run = dict[str, Any]

CLIP = 1.0  # the largest norm of a step's gradient
STATE, MODEL = "state", "model"  # folders of a checkpoint: DeepSpeed's shards, and the model as it is then

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


def build(run: Run, size: int, source: str) -> Any:
    """The model in the folder `source` on its device, wrapped by DeepSpeed; `size` packs a step in each process.

    ZeRO 1 to 3 split optimizer state, gradients and weights between the processes. At stage 0 every process holds
    everything, weights in float32 under torch's autocast: DeepSpeed has no optimizer of its own there.
    """
    import torch

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
        "gradient_clipping": CLIP if run["zero"] else 0.0,
        "bf16": {"enabled": dtype == "bfloat16" and run["zero"] > 0},
        # In bfloat16 the small gradients of many packs would be lost in their sum.
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": {"stage": run["zero"]},
        "zero_allow_untested_optimizer": True,
    }
    # While this object lives, transformers loads the weights in parts, one to a process.
    partitioned = HfDeepSpeedConfig(settings) if run["zero"] == 3 else None
    held = dtype if run["zero"] else "float32"
    model = loading.load(source, device="cpu", dtype=held, attention=attention.register())
    del partitioned
    if run["lora"]:
        lora.adapt(model, run["lora"], lambda name: parts.part_of(name) not in run["freeze"])
    parts.freeze(model, run["freeze"])
    if run["gradient_checkpointing"]:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(parts.groups(model, run["weight_decay"]))
    engine = deepspeed.initialize(model=model.train(), optimizer=optimizer, config=settings)[0]
    engine.vstkit_dtype = getattr(torch, dtype)
    return engine


def forward(engine: Any, **inputs: Any) -> Any:
    """The model's output, computed in the run's numbers."""
    import torch

    mixed = engine.zero_optimization_stage() == 0 and engine.vstkit_dtype != torch.float32
    with torch.autocast(engine.device.type, dtype=engine.vstkit_dtype, enabled=mixed):
        return engine(**inputs)


def step(engine: Any, weight: float, world: int) -> float:
    """Divide the gradients that `backward` has summed by `weight`, clip them and apply them; returns their norm.

    What a step is to be divided by is only known after its last pack, when DeepSpeed has already taken the mean over
    the processes: its loss scale, which it divides by before it clips, is where the rest goes.
    """
    import torch

    divisor = (weight or 1.0) / world
    optimizer = engine.optimizer
    if not engine.zero_optimization_stage():
        learning = [parameter for parameter in engine.module.parameters() if parameter.grad is not None]
        for parameter in learning:
            parameter.grad.div_(divisor)
        norm = float(torch.nn.utils.clip_grad_norm_(learning, CLIP))
        if math.isfinite(norm):  # as the other stages do
            engine.step()
        return norm
    if hasattr(optimizer, "loss_scale"):
        optimizer.loss_scale = divisor
        engine.step()
        optimizer.loss_scale = 1.0
    else:  # stage 1 in bfloat16 has an optimizer without a loss scale
        for gradient in optimizer.get_grads_for_norm(for_clipping=True):
            gradient.div_(divisor)
        engine.step()
    return float(engine.get_global_grad_norm())


def save(engine: Any, run: Run, folder: Path, chat: Chat, rank: int) -> None:
    """All that the run needs to go on exactly, and the model as it is, in a folder that all processes see."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    engine.save_checkpoint(str(folder), tag=STATE, save_latest=False)
    random = {"cpu": torch.get_rng_state()}
    if engine.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state()
    torch.save(random, folder / f"random-{rank}.pt")
    save_model(engine, run, folder / MODEL, chat, rank)


def load(engine: Any, folder: Path, rank: int) -> None:
    """Bring back what `save` wrote, into an engine of the same run on as many processes."""
    import torch

    path, _ = engine.load_checkpoint(str(folder), tag=STATE)
    if path is None:
        raise DataError(f"{folder}: DeepSpeed finds no checkpoint in it")
    random = torch.load(folder / f"random-{rank}.pt", weights_only=True)
    torch.set_rng_state(random["cpu"])
    if "cuda" in random and engine.device.type == "cuda":
        torch.cuda.set_rng_state(random["cuda"])


def save_model(engine: Any, run: Run, folder: Path, chat: Chat, rank: int) -> None:
    """Write the model into `folder`, whole, as transformers loads it, with what makes its tokens and images."""
    import deepspeed
    import torch

    weights = {}
    for name, parameter in engine.module.named_parameters():
        with deepspeed.zero.GatheredParameters([parameter], enabled=run["zero"] == 3):
            if rank == 0:
                weights[name] = parameter.detach().to("cpu", engine.vstkit_dtype, copy=True)
    if rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
        engine.module.save_pretrained(folder, state_dict=lora.merged(weights))
        _say_dtype(folder / "config.json", engine.vstkit_dtype)
        for name in MODEL_FILES:
            if (chat.folder / name).is_file():
                shutil.copyfile(chat.folder / name, folder / name)
    torch.distributed.barrier()


def _say_dtype(path: Path, dtype: Any) -> None:
    """Put the type of the weights that are written, not of those that were held, into a configuration."""
    config = json.loads(path.read_bytes())
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        if "dtype" in part:
            part["dtype"] = str(dtype).removeprefix("torch.")
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def written_by(path: Path, rank: int) -> bool:
    """Whether the process with this rank wrote a file of `save`."""
    match = re.match(r"(?:.*zero_pp_rank_|random-)(\d+)", path.name)
    return int(match[1] if match else 0) == rank


def _take_device() -> None:
    import torch

    local = int(os.environ["LOCAL_RANK"])
    if local >= torch.cuda.device_count():
        raise DataError(f"process {local + 1} on this machine has no GPU: there are {torch.cuda.device_count()}")
    torch.cuda.set_device(local)
