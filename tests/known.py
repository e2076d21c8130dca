"""Scenes that carry their evidence: made without files, so that generators can run by the thousand."""

from __future__ import annotations

from typing import Any

import numpy as np

LABELS = ["cup", "pot", "lamp", "sofa", "plant", "desk", "vase", "clock", "shoe", "mirror", "fan", "kettle"]


def scene(seed: int = 0, n: int = 8, views: int = 1, **fields: Any) -> dict[str, Any]:
    """A scene whose `n` objects, of different labels, are seen in every view at random places and depths."""
    rng = np.random.default_rng(seed)
    width, height = 640, 480
    view = {
        "image": f"{seed}.png", "width": width, "height": height, "camera": [525.0, 525.0, 319.5, 239.5],
        "evidence": "masks",
    }  # fmt: skip
    objects = []
    for i in range(n):
        seen = [look(j, rng.uniform(40, width - 40), rng.uniform(40, height - 40), rng) for j in range(views)]
        objects.append({"id": f"o{i + 1}", "label": LABELS[i], "seen": seen})
    return {
        "kind": "scene", "id": f"known/{seed}", **fields,
        "views": [{**view, "image": f"{seed}-{j}.png"} for j in range(views)], "objects": objects,
    }  # fmt: skip


def look(view: int, u: float, v: float, rng: np.random.Generator) -> dict[str, Any]:
    """What a view shows of one object around pixel (u, v)."""
    depth, half = rng.uniform(0.5, 6), rng.uniform(10, 38)
    return {
        "view": view,
        "pixels": int(4 * half**2),
        "fraction": 0.9,
        "box2d": [round(u - half, 2), round(v - half, 2), round(u + half, 2), round(v + half, 2)],
        "point": [round(u, 2), round(v, 2)],
        "depth": round(depth, 4),
        "near": round(depth * rng.uniform(0.93, 1), 4),
        "point_depth": round(depth * rng.uniform(0.97, 1.02), 4),
    }


def mirrored(held: dict[str, Any]) -> dict[str, Any]:
    """The scene as a mirror shows it, left and right exchanged."""
    out = {**held, "views": [], "objects": []}
    for view in held["views"]:
        fx, fy, cx, cy = view["camera"]
        out["views"].append({**view, "camera": [fx, fy, view["width"] - 1 - cx, cy]})
    for thing in held["objects"]:
        seen = []
        for one in thing["seen"]:
            last = held["views"][one["view"]]["width"] - 1
            x0, y0, x1, y1 = one["box2d"]
            u, v = one["point"]
            seen.append({**one, "box2d": [last - x1, y0, last - x0, y1], "point": [last - u, v]})
        out["objects"].append({**thing, "seen": seen})
    return out


def scaled(held: dict[str, Any], by: float) -> dict[str, Any]:
    """The scene with all its depths multiplied."""
    lengths = ("depth", "near", "point_depth")
    return {
        **held,
        "objects": [
            {**thing, "seen": [{k: v * by if k in lengths else v for k, v in one.items()} for one in thing["seen"]]}
            for thing in held["objects"]
        ],
    }
