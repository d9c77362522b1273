"""Compute: what disks and snapshots share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import arm
from ..arm import Resource
from ..errors import Fault
from ..world import Call, Reply, Work, World

BACKGROUND = {"PremiumV2_LRS", "UltraSSD_LRS"}
ZONES = {"1", "2", "3"}


def percent(world: World, resource: Resource) -> float:
    """How much of the data has been copied in the background."""
    until = resource.hidden.get("complete_at", 0.0)
    if world.now >= until:
        return 100.0
    whole = max(1e-9, until - resource.created)
    return float(int(100 * (world.now - resource.created) / whole))


def view(world: World, resource: Resource) -> dict[str, Any]:
    """A disk or snapshot as GET shows it."""
    shown = copy.deepcopy(resource.view())
    if resource.kind.endswith("/snapshots"):
        shown["properties"]["completionPercent"] = percent(world, resource)
        policy = shown["properties"].get("immutabilityPolicy")
        if policy:
            policy["isPolicyExpired"] = world.now >= resource.hidden["immutable_until"]
    if world.rules["compute.group_case"] == "upper":
        head, group, rest = shown["id"].partition("/resourceGroups/")
        name, slash, tail = rest.partition("/")
        shown["id"] = f"{head}{group}{name.upper()}{slash}{tail}"
    return shown


def reply(call: Call, resource: Resource) -> Reply:
    """A resource as the answer."""
    return Reply(view(call.world, resource))


def born(call: Call, resource: Resource, seconds: float) -> Work:
    """A resource that is being created or changed."""
    world = call.world

    def done() -> None:
        resource.state = "Succeeded"
        world.event(f"{resource.kind} Succeeded", resource=resource.id)

    def failed(error: dict[str, Any]) -> None:
        resource.state = "Failed"

    def shown() -> dict[str, Any]:
        return view(world, resource)

    return Work(seconds, done, failed, shown, shown, resource=resource.id)


def gone(call: Call, resource: Resource, seconds: float) -> Work:
    """A resource that is being deleted."""
    world = call.world
    resource.state = "Deleting"

    def done() -> None:
        world.remove(resource.id)
        world.event(f"{resource.kind} deleted", resource=resource.id)

    def failed(error: dict[str, Any]) -> None:
        resource.state = "Succeeded"

    return Work(seconds, done, failed, resource=resource.id)


def source(call: Call, data: dict[str, Any]) -> Resource:
    """The disk or snapshot that a copy is made of.

    Raises Fault when it cannot be copied from.
    """
    named = data.get("sourceResourceId")
    if not named:
        raise Fault("InvalidParameter", "Required parameter 'creationData.sourceResourceId' is missing (null).",
                    target="creationData.sourceResourceId")  # fmt: skip
    if arm.subscription(named) != arm.subscription(call.resource_id):
        raise Fault("InvalidParameter", f"The source {named} is in another subscription.", target="creationData")
    found = call.need(named)
    if not found.kind.endswith(("/disks", "/snapshots")):
        raise Fault("InvalidParameter", f"{found.kind} cannot be copied.", target="creationData.sourceResourceId")
    if found.state != "Succeeded":
        raise Fault("Conflict", f"The source {found.name} is in state {found.state}.")
    if found.kind.endswith("/snapshots") and percent(call.world, found) < 100:
        raise Fault(call.rule("snapshot.incomplete_error"), f"The snapshot {found.name} is not complete: "
                    f"completionPercent is {percent(call.world, found)}.")  # fmt: skip
    return found


def check_name(name: str) -> None:
    """Raises Fault for a name that Azure does not take."""
    if not (1 <= len(name) <= 80 and name.replace("-", "").replace("_", "").replace(".", "").isalnum()):
        raise Fault("InvalidParameter", f"The entity name '{name}' is invalid.", target="name")


def grant(call: Call) -> Work:
    """Gives a SAS of a disk or snapshot."""
    world, resource = call.world, call.here()
    seconds = call.body["durationInSeconds"]
    if resource.kind.endswith("/disks") and resource.body.get("managedBy"):
        raise Fault("OperationNotAllowed", "Cannot export an attached disk.")
    if resource.kind.endswith("/snapshots") and percent(world, resource) < 100:
        raise Fault(call.rule("snapshot.incomplete_error"), f"The snapshot {resource.name} is not complete.")
    family = resource.properties.get("incrementalSnapshotFamilyId")
    shared = [each for each in world.resources.values() if "sas" in each.hidden and family and
              each.properties.get("incrementalSnapshotFamilyId") == family and each is not resource]  # fmt: skip
    if len(shared) >= call.rule("snapshot.sas_maximum"):
        raise Fault("OperationNotAllowed", f"There are {len(shared)} SAS of this incremental snapshot family.")
    resource.properties["diskState"] = "ActiveSAS"
    resource.hidden["sas"] = f"{call.base}/sas/{resource.name}?sig={world.ids.uuid('sas')}"
    given = resource.hidden["sas"]

    def expire() -> None:
        if resource.hidden.get("sas") == given:
            _revoke(resource)

    world.clock.after(seconds, expire)
    return Work(1, lambda: None, result=lambda: {"accessSAS": given}, resource=resource.id)


def _revoke(resource: Resource) -> None:
    resource.hidden.pop("sas", None)
    resource.properties["diskState"] = "Unattached"


def revoke(call: Call) -> Work:
    """Takes the SAS of a disk or snapshot back."""
    resource = call.here()
    return Work(1, lambda: _revoke(resource), resource=resource.id)


def listed(call: Call, kind: str) -> list[dict[str, Any]]:
    """All of a type below the scope."""
    return [view(call.world, each) for each in call.below(call.resource_id, kind)]


def updated(call: Call, resource: Resource, seconds: float, check: Callable[[], None]) -> Work:
    """Tags, SKU and properties changed by a PATCH."""
    check()
    for name in ("tags", "sku"):
        if call.body.get(name) is not None:
            resource.body[name] = call.body[name]
    resource.properties.update({key: value for key, value in (call.body.get("properties") or {}).items()
                                if value is not None})  # fmt: skip
    return born(call, resource, seconds)
