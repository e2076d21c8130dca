"""The categories that Omni3D scores, by dataset (`get_omni3d_categories` of Cube R-CNN), and what is half annotated.

The category list moves AP more than most models do: a number is comparable only with one over the same list.
"""

from __future__ import annotations

import re


def _names(text: str) -> frozenset[str]:
    return frozenset(re.split(r",\s+", text))


INDOOR = _names("""bathtub, bed, bicycle, bin, blinds, bookcase, books, bottle, box, cabinet, chair, clothes, counter,
    cup, curtain, desk, door, floor mat, lamp, laptop, machine, mirror, night stand, oven, picture, pillow,
    refrigerator, shelves, shoes, sink, sofa, stationery, stove, table, television, toilet, towel, window""")
OUTDOOR = _names(
    "barrier, bicycle, bus, car, cyclist, motorcycle, pedestrian, traffic cone, trailer, truck, van"
)  # fmt: skip

CATEGORIES: dict[str, frozenset[str]] = {
    "sunrgbd": INDOOR,
    # Its test split has no truth for "toilet".
    "hypersim": INDOOR - _names("bicycle, bin, bottle, cup, laptop, machine, oven, shoes, stove"),
    "arkitscenes": _names("""bathtub, bed, cabinet, chair, machine, oven, refrigerator, shelves, sink, sofa, stove,
        table, television, toilet"""),
    "objectron": _names("bicycle, books, bottle, camera, cereal box, chair, cup, laptop, shoes"),
    "kitti": _names("car, cyclist, pedestrian, truck, van"),
    "nuscenes": OUTDOOR - {"cyclist", "van"},
    "omni3d": INDOOR | OUTDOOR | {"camera", "cereal box"},
}

HALF_ANNOTATED = ("sunrgbd", "objectron")


def known(dataset: str) -> str | None:
    """The name above that a dataset goes by: "SUNRGBD_test", "SUN RGB-D" and "sunrgbd/kv2" are "sunrgbd"."""
    plain = re.sub(r"[^a-z0-9]", "", dataset.lower())
    return plain if plain == "omni3d" else next((n for n in CATEGORIES if n in plain and n != "omni3d"), None)
