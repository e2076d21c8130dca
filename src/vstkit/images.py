"""Images and recipes: headers without pixels, pixels when they are needed, and the maps aligned with them.

A recipe is a path, or {"path", "ops"}: `resize`, `crop` and `mark` applied in order. Sizes are (width, height).
Pictures are read upright (EXIF orientation applied), as browsers and OpenCV read them.
"""

from __future__ import annotations

import itertools
import math
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstkit.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

Recipe = str | dict[str, Any]
Size = tuple[int, int]
Read = Callable[[str, str], "np.ndarray[Any, Any]"]  # as `read_map`

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_WARNING = threading.Lock()  # what warnings do is one setting for all threads
_ORIENTATION, _EXIF_IFD, _FOCAL_35MM = 0x0112, 0x8769, 0xA405
DIAGONAL_35MM = math.hypot(36, 24)  # CIPA DC-008: the 35 mm equivalent compares diagonals


def path_of(recipe: Recipe) -> str:
    """The file that a recipe starts from."""
    return recipe if isinstance(recipe, str) else str(recipe["path"])


def ops_of(recipe: Recipe) -> list[dict[str, Any]]:
    """What is done to it, in order."""
    return [] if isinstance(recipe, str) else list(recipe["ops"])


def edited(recipe: Recipe, *ops: dict[str, Any]) -> Recipe:
    """`recipe` with `ops` after its own; still a plain path where there is nothing to do."""
    return {"path": path_of(recipe), "ops": [*ops_of(recipe), *ops]} if ops or ops_of(recipe) else path_of(recipe)


def located(path: str, root: str = ".") -> str:
    """Where a path in a record lies: relative to `root`, never to the file that the record came from."""
    return os.path.join(root, path)


def from_root(path: str | os.PathLike[str], root: str = ".") -> str:
    """A path that starts from the current folder, as records have it: from `root`. An absolute path stays."""
    held = os.fspath(path)
    return held if os.path.isabs(held) or os.path.normpath(root) == os.curdir else really_from(held, root)


def really_from(path: str, root: str) -> str:
    """The way from `root` to `path` by the real folders, for `..` behind a symbolic link leads elsewhere."""
    folder, name = os.path.split(path)
    return os.path.relpath(os.path.join(os.path.realpath(folder), name), os.path.realpath(root))


def size(recipe: Recipe, root: str = ".") -> Size:
    """Size after the recipe. Reads the file's header at most, and no file where a resize fixes the size."""
    ops = ops_of(recipe)
    for op in reversed(ops):
        if op["op"] == "resize":
            return tuple(op["size"])
        if op["op"] == "crop":
            x0, y0, x1, y1 = op["box"]
            return x1 - x0, y1 - y0
    return file_size(path_of(recipe), root)


def file_size(path: str, root: str = ".") -> Size:
    """Upright size of an image file, from its header."""
    with _opened(path, root) as image:
        width, height = image.size
        return (height, width) if _turned(image) else (width, height)


def open_image(recipe: Recipe, root: str = ".") -> Image.Image:
    """The pixels that a recipe describes, RGB."""
    from PIL import Image, ImageOps

    from vstkit.marks import draw

    with _opened(path_of(recipe), root) as source:
        image = ImageOps.exif_transpose(source).convert("RGB")
    for kind, run in itertools.groupby(ops_of(recipe), key=lambda op: op["op"]):
        if kind == "mark":
            draw(image, list(run))
            continue
        for op in run:
            if kind == "resize":
                image = image.resize(tuple(op["size"]), Image.Resampling.BICUBIC)
                continue
            x0, y0, x1, y1 = op["box"]
            if x1 > image.width or y1 > image.height:
                size = f"{image.width}x{image.height}"
                raise DataError(f"{path_of(recipe)}: crop {op['box']} leaves the image ({size})")
            image = image.crop((x0, y0, x1, y1))
    return image


def read_map(path: str, root: str = ".") -> np.ndarray[Any, Any]:
    """A one-channel image (depth, instances) with its stored values: (height, width), integer or float."""
    import numpy as np

    with _opened(path, root) as image:
        values = np.asarray(image)
    if values.ndim != 2:
        raise DataError(f"{path}: expected one channel, got mode {image.mode}")
    return values


def map_to_image(map_size: Size, recipe: Recipe, root: str = ".") -> tuple[float, float, float, float]:
    """(ax, bx, ay, by): pixel (u, v) of a depth or instance map lies at (ax u + bx, ay v + by) of the image.

    A map is aligned with the unedited image but may have another size; pixel centres are integers, so a resize by s
    takes u to (u + 0.5) s - 0.5.
    """
    width, height = map_size
    ops = [op for op in ops_of(recipe) if op["op"] in ("resize", "crop")]
    if not ops or ops[0]["op"] == "crop":  # the first crop counts in pixels of the file
        ops.insert(0, {"op": "resize", "size": file_size(path_of(recipe), root)})
    ax, bx, ay, by = 1.0, 0.0, 1.0, 0.0
    for op in ops:
        if op["op"] == "resize":
            sx, sy = op["size"][0] / width, op["size"][1] / height
            ax, bx, ay, by = ax * sx, (bx + 0.5) * sx - 0.5, ay * sy, (by + 0.5) * sy - 0.5
            width, height = op["size"]
        else:
            x0, y0, x1, y1 = op["box"]
            bx, by = bx - x0, by - y0
            width, height = x1 - x0, y1 - y0
    return ax, bx, ay, by


def exif_focal(path: str, root: str = ".") -> float | None:
    """Focal length in pixels from the 35 mm equivalent that a camera wrote, where it wrote one."""
    with _opened(path, root) as image:
        equivalent = image.getexif().get_ifd(_EXIF_IFD).get(_FOCAL_35MM) if _has_exif(image) else None
        return float(equivalent) * math.hypot(*image.size) / DIAGONAL_35MM if equivalent else None


def save(image: Image.Image, path: Path) -> None:
    """Write under a temporary name, then rename: a picture is there whole or not at all. Raises DataError."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # PNG at 3: nearly as small as at PIL's 6, in half of the time.
        image.save(temporary, quality=95, compress_level=3)
        temporary.replace(path)
    except OSError as e:
        with suppress(OSError):
            temporary.unlink()
        raise DataError(f"cannot write {path}: {e.strerror or e}") from e


def _turned(image: Image.Image) -> bool:
    # 5 to 8 lie on their side.
    return _has_exif(image) and int(image.getexif().get(_ORIENTATION, 1)) >= 5


def _has_exif(image: Image.Image) -> bool:
    """Without this question, PIL decodes a whole PNG to look for EXIF data behind its pixels."""
    return "exif" in image.info or image.format == "TIFF"


@contextmanager
def _opened(path: str, root: str) -> Iterator[Image.Image]:
    from PIL import Image

    try:
        with _WARNING, warnings.catch_warnings():
            # A header may claim more pixels than the file holds; PIL's limit (89 million) is ours.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(located(path, root))
        with opened as image:
            yield image
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"{path}: refused: the header claims more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file (relative paths start from --root)") from None
    # PIL raises all of these on broken files.
    except (OSError, SyntaxError, EOFError, TypeError, ValueError, struct.error) as e:
        raise DataError(f"{path}: cannot be read: {e}") from e
