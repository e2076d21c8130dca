"""Pack files as training data: read by line in a seeded order, each pack one sequence of arrays without padding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson

from vstkit import lineio
from vstkit.chance import Chance
from vstkit.errors import DataError
from vstkit.models import vision
from vstkit.models.chat import Chat, Encoded
from vstkit.records import Pack
from vstkit.training.rope import rope_index
from vstkit.validation import parse

IGNORED = -100  # the label that torch's cross entropy leaves out
Batch = dict[str, np.ndarray[Any, Any]]


class Packs:
    """Pack records in plain files, found by number; only where each line lies is kept in memory.

    `lengths` and `targets` are the tokens and trained tokens of each. Raises DataError with the file and line for
    anything but packs made for the chat with `fingerprint`.
    """

    def __init__(self, files: Iterable[str], fingerprint: str) -> None:
        self.lengths: list[int] = []
        self.targets: list[int] = []
        self._lines: list[tuple[str, int, int, int]] = []
        for name in files:
            if name.endswith((".gz", ".zst")):
                raise DataError(f"{name}: expected plain lines, which can be read in any order: unpack it first")
            try:
                with Path(name).open("rb") as file:
                    self._scan(name, file, fingerprint)
            except OSError as error:
                raise DataError(f"{name}: {error.strerror}") from error
        if not self._lines:
            raise DataError("expected at least one pack, got none")

    def _scan(self, name: str, file: Iterable[bytes], fingerprint: str) -> None:
        offset = 0
        for number, raw in enumerate(file, 1):
            if not raw.isspace():
                try:
                    record = lineio.decode(raw)
                    if record["kind"] != "pack":
                        raise DataError(f"kind: expected pack, got {record['kind']}")
                    pack = parse(record, Pack)
                    if pack.model != fingerprint:
                        raise DataError(f"model: packed for {pack.model}, but the model is {fingerprint}: pack again")
                except DataError as error:
                    raise DataError(f"{name}:{number}: {error}") from error
                self.lengths.append(pack.length)
                self.targets.append(pack.targets)
                self._lines.append((name, number, offset, len(raw)))
            offset += len(raw)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> dict[str, Any]:
        name, _, offset, length = self._lines[index]
        with Path(name).open("rb") as file:
            file.seek(offset)
            return lineio.decode(file.read(length))

    def where(self, index: int) -> str:
        """The file and line of a pack, as messages name it."""
        name, number, *_ = self._lines[index]
        return f"{name}:{number}"


def steps(packs: int, global_batch: int, seed: int) -> Iterator[tuple[int, list[int]]]:
    """(epoch from 0, pack numbers) of one optimizer step after another, without end.

    Every epoch is a new order of all packs; its last step holds what is left and may be smaller.
    """
    for epoch in count():
        order = Chance(seed, "sft", epoch).shuffled(range(packs))
        for start in range(0, packs, global_batch):
            yield epoch, order[start : start + global_batch]


def share(step: Sequence[int], rank: int, world: int, size: int) -> list[int | None]:
    """The packs of a step that fall to one process: always `size`, None where the step has run out."""
    own: list[int | None] = list(step[rank::world])
    return own + [None] * (size - len(own))


class Pixels:
    """Images as a model's pixel values, prepared once while they are among the last `limit` bytes asked for."""

    def __init__(self, folder: Path, root: str = ".", limit: int = 2**30) -> None:
        self.processor = vision.image_processor(folder)
        self._root, self._limit, self._bytes = root, limit, 0
        self._kept: OrderedDict[bytes, tuple[np.ndarray[Any, Any], vision.Grid]] = OrderedDict()

    def __call__(self, recipe: Any) -> tuple[np.ndarray[Any, Any], vision.Grid]:
        """(patches, 3 x 2 x patch x patch) float32 and the grid of a recipe's image."""
        from vstkit.images import open_image

        key = orjson.dumps(recipe, option=orjson.OPT_SORT_KEYS)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        values, (grid,) = vision.pixels(self.processor, [open_image(recipe, self._root)])
        self._kept[key] = values, grid
        self._bytes += values.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._kept.popitem(last=False)[1][0].nbytes
        return values, grid

    def blank(self) -> tuple[np.ndarray[Any, Any], vision.Grid]:
        """The smallest image there is, one visual token of zeros."""
        merge, patch, frames = (getattr(self.processor, n) for n in ("merge_size", "patch_size", "temporal_patch_size"))
        return np.zeros((merge**2, 3 * frames * patch**2), dtype=np.float32), (1, merge, merge)


