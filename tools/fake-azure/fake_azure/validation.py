"""Whether a value fits a model: names, types, enumerations, discriminators, required and read-only members."""

from __future__ import annotations

import datetime
import enum
import functools
import re
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any

_DURATION = re.compile(r"^P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$")
_TYPED = re.compile(r"^[\[{](.*)[\]}]$")


@dataclass(frozen=True)
class Member:
    """One member of a model."""

    kind: Any
    required: bool
    readable_only: bool
    discriminator: bool
    format: str | None


@functools.cache
def members(model: type) -> dict[str, Member]:
    """The members of a generated model by their names in JSON."""
    if hasattr(model, "_attribute_map"):
        return _old_members(model)
    model.__new__(model)
    module = sys.modules[model.__module__]
    package = sys.modules[model.__module__.rpartition(".")[0]]
    hints = typing.get_type_hints(model, vars(module), {"_models": package})
    return {
        field._rest_name: Member(
            hints[name], type(None) not in typing.get_args(hints[name]), field._visibility == ["read"],
            field._is_discriminator, field._format,
        )
        for name, field in model._attr_to_rest_field.items()
    }  # fmt: skip


def _old_members(model: Any) -> dict[str, Member]:
    """The same for packages of the generation before, whose models name their types in strings."""
    found = {}
    for name, entry in model._attribute_map.items():
        rules = model._validation.get(name, {})
        # "properties.level" is a member of "properties", which these models flatten.
        outer, _, inner = entry["key"].partition(".")
        if inner:
            known = found.get(outer, Member({}, False, False, False, None))
            part = Member(_old_type(model, entry["type"]), rules.get("required", False), False, False, None)
            found[outer] = Member({**known.kind, inner: part}, known.required or part.required, False, False, None)
        else:
            found[outer] = Member(_old_type(model, entry["type"]), rules.get("required", False),
                                  rules.get("readonly", False), False, None)  # fmt: skip
    return found


def _old_type(model: type, name: str) -> Any:
    inner = _TYPED.match(name)
    if inner:
        kind = _old_type(model, inner[1])
        return list[kind] if name[0] == "[" else dict[str, kind]  # type: ignore[valid-type]
    simple = {"str": str, "int": int, "bool": bool, "float": float, "object": Any, "iso-8601": datetime.datetime}
    return simple[name] if name in simple else getattr(sys.modules[model.__module__], name)


def faults(value: Any, kind: Any, *, answer: bool = False, required: bool = True) -> list[str]:
    """What keeps a value from being of this kind; nothing when it fits.

    An answer may have read-only members, a request may not; an update need not have what a creation needs.
    """
    return list(_faults(value, kind, "", answer, required, None))


def _faults(value: Any, kind: Any, at: str, answer: bool, required: bool, form: str | None) -> typing.Iterator[str]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    where = at or "the body"
    if kind is Any or kind is None or (value is None and type(None) in args):
        return
    if isinstance(kind, dict) or is_model(kind):
        yield from _structure(value, kind, at, answer, required)
    elif origin is typing.Union or origin is types.UnionType:
        yield from _union(value, [each for each in args if each is not type(None)], at, answer, required, form)
    elif origin in {list, dict}:
        if not isinstance(value, origin):
            yield f"{where} is no {'list' if origin is list else 'object'}"
            return
        places = [(f"{at}[{index}]", item) for index, item in enumerate(value)] if origin is list else [
            (f"{at}.{key}", item) for key, item in value.items()]  # fmt: skip
        for place, item in places:
            yield from _faults(item, args[-1], place, answer, required, form)
    elif origin is typing.Literal:
        words = [each.value if isinstance(each, enum.Enum) else each for each in args]
        if value not in words:
            yield f"{where} is {value!r}, which is none of {', '.join(map(str, words))}"
    elif isinstance(kind, type):
        yield from _plain(value, kind, where, form)


def is_model(kind: Any) -> bool:
    """Whether a kind is a model of either generation."""
    return hasattr(kind, "_attribute_map") or hasattr(kind, "_calculated")


def _words(value: Any, enums: list[Any], where: str) -> typing.Iterator[str]:
    """Azure does not always mind the case of a word, but what is written here should be Azure's own."""
    words = [each.value for kind in enums for each in kind]
    if value not in words:
        yield f"{where} is {value!r}, which is none of {', '.join(map(str, words))}"


def _union(
    value: Any, kinds: list[Any], at: str, answer: bool, required: bool, form: str | None
) -> typing.Iterator[str]:
    enums = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum)]
    if enums:
        yield from _words(value, enums, at)
        return
    found = [list(_faults(value, kind, at, answer, required, form)) for kind in kinds]
    if found and all(found):
        yield from min(found, key=len)


def _structure(value: Any, kind: Any, at: str, answer: bool, required: bool) -> typing.Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at or 'the body'} is no object"
        return
    known = kind if isinstance(kind, dict) else None
    if known is None:
        model, told = _dispatch(value, kind)
        if told:
            yield f"{at or 'the body'}: {told}"
            return
        known = members(model)
    for name, member in known.items():
        if name not in value:
            # What only the service can write cannot be missing in a request.
            if member.required and required and (answer or not member.readable_only):
                yield f"{at}.{name} is missing".lstrip(".")
        elif member.readable_only and not answer:
            yield f"{at}.{name} is read-only".lstrip(".")
        elif not (value[name] is None and not member.required):
            where = f"{at}.{name}".lstrip(".")
            yield from _faults(value[name], member.kind, where, answer, required, member.format)
    for name in value:
        if name not in known:
            yield f"{at}.{name} is unknown".lstrip(".")


def _dispatch(value: dict[str, Any], model: Any) -> tuple[type, str | None]:
    """The derived model that a discriminator names."""
    mapping = {name: each for name, each in getattr(model, "__mapping__", {}).items() if issubclass(each, model)}
    if not mapping:
        return model, None
    tell = next((name for name, member in members(model).items() if member.discriminator), None)
    if tell is None:
        return model, None
    word = value.get(tell)
    if word in mapping:
        named = mapping[word]
        deeper, told = (named, None) if named is model else _dispatch(value, named)
        return (named, None) if told else (deeper, None)
    if word is None:
        return model, f"{tell} is missing, which says what it is"
    return model, f"{tell} is {word!r}, which is none of {', '.join(sorted(mapping))}"


def _plain(value: Any, kind: type, where: str, form: str | None) -> typing.Iterator[str]:
    if issubclass(kind, enum.Enum):
        yield from _words(value, [kind], where)
    elif kind in {datetime.datetime, datetime.date, datetime.time}:
        if not _is_time(value):
            yield f"{where} is {value!r}, which is no time"
    elif kind is datetime.timedelta:
        if not (isinstance(value, str) and _DURATION.match(value)):
            yield f"{where} is {value!r}, which is no duration"
    elif kind is bytes:
        if not isinstance(value, str):
            yield f"{where} is no encoded text"
    elif kind is int and form == "str":
        if not (isinstance(value, str) and value.lstrip("-").isdigit()):
            yield f"{where} is {value!r}, which is no number in a string"
    elif kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{where} is {value!r}, which is no number"
    elif kind in {str, int, bool} and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        yield f"{where} is {value!r}, which is no {kind.__name__}"


def _is_time(value: Any) -> bool:
    try:
        # The service writes seven digits of a second, of which Python reads six.
        datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.replace("Z", "+00:00")))
    except (TypeError, ValueError, AttributeError):
        return False
    return True
