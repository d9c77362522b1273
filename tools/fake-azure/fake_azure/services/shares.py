"""Storage: file shares, their snapshots, and what becomes of them when they are deleted."""

from __future__ import annotations

from typing import Any

from .. import arm, paging, trees
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply, World
from . import storage

KIND = f"{storage.KIND}/fileServices/shares"


def make(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """A share: `properties` as the service shows them are made of what was asked for."""
    properties = {
        "lastModifiedTime": world.time(), "leaseStatus": "Unlocked", "leaseState": "Available",
        "metadata": given.get("metadata") or {}, "shareQuota": given.get("shareQuota") or 100,
        "enabledProtocols": given.get("enabledProtocols") or "SMB",
    }  # fmt: skip
    if properties["enabledProtocols"] == "NFS":
        properties["rootSquash"] = given.get("rootSquash") or "NoRootSquash"
    else:
        properties["accessTier"] = given.get("accessTier") or "TransactionOptimized"
    body = {"etag": f'"{world.ids.uuid("etag")}"', "properties": properties}
    made = world.new(resource_id, body, content=f"empty {arm.name(resource_id)}", generation=0, snapshots=[])
    trees.make(world, made)
    return made


def _snapshots(share: Resource) -> list[dict[str, Any]]:
    return share.hidden["snapshots"]


def snapshot(world: World, share: Resource, metadata: dict[str, str]) -> dict[str, Any]:
    """Takes a snapshot, whose time the service stamps; the same request again takes another.

    Raises Fault when there are too many, or the share takes none.
    """
    taken = _snapshots(share)
    known = world.resources[arm.key(arm.parent(arm.parent(share.id)))]
    if share.properties["enabledProtocols"] == "NFS" and not world.rules["share.nfs_snapshots"]:
        raise Fault("UnsupportedOperation", "Snapshots are not supported for NFS file shares.", 400)
    if share.properties["enabledProtocols"] == "NFS" and known.body["kind"] != "FileStorage":
        raise Fault("UnsupportedOperation", "Snapshots of NFS file shares need an SSD account.", 400)
    if len(taken) >= world.rules["share.snapshot_maximum"]:
        raise Fault(world.rules["share.snapshot_maximum_error"], f"The share {share.name} has {len(taken)} snapshots, "
                    "which is the maximum.")  # fmt: skip
    # Two in one moment still have two names.
    step = world.rules["share.snapshot_seconds"]
    at, known_times = world.now // step * step, {each["time"] for each in taken}
    while world.time(at) in known_times:
        at += step
    made = {
        "time": world.time(at),
        "created": world.now,
        "metadata": dict(metadata),
        "content": share.hidden["content"],
        "quota": share.properties["shareQuota"],
    }
    taken.append(made)
    trees.snapshot(world, share, trees.share_snapshot(made["time"]))
    return made


def _shown(share: Resource, made: dict[str, Any] | None = None) -> dict[str, Any]:
    body = share.view()
    if made is None:
        return body
    properties = {**share.properties, "metadata": made["metadata"], "snapshotTime": made["time"],
                  "shareQuota": made["quota"], "lastModifiedTime": made["time"]}  # fmt: skip
    return {**body, "properties": properties}


def live(world: World, resource_id: str) -> Resource | None:
    """A share that exists and is not softly deleted."""
    share = world.find(resource_id)
    return None if share is None or share.properties.get("deleted") else share


def _live(call: Call) -> Resource:
    share = live(call.world, call.resource_id)
    if share is None:
        raise Fault("ShareNotFound", "The specified share does not exist.")
    return share


def _words(text: str | None, known: set[str]) -> set[str]:
    words = {word.strip() for word in (text or "").split(",") if word.strip()}
    if words - known:
        raise Fault("InvalidQueryParameterValue", f"{', '.join(sorted(words - known))}: known are {', '.join(known)}")
    return words


@operation("storage", "file_shares.create")
def put(call: Call) -> Reply:
    """Creates a share or, with `$expand=snapshots`, takes a snapshot of it."""
    account = storage.account(call)
    asked = call.body.get("properties") or {}
    if _words(call.query.get("$expand"), {"snapshots"}):
        return Reply(_shown(_live(call), snapshot(call.world, _live(call), asked.get("metadata") or {})), 201)
    known = call.world.find(call.resource_id)
    if known is not None and known.properties.get("deleted"):
        raise Fault("ShareBeingDeleted", "The specified share is being deleted. Try operation later.")
    if known is not None:
        known.properties.update({name: value for name, value in asked.items() if name in {"metadata", "shareQuota"}})
        return Reply(_shown(known), 200)
    if asked.get("enabledProtocols") == "NFS" and account.body["kind"] != "FileStorage":
        raise Fault("UnsupportedOperation", "NFS shares need an account of kind FileStorage.", 400)
    return Reply(_shown(make(call.world, call.resource_id, asked)), 201)


@operation("storage", "file_shares.update")
def patch(call: Call) -> Reply:
    """Changes metadata or quota."""
    share = _live(call)
    asked = call.body.get("properties") or {}
    share.properties.update({name: value for name, value in asked.items() if name in {"metadata", "shareQuota"}})
    share.properties["lastModifiedTime"] = call.world.time()
    return Reply(_shown(share))


@operation("storage", "file_shares.get")
def get(call: Call) -> Reply:
    """One share, or one of its snapshots by the header `x-ms-snapshot`."""
    storage.account(call)
    share, wanted = _live(call), call.headers.get("x-ms-snapshot")
    body = _shown(share)
    if wanted:
        made = next((each for each in _snapshots(share) if each["time"] == wanted), None)
        if made is None:
            raise Fault("ShareSnapshotNotFound", "The specified share snapshot does not exist.")
        body = _shown(share, made)
    if "stats" in _words(call.query.get("$expand"), {"stats"}):
        body["properties"] = {**body["properties"], "shareUsageBytes": share.hidden.get("bytes", 0)}
    return Reply(body)


@operation("storage", "file_shares.delete")
def delete(call: Call) -> Reply:
    """Deletes a share, softly where the account does so; or one snapshot by the header `x-ms-snapshot`."""
    share, wanted = call.world.find(call.resource_id), call.headers.get("x-ms-snapshot")
    if share is None or share.properties.get("deleted"):
        return Reply(status=204)
    taken = _snapshots(share)
    if wanted:
        if not any(each["time"] == wanted for each in taken):
            return Reply(status=204)
        taken[:] = [each for each in taken if each["time"] != wanted]
        trees.forget(call.world, share, trees.share_snapshot(wanted))
        return Reply(status=200)
    include = _words(call.query.get("$include"), {"snapshots", "leased-snapshots", "none"})
    refuse = call.rule("share.delete_with_snapshots") == "refuse"
    if taken and not include & {"snapshots", "leased-snapshots"} and refuse:
        raise Fault("ShareHasSnapshots", "The share has snapshots and the operation requires no snapshots.")
    days = storage.account(call).hidden["soft_delete_days"]
    if not days:
        call.world.remove(share.id)
        return Reply(status=200)
    share.properties |= {"deleted": True, "deletedTime": call.world.time(), "remainingRetentionDays": days,
                         "version": call.world.ids.uuid("share-version")}  # fmt: skip
    share.hidden["purge_at"] = call.now + days * 86400

    def purge() -> None:
        if share.properties.get("deleted") and call.world.find(share.id) is share:
            call.world.remove(share.id)
            call.world.event("share purged", resource=share.id)

    call.world.clock.after(days * 86400, purge)
    return Reply(status=200)


@operation("storage", "file_shares.restore")
def restore(call: Call) -> Reply:
    """Brings a softly deleted share back, with the snapshots that it had."""
    name, version = call.body["deletedShareName"], call.body["deletedShareVersion"]
    share = call.world.find(f"{call.resource_id.rpartition('/')[0]}/{name}")
    if share is None or not share.properties.get("deleted") or share.properties["version"] != version:
        raise Fault("ShareNotFound", "The specified deleted share does not exist.")
    for member in ("deleted", "deletedTime", "remainingRetentionDays", "version"):
        share.properties.pop(member)
    return Reply()


@operation("storage", "file_shares.list")
def listed(call: Call) -> Reply:
    """All shares, and on demand their snapshots and what was softly deleted."""
    account = storage.account(call)
    expand = _words(call.query.get("$expand"), {"deleted", "snapshots"})
    found = []
    for share in call.world.below(account.id, KIND):
        if share.properties.get("deleted") and "deleted" not in expand:
            continue
        if not share.name.startswith(call.query.get("$filter", "")):
            continue
        found.append(_item(call, share, None))
        if "snapshots" in expand:
            ready = call.now - call.rule("share.list_lag_seconds")
            found += [_item(call, share, each) for each in _snapshots(share) if each["created"] <= ready]
    size = int(call.query["$maxpagesize"]) if "$maxpagesize" in call.query else None
    return paging.page(call, found, size)


def _item(call: Call, share: Resource, made: dict[str, Any] | None) -> dict[str, Any]:
    body = _shown(share, made)
    if share.properties.get("deleted"):
        left = max(0, int((share.hidden["purge_at"] - call.now) // 86400))
        body["properties"] = {**body["properties"], "remainingRetentionDays": left}
    return body
