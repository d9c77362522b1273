"""Answers that are odd on purpose."""

from __future__ import annotations

import copy
from typing import Any


def changed(body: Any, fault: dict[str, Any]) -> Any:
    """The body as a fault of this kind leaves it; the same when it is of another kind."""
    if fault["kind"] == "duplicate_item" and isinstance(body, dict) and body.get("value"):
        return {**body, "value": [body["value"][0], *body["value"]]}
    if fault["kind"] == "rewrite" and body is not None:
        rewritten = copy.deepcopy(body)
        for path, value in fault["set"].items():
            _set(rewritten, path.split("."), value)
        return rewritten
    return body


def _set(target: Any, path: list[str], value: Any) -> None:
    """Sets one member; a number in the path is a place in a list, `*` all places."""
    name, rest = path[0], path[1:]
    if isinstance(target, list):
        places = range(len(target)) if name == "*" else [int(name)]
        for place in places:
            if rest:
                _set(target[place], rest, value)
            else:
                target[place] = value
    elif rest:
        _set(target.setdefault(name, {}), rest, value)
    elif value is None:
        target.pop(name, None)
    else:
        target[name] = value
