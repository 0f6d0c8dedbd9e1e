"""Dataclasses as JSON, and back with every type checked."""

import dataclasses
import json
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def write_document(value: Any, more: Mapping[str, object]) -> str:
    """Return a dataclass as one line of JSON, with more fields before its own."""
    return json.dumps({**more, **dataclasses.asdict(value)}, ensure_ascii=False)


def read_document(
    kind: type[T],
    text: str | bytes,
    fixed: Mapping[str, object],
    ignored: Collection[str],
) -> T:
    """Return the dataclass that `write_document` wrote.

    ``fixed`` fields must have these values; ``ignored`` ones are let through.

    Raises
    ------
    ValueError
        It is no JSON, or a field is missing, unknown or of another type; the
        message begins with its path.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    for name, value in fixed.items():
        if found.pop(name, None) != value:
            raise ValueError(f"{name}: must be {value!r}")
    for name in ignored:
        found.pop(name, None)
    read: T = _read(kind, found, "")
    return read


def _read(kind: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value, path)
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        return _read(typing.get_args(kind)[0], value, path)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{path}: must be a list")
        item = typing.get_args(kind)[0]
        return tuple(_read(item, each, f"{path}[{n}]") for n, each in enumerate(value))
    if kind is float and type(value) is int:
        return float(value)
    # True is an int to isinstance.
    if type(value) is not kind:
        raise ValueError(f"{path}: must be {kind.__name__}, got {str(value)[:40]!r}")
    return value


def _read_dataclass(kind: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: must be an object")
    dot = f"{path}." if path else ""
    hints = typing.get_type_hints(kind)
    for name in value:
        if name not in hints:
            raise ValueError(f"{dot}{name[:40]}: no such field")
    given = {name: _read(hints[name], each, dot + name) for name, each in value.items()}
    for field in dataclasses.fields(kind):
        needed = field.default is dataclasses.MISSING
        if needed and field.name not in given:
            raise ValueError(f"{dot}{field.name}: must be set")
    return kind(**given)
