"""What only this fake's control plane has: Azure's state, and the operations that are answered."""

from __future__ import annotations

import dataclasses
from typing import Any

from fake_cloud.control import Control

from . import change, drift, models, scenario
from .dispatch import Dispatcher
from .world import World

_SECRET = {"secret", "assertions", "identity_header"}


def control() -> Control:
    """The control plane of an empty subscription."""
    posts = {"write": change.write, "foreign-job": change.foreign_job, "set": change.settle}
    return Control(scenario.build, Dispatcher, posts, {"state": _state, "operations": _operations})


def _operations(world: World) -> dict[str, Any]:
    return {"packages": models.versions(), "operations": drift.outlines()}


def _state(world: World) -> dict[str, Any]:
    principals = {
        name: {key: value for key, value in dataclasses.asdict(each).items() if key not in _SECRET}
        for name, each in world.principals.items()
    }
    jobs = {
        name: {field.name: getattr(job, field.name) for field in dataclasses.fields(job) if field.name != "timer"}
        for name, job in world.jobs.items()
    }
    return {
        "now": world.now,
        "resources": {each.id: {**each.view(), "hidden": each.hidden} for each in world.resources.values()},
        "principals": principals,
        "jobs": jobs,
        "subscriptions": {name: dataclasses.asdict(each) for name, each in world.subscriptions.items()},
    }
