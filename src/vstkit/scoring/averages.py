"""The averages over benchmarks of Visual Spatial Tuning (Yang et al., 2025, table 2).

S-AVG is the mean of six numbers, two of them the halves of CV-Bench; MM-AVG is the mean of six suites. OCRBench counts
as its score / 1000.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

from vstkit.chance import digest
from vstkit.errors import DataError
from vstkit.scoring.benchmarks import SUITES

Record = dict[str, Any]

AVERAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "S-AVG": (
        ("cvbench", "2D"), ("cvbench", "3D"), ("3dsrbench", ""), ("mmsi", ""), ("blink", ""), ("vsibench", ""),
    ),
    "MM-AVG": tuple((name, "") for name in ("mmstar", "mmbench", "realworldqa", "mmmu", "ocrbench", "ai2d")),
}  # fmt: skip
"""Suites, and the part of it where it is not the headline."""


def family(suite: str) -> str:
    """The rules that VST scores a suite by; the suite's first where that is not known."""
    return "vst" if "vst" in SUITES[suite].rules else next(iter(SUITES[suite].rules))


def averages(records: Iterable[Record]) -> list[Record]:
    """S-AVG and MM-AVG of score records: of each suite its `overall`, of cvbench the parts 2D and 3D.

    An average is there when all its members are; raises DataError when neither is, or a member stands twice.
    `interval` takes the suites as independent, each as normal, and is there when each has one.
    """
    held: dict[tuple[str, str], Record] = {}
    for record in records:
        key = (record["suite"], record.get("group", {}).get("source", ""))
        whole = record["metric"] == "overall" and "group" not in record
        if whole or key in (("cvbench", "2D"), ("cvbench", "3D")):
            if key in held:
                raise DataError(f"{' '.join(key).strip()}: expected one {record['metric']}, got two")
            held[key] = record
    made, lacking = [], []
    for name, members in AVERAGES.items():
        if absent := [" ".join(key).strip() for key in members if key not in held]:
            lacking.append(f"{name} lacks {', '.join(absent)}")
        else:
            made.append(_average(name, [held[key] for key in members]))
    if not made:
        raise DataError(f"no average is complete: {'; '.join(lacking)}")
    for line in lacking:
        logging.getLogger("vstkit").info("%s", line)
    return made


def _average(name: str, members: list[Record]) -> Record:
    # In percent, as tables add.
    value = sum(100 * member["value"] for member in members) / len(members) / 100
    widths = [(m["interval"][1] - m["interval"][0]) / 2 for m in members if "interval" in m]
    half = math.hypot(*widths) / len(members)
    families = {member.get("rules", "").partition(":")[0] for member in members}
    return {
        "kind": "score", "id": f"vst/{digest(name, *sorted(families))}", "suite": "vst", "metric": name, "value": value,
        "n": sum(member["n"] for member in members),
        **({"interval": [value - half, value + half]} if len(widths) == len(members) else {}),
        "unparsed": sum(member.get("unparsed", 0) for member in members),
        "missing": sum(member.get("missing", 0) for member in members),
        "rules": f"{', '.join(sorted(families))}: mean of {len(members)}", "version": "VST, table 2",
    }  # fmt: skip
