"""NetApp Files: snapshots of volumes, and backups in vaults."""

from __future__ import annotations

from typing import Any

from .. import arm, trees
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, Work, World
from . import netapp


def make_snapshot(world: World, volume: Resource, name: str, location: str) -> Resource:
    """A snapshot that holds what the volume holds now."""
    taken = len(world.below(volume.id, netapp.SNAPSHOT))
    if taken >= world.rules["netapp.snapshot_maximum"]:
        raise Fault(world.rules["netapp.snapshot_maximum_error"], f"The volume {volume.name} has {taken} snapshots.")
    properties = {"snapshotId": world.ids.uuid("snapshot"), "created": world.time(), "provisioningState": "Creating"}
    where = trees.place(world, volume)
    made = world.new(f"{volume.id}/snapshots/{name}", {"location": location, "properties": properties},
                     content=volume.hidden["content"], bytes=volume.hidden["used_bytes"],
                     tree=where / trees.volume_snapshot(name) if where else None)  # fmt: skip
    trees.snapshot(world, volume, trees.volume_snapshot(name))
    return made


@operation("netapp", "snapshots.create")
def put_snapshot(call: Call) -> Work:
    """Takes a snapshot. The name is the key: the same PUT again finds what is there."""
    known = call.survivor()
    volume = call.need(arm.parent(call.resource_id), "ParentResourceNotFound")
    if known is None:
        known = make_snapshot(call.world, volume, call.path["snapshotName"], call.body["location"])
    return netapp.settled(call, known, call.rule("netapp.snapshot_seconds"))


@operation("netapp", "snapshots.delete")
def delete_snapshot(call: Call) -> Reply | Work:
    """Deletes a snapshot; not the one that a running backup reads."""
    known = call.world.find(call.resource_id)
    if known is None:
        return Reply(status=204)
    volume = call.need(arm.parent(call.resource_id))
    running = _transfer(volume)
    if running and running["snapshot"] == known.name:
        raise Fault("ResourceInUse", f"The snapshot {known.name} is being backed up.")
    names = {known.key, known.properties["snapshotId"].lower()}
    for each in call.world.below(arm.parent(arm.parent(volume.id)), netapp.VOLUME):
        if each.properties.get("isRestoring") and (each.properties.get("snapshotId") or "").lower() in names:
            raise Fault("ResourceInUse", f"The volume {each.name} is being restored from {known.name}.")
    trees.forget(call.world, volume, trees.volume_snapshot(known.name))
    return netapp.gone(call, known, call.rule("netapp.snapshot_seconds"))


def _transfer(volume: Resource) -> dict[str, Any] | None:
    """The backup that runs on a volume."""
    transfer = volume.hidden.get("transfer")
    return transfer if transfer and not transfer.get("done") else None


@operation("netapp", "backups.create")
def put_backup(call: Call) -> Work:
    """Begins a backup of a volume into a vault. The name is the key."""
    world, properties = call.world, call.body["properties"]
    known = call.survivor()
    if known is not None:
        same = arm.key(known.properties["volumeResourceId"]) == arm.key(properties["volumeResourceId"])
        if not same and call.rule("netapp.changed_put") == "refuse":
            raise Fault("PropertyChangeNotAllowed", "volumeResourceId of a backup cannot be changed.", 409)
        return _again(call, known)
    vault = call.need(arm.parent(call.resource_id), "ParentResourceNotFound")
    volume = call.need(properties["volumeResourceId"])
    assigned = ((volume.properties.get("dataProtection") or {}).get("backup") or {}).get("backupVaultId", "")
    if arm.key(assigned or "") != vault.key:
        raise Fault("VolumeNotAssignedToBackupVault", f"The volume {volume.name} is not assigned to {vault.name}.")
    if _transfer(volume):
        raise Fault(call.rule("netapp.busy_error"), f"A backup of the volume {volume.name} is running.")
    if properties.get("useExistingSnapshot"):
        name = properties.get("snapshotName")
        if not name:
            raise Fault("InvalidParameter", "useExistingSnapshot needs snapshotName.", target="snapshotName")
        source = call.need(f"{volume.id}/snapshots/{name}")
    else:
        name = properties.get("snapshotName") or f"snapmirror.{call.path['backupName']}"
        source = make_snapshot(world, volume, name, volume.location)
        source.state = "Succeeded"
    return _begin(call, vault, volume, source)


