from __future__ import annotations

import numpy as np
import pytest

from vstkit.errors import DataError
from vstkit.scoring.det3d import evaluate

AP = ("AP", "AP15", "AP25", "AP50", "APnear", "APmed", "APfar")
AR = ("AR1", "AR10", "AR100", "ARnear", "ARmed", "ARfar")
POOLED = tuple(f"{metric}@{t}" for metric in ("precision", "recall", "F1") for t in (15, 25, 50))
CAMERA, SIZE = (500, 500, 320, 240), (640, 480)


def upright_iou(a, b):
    """IoU of boxes as if all angles were 0: quick, and full of exact ties on a grid."""
    a, b = np.asarray(a, dtype=float).reshape(-1, 9), np.asarray(b, dtype=float).reshape(-1, 9)
    shared, volume_a, volume_b = 1.0, 1.0, 1.0
    for i in range(3):
        low = np.maximum(a[:, i] - a[:, i + 3] / 2, b[:, i] - b[:, i + 3] / 2)
        high = np.minimum(a[:, i] + a[:, i + 3] / 2, b[:, i] + b[:, i + 3] / 2)
        shared = shared * np.maximum(high - low, 0)
        volume_a, volume_b = volume_a * a[:, i + 3], volume_b * b[:, i + 3]
    union = volume_a + volume_b - shared
    return np.divide(shared, union, out=np.zeros(len(a)), where=(shared > 0) & (union > 0))


def box(x, z=5.0, size=1.0):
    return [x, 0.0, z, size, size, size, 0.0, 0.0, 0.0]


def question(truth, predicted, scores=None, image=0, category="chair", **rest):
    return {"image": image, "category": category, "truth": truth, "predicted": predicted, "scores": scores, **rest}


def assert_close(found, expected):
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, abs=1e-12, rel=0), name


def test_the_official_order_does_have_an_effect():
    good, bad = question([box(0)], [box(0)], image=1), question([box(0)], [box(9)], image=2)
    first = evaluate([good, bad], iou=upright_iou)["metrics"]
    last = evaluate([bad, good], iou=upright_iou)["metrics"]
    assert first["AP"] == pytest.approx(51 / 101)  # found at once: precision 1 up to recall .5
    assert last["AP"] == pytest.approx(51 / 101 / 2)  # second of two: precision 1/2
    averaged = evaluate([bad, good], ties="average", iou=upright_iou)
    assert averaged["metrics"]["AP"] == pytest.approx(0.75 * 51 / 101)  # every order comes with its reverse
    assert averaged["spread"]["AP"] == pytest.approx(0.25 * 51 / 101)
    assert averaged["error"]["AP"] == pytest.approx(0, abs=1e-12)


def test_curve_worked_by_hand():
    # right, wrong, right of four truths: recall 1/4 at precision 1, 1/2 at 2/3, and no more.
    questions = [question([box(x) for x in (0, 10, 20, 30)], [box(0), box(5), box(10)], [0.9, 0.8, 0.7])]
    found = evaluate(questions)["metrics"]
    assert found["AP"] == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)
    assert (found["AR1"], found["AR10"], found["AR100"]) == (0.25, 0.5, 0.5)
    assert (found["precision@25"], found["recall@25"]) == pytest.approx((2 / 3, 1 / 2))
    assert found["F1@25"] == pytest.approx(4 / 7)


def test_tied_predictions_count_with_their_chance_under_a_limit():
    # The one right box of four is the first with chance 1/4, and among the first ten for certain.
    found = evaluate([question([box(0)], [box(9), box(6), box(0), box(3)])], ties="average")
    names = ("AR1", "AR10", "AR100")
    assert [found["metrics"][name] for name in names] == pytest.approx([0.25, 1, 1], abs=0.03)
    assert found["metrics"]["AP"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4, abs=0.02)
    # A better score settles it.
    found = evaluate([question([box(0)], [box(9), box(0), box(3)], [0.5, 0.9, 0.5])], ties="average")
    assert found["metrics"]["AR1"] == 1


