"""Tune a model on packs, through DeepSpeed.

DESCRIPTION
    Builds the command line of the DeepSpeed launcher, which starts one process for each GPU (or CPU process), and
    runs it; --dry-run only prints it. The samples of a pack do not see each other, the loss is the mean over all
    trained tokens of a step whatever packs and processes they are on, and the vision tower learns at a rate of its
    own, the merger behind it too.

    --stage gives the learning rates and epochs of the two supervised stages of the VST paper (tables 15 and 16): sft
    5e-5, vision 5e-6, 1 epoch; coldstart 1e-5, vision 1e-6, 2 epochs. Both take 128 packs a step, a cosine after a
    linear rise over 0.03 of the steps, and no weight decay. Options that are given beat the stage.

    --loss-weight says how samples of different lengths are weighed: token counts every trained token alike, as in
    equation 1 of the paper; micro-mean every pack, as the authors' released code; sample every sample; sqrt every
    sample by the root of its trained tokens.

    --zero 1, 2 and 3 split the optimizer's state, the gradients and the weights between the processes. At 0 each holds
    all of it, and bfloat16 is computed from float32 weights. --lora tunes adapters of that rank on the linear layers
    of what is not frozen; the model that is written has them merged.

    Every --save-every steps a checkpoint is written: whole or not at all, whenever the power fails. After any end of
    the run, the same command with --resume goes on at the sample where the last whole checkpoint was made, and ends in
    the same model, bit for bit, as if nothing had been. Learning rates, data and seed have to be those of the run. A
    checkpoint belongs to a number of processes; --weights-only takes up the weights and the place in the data alone,
    for any number. Each has a folder `model`, which loads with from_pretrained.

    --hostfile names machines as DeepSpeed does, a line `NAME slots=N` each; other machines are reached over pdsh and
    ssh, and have to see the same folders. What the launcher has started ends when it ends, and when vstkit does.

INPUT
    Files of pack records, made by vstkit-pack(1) for this model; packs of another are refused.

OUTPUT
    A folder: run.json (all options, versions, digests of the data), log.jsonl, checkpoints, and when the run is whole
    the model with its tokenizer, chat template and image rule, which loads with from_pretrained.

    A line of log.jsonl is a step: loss, tasks (the loss by task), lr, vision_lr, merger_lr, grad_norm, tokens, trained
    tokens, samples, tokens and samples a second, fill (share of the room for tokens that is used), mfu on GPUs that
    are known, wait (share of the time spent waiting for data), memory_gib (most of any process), seconds. After
    --eval there are lines with eval_loss and eval_tasks too.

EXAMPLES
    The paper's first stage, on eight GPUs:

        vstkit sft packs.jsonl --model Qwen2.5-VL-3B-Instruct -o runs/sft --gpus 8

    The second, out of it, the same line starting it and going on with it:

        vstkit sft cot.jsonl --model runs/sft -o runs/cot --stage coldstart --gpus 8 --resume

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
    stage: Annotated[
        Literal["sft", "coldstart"], typer.Option("--stage", help="Stage of the paper whose rates and epochs to take.")
    ] = "sft",
    lr: Annotated[
        float | None,
        typer.Option("--lr", metavar="RATE", min=0, help="Peak learning rate; 5e-5 or 1e-5 by stage, if not given."),
    ] = None,
    vision_lr: Annotated[
        float | None,
        typer.Option("--vision-lr", metavar="RATE", min=0, help="That of the vision tower; 5e-6 or 1e-6 by stage."),
    ] = None,
    merger_lr: Annotated[
        float | None,
        typer.Option("--merger-lr", metavar="RATE", min=0, help="That of the merger; the vision tower's."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", min=1, help="Passes over the packs; 1 or 2 by stage.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", metavar="N", min=1, help="Stop after this many steps; beats --epochs.")
    ] = None,
    global_batch: Annotated[
        int, typer.Option("--global-batch", metavar="PACKS", min=1, help="Packs of one step, over all processes.")
    ] = 128,
    warmup: Annotated[
        float, typer.Option("--warmup", metavar="SHARE", min=0, max=1, help="Share of the steps in which rates rise.")
    ] = 0.03,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", metavar="RATE", min=0, help="AdamW's, of matrices.")
    ] = 0.0,
    loss_weight: Annotated[
        Literal["token", "micro-mean", "sample", "sqrt"], typer.Option("--loss-weight", help="What counts alike.")
    ] = "token",
    freeze: Annotated[
        list[str] | None,
        typer.Option("--freeze", metavar="PART", help="vision, merger or llm does not learn; may be given again."),
    ] = None,
    lora: Annotated[int, typer.Option("--lora", metavar="RANK", min=0, help="Tune adapters of this rank.")] = 0,
    zero: Annotated[int, typer.Option("--zero", metavar="STAGE", min=0, max=3, help="ZeRO stage.")] = 2,
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
    exact_pixels: Annotated[
        bool, typer.Option("--exact-pixels", help="Prepare pictures by transformers' own processor, which is slow.")
    ] = False,
    save_every: Annotated[
        int, typer.Option("--save-every", metavar="N", min=0, help="Steps from checkpoint to checkpoint; 0: none.")
    ] = 100,
    keep: Annotated[int, typer.Option("--keep", metavar="N", min=1, help="Checkpoints that stay.")] = 2,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last whole checkpoint; begin where there is none.")
    ] = False,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="With --resume: not the optimizer's state, so on any processes.")
    ] = False,
    evaluation: Annotated[
        list[str] | None,
        typer.Option("--eval", metavar="FILE", help="Packs to evaluate and not to learn from; may be given again."),
    ] = None,
    eval_every: Annotated[
        int, typer.Option("--eval-every", metavar="N", min=0, help="Steps between evaluations; 0: at the end only.")
    ] = 0,
    plot: Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw the numbers as a picture.")] = None,
    track: Annotated[
        list[str] | None,
        typer.Option("--track", metavar="NAME", help="Tell tensorboard or wandb too, where it is installed."),
    ] = None,
    root: options.Root = ".",
    seed: options.Seed = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the launcher's command line and stop.")] = False,
) -> None:
    """Tune a model on packs, through DeepSpeed."""
    import shlex

    from vstkit.errors import DataError
    from vstkit.training import launch, runs

    argv, env = launch.command(output, processes=gpus, hostfile=hostfile)
    if dry_run:
        typer.echo(" ".join([*(f"{name}={shlex.quote(value)}" for name, value in env.items()), shlex.join(argv)]))
        return
    runs.write_run(
        output,
        packs=packs,
        model=model,
        resume=resume,
        weights_only=weights_only,
        argv=["vstkit", *sys.argv[1:]],
        root=root,
        stage=stage,
        zero=zero,
        processes=sum(launch.hosts(hostfile).values()) if hostfile else gpus,
        lr=lr,
        vision_lr=vision_lr,
        merger_lr=merger_lr,
        epochs=epochs,
        max_steps=max_steps,
        global_batch=global_batch,
        warmup=warmup,
        weight_decay=weight_decay,
        loss_weight=loss_weight,
        freeze=freeze or (),
        lora=lora,
        dtype=dtype,
        gradient_checkpointing=gradient_checkpointing,
        seed=seed,
        exact_pixels=exact_pixels,
        workers=workers,
        save_every=save_every,
        keep=keep,
        eval=evaluation or (),
        eval_every=eval_every,
        track=track or (),
        progress=sys.stderr.isatty() and logging.getLogger("vstkit").isEnabledFor(logging.INFO),
    )
    status = launch.run(argv, env)
    if plot:
        _plot(output, plot)
    if status:
        if status == 128 + signal.SIGKILL:
            logging.getLogger("vstkit").error("a process of the run was killed (out of memory?): --resume goes on")
        raise typer.Exit(status)
    if not runs.finished(output):
        raise DataError(f"{output}: the launcher ended without an error and without a model")


def _plot(output: str, plot: str) -> None:
    from pathlib import Path

    from vstkit import images
    from vstkit.training import curves, logs

    if entries := logs.entries(Path(output)):
        images.save(curves.plot(entries), Path(plot))
