"""The SDK's models as plain data, against which values are held without the SDK.

A kind is `None`, which holds to nothing, or (word, what it needs, whether it may be null): `model` a name, `inline` its
members, `list`, `dict` and `union` the kinds inside, `words` all that is allowed, and `time`, `duration`, `bytes`,
`number` (in a string), `float`, `str`, `int`, `bool` nothing. A member is (kind, whether it is required, whether only
the service writes it).
"""

from __future__ import annotations

import datetime
import enum
import re
import sys
import types
import typing
from typing import Any

_TYPED = re.compile(r"^[\[{](.*)[\]}]$")
_PLAIN: dict[Any, str] = {
    datetime.datetime: "time", datetime.date: "time", datetime.time: "time", datetime.timedelta: "duration",
    bytes: "bytes", float: "float", str: "str", int: "int", bool: "bool",
}  # fmt: skip
_SIMPLE = {"str": "str", "int": "int", "bool": "bool", "float": "float", "iso-8601": "time"}

Kind = tuple[str, Any, bool] | None


class Reader:
    """Reads models, and all that they refer to."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self._known: dict[str, Any] = {}
        self._open: list[Any] = []

    def read(self, model: Any) -> None:
        """Reads one model."""
        self._name(model)
        while self._open:
            each = self._open.pop()
            old = hasattr(each, "_attribute_map")
            members, tell = (self._old_members(each), None) if old else self._members(each)
            mapping = {_word(word): self._name(derived) for word, derived in getattr(each, "__mapping__", {}).items()
                       if issubclass(derived, each)}  # fmt: skip
            self.models[each.__name__] = {"members": members, "tell": tell, "mapping": mapping}

    def _name(self, model: Any) -> str:
        name: str = model.__name__
        if name not in self._known:
            self._known[name] = model
            self._open.append(model)
        if self._known[name] is not model:
            raise ValueError(f"two models are named {name}")
        return name

    def _members(self, model: Any) -> tuple[dict[str, Any], str | None]:
        """The members of a generated model by their names in JSON, and the one that tells what it is."""
        model.__new__(model)
        module = sys.modules[model.__module__]
        package = sys.modules[model.__module__.rpartition(".")[0]]
        hints = typing.get_type_hints(model, vars(module), {"_models": package})
        fields = model._attr_to_rest_field
        members = {
            field._rest_name: (
                self._kind(hints[name], field._format), type(None) not in typing.get_args(hints[name]),
                field._visibility == ["read"],
            )
            for name, field in fields.items()
        }  # fmt: skip
        return members, next((field._rest_name for field in fields.values() if field._is_discriminator), None)

    def _old_members(self, model: Any) -> dict[str, Any]:
        """The same for packages of the generation before, whose models name their types in strings."""
        found: dict[str, Any] = {}
        for name, entry in model._attribute_map.items():
            rules = model._validation.get(name, {})
            kind, required = self._old_kind(model, entry["type"]), rules.get("required", False)
            # "properties.level" is a member of "properties", which these models flatten.
            outer, _, inner = entry["key"].partition(".")
            if inner:
                (_, known, _), needed, _ = found.get(outer, (("inline", {}, False), False, False))
                found[outer] = (("inline", {**known, inner: (kind, required, False)}, False), needed or required, False)
            else:
                found[outer] = (kind, required, rules.get("readonly", False))
        return found

    def _old_kind(self, model: type, name: str) -> Kind:
        inner = _TYPED.match(name)
        if inner:
            return ("list" if name[0] == "[" else "dict", self._old_kind(model, inner[1]), False)
        if name == "object":
            return None
        if name in _SIMPLE:
            return (_SIMPLE[name], None, False)
        return ("model", self._name(getattr(sys.modules[model.__module__], name)), False)

    def _kind(self, kind: Any, form: str | None) -> Kind:
        origin, args = typing.get_origin(kind), typing.get_args(kind)
        if is_model(kind):
            return ("model", self._name(kind), False)
        if origin is typing.Union or origin is types.UnionType:
            return self._union([each for each in args if each is not type(None)], form, type(None) in args)
        if origin in {list, dict}:
            return (origin.__name__, self._kind(args[-1], form), False)
        if origin is typing.Literal:
            return ("words", tuple(map(_word, args)), False)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return ("words", tuple(map(_word, kind)), False)
        if kind is int and form == "str":
            return ("number", None, False)
        return (_PLAIN[kind], None, False) if kind in _PLAIN else None

    def _union(self, kinds: list[Any], form: str | None, null: bool) -> Kind:
        """Azure does not always mind the case of a word, but what is written here should be Azure's own."""
        enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum)]
        if enums:
            return ("words", tuple(_word(each) for kind in enums for each in kind), null)
        inside = [self._kind(kind, form) for kind in kinds]
        if len(inside) > 1:
            return ("union", inside, null)
        return inside[0] and (inside[0][0], inside[0][1], null or inside[0][2])


def is_model(kind: Any) -> bool:
    """Whether a kind is a model of either generation."""
    return hasattr(kind, "_attribute_map") or hasattr(kind, "_calculated")


def _word(value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    return str(value) if isinstance(value, str) else value
