"""Describe where things are in a picture.

DESCRIPTION
    For each view accounts of four to eight objects in 4 to 20 sentences of plain prose: which is nearest, at which
    depth, what is farther back, left, right, behind, above, on, inside or next to what, what stands in a row, around or
    between others, and how far things are apart. There is one task, caption.

    Objects are referred to by numbered points (point) or boxes (box) that are marked on the picture, as "chair (orange
    point-2)", or by their label, where it fits no other object in view (text); there are no other --forms.

    What is told follows from the boxes alone, by the margins that vstkit keeps for every relation: a pair that one
    could argue about is not told of. Of all that holds the account has what tells most: nothing that a line, a row or
    two other relations say already. Depth is that of a box's centre along the viewing direction, distance that between
    closest points; numbers are told only of objects that are seen from end to end.

    The words are by default those of templates. With --teacher a model behind an OpenAI-compatible server (vLLM,
    SGLang, llama.cpp, transformers serve, OpenAI) writes them instead: it gets the picture with its marks, the objects
    with sizes and places, their relations and distances, and the rules. OPENAI_API_KEY is sent where it is set.
    Each of its captions is checked: that it has 4 to 20 sentences of plain text, names every object and no other, tells
    every relation and more than 70 % of the distances, that its numbers are right for what is named beside them, and
    that it claims nothing in simple words that the places of the objects deny. A caption that fails goes back once,
    with what is wrong; what fails again is counted, and written to --rejects with the reasons. An id does not depend on
    who wrote the caption.

INPUT
    Scene records with 3D boxes, in metres; evidence (vstkit-evidence(1)) is used where it is present. Streams.

OUTPUT
    Sample records, with -k each scene after its samples. The answer is a text. Their meta has the objects with names,
    centres, sizes and depths (values), the relations, groups and distances that are told, and the writer: "template",
    or the model's name.

EXAMPLES
    Captions, to be read:

        vstkit gen-caption -q scenes.jsonl | jq -r .answer.value

    By a model, with what it costs at 0.20 a million tokens in and 0.60 out; if it is stopped, the same line goes on:

        vstkit gen-caption --teacher http://localhost:8000 --price 0.2,0.6 --resume -o captions.jsonl \\
            --rejects bad.jsonl scenes.jsonl

SEE ALSO
    vstkit-gen-depth(1), vstkit-gen-distance(1), vstkit-evidence(1), vstkit-records(5)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from vstkit.errors import UsageError

from . import _generating
from . import _options as options


@_generating.generator("caption")
def command(
    forms: options.Forms = "point,text",
    teacher: Annotated[
        str | None, typer.Option("--teacher", metavar="URL", help="Server of a model that writes the captions.")
    ] = None,
    teacher_model: Annotated[
        str | None, typer.Option("--teacher-model", metavar="NAME", help="Its model; the first it names if not given.")
    ] = None,
    concurrency: options.Concurrency = 8,
    timeout: options.Timeout = 120.0,
    price: options.Price = None,
    resume: options.Resume = False,
) -> _generating.Own:
    """Describe where things are in a picture."""
    from vstkit.tasks.caption import check_forms

    own = {"forms": check_forms([name.strip() for name in forms.split(",") if name.strip()])}
    prices = options.prices(price)
    if teacher is None:
        if resume or teacher_model or prices:
            raise UsageError("--resume, --teacher-model and --price: expected --teacher URL with them")
        return own

    def write(records: Iterator[dict[str, Any]], stream: Any, root: str) -> None:
        from vstkit.tasks.captions import teacher as writer
        from vstkit.teacher import first_model

        totals = writer.rewrite(
            records,
            write=stream.write,
            reject=stream.reject,
            tally=stream.tally,
            done=stream.done,
            url=teacher,
            model=teacher_model or first_model(teacher),
            concurrency=concurrency,
            timeout=timeout,
            root=root,
        )
        logging.getLogger("vstkit").info("%s", totals.summary(prices))

    return _generating.Rewritten(own, write, resume)
