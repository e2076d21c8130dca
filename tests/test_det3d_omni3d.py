"""Omni3D's files of 3D boxes, made here in the official layout, and read back; and real ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scored_boxes import CAMERA, CHAIR, HEIGHT, LAMP, TABLE, WIDTH, score
from support import run, shared
from vstkit.errors import DataError
from vstkit.geometry.boxes import corners, image_box
from vstkit.geometry.iou import iou_matrix
from vstkit.records import Prediction
from vstkit.scoring.det3d_categories import CATEGORIES, known
from vstkit.scoring.det3d_readers import _from_corners, omni3d
from vstkit.validation import parse


def annotation(number, label, box, **more):
    points = corners(box)
    u, v = (CAMERA[i] * points[:, i] / points[:, 2] + CAMERA[i + 2] for i in (0, 1))
    proj = [u.min(), v.min(), u.max(), v.max()]
    length, height, width = box[3:6]
    return {
        "id": number,
        "image_id": 1 + number % 2,
        "category_id": {"chair": 5, "table": 6, "lamp": 9, "dontcare": 0}[label],
        "category_name": label,
        "valid3D": True,
        "behind_camera": False,
        "bbox2D_proj": proj,
        "bbox2D_trunc": image_box(box, CAMERA, WIDTH + 1, HEIGHT + 1),
        "bbox2D_tight": [-1, -1, -1, -1],
        "center_cam": box[:3],
        "dimensions": [width, height, length],
        "bbox3D_cam": points.tolist(),
        **dict.fromkeys(("truncation", "visibility", "segmentation_pts", "lidar_pts", "depth_error"), -1),
        **more,
    }


def instance(truth, score=0.9, **more):
    x0, y0, x1, y1 = truth["bbox2D_trunc"]
    held = {"image_id": truth["image_id"], "category_id": truth["category_id"], "score": score}
    return {**held, "bbox": [x0, y0, x1 - x0, y1 - y0], "bbox3D": truth["bbox3D_cam"], **more}


def omni3d_files(folder, annotations, predictions, name="SUNRGBD_test"):
    K = [[500.0, 0, 320], [0, 500.0, 240], [0, 0, 1]]
    data = {
        "info": {},
        "images": [{"id": i, "width": WIDTH, "height": HEIGHT, "K": K, "file_path": "a.jpg"} for i in (1, 2)],
        "categories": [{"id": i, "name": n} for i, n in ((5, "chair"), (6, "table"), (9, "lamp"), (0, "dontcare"))],
        "annotations": annotations,
    }
    paths = folder / f"{name}.json", folder / "omni_instances_results.json"
    for path, value in zip(paths, (data, predictions), strict=True):
        path.write_text(json.dumps(value))
    return {"path": str(paths[1]), "truth": str(paths[0])}


@pytest.mark.parametrize("nested", [False, True])
def test_omni3d_truth_as_prediction_is_perfect(tmp_path, nested):
    truth = [
        annotation(i, label, b) for i, (label, b) in enumerate([("chair", CHAIR), ("table", TABLE), ("lamp", LAMP)])
    ]
    flat = [instance(t) for t in truth]
    groups = [{"image_id": i, "instances": [e for e in flat if e["image_id"] == i]} for i in (1, 2)]
    records = list(omni3d(**omni3d_files(tmp_path, truth, groups if nested else flat)))
    for record in records:
        parse(record, Prediction)
    read = {box["label"]: box["box3d"] for record in records for box in record["answer"]["value"]}
    for label, box in (("chair", CHAIR), ("table", TABLE), ("lamp", LAMP)):
        assert np.allclose(read[label], box, atol=1e-9)
    for ties in ("file", "average"):
        overall, found = score(records, protocol="omni3d", ties=ties, by_label=True)
        assert (overall["AP"]["n"], overall["AP"]["images"]) == (3, 2)
        assert overall["AP"]["labels"] == ["chair", "lamp", "table"]
        assert [s["value"] for s in found if s["metric"] in ("AP", "AR100")] == pytest.approx([1] * 8, abs=1e-12)


@pytest.mark.parametrize(
    ("more", "ignored", "by_vst"),
    [
        ({}, False, False),
        ({"behind_camera": True}, True, True),
        ({"valid3D": False}, True, True),
        ({"dimensions": [0.5, 0, 0.5]}, True, True),
        ({"lidar_pts": 0}, True, True),
        ({"segmentation_pts": 0}, True, True),
        ({"segmentation_pts": 1}, False, False),
        ({"depth_error": 0.6}, True, True),
        ({"depth_error": 0.4}, False, False),
        ({"truncation": 0.4}, True, False),
        ({"truncation": 0.3}, False, False),
        ({"visibility": 0.3}, True, False),
        ({"visibility": 0.0}, True, True),
        ({"visibility": 0.4}, False, False),
        ({"bbox2D_trunc": [0, 0, 9, 30]}, True, False),  # 30 of 480 px are 1/16
        ({"bbox2D_trunc": [0, 0, 9, 31]}, False, False),
        ({"bbox2D_trunc": [-1] * 4, "bbox2D_proj": [0, 0, 9, 720]}, True, False),
        ({"bbox2D_trunc": [-1] * 4, "bbox2D_proj": [0, 0, 9, 5040]}, True, True),
    ],
)
def test_omni3d_truths_that_nobody_has_to_find(tmp_path, more, ignored, by_vst):
    files = omni3d_files(tmp_path, [annotation(0, "chair", CHAIR, **more)], [])
    for protocol, expected in (("omni3d", ignored), ("vst", by_vst)):
        (true,) = next(omni3d(**files, protocol=protocol))["answer"]["value"]
        assert true["ignore"] == expected


def test_omni3d_what_is_left_out(tmp_path):
    nowhere = dict.fromkeys(("bbox2D_proj", "bbox2D_trunc", "bbox2D_tight"), [-1] * 4)
    truth = [annotation(0, "chair", CHAIR), annotation(2, "dontcare", LAMP), annotation(4, "lamp", LAMP, **nowhere)]
    record, empty = omni3d(**omni3d_files(tmp_path, truth, [instance(truth[0])]))
    assert [box["label"] for box in record["answer"]["value"]] == ["chair"]
    assert (empty["answer"]["value"], empty["boxes3d"]) == ([], [])


def test_omni3d_proximity_is_for_sets_that_are_annotated_in_part(tmp_path):
    """Two chairs are annotated; the model finds one, and a third chair and a table elsewhere."""
    truth = [annotation(0, "chair", CHAIR), annotation(2, "chair", LAMP)]
    elsewhere = annotation(4, "chair", TABLE)
    predictions = [instance(truth[0]), instance(elsewhere, 0.95), instance(elsewhere | {"category_id": 6})]
    for name, precision, excused in (("SUNRGBD_test", 1 / 2, 1), ("ARKitScenes_test", 1 / 3, 0)):
        overall, _ = score(list(omni3d(**omni3d_files(tmp_path, truth, predictions, name))), protocol="omni3d")
        assert overall["precision@25"]["value"] == pytest.approx(precision)
        assert overall["AP"]["excused"] == excused


def test_omni3d_categories_of_a_dataset(tmp_path):
    """There are no lamps in the ARKitScenes of Omni3D: those that are found are not wrong, but of no account."""
    truth = [annotation(0, "chair", CHAIR), annotation(2, "lamp", LAMP)]
    files = omni3d_files(tmp_path, truth, [instance(truth[0]), instance(truth[1])], "ARKitScenes_test")
    overall, _ = score(list(omni3d(**files)), protocol="omni3d")
    assert (overall["AP"]["labels"], overall["AP"]["predicted"]) == (["chair"], 1)
    assert [known(name) for name in ("SUNRGBD_test", "SUN RGB-D", "sunrgbd/kv2", "Omni3D", "my_omni3d_like", "")] == [
        *["sunrgbd"] * 3, "omni3d", None, None,
    ]  # fmt: skip
    sizes = {"sunrgbd": 38, "hypersim": 29, "arkitscenes": 14, "objectron": 9, "kitti": 5, "nuscenes": 9, "omni3d": 50}
    assert {name: len(held) for name, held in CATEGORIES.items()} == sizes


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"image_id": 9}, "'image_id': 9, .*is not in the Omni3D file"),
        ({"category_id": 3}, "'category_id': 3.* is not in the Omni3D file"),
        ({"bbox3D": [[0, 0, 0]] * 7}, "bbox3D: expected eight corners of three numbers"),
        ({"bbox3D": corners(CHAIR)[[0, 4, 6, 2, 1, 5, 7, 3]].tolist()}, "bbox3D: the corners of entry 0 are not those"),
    ],
)
def test_omni3d_files_that_are_wrong(tmp_path, more, message):
    truth = [annotation(0, "chair", CHAIR)]
    files = omni3d_files(tmp_path, truth, [instance(truth[0]) | more])
    with pytest.raises(DataError, match=message):
        list(omni3d(**files))
    if "bbox3D" not in more:
        assert next(omni3d(**files, partial=True))["boxes3d"] == []


def test_real_boxes_as_predictions_are_perfect(tmp_path):
    """81 real boxes of a kitchen, seen by six cameras: every category has AP = AR100 = 1."""
    path = shared() / "boxes" / "adt_omni3d_like.json"
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]")
    for protocol in ("vst", "omni3d"):
        records = list(omni3d(str(nothing), truth=str(path), protocol=protocol))
        for record in records:
            record["boxes3d"] = [box for box in record["answer"]["value"] if not box["ignore"]]
        for ties in ("file", "average"):
            overall, found = score(records, protocol=protocol, ties=ties, by_label=True)
            assert len(overall["AP"]["labels"]) > 10
            perfect = {f"{s['metric']} {s['group']['label']}": s["value"] for s in found if "group" in s}
            assert perfect == {name: pytest.approx(1, abs=1e-12) for name in perfect}
            assert overall["AP"]["value"] == overall["AR100"]["value"] == pytest.approx(1, abs=1e-12)


def test_real_objectron_boxes_have_their_published_overlaps():
    """The 5x5 boxes of pytorch3d's test, by way of their corners; Objectron numbers these in its own way."""
    data = json.loads((shared() / "benchmarks" / "det3d" / "objectron_vols_ious.json").read_text())
    order = [0, 4, 6, 2, 1, 5, 7, 3]
    first, second = (_from_corners(np.array(data[name])[:, order].tolist(), name) for name in ("boxes1", "boxes2"))
    assert np.abs(iou_matrix(first, second) - data["ious"]).max() < 1e-7


def test_the_program_reads_it(tmp_path):
    truth = [annotation(0, "chair", CHAIR), annotation(2, "lamp", LAMP)]
    files = omni3d_files(tmp_path, truth, [instance(truth[0]), instance(truth[1])])
    done = run("score", "--suite", "det3d", "--from", "omni3d", "--truth", files["truth"], files["path"])
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(s["value"], s["n"]) for s in made if s["metric"] == "AP50"] == [(pytest.approx(1), 2)]
