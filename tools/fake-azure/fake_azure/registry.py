"""Which function answers which operation; operations are named as `group.method` by the SDK."""

from __future__ import annotations

from fake_cloud.registry import Handlers

# Each takes a Call, and gives a Reply or Work.
HANDLERS = Handlers()
operation = HANDLERS.operation


def named(service: str, builder: str) -> str | None:
    """The operation by the name of what builds its requests, where no dot parts the group; `None` when unanswered."""
    return next((name for its, name in HANDLERS if its == service and name.replace(".", "_") == builder), None)
