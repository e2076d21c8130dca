"""Answers about the real kitchen, derived again from its pictures by code that shares nothing with the generators."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from support import generated, generator, shared
from vstkit import fov

NEAREST, DET3D, FORMS = ["depth-nearest"], ["det3d"], ["text", "box", "point"]


@cache
def kitchen() -> tuple[Path, tuple[dict[str, Any], ...]]:
    folder = shared() / "scenes" / "adt"
    return folder, tuple(map(json.loads, (folder / "scenes.jsonl").read_text().splitlines()))


def made(module: str, unified: bool = False, **options: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(scene, sample) for the samples of both moments."""
    folder, scenes = kitchen()
    found = []
    for original in scenes:
        scene = fov.unify(original, Counter())[0] if unified else original
        found += [(scene, s) for s in generated(module, scene, folder, **options)]
    return found


def maps(view: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    folder, _ = kitchen()
    instances, depths = (np.asarray(Image.open(folder / view[key]["path"])) for key in ("instances", "depth"))
    return instances, depths / view["depth"]["scale"]


def in_camera(box: list[float], view: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Centre and rotation matrix of a world box in the view's camera axes."""
    pose = np.array(view["pose"])
    centre = pose[:3, :3].T @ (np.array(box[:3]) - pose[:3, 3])
    return centre, pose[:3, :3].T @ Rotation.from_euler("xyz", box[6:], degrees=True).as_matrix()


@pytest.mark.parametrize("unified", [False, True])
def test_depth_answers_follow_from_the_pictures(unified: bool) -> None:
    samples = made("depth", unified, tasks=NEAREST, forms=FORMS, per_view=24)
    assert len(samples) >= 60
    assert {s["meta"]["form"] for _, s in samples} == {"text", "box", "point"}
    assert {s["answer"]["value"] for _, s in samples} >= set("ABCD")
    for scene, sample in samples:
        view = scene["views"][sample["meta"]["view"]]
        instances, depths = maps(view)
        things = {t["id"]: t for t in scene["objects"]}
        masks = [instances == things[i]["instance"] for i in sample["meta"]["objects"]]
        form = sample["meta"]["form"]
        if form == "point":
            marks = [op for op in sample["images"][0]["ops"] if op["op"] == "mark"]
            measured = []
            for mask, mark in zip(masks, marks, strict=True):
                v, u = pixel(mark["xy"], view, depths.shape)
                assert mask[v, u]
                measured.append(np.median(depths[v - 2 : v + 3, u - 2 : u + 3]))
        else:
            measured = [np.median(depths[m]) for m in masks]
        # Of large masks evidence looks at a grid of pixels, not at all.
        assert np.allclose(measured, sample["meta"]["values"], atol=6e-4, rtol=0 if form == "point" else 0.02)
        order = np.argsort(measured)
        letter = "ABCDE"[order[0]]
        assert sample["answer"]["value"] == letter
        # Nearest by the margin that the options promise.
        assert measured[order[1]] - measured[order[0]] > max(0.1, 0.1 * measured[order[0]]) - 0.02
        said = sample["messages"][1]["content"][0]["text"]
        assert said in (letter, sample["answer"]["options"][letter])
        question = sample["messages"][0]["content"][1]["text"]
        assert all(option in question for option in sample["answer"]["options"].values())


def pixel(xy: list[float], view: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of the maps under a pixel of the view's image."""
    u, v = (xy[0] + 0.5) * shape[1] / view["width"] - 0.5, (xy[1] + 0.5) * shape[0] / view["height"] - 0.5
    return round(v), round(u)


def test_text_names_fit_one_object_only() -> None:
    for scene, sample in made("depth", tasks=NEAREST, forms=FORMS, per_view=24):
        if sample["meta"]["form"] != "text":
            continue
        view = scene["views"][sample["meta"]["view"]]
        seen = set(np.unique(maps(view)[0])) - {0}
        labels = [t["label"] for t in scene["objects"] if t["instance"] in seen]
        for name in sample["answer"]["options"].values():
            assert sum(bool(re.search(rf"\b{re.escape(name)}\b", label)) for label in labels) == 1


def test_coloured_boxes_surround_the_masks() -> None:
    for scene, sample in made("depth", unified=True, tasks=NEAREST, forms=FORMS, per_view=24):
        if sample["meta"]["form"] != "box":
            continue
        view = scene["views"][sample["meta"]["view"]]
        instances, _ = maps(view)
        things = {t["id"]: t for t in scene["objects"]}
        marks = [op for op in sample["images"][0]["ops"] if op["op"] == "mark"]
        assert len({m["color"] for m in marks}) == len(marks)
        for thing, mark in zip(sample["meta"]["objects"], marks, strict=True):
            rows, columns = np.nonzero(instances == things[thing]["instance"])
            scale = view["width"] / instances.shape[1]
            expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert np.allclose(np.array(mark["xy"]) + 0.5, np.array(expected) * scale, atol=1.5)
            assert f"{things[thing]['label']} ({mark['color']} box)" in sample["answer"]["options"].values()


def test_detection_answers_are_the_boxes_in_camera_axes() -> None:
    samples = made("detection", unified=True, tasks=DET3D, per_view=1000)
    assert len(samples) >= 80
    for scene, sample in samples:
        view = scene["views"][sample["meta"]["view"]]
        (label,) = sample["meta"]["labels"]
        things = {t["id"]: t for t in scene["objects"]}
        assert len(sample["answer"]["value"]) == len(sample["meta"]["objects"])
        written = json.loads(sample["messages"][1]["content"][0]["text"].strip("`").removeprefix("json"))
        for thing, box, said in zip(sample["meta"]["objects"], sample["answer"]["value"], written, strict=True):
            centre, R = in_camera(things[thing]["box3d"], view)
            assert things[thing]["label"] == box["label"] == said["label"] == label
            assert np.allclose(box["box3d"][:3], centre, atol=1e-4)
            assert np.allclose(box["box3d"][3:6], things[thing]["box3d"][3:6])
            assert np.allclose(Rotation.from_euler("xyz", box["box3d"][6:], degrees=True).as_matrix(), R, atol=1e-5)
            assert np.allclose(said["bbox_3d"][:6], box["box3d"][:6], atol=0.00501)
            turned = (np.array(said["bbox_3d"][6:]) * 180 - box["box3d"][6:] + 180) % 360 - 180
            assert np.abs(turned).max() <= 0.9001  # half of the last digit: 0.005 * 180
        depths = [box["box3d"][2] for box in sample["answer"]["value"]]
        assert depths == sorted(depths)
        assert min(depths) > 0


def test_detection_asks_of_all_instances_in_view_or_of_none() -> None:
    folder, scenes = kitchen()
    for scene in scenes:
        asked = {
            (s["meta"]["view"], s["meta"]["labels"][0]): set(s["meta"]["objects"])
            for s in generated("detection", scene, folder, tasks=DET3D, per_view=1000)
        }
        for index, view in enumerate(scene["views"]):
            pixels = Counter(maps(view)[0].ravel().tolist())
            for (at, label), listed in asked.items():
                if at != index:
                    continue
                for thing in scene["objects"]:
                    if thing["label"] == label and pixels[thing["instance"]]:
                        assert thing["id"] in listed
                    elif thing["id"] in listed:
                        raise AssertionError(f"{thing['id']} is asked for but nowhere to be seen")


def test_masked_pixels_lie_in_the_boxes_that_are_asked_for() -> None:
    """The whole chain of frames at once: depth pixels, unprojected, are inside the answer's boxes."""
    for scene, sample in made("detection", tasks=DET3D, per_view=1000):
        view = scene["views"][sample["meta"]["view"]]
        instances, depths = maps(view)
        fx, fy, cx, cy = view["camera"]
        things = {t["id"]: t for t in scene["objects"]}
        for thing, box in zip(sample["meta"]["objects"], sample["answer"]["value"], strict=True):
            v, u = np.nonzero(instances == things[thing]["instance"])
            z = depths[v, u]
            points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], axis=1)
            R = Rotation.from_euler("xyz", box["box3d"][6:], degrees=True).as_matrix()
            local = np.abs((points - box["box3d"][:3]) @ R)
            assert (local <= np.array(box["box3d"][3:6]) / 2 + 0.02).all(axis=1).mean() > 0.99


def test_boxes_do_not_change_with_the_field_of_view() -> None:
    both = [made("detection", unified=unified, tasks=DET3D, per_view=1000) for unified in (False, True)]
    for (_, plain), (_, unified) in zip(*both, strict=True):
        assert plain["answer"] == unified["answer"]
        assert plain["id"] == unified["id"] or plain["meta"]["camera"] != unified["meta"]["camera"]


def test_counts_sum_to_the_candidates() -> None:
    folder, scenes = kitchen()
    for generate in (generator("depth", root=str(folder)), generator("detection", root=str(folder))):
        for scene in scenes:
            tally = Counter[str]()
            samples = list(generate(scene, tally))
            dropped = sum(n for r, n in tally.items() if r not in ("candidates", "samples") and ": " not in r)
            assert tally["samples"] == len(samples)
            assert tally["candidates"] == len(samples) + dropped
            assert len({s["id"] for s in samples}) == len(samples)


def test_a_seed_changes_the_questions_and_nothing_else_does() -> None:
    ids = {tuple(s["id"] for _, s in made("depth", seed=seed)) for seed in (0, 1)}
    assert len(ids) == 2
    assert made("depth") == made("depth")
