"""Readers of other people's layouts, one file a format, for `vstkit ingest`.

A reader has two functions. `find(path)` yields units of work, small records {"kind": "unit", "id", ...}, in a fixed
order and without reading pictures. `read(unit, tally, *, root, split)` yields the records of one unit, scenes or
samples, in the form of vstkit-records(5): axes, units, Euler orders, depth encodings and intrinsics are converted here,
once, and nowhere else. It counts in `tally` what it leaves out and why, and raises DataError, which names the file and
the field, for what is wrong. Some readers take options of their own, which have defaults.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from vstkit.errors import UsageError

# Format -> the module that reads it, and what it looks for: conversations, which become samples, and all.
CONVERSATIONS: dict[str, tuple[str, str]] = {
    "llava": ("llava", "conversations of LLaVA, LLaVA-NeXT and LLaVA-OneVision: .json, .jsonl, .parquet"),
    "sharegpt": ("sharegpt", "conversations or messages with <image> and <video>, as LLaMA-Factory reads them"),
    "ms-swift": ("sharegpt", "messages with <image> and <video>, as ms-swift reads them"),
    "vst": ("vst", "VST-P and VST-R: parquet with conversations and <|image_pad|>"),
    "verl": ("verl", "prompts, pictures and ground truths, as verl reads them"),
    "parquet": ("samples", "sample records in parquet, as vstkit export writes them"),
}
FORMATS: dict[str, tuple[str, str]] = {
    "omni3d": ("omni3d", "Omni3D JSON: images, annotations with center_cam, dimensions and R_cam"),
    "sunrgbd": ("sunrgbd", "SUN RGB-D folders, its VoteNet form, and mmdetection3d info files (.json, .pkl)"),
    "arkitscenes": ("arkitscenes", "ARKitScenes 3dod folders: lowres_wide, lowres_depth, .traj, .pincam, obb"),
    "vsi-meta": ("vsi_meta", "thinking-in-space meta_info JSON: rooms with oriented boxes, no pictures"),
    "scannet": ("scannet", "ScanNet posed_images or .sens exports: poses, depth, axisAlignment, instance boxes"),
    "scannetpp": (
        "scannetpp",
        "ScanNet++ iphone, dslr exports: pose_intrinsic_imu.json, COLMAP text, segments_anno",
    ),
    "hypersim": ("hypersim", "Hypersim HDF5: distance to the centre, scene cameras, metres per asset unit"),
    "embodiedscan": ("embodiedscan", "EmbodiedScan v1 and v2 info files: ScanNet, 3RScan, Matterport3D, ARKitScenes"),
    "objectron": ("objectron", "Objectron as JSON: poses, nine keypoints, intrinsics"),
    "coco": ("coco", "COCO instances: polygons and run lengths, no depth"),
    "rgbd": ("rgbd", "color/, depth/ and poses: TUM, ICL-NUIM, 7-Scenes, Redwood, or one 4x4 a frame"),
    "frames": ("frames", "a video, or a folder of pictures with nothing else"),
    "bench": ("benches.samples", "a benchmark's questions as samples: vstkit ingest bench NAME FILE"),
    **CONVERSATIONS,
}


def reader(name: str) -> ModuleType:
    """The module that reads the format called `name` on the command line; raises UsageError for a name not known."""
    if name not in FORMATS:
        raise UsageError(f"expected one of {', '.join(FORMATS)}, got {name}")
    return importlib.import_module(f"vstkit.datasets.{FORMATS[name][0]}")
