"""Rows of other tools' tables: each format says the same, and what is broken is told by file and row."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstkit import tables
from vstkit.errors import DataError
from vstkit.tables import listed, rows, structured, whole

openpyxl = pytest.importorskip("openpyxl")
pyarrow = pytest.importorskip("pyarrow")

ROWS: list[dict[str, Any]] = [
    {"index": 1, "question": "Which is nearer?\nLook.", "A": "the \"snap\" sign", "answer": "A", "prediction": "A"},
    {"index": 1_000_001, "question": "Wo ist “oben”?", "A": "a, b; c", "B": "\ttab", "answer": "B",
     "prediction": "x" * 200_000},
    {"index": 2, "question": "None of these", "A": "None", "answer": "A"},
]  # fmt: skip
NAMES = list(ROWS[1])


def separated(path: Path, separator: str, table: list[dict[str, Any]] = ROWS) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, NAMES, delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def workbook(path: Path, table: list[dict[str, Any]] = ROWS, names: list[str] = NAMES) -> None:
    book = openpyxl.Workbook()
    book.active.append(names)
    for row in table:
        book.active.append([row.get(name) for name in names])
    book.save(path)


def write(path: Path, table: list[dict[str, Any]] = ROWS) -> None:
    """`table` in the format of the file's suffix."""
    if path.suffix in (".tsv", ".csv"):
        separated(path, {".tsv": "\t", ".csv": ","}[path.suffix], table)
    elif path.suffix == ".xlsx":
        workbook(path, table)
    elif path.suffix == ".parquet":
        from pyarrow import Table, parquet

        parquet.write_table(
            Table.from_pylist(table, schema=Table.from_pylist([ROWS[1]]).schema), path, row_group_size=2
        )
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    else:
        path.write_text(json.dumps(table), encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in rows(str(path))]


@pytest.mark.parametrize("suffix", tables.READERS)
def test_every_format_says_the_same(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table{suffix}"
    write(path)
    # Excel keeps no text of more than 32767 characters, and openpyxl cuts it as other writers do.
    most = tables.EXCEL_CELL if suffix == ".xlsx" else None
    wanted = [{name: value[:most] if isinstance(value, str) else value for name, value in row.items()} for row in ROWS]
    found = [{**row, "index": int(row["index"])} for row in read(path)]
    assert found == wanted
    assert [where for where, _ in rows(str(path))] == [f"{path}: row {n}" for n in (1, 2, 3)]


def test_empty_cells_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('[{"a": NaN, "b": null, "c": "", "d": 0, "e": false, "f": Infinity, "": 1}]')
    assert read(path) == [{"d": 0, "e": False}]
    workbook(tmp_path / "t.xlsx", [{"index": 1.0, "answer": math.inf}, {"answer": None}, {"index": 3}])
    assert read(tmp_path / "t.xlsx")[0]["index"] == 1
    assert len(read(tmp_path / "t.xlsx")) == 2  # an empty row is none


def test_formulas_are_the_texts_that_they_were(tmp_path: Path) -> None:
    """Excel writers take a text that begins with = for a formula, and it has no value."""
    path = tmp_path / "t.xlsx"
    workbook(path, [{"index": 1, "prediction": "=B because"}])
    assert read(path) == [{"index": 1, "prediction": "=B because"}]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"val": [{"idx": 1}], "test": [{"idx": 2}]}', [{"idx": 1}, {"idx": 2}]),
        ('{"args": {"a": 1}, "model_configs": [1], "logs": [{"doc_id": 0}]}', [{"doc_id": 0}]),
        ('{"a": {"0": 1, "1": 2}, "b": {"0": 3, "1": null}}', [{"a": 1, "b": 3}, {"a": 2}]),
        ('{"a": [1, 2], "b": ["x", "y"]}', [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]),
        ('{"q1": {"type": "open", "truth": "x"}}', [{"id": "q1", "type": "open", "truth": "x"}]),
        ('{"q1": "(A)", "q2": ""}', [{"id": "q1", "value": "(A)"}, {"id": "q2"}]),
        ("[]", []),
        ('{"val": []}', []),
    ],
)
def test_shapes_of_json(text: str, wanted: list[Any], tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(text)
    assert read(tmp_path / "t.json") == wanted


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", b"a\n", "expected a table"),
        ("t.tsv.gz", b"", "expected a table"),
        ("t.tsv", b"", "expected a row of names"),
        ("t.tsv", b"a\ta\n1\t2\n", "column 'a' stands twice"),
        ("t.tsv", b"a\tb\n1\t2\n3\n", "row 2: expected 2 cells, got 1"),
        ("t.csv", b"a,b\n1,2,3\n", "row 1: expected 2 cells, got 3"),
        ("t.tsv", b'a\tb\n1\t"open\n2\t3\n', "unexpected end of data"),
        ("t.tsv", b"a\n\xff\xfe\n", "expected UTF-8"),
        ("t.xlsx", b"not a workbook", "not an xlsx file"),
        ("t.parquet", b"PAR1 and nothing else", "parquet"),
        ("t.parquet", b"", r"t\.parquet: .*0 bytes"),
        ("t.json", b"{", "not JSON"),
        ("t.json", b"[" * 200_000, "not JSON"),
        ("t.json", b"[1, 2]", "expected a list of objects"),
        ("t.json", b'{"a": {"x": 1}, "b": 2}', "expected a list of objects"),
        ("t.json", b"3", "expected a list of objects"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', "t.jsonl:2: expected an object, got list"),
        ("t.jsonl", b'{"a": 1}\n{"a"\n', "t.jsonl:2: not JSON"),
    ],
)  # fmt: skip
def test_broken_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("suffix", tables.READERS)
def test_missing_files(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?i)no such file"):
        read(tmp_path / f"none{suffix}")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize("suffix", [".xlsx", ".parquet"])
