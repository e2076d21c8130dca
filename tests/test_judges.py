"""Rules of single benchmarks: what they take for right, faults and all."""

from __future__ import annotations

from typing import Any

import pytest

from answered import Record, choice, number, text
from vstkit.errors import DataError
from vstkit.scoring import judges
from vstkit.scoring.judges import Judge


def score(judge: Judge, answer: Record, said: str, **row: Any) -> float:
    return judge.call(answer, said, row).score


def test_an_empty_answer_is_right_in_spar_bench() -> None:
    assert score(judges.SPAR_LETTER, choice("B"), "") == 1
    assert not judges.SPAR_LETTER.call(choice("B"), "", {}).parsed
    assert score(judges.letters("strict"), choice("B"), "") == 0
    assert [score(judges.SPAR_LETTER, choice("B"), said) for said in ("b", "B. left", "(B)", "AB")] == [1, 1, 0, 0]


def test_spar_numbers() -> None:
    said = "from 4 m to 2 m, x^3"
    assert judges.SPAR_NUMBER.call(number(2), said, {"task": "depth_prediction_oc"}).extracted == 4
    assert judges.SPAR_NUMBER.call(number(2), said, {"task": "depth_prediction_oc_mv"}).extracted == 2
    assert score(judges.SPAR_NUMBER, number(2), "-2") == 1
    assert score(judges.SPAR_NUMBER, number(0), "0.3") == 0.5  # of 0 the error itself: within .5, .45, .4, .35, .30..4
    assert judges.SPAR_NUMBER.call(number(2), "none", {}) == (0, None, "no number", False)


def test_spar_moves_divide_by_the_prediction() -> None:
    """Forward 1.5 where 1 is true: an error of 1/3 of 1.5, and of 1/2 of 1; the other four axes are right."""
    answer = text("move_forward:1,rotate_left:10")
    said = "move_backward:-1.5,rotate_right:-10"
    assert score(judges.SPAR_MOVES, answer, said) == pytest.approx((4 + 0.4) / 5)
    assert score(judges.MOVES, answer, said) == pytest.approx((4 + 0.1) / 5)
    for wrong in ("", "left", "move_left:far", "move_left:1:2"):
        assert judges.MOVES.call(answer, wrong, {}).parsed is False


def test_blink_takes_extracted_letters_only() -> None:
    assert [score(judges.BLINK, choice("B"), said) for said in ("(B)", "B", "(B) the third image", "(Z)")] == [
        1,
        0,
        0,
        0,
    ]


def test_ocr_bench() -> None:
    assert score(judges.HELD, text("1"), "10 apples") == 1
    assert score(judges.HELD, text("Blue\nSky"), "a blue sky!") == 1
    assert score(judges.HELD, text("no", "Oui"), "oui") == 1
    formula = {"dataset_name": "HME100k"}
    assert score(judges.HELD, text("x ^ 2"), "the answer: x^2", **formula) == 1
    assert score(judges.HELD, text("X"), "x", **formula) == 0
    assert [score(j, text("12"), "１２") for j in (judges.HELD, judges.HELD_FOLDED)] == [0, 1]


MMMU = [
    ("24", "so the total is 24.0", 1),
    ("24", "The answer is 24,000.", 0),
    ("1,234.5", "= 1234.50", 1),
    ("0.33", "it is 0.334", 1),
    ("6", "first 6 apples\nthe rest is 7", 0),  # only the tail of a line with "is" counts where there is one
    ("transformer", "This is a step-down Transformer.", 1),
    ("B", "it is B today", 1),
    ("B", "made of bad wood", 1),  # " b" is in it
    ("B", "tab", 0),
    ("6 m", "", 0),
]


@pytest.mark.parametrize(("truth", "said", "right"), MMMU)
def test_mmmu_open_questions(truth: str, said: str, right: int) -> None:
    assert score(judges.MMMU_OPEN, text(truth), said) == right


def test_yes_and_no() -> None:
    for said, right, parsed in [
        ("Yes, it is.", 1, True), ("True", 1, True), ("No", 0, True), ("It is true", 1, True),
        ("yes or no", 0, False), ("perhaps", 0, False), ("<think>no</think>yes", 1, True),
    ]:  # fmt: skip
        verdict = judges.YES_NO.call(text("true"), said, {})
        assert (verdict.score, verdict.parsed) == (right, parsed), said
    assert judges.YES_NO_FIRST.call(text("yes"), "It is true", {}).parsed is False


def test_spatialscore_takes_a_factor_of_two() -> None:
    said = {"2 m": 1, "199 cm": 1, "0.51": 1, "0.5 m": 0, "-1": 0, "0": 0, "far": 0}
    assert {raw: score(judges.RATIO, number(1), raw) for raw in said} == {**said, "2 m": 0}
    assert score(judges.RATIO, number(0), "0") == 1
    assert not judges.RATIO.call(number(0), "none", {}).parsed
    assert score(judges.RATIO, number(10), "8", source="VSI-Bench") == 0.6


def test_other_letters() -> None:
    assert [score(judges.AI2D_LMMS, choice("B"), said) for said in ("B. x", " B.", "B", "(B)")] == [1, 1, 0, 0]
    assert [score(judges.FIRST_TOKEN, choice("B"), said) for said in ("(b) left", "B", "is B", "")] == [1, 1, 0, 0]
    assert [score(judges.MMSI_LMMS, choice("B"), said) for said in ("{b}", "``B``", "A {B}", "option b is")] == [
        1,
        1,
        1,
        0,
    ]


def test_our_units_and_theirs() -> None:
    """Two metres are 200 cm for us, and 2 cm for VSI-Bench."""
    assert score(judges.relative("strict"), number(200, "cm"), "2 metres") == 1
    assert score(judges.relative("vsi"), number(200, "cm"), "2 metres") == 0


def test_a_truth_of_0_is_refused() -> None:
    for said in ("1", "none"):
        with pytest.raises(DataError, match="other than 0"):
            score(judges.relative("vsi"), number(0), said)


def test_what_is_no_number_is_unparsed() -> None:
    for said in ("nan", "inf", "-inf", "1e999", ""):
        verdict = judges.relative("vsi").call(number(2), said, {})
        assert verdict.score == 0
    assert judges.relative("vsi").call(number(2), "nan", {}).parsed is False