def collate(pack: dict[str, Any], chat: Chat, pixels: Pixels, root: str = ".") -> Batch:
    """One pack as the arguments of a model's forward pass, and its labels.

    input_ids and labels (1, L), position_ids (4, 1, L): the text row, which is 0 where a sample starts, and the
    three M-RoPE rows; pixel_values (patches, values) and image_grid_thw (images, 3). A label is -100 outside the
    turns to learn and on every sample's first token, which would be predicted from the sample before.

    A pack without images ends in a blank one that nothing learns from: processes whose vision tower stays idle
    while others' runs would break ZeRO's collectives. Raises DataError, starting with the field.
    """
    ids: list[int] = []
    labels: list[int] = []
    positions, images = [], []
    for number, sample in enumerate(pack["samples"]):
        try:
            encoded = chat.encode(sample, root)
            images += _images(sample, encoded, pixels)
        except DataError as error:
            raise DataError(f"samples[{number}].{error} (sample {sample['id']})") from error
        ids += encoded.ids
        labels += _labels(encoded)
        positions.append(_positions(encoded.ids, encoded.grids, chat))
    if (found := sum(label != IGNORED for label in labels)) != pack["targets"]:
        raise DataError(f"targets: expected {found}, as the samples have, got {pack['targets']}")
    if not images:
        images = [pixels.blank()]
        blank = [chat.image_id, chat.stop_id]
        ids += blank
        labels += [IGNORED] * len(blank)
        positions.append(_positions(blank, [images[0][1]], chat))
    return {
        "input_ids": np.array([ids]),
        "labels": np.array([labels]),
        "position_ids": np.concatenate(positions, axis=1)[:, None],
        "pixel_values": np.concatenate([values for values, _ in images]),
        "image_grid_thw": np.array([grid for _, grid in images]),
    }


def _images(sample: dict[str, Any], encoded: Encoded, pixels: Pixels) -> list[tuple[np.ndarray[Any, Any], vision.Grid]]:
    prepared = []
    for number, recipe in enumerate(sample.get("images") or []):
        try:
            values, grid = pixels(recipe)
        except DataError as error:
            raise DataError(f"images[{number}]: {error}") from error
        if grid != encoded.grids[number]:
            raise DataError(f"images[{number}]: expected a grid of {encoded.grids[number]} patches, got {grid}")
        prepared.append((values, grid))
    return prepared


def _labels(encoded: Encoded) -> list[int]:
    labels = [IGNORED] * encoded.length
    for start, end in encoded.spans:
        labels[start:end] = encoded.ids[start:end]
    labels[0] = IGNORED
    return labels


def _positions(ids: list[int], grids: Sequence[vision.Grid], chat: Chat) -> np.ndarray[Any, Any]:
    text = np.arange(len(ids))[None]
    return np.concatenate([text, rope_index(np.array(ids) == chat.image_id, grids, chat.rule.merge)])


class _Batches:
    """What torch's DataLoader indexes. Errors are handed over as values: it would wrap a traceback around them."""

    def __init__(self, packs: Packs, prepare: Callable[[dict[str, Any]], Batch]) -> None:
        self._packs, self._prepare = packs, prepare

    def __getitem__(self, index: int | None) -> Batch | DataError:
        try:
            if index is None:
                return self._prepare({"samples": [], "targets": 0})
            pack = self._packs[index]
            try:
                return self._prepare(pack)
            except DataError as error:
                raise DataError(f"{self._packs.where(index)}: {error} (pack {pack['id']})") from error
        except DataError as error:
            return error


def batches(
    packs: Packs, numbers: Sequence[int | None], prepare: Callable[[dict[str, Any]], Batch], workers: int = 1
) -> Iterator[Batch]:
    """The packs of these numbers, prepared in order; None is a pack without samples.

    With `workers` they are prepared ahead, in processes forked before this returns. Arrays come through a pipe, not
    through /dev/shm, which containers keep too small for images. Raises DataError with the file and line.
    """
    from torch.utils.data import DataLoader

    loader = DataLoader(
        cast(Any, _Batches(packs, prepare)),
        batch_size=None,
        sampler=cast(Any, numbers),
        num_workers=workers,
        collate_fn=_same,
        multiprocessing_context="fork" if workers else None,
    )
    return map(_checked, iter(loader))


def _same(batch: Any) -> Any:
    return batch


def _checked(batch: Batch | DataError) -> Batch:
    if isinstance(batch, DataError):
        raise batch
    return batch
