"""Subscriptions, resource groups, locks, and what the caller may do."""

from __future__ import annotations

from typing import Any

from .. import access, arm, paging
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, Subscription


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription.id}", "subscriptionId": subscription.id, "displayName": subscription.name,
        "tenantId": subscription.tenant, "state": subscription.state, "authorizationSource": "RoleBased",
    }  # fmt: skip


@operation("subscriptions", "subscriptions.get")
def get_subscription(call: Call) -> Reply:
    """One subscription; that it exists was seen before."""
    return Reply(_subscription(call.world.subscriptions[call.path["subscriptionId"].lower()]))


@operation("subscriptions", "subscriptions.list_locations")
def list_locations(call: Call) -> Reply:
    """The regions, each with three zones."""
    subscription = call.world.subscriptions[call.path["subscriptionId"].lower()]
    zones = [{"logicalZone": zone, "physicalZone": f"az{zone}"} for zone in ("1", "2", "3")]
    return Reply({"value": [
        {"id": f"/subscriptions/{subscription.id}/locations/{name}", "name": name, "type": "Region",
         "displayName": name, "availabilityZoneMappings": zones}
        for name in subscription.locations
    ]})  # fmt: skip


def _group(call: Call) -> dict[str, Any]:
    found = call.world.find(call.resource_id)
    if found is None:
        raise Fault("ResourceGroupNotFound", f"Resource group '{call.path['resourceGroupName']}' could not be found.")
    return found.view()


@operation("resources", "resource_groups.get")
def get_group(call: Call) -> Reply:
    """One resource group."""
    return Reply(_group(call))


@operation("resources", "resource_groups.check_existence")
def check_group(call: Call) -> Reply:
    """Whether a resource group exists, told by the status alone."""
    return Reply(status=204 if call.world.find(call.resource_id) else 404)


@operation("resources", "resource_groups.list")
def list_groups(call: Call) -> Reply:
    """All resource groups of the subscription."""
    prefix = arm.key(f"/subscriptions/{call.path['subscriptionId']}/resourcegroups/")
    groups = [each for key, each in call.world.resources.items() if key.startswith(prefix) and key.count("/") == 4]
    return paging.page(call, [each.view() for each in groups])


@operation("locks", "management_locks.list_at_resource_group_level", "management_locks.list_at_resource_level")
def list_locks(call: Call) -> Reply:
    """The locks at a scope and above and below it."""
    at = arm.key(call.resource_id)
    found = []
    for lock in call.world.resources.values():
        scope = lock.key.partition("/providers/microsoft.authorization/locks/")[0]
        if lock.kind == "Microsoft.Authorization/locks" and (scope.startswith(at) or at.startswith(scope)):
            found.append(lock.view())
    return paging.page(call, found)


@operation("authorization", "permissions.list_for_resource_group", "permissions.list_for_resource")
def list_permissions(call: Call) -> Reply:
    """What the caller may do at a scope."""
    permissions = access.granted(call.principal, call.resource_id)
    shown = [
        {"actions": each.get("actions", []), "notActions": [*each.get("notActions", []), *call.principal.deny],
         "dataActions": each.get("dataActions", []), "notDataActions": each.get("notDataActions", [])}
        for each in permissions
    ]  # fmt: skip
    return paging.page(call, shown)
