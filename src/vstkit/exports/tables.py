"""Rows in parquet, group by group, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from vstkit.errors import UsageError

GROUP_BYTES, GROUP_ROWS = 1 << 26, 1000  # of pictures, and of rows; whichever comes first


def write(rows: Iterable[dict[str, Any]], columns: Any, send: Callable[[bytes], None]) -> None:
    """Send the bytes of a parquet file with the columns of a pyarrow schema; without rows, one of no rows."""
    pa = _pyarrow()
    from pyarrow import parquet

    with parquet.ParquetWriter(pa.PythonFile(_Sink(send), mode="w"), columns) as writer:
        group: list[dict[str, Any]] = []
        size = 0
        for row in rows:
            group.append(row)
            size += _weight(row)
            if size >= GROUP_BYTES or len(group) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_pylist(group, schema=columns))
                group, size = [], 0
        if group:
            writer.write_table(pa.Table.from_pylist(group, schema=columns))


def _weight(row: dict[str, Any]) -> int:
    frames = [frame for video in row.get("videos") or [] for frame in video.get("frames") or video.get("video")]
    return sum(len(one if isinstance(one, str) else one["bytes"]) for one in [*(row["images"] or []), *frames])


class _Sink:
    """A file for pyarrow out of a function that takes bytes."""

    closed = False

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send, self._sent = send, 0

    def write(self, data: Any) -> int:
        self._send(bytes(data))
        self._sent += len(data)
        return len(data)

    def tell(self) -> int:
        return self._sent

    def flush(self) -> None:
        """The stream flushes."""

    def close(self) -> None:
        """The stream closes."""


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise UsageError("parquet files need pyarrow: pip install 'vstkit[parquet]'") from None
    return pyarrow


def _picture(pa: Any) -> Any:
    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def whole() -> Any:
    """The columns of sample records: JSON in `answer`, `meta` and `more`, which has the fields without a column."""
    pa = _pyarrow()
    part = pa.struct([("type", pa.string()), ("text", pa.string())])
    video = pa.struct([("frames", pa.list_(_picture(pa))), ("fps", pa.float64())])
    texts = ("id", "task", "scene", "dataset")
    return pa.schema(
        [
            *((name, pa.string()) for name in texts),
            ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(part))]))),
            ("images", pa.list_(_picture(pa))),
            ("videos", pa.list_(video)),
            *((name, pa.string()) for name in ("answer", "meta", "more")),
        ]
    )


def vst() -> Any:
    """The columns of VST-P."""
    pa = _pyarrow()
    return pa.schema(
        [
            ("conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))),
            ("id", pa.string()),
            ("data_source", pa.string()),
            ("images", pa.list_(_picture(pa))),
            ("type", pa.string()),
            ("meta_info", pa.string()),
        ]
    )


def verl() -> Any:
    """The columns of verl's RLHFDataset."""
    pa = _pyarrow()
    extra = [
        *((name, pa.string()) for name in ("id", "task", "scene", "dataset", "answer", "meta")),
        ("index", pa.int64()),
    ]
    video = [("video", pa.list_(pa.string())), ("fps", pa.float64()), ("sample_fps", pa.float64())]
    return pa.schema(
        [
            ("data_source", pa.string()),
            ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
            ("images", pa.list_(_picture(pa))),
            ("videos", pa.list_(pa.struct(video))),
            ("ability", pa.string()),
            ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
            ("extra_info", pa.struct(extra)),
        ]
    )