def test_cut_files(suffix: str, share: float, tmp_path: Path) -> None:
    write(tmp_path / f"t{suffix}")
    whole_file = (tmp_path / f"t{suffix}").read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(whole_file[: int(share * len(whole_file))])
    with pytest.raises(DataError, match=f"cut{suffix}"):
        read(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("content", [b"", b"<a", b"<a/>", b"\x00" * 40, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_broken_workbooks(part: str, content: bytes, tmp_path: Path) -> None:
    """A part that is no XML, or not what it should be: a DataError or nothing, never another error."""
    workbook(tmp_path / "t.xlsx")
    with zipfile.ZipFile(tmp_path / "t.xlsx") as held, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as broken:
        for name in held.namelist():
            broken.writestr(name, content if name == part else held.read(name))
    try:
        found = len(read(tmp_path / "b.xlsx"))
    except DataError as e:
        found = -str(e).count("b.xlsx")
    assert found in (-1, 0, len(ROWS))


@pytest.mark.parametrize("suffix", [".xlsx", ".parquet"])
def test_a_bomb_is_refused(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"t{suffix}"
    write(path, [{**ROWS[1], "prediction": "x" * 30_000}] * 100)
    assert len(read(path)) == 100
    monkeypatch.setitem(tables.UNPACKED, suffix, 1 << 12)
    with pytest.raises(DataError, match="refused: it claims to unpack to"):
        read(path)


def test_entities_do_not_grow(tmp_path: Path) -> None:
    """A billion laughs: the parser of XML limits what entities become."""
    laughs = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    ) + "]><sst>&j;</sst>"  # fmt: skip
    workbook(tmp_path / "t.xlsx")
    with zipfile.ZipFile(tmp_path / "t.xlsx") as held, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as bomb:
        for name in held.namelist():
            bomb.writestr(name, laughs if name == "xl/worksheets/sheet1.xml" else held.read(name))
    with pytest.raises(DataError, match=r"b\.xlsx"):
        read(tmp_path / "b.xlsx")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("['A. left', \"it's\"]", ["A. left", "it's"]),
        ('["a", "b"]', ["a", "b"]),
        ("['A. left' 'B. right']", ["A. left", "B. right"]),
        ("['A. left'\n 'B. right']", ["A. left", "B. right"]),
        ("[\"a 'b' 'c'\"]", ["a 'b' 'c'"]),
        ("[1, 2.5]", [1, 2.5]),
        (["a"], ["a"]),
        ("[]", None),
        ("a, b", None),
        ("[not python", None),
        ("[__import__('os').system('true')]", None),
        ("[" * 100_000, None),
        (3, None),
        (None, None),
    ],
)
def test_lists_as_text(value: Any, wanted: list[Any] | None) -> None:
    assert listed(value) == wanted


def test_objects_as_text() -> None:
    assert structured("{'A': 'x', 'B': 'y'}") == {"A": "x", "B": "y"}
    assert structured("{oops}") == "{oops}"


@given(st.lists(st.text(), min_size=1))
def test_lists_of_any_text_come_back(texts: list[str]) -> None:
    assert listed(json.dumps(texts)) == texts


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(12.0, 12), ("12.0", "12"), ("12.00", "12"), ("-3.0", "-3"), ("1.5", "1.5"), (1.5, 1.5), ("100", "100"),
     ("a.0", "a.0"), ("AB12-flip-1", "AB12-flip-1"), (7, 7)],
)  # fmt: skip
def test_indexes_lose_their_decimals(value: Any, wanted: Any) -> None:
    assert whole(value) == wanted
