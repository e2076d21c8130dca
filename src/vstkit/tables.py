"""Rows of the tables that other tools write: tsv, csv, xlsx, parquet, JSON and JSON lines.

A row is a mapping from column names to values; a cell that is empty, null or NaN is absent. Nothing in a file is run
or unpickled, and a file that claims to unpack to more bytes than `UNPACKED` says is refused.
"""

from __future__ import annotations

import ast
import csv
import json
import math
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from vstkit.errors import DataError, UsageError
from vstkit.lineio import lines

Row = dict[str, Any]
Numbered = Iterator[tuple[str, Row]]

CELL = 1 << 28  # characters of one cell: pictures stand in some, and csv's own limit is 131072
UNPACKED = {".xlsx": 1 << 29, ".parquet": 1 << 32}  # bytes, of a whole file and of a group of rows
EXCEL_CELL = 32767  # characters; Excel keeps no more of a text
EXACT = 2.0**53  # above it, floats are no longer every integer
BATCH = 64  # rows of a parquet file in memory


def rows(path: str) -> Numbered:
    """Each row with its place, "FILE: row N" counted from 1, by the file's suffix.

    JSON is a list of objects; an object that holds such lists; columns, as pandas writes them; or an object by ids,
    whose values become rows with an `id`, as `value` where they are no objects themselves. JSON is loaded whole, the
    others are read as they come. Raises DataError for what cannot be read, and UsageError where a package is missing.
    """
    plain = path.removesuffix(".gz").removesuffix(".zst")
    suffix = Path(plain).suffix.lower()
    if suffix not in READERS or (plain != path and suffix != ".jsonl"):
        raise DataError(f"{path}: expected a table ({', '.join(READERS)}), got {Path(path).name}")
    for number, row in enumerate(READERS[suffix](path), 1):
        yield f"{path}: row {number}", {name: value for name, value in row.items() if name and not missing(value)}


def missing(value: Any) -> bool:
    """Whether a cell holds nothing: null, an empty text, or a number that is not finite."""
    return value is None or value == "" or (isinstance(value, float) and not math.isfinite(value))


