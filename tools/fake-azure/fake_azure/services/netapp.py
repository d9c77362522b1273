"""NetApp Files: accounts, pools and volumes, new ones from snapshots and backups too."""

from __future__ import annotations

from typing import Any

from .. import arm, paging, trees
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, Work, World

ACCOUNT = "Microsoft.NetApp/netAppAccounts"
POOL = f"{ACCOUNT}/capacityPools"
VOLUME = f"{POOL}/volumes"
SNAPSHOT = f"{VOLUME}/snapshots"
VAULT = f"{ACCOUNT}/backupVaults"
BACKUP = f"{VAULT}/backups"
_ACCOUNT_OF = {"accounts": ACCOUNT, "pools": POOL, "volumes": VOLUME, "snapshots": SNAPSHOT, "backup_vaults": VAULT,
               "backups": BACKUP}  # fmt: skip


def plain(world: World, resource_id: str, given: dict[str, Any], **properties: Any) -> Resource:
    """An account, pool or vault as a scenario gives it."""
    body = {"location": given["location"], "tags": given.get("tags", {}),
            "properties": {"provisioningState": "Succeeded", **properties}}  # fmt: skip
    return world.new(resource_id, body)


def make(world: World, resource_id: str, body: dict[str, Any], content: str, **hidden: Any) -> Resource:
    """A new volume, still being created."""
    shown = {name: body[name] for name in ("location", "tags", "zones") if body.get(name) is not None}
    number = len(world.below("/", VOLUME))
    file_system = world.ids.uuid("file-system")
    shown["properties"] = {
        "serviceLevel": "Premium", "protocolTypes": ["NFSv3"], "snapshotDirectoryVisible": True, **body["properties"],
        "fileSystemId": file_system, "provisioningState": "Creating", "isRestoring": False,
        "mountTargets": [{"fileSystemId": file_system, "mountTargetId": world.ids.uuid("mount-target"),
                          "ipAddress": f"10.1.{number // 250}.{number % 250 + 4}"}],
    }  # fmt: skip
    return world.new(resource_id, shown, **{"content": content, "generation": 0, "used_bytes": 0, **hidden})


@operation("netapp", "accounts.get", "pools.get", "volumes.get", "snapshots.get", "backup_vaults.get", "backups.get")
def get(call: Call) -> Reply:
    """One of them."""
    return Reply(call.here().view())


@operation("netapp", "accounts.list", "pools.list", "volumes.list", "snapshots.list",
           "backup_vaults.list_by_net_app_account", "backups.list_by_vault")  # fmt: skip
def listed(call: Call) -> Reply:
    """All of a kind below the scope."""
    kind = _ACCOUNT_OF[call.operation.name.partition(".")[0]]
    if kind != ACCOUNT:
        call.here()
    found = call.below(call.resource_id, kind)
    wanted = call.query.get("$filter")
    if wanted:
        name, _, value = wanted.partition(" eq ")
        if name.strip().lower() != "volumeresourceid":
            raise Fault("InvalidFilter", f"backups are filtered by VolumeResourceId, not by {wanted!r}")
        found = [each for each in found
                 if arm.key(each.properties["volumeResourceId"]) == arm.key(value.strip().strip("'"))]  # fmt: skip
    return paging.page(call, [each.view() for each in found])


def _source(call: Call, properties: dict[str, Any]) -> Resource | None:
    """The snapshot or backup that a volume is made of, by its id or by its number."""
    for member, kind in (("snapshotId", SNAPSHOT), ("backupId", BACKUP)):
        named = properties.get(member)
        if not named:
            continue
        own = "snapshotId" if kind == SNAPSHOT else "backupId"
        for each in call.world.resources.values():
            if each.kind == kind and (arm.key(named) == each.key or named == each.properties.get(own)):
                if each.state != "Succeeded":
                    raise Fault("Conflict", f"{each.name} is in state {each.state}.")
                return each
        raise Fault("ResourceNotFound", f"{member} {named} was not found.", 404, target=member)
    return None


