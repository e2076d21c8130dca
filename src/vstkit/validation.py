"""Decoded lines as typed records, or what is wrong with them, with the path of the field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from vstkit.errors import DataError
from vstkit.records import KINDS

S = TypeVar("S", bound=Struct)


def parse(record: Any, kind: type[S]) -> S:
    """`record` as a struct of `kind`; raises DataError with the path of the first wrong field."""
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as e:
        raise DataError(_explain(str(e))) from None


def problems(record: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a record of any kind, each with the path of its field."""
    kind = record.get("kind")
    if kind not in KINDS:
        return [f"kind: expected one of {', '.join(KINDS)}, got {kind!r}"]
    return list(_problems(record, KINDS[kind], "$"))


def _problems(value: Any, kind: Any, path: str) -> Iterator[str]:
    # msgspec stops at the first fault, so a value that fails is taken apart until the faults are alone.
    try:
        msgspec.convert(value, kind)
        return
    except msgspec.ValidationError as e:
        message = str(e)
    inner: list[str] = []
    kind = _plain(kind)
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Struct):
        for field in msgspec.structs.fields(kind):
            if field.encode_name in value:
                inner += _problems(value[field.encode_name], field.type, f"{path}.{field.encode_name}")
            elif field.required:
                inner.append(_explain(f"Object missing required field `{field.encode_name}` - at `{path}`"))
        if inner:
            inner += _between_fields(value, kind, path)
    elif isinstance(value, list) and get_origin(kind) is list:
        for i, item in enumerate(value):
            inner += _problems(item, get_args(kind)[0], f"{path}[{i}]")
    where, at, tail = message.rpartition(" - at `$")
    yield from inner or [_explain(f"{where} - at `{path}{tail}" if at else f"{message} - at `{path}`")]


def _between_fields(value: dict[str, Any], kind: type[Struct], path: str) -> Iterator[str]:
    """The faults that a struct's `__post_init__` finds once its faulty optional fields are left out."""
    fields = msgspec.structs.fields(kind)
    bad = {f.encode_name for f in fields if any(_problems(value.get(f.encode_name), f.type, path))}
    if not any(f.required and f.encode_name in bad for f in fields):
        yield from _problems({k: v for k, v in value.items() if k not in bad}, kind, path)


def _plain(kind: Any) -> Any:
    """The list or struct inside an annotated or optional type."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    options = [k for k in get_args(kind) if k is not UnsetType] if get_origin(kind) not in (list, dict) else []
    return _plain(options[0]) if len(options) == 1 else kind


def _explain(message: str) -> str:
    """msgspec's message in our form: `views[0].width: expected int, got str`."""
    what, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".").replace("[...]", "[]")
    what = what.replace("`", "")
    what = what[:1].lower() + what[1:]
    if missing := re.fullmatch(r"object missing required field (\w+)", what):
        where, what = f"{where}.{missing[1]}".lstrip("."), "missing"
    if nested := re.match(r"([a-z0-9_]+): ", what):  # from a __post_init__ above, which knows the field
        where, what = f"{where}.{nested[1]}".lstrip("."), what[nested.end() :]
    return f"{where}: {what}" if where else what
