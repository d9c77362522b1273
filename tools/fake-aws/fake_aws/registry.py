"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .world import Call

Handler = Callable[[Call, dict[str, Any]], dict[str, Any]]

HANDLERS: dict[tuple[str, str], Handler] = {}


def operation(service: str, name: str) -> Callable[[Handler], Handler]:
    """Marks the function that answers an operation; `service` is the name in a signature's scope."""

    def register(handler: Handler) -> Handler:
        if (service, name) in HANDLERS:
            raise ValueError(f"{service}:{name} is answered twice")
        HANDLERS[service, name] = handler
        return handler

    return register