def test_iou_thresholds():
    # Two unit cubes .65 apart have IoU .35 / 1.65 = .212: found at .05, .10, .15 and .20, not at .25.
    found = evaluate([question([box(0)], [box(0.65)])])["metrics"]
    assert_close(found, {"AP": 0.4, "AP15": 1, "AP25": 0, "AP50": 0, "AR100": 0.4})
    assert (found["recall@15"], found["recall@25"]) == (1, 0)


def test_equal_iou_goes_to_the_later_truth():
    # The first prediction lies midway, with IoU 1/3 to both truths: it takes the later up to threshold .30.
    midway, earlier, later = box(0.5), box(0), box(1)
    spared = evaluate([question([earlier, later], [midway, earlier], [0.9, 0.8])], iou=upright_iou)["metrics"]
    robbed = evaluate([question([earlier, later], [midway, later], [0.9, 0.8])], iou=upright_iou)["metrics"]
    assert_close(spared, {"AP25": 1, "AR10": 6 / 10 * 1 + 4 / 10 * 0.5})
    assert_close(robbed, {"AP25": 51 / 101, "AR10": 0.5})
    assert robbed["recall@25"] == 1  # pooled, where the exact one goes first


def test_a_truth_that_counts_goes_before_an_ignored_one():
    flat = box(0)
    flat[4] = 0.0
    always_half = lambda a, b: np.full(len(a), 0.6)  # noqa: E731
    found = evaluate([question([box(0), flat], [box(0), box(0), box(0)])], iou=always_half)
    assert found["counts"]["ignored"] == 1
    # One takes the truth, one is absorbed, the third is wrong.
    assert found["metrics"]["precision@50"] == 0.5
    assert found["metrics"]["recall@50"] == 1


@pytest.mark.parametrize(
    ("truth", "ignored"),
    [
        (box(0), 0),
        ([0, 0, 5, 1, 0, 1, 0, 0, 0], 1),
        ([0, 0, 5, 1, 1, -1, 0, 0, 0], 1),
        ([0, 1, 5, 1, 1e-20, 1e-20, 0, 0, 0], 1),  # all corners on one row of pixels
        (box(0, z=2e8), 1),
        (box(0, z=-1), 1),
        ([0, 0, 10, 0.1, 20.9, 0.1, 0, 0, 0], 0),  # 200 * 20.9 / 9.95 = 420.1 px
        ([0, 0, 10, 0.1, 21.0, 0.1, 0, 0, 0], 1),  # 200 * 21.0 / 9.95 = 422.1 px, over 10.5 * 40.1 = 421.05
    ],
)
def test_truths_that_nobody_has_to_find(truth, ignored):
    item = question([truth], [], camera=(300, 200, 0, 0), size=(60, 40.1))
    found = evaluate([item])
    assert found["counts"]["ignored"] == ignored
    assert found["metrics"]["AP"] == (None if ignored else 0)


@pytest.mark.parametrize(
    ("truth", "ignored"),
    [
        (box(0), 0),  # 500 px high for a metre at a metre; the nearer face is 111 px high here
        (box(0, z=0.4), 1),  # a corner behind the camera
        (box(0, z=16), 0),  # 500 / 15.5 = 32.3 px
        (box(0, z=18), 1),  # 500 / 17.5 = 28.6 px, under 480 / 16 = 30
        ([2.9, 0, 5, 1, 1, 0.001, 0, 0, 0], 0),  # from 560 to 660 px: a fifth is outside of the picture
        ([3.1, 0, 5, 1, 1, 0.001, 0, 0, 0], 1),  # from 580 to 680 px: two fifths are
        ([9, 0, 5, 1, 1, 1, 0, 0, 0], 1),  # all of it is
    ],
)
def test_truths_that_nobody_has_to_find_in_omni3d(truth, ignored):
    found = evaluate([question([truth], [], camera=CAMERA, size=SIZE)], protocol="omni3d")
    assert found["counts"]["ignored"] == ignored


