"""Compute: managed disks, and how many may be."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, Work, World
from . import compute

KIND = "Microsoft.Compute/disks"
LIMIT = 50_000


def make(world: World, resource_id: str, body: dict[str, Any], content: str, **hidden: Any) -> Resource:
    """A new disk, still being created."""
    sku = (body.get("sku") or {}).get("name") or "Standard_LRS"
    properties = body.get("properties") or {}
    size = properties["diskSizeGB"]
    shown = {name: body[name] for name in ("location", "tags", "zones", "managedBy") if body.get(name) is not None}
    shown["sku"] = {"name": sku, "tier": sku.partition("_")[0]}
    shown["properties"] = {
        "networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled",
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"}, **properties,
        "timeCreated": world.time(), "diskSizeBytes": size * 2**30, "uniqueId": world.ids.uuid("disk"),
        "diskState": "Attached" if body.get("managedBy") else "Unattached", "provisioningState": "Creating",
    }  # fmt: skip
    return world.new(resource_id, shown, content=content, generation=0, family=world.ids.uuid("family"), **hidden)


@operation("compute", "disks.create_or_update")
def put(call: Call) -> Work:
    """Creates a disk, empty or as a copy; an existing one is changed."""
    known, properties = call.survivor(), call.body.get("properties")
    if not properties:
        raise Fault("InvalidParameter", "Required parameter 'properties' is missing (null).", target="properties")
    if known is not None:
        return _again(call, known, properties)
    compute.check_name(call.path["diskName"])
    _within_quota(call)
    zones = call.body.get("zones") or []
    if not set(zones) <= compute.ZONES or len(zones) > 1:
        raise Fault("InvalidAvailabilityZone", f"The zone(s) {zones} for '{call.resource_id}' is not supported.")
    sku = (call.body.get("sku") or {}).get("name", "")
    if sku in compute.BACKGROUND and not zones:
        raise Fault("InvalidParameter", f"A disk of SKU {sku} needs a zone.", target="zones")
    data = properties["creationData"]
    option, content = data["createOption"], f"empty {call.path['diskName']}"
    if option == "Copy":
        source = compute.source(call, data)
        if source.location != call.body["location"]:
            raise Fault("InvalidParameter", f"The source is in {source.location}, the disk in {call.body['location']}.",
                        target="creationData")  # fmt: skip
        size = source.properties["diskSizeGB"]
        if properties.setdefault("diskSizeGB", size) < size:
            raise Fault("InvalidParameter", f"The source has {size} GB, the disk fewer.", target="diskSizeGB")
        data["sourceUniqueId"], content = source.properties["uniqueId"], source.hidden["content"]
    elif option == "Empty":
        if not properties.get("diskSizeGB"):
            raise Fault("InvalidParameter", "Required parameter 'diskSizeGB' is missing (null).", target="diskSizeGB")
    else:
        raise Fault("NotImplemented", f"the fake makes no disks by {option}")
    made = make(call.world, call.resource_id, call.body, content)
    return compute.born(call, made, call.rule("disk.seconds"))


def _within_quota(call: Call) -> None:
    """Raises Fault when the subscription has as many disks in the region as it may."""
    whole, location = f"/subscriptions/{call.path['subscriptionId']}", call.body["location"].lower()
    count = len([each for each in call.world.below(whole, KIND) if each.location.lower() == location])
    if count >= call.rule("disk.quota"):
        raise Fault(
            call.rule("disk.quota_error"),
            "Operation could not be completed as it results in exceeding approved StandardDiskCount quota. Location: "
            f"{location}, Current Limit: {call.rule('disk.quota')}, Current Usage: {count}, Additional Required: 1.",
        )


def _again(call: Call, known: Resource, properties: dict[str, Any]) -> Work:
    asked, has = properties["creationData"], known.properties["creationData"]
    for name in ("createOption", "sourceResourceId"):
        if (asked.get(name) or "").lower() != (has.get(name) or "").lower():
            raise Fault("PropertyChangeNotAllowed", f"Changing property 'creationData.{name}' is not allowed.", 409,
                        target=f"creationData.{name}")  # fmt: skip
    if call.body.get("tags") is not None:
        known.body["tags"] = call.body["tags"]
    return compute.born(call, known, call.rule("disk.seconds"))


@operation("compute", "disks.update")
def patch(call: Call) -> Work:
    """Changes tags, SKU or size."""
    disk = call.here()
    asked = (call.body.get("properties") or {}).get("diskSizeGB")

    def check() -> None:
        if asked is not None and asked < disk.properties["diskSizeGB"]:
            raise Fault("OperationNotAllowed", "A disk cannot become smaller.")

    before, boundary = disk.properties["diskSizeGB"], call.rule("snapshot.resize_boundary_gib")
    work = compute.updated(call, disk, call.rule("disk.seconds"), check)
    if before <= boundary < disk.properties["diskSizeGB"]:
        # No differences are told between snapshots from both sides of it.
        disk.hidden["family"] = call.world.ids.uuid("family")
    disk.properties["diskSizeBytes"] = disk.properties["diskSizeGB"] * 2**30
    return work


@operation("compute", "disks.get")
def get(call: Call) -> Reply:
    """One disk."""
    return compute.reply(call, call.here())


@operation("compute", "disks.delete")
def delete(call: Call) -> Reply | Work:
    """Deletes a disk that no machine has."""
    disk = call.world.find(call.resource_id)
    if disk is None:
        return Reply(status=204)
    if disk.body.get("managedBy"):
        raise Fault(call.rule("disk.attached_delete_error"), f"Disk {disk.name} is attached to VM "
                    f"{disk.body['managedBy']}.")  # fmt: skip
    return compute.gone(call, disk, call.rule("disk.delete_seconds"))


@operation("compute", "disks.list", "disks.list_by_resource_group")
def listed(call: Call) -> Reply:
    """All disks."""
    return paging.page(call, compute.listed(call, KIND))


@operation("compute", "disks.grant_access")
def grant(call: Call) -> Work:
    """A SAS to read a disk."""
    return compute.grant(call)


@operation("compute", "disks.revoke_access")
def revoke(call: Call) -> Work:
    """The end of a SAS."""
    return compute.revoke(call)


@operation("compute", "usage.list")
def usage(call: Call) -> Reply:
    """How many disks and snapshots there are, and may be."""
    found, location = [], call.path["location"].lower()
    whole = f"/subscriptions/{call.path['subscriptionId']}"
    for kind, name, limit in (
        (KIND, "StandardDiskCount", call.rule("disk.quota")),
        ("Microsoft.Compute/snapshots", "StandardSnapshotCount", LIMIT),
    ):  # fmt: skip
        count = len([each for each in call.world.below(whole, kind) if each.location.lower() == location])
        found.append({"unit": "Count", "currentValue": count, "limit": limit,
                      "name": {"value": name, "localizedValue": name}})  # fmt: skip
    return paging.page(call, found)
