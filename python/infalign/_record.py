"""How the typed results are read from the program's JSON and given back as JSON."""

from __future__ import annotations

import functools
import json
import math
import types
import typing
from dataclasses import fields
from typing import Any

T = typing.TypeVar("T", bound="Record")


class Record:
    """A frozen dataclass that is read from JSON by its annotations."""

    @classmethod
    def from_json(cls: type[T], text: str) -> T:
        """From the JSON that the program or `to_json` wrote; what this version does not know is left out."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls: type[T], data: dict[str, Any]) -> T:
        """From parsed JSON."""
        return cls(**{name: _read(kind, name, data[name]) for name, kind in _kinds(cls).items() if name in data})

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    def to_json(self) -> str:
        """The program's JSON, to the last digit; an infinite number is null."""
        return json.dumps(_finite(self.to_dict()), ensure_ascii=False)


@functools.cache
def _kinds(cls: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _read(kind: Any, name: str, value: Any) -> Any:
    if isinstance(kind, types.UnionType):
        kind = next((k for k in typing.get_args(kind) if k is not type(None)), kind) if value is not None else type(None)
    if typing.get_origin(kind) is tuple:
        return tuple(_read(typing.get_args(kind)[0], name, item) for item in value)
    if isinstance(kind, type) and issubclass(kind, Record):
        return kind.from_dict(value)
    if kind is float:
        if value is None:  # JSON has no infinities
            return -math.inf if name == "low" else math.inf
        return float(value)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
