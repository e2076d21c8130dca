"""A pack as the arguments of a model's forward pass: one sequence without padding, and all its pictures."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from vstkit.errors import DataError, at
from vstkit.images import open_image, path_of
from vstkit.models.chat import Chat, Encoded
from vstkit.models.pixels import Patches, together, values
from vstkit.models.vision import Grid
from vstkit.training.rope import rope_index

if TYPE_CHECKING:
    from PIL.Image import Image

IGNORED = -100  # the label that torch's cross entropy leaves out
Array = np.ndarray[Any, Any]
Batch = dict[str, Array]
# What the log tells of a batch: `tasks` of the samples in it ("" where one has none), how many are `left_out`, and
# why each of them is `lost`.
About = dict[str, Any]


class Pixels:
    """Pictures under `root` as a model's patches, prepared once while they are among the last `limit` bytes asked for.

    With `exact`, transformers' own processor prepares them: see `vstkit.models.pixels.Patches`.
    """

    def __init__(self, folder: Path, root: str = ".", exact: bool = False, limit: int = 2**28) -> None:
        self._patches = Patches(folder, exact)
        self._root, self._limit, self._bytes = root, limit, 0
        self._kept: OrderedDict[bytes, tuple[Array, Grid]] = OrderedDict()

    @property
    def levels(self) -> Array:
        """What makes numbers of grey levels: (2, 3), scale and shift."""
        return self._patches.levels

    def image(self, recipe: Any) -> tuple[Array, Grid]:
        """The patches and the grid of a recipe's image."""
        return self._once(recipe, lambda: self._patches.image(self._open(recipe)))

    def video(self, frames: Sequence[Any]) -> tuple[Array, Grid]:
        """Those of the frames of a video, each a recipe."""
        return self._once(frames, lambda: self._patches.video([self._open(recipe) for recipe in frames]))

    def blank(self) -> tuple[Array, Grid]:
        """The smallest image there is, of one visual token."""
        return self._patches.blank()

    def _open(self, recipe: Any) -> Image:
        try:
            return open_image(recipe, self._root)
        except (struct.error, TypeError) as error:  # Pillow's, of broken EXIF data in a picture that has to be turned
            raise DataError(f"{path_of(recipe)}: cannot be read: {error}") from error

    def _once(self, asked: Any, prepare: Callable[[], tuple[Array, Grid]]) -> tuple[Array, Grid]:
        key = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        patches, grid = self._kept[key] = prepare()
        self._bytes += patches.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._kept.popitem(last=False)[1][0].nbytes
        return patches, grid


def prepare(pack: dict[str, Any], chat: Chat, pixels: Pixels, root: str = ".") -> tuple[Batch, About]:
    """A pack as `collate` makes it, less the samples whose pictures cannot be used, and what the log tells of it.

    What is left out depends on nothing but the pictures, and costs its own tokens only: a step is divided by the
    tokens that it has. Raises DataError for a pack that is not what it says.
    """
    lost: dict[int, str] = {}
    batch = collate(pack, chat, pixels, root, lost)
    tasks = [sample.get("task", "") for number, sample in enumerate(pack["samples"]) if number not in lost]
    return batch, {"tasks": tasks, "left_out": len(lost), "lost": list(lost.values())}


