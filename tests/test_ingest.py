"""vstkit ingest through the installed program; the readers themselves are tested in test_datasets_*.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from room import look_at, render
from support import run
from vstkit import datasets

BOXES = np.array([[0, 0, 3, 1, 1, 1, 0, 30, 0], [1, 0.2, 2.5, 0.4, 0.4, 0.4, 10, 0, 0]], dtype=float)
CAMERA = (60.0, 60.0, 39.5, 29.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three RGB-D sequences of two frames each, one 4x4 pose a frame."""
    for name in ("a", "b", "c"):
        for part in ("color", "depth", "pose"):
            (tmp_path / name / part).mkdir(parents=True)
        for i in range(2):
            pose = look_at((0.2 * i, -0.5, 0), (0, 0, 3))
            picture, depth, _ = render(BOXES, CAMERA, 80, 60, pose)
            Image.fromarray(picture).save(tmp_path / name / "color" / f"{i}.png")
            Image.fromarray(np.round(1000 * depth).astype(np.uint16)).save(tmp_path / name / "depth" / f"{i}.png")
            np.savetxt(tmp_path / name / "pose" / f"{i}.txt", pose)
    return tmp_path


OPTIONS = ("--camera", "60,60,39.5,29.5", "--depth-scale", "1000")


def test_scenes_come_out_and_pass_the_check(folder: Path) -> None:
    done = run("ingest", "rgbd", folder, *OPTIONS, "--split", "train")
    assert done.returncode == 0, done.stderr
    scenes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [s["id"].rpartition("/")[2] for s in scenes] == ["a", "b", "c"]
    assert all(s["split"] == "train" and len(s["views"]) == 2 for s in scenes)
    assert scenes[0]["views"][0]["camera"] == list(CAMERA)
    assert run("check", "--files", stdin=done.stdout).returncode == 0


def test_workers_shards_and_limits(folder: Path) -> None:
    whole = run("ingest", "rgbd", folder, *OPTIONS).stdout
    assert run("ingest", "rgbd", folder, *OPTIONS, "-j", "2").stdout == whole
    shards = [run("ingest", "rgbd", folder, *OPTIONS, "--shard", f"{i}/2").stdout for i in (1, 2)]
    assert sorted(b"".join(shards).splitlines()) == sorted(whole.splitlines())
    assert run("ingest", "rgbd", folder, *OPTIONS, "--limit", "1").stdout == whole.splitlines(keepends=True)[0]
    target = folder / "out.jsonl.gz"
    assert run("ingest", "rgbd", folder, *OPTIONS, "-o", target).stdout == b""
    assert run("check", target).stdout == whole


def test_broken_data_name_the_file(folder: Path) -> None:
    (folder / "b" / "pose" / "1.txt").write_text("1 0 0 0\n0 nan 0 0\n0 0 1 0\n0 0 0 1\n")
    done = run("ingest", "rgbd", folder, *OPTIONS)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"pose/1.txt" in done.stderr
    skipped = run("ingest", "rgbd", folder, *OPTIONS, "--on-error", "skip", "--max-bad", "0.5")
    assert skipped.returncode == 0
    assert [json.loads(line)["id"].rpartition("/")[2] for line in skipped.stdout.splitlines()] == ["a", "c"]


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        (["rgbd"], 2, b"expected a PATH"),
        (["nonsense", "x"], 2, b"expected one of omni3d"),
        (["omni3d", "x.json", "--fps", "3"], 2, b"--fps: omni3d has no use for it"),
        (["rgbd", "x", "--camera", "1,2"], 2, b"--camera: expected FX,FY,CX,CY"),
        (["omni3d", "none.json"], 1, b"none.json"),
    ],
)
def test_what_cannot_be_read(argv: list[str], status: int, message: bytes) -> None:
    done = run("ingest", *argv)
    assert (done.returncode, done.stdout) == (status, b"")
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def test_every_format_has_its_reader() -> None:
    for name in datasets.FORMATS:
        module = datasets.reader(name)
        assert module.__doc__
        assert callable(module.find)
        assert callable(module.read)
