"""Whether parameters are what AWS's model says: what botocore's validator knows, and what it leaves out."""

from __future__ import annotations

import functools
import re
from typing import Any

import regex
from botocore.model import Shape
from botocore.validate import ParamValidator

_VALIDATOR = ParamValidator()
_SYSTEM_TAG = re.compile(r"Key: 'aws:[^']*' does not match")


def faults(params: dict[str, Any], shape: Shape | None, answer: bool = False) -> list[str]:
    """All that is wrong with `params`, as sentences; empty when they fit the shape.

    In an answer, tag keys may begin with `aws:`: the models forbid it to both sides, yet AWS tags so itself (for one,
    file systems with automatic backups; vendor documentation).
    """
    if shape is None:
        return [f"no parameter is allowed, but {name} was sent" for name in params]
    report = _VALIDATOR.validate(params, shape)
    found = report.generate_report().splitlines() if report.has_errors() else []
    found += _strict(params, shape, shape.name)
    return [each for each in found if not (answer and _SYSTEM_TAG.search(each))]


def _strict(value: Any, shape: Shape, at: str) -> list[str]:
    """Enumerations, patterns and maximums, which botocore's validator does not look at."""
    found: list[str] = []
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for name, member in shape.members.items():
            if name in value:
                found += _strict(value[name], member, f"{at}.{name}")
    elif kind == "list" and isinstance(value, (list, tuple)):
        found += _size(len(value), shape, at, "entries")
        for index, item in enumerate(value):
            found += _strict(item, shape.member, f"{at}[{index}]")
    elif kind == "map" and isinstance(value, dict):
        found += _size(len(value), shape, at, "entries")
        for key, item in value.items():
            found += _strict(key, shape.key, f"{at} key")
            found += _strict(item, shape.value, f"{at}[{key}]")
    elif kind == "string" and isinstance(value, str):
        found += _size(len(value), shape, at, "characters")
        found += _text(value, shape, at)
    elif kind in {"integer", "long", "float", "double"} and isinstance(value, (int, float)):
        found += _size(value, shape, at, "")
    return found


def _size(size: float, shape: Shape, at: str, unit: str) -> list[str]:
    largest = shape.metadata.get("max")
    return [f"{at}: {size} {unit} are more than {largest}"] if largest is not None and size > largest else []


def _text(value: str, shape: Shape, at: str) -> list[str]:
    found = []
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        found.append(f"{at}: {value!r} is none of {', '.join(allowed)}")
    pattern = _pattern(shape._shape_model.get("pattern"))
    if pattern is not None and not pattern.search(value):
        found.append(f"{at}: {value!r} does not match {pattern.pattern}")
    return found


@functools.cache
def _pattern(text: str | None) -> regex.Pattern[str] | None:
    """`None` for no pattern, and for one in Java's dialect (surrogate pairs), which holds nobody to anything here."""
    if text is None or "\\uD" in text.upper().replace("\\U", "\\u"):
        return None
    try:
        return regex.compile(text)
    except regex.error:
        return None
