"""Answers that are odd on purpose."""

from __future__ import annotations

from typing import Any

from fake_cloud.faults import rewritten


def changed(body: Any, fault: dict[str, Any]) -> Any:
    """The body as a fault of this kind leaves it; the same when it is of another kind."""
    if fault["kind"] == "duplicate_item" and isinstance(body, dict) and body.get("value"):
        return {**body, "value": [body["value"][0], *body["value"]]}
    return rewritten(body, fault["set"]) if fault["kind"] == "rewrite" and body is not None else body