@operation("netapp", "volumes.create_or_update")
def put(call: Call) -> Work:
    """Creates a volume, empty or from a snapshot or backup; an existing one is changed."""
    world, properties = call.world, call.body["properties"]
    known = call.survivor()
    pool = call.need(arm.parent(call.resource_id), "ParentResourceNotFound")
    if known is not None:
        for member in ("creationToken", "subnetId", "snapshotId", "backupId"):
            if properties.get(member) is not None and properties[member] != known.properties.get(member):
                raise Fault("PropertyChangeNotAllowed", f"{member} of a volume cannot be changed.", 409, target=member)
        known.body["tags"] = call.body.get("tags", known.tags)
        return settled(call, known, call.rule("netapp.volume_seconds"))
    others = world.below(arm.parent(arm.parent(call.resource_id)), VOLUME)
    if any(each.properties["creationToken"] == properties["creationToken"] for each in others):
        raise Fault("CreationTokenExists", f"The creationToken {properties['creationToken']} is in use.", 409)
    used = sum(each.properties["usageThreshold"] for each in world.below(pool.id, VOLUME))
    if used + properties["usageThreshold"] > pool.properties["size"]:
        raise Fault("PoolSizeTooSmall", f"The pool {pool.name} has {pool.properties['size'] - used} bytes left.")
    source = _source(call, properties)
    if source is not None and source.hidden.get("bytes", 0) > properties["usageThreshold"]:
        raise Fault("VolumeSizeTooSmall", "The volume is smaller than what is restored.", target="usageThreshold")
    content = source.hidden["content"] if source else f"empty {call.path['volumeName']}"
    made = make(world, call.resource_id, call.body, content, used_bytes=source.hidden.get("bytes", 0) if source else 0)
    work = settled(call, made, call.rule("netapp.volume_seconds"))
    trees.make(world, made, source.hidden.get("tree") if source else None)
    if source is not None:
        _restore(world, made)
    return work


def _restore(world: World, volume: Resource) -> None:
    volume.properties["isRestoring"] = True
    volume.hidden["restore"] = {"started": world.now, "seconds": world.rules["netapp.restore_seconds"]}
    outcome = next((each for each in world.faults.take({"RestoreJob"}, {"resource": volume.id})), None)

    def done() -> None:
        if outcome is not None and outcome["state"] == "Failed":
            volume.hidden["restore"]["error"] = outcome.get("message", "The restore failed.")
        else:
            volume.properties["isRestoring"] = False
            volume.hidden["restore"]["done"] = True
        world.event("volume restored", resource=volume.id)

    world.clock.after(world.rules["netapp.volume_seconds"] + world.rules["netapp.restore_seconds"], done)


def settled(call: Call, resource: Resource, seconds: float) -> Work:
    """A resource that is being created or changed."""
    world = call.world
    if resource.state != "Creating":
        resource.state = "Updating"

    def done() -> None:
        resource.state = "Succeeded"
        world.event(f"{resource.kind} Succeeded", resource=resource.id)

    def failed(error: dict[str, Any]) -> None:
        resource.state = "Failed"

    return Work(seconds, done, failed, resource.view, resource.view, resource=resource.id)


def gone(call: Call, resource: Resource, seconds: float) -> Work:
    """A resource that is being deleted."""
    world, before = call.world, resource.state
    resource.state = "Deleting"

    def done() -> None:
        if resource.kind == VOLUME:
            trees.remove(world, resource)
        world.remove(resource.id)
        world.event(f"{resource.kind} deleted", resource=resource.id)

    def failed(error: dict[str, Any]) -> None:
        resource.state = before

    return Work(seconds, done, failed, resource=resource.id)


@operation("netapp", "volumes.update")
def patch(call: Call) -> Work:
    """Changes tags, size, or where backups go."""
    volume = call.here()
    if call.body.get("tags") is not None:
        volume.body["tags"] = call.body["tags"]
    for member, value in (call.body.get("properties") or {}).items():
        if member == "dataProtection":
            volume.properties[member] = {**(volume.properties.get(member) or {}), **value}
        elif value is not None:
            volume.properties[member] = value
    return settled(call, volume, 5)


@operation("netapp", "volumes.delete")
def delete(call: Call) -> Reply | Work:
    """Deletes a volume and its snapshots; not while a backup of it runs."""
    volume = call.world.find(call.resource_id)
    if volume is None:
        return Reply(status=204)
    if volume.hidden.get("transfer") and not volume.hidden["transfer"].get("done"):
        raise Fault(call.rule("netapp.busy_error"), f"A backup of the volume {volume.name} is running.")
    return gone(call, volume, 10)
