"""The contract of one azure-mgmt package as plain data, of which the SDK's own modules are the source."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .schema import Reader
from .source import Source

_PART = re.compile(r"\{\w+\}")


class Package:
    """A package of the SDK, by its Python name."""

    def __init__(self, name: str) -> None:
        folder = Path(str(importlib.import_module(name).__file__)).parent / "operations"
        self._source = Source(folder)
        self._models = importlib.import_module(f"{name}.models")

    def contract(self, answered: Iterable[str]) -> dict[str, Any]:
        """The routes of all operations, and of those that are answered all that they take and answer."""
        # More fixed words first, so that a word wins over a placeholder.
        builders = sorted(self._source.builders.values(), key=lambda each: -len(_PART.sub("", each.template)))
        operations = {name: self.operation(name) for name in answered}
        named = {model for _, outcome in operations.values() for model in self._named(outcome)}
        return {
            "routes": [(each.method, each.template, each.name, each.free) for each in builders],
            "operations": operations,
            "models": self.models(sorted(named)),
        }

    def operation(self, name: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The operation `group.method`: how it is asked for, and what it takes and answers.

        Raises KeyError for one that the package does not have.
        """
        builder, outcome = self._source.builders[name.replace(".", "_")], self._source.outcome(name)
        return _fields(builder), _fields(outcome)

    def models(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        """These models, and all that they refer to.

        Raises AttributeError for one that the package does not have.
        """
        reader = Reader()
        for name in names:
            reader.read(getattr(self._models, name))
        return reader.models

    def _named(self, outcome: tuple[Any, ...]) -> list[str]:
        body, _, _, result, _, error, *_ = outcome
        return [name for name in (body, result, error) if name]


def _fields(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, field.name) for field in dataclasses.fields(value))