def test_what_the_question_says_of_truths_counts_before_the_rules():
    for protocol in ("vst", "omni3d"):
        item = question([box(0), box(9, z=80)], [], camera=CAMERA, size=SIZE, ignored=[True, False])
        found = evaluate([item], protocol=protocol)
        assert found["counts"]["ignored"] == 1
        assert found["metrics"]["APnear"] is None
        assert found["metrics"]["APfar"] == 0
    with pytest.raises(DataError, match=r"questions\[0\].ignored: expected 2 of them, got 1"):
        evaluate([question([box(0), box(3)], [], ignored=[True])])


def test_proximity():
    def found(predicted, proximity=True, **more):
        item = question([box(0)], predicted, camera=CAMERA, size=SIZE, proximity=proximity, **more)
        result = evaluate([item], protocol="omni3d")
        return result["metrics"]["precision@25"], result["metrics"]["recall@25"], result["counts"]["excused"]

    # The one at the side is far from the truth, the one far behind it is near in the picture but smaller, and so far.
    assert found([box(0), box(2), box(0, z=20)]) == (1, 1, 2)
    assert found([box(0), box(2), box(0, z=20)], proximity=False) == (pytest.approx(1 / 3), 1, 0)
    # A box that is right in space is nothing where its rectangle is elsewhere.
    assert found([box(0)], predicted_2d=[[0, 0, 9, 9]], truth_2d=[[100, 100, 200, 200]]) == (0, 0, 1)
    # Exactly 3 of 10 parts in common are not more than .3; pixels have no width of their own.
    assert found([box(0)], predicted_2d=[[0, 0, 10, 1]], truth_2d=[[0, 0, 3, 1]]) == (0, 0, 1)
    assert found([box(0)], predicted_2d=[[0, 0, 10, 1]], truth_2d=[[0, 0, 3.1, 1]]) == (1, 1, 0)
    # Without a truth of its category in the picture a box is wrong.
    empty = [question([box(0)], [box(0)]), question([], [box(0)], None, 1, proximity=True, camera=CAMERA, size=SIZE)]
    assert evaluate(empty, protocol="omni3d")["metrics"]["precision@25"] == 0.5
    with pytest.raises(DataError, match=r"questions\[0\]: expected camera and size of the image"):
        evaluate([question([box(0)], [box(0)], proximity=True)], protocol="omni3d")


def test_depth_ranges():
    near, border, medium, far = box(0, 5), box(0, 10), box(0, 20), box(0, 60)
    questions = [question([b], [b], image=i) for i, b in enumerate((near, border, medium))]
    found = evaluate(questions)["metrics"]
    assert_close(found, {"APnear": 1, "APmed": 1, "APfar": None, "ARnear": 1, "ARmed": 1, "ARfar": None})
    # A wrong box at 60 m is wrong among all and far ones only.
    wrong = [question([near, far], [box(5, 60), far, near], [0.9, 0.8, 0.7])]
    found = evaluate(wrong)["metrics"]
    assert_close(found, {"AP": 2 / 3, "APnear": 1, "APmed": None, "APfar": 0.5})
    # One behind the camera is outside of every range.
    assert evaluate([question([near], [box(0, -5), near], [0.9, 0.8])])["metrics"]["AP"] == pytest.approx(1)


def test_another_category_or_image_never_matches():
    questions = [
        question([box(0)], [], category="chair"),
        question([], [box(0)], category="table"),
        question([box(3)], [box(0)], category="table", image=1),
    ]
    found = evaluate(questions)
    assert all(found["metrics"][name] == 0 for name in ("AP", "AR100", "precision@15", "recall@15", "F1@15"))
    expected = {"images": 2, "categories": 2, "with_truth": 2, "truth": 2, "ignored": 0, "predicted": 2, "excused": 0}
    assert found["counts"] == expected


