"""The reward of 3D boxes: values worked by hand, ours beside the released ones, and what must hold for any boxes."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from vstkit.geometry.dialects import Notation, format_boxes
from vstkit.geometry.iou import iou_matrix
from vstkit.rewards import Reward, reward
from vstkit.scoring.boxes import MOST, ious
from vstkit.scoring.matching import best_matching

Answer = dict[str, Any]
CAMERA = (600.0, 600.0, 320.0, 240.0)


def cube(label: str, x: float, *sizes: float) -> dict[str, Any]:
    """A cube with edges of 1 m, or a box, 5 m before the camera; cubes at x and x + d have IoU (1 - d) / (1 + d)."""
    return {"label": label, "box3d": [x, 0.0, 5.0, *(sizes or (1.0, 1.0, 1.0)), 0.0, 0.0, 0.0]}


def boxes(*true: dict[str, Any]) -> Answer:
    return {"type": "boxes3d", "value": list(true)}


def written(*found: dict[str, Any]) -> str:
    return format_boxes(found)


CHAIR, TABLE, LAMP = cube("chair", 0), cube("coffee table", 3), cube("lamp", 6)


def test_boxes_by_hand() -> None:
    answer = boxes(CHAIR, TABLE)
    assert reward(written(CHAIR, TABLE), answer) == Reward(1, 1, 2, "2 of 2 found, 0 wrong", 1, 1)
    # One at half a metre (IoU 1/3), one too many: IoU (1 + 1/3) / 3, F1 2 * 2 / 5.
    given = reward(written(CHAIR, cube("coffee table", 3.5), LAMP), answer)
    assert (given.iou, given.f1) == (pytest.approx(4 / 9), 0.8)
    assert given.accuracy == pytest.approx(0.5 * 4 / 9 + 0.4)
    assert given.why == "2 of 2 found, 1 wrong"
    # As released: IoU over the two true boxes.
    theirs = reward(written(CHAIR, cube("coffee table", 3.5), LAMP), answer, compat="vst")
    assert (theirs.iou, theirs.f1, theirs.total) == (
        pytest.approx(2 / 3),
        0.8,
        pytest.approx(0.5 * (1 / 3 + 0.4) + 0.5),
    )
    # One of two: IoU 1 / 2, F1 2 / 3.
    assert reward(written(CHAIR), answer).accuracy == pytest.approx(0.5 * 0.5 + 0.5 * 2 / 3)
    assert reward(written(CHAIR), answer, alpha=1).accuracy == 0.5
    assert reward(written(CHAIR), answer, alpha=0).accuracy == pytest.approx(2 / 3)


def test_matching_is_optimal_and_one_to_one() -> None:
    # Greedy would give the first prediction to the first truth (IoU 9/11), and leave the second 1/3; crossed is better.
    truth = boxes(cube("chair", 0), cube("chair", 0.5))
    first, second = cube("chair", 0.1), cube("chair", -0.3)
    given = reward(written(first, second), truth)
    assert given.iou == pytest.approx(max(9 / 11 + 0.2 / 1.8, 0.6 / 1.4 + 0.7 / 1.3) / 2)
    # Two predictions at one truth: one of them counts.
    assert reward(written(first, cube("chair", 0)), boxes(CHAIR)).iou == 0.5


def test_turned_boxes_against_scipy() -> None:
    """Eq. 3 with another matching and the other IoU routine, over boxes of two labels as a model misplaces them."""
    rng = np.random.default_rng(2)
    for n, m in rng.integers(1, 9, (20, 2)):
        true = np.column_stack(
            [rng.uniform(-1, 1, (m, 3)), rng.uniform(0.3, 2, (m, 3)), rng.uniform(-180, 180, (m, 3))]
        )
        found = np.round(np.resize(true, (n, 9)) + rng.normal(0, 0.1, (n, 9)), 2)
        found[:, 6:] = np.round(found[:, 6:] / 1.8) * 1.8  # as written: hundredths of half a turn
        labels = rng.integers(0, 2, m), rng.integers(0, 2, n)
        answer, said = (
            [{"label": "ab"[name], "box3d": box.tolist()} for name, box in zip(names, boxes, strict=True)]
            for names, boxes in zip(labels, (true, found), strict=True)
        )
        overlap = iou_matrix(found, true) * (labels[1][:, None] == labels[0])
        matched = overlap[linear_sum_assignment(overlap, maximize=True)]
        f1 = 2 * (matched > 0.25).sum() / (n + m)
        given = reward(written(*said), boxes(*answer), alpha=0.3)
        assert given.iou == pytest.approx(matched.sum() / max(n, m), abs=1e-6)
        assert given.f1 == f1
        assert given.accuracy == pytest.approx(0.3 * given.iou + 0.7 * f1)


def test_threshold_is_above_and_released_at() -> None:
    quarter = written(cube("chair", 0, 1, 1, 0.25))  # within the cube: IoU 1/4, exactly
    ours, theirs = reward(quarter, boxes(CHAIR)), reward(quarter, boxes(CHAIR), compat="vst")
    assert (ours.iou, ours.f1, theirs.iou, theirs.f1) == (0.25, 0, 0.25, 1)
    assert reward(quarter, boxes(CHAIR), threshold=0.2).f1 == 1


def test_holes_of_boxes() -> None:
    answer = boxes(CHAIR, TABLE)
    # Nothing found is half of all there is to earn, as released; right only where nothing is to be found.
    assert reward("[]", answer, compat="vst").total == 0.5
    assert reward("[]", answer).total == 0
    assert reward("```json\n[]\n```", boxes()).total == 2
    assert reward("```json\n[]\n```", boxes(), compat="vst").total == 0.5
    assert reward("nothing", boxes()).total == 0
    assert reward(written(CHAIR), boxes()).accuracy == 0
    # Labels.
    swapped = written(cube("coffee table", 0), cube("chair", 3))
    assert reward(swapped, answer, compat="vst").accuracy == 1
    assert reward(swapped, answer).accuracy == 0
    assert reward(written(cube("Chair", 0), cube("coffee_table ", 3)), answer).total == 2
    # Wrong boxes cost nothing in IoU, as released.
    spread = written(CHAIR, TABLE, *(cube("chair", 20 + 2 * i) for i in range(8)))
    assert reward(spread, answer, compat="vst").iou == 1
    assert reward(spread, answer).iou == pytest.approx(0.2)
    # Tiny boxes had any IoU; here none is above 1.
    tiny = cube("chair", 0, 0.005, 0.005, 0.005)
    for compat in ("none", "vst"):
        assert 0 <= reward(written(tiny), boxes(tiny), compat=compat).accuracy <= 1
    # Negative sizes were those of the same box; ours are none.
    turned = written(cube("chair", 0, -1, 1, -1))
    assert reward(turned, boxes(CHAIR), compat="vst").accuracy == 1
    assert reward(turned, boxes(CHAIR)).accuracy == 0


def test_format_of_boxes() -> None:
    answer = boxes(CHAIR)
    whole = written(CHAIR)
    assert reward(whole, answer, think=True).format == 0
    assert reward(f"<think>x</think>{whole}", answer, think=True).total == 2
    assert reward(f"Here: {whole}", answer).total == 2
    for faulty in (
        whole[:-8],  # cut off
        whole.replace('"chair"', '""'),
        whole.replace("1.0,1.0", "1.0"),  # eight numbers
        whole.replace("[0.0,", "[null,"),
        written(CHAIR, TABLE).replace("]\n", f",{written(CHAIR)[11:-5]}\n", 1),  # said twice
        "chair at 0 0 5",
    ):
        assert reward(faulty, answer).format == 0, faulty
    theirs = {"cut": whole[:-8], "eight": whole.replace("1.0,1.0", "1.0"), "bare": "x" + written(CHAIR)[8:]}
    assert [reward(said, answer, compat="vst").format for said in theirs.values()] == [0, 0, 0]
    assert reward(whole.replace("[0.0,", "[null,"), answer, compat="vst")[:2] == (0, 1)
    assert reward(f"<think>x</think>\n{whole}", answer, compat="vst").total == 1  # a line of ```json is looked for


def test_boxes_that_cannot_be_used_count_as_wrong() -> None:
    broken = '{"bbox_3d":[1,2],"label":"chair"}'
    said = written(CHAIR).replace("\n]", f",\n{broken}, {broken}\n]")
    assert reward(said, boxes(CHAIR))[:2] == (pytest.approx(0.5 * 1 / 3 + 0.5 * 2 / 4), 0)


def test_boxes_in_other_notations() -> None:
    for dialect, angles, center in itertools.product(
        ("vst", "seed", "qwen3vl", "gemini"), ("euler", "quat"), ("xyz", "uvd")
    ):
        notation = Notation(dialect, angles, center)
        said = format_boxes([CHAIR, LAMP], notation, CAMERA)
        given = reward(said, boxes(CHAIR, LAMP), notation=notation, camera=CAMERA)
        assert given.iou == pytest.approx(1, abs=0.02)
        assert given.format == given.f1 == 1


def test_only_the_first_boxes_are_compared() -> None:
    many = [cube("chair", 2 * i) for i in range(MOST + 40)]
    given = reward(written(*many), boxes(*many))
    assert (given.iou, given.f1) == (MOST / len(many), MOST / len(many))
    late = reward(written(*many), boxes(many[-1]))
    assert (late.iou, late.f1) == (0, 0)


# Properties, over boxes of which some overlap.
places = st.integers(0, 16).map(lambda i: i / 4)
some = st.lists(st.builds(cube, st.sampled_from(["chair", "lamp"]), places), max_size=5, unique_by=str)
FAR = cube("chair", 100)


@given(some, some)
def test_rewards_are_bounded_and_pure(found: list[Any], true: list[Any]) -> None:
    answer, said = boxes(*true), written(*found)
    before = copy.deepcopy(answer)
    for compat in ("none", "vst"):
        given = reward(said, answer, compat=compat)
        assert all(0 <= part <= 1 for part in (given.accuracy, given.format, given.iou, given.f1))
        assert given == reward(said, answer, compat=compat)
    assert answer == before
    assert reward(said, answer).iou == pytest.approx(by_hand(found, true))


def by_hand(found: list[Any], true: list[Any]) -> float:
    """IoU by trying every matching of cubes in a row."""
    if not found and not true:
        return 1.0
    few, many = sorted((found, true), key=len)

    def iou(a: Any, b: Any) -> float:
        off = abs(a["box3d"][0] - b["box3d"][0])
        return max(1 - off, 0) / (1 + off) * (a["label"] == b["label"])

    sums = [sum(map(iou, few, chosen)) for chosen in itertools.permutations(many, len(few))]
    return max(sums) / len(many)


@given(some, some)
def test_a_right_box_never_lowers_it(found: list[Any], true: list[Any]) -> None:
    answer = boxes(*true, FAR)
    assert reward(written(*found, FAR), answer).accuracy >= reward(written(*found), answer).accuracy - 1e-12


@given(some, some)
def test_a_wrong_box_never_raises_it(found: list[Any], true: list[Any]) -> None:
    answer = boxes(*true)
    accuracy = reward(written(*found), answer).accuracy
    assert reward(written(*found, FAR), answer).accuracy <= accuracy + 1e-12
    unusable = written(*found).replace("\n]", ',{"bbox_3d":[],"label":"chair"}]' if found else '{"label":"chair"}]')
    assert reward(unusable, answer).accuracy <= accuracy + 1e-12


@given(some, some, st.integers(0, 4))
def test_leaving_a_box_out_never_raises_iou(found: list[Any], true: list[Any], index: int) -> None:
    """Unless there are more than there is to find. With the mean over matched pairs it would: each below the mean."""
    if index < len(found) <= len(true):
        fewer = found[:index] + found[index + 1 :]
        answer = boxes(*true)
        whole, less = reward(written(*found), answer), reward(written(*fewer), answer)
        assert less.iou <= whole.iou + 1e-12
        if less.f1 <= whole.f1:  # it was no wrong one
            assert less.accuracy <= whole.accuracy + 1e-12


matrices = st.integers(1, 7).flatmap(
    lambda m: st.lists(st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), min_size=m, max_size=m), max_size=7)
)


@given(matrices)
def test_best_matching_is_the_best(gains: list[list[float]]) -> None:
    pairs = best_matching(gains)
    assert len(pairs) == (min(len(gains), len(gains[0])) if gains else 0)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    if gains:
        rows, columns = linear_sum_assignment(np.array(gains), maximize=True)
        best = np.array(gains)[rows, columns].sum()
        assert math.isclose(sum(gains[i][j] for i, j in pairs), best, abs_tol=1e-12)


@pytest.mark.parametrize("shape", [(60, 60), (20, 90), (90, 20)])
def test_best_matching_of_large_matrices(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    dense, sparse = rng.random(shape), rng.random(shape) * (rng.random(shape) < 0.1)
    hard = np.outer(np.arange(shape[0]), np.arange(shape[1])) / (shape[0] * shape[1])  # every path is augmented
    for gains in (dense, sparse, np.round(sparse, 1), hard, hard[::-1], np.zeros(shape)):
        rows, columns = linear_sum_assignment(gains, maximize=True)
        found = sum(gains[pair] for pair in best_matching(gains.tolist()))
        assert found == pytest.approx(gains[rows, columns].sum(), abs=1e-9)


def test_few_pairs_and_many_have_the_same_iou() -> None:
    rng = np.random.default_rng(1)
    crowd = np.column_stack(
        [rng.uniform(-0.5, 0.5, (30, 3)), rng.uniform(0.3, 2, (30, 3)), rng.uniform(-180, 180, (30, 3))]
    )
    many = ious(crowd.tolist(), crowd.tolist())  # by arrays
    few = [[ious([a], [b])[0][0] for b in crowd.tolist()] for a in crowd.tolist()]  # in plain Python
    assert np.allclose(many, few, atol=1e-12)
    assert np.max(many) <= 1
