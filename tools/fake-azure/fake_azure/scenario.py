"""From a scenario's JSON to a world. Unknown fields are refused, so that a typing error cannot weaken a test."""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from fake_cloud.clock import Clock
from fake_cloud.ids import Ids

from . import access, change, collector, estate
from .estate import only
from .rules import Rules
from .world import Principal, Subscription, World

TENANT = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
CLIENT = "33333333-3333-4333-8333-333333333333"
START = "2026-01-05T00:00:00+00:00"
LOCATIONS = ["westeurope", "northeurope"]

_KNOWN = {"seed", "start", "clock", "rules", "tenant", "principals", "subscriptions", "garbage_collector", "trees",
          "foreign_jobs", "faults"}  # fmt: skip


def build(body: dict[str, Any]) -> World:
    """The world of a scenario.

    Raises ValueError for a field that is not known.
    """
    only(body, _KNOWN, "scenario")
    start = _start(body.get("start", START))
    # What a scenario begins with is a day old.
    world = World(Clock(start - 86400), Rules(body.get("rules")), Ids(body.get("seed", 1)))
    pace = body.get("clock", {})
    only(pace, {"per_request", "speed", "skew"}, "clock")
    world.skew = pace.get("skew", 0.0)
    world.per_request, world.speed = pace.get("per_request", 0.0), pace.get("speed", 0.0)
    if body.get("trees"):
        world.trees = Path(body["trees"])
        world.trees.mkdir(parents=True, exist_ok=True)
    tenant = body.get("tenant", TENANT)
    for client, given in (body.get("principals") or {CLIENT: {"managed": True}}).items():
        world.principals[client] = _principal(client, tenant, given)
    for name, given in (body.get("subscriptions") or {SUBSCRIPTION: {}}).items():
        _subscription(world, name, tenant, given)
    world.clock.now = start
    if body.get("garbage_collector"):
        collector.start(world, body["garbage_collector"])
    for job in body.get("foreign_jobs", []):
        change.foreign_job(world, job)
    for fault in body.get("faults", []):
        world.faults.add(fault)
    return world


def _start(value: str | float) -> float:
    if value == "now":
        return float(int(time.time()))
    if isinstance(value, (int, float)):
        return float(value)
    return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()


def _principal(client: str, tenant: str, given: dict[str, Any]) -> Principal:
    fields = {field.name for field in dataclasses.fields(Principal)} - {"client_id"}
    only(given, fields, f"principal {client}")
    for role in given.get("roles") or []:
        only(role, {"scope", "definition"}, f"a role of principal {client}")
        access.check_definition(role["definition"])
    defaults = {"object_id": f"object-of-{client}", "tenant": tenant, "secret": "test", "assertions": ["assertion"],
                "identity_header": "test"}  # fmt: skip
    return Principal(client, **{**defaults, **given})


def _subscription(world: World, name: str, tenant: str, given: dict[str, Any]) -> None:
    known = {"name", "state", "tenant", "locations", "unregistered", "restricted", "groups"}
    only(given, known, f"subscription {name}")
    world.subscriptions[name.lower()] = Subscription(
        name, given.get("tenant", tenant), given.get("name", "test"), given.get("state", "Enabled"),
        given.get("locations", list(LOCATIONS)), given.get("unregistered", []), given.get("restricted", []),
    )  # fmt: skip
    for group, its in (given.get("groups") or {"rg": {}}).items():
        estate.group(world, f"/subscriptions/{name}/resourceGroups/{group}", its)
