"""Numbers of answers by rule set, quantities with units, and mean relative accuracy to the last bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vstkit.errors import DataError, UsageError
from vstkit.scoring import numbers
from vstkit.scoring.numbers import mra, number, quantity


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(10, 10)], 1.0), ([(9.5, 10), (19, 20), (21, 20)], 1.0), ([(9, 10), (11, 10)], 0.9),
        ([(4, 5), (6, 5), (8, 10), (12, 10), (1.2, 1.5)], 0.6), ([(3, 4), (5, 4)], 0.6), ([(7, 10)], 0.5),
        ([(2.9, 2)], 0.2), ([(29, 20), (11, 20)], 0.1), ([(1, 2), (3, 2), (15, 10)], 0.1),
        ([(15.1, 10), (0, 5), (-5, 5)], 0.0),
    ],
)  # fmt: skip
def test_mean_relative_accuracy_of_the_golden_pairs(pairs: list[tuple[float, float]], expected: float) -> None:
    assert [mra(p, t) for p, t in pairs] == [expected] * len(pairs)


def official(predicted: float, truth: float) -> float:
    """The expression of thinking-in-space, in numpy."""
    thresholds = np.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))
    return float((np.abs(predicted - truth) / truth <= 1 - thresholds).mean())


def test_mean_relative_accuracy_equals_the_official_expression_on_all_small_integers() -> None:
    assert all(mra(p, t) == official(p, t) for p in range(61) for t in range(1, 61))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_mean_relative_accuracy_equals_the_official_expression(predicted: float, truth: float) -> None:
    assert mra(predicted, truth) == official(predicted, truth)


def test_predictions_that_are_not_finite_score_0_and_a_truth_of_0_is_refused() -> None:
    assert mra(math.nan, 3) == mra(math.inf, 3) == 0
    for truth in (0, math.nan, math.inf):
        with pytest.raises(DataError, match="expected a number other than 0"):
            mra(1, truth)


# Text, then what is read by the rules of VSI-Bench, lmms-eval and VLMEvalKit (all run on the real functions), and ours.
READ = [
    ("2.5 meters", 2.5, 2.5, 2.5, 2.5), ("2.5.", 2.5, 2.5, 2.5, 2.5), ("2m", None, 2, 2, 2), ("~2", None, 2, 2, 2),
    ("about 2", None, 2, 2, 2), ("five", None, 5, 5, 5), ("1,000", None, 1, 0, 1000), ("twenty-one", None, 21, -1, 21),
    ("<think>7</think> 5", None, 7, 5, 5), ("3 chairs and 2 tables", 3, 3, 2, None),
    ("between 2 and 3", None, 2, 3, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "vsi", "lmms", "vlmeval", "ours"), READ)
def test_numbers_by_rule_set(text: str, vsi: float | None, lmms: float, vlmeval: float, ours: float | None) -> None:
    expected = {"vsi": vsi, "vst": vsi, "lmms": lmms, "vlmeval": vlmeval, "easi": vlmeval, "strict": ours}
    assert {rules: number(text, rules) for rules in numbers.RULES} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There are 5 chairs: 3 red and 2 blue.", 5), ("5\n\nThere are 3 red and 2 blue ones", 5),
        ("The answer is 7, not 8.", 7), ("3 red + 2 blue = 5", 5), ("1,234.5", 1234.5), ("**4**", 4), ("４", 4),
        ("$4$", 4), (r"\boxed{4} of 7", 4), ("-5", -5), ("<answer>4</answer>", 4), ("one", 1),
        ("the one on the left", None), ("forty two", 42), ("10%", 10), ("1/2", 0.5), ("1e3", 1000), ("答案是4", 4),
        ("x2", None), ("a 3D box", None), ("2,5", None), ("2-3", None), ("", None), ("nan", None), ("inf", None),
        ("1" * 400, None), ("7 8 " * 1000, None), ("<think>3</think>", None),
    ],
)  # fmt: skip
def test_our_numbers(text: str, expected: float | None) -> None:
    assert number(text) == expected


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("71 cm", "m", 0.71), ("0.71", "m", 0.71), ("71", "cm", 71), ("710mm", "m", 0.71),
        ("5 ft 11 in", "m", 1.8034), ("5'11\"", "m", 1.8034), ("1 m 20 cm", "m", 1.2), ("2.5 m (8.2 ft)", "m", 2.5),
        ("The distance is about 2.5 meters.", "m", 2.5), ("12 inches", "cm", 30.48), ("25 square meters", "m2", 25),
        ("25 m^2", "m2", 25), ("25 m²", "m2", 25), ("20 sqm", "m2", 20), ("100 sq ft", "m2", 9.290304),
        ("45°", "deg", 45), ("45 degrees", "deg", 45), ("1 radian", "deg", 180 / math.pi), ("2 minutes", "s", 120),
        ("500 ms", "s", 0.5), ("It is 1 m wide. So the distance is 3 m.", "m", 3),
        ("There are 2 chairs, 3 m apart", "m", 3), (r"\boxed{2.5\,\text{m}}", "m", 2.5), ("答案是2.5米", "m", 2.5),
        ("-3 m", "m", -3), ("six feet", "m", 1.8288), ("2 feet", "inches", 24), ("5 chairs", "m", 5),
        ("between 2 and 3 m", "m", None), ("2-3 m", "m", None), ("1 m or 2 m", "m", None), ("far", "m", None),
    ],
)  # fmt: skip
def test_quantities(text: str, unit: str, expected: float | None) -> None:
    assert quantity(text, unit) == (None if expected is None else pytest.approx(expected))


@given(st.floats(0.001, 1e6).map(lambda x: float(f"{x:.6g}")), st.sampled_from(sorted(numbers.UNITS)))
def test_a_quantity_that_is_written_is_read(value: float, unit: str) -> None:
    kind = numbers.UNITS[unit][0]
    for other, (its, scale) in numbers.UNITS.items():
        if its == kind:
            expected = pytest.approx(value * numbers.UNITS[unit][1] / scale)
            assert quantity(f"It is {value:.9f} {unit}.", other) == expected
            assert quantity(f"{value}{unit}", other) == expected


def test_unknown_rules_and_units_are_refused() -> None:
    with pytest.raises(UsageError, match=r"rules: expected one of strict, .*, got mine"):
        number("1", "mine")
    with pytest.raises(DataError, match=r"answer.unit: expected one of m, .*, got furlong"):
        quantity("1", "furlong")


PIECES = st.sampled_from(
    ["1", "2.5", ",", "/", " ", "m", "ft", "'", '"', "-", "+", "e9", "=", "is", "answer", "one", "twenty", "²", "٣",
    "\n"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=100), st.lists(PIECES).map("".join), st.lists(PIECES).map(" ".join)))
def test_any_text_gives_a_number_or_none(text: str) -> None:
    found = [number(text, rules) for rules in numbers.RULES] + [quantity(text, unit) for unit in numbers.UNITS]
    assert all(value is None or isinstance(value, float) for value in found)
    assert (ours := number(text)) is None or math.isfinite(ours)


LONG = ["1", "1,", "1,111", "1 ", "answer ", "answer is ", "is 1 m ", "= 2 ", "one ", "1e", "1.", "1/", " ", "~",
"1m1cm", "\n1", "<answer>",
        r"\boxed{1", "²", "-", "sq ", "answer" + " " * 5000]  # fmt: skip


@pytest.mark.parametrize("piece", LONG, ids=repr)
def test_a_megabyte_takes_no_longer_than_what_is_looked_at(piece: str) -> None:
    text = piece * (2**20 // len(piece))
    for rules in numbers.RULES:
        assert min(_seconds(lambda rules=rules: number(text, rules)) for _ in range(3)) < 0.05
    assert min(_seconds(lambda: quantity(text, "m")) for _ in range(3)) < 0.05


def _seconds(read: Callable[[], object]) -> float:
    start = time.process_time()
    read()
    return time.process_time() - start
