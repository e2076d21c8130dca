"""Where a person with a camera stands and looks in a room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vstkit.chance import Chance
from vstkit.synth.model import between
from vstkit.synth.rooms import APART, Placed, Room, Space, meet
from vstkit.synth.shapes import Array

BODY = 0.25  # metres that are free to each side of a person
FOV = 56.0, 72.0  # degrees across the picture
STARTS, STEPS = 40, 12  # places that are looked at for the first view and for each further one
STEP = 0.3, 1.1  # metres
SPEED = 1.0  # metres a second

Spot = tuple[float, float]
Pose = list[list[float]]


class Stance(NamedTuple):
    """A camera-to-world pose as rows, and the seconds since the first one."""

    pose: Pose
    time: float


def camera(chance: Chance, width: int, height: int) -> list[float]:
    """fx, fy, cx, cy of a camera with an everyday field of view."""
    focal = round(width / 2 / math.tan(math.radians(between(chance, *FOV)) / 2), 2)
    return [focal, focal, (width - 1) / 2, (height - 1) / 2]


def walk(room: Room, lens: list[float], width: int, height: int, views: int) -> list[Stance]:
    """Poses at eye height along a way that crosses nothing, each the best of some: it shows the most things."""
    chance = room.chance
    high = between(chance, 1.25, 1.75)
    things = [p for p in room.placed if not p.model.stuff]
    middles = np.array([_middle(p) for p in things])
    blocked = [s for s in map(Placed.space, things) if s.low < high + 0.1]
    stances: list[Stance] = []
    here: Spot | None = None
    seconds = 0.0
    for _ in range(views):
        found = []
        for spot in _next_spots(room, blocked, high, here):
            aim = middles[chance.below(len(middles))] * 0.4 + middles.mean(axis=0) * 0.6
            sway, lower = between(chance, -0.05, 0.05), between(chance, -0.25, 0.15)
            pose = looking((*spot, round(high + sway, 3)), (*aim[:2].tolist(), 0.75 + lower))
            found.append((_score(middles, pose, lens, width, height), spot, pose))
        _, spot, pose = max(found, key=lambda one: one[0])
        seconds += math.dist(here or spot, spot) / SPEED
        stances.append(Stance(pose, round(seconds, 3)))
        here = spot
    return stances


def _next_spots(room: Room, blocked: list[Space], high: float, here: Spot | None) -> Iterator[Spot]:
    """Free places to stand: anywhere at first, then a step away; where there is none, at the door or on the spot."""
    chance, any_yet = room.chance, False
    for _ in range(STEPS if here else STARTS):
        if here:
            length, angle = between(chance, *STEP), math.radians(chance.below(360))
            spot = here[0] + length * math.cos(angle), here[1] + length * math.sin(angle)
            way = [(here[0] + t * (spot[0] - here[0]), here[1] + t * (spot[1] - here[1])) for t in (0.25, 0.5, 0.75, 1)]
        else:
            spot = between(chance, 0, room.wide), between(chance, 0, room.deep)
            way = [spot]
        if all(_is_free(room, blocked, high, x, y) for x, y in way):
            any_yet = True
            yield round(spot[0], 3), round(spot[1], 3)
    if not any_yet:
        door = room.kept_free[-1]
        yield here or (round(door.x, 3), round(door.y, 3))


def _is_free(room: Room, blocked: list[Space], high: float, x: float, y: float) -> bool:
    if not (BODY < x < room.wide - BODY and BODY < y < room.deep - BODY):
        return False
    person = Space(x, y, (BODY, BODY), 0, 0, high + 0.1)
    return not any(meet(person, space, APART) for space in blocked)


def _middle(placed: Placed) -> tuple[float, float, float]:
    space = placed.space()
    return space.x, space.y, (space.low + space.high) / 2


def looking(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Pose:
    """The pose of an upright camera at `eye` that looks at `target`; the world's z is up."""
    forward = np.subtract(target, eye)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(forward, right), forward, eye], axis=1)
    rows: Pose = (pose.round(9) + 0.0).tolist()  # the same on every machine, and no -0.0
    return rows


def _score(middles: Array, pose: Pose, lens: list[float], width: int, height: int) -> float:
    """How many middles are in the picture and at a good distance, less those that stand in the way."""
    turned = (middles - np.array([row[3] for row in pose[:3]])) @ np.array([row[:3] for row in pose[:3]])
    z = np.maximum(turned[:, 2], 1e-6)
    u, v = turned[:, 0] / z * lens[0] + lens[2], turned[:, 1] / z * lens[1] + lens[3]
    shown = (turned[:, 2] > 0) & (u > 0.04 * width) & (u < 0.96 * width) & (v > 0) & (v < 0.97 * height)
    good = shown & (z > 1.0) & (z < 6)
    return float(good.sum()) - 1.5 * float((shown & (z < 0.8)).sum())
