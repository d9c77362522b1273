"""What every scenario may say. Unknown fields are refused, so that a typing error cannot weaken a test."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from .world import World

_COMMON = {"seed", "start", "clock", "rules", "garbage_collector", "trees", "foreign_jobs", "faults"}
_START = "2026-01-05T00:00:00+00:00"

_Thing = TypeVar("_Thing")


def only(body: dict[str, Any], known: set[str], where: str) -> None:
    """Raises ValueError for a field that is not known."""
    strange = sorted(set(body) - known)
    if strange:
        raise ValueError(f"unknown in {where}: {', '.join(strange)}")


def make(kind: type[_Thing], given: dict[str, Any], where: str, **fixed: Any) -> _Thing:
    """A dataclass from JSON, with the fields that JSON may not give."""
    only(given, {field.name for field in dataclasses.fields(kind)} - set(fixed), where)  # type: ignore[arg-type]
    return kind(**given, **fixed)


def put(thing: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Sets fields of a dataclass.

    Raises ValueError for a field that is not known.
    """
    only(given, {field.name for field in dataclasses.fields(thing)}, type(thing).__name__)
    for name, value in given.items():
        setattr(thing, name, value)
    return {name: getattr(thing, name) for name in given}


def start(body: dict[str, Any], own: set[str]) -> float:
    """When a scenario begins, whose own fields are these."""
    only(body, _COMMON | own, "scenario")
    value = body.get("start", _START)
    if value == "now":
        return float(int(time.time()))
    if isinstance(value, (int, float)):
        return float(value)
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


def pace(world: World, body: dict[str, Any]) -> None:
    """How time passes, and where real files are."""
    given = body.get("clock", {})
    only(given, {"per_request", "speed", "skew"}, "clock")
    world.skew = given.get("skew", 0.0)
    world.per_request, world.speed = given.get("per_request", 0.0), given.get("speed", 0.0)
    if body.get("trees"):
        world.trees = Path(body["trees"])
        world.trees.mkdir(parents=True, exist_ok=True)


def finish(
    world: World, body: dict[str, Any], collect: Callable[[Any, dict[str, Any]], Any],
    foreign_job: Callable[[Any, dict[str, Any]], Any],
) -> None:  # fmt: skip
    """What is done to a world that is there: by its garbage collector, by others, by planned faults."""
    if body.get("garbage_collector"):
        collect(world, body["garbage_collector"])
    for job in body.get("foreign_jobs", []):
        foreign_job(world, job)
    for fault in body.get("faults", []):
        world.faults.add(fault)
