"""Which function answers which operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import Call, Reply, Work

Handler = Callable[["Call"], "Reply | Work"]

HANDLERS: dict[tuple[str, str], Handler] = {}
# The names of operations by service and by the name of what builds their requests, where no dot parts the group.
NAMES: dict[tuple[str, str], str] = {}


def operation(service: str, *names: str) -> Callable[[Handler], Handler]:
    """Marks the function that answers operations, which are named as `group.method` by the SDK."""

    def register(handler: Handler) -> Handler:
        for name in names:
            if (service, name) in HANDLERS:
                raise ValueError(f"{service}:{name} is answered twice")
            HANDLERS[service, name] = handler
            NAMES[service, name.replace(".", "_")] = name
        return handler

    return register