def whole(value: Any) -> Any:
    """A number or its text without the ".0" that it gets in a column with empty cells."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return int(value)
    found = re.fullmatch(r"(-?\d+)\.0+", value) if isinstance(value, str) else None
    return found[1] if found else value


def listed(value: Any) -> list[Any] | None:
    """A list, or one that is written as text; None for anything else."""
    found = structured(value)
    return found if isinstance(found, list) and found else None


def structured(value: Any) -> Any:
    """A list or object that is written as text, in JSON or as Python or numpy write it; other values as they are."""
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("[", "{")):
        return value
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # numpy writes no commas, and Python takes texts beside each other for one.
        found = [_literal(written) for written in (text, _BESIDE.sub(", ", text))]
        return max((one for one in found if isinstance(one, list | dict)), key=len, default=value)


_BESIDE = re.compile(r"(?<=['\"])\s+(?=['\"])")


def _literal(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as \d in a text
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _separated(path: str, separator: str) -> Iterator[Row]:
    csv.field_size_limit(CELL)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            yield from _under_header(csv.reader(file, delimiter=separator, strict=True), path, exact=True)
    except csv.Error as e:
        raise DataError(f"{path}: {e}") from None
    except UnicodeDecodeError as e:
        raise DataError(f"{path}: expected UTF-8: {e}") from None
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}") from None


def _under_header(cells: Iterable[Iterable[Any]], path: str, *, exact: bool) -> Iterator[Row]:
    """Rows under a first one with names; `exact` ones have a cell for each."""
    names: list[str] | None = None
    for number, raw in enumerate(cells):
        line = list(raw)
        if names is None:
            names = ["" if cell is None else str(cell) for cell in line]
            if twice := next((name for name in names if name and names.count(name) > 1), None):
                raise DataError(f"{path}: column {twice!r} stands twice")
        elif line and (len(line) > len(names) or (exact and len(line) < len(names))):
            raise DataError(f"{path}: row {number}: expected {len(names)} cells, got {len(line)}")
        elif any(not missing(cell) for cell in line):
            yield dict(zip(names, line, strict=False))
    if names is None:
        raise DataError(f"{path}: expected a row of names, got nothing")


def _xlsx(path: str) -> Iterator[Row]:
    import zipfile

    try:
        import openpyxl
    except ImportError:
        raise UsageError(f"{path}: xlsx files need openpyxl: pip install 'vstkit[bench]'") from None
    broken = (KeyError, ValueError, TypeError, AttributeError, IndexError, SyntaxError, EOFError, zlib.error)
    try:
        with Path(path).open("rb") as file:
            with zipfile.ZipFile(file) as held:
                _bounded(sum(part.file_size for part in held.infolist()), path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles that are not there
                # Not the cached values: a text that begins with "=" was stored as a formula, which has none.
                book = openpyxl.load_workbook(file, read_only=True, data_only=False, keep_links=False)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # which may claim any size
            for row in _under_header(sheet.iter_rows(values_only=True), path, exact=False):
                yield {name: getattr(value, "text", value) for name, value in row.items()}
    except (zipfile.BadZipFile, *broken) as e:
        raise DataError(f"{path}: not an xlsx file, or cut short: {e}") from None
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}") from None


def _parquet(path: str) -> Iterator[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UsageError(f"{path}: parquet files need pyarrow: pip install 'vstkit[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            for i in range(file.metadata.num_row_groups):
                _bounded(file.metadata.row_group(i).total_byte_size, path)
            for batch in file.iter_batches(batch_size=BATCH):
                yield from batch.to_pylist()
    except (ArrowException, OSError, ValueError) as e:
        raise DataError(f"{path}: {getattr(e, 'strerror', None) or e}") from None


def _bounded(size: int, path: str) -> None:
    if size > UNPACKED[Path(path).suffix.lower()]:
        raise DataError(f"{path}: refused: it claims to unpack to {size:,} bytes")


def _json_lines(path: str) -> Iterator[Row]:
    for name, number, raw in lines([path]):
        row = _decoded(raw, f"{name}:{number}")
        if not isinstance(row, dict):
            raise DataError(f"{name}:{number}: expected an object, got {type(row).__name__}")
        yield row


def _json(path: str) -> Iterator[Row]:
    try:
        raw = Path(path).read_bytes()
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}") from None
    found = _objects(_decoded(raw, path))
    if found is None:
        raise DataError(f"{path}: expected a list of objects, or an object of lists, columns or ids")
    yield from found


def _decoded(raw: bytes, where: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(raw)  # knows NaN and Infinity, which Python writes
    except (ValueError, RecursionError) as e:
        raise DataError(f"{where}: not JSON: {e}") from None


def _objects(value: Any) -> list[Row] | None:
    """The rows of a JSON value; None where it has none."""
    if isinstance(value, dict) and "logs" in value:  # lmms-eval's, with settings beside them
        value = value["logs"]
    if isinstance(value, dict) and value:
        found = _of_columns(value)
        return _of_ids(value) if found is None else found
    return value if _all(dict, value) else None


def _all(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(item, kind) for item in values)


def _of_columns(value: dict[str, Any]) -> list[Row] | None:
    """Rows of an object of lists of rows, or of columns: lists, or objects by number, as pandas writes them."""
    held = list(value.values())
    if all(_all(dict, part) for part in held):
        return [item for part in held for item in part]
    if _all(dict, held) and "0" in held[0] and all(list(part) == list(held[0]) for part in held):
        held = [list(part.values()) for part in held]
    if _all(list, held) and len({len(part) for part in held}) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*held, strict=True)]
    return None


def _of_ids(value: dict[str, Any]) -> list[Row] | None:
    """Rows of an object by ids, whose values are all objects, or all none."""
    if _all(dict, list(value.values())):
        return [{"id": name, **item} for name, item in value.items()]
    if any(isinstance(item, dict) for item in value.values()):
        return None
    return [{"id": name, "value": item} for name, item in value.items()]


READERS: dict[str, Callable[[str], Iterator[Row]]] = {
    ".tsv": lambda path: _separated(path, "\t"),
    ".csv": lambda path: _separated(path, ","),
    ".xlsx": _xlsx,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonl": _json_lines,
}
