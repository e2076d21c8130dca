"""Other tools' result files as prediction records, for `vstkit score --from`.

Each row becomes a prediction with the id, the answer and the `meta.bench` that `vstkit ingest bench` gives to the same
row, so that a file that has no answers can be joined to one that has. What was written twice comes twice: `score`
counts it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from vstkit.datasets.benches.rows import bench
from vstkit.errors import UsageError
from vstkit.lineio import Record

# Source -> what it reads; the module is called as the source is.
SOURCES = {
    "vlmevalkit": "VLMEvalKit and EASI: xlsx, tsv, csv or json with a column prediction",
    "lmms": "lmms-eval --log_samples: jsonl, or the json of older versions",
    "blink": "BLINK: {id: letter}, or its saved outputs",
    "mmmu": "MMMU: {id: answer}, or a list with responses",
    "vst-vsi": "VSI-Bench as VST and thinking-in-space write it: rows with a prediction",
}


def read(path: str, *, source: str, suite: str) -> Iterator[Record]:
    """The predictions of a file, one after another.

    Raises UsageError for a source or suite that is not known, or that do not go together, and DataError for a file
    that is not the source's.
    """
    if source not in SOURCES:
        raise UsageError(f"--from: expected one of {', '.join(SOURCES)}, got {source}")
    bench(suite)
    module = importlib.import_module(f"vstkit.scoring.readers.{source.replace('-', '_')}")
    own = getattr(module, "SUITES", (suite,))
    if suite not in own:
        raise UsageError(f"--from {source}: expected --suite {' or '.join(own)}, got {suite}")
    records: Iterator[Record] = module.read(path, suite)
    return records
