"""Ask a model all questions of samples, here or on a server.

DESCRIPTION
    Asks a vision-language model each sample's question, and writes the sample with its response. The right answer is
    not shown to the model, and is carried along for vstkit-score(1).

    Of a conversation of several turns each is asked, with the true turns before it: ID/turn-1, ID/turn-2 and so on,
    each with the pictures that are shown until then and its own of a list of answers.

    Answers are the most likely tokens unless --temperature says otherwise. With --samples N each question is answered N
    times: ID/draw-1 to ID/draw-N, whose draw is the number.

    --think puts the system prompt for thinking of Visual Spatial Tuning (section A.2) before a sample that has none of
    its own, and keeps apart what the model thinks (thought) and what it says (response). Without it the response is
    all that the model writes; what a server splits off is a thought with and without it.

    Here, --model DIR answers in batches of like lengths, of at most --batch-tokens tokens in all, while the next
    pictures are made ready. An answer does not depend on what else is asked, but for roundings of the model's numbers;
    at a temperature each has random choices of its own, from --seed and its id. On a GPU the model runs in bfloat16,
    with FlashAttention where flash_attn is installed; on a CPU in float32. A batch that is too large for the memory is
    halved.

    --server URL asks any OpenAI-compatible server instead (vLLM, SGLang, llama.cpp, transformers serve, OpenAI), up to
    --concurrency requests at once. What fails and may pass is tried again with growing waits. --model is then the name
    that the server has for its model, by default the first it names; where that is a folder here, pictures are sent at
    the size that the model sees. OPENAI_API_KEY is sent where it is set. Two servers, and what asks them:

        vllm serve DIR --limit-mm-per-prompt '{"image": 32}'
        python -m sglang.launch_server --model-path DIR --port 8000
        vstkit ask --server http://localhost:8000 samples.jsonl

    Of a video with more than --max-frames as many are taken, spread evenly from the first to the last.

    A question that cannot be answered is said, counted, and written to --rejects with the reason; the others go on.
    Only a run that answers nothing fails.

    With --resume and -o FILE a run that was stopped is gone on with: what FILE has, or its beginning has, is not asked
    again. What failed is, and its answers come behind the others.

INPUT
    Sample records. Streams; some are read ahead of the answers. Records of other kinds are passed on at once.

OUTPUT
    Prediction records, in order: the sample with response, and where there are any thought, draw, and cut, which is
    true of a response that ended at --max-new-tokens. At the end a line says how much was asked, failed and made, how
    fast, and with --price at which cost.

EXAMPLES
    Score a model:

        vstkit ask --model runs/sft samples.jsonl | vstkit score --suite spatial

    Eight thoughts about each question, on a server, in a run that may be stopped:

        vstkit ask --server http://localhost:8000 --think --samples 8 --temperature 1 --resume -o thoughts.jsonl \\
            --rejects failed.jsonl samples.jsonl

SEE ALSO
    vstkit-detect3d(1), vstkit-score(1), vstkit-reward(1), vstkit-records(5)
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from vstkit.errors import UsageError

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="DIR", help="Folder of the model (VSTKIT_MODEL), or its name on the server."),
    ] = None,
    server: Annotated[str | None, typer.Option("--server", metavar="URL", help="Ask this server instead.")] = None,
    think: Annotated[
        bool, typer.Option("--think", help="Ask to think first, and keep thought and response apart.")
    ] = False,
    samples: Annotated[int, typer.Option("--samples", metavar="N", min=1, help="Answers to each question.")] = 1,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", min=0, help="0: the most likely tokens; above: drawn ones.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option("--top-p", metavar="P", min=0, max=1, help="Draw from the likeliest that hold this share.")
    ] = 1.0,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", metavar="N", min=1, help="Longest answer; a longer one is cut.")
    ] = 2048,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", metavar="N", min=1, help="Make larger pictures as small as this.")
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", metavar="N", min=1, help="Most frames of a video.")
    ] = None,
    batch_tokens: Annotated[
        int,
        typer.Option("--batch-tokens", metavar="N", min=1, help="Tokens of a batch here, with padding and answers."),
    ] = 65536,
    concurrency: options.Concurrency = 8,
    timeout: options.Timeout = 120.0,
    price: options.Price = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Send pictures as PNG; as JPEG of quality 95 if not given.")
    ] = False,
    resume: options.Resume = False,
    root: options.Root = ".",
    seed: options.Seed = 0,
) -> None:
    """Ask a model all questions of samples, here or on a server."""
    from functools import partial

    from vstkit.answering import server as remote
    from vstkit.answering.questions import picture_rule, questions
    from vstkit.answering.running import answer
    from vstkit.models.sampling import Sampling
    from vstkit.teacher import first_model

    prices = options.prices(price)
    if samples > 1 and not temperature:
        raise UsageError("--samples: expected a --temperature above 0, without which all answers are the same")
    if server:
        model = model or first_model(server)
        body = {"max_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p if top_p < 1 else None}
        body |= {"seed": seed if temperature else None, "n": samples if samples > 1 else None}
        settings: dict[str, Any] = {"concurrency": concurrency, "timeout": timeout, "lossless": lossless, "root": root}
        engine: Any = partial(remote.answers, url=server, model=model, options=body, **settings)
    else:
        if prices or lossless:
            raise UsageError("--price and --lossless: expected --server URL with them")
        model = model or os.environ.get("VSTKIT_MODEL")
        if not model:
            raise UsageError("expected --model DIR or --server URL, got neither")
        engine = _local(model)(root, max_new_tokens, batch_tokens, samples, Sampling(temperature, top_p, seed))
    rule = picture_rule(model, max_pixels) if server or max_pixels else None
    work = partial(questions, think=think, max_frames=max_frames, rule=rule, root=root)
    log = logging.getLogger("vstkit")
    seen = sys.stderr.isatty() and log.isEnabledFor(logging.INFO)
    with stream(quiet=True, **({"resume": True} if resume else {})) as held, _progress(seen) as watch:

        def reject(record: dict[str, Any], error: str) -> None:
            log.error("%s: %s", record["id"], error)
            held.reject(record, error)

        # A run that is gone on with has records of other kinds already, so it looks at all.
        found = held.results(work, kinds=None if resume else ("sample",))
        sums = answer(
            found,
            engine,
            write=held.write,
            reject=reject,
            tally=held.tally,
            done=held.done,
            draws=samples,
            think=think,
            watch=watch,
        )
    if sums.requests:
        log.info("%s; %s; %d answers cut", sums.summary(prices), sums.rates(), held.tally["cut"])


@contextmanager
def _progress(seen: bool) -> Iterator[Callable[[Any], None]]:
    """What is told about every answer."""
    if not seen:
        yield lambda sums: None
        return
    from vstkit.answering.progress import Progress

    with Progress() as progress:
        yield progress.show


def _local(folder: str) -> Callable[..., Any]:
    """The engine that runs the model of a folder, which is loaded at the first question."""
    from functools import partial

    from vstkit.answering.local import Local, load
    from vstkit.models import loading
    from vstkit.models.chat import Chat

    loading.check(folder)
    return partial(Local, partial(load, folder), Chat(folder))
