"""Make furnished rooms with exact geometry, and pictures of them.

DESCRIPTION
    Furnishes living rooms, bedrooms, studies and dining rooms, walks a camera through each and casts the rays of its
    pictures on the CPU. What the records say is exact: depth and instances are what the ray through a pixel's centre
    meets, boxes touch the geometry on all sides, solid things do not intersect. Only the picture is smoothed at edges.

    Scene i of a seed is the same whatever --scenes, -j and --shard say; --shard I/N makes every N-th scene.

    For each view DIR gets a picture (JPEG), depth (PNG, millimetres) and an instance image (PNG), under
    DIR/SEED/SCENE/. Records name them relative to --root, else as DIR is given. Needs embreex, of vstkit[synth].

INPUT
    A folder that is written to.

OUTPUT
    Scene records: world axes with z up, metric. The box of an object with a true front has it at +x; floors, walls,
    ceilings, windows, doors and rugs are stuff. Two fields more: floor, the corners of the room's floor, and, of an
    object that stands on another one, on, the id of that one.

EXAMPLES
    Are they right?

        vstkit synth rooms --scenes 10 | vstkit check --files > scenes.jsonl

    Questions out of nothing:

        vstkit synth rooms --scenes 100 -j 8 | vstkit gen-depth -k | vstkit gen-det3d > samples.jsonl

SEE ALSO
    vstkit-check(1), vstkit-gen-depth(1), vstkit-records(5)
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import _command
from . import _options as options


@_command.streaming
def command(
    stream: Any,
    scenes: Annotated[int, typer.Option("--scenes", metavar="N", min=0, help="Rooms to make.")] = 100,
    views: Annotated[int, typer.Option("--views", metavar="N", min=1, help="Pictures of each room.")] = 3,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Pixels of a picture.")] = "640x480",
    root: options.Root = ".",
    seed: options.Seed = 0,
) -> None:
    """Make furnished rooms with exact geometry, and pictures of them."""
    from functools import partial

    from vstkit import synth

    make = partial(synth.scene, root=root, views=views, size=synth.size_of(size))
    with stream(convert=partial(synth.units, count=scenes, seed=seed), needs="DIR") as rooms:
        rooms.map(make, kinds=("unit",))
