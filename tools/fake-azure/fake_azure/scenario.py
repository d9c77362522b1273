"""From a scenario's JSON to a world. Unknown fields are refused, so that a typing error cannot weaken a test."""

from __future__ import annotations

from typing import Any

from fake_cloud import scenario
from fake_cloud.clock import Clock
from fake_cloud.ids import Ids
from fake_cloud.rules import Rules
from fake_cloud.scenario import make, only

from . import access, change, collector, estate
from .faults import faults
from .rules import RULES
from .world import Principal, Subscription, World

TENANT = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
CLIENT = "33333333-3333-4333-8333-333333333333"
LOCATIONS = ["westeurope", "northeurope"]


def build(body: dict[str, Any]) -> World:
    """The world of a scenario.

    Raises ValueError for a field that is not known.
    """
    start = scenario.start(body, {"tenant", "principals", "subscriptions"})
    # What a scenario begins with is a day old.
    world = World(Clock(start - 86400), Rules(RULES, body.get("rules")), Ids(body.get("seed", 1)), faults())
    scenario.pace(world, body)
    tenant = body.get("tenant", TENANT)
    for client, given in (body.get("principals") or {CLIENT: {"managed": True}}).items():
        world.principals[client] = _principal(client, tenant, given)
    for name, given in (body.get("subscriptions") or {SUBSCRIPTION: {}}).items():
        _subscription(world, name, tenant, given)
    world.clock.now = start
    scenario.finish(world, body, collector.start, change.foreign_job)
    return world


def _principal(client: str, tenant: str, given: dict[str, Any]) -> Principal:
    for role in given.get("roles") or []:
        only(role, {"scope", "definition"}, f"a role of principal {client}")
        access.check_definition(role["definition"])
    defaults = {"object_id": f"object-of-{client}", "tenant": tenant, "secret": "test", "assertions": ["assertion"],
                "identity_header": "test"}  # fmt: skip
    return make(Principal, {**defaults, **given}, f"principal {client}", client_id=client)


def _subscription(world: World, name: str, tenant: str, given: dict[str, Any]) -> None:
    known = {"name", "state", "tenant", "locations", "unregistered", "restricted", "groups"}
    only(given, known, f"subscription {name}")
    world.subscriptions[name.lower()] = Subscription(
        name, given.get("tenant", tenant), given.get("name", "test"), given.get("state", "Enabled"),
        given.get("locations", list(LOCATIONS)), given.get("unregistered", []), given.get("restricted", []),
    )  # fmt: skip
    for group, its in (given.get("groups") or {"rg": {}}).items():
        estate.group(world, f"/subscriptions/{name}/resourceGroups/{group}", its)
