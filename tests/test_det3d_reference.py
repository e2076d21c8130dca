"""Against the plain loops of `reference_det3d`, over random sets and over orders of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference_det3d as reference
from test_det3d import AP, AR, CAMERA, POOLED, SIZE, assert_close, box, question, upright_iou
from vstkit.geometry.iou import iou_pairs
from vstkit.scoring import det3d_curves
from vstkit.scoring.det3d import evaluate


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
        camera, size = [(None, None), ((500, 500, 300, 200), (600, 530)), ((500, 480, 300, 200), (30, 20))][
            rng.integers(3)
        ]
        category = "abc"[rng.integers(3)]
        result.append(question(truth, predicted, scores[kind], i // 2, category, camera=camera, size=size))
    return result


def assert_same(metrics, expected):
    assert set(metrics) == {*AP, *AR, *POOLED} == set(expected)
    assert_close(metrics, expected)


def shuffled(questions, rng):
    result = []
    for i in rng.permutation(len(questions)):
        item = questions[i]
        order = rng.permutation(len(item["predicted"]))
        scores = None if item["scores"] is None else np.asarray(item["scores"])[order]
        result.append(item | {"predicted": np.asarray(item["predicted"]).reshape(-1, 9)[order], "scores": scores})
    return result


@pytest.mark.parametrize("scored", ["none", "tied", "all", "some"])
@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("crowd", [False, True])
def test_equals_the_slow_reference(scored, grid, crowd):
    for seed in range(1 if crowd else 3):
        rng = np.random.default_rng([seed, grid, crowd, len(scored)])
        count = 10 if crowd else 25
        questions = random_set(rng, count, grid=grid, scored=scored, crowd=crowd, most=5 if seed % 2 else 12)
        found = evaluate(questions, iou=upright_iou)["metrics"]
        assert_same(found, reference.evaluate(questions, upright_iou))


def test_equals_the_slow_reference_with_the_exact_iou():
    for seed in range(4):
        questions = random_set(np.random.default_rng(seed))
        found = evaluate(questions)["metrics"]
        assert found["AP"] > 0.1
        assert_same(found, reference.evaluate(questions, iou_pairs))


def in_pictures(rng, proximity):
    """Random questions seen by a camera, some of them only partly annotated."""
    questions = random_set(rng, most=8)
    for i, item in enumerate(questions):
        item |= {
            "camera": CAMERA,
            "size": SIZE,
            "proximity": proximity == "all" or (proximity == "some" and i % 2 == 0),
        }
        if proximity == "given" and i % 3:
            item |= {"proximity": True, "ignored": (rng.random(len(item["truth"])) < 0.3).tolist()}
            for field in ("truth", "predicted"):
                corner = rng.uniform(0, 300, (len(item[field]), 2))
                item[field + "_2d"] = np.column_stack([corner, corner + rng.uniform(20, 300, corner.shape)])
        item["image"] = i
    return questions


@pytest.mark.parametrize("proximity", ["none", "some", "all", "given"])
def test_omni3d_equals_the_slow_reference(proximity):
    excused = 0
    for seed in range(4):
        questions = in_pictures(np.random.default_rng([seed, len(proximity)]), proximity)
        found = evaluate(questions, protocol="omni3d", iou=upright_iou)
        assert_same(found["metrics"], reference.evaluate(questions, upright_iou, "omni3d"))
        excused += found["counts"]["excused"]
    assert (excused > 0) == (proximity != "none")


@pytest.mark.parametrize("scored", ["none", "tied"])
def test_average_is_the_mean_over_all_orders(scored):
    for seed in range(2):
        rng = np.random.default_rng([seed, len(scored)])
        questions = []
        for i in range(3):
            truth = np.array([box(3.0 * j, size=rng.uniform(1, 2)) for j in range(2)])
            predicted = truth[rng.integers(2, size=3)] + rng.normal(0, 0.2, (3, 9)) * (np.arange(9) < 3)
            scores = rng.choice([0.5, 0.9], 3) if scored == "tied" else None
            questions.append(
                question(truth, predicted[: 3 - i % 2], None if scores is None else scores[: 3 - i % 2], i)
            )
        found = evaluate(questions, ties="average", iou=upright_iou)
        expected = reference.mean_over_all_orders(questions, upright_iou)
        for name in AP + AR:
            if expected[name] is None:
                assert found["metrics"][name] is None
            else:
                assert found["metrics"][name] == pytest.approx(expected[name], abs=4 * found["error"][name] + 1e-9)
                assert found["error"][name] < 5e-3


def test_average_is_the_mean_over_orders_of_the_input():
    for seed, protocol in ((0, "vst"), (1, "omni3d")):
        rng = np.random.default_rng(seed)
        questions = in_pictures(rng, "some")
        found = evaluate(questions, protocol=protocol, ties="average", iou=upright_iou)
        files = [evaluate(shuffled(questions, rng), protocol=protocol, iou=upright_iou)["metrics"] for _ in range(200)]
        for name in AP + AR:
            values = [each[name] for each in files]
            if found["metrics"][name] is None:
                assert set(values) == {None}
                continue
            spread = float(np.std(values))
            assert found["metrics"][name] == pytest.approx(np.mean(values), abs=4 * spread / 200**0.5 + 1e-3)
            assert found["spread"][name] == pytest.approx(spread, rel=0.25, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(["none", "tied"]), st.sampled_from(["vst", "omni3d"]))
def test_order_has_no_effect_on_average_and_pooled_numbers(seed, grid, scored, protocol):
    rng = np.random.default_rng(seed)
    questions = random_set(rng, questions=8, grid=grid, scored=scored, crowd=True)
    for i, item in enumerate(questions):  # questions that are joined would bring their truths in another order, too
        item |= {"image": i, "camera": CAMERA, "size": SIZE, "proximity": i % 3 == 0}
    options = {"protocol": protocol, "ties": "average", "iou": upright_iou}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(det3d_curves, "WORK", 1 << 15)  # fewer orders: what they are is the question here
        assert evaluate(shuffled(questions, rng), **options) == evaluate(questions, **options)  # to the last bit


def test_without_ties_average_is_the_official_number():
    for seed in range(2):
        questions = random_set(np.random.default_rng(seed), scored="all")
        official, averaged = (evaluate(questions, ties=ties) for ties in ("file", "average"))
        assert_close(averaged["metrics"], official["metrics"])
        assert all(value is None or value < 1e-12 for value in averaged["spread"].values())
        assert official["spread"] == official["error"] == {}


def test_truth_as_prediction_is_perfect():
    rng = np.random.default_rng(5)
    questions = random_set(rng, questions=40)
    for item in questions:  # a flat box overlaps nothing, not even itself
        item["predicted"], item["scores"] = item["truth"][item["truth"][:, 4] > 0], None
    perfect = ("AP", "AP15", "AP25", "AP50", "APnear", "APmed", "AR100", "ARnear", "ARmed", *POOLED)
    for ties in ("file", "average"):
        found = evaluate(questions, ties=ties)
        assert_close(found["metrics"], dict.fromkeys(perfect, 1.0))
        for category in found["categories"].values():
            assert category["AP"] == category["AR100"] == pytest.approx(1, abs=1e-12)
        flat = found["counts"]["truth"] - found["counts"]["predicted"]
        assert found["counts"]["ignored"] > flat > 0
