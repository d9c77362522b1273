"""`python -m fake_azure.drift`: the contract of every answered operation, to be compared around new packages."""

from __future__ import annotations

import json
from typing import Any

from . import models, polling, services
from .registry import HANDLERS
from .validation import Model


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


def _outline(model: Model | None, above: tuple[str, ...]) -> Any:
    word, inside, null = (model and model.kind) or ("anything", None, False)
    if model is None or inside is None:
        return word + "?" * null
    if word == "words":
        return "|".join(map(str, inside)) + "?" * null
    if word in {"list", "dict"}:
        return {word: _outline(Model(model.models, inside), above)}
    if word == "union":
        return {word: [_outline(Model(model.models, kind), above) for kind in inside]}
    if word == "model" and inside in above:
        return f"see {inside}"
    members, above = (model.members(), (*above, inside)) if word == "model" else (inside, above)
    return {
        f"{name}{'*' if required else ''}{' (read)' if readable_only else ''}":
            _outline(Model(model.models, kind), above)
        for name, (kind, required, readable_only) in sorted(members.items())
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(contract(), indent=1, sort_keys=True))