def _again(call: Call, known: Resource) -> Work:
    """The same PUT of a backup that exists: it goes on as it goes."""
    left = max(0.0, known.hidden["ends"] - call.now)
    return Work(left, lambda: None, lambda error: None, known.view, known.view, resource=known.id)


def _begin(call: Call, vault: Resource, volume: Resource, source: Resource) -> Work:
    world, asked = call.world, call.body["properties"]
    new = max(0, source.hidden["bytes"] - volume.hidden.get("backed_up", 0))
    seconds = max(call.rule("netapp.backup_seconds"), new / call.rule("netapp.backup_bytes_per_second"))
    properties = {
        **asked, "backupId": world.ids.uuid("backup"), "creationDate": world.time(), "backupType": "Manual",
        "snapshotCreationDate": source.properties["created"], "snapshotName": source.name, "size": 0,
        "provisioningState": "Creating",
    }  # fmt: skip
    made = world.new(call.resource_id, {"properties": properties}, content=source.hidden["content"],
                     bytes=source.hidden["bytes"], tree=source.hidden.get("tree"),
                     ends=world.now + seconds)  # fmt: skip
    volume.hidden["transfer"] = {"started": world.now, "seconds": seconds, "bytes": new, "snapshot": source.name}

    def done() -> None:
        made.properties |= {"provisioningState": "Succeeded", "size": source.hidden["bytes"],
                            "completionDate": world.time()}  # fmt: skip
        volume.hidden["transfer"]["done"] = "Idle"
        volume.hidden["backed_up"] = source.hidden["bytes"]
        world.event("volume backed up", resource=made.id)

    def failed(error: dict[str, Any]) -> None:
        made.properties |= {"provisioningState": "Failed", "failureReason": error["message"]}
        volume.hidden["transfer"] |= {"done": "Failed", "error": error["message"]}

    return Work(seconds, done, failed, made.view, made.view, resource=vault.id)


@operation("netapp", "backups.delete")
def delete_backup(call: Call) -> Reply | Work:
    """Deletes a backup; not one that is being made."""
    known = call.world.find(call.resource_id)
    if known is None:
        return Reply(status=204)
    if known.state == "Creating":
        raise Fault(call.rule("netapp.busy_error"), f"The backup {known.name} is being created.")
    return netapp.gone(call, known, 10)


def _volume(call: Call) -> Resource:
    return call.need(arm.parent(call.resource_id))


@operation("netapp", "backups.get_latest_status")
def backup_status(call: Call) -> Reply:
    """How the latest backup of a volume goes."""
    transfer = _volume(call).hidden.get("transfer")
    if transfer is None:
        return Reply({"healthy": True, "relationshipStatus": "Idle", "mirrorState": "Uninitialized",
                      "lastTransferSize": 0, "totalTransferBytes": 0, "transferProgressBytes": 0})  # fmt: skip
    share = min(1.0, (call.now - transfer["started"]) / max(1e-9, transfer["seconds"]))
    status = transfer.get("done") or "Transferring"
    body = {
        "healthy": status != "Failed", "relationshipStatus": status, "totalTransferBytes": transfer["bytes"],
        "mirrorState": "Mirrored" if status == "Idle" else "Uninitialized", "lastTransferType": "update",
        "lastTransferSize": transfer["bytes"] if status == "Idle" else 0,
        "transferProgressBytes": 0 if status == "Idle" else int(transfer["bytes"] * share),
    }  # fmt: skip
    if "error" in transfer:
        body |= {"errorMessage": transfer["error"], "unhealthyReason": transfer["error"]}
    return Reply(body)


@operation("netapp", "backups.get_volume_latest_restore_status")
def restore_status(call: Call) -> Reply:
    """How the restore goes that a volume was made by."""
    volume = _volume(call)
    restore = volume.hidden.get("restore")
    if restore is None:
        raise Fault("ResourceNotFound", "No restore has been made for this volume.")
    status = "Failed" if "error" in restore else ("Idle" if restore.get("done") else "Transferring")
    body = {"healthy": status != "Failed", "relationshipStatus": status,
            "mirrorState": "Broken" if status == "Idle" else "Uninitialized",
            "totalTransferBytes": volume.hidden["used_bytes"]}  # fmt: skip
    if "error" in restore:
        body |= {"errorMessage": restore["error"], "unhealthyReason": restore["error"]}
    return Reply(body)
