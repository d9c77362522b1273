"""Which function answers which operation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_Handler = TypeVar("_Handler", bound=Callable[..., Any])


class Handlers(dict[tuple[str, str], Any]):
    """The functions, by service and operation."""

    def operation(self, service: str, *names: str) -> Callable[[_Handler], _Handler]:
        """Marks the function that answers operations."""

        def register(handler: _Handler) -> _Handler:
            for name in names:
                if (service, name) in self:
                    raise ValueError(f"{service}:{name} is answered twice")
                self[service, name] = handler
            return handler

        return register


def load(package: str, path: Iterable[str]) -> None:
    """Imports all modules of a package, which register their handlers."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
