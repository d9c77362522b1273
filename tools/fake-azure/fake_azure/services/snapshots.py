"""Compute: snapshots of disks, incremental and whole."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, Work, World
from . import compute

KIND = "Microsoft.Compute/snapshots"
_WINDOW = 300


def make(world: World, resource_id: str, body: dict[str, Any], source: Resource) -> Resource:
    """A new snapshot, still being created, that holds what its source holds now."""
    properties = body["properties"]
    option = properties["creationData"]["createOption"]
    slow = option == "CopyStart" or source.body["sku"]["name"] in compute.BACKGROUND
    shown = {name: body[name] for name in ("location", "tags") if body.get(name) is not None}
    sku = (body.get("sku") or {}).get("name") or "Standard_ZRS"
    shown["sku"] = {"name": sku, "tier": sku.partition("_")[0]}
    shown["properties"] = {
        "networkAccessPolicy": "AllowAll", "publicNetworkAccess": "Enabled",
        "encryption": {"type": "EncryptionAtRestWithPlatformKey"}, "incremental": False, **properties,
        "creationData": {**properties["creationData"], "sourceUniqueId": source.properties["uniqueId"]},
        "diskSizeGB": source.properties["diskSizeGB"], "diskSizeBytes": source.properties["diskSizeBytes"],
        "timeCreated": world.time(), "uniqueId": world.ids.uuid("snapshot"), "diskState": "Unattached",
        "provisioningState": "Creating",
    }  # fmt: skip
    if shown["properties"]["incremental"]:
        family = source.properties.get("incrementalSnapshotFamilyId") or source.hidden["family"]
        shown["properties"]["incrementalSnapshotFamilyId"] = family
    wait = world.rules["snapshot.background_seconds"] if slow else 0
    return world.new(resource_id, shown, content=source.hidden["content"], complete_at=world.now + wait)


@operation("compute", "snapshots.create_or_update")
def put(call: Call) -> Work:
    """Takes a snapshot. The name is the key: the same PUT again finds what is there."""
    known, properties = call.survivor(), call.body.get("properties")
    if not properties:
        raise Fault("InvalidParameter", "Required parameter 'properties' is missing (null).", target="properties")
    if known is not None:
        return _again(call, known, properties)
    compute.check_name(call.path["snapshotName"])
    data = properties["creationData"]
    if data["createOption"] not in {"Copy", "CopyStart"}:
        raise Fault("NotImplemented", f"the fake takes no snapshots by {data['createOption']}")
    source = compute.source(call, data)
    there = source.location == call.body["location"]
    if data["createOption"] == "Copy" and not there:
        raise Fault("InvalidParameter", f"The source is in {source.location}, the snapshot in another region.",
                    target="creationData")  # fmt: skip
    if data["createOption"] == "CopyStart" and not (source.kind == KIND and properties.get("incremental")):
        raise Fault("InvalidParameter", "CopyStart copies incremental snapshots only.", target="creationData")
    if properties.get("incremental"):
        _limits(call, source)
    made = make(call.world, call.resource_id, call.body, source)
    return compute.born(call, made, call.rule("snapshot.seconds"))


def _again(call: Call, known: Resource, properties: dict[str, Any]) -> Work:
    asked, has = properties["creationData"], known.properties["creationData"]
    same = all((asked.get(name) or "").lower() == (has.get(name) or "").lower()
               for name in ("createOption", "sourceResourceId"))  # fmt: skip
    if not same and call.rule("snapshot.changed_put") == "refuse":
        raise Fault("PropertyChangeNotAllowed", "Changing property 'creationData.sourceResourceId' is not allowed.",
                    409, target="creationData.sourceResourceId")  # fmt: skip
    if same and call.body.get("tags") is not None:
        known.body["tags"] = call.body["tags"]
    return compute.born(call, known, call.rule("snapshot.seconds"))


def _limits(call: Call, source: Resource) -> None:
    """Raises Fault when the source has as many incremental snapshots as it may have, or got them too fast."""
    unique = source.properties["uniqueId"]
    own = [each for each in call.world.resources.values()
           if each.kind == KIND and each.properties["creationData"].get("sourceUniqueId") == unique
           and each.properties.get("incremental")]  # fmt: skip
    if len(own) >= call.rule("snapshot.maximum"):
        raise Fault(call.rule("snapshot.maximum_error"), f"The disk {source.name} has {len(own)} incremental "
                    "snapshots, which is the maximum.")  # fmt: skip
    recent = sorted(each.created for each in own if each.created > call.now - _WINDOW)
    if len(recent) >= call.rule("snapshot.rate"):
        wait = max(1, int(recent[0] + _WINDOW - call.now))
        raise Fault(call.rule("snapshot.rate_error"), f"Too many snapshots of the disk {source.name}; try again after "
                    f"{wait} seconds.", retry_after=wait)  # fmt: skip


@operation("compute", "snapshots.update")
def patch(call: Call) -> Work:
    """Changes tags or SKU."""
    return compute.updated(call, call.here(), call.rule("snapshot.seconds"), lambda: None)


@operation("compute", "snapshots.get")
def get(call: Call) -> Reply:
    """One snapshot."""
    return compute.reply(call, call.here())


@operation("compute", "snapshots.delete")
def delete(call: Call) -> Reply | Work:
    """Deletes a snapshot that nothing holds."""
    snapshot = call.world.find(call.resource_id)
    if snapshot is None:
        return Reply(status=204)
    if call.now < snapshot.hidden.get("immutable_until", 0.0):
        until = call.world.time(snapshot.hidden["immutable_until"])
        raise Fault(call.rule("snapshot.locked_error"), f"The snapshot {snapshot.name} is immutable until {until}.")
    if "sas" in snapshot.hidden:
        raise Fault("OperationNotAllowed", f"There is an active shared access signature of {snapshot.name}.")
    return compute.gone(call, snapshot, call.rule("snapshot.delete_seconds"))


@operation("compute", "snapshots.list", "snapshots.list_by_resource_group")
def listed(call: Call) -> Reply:
    """All snapshots."""
    return paging.page(call, compute.listed(call, KIND))


@operation("compute", "snapshots.grant_access")
def grant(call: Call) -> Work:
    """A SAS to read a snapshot."""
    return compute.grant(call)


@operation("compute", "snapshots.revoke_access")
def revoke(call: Call) -> Work:
    """The end of a SAS."""
    return compute.revoke(call)


@operation("compute", "snapshots.update_immutability_policy", "snapshots.update_immutability_policy_lock")
def immutability(call: Call) -> Work:
    """Sets or locks the immutability of a snapshot; what is locked can only become longer."""
    snapshot = call.here()
    before = snapshot.properties.get("immutabilityPolicy") or {}
    data = call.body or {}
    days = data.get("immutabilityDurationDays", before.get("immutabilityDurationDays"))
    kind = data.get("type") or ("Locked" if "lock" in call.operation.name.rpartition("_")[2].lower() else "Unlocked")
    if days is None:
        raise Fault("InvalidParameter", "immutabilityDurationDays is missing.", target="immutabilityDurationDays")
    if before.get("type") == "Locked" and (days < before["immutabilityDurationDays"] or kind != "Locked"):
        raise Fault("OperationNotAllowed", "A locked immutability policy cannot be shortened or unlocked.")
    start = snapshot.hidden.setdefault("immutable_from", call.now)
    snapshot.hidden["immutable_until"] = start + days * 86400
    snapshot.properties["immutabilityPolicy"] = {
        "immutabilityDurationDays": days, "type": kind, "policyStartTime": call.world.time(start),
        "policyExpirationTime": call.world.time(start + days * 86400),
    }  # fmt: skip
    return compute.born(call, snapshot, 1)
