"""3D boxes as texts have them, read in one's own way: dialects, quaternions, centres as pixels."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from rederive.sight import Body

NUMBER = r"-?\d+(?:\.\d+)?"
TAGGED = re.compile(r"(?:(?P<label>[^\n<]+): )?<3dbbox>(?P<numbers>[-\d. ]+)</3dbbox>")
LISTED = re.compile(rf"\[(?P<numbers>{NUMBER}(?:, ?{NUMBER}){{8,9}})\]")
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # camera axes to x right, y forward, z up
KEYS = {"vst": "bbox_3d", "qwen3vl": "bbox_3d", "gemini": "box_3d"}

Notation = dict[str, Any]


def boxes_in_reply(reply: str, meta: Notation) -> list[tuple[str, Body]]:
    """Labels and boxes. Raises ValueError for what is no list of boxes in the dialect of `meta`."""
    if meta["dialect"] == "seed":
        if reply == "none":
            return []
        lines = [TAGGED.fullmatch(line) for line in reply.split("\n")]
        return [(held["label"], _body([float(n) for n in held["numbers"].split()], meta)) for held in lines if held]
    fenced = re.fullmatch(r"```json\n(.*)\n```", reply, re.DOTALL)
    if fenced is None:
        raise ValueError(f"no fenced list: {reply!r}")
    return [(entry["label"], _body(entry[KEYS[meta["dialect"]]], meta)) for entry in json.loads(fenced[1])]


def box_in_question(question: str, meta: Notation) -> Body:
    """The box that a question gives, in numbers."""
    found = (TAGGED if meta["dialect"] == "seed" else LISTED).findall(question)
    (numbers,) = [held[-1] if isinstance(held, tuple) else held for held in found]
    return _body([float(n) for n in re.findall(NUMBER, numbers)], meta)


def _body(numbers: list[float], meta: Notation) -> Body:
    if len(numbers) != 6 + (4 if meta["angles"] == "quat" else 3):
        raise ValueError(f"{len(numbers)} numbers of a box")
    upright = meta["dialect"] == "gemini"
    centre, size = np.array(numbers[:3]), np.array(numbers[3:6])
    if meta["angles"] == "quat":
        axes = Rotation.from_quat(numbers[6:]).as_matrix()
    else:
        degrees = numbers[6:] if upright else [180 * n for n in numbers[6:]]
        if max(map(abs, degrees)) > 180:
            raise ValueError(f"angles {numbers[6:]}")
        axes = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    if upright:
        axes, size = UPRIGHT.T @ axes @ UPRIGHT, np.abs(UPRIGHT.T @ size)
    if meta["center"] == "uvd":
        fx, fy, cx, cy = meta["camera"]
        u, v, depth = centre
        centre = np.array([(u - cx) / fx * depth, (v - cy) / fy * depth, depth])
    elif upright:
        centre = UPRIGHT.T @ centre
    return Body(centre, axes, size / 2)


def same(said: Body, true: Body, meta: Notation) -> str:
    """What of a box that was read is not the true one's, to the rounding of its numbers."""
    room = np.full(3, 0.0051)
    if meta["center"] == "uvd":
        reach = np.abs(true.centre[:2] / true.centre[2])  # of the rounding of depth
        room[:2] += 0.51 * true.centre[2] / np.array(meta["camera"][:2]) + reach * 0.0051
    if (np.abs(said.centre - true.centre) > room).any():
        return f"centre {said.centre.round(3)}, not {true.centre.round(3)}"
    if (np.abs(said.half - true.half) > 0.0026).any():
        return f"size {2 * said.half.round(3)}, not {2 * true.half.round(3)}"
    turned = math.degrees(Rotation.from_matrix(said.axes.T @ true.axes).magnitude())
    most = 1.8 if meta["angles"] == "quat" else 1.6 if meta["dialect"] == "gemini" else 2.8
    return f"turned by {turned:.1f} degrees" if turned > most else ""
