"""Checkpoints that are whole or not there: written beside, flushed, marked, renamed.

A run's folder holds them as checkpoints/step-00000100, the number being the steps done. Never imports torch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER, MARK, PART = "checkpoints", "complete.json", ".part"
Barrier = Callable[[], Any]


class Checkpoint(NamedTuple):
    """A whole checkpoint: its folder, and what its mark says of it, such as `step` and `processes`."""

    path: Path
    about: dict[str, Any]


def write(
    run: Path,
    step: int,
    save: Callable[[Path], None],
    own: Callable[[Path], bool],
    barrier: Barrier,
    *,
    rank: int = 0,
    about: dict[str, Any] | None = None,
) -> Path:
    """Write the checkpoint after `step` steps of the run in folder `run`; every process calls this.

    `save` writes a process's files into the folder that it is given, `own` says which files are its to flush, and
    `barrier` waits for the other processes. The mark with the sizes of all files is written last, then the folder
    takes its name: before that moment there is nothing, after it everything, whenever the power fails.
    """
    final = run / FOLDER / f"step-{step:08d}"
    part = final.with_name(f".{final.name}{PART}")
    if rank == 0:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    barrier()
    save(part)
    for path in _files(part):
        if own(path):
            flush(path)
    barrier()
    if rank == 0:
        sizes = {str(path.relative_to(part)): path.stat().st_size for path in _files(part)}
        mark = part / MARK
        mark.write_text(json.dumps({"step": step, **(about or {}), "files": sizes}, indent=1), encoding="utf-8")
        for path in (mark, *(path for path in part.rglob("*") if path.is_dir()), part):
            flush(path)
        if final.exists():  # cut, or it would have been resumed from
            shutil.rmtree(final)
        part.rename(final)
        flush(final.parent)
    barrier()
    return final


def newest(run: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The last whole checkpoint of the run in folder `run`; of newer ones that are not whole `say` is told why."""
    for path in _all(run):
        found = _read(path)
        if isinstance(found, Checkpoint):
            return found
        say(f"{path}: not whole, left out: {found}")
    return None


def prune(run: Path, keep: int) -> None:
    """Remove what is not whole, and all but the last `keep` checkpoints."""
    whole = [path for path in _all(run) if isinstance(_read(path), Checkpoint)][:keep]
    for path in {*_all(run), *(run / FOLDER).glob(f".*{PART}")} - set(whole):
        (path / MARK).unlink(missing_ok=True)  # first, so that what is left of it is not taken for whole
        shutil.rmtree(path)


def _all(run: Path) -> list[Path]:
    return sorted((run / FOLDER).glob("step-*"), reverse=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _read(folder: Path) -> Checkpoint | str:
    """The checkpoint in a folder, or what it lacks."""
    try:
        about = json.loads((folder / MARK).read_bytes())
        sizes = about["files"]
    except FileNotFoundError:
        return f"{MARK} is missing"
    except (ValueError, KeyError):
        return f"{MARK} is cut"
    for name, size in sizes.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if found != size:
            return f"{name}: expected {size} bytes, got {found}"
    return Checkpoint(folder, about)


def flush(path: Path) -> None:
    """Have the system write a file or a folder's names through to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
