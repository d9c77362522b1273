"""What only this fake's control plane has: AWS's state, and blocks of volumes."""

from __future__ import annotations

import dataclasses
from typing import Any

from fake_cloud.control import Control

from . import change, scenario
from .dispatch import Dispatcher
from .world import World


def control() -> Control:
    """The control plane of an empty account."""
    posts = {"write": change.write, "foreign-job": change.foreign_job, "set": change.settle, "digests": change.digests}
    return Control(scenario.build, Dispatcher, posts, {"state": _state})


def _state(world: World) -> dict[str, Any]:
    regions = {}
    for (account, name), region in world.regions.items():
        regions[f"{account}/{name}"] = {
            field.name: _plain(getattr(region, field.name))
            for field in dataclasses.fields(region)
            if field.name not in {"marks", "tag_index"}
        }
    return {"now": world.now, "regions": regions, "roles": _plain(world.roles)}


def _plain(value: Any) -> Any:
    """State for reading: contents by their block numbers, timers left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.name not in {"timers", "secret"}]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        if value and all(isinstance(key, int) for key in value):
            return sorted(value)
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
