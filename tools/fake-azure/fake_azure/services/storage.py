"""Storage: accounts, the settings of their file and blob services, and containers."""

from __future__ import annotations

from typing import Any

from .. import arm, paging
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, World

KIND = "Microsoft.Storage/storageAccounts"
CONTAINER = f"{KIND}/blobServices/containers"


def make(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """An account as a scenario gives it: name, kind, sku, location, tags, soft_delete_days, immutability, endpoints."""
    name = arm.name(resource_id)
    ends = {each: f"https://{name}.{each}.core.windows.net/" for each in ("blob", "file", "dfs")}
    body = {
        "location": given["location"], "tags": given.get("tags", {}), "kind": given.get("kind", "StorageV2"),
        "sku": {"name": given.get("sku", "Standard_LRS"), "tier": given.get("sku", "Standard_LRS").partition("_")[0]},
        "properties": {
            "provisioningState": "Succeeded", "primaryLocation": given["location"], "statusOfPrimary": "available",
            "creationTime": world.time(), "primaryEndpoints": {**ends, **given.get("endpoints", {})},
            "supportsHttpsTrafficOnly": given.get("https_only", True),
            "allowSharedKeyAccess": given.get("shared_key", True), "isHnsEnabled": False,
            "minimumTlsVersion": "TLS1_2", "publicNetworkAccess": "Enabled",
        },
    }  # fmt: skip
    if given.get("immutability"):
        body["properties"]["immutableStorageWithVersioning"] = {"enabled": True, "immutabilityPolicy": {
            "immutabilityPeriodSinceCreationInDays": given["immutability"]["days"],
            "state": given["immutability"].get("state", "Unlocked")}}  # fmt: skip
    days = given.get("soft_delete_days", 7)
    return world.new(resource_id, body, soft_delete_days=days, versioning=given.get("versioning", False))


def account(call: Call) -> Resource:
    """The storage account that the path names.

    Raises Fault when there is none.
    """
    head, _, rest = call.resource_id.partition(f"/providers/{KIND}/")
    if not rest:
        head, _, rest = call.resource_id.lower().partition(f"/providers/{KIND}/".lower())
    return call.need(f"{head}/providers/{KIND}/{rest.partition('/')[0]}")


@operation("storage", "storage_accounts.get_properties")
def get_account(call: Call) -> Reply:
    """One account."""
    return Reply(call.here().view())


@operation("storage", "storage_accounts.list", "storage_accounts.list_by_resource_group")
def list_accounts(call: Call) -> Reply:
    """All accounts."""
    return paging.page(call, [each.view() for each in call.world.below(call.resource_id, KIND)])


@operation("storage", "storage_accounts.list_keys")
def list_keys(call: Call) -> Reply:
    """The account's two keys, which are the same for the same scenario."""
    known = call.here()
    if not known.properties["allowSharedKeyAccess"]:
        raise Fault("KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted.", 403)
    keys = known.hidden.setdefault("keys", [call.world.ids.uuid("key") for _ in range(2)])
    return Reply({"keys": [{"keyName": f"key{index}", "value": value, "permissions": "Full"}
                           for index, value in enumerate(keys, 1)]})  # fmt: skip


def _retention(known: Resource) -> dict[str, Any]:
    days = known.hidden["soft_delete_days"]
    return {"enabled": True, "days": days} if days else {"enabled": False}


@operation("storage", "file_services.get_service_properties")
def file_service(call: Call) -> Reply:
    """The soft deletion of shares."""
    known = account(call)
    properties = {"shareDeleteRetentionPolicy": _retention(known)}
    return Reply({"id": f"{known.id}/fileServices/default", "name": "default", "type": f"{KIND}/fileServices",
                  "sku": known.body["sku"], "properties": properties})  # fmt: skip


@operation("storage", "blob_services.get_service_properties")
def blob_service(call: Call) -> Reply:
    """The soft deletion and the versions of blobs."""
    known = account(call)
    retention = _retention(known)
    properties = {"isVersioningEnabled": known.hidden["versioning"], "deleteRetentionPolicy": retention,
                  "containerDeleteRetentionPolicy": retention}  # fmt: skip
    return Reply({"id": f"{known.id}/blobServices/default", "name": "default", "type": f"{KIND}/blobServices",
                  "sku": known.body["sku"], "properties": properties})  # fmt: skip


def make_container(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """A container as a scenario gives it: name, metadata, immutability_days, legal_hold."""
    days = given.get("immutability_days")
    properties: dict[str, Any] = {
        "lastModifiedTime": world.time(), "leaseStatus": "Unlocked", "leaseState": "Available", "publicAccess": "None",
        "metadata": given.get("metadata", {}), "hasLegalHold": bool(given.get("legal_hold")),
        "hasImmutabilityPolicy": days is not None,
    }  # fmt: skip
    if days is not None:
        properties["immutabilityPolicy"] = {
            "etag": '"1"',
            "properties": {
                "immutabilityPeriodSinceCreationInDays": days,
                "state": given.get("immutability_state", "Unlocked"),
            },
        }
    content = given.get("content", f"{arm.name(resource_id)}@0")
    return world.new(resource_id, {"etag": '"1"', "properties": properties}, content=content, generation=0)


@operation("storage", "blob_containers.get")
def get_container(call: Call) -> Reply:
    """One container."""
    account(call)
    return Reply(call.need(call.resource_id, "ContainerNotFound").view())


@operation("storage", "blob_containers.update")
def patch_container(call: Call) -> Reply:
    """Changes the metadata of a container, all of it."""
    account(call)
    known = call.need(call.resource_id, "ContainerNotFound")
    asked = (call.body.get("properties") or {}).get("metadata")
    if asked is not None:
        known.properties["metadata"] = asked
    return Reply(known.view())


@operation("storage", "blob_containers.delete")
def delete_container(call: Call) -> Reply:
    """Deletes a container with all its blobs, unless something holds them."""
    account(call)
    known = call.world.find(call.resource_id)
    if known is None:
        return Reply(status=204)
    if known.properties["hasLegalHold"] or known.properties["hasImmutabilityPolicy"]:
        told = "The container has blobs under a legal hold or an immutability policy."
        raise Fault("ContainerProtectedFromDeletion", told, 409)
    call.world.remove(known.id)
    return Reply(status=200)


@operation("storage", "blob_containers.list")
def list_containers(call: Call) -> Reply:
    """All containers of an account."""
    known = account(call)
    size = int(call.query["$maxpagesize"]) if "$maxpagesize" in call.query else None
    return paging.page(call, [each.view() for each in call.world.below(known.id, CONTAINER)], size)
