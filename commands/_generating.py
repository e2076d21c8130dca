"""What every generator command does around its task: write samples, or explain one, then sum up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from vstkit.errors import DataError

Record = dict[str, Any]
Generate = Callable[..., Iterable[Record]]


def run(
    open_stream: Any,
    generate: Generate,
    explain: Callable[[Record, Record], str],
    *,
    keep: bool,
    report: str | None,
    sample_id: str | None,
) -> None:
    """Map `generate` over the scenes; with `sample_id`, write only `explain(sample, scene)` of that sample."""
    from vstkit.lineio import Output, encode
    from vstkit.tasks.common import summary

    with open_stream() as stream:
        if sample_id:
            texts = stream.results(partial(_explained, generate, explain, sample_id), kinds=("scene",))
            if (text := next(texts, None)) is None:
                raise DataError(f"no sample {sample_id!r} comes from this input with these options")
            stream.write_text(text)
            return
        stream.map(generate, kinds=("scene",), keep=keep)
    logging.getLogger("vstkit").info("%s", summary(stream.tally))
    if report:
        counts = Output(report)
        counts.write(encode(dict(stream.tally)))
        counts.finish()


def _explained(
    generate: Generate, explain: Callable[[Record, Record], str], sample_id: str, record: Record, tally: Counter[str]
) -> Iterator[str]:
    return (explain(made, record) for made in generate(record, tally) if made["id"] == sample_id)
