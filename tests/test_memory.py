"""Peak memory of the installed program, largest process of all: 10,000 records take what 100 take."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support import PROGRAM, environment

FEW, MANY = 100, 10_000
MARGIN = 10_000  # kilobytes
LABEL = "x" * 5000  # MANY records are 50 MB: too much to be held by any process, were it the smallest

# Run as `python -c MEASURE ARGUMENT...`: a process forked off pytest would begin with the peak that pytest has had.
MEASURE = """
import resource, subprocess, sys
with open("lines", "w+b") as lines:
    done = subprocess.run(sys.argv[1:], stdout=lines)
    lines.seek(0)
    print(done.returncode, sum(1 for _ in lines), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)  # pytest would keep tens of thousands of files


def peak(folder: Path, *argv: str, records: int) -> int:
    """Kilobytes that `vstkit ARGV -j 2` takes at most in one process; it has to write so many records."""
    command = [sys.executable, "-c", MEASURE, PROGRAM, *argv, "-q", "-j", "2"]
    process = subprocess.run(command, capture_output=True, cwd=folder, env=environment(), timeout=60, check=True)
    status, lines, kilobytes = map(int, process.stdout.split())
    assert (status, lines, process.stderr) == (0, records, b"")
    assert (folder / "lines").stat().st_size > records * len(LABEL)
    return kilobytes


def pictures(folder: Path) -> None:
    """16x12 pixels: colour, depth and instances."""
    Image.new("RGB", (16, 12), (90, 90, 90)).save(folder / "a.jpg")
    Image.fromarray(np.full((12, 16), 2000, np.uint16)).save(folder / "depth.png")
    Image.fromarray(np.ones((12, 16), np.uint16)).save(folder / "instances.png")


def test_evidence(folder: Path) -> None:
    pictures(folder)
    view = {"image": "a.jpg", "width": 16, "height": 12, "camera": [16, 16, 7.5, 5.5]}
    view |= {"depth": {"path": "depth.png", "scale": 1000}, "instances": {"path": "instances.png"}}
    thing = {"id": "o", "label": LABEL, "box3d": [0, 0, 2, 1, 1, 0.2, 0, 0, 0], "instance": 1}
    scene = {"kind": "scene", "id": "s", "views": [view], "objects": [thing]}
    for count in (FEW, MANY):
        (folder / f"{count}.jsonl").write_text(f"{json.dumps(scene)}\n" * count)
    few, many = (peak(folder, "evidence", f"{count}.jsonl", records=count) for count in (FEW, MANY))
    assert many - few < MARGIN


def test_ingest_of_a_folder(folder: Path) -> None:
    """A layout of files: SUN RGB-D as VoteNet has it."""
    pictures(folder)
    (folder / "a.txt").write_text("1 0 0 0 1 0 0 0 1\n16 0 0 0 16 0 8 6 1\n")
    (folder / "label.txt").write_text(f"{LABEL} 1 1 9 9 0 2 0 1 1 0.2 1 0\n")
    for count in (FEW, MANY):
        for name, source in (("calib", "a.txt"), ("image", "a.jpg"), ("label", "label.txt")):
            place = folder / str(count) / name
            place.mkdir(parents=True)
            for i in range(count):
                os.link(folder / source, place / f"{i:06}{Path(source).suffix}")
    few, many = (peak(folder, "ingest", "sunrgbd", str(count), records=count) for count in (FEW, MANY))
    assert many - few < MARGIN


def test_ingest_of_one_file(folder: Path) -> None:
    """One JSON value is loaded whole; what is made of it is not held, however much of it is read."""
    pictures(folder)
    K = [[16, 0, 7.5], [0, 16, 5.5], [0, 0, 1]]
    box = {"center_cam": [0, 0, 2], "dimensions": [1, 1, 1], "R_cam": np.eye(3).tolist(), "category_id": 0}
    data = {
        "images": [{"id": i, "file_path": "a.jpg", "width": 16, "height": 12, "K": K} for i in range(MANY)],
        "annotations": [{"id": i, "image_id": i, **box} for i in range(MANY)],
        "categories": [{"id": 0, "name": LABEL}],
    }
    (folder / "made.json").write_text(json.dumps(data))
    few = peak(folder, "ingest", "omni3d", "made.json", "--limit", str(FEW), records=FEW)
    assert peak(folder, "ingest", "omni3d", "made.json", records=MANY) - few < MARGIN
