"""Make scene records of other people's data.

DESCRIPTION
    Reads the layout FORMAT at each PATH and writes one scene record after another. Axes, units, the order of angles,
    depth encodings and intrinsics are converted here; what the records say is checked; what is left out is counted
    with its reason on standard error.

    Records point at the pictures where they lie. Maps that are not images with metres along the axis (HDF5, bit-rotated
    or radial depth, polygons) are converted into 16-bit PNGs under --write DIR; without it they are left out.

    Formats:

    {formats}

    Benchmarks that bench knows by NAME:

    {benches}

    Each row becomes a sample with the benchmark's own prompt, its answer, and its other fields in meta.bench, which
    vstkit-score(1) reads. Pictures that stand in the file (base64, bytes) are written once under --write DIR, named by
    what they hold; paths start from --images DIR, or from the file's folder, and do not lead out of it. For a video
    there may be a file or a folder of its frames; --fps and --max-frames choose among them. Without --write, or where
    nothing is found, samples are made without pictures, to score against, and counted. Files of answers alone
    ({id: answer}) serve for that, too.

    Conversations are read from JSON, JSON lines or parquet: turns, and pictures where the tags are; those that no tag
    places stand before the first question. Their pictures are found as those of benchmarks are, and have to be there.
    Frames that no rate is told of were taken --fps a second, by default 2. What has no id is named by what it says.

INPUT
    Folders and files in the layout of FORMAT. Streams: one scene is in memory at a time. Only a single file that
    describes all scenes (omni3d, coco, vsi-meta, embodiedscan, the info files of sunrgbd) is loaded whole, which takes
    about ten times its size. A benchmark's file (tsv, csv, xlsx, parquet, json, jsonl) is read row by row, JSON whole;
    xlsx and parquet need pip install 'vstkit[bench]'.

OUTPUT
    Scene records; of bench and of conversations (llava, sharegpt, ms-swift, vst, verl, parquet) sample records.

EXAMPLES
    A folder of RGB-D frames with a trajectory:

        vstkit ingest rgbd DIR --camera 525,525,319.5,239.5 | vstkit check --files

    Ask a model the questions of a benchmark:

        vstkit ingest bench blink BLINK.tsv --write pictures > blink.jsonl

    A negative fy in --camera says that the layout's y axis points up, as ICL-NUIM's does.

SEE ALSO
    vstkit-check(1), vstkit-evidence(1), vstkit-records(5)
"""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer

from vstkit.datasets import FORMATS
from vstkit.datasets.benches.suites import BENCHES

from . import _command
from . import _options as options

assert __doc__
__doc__ = __doc__.replace("{formats}", "\n    ".join(f"{name}  {text}." for name, (_, text) in FORMATS.items()))
__doc__ = __doc__.replace("{benches}", "\n    ".join(f"{name}  {entry.about}." for name, entry in BENCHES.items()))


@_command.streaming
def command(
    stream: Any,
    context: typer.Context,
    layout: Annotated[str, typer.Argument(metavar="FORMAT", help="The layout to read; vstkit help ingest lists them.")],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="Split that the records are marked with.")] = "",
    write: options.Write = None,
    camera: Annotated[
        str | None, typer.Option("--camera", metavar="FX,FY,CX,CY", help="Intrinsics, where the layout has none.")
    ] = None,
    depth_scale: Annotated[
        float | None,
        typer.Option("--depth-scale", metavar="N", help="Depth units a metre, where the layout does not say."),
    ] = None,
    fps: Annotated[float | None, typer.Option("--fps", metavar="N", help="Frames a second to take of a video.")] = None,
    max_frames: Annotated[int | None, typer.Option("--max-frames", metavar="N", help="Most frames of a video.")] = None,
    poses: Annotated[
        str | None, typer.Option("--poses", metavar="FILE", help="Trajectory, where rgbd finds several.")
    ] = None,
    images: Annotated[
        str | None, typer.Option("--images", metavar="DIR", help="Folder of the pictures, if they lie elsewhere.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="DIR", help="Data sets that embodiedscan's files are of.")
    ] = None,
    hfov: options.Hfov = None,
    root: options.Root = ".",
) -> None:
    """Make scene records of other people's data."""
    from vstkit.datasets.opening import numbers, opened
    from vstkit.errors import UsageError
    from vstkit.stream import left_out

    files = list(context.params["files"] or ())
    if layout == "bench" and len(files) < 2:
        raise UsageError(f"expected bench NAME FILE, with NAME one of {', '.join(BENCHES)}")
    given = {
        "suite": files.pop(0) if layout == "bench" else None,
        "split": split or None,
        "write": write,
        "camera": numbers(camera) if camera else None,
        "depth_scale": depth_scale,
        "fps": fps,
        "max_frames": max_frames,
        "hfov": hfov,
        "poses": poses,
        "images": images,
        "data": data,
    }
    find, read = opened(layout, root, {name: value for name, value in given.items() if value is not None})
    with stream(convert=find, needs="PATH", files=files) as units:
        units.map(read, kinds=("unit",))
    logging.getLogger("vstkit").info("%d units%s", units.read - units.bad, left_out(units.tally))
