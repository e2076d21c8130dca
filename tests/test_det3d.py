from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_det3d as reference
from vstkit.errors import DataError
from vstkit.geometry.iou import iou_pairs
from vstkit.scoring.det3d import evaluate

AP = ("AP", "AP15", "AP25", "AP50", "APnear", "APmed", "APfar")
AR = ("AR1", "AR10", "AR100", "ARnear", "ARmed", "ARfar")
POOLED = tuple(f"{metric}@{t}" for metric in ("precision", "recall", "F1") for t in (15, 25, 50))
ORDER_FREE = (*POOLED, *(f"average {name}" for name in AP + AR))


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


def random_set(rng, questions=25, grid=False, scored="some", crowd=False, most=5):
    """Questions over three categories; empty ones, ignored truths and predictions of every quality among them."""
    result = []
    for i in range(questions):
        n = 0 if rng.random() < 0.2 else int(rng.integers(1, most))
        centre = np.array([0, 0, rng.uniform(1, 50)])
        spread = rng.choice([0.3, 1.5])
        truth = np.column_stack(
            [
                centre + rng.normal(0, spread, (n, 3)),
                rng.uniform(0.5, 2, (n, 3)),
                rng.uniform(-180, 180, (n, 3)),
            ]
        )
        noise = rng.choice([0.02, 0.15, 0.4], (n, 1))
        copies = truth + rng.normal(0, 1, (n, 9)) * noise * [1, 1, 1, 0.5, 0.5, 0.5, 30, 30, 30]
        extra = int(rng.integers(0, 4)) if not crowd or i % 5 else 120
        stray = np.column_stack(
            [
                centre + rng.normal(0, 1.5, (extra, 3)),
                rng.uniform(0.5, 2, (extra, 3)),
                rng.uniform(-180, 180, (extra, 3)),
            ]
        )
        predicted = np.concatenate([copies, stray])[rng.permutation(n + extra)]
        predicted[:, 3:6] = np.maximum(predicted[:, 3:6], 0.1)
        truth[rng.random(n) < 0.1, 4] = 0
        if grid:
            truth[:, :6], predicted[:, :6] = np.round(truth[:, :6] * 2) / 2, np.round(predicted[:, :6] * 2) / 2
        scores = {"none": None, "tied": rng.choice([0.25, 0.5, 0.75], n + extra), "all": rng.random(n + extra)}
        kind = rng.choice(list(scores)) if scored == "some" else scored
        camera, height = [(None, None), ((500, 500, 300, 200), 530), ((500, 480, 300, 200), 20)][rng.integers(3)]
        category = "abc"[rng.integers(3)]
        result.append(question(truth, predicted, scores[kind], i // 2, category, camera=camera, height=height))
    return result


def assert_same(metrics, expected):
    assert set(metrics) == {*AP, *AR, *POOLED} == set(expected)
    assert_close(metrics, expected)


def assert_close(found, expected):
    for name, value in expected.items():
        if value is None:
            assert found[name] is None, name
        else:
            assert found[name] == pytest.approx(value, abs=1e-12, rel=0), name


def average(questions, **options):
    """The numbers that must not depend on the order of predictions."""
    found = evaluate(questions, ties="average", **options)["metrics"]
    return {name: found[name.removeprefix("average ")] for name in ORDER_FREE}


def shuffled(questions, rng):
    result = []
    for i in rng.permutation(len(questions)):
        item = questions[i]
        order = rng.permutation(len(item["predicted"]))
        scores = None if item["scores"] is None else np.asarray(item["scores"])[order]
        result.append(item | {"predicted": np.asarray(item["predicted"]).reshape(-1, 9)[order], "scores": scores})
    return result


@pytest.mark.parametrize("ties", ["file", "average"])
@pytest.mark.parametrize("scored", ["none", "tied", "all", "some"])
@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("crowd", [False, True])
def test_equals_the_slow_reference(ties, scored, grid, crowd):
    for seed in range(1 if crowd else 3):
        rng = np.random.default_rng([seed, grid, crowd, len(scored)])
        count = 10 if crowd else 25
        questions = random_set(rng, count, grid=grid, scored=scored, crowd=crowd, most=5 if seed % 2 else 12)
        found = evaluate(questions, ties=ties, iou=upright_iou)["metrics"]
        assert_same(found, reference.evaluate(questions, upright_iou, ties))


@pytest.mark.parametrize("ties", ["file", "average"])
def test_equals_the_slow_reference_with_the_exact_iou(ties):
    for seed in range(4):
        questions = random_set(np.random.default_rng(seed))
        found = evaluate(questions, ties=ties)["metrics"]
        assert found["AP"] > 0.1
        assert_same(found, reference.evaluate(questions, iou_pairs, ties))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(["none", "tied"]))
def test_order_has_no_effect_on_average_and_pooled_numbers(seed, grid, scored):
    rng = np.random.default_rng(seed)
    questions = random_set(rng, questions=8, grid=grid, scored=scored, crowd=True)
    for i, item in enumerate(questions):
        item["image"] = i  # questions that are joined would bring their truths in another order, too
    assert_close(average(shuffled(questions, rng), iou=upright_iou), average(questions, iou=upright_iou))


def test_the_official_order_does_have_an_effect():
    good, bad = question([box(0)], [box(0)], image=1), question([box(0)], [box(9)], image=2)
    first = evaluate([good, bad], iou=upright_iou)["metrics"]
    last = evaluate([bad, good], iou=upright_iou)["metrics"]
    assert first["AP"] == pytest.approx(51 / 101)  # found at once: precision 1 up to recall .5
    assert last["AP"] == pytest.approx(51 / 101 / 2)  # second of two: precision 1/2
    # One step of two predictions, half of them right: precision 1/2 up to recall 1/2.
    assert average([bad, good], iou=upright_iou)["average AP"] == pytest.approx(51 / 101 / 2)


def test_without_ties_average_is_the_official_number():
    for seed in range(5):
        questions = random_set(np.random.default_rng(seed), scored="all")
        official, averaged = (evaluate(questions, ties=ties)["metrics"] for ties in ("file", "average"))
        assert averaged == official


def test_truth_as_prediction_is_perfect():
    rng = np.random.default_rng(5)
    questions = random_set(rng, questions=40)
    for item in questions:  # a flat box overlaps nothing, not even itself
        item["predicted"], item["scores"] = item["truth"][item["truth"][:, 4] > 0], None
    perfect = ("AP", "AP15", "AP25", "AP50", "APnear", "APmed", "AR100", "ARnear", "ARmed", *POOLED)
    for ties in ("file", "average"):
        found = evaluate(questions, ties=ties)
        assert_close(found["metrics"], dict.fromkeys(perfect, 1.0))
        flat = found["counts"]["truth"] - found["counts"]["predicted"]
        assert found["counts"]["ignored"] > flat > 0


def test_curve_worked_by_hand():
    # right, wrong, right of four truths: recall 1/4 at precision 1, 1/2 at 2/3, and no more.
    questions = [question([box(x) for x in (0, 10, 20, 30)], [box(0), box(5), box(10)], [0.9, 0.8, 0.7])]
    found = evaluate(questions)["metrics"]
    assert found["AP"] == pytest.approx((26 * 1 + 25 * 2 / 3) / 101)
    assert (found["AR1"], found["AR10"], found["AR100"]) == (0.25, 0.5, 0.5)
    assert (found["precision@25"], found["recall@25"]) == pytest.approx((2 / 3, 1 / 2))
    assert found["F1@25"] == pytest.approx(4 / 7)


def test_tied_step_worked_by_hand():
    # First one right; then a step of two right and two wrong, on which precision falls from 1 to 3/5.
    truth = [box(x) for x in (0, 10, 20)]
    predicted = [box(x) for x in (0, 10, 5, 20, 15)]
    found = average([question(truth, predicted, [0.9, 0.5, 0.5, 0.5, 0.5])])
    expected = 0.0
    for r in np.linspace(0, 1, 101):
        tp = 3 * r
        expected += 1 if tp <= 1 else tp / (tp + (tp - 1))
    assert found["average AP"] == pytest.approx(expected / 101)


def test_tied_predictions_count_with_their_chance_under_a_limit():
    # The one right box of four is the first with chance 1/4, and among the first ten for certain.
    found = average([question([box(0)], [box(9), box(6), box(0), box(3)])])
    assert (found["average AR1"], found["average AR10"], found["average AR100"]) == pytest.approx((0.25, 1, 1))
    # A better score settles it.
    found = average([question([box(0)], [box(9), box(0), box(3)], [0.5, 0.9, 0.5])])
    assert found["average AR1"] == 1


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
    item = question([truth], [], camera=(300, 200, 0, 0), height=40.1)
    found = evaluate([item])
    assert found["counts"]["ignored"] == ignored
    assert found["metrics"]["AP"] == (None if ignored else 0)


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
    assert found["counts"] == {"images": 2, "categories": 2, "truth": 2, "ignored": 0, "predicted": 2}


def test_categories_weigh_the_same_and_those_without_truth_do_not_count():
    questions = [
        question([box(x) for x in range(0, 90, 3)], [], category="chair"),
        question([box(0)], [box(0)], category="sofa"),
        question([], [box(0)], category="lamp"),
    ]
    found = evaluate(questions)
    assert found["metrics"]["AP"] == pytest.approx(0.5)
    assert_close({c: v["AP25"] for c, v in found["categories"].items()}, {"chair": 0, "sofa": 1, "lamp": None})
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
    assert average([question([box(0)], [*strays, box(0)])])["average AR100"] == pytest.approx(100 / 101)


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
        assert all(set(category.values()) == {None} for category in found["categories"].values())


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
