"""`python -m fake_azure.drift`: the contract of every answered operation, to be compared around new packages."""

from __future__ import annotations

import json
import re
import typing
from typing import Any

from . import models, polling, services, validation
from .registry import HANDLERS


def outlines() -> dict[str, Any]:
    """Verb, path, version, query, statuses, action and ways of polling by operation, without the models."""
    services.load()
    found = {}
    for service, name in sorted(HANDLERS):
        operation = models.service(service).operation(name)
        told = operation.outcome
        found[operation.full_name] = {
            "method": operation.method, "path": operation.builder.template, "version": operation.builder.version,
            "query": operation.builder.query, "statuses": told.statuses, "action": operation.action,
            "body": told.body, "result": told.result, "listed": told.listed, "headers": sorted(told.headers),
            "polling": polling.variants(operation) if told.long or 202 in told.statuses else {},
        }  # fmt: skip
    return found


def contract() -> dict[str, Any]:
    """The same with the models."""
    found = outlines()
    for service, name in HANDLERS:
        operation = models.service(service).operation(name)
        entry = found[operation.full_name]
        for part in ("body", "result"):
            entry[part] = _outline(operation.model(getattr(operation.outcome, part)), ())
    return found


def _outline(kind: Any, above: tuple[str, ...]) -> Any:
    if isinstance(kind, dict):
        return {name: _outline(member.kind, above) for name, member in sorted(kind.items())}
    if not validation.is_model(kind):
        inner = [_outline(each, above) for each in typing.get_args(kind) if each is not type(None)]
        models_inside = [each for each in inner if isinstance(each, dict)]
        return models_inside[0] if len(models_inside) == 1 else re.sub(r"azure\.mgmt\.[\w.]+\.", "", str(kind))
    if kind.__name__ in above:
        return f"see {kind.__name__}"
    return {
        f"{name}{'*' if member.required else ''}{' (read)' if member.readable_only else ''}":
            _outline(member.kind, (*above, kind.__name__))
        for name, member in sorted(validation.members(kind).items())
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(contract(), indent=1, sort_keys=True))
