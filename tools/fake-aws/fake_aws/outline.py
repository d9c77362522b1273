"""What the fake needs of a service's model as botocore ships it: the answered operations with their shapes."""

from __future__ import annotations

import functools
import re
from typing import Any

from botocore.loaders import Loader

_LOADER = Loader()
_PLACEHOLDER = re.compile(r"\{\w+\+?\}")


@functools.cache
def whole(service: str) -> dict[str, Any]:
    """The model of a service, by botocore's name of it."""
    return _LOADER.load_service_model(service, "service-2")


def read(service: str, answered: list[str]) -> dict[str, Any]:
    """The part of a model that the answered operations need, and the names, routes and pages of all."""
    model = whole(service)
    operations = {name: _bare(model["operations"][name]) for name in answered}
    pages = _LOADER.load_service_model(service, "paginators-1")["pagination"]
    return {
        "model": {
            "metadata": dict(model["metadata"]),
            "operations": operations,
            "shapes": _reached(model["shapes"], list(operations.values())),
        },
        "names": list(model["operations"]),
        "routes": _routes(model),
        "paginators": {name: _plain(page) for name, page in pages.items() if name in answered},
    }


def _routes(model: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Verb, path and name of each operation. More fixed words first, so that a word wins over a placeholder."""
    if model["metadata"]["protocol"] != "rest-json":
        return []
    named = [(each["http"], name) for name, each in model["operations"].items()]
    routes = [(http["method"], http["requestUri"].split("?")[0].rstrip("/"), name) for http, name in named]
    return sorted(routes, key=lambda route: -len(_PLACEHOLDER.sub("", route[1])))


def _reached(shapes: dict[str, Any], start: list[dict[str, Any]]) -> dict[str, Any]:
    """The shapes that these operations refer to, whether directly or not."""
    found: dict[str, Any] = {}
    open_: list[Any] = [
        reference["shape"] for each in start
        for reference in (*(each[side] for side in ("input", "output") if side in each), *each.get("errors", []))
    ]  # fmt: skip
    while open_:
        name = open_.pop()
        if name in found:
            continue
        shape = found[name] = _bare(shapes[name])
        inner = [shape[part] for part in ("member", "key", "value") if part in shape]
        open_ += [reference["shape"] for reference in [*shape.get("members", {}).values(), *inner]]
    return found


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    """An operation or a shape without its prose, and without that of its members."""
    kept = {name: _plain(value) for name, value in part.items() if name != "documentation"}
    for name in ("input", "output", "member", "key", "value"):
        if isinstance(kept.get(name), dict):
            kept[name].pop("documentation", None)
    for reference in [*kept.get("members", {}).values(), *kept.get("errors", [])]:
        reference.pop("documentation", None)
    return kept


def _plain(value: Any) -> Any:
    """A copy in Python's own types, in the same order."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
