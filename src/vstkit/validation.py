"""Decoded lines as typed records, or what is wrong with them, with the path of the field."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, Struct

from vstkit.errors import DataError
from vstkit.records import KINDS

S = TypeVar("S", bound=Struct)


def parse(record: Any, kind: type[S]) -> S:
    """`record` as a struct of `kind`; raises DataError with the first fault and the path of its field."""
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError:
        raise DataError(next(_problems(record, kind, ""))) from None


def problems(record: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a record of any kind, each with the path of its field."""
    kind = record.get("kind")
    if kind not in KINDS:
        return [f"kind: expected one of {', '.join(KINDS)}, got {kind!r}"]
    return list(_problems(record, KINDS[kind], ""))


def _problems(value: Any, kind: Any, path: str) -> Iterator[str]:
    # msgspec stops at the first fault, so a value that fails is taken apart until the faults are alone.
    try:
        msgspec.convert(value, kind)
        return
    except msgspec.ValidationError as e:
        message = str(e)
    member, bounds = _member(kind, value)
    inner: list[str] = []
    if isinstance(value, dict) and get_origin(member) is dict:
        inner = [p for key in value for p in _problems(value[key], get_args(member)[1], f"{path}.{key}")]
    elif isinstance(value, dict) and isinstance(member, type) and issubclass(member, Struct):
        inner = list(_struct_problems(value, member, path))
    elif isinstance(value, list) and get_origin(member) is list:
        inner = [p for i, item in enumerate(value) for p in _problems(item, get_args(member)[0], f"{path}[{i}]")]
        if inner and bounds:
            inner += _problems(value, Annotated[list[Any], *bounds], path)
    if get_origin(member) is Literal:
        message = f"expected one of {', '.join(get_args(member))}, got {value!r}"
    elif bounds and ", got " not in message:
        message += f", got {len(value) if isinstance(value, list) else value}"
    yield from inner or [_explain(message, path)]


def _struct_problems(value: dict[str, Any], kind: Any, path: str) -> Iterator[str]:
    tag = kind.__struct_config__
    if tag.tag_field and value.get(tag.tag_field) != tag.tag:
        got = f"invalid value {value[tag.tag_field]!r}" if tag.tag_field in value else "missing"
        yield f"{path}.{tag.tag_field}: {got}".lstrip(".")
    good: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name, at = field.encode_name, f"{path}.{field.encode_name}".lstrip(".")
        if name not in value:
            if field.required:
                yield f"{at}: missing"
            else:
                good[name] = field.default_factory() if field.default is NODEFAULT else field.default
        elif found := list(_problems(value[name], field.type, at)):
            yield from found
        else:
            good[name] = msgspec.convert(value[name], field.type)
    for names, rule in kind.rules.items():
        values = [good.get(name, UNSET) for name in names]
        if UNSET not in values and (fault := rule(*values)):
            yield f"{path}.{names[0]}: {fault}".lstrip(".")


def _member(kind: Any, value: Any) -> tuple[Any, tuple[Any, ...]]:
    """The list, dict or struct that `value` is meant to be, where `kind` is a union; and the bounds around it."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[0], kind.__metadata__
    if get_origin(kind) in (Union, UnionType):
        for option in get_args(kind):
            member, bounds = _member(option, value)
            if _meant(member, value):
                return member, bounds
    return kind, ()


def _meant(kind: Any, value: Any) -> bool:
    if not isinstance(kind, type) or get_origin(kind):
        return isinstance(value, get_origin(kind) or ())
    tag = getattr(kind, "__struct_config__", None)
    return isinstance(value, dict) and tag is not None and tag.tag in (None, value.get(tag.tag_field))


def _explain(message: str, path: str) -> str:
    """msgspec's message in our form: `views[0].width: expected int, got str`."""
    what, _, where = message.partition(" - at `$")
    where = f"{path}{where.rstrip('`')}".lstrip(".")
    what = what.replace("`", "")
    what = what[:1].lower() + what[1:]
    return f"{where}: {what}" if where else what
