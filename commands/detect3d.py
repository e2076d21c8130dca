"""Find objects in a picture as 3D boxes.

DESCRIPTION
    Asks a vision-language model for the 3D boxes of --labels in each picture, one question a label, or one for all
    with --together. Boxes come back in camera axes (x right, y down, z forward), in metres and degrees, whatever the
    model writes; what is unusable in its answer is counted in the record, never fatal.

    Pictures are brought to one field of view first, as in training. A picture's own field of view is --hfov, else
    what its EXIF data say, else 60 degrees, which is said: then sizes may be off. Metric boxes hold for the original
    picture as well.

    Samples of task det3d are asked as they are, and their answers are carried along for vstkit-score(1).

INPUT
    Pictures named as FILE, scene records, or sample records of task det3d. Streams.

OUTPUT
    Prediction records, in order; a table when standard output is a terminal.

EXAMPLES
    One picture:

        vstkit detect3d img.jpg --model DIR --labels chair,table --hfov 69 --draw out.png

    How well does a model know its own training set?

        vstkit detect3d --model runs/sft det3d.jsonl | vstkit score

SEE ALSO
    vstkit-gen-det3d(1), vstkit-score(1)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    model: options.Model,
    labels: Annotated[
        str, typer.Option("--labels", metavar="A,B", help="What to look for in pictures and scenes.")
    ] = "",
    together: Annotated[bool, typer.Option("--together", help="Ask for all labels in one question.")] = False,
    hfov: options.Hfov = None,
    focal: options.Focal = None,
    draw: Annotated[
        str | None, typer.Option("--draw", metavar="FILE|DIR", help="Draw the boxes on the picture, or pictures.")
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", metavar="N", min=1, help="Longest answer; a longer one is cut.")
    ] = 2048,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Questions asked at once.")] = 8,
    root: options.Root = ".",
) -> None:
    """Find objects in a picture as 3D boxes."""
    from functools import cache, partial

    from vstkit import detecting
    from vstkit.geometry.cameras import DEFAULT_FOCAL
    from vstkit.models import loading
    from vstkit.models.chat import Chat
    from vstkit.models.generate import generate

    from . import _table

    asked = partial(
        detecting.questions,
        labels=[label.strip() for label in labels.split(",") if label.strip()],
        together=together,
        focal=focal or DEFAULT_FOCAL,
        root=root,
    )
    loading.check(model)
    chat = Chat(model)
    loaded = cache(partial(loading.load, model))  # at the first question: no input and bad input wait for nothing

    def ask(held: list[dict[str, Any]]) -> list[str]:
        return generate(loaded(), chat, held, root=root, max_new_tokens=max_new_tokens, batch=batch)

    with stream(convert=_command.pictures(root, hfov)) as records:
        questions = records.results(asked, kinds=("scene", "sample"))
        predictions = detecting.answered(questions, ask, batch)
        if draw:
            predictions = detecting.draw(predictions, draw, root)
        if not _table.wanted(records):
            for record in predictions:
                records.write(record)
            return
        rows = [row for record in predictions for row in _rows(record)]
        records.write_text(_table.text(("image", "label", *"xyz", "sx", "sy", "sz", "pitch", "yaw", "roll"), rows))


def _rows(record: dict[str, Any]) -> list[list[str]]:
    from vstkit.images import path_of

    name = path_of(record["images"][0])
    return [[name, b["label"], *(f"{v:.2f}" for v in b["box3d"])] for b in record["boxes3d"]]