def test_categories_weigh_the_same_and_those_without_truth_do_not_count():
    questions = [
        question([box(x) for x in range(0, 90, 3)], [], category="chair"),
        question([box(0)], [box(0)], category="sofa"),
        question([], [box(0)], category="lamp"),
    ]
    found = evaluate(questions)
    assert found["metrics"]["AP"] == pytest.approx(0.5)
    assert_close({c: v["AP25"] for c, v in found["categories"].items()}, {"chair": 0, "sofa": 1, "lamp": None})
    assert {c: v["truth"] for c, v in found["categories"].items()} == {"chair": 30, "sofa": 1, "lamp": 0}
    assert found["metrics"]["precision@25"] == 0.5  # the lamp is a box that is wrong


def test_questions_asked_twice_are_joined():
    once = [question([box(0), box(3)], [box(0), box(9)], [0.9, 0.8])]
    twice = [question([box(0)], [box(0)], [0.9]), question([box(3)], [box(9)], [0.8])]
    assert evaluate(once) == evaluate(twice)


def test_only_the_first_hundred_predictions_count():
    strays = [box(x) for x in range(10, 110)]
    found = evaluate([question([box(0)], [*strays, box(0)])])["metrics"]
    assert (found["AP"], found["AR100"]) == (0, 0)
    assert found["recall@50"] == 1
    assert evaluate([question([box(0)], [*strays[1:], box(0)])])["metrics"]["AR100"] == 1
    averaged = evaluate([question([box(0)], [*strays, box(0)])], ties="average")
    assert averaged["metrics"]["AR100"] == pytest.approx(100 / 101, abs=0.01)


@pytest.mark.parametrize("ties", ["file", "average"])
@pytest.mark.parametrize(
    ("at", "value"),
    [(at, value) for at in range(9) for value in (np.nan, np.inf, -np.inf)]
    + [(at, value) for at in (3, 4, 5) for value in (-1.0, 0.0, 1e300)]
    + [(0, 1e300), (7, 1e300)],
)
def test_senseless_predictions_are_false_positives(ties, at, value):
    senseless = box(0)
    senseless[at] = value
    found = evaluate([question([box(0)], [senseless, box(0)], [0.9, 0.8])], ties=ties)["metrics"]
    assert found["AP"] == found["APnear"] == found["precision@50"] == 0.5
    assert found["recall@50"] == 1


def test_nothing_predicted_and_nothing_true():
    found = evaluate([question([box(0)], [])])["metrics"]
    assert {name for name, value in found.items() if value is None} == {"APmed", "APfar", "ARmed", "ARfar"}
    assert {value for value in found.values() if value is not None} == {0}
    for questions in ([question([], [box(0)])], [question([], [])], []):
        found = evaluate(questions)
        assert len(found["metrics"]) == 22
        assert set(found["metrics"].values()) == {None}
        assert all(set(category.values()) == {None, 0} for category in found["categories"].values())


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (question([box(0)[:7]], []), r"questions\[1\].truth: expected n x 9 numbers, got an array of shape \(1, 7\)"),
        (
            question([], [box(0)[:7]]),
            r"questions\[1\].predicted: expected n x 9 numbers, got an array of shape \(1, 7\)",
        ),
        (question([], box(0)), r"questions\[1\].predicted: expected n x 9 numbers, got an array of shape \(9,\)"),
        (
            question([], [box(0)], [0.5, 0.5]),
            r"questions\[1\].scores: expected 1 numbers, got an array of shape \(2,\)",
        ),
        (question([], [box(0)], []), r"questions\[1\].scores: expected 1 numbers, got an array of shape \(0,\)"),
        (question([], [box(0)], [np.nan]), r"questions\[1\].scores: expected finite numbers"),
        (question([box(np.inf)], []), r"questions\[1\].truth: expected finite numbers"),
    ],
)
def test_bad_input(item, message):
    with pytest.raises(DataError, match=message):
        evaluate([question([box(0)], [box(0)]), item])