def collate(
    pack: dict[str, Any], chat: Chat, pixels: Pixels, root: str = ".", lost: dict[int, str] | None = None
) -> Batch:
    """One pack as the arguments of a model's forward pass, and its labels; `inputs` takes it to a device.

    input_ids and labels (1, L), position_ids (4, 1, L): the text row, which is 0 where a sample starts, and the
    three M-RoPE rows; pixel_values, the patches of all pictures in the order of their tokens, with their levels (see
    `vstkit.models.pixels.Patches`), and image_grid_thw (pictures, 3). A label is -100 outside the turns to learn and
    on every sample's first token, which would be predicted from the sample before.

    Videos are handed over as images of several time steps, which to the models are the same: each process then runs
    its vision tower once, whatever it has. A pack without pictures ends in a blank one that nothing learns from, for
    the same reason: ZeRO's collectives break where one process does what another does not.

    A sample that cannot be prepared is left out, and `lost` told why by its number; without `lost`, DataError is
    raised, starting with the field.
    """
    ids: list[int] = []
    labels: list[int] = []
    positions, patches = [], []
    grids: list[Grid] = []
    for number, sample in enumerate(pack["samples"]):
        try:
            encoded = chat.encode(sample, root)
            if len(ids) + encoded.length > pack["length"]:
                raise DataError(
                    f"expected at most {pack['length'] - len(ids)} tokens, got {encoded.length}: pack again"
                )
            cut = list(_pictures(sample, encoded, chat, pixels))
        except DataError as error:
            reason = f"samples[{number}].{error} (sample {sample['id']})"
            if lost is None:
                raise DataError(reason) from error
            lost[number] = reason
            continue
        patches += cut
        grids += encoded.grids
        ids += encoded.ids
        labels += _labels(encoded)
        positions.append(_positions(encoded.ids, encoded.grids, encoded.intervals, chat))
    if not lost and (found := sum(label != IGNORED for label in labels)) != pack["targets"]:
        raise DataError(f"targets: expected {found}, as the samples have, got {pack['targets']}")
    if not patches:
        blank, grid = pixels.blank()
        patches, grids, tail = [blank], [grid], [chat.image_id, chat.stop_id]
        ids += tail
        labels += [IGNORED] * len(tail)
        positions.append(_positions(tail, grids, [1.0], chat))
    tokens = np.array([ids])
    tokens[tokens == chat.video_id] = chat.image_id
    return {
        "input_ids": tokens,
        "labels": np.array([labels]),
        "position_ids": np.concatenate(positions, axis=1)[:, None],
        "pixel_values": together(patches),
        "levels": pixels.levels,
        "image_grid_thw": np.array(grids),
    }


def inputs(batch: Batch, device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a batch that a model is called with, on its device; labels stay behind.

    Patches travel as bytes, a fraction of the numbers that are made of them there.
    """
    import torch

    tensors = {
        name: torch.from_numpy(array).to(device) for name, array in batch.items() if name not in ("labels", "levels")
    }
    return {**tensors, "pixel_values": values(tensors["pixel_values"], batch["levels"])}


def _pictures(sample: dict[str, Any], encoded: Encoded, chat: Chat, pixels: Pixels) -> Iterator[Array]:
    """The patches of a sample's images and videos, in the order of their tokens."""
    images = _checked("images", sample.get("images") or [], encoded.images, pixels.image)
    videos = _checked("videos", [v["frames"] for v in sample.get("videos") or []], encoded.videos, pixels.video)
    kinds = [token for token in encoded.ids if token in (chat.image_id, chat.video_id)]
    done = 0
    while done < len(kinds):
        patches, grid = next(images if kinds[done] == chat.image_id else videos)
        done += chat.rule.tokens(grid)
        yield patches


def _checked(
    field: str, asked: Sequence[Any], grids: Sequence[Grid], prepare: Callable[[Any], tuple[Array, Grid]]
) -> Iterator[tuple[Array, Grid]]:
    for number, (recipe, expected) in enumerate(zip(asked, grids, strict=True)):
        with at(f"{field}[{number}]"):
            patches, grid = prepare(recipe)
            if grid != expected:
                raise DataError(f"expected a grid of {expected} patches, got {grid}")
        yield patches, grid


def _labels(encoded: Encoded) -> list[int]:
    labels = [IGNORED] * encoded.length
    for start, end in encoded.spans:
        labels[start:end] = encoded.ids[start:end]
    labels[0] = IGNORED
    return labels


def _positions(ids: list[int], grids: Sequence[Grid], intervals: Sequence[float], chat: Chat) -> Array:
    text = np.arange(len(ids))[None]
    return np.concatenate([text, rope_index(np.isin(ids, _visual(chat)), grids, chat.rule.merge, intervals)])


def _visual(chat: Chat) -> list[int]:
    return [chat.image_id] if chat.video_id is None else [chat.image_id, chat.video_id]
