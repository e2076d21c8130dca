"""What a benchmark's row says: groups and keys that are not just a field of it, and the names of groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

VSI = (
    "object_counting", "object_abs_distance", "object_size_estimation", "room_size_estimation", "object_rel_distance",
    "object_rel_direction", "route_planning", "obj_appearance_order",
)  # fmt: skip
VSI_PARTS = {"object_rel_direction": tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard"))}
BLINK = (
    "Visual_Similarity", "Counting", "Relative_Depth", "Jigsaw", "Art_Style", "Functional_Correspondence",
    "Semantic_Correspondence", "Spatial_Relation", "Object_Localization", "Visual_Correspondence",
    "Multi-view_Reasoning", "Relative_Reflectance", "Forensic_Detection", "IQ_Test",
)  # fmt: skip
SPAR = {
    "Low": tuple(f"{what}_prediction_{of}" for what in ("depth", "distance") for of in ("oc", "oo", "oc_mv", "oo_mv")),
    "Middle": ("view_change_infer", "position_matching", "camera_motion_infer"),
    "High": (
        "obj_spatial_relation_oo", "obj_spatial_relation_oc_mv", "obj_spatial_relation_oo_mv", "spatial_imagination_oc",
        "spatial_imagination_oo", "spatial_imagination_oc_mv", "spatial_imagination_oo_mv", "distance_infer_center_oo",
        "distance_infer_center_oo_mv",
    ),
}  # fmt: skip


def circular(row: Row) -> str:
    """Rolled copies of a question have its index plus a multiple of a million."""
    return str(int(float(row["index"])) % 1_000_000)


def flip(row: Row) -> str:
    """3DSRBench: a question and its mirrored picture, in the same roll of the options."""
    return str(row["qid"]).replace("-flip", "")


def roll(row: Row) -> str:
    """3DSRBench: all rolls of the options of one question about one picture."""
    qid = str(row["qid"])
    return qid[:13] if "-flip" in qid else qid[:8]


def question(row: Row) -> str:
    """3DSRBench: all rows of a question."""
    return str(row["qid"])[:8]


def part_of_3dsr(row: Row) -> str:
    """3DSRBench: which of four groups a category is in."""
    category = str(row.get("category", ""))
    return next(
        (part for part in ("height", "location", "orientation", "multi_object") if category.startswith(part)), ""
    )


def dimensions(row: Row) -> str:
    """CV-Bench: 2D or 3D, by the source."""
    return str(row.get("type") or {"ADE20K": "2D", "COCO": "2D", "Omni3D": "3D"}.get(str(row.get("source")), ""))


def subject(row: Row) -> str:
    """MMMU: the subject, out of an id such as validation_Art_Theory_7."""
    return str(row.get("subject") or "_".join(str(row["id"]).rpartition("/")[2].split("_")[1:-1]))


def ocr_part(row: Row) -> str:
    """OCRBench: its five parts; six kinds of text recognition are one."""
    kind = str(row.get("category") or row.get("type") or row.get("task") or "")
    return "Text Recognition" if "Recognition" in kind and not kind.startswith("Handwritten Math") else kind


def mindcube(row: Row) -> str:
    """MindCube: the type, which an id begins with."""
    start = str(row.get("type") or str(row["id"]).rpartition("/")[2])
    return next((kind for kind in ("among", "around", "rotation", "translation") if start.startswith(kind)), start)


def pair(row: Row) -> str:
    """What'sUp: left and right of the same things, on and under, in front and behind."""
    relation = str(row["relation"]).lower()
    return f"{row['set']}/{'sides' if relation.startswith(('left', 'right')) else 'other'}"
