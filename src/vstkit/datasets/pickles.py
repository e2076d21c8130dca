"""Pickled info files, as mmdetection3d and EmbodiedScan ship them, read without running code that they name.

A pickle is a program that may call any function it can name. Here it can name what rebuilds numpy arrays and plain
containers, and nothing else.
"""

from __future__ import annotations

import importlib
import io
import os
import pickle
from typing import Any

import numpy as np

from vstkit.datasets.common import read_bytes
from vstkit.errors import DataError

# numpy 1 called its module core, numpy 2 calls it _core; both write what the other reads.
_NUMPY = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
}


def load_pickle(path: str | os.PathLike[str]) -> Any:
    """The containers, texts and numbers in a pickle; numpy arrays and numbers become lists and plain numbers.

    Raises DataError for a file that is broken, or that names anything other than numpy arrays and plain containers.
    """
    name = os.fspath(path)
    raw = read_bytes(name)
    try:
        return _plain(_Unpickler(io.BytesIO(raw)).load())
    except DataError as e:
        raise DataError(f"{name}: {e}") from None
    # What a broken pickle raises is documented as "not limited to" these.
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
    ) as e:
        raise DataError(f"{name}: not a pickle that can be read: {e}") from None


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise DataError(f"refused: expected bytes in latin1, got {encoding}")
    return text.encode("latin1")


_PLAIN: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _latin1,  # how protocols 0 to 2 write bytes
    ("__builtin__", "bytes"): bytes,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("collections", "OrderedDict"): dict,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module.replace("numpy._core", "numpy.core"), name) in _NUMPY:
            return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        raise DataError(f"refused: expected numpy arrays and plain containers, got {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise DataError("refused: expected numpy arrays and plain containers, got a persistent id")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return value
