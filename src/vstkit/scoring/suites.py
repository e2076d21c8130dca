"""From prediction records to judged items.

What a benchmark's row says beside question and answer stands in `meta.bench` of a prediction, raw, under the
benchmark's own names (question_type, category, l2-category, source, index, qid, scene_name, relation, ...);
`benchmarks` tells which of them a suite reads. Where a row lacks a field, the record's own `id`, `task`, `scene` and
`dataset` serve. `dataset` is the name of the suite where predictions of several are scored together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from vstkit.errors import DataError, UsageError
from vstkit.lineio import decode, lines
from vstkit.records import KINDS, Prediction
from vstkit.scoring.aggregate import Item
from vstkit.scoring.benchmarks import SUITES, Field, Suite
from vstkit.validation import parse

Record = dict[str, Any]
Row = Mapping[str, Any]


class Judged(NamedTuple):
    """A prediction as an item, and the line that tells about it where it is asked for."""

    item: Item
    detail: Record | None


def chosen(suite: str, family: str | None) -> tuple[Suite, str]:
    """A suite, and the rule family to use: the suite's first if none is given. Raises UsageError for unknown ones."""
    if suite not in SUITES:
        raise UsageError(f"--suite: expected one of {', '.join(SUITES)}, got {suite}")
    held = SUITES[suite]
    family = family or next(iter(held.rules))
    if family not in held.rules:
        raise UsageError(f"--rules: {suite} has {', '.join(held.rules)}, got {family}")
    return held, family


@cache
def truths(path: str) -> dict[str, Record]:
    """What predictions are scored against, by id: of each sample in a file its answer, and what groups it.

    Raises DataError with the place of a record that is no sample or has no answer, or whose id stands twice.
    """
    held: dict[str, Record] = {}
    for name, number, raw in lines([path]):
        try:
            record = decode(raw)
            if record["kind"] not in ("sample", "prediction"):
                raise DataError(f"kind: expected sample, got {record['kind']!r}")
            parse(record, KINDS[record["kind"]])
            if "answer" not in record:
                raise DataError("answer: missing")
            if record["id"] in held:
                raise DataError(f"id: {record['id']!r} stands twice")
        except DataError as e:
            raise DataError(f"{name}:{number}: {e}") from None
        held[record["id"]] = {
            key: record[key] for key in ("answer", "task", "scene", "dataset", "meta") if key in record
        }
    return held


def joined(record: Record, path: str) -> Record | None:
    """A prediction with what the sample of its id in a file of truths says; None where there is none."""
    known = truths(path).get(record["id"])
    own: Record = {key: record[key] for key in ("kind", "id", "response", "boxes3d") if key in record}
    return None if known is None else {**known, **own, "messages": []}


def row_of(record: Record) -> Row:
    """The benchmark's row of a prediction; raises DataError where `meta.bench` is no object."""
    bench = record.get("meta", {}).get("bench", {})
    if not isinstance(bench, dict):
        raise DataError(f"meta.bench: expected an object, got {type(bench).__name__}")
    own = {key: record[key] for key in ("id", "task", "scene", "dataset") if record.get(key)}
    return {**own, "answer type": record["answer"]["type"], **bench}


def value_of(field: Field, row: Row) -> str:
    """The first of some fields of a row that is there, or what a function makes of it; "" where there is nothing."""
    if callable(field):
        return _made(field, row)
    found = next((row[name] for name in field if row.get(name) not in (None, "")), "")
    return str(found).replace("–", "-")


def _made(function: Any, row: Row) -> str:
    try:
        return str(function(row))
    except KeyError as e:
        raise DataError(f"meta.bench.{e.args[0]}: missing") from None
    except (ValueError, TypeError, OverflowError) as e:
        raise DataError(f"meta.bench: {e}") from None


def judged(record: Record, suite: str, family: str | None, by: Sequence[str] = (), *, detailed: bool = False) -> Judged:
    """Judge one prediction by a suite's rules; `by` names fields to group by beside the suite's own.

    Raises DataError where the record is no prediction, has no single answer, or an answer of a type that the rules
    do not judge, or lacks a field of `meta.bench` that the suite cannot do without.
    """
    held, family = chosen(suite, family)
    prediction = parse(record, Prediction)
    answer = record.get("answer")
    if not isinstance(answer, dict):
        raise DataError(f"answer: expected one to score against, got {'several' if answer else 'none'}")
    judges = held.rules[family].judges
    if answer["type"] not in judges:
        raise DataError(f"answer.type: {suite} with {family} rules scores {', '.join(judges)}, got {answer['type']}")
    judge, row = judges[answer["type"]], row_of(record)
    verdict = judge.call(answer, prediction.response, row)
    fields = fields_of(held, by)
    item = Item(
        prediction.id,
        verdict.score,
        verdict.parsed,
        judge.metric,
        len(answer.get("options", ())),
        tuple(value_of(field, row) for field in fields.values()),
        value_of(held.cluster, row) or prediction.id,
        tuple(_made(unit, row) for unit in held.units.values()),
    )
    if not detailed:
        return Judged(item, None)
    told = {"task": item.labels[0], "answer": answer["value"], "extracted": verdict.extracted}
    line = {"kind": "detail", "id": prediction.id, "suite": suite, "rules": family, **told}
    line |= {"score": verdict.score, "parsed": verdict.parsed, "why": verdict.why}
    return Judged(item, line)


def fields_of(suite: Suite, by: Sequence[str]) -> dict[str, Field]:
    """The fields that predictions are grouped by: the suite's own, then others that were asked for."""
    return {**suite.fields, **{name: (name,) for name in by if name not in suite.fields}}
