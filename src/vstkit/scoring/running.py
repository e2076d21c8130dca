"""What a scoring run holds: the judged predictions by id, and which are missing, unknown or there twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from vstkit.errors import DataError
from vstkit.lineio import Output, decode, encode, lines, shown
from vstkit.records import Score
from vstkit.scoring import averages, reporting
from vstkit.scoring.aggregate import Item
from vstkit.scoring.benchmarks import SUITES
from vstkit.scoring.reporting import NONE, Counts
from vstkit.scoring.suites import chosen, joined, judged, truths
from vstkit.validation import parse

__all__ = ["Ids", "asked", "boxes", "chosen", "details", "items_of", "judge", "nothing", "reported"]

Record = dict[str, Any]


def judge(
    record: Record,
    tally: Counter[str],
    *,
    suite: str,
    family: str | None = None,
    by: tuple[str, ...] = (),
    truth: str | None = None,
    partial: bool = False,
    detailed: bool = False,
) -> list[tuple[str, Any]]:
    """A prediction's suite and what it scores there; nothing where it is not in the file of truths and need not be.

    A score record is itself, of no suite.

    For suite `vst` the record's `dataset` names the suite, which is scored by VST's rules if it has them. Raises
    DataError for records that cannot be scored, and for ids that `truth` does not know unless `partial`.
    """
    if record["kind"] == "score":
        parse(record, Score)
        return [("", record)]
    found = asked(record, tally, truth, partial)
    if found is None:
        return []
    if suite == "vst":
        suite = found.get("dataset", "")
        if suite not in SUITES:
            raise DataError(f"dataset: expected the name of a suite, got {suite!r}")
        family = family or averages.family(suite)
    return [(suite, judged(found, suite, family, by, detailed=detailed))]


def asked(record: Record, tally: Counter[str], truth: str | None, partial: bool) -> Record | None:
    """A prediction with its answer, from the file of truths where there is one."""
    if not truth:
        return record
    found = joined(record, truth)
    if found is None:
        if not partial:
            raise DataError(f"id: {record['id']!r} is not in {truth} (--partial leaves it out)")
        tally["unknown"] += 1
    return found


def boxes(
    record: Record, tally: Counter[str], *, truth: str | None, partial: bool, protocol: Literal["vst", "omni3d"] = "vst"
) -> list[tuple[str, list[Any]]]:
    """A prediction's id and the questions of 3D boxes that it answers."""
    from vstkit.scoring.det3d_records import det3d_questions

    found = asked(record, tally, truth, partial)
    return [] if found is None else [(record["id"], list(det3d_questions(found, protocol)))]


class Ids:
    """The ids of a run, of each suite its own."""

    def __init__(self, truth: str | None, partial: bool) -> None:
        self._truth, self._partial = truth, partial
        self._seen: set[tuple[str, str]] = set()
        self._again = 0

    def again(self, name: str, suite: str = "") -> bool:
        """Whether an id stands twice, which is a DataError unless the run is partial."""
        if (suite, name) not in self._seen:
            self._seen.add((suite, name))
            return False
        if not self._partial:
            raise DataError(f"id: {name!r} stands twice (--partial takes the first)")
        self._again += 1
        return True

    def counts(self, unknown: int = 0) -> Counts:
        """What is missing, twice and unknown, at the end; DataError for what is missing unless the run is partial."""
        known = truths(self._truth) if self._truth else {}
        seen = {name for _, name in self._seen}
        lost = [name for name in known if name not in seen]
        if lost and not self._partial:
            first = f"{self._truth} have no prediction, the first is {lost[0]!r}"
            raise DataError(f"{len(lost)} of {len(known)} ids of {first} (--partial scores the others)")
        return Counts(len(lost), self._again, unknown)


def reported(
    held: dict[str, list[Item]],
    suite: str,
    family: str | None,
    *,
    by: tuple[str, ...] = (),
    counts: Counts = NONE,
    partial: bool = False,
    given: Iterable[Record] = (),
) -> list[Record]:
    """The score records of a run; for suite `vst` those of each suite, then the averages of these and of `given`."""
    made = [
        score
        for name, items in held.items()
        for score in reporting.scores(
            items, name, family or (averages.family(name) if suite == "vst" else None),
            by=by, counts=counts, partial=partial,
        )
    ]  # fmt: skip
    for score in made:
        if score["metric"] == "overall" and 2 * score["unparsed"] > score["n"]:
            logging.getLogger("vstkit").warning(
                "%s: %d of %d answers were not read by these rules; --rules strict reads more forms",
                score["suite"], score["unparsed"], score["n"],
            )  # fmt: skip
    told = [*given, *made]
    return made + (averages.averages(told) if suite == "vst" and told else [])


def items_of(path: str, judge_one: Callable[[Record, Counter[str]], list[tuple[str, Any]]], ids: Ids) -> list[Item]:
    """The judged predictions of a file; other records are left out. Raises DataError with the place of a bad one."""
    items, tally = [], Counter[str]()
    for name, number, raw in lines([path]):
        try:
            record = decode(raw)
            if record["kind"] == "prediction":
                items += [j.item for _, j in judge_one(record, tally) if not ids.again(j.item.id)]
        except DataError as e:
            raise DataError(f"{shown(name)}:{number}: {e}") from None
    ids.counts()
    return items


def nothing(line: Record | None) -> None:
    """Where nobody asked for --details."""


@contextmanager
def details(path: str | None) -> Iterator[Callable[[Record | None], None]]:
    """What writes the lines of --details, whole or not at all; nothing where there is no such file."""
    if not path:
        yield nothing
        return
    output = Output(path)
    try:
        yield lambda line: output.write(encode(line)) if line else None
        output.finish()
    finally:
        output.discard()
