"""Tune a model on packs, through DeepSpeed.

DESCRIPTION
    Builds the command line of the DeepSpeed launcher, which starts one process for each GPU (or CPU process), and
    runs it; --dry-run only prints it. The samples of a pack do not see each other, the loss is the mean over all
    trained tokens of a step whatever packs and processes they are on, and the vision tower with its merger learns at
    a rate of its own.

    The output folder receives run.json (all options), log.jsonl (one line a step: loss, learning rates, gradient
    norm, tokens a second) and, when the run is whole, the model, which loads with from_pretrained.

INPUT
    Files of pack records, made by vstkit-pack(1) for this model; packs of another are refused.

OUTPUT
    A folder.

EXAMPLES
    The paper's first stage, on eight GPUs:

        vstkit sft packs.jsonl --model Qwen2.5-VL-3B-Instruct -o runs/sft --gpus 8

    What would run:

        vstkit sft packs.jsonl --model DIR -o runs/sft --dry-run

SEE ALSO
    vstkit-pack(1), vstkit-detect3d(1)
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import Annotated, Literal

import typer

from . import _command
from . import _options as options


@_command.saying
def command(
    packs: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of pack records.")],
    model: options.Model,
    output: Annotated[str, typer.Option("--output", "-o", metavar="DIR", help="Folder of the run and of the model.")],
    lr: Annotated[float, typer.Option("--lr", metavar="RATE", min=0, help="Peak learning rate.")] = 5e-5,
    vision_lr: Annotated[
        float, typer.Option("--vision-lr", metavar="RATE", min=0, help="That of the vision tower and its merger.")
    ] = 5e-6,
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="Passes over the packs.")] = 1,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", metavar="N", min=1, help="Stop after this many steps; beats --epochs.")
    ] = None,
    global_batch: Annotated[
        int, typer.Option("--global-batch", metavar="PACKS", min=1, help="Packs of one step, over all processes.")
    ] = 128,
    warmup: Annotated[
        float, typer.Option("--warmup", metavar="SHARE", min=0, max=1, help="Share of the steps in which rates rise.")
    ] = 0.03,
    zero: Annotated[int, typer.Option("--zero", metavar="STAGE", min=1, max=3, help="ZeRO stage.")] = 2,
    gpus: Annotated[int, typer.Option("--gpus", metavar="N", min=1, help="Processes on this machine.")] = 1,
    hostfile: Annotated[
        str | None, typer.Option("--hostfile", metavar="FILE", help="DeepSpeed hostfile, for several machines.")
    ] = None,
    dtype: Annotated[
        Literal["bfloat16", "float32"] | None,
        typer.Option("--dtype", help="Numbers to compute in: bfloat16 on a GPU, float32 elsewhere, if not given."),
    ] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory for a third more time.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes that read pictures ahead, for each GPU.")
    ] = 1,
    root: options.Root = ".",
    seed: options.Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the launcher's command line and stop.")] = False,
) -> None:
    """Tune a model on packs, through DeepSpeed."""
    import shlex

    from vstkit.training import launch

    argv, env = launch.command(output, processes=gpus, hostfile=hostfile)
    if dry_run:
        typer.echo(" ".join([*(f"{name}={shlex.quote(value)}" for name, value in env.items()), shlex.join(argv)]))
        return
    launch.write_run(
        output,
        packs=packs,
        model=model,
        root=root,
        zero=zero,
        lr=lr,
        vision_lr=vision_lr,
        epochs=epochs,
        max_steps=max_steps,
        global_batch=global_batch,
        warmup=warmup,
        dtype=dtype,
        gradient_checkpointing=gradient_checkpointing,
        workers=workers,
        seed=seed,
        progress=sys.stderr.isatty() and logging.getLogger("vstkit").isEnabledFor(logging.INFO),
        argv=["vstkit", *sys.argv[1:]],
    )
    if status := launch.run(argv, env):
        if status == 128 + signal.SIGKILL:
            logging.getLogger("vstkit").error("a process of the run was killed (out of memory?)")
        raise typer.Exit(status)
