"""EC2: snapshots."""

from __future__ import annotations

import dataclasses
from typing import Any

from fake_cloud.clock import stamp

from ..content import BLOCK
from ..entities import Snapshot, Volume
from ..errors import Fault
from ..registry import operation
from ..world import Call, Region, World
from .ec2_common import Fields, born_with, chosen, paged, settled, shown_tags
from .ec2_volumes import find as find_volume

_FIELDS: Fields = {
    "snapshot-id": lambda snapshot: snapshot.id,
    "volume-id": lambda snapshot: snapshot.volume_id,
    "status": lambda snapshot: snapshot.state,
    "volume-size": lambda snapshot: str(snapshot.size_gib),
    "description": lambda snapshot: snapshot.description,
    "encrypted": lambda snapshot: str(snapshot.encrypted).lower(),
    "start-time": lambda snapshot: stamp(snapshot.started).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
}


def find(call: Call, snapshot_id: str) -> Snapshot:
    """The caller's snapshot of this id.

    Raises Fault when there is none.
    """
    snapshot = call.region.snapshots.get(snapshot_id)
    if snapshot is None or not settled(call, snapshot.started):
        raise Fault("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
    return snapshot


def _view(call: Call, snapshot: Snapshot) -> dict[str, Any]:
    progress = "100%"
    if snapshot.state == "pending" and not snapshot.direct:
        whole = max(1e-9, (snapshot.completes or call.now + 1) - snapshot.started)
        progress = f"{min(99, int(100 * (call.now - snapshot.started) / whole))}%"
    elif snapshot.state == "pending":
        progress = "0%"
    return {
        "SnapshotId": snapshot.id,
        "VolumeId": snapshot.volume_id,
        "State": snapshot.state,
        "StartTime": snapshot.started,
        "Progress": progress,
        "OwnerId": call.account,
        "Description": snapshot.description,
        "VolumeSize": snapshot.size_gib,
        "Encrypted": snapshot.encrypted,
        "KmsKeyId": snapshot.kms_key if snapshot.encrypted else None,
        "Tags": shown_tags(snapshot.tags),
        "StorageTier": "standard",
        "CompletionTime": snapshot.completes if snapshot.state == "completed" else None,
        "FullSnapshotSizeInBytes": len(snapshot.content) * BLOCK,
    }


@operation("ec2", "DescribeSnapshots")
def describe_snapshots(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Snapshots by id, owner or filter. All here are the caller's own."""
    if params.get("SnapshotIds"):
        snapshots = [find(call, each) for each in params["SnapshotIds"]]
    else:
        snapshots = [each for each in call.region.snapshots.values() if settled(call, each.started)]
    if not set(params.get("OwnerIds") or ["self"]) & {"self", call.account}:
        snapshots = []
    shown, following = paged(chosen(snapshots, params.get("Filters"), _FIELDS), params)
    return {"Snapshots": [_view(call, snapshot) for snapshot in shown], "NextToken": following}


@operation("ec2", "DescribeLockedSnapshots")
def describe_locked_snapshots(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Snapshots that are locked."""
    wanted = params.get("SnapshotIds")
    for missing in sorted(set(wanted or ()) - set(call.region.snapshots)):
        raise Fault("InvalidSnapshot.NotFound", f"The snapshot '{missing}' does not exist.")
    snapshots = [each for each in call.region.snapshots.values() if each.locked and (not wanted or each.id in wanted)]
    shown, following = paged(snapshots, params)
    locks = [{"OwnerId": call.account, "SnapshotId": each.id, "LockState": "governance",
              "LockExpiresOn": each.locked_until} for each in shown]  # fmt: skip
    return {"Snapshots": locks, "NextToken": following}


def _take(world: World, region: Region, volume: Volume, description: str, tags: dict[str, str]) -> Snapshot:
    pending = [each for each in region.snapshots.values() if each.volume_id == volume.id and each.state == "pending"]
    hdd = volume.type in {"st1", "sc1"}
    if len(pending) >= world.rules["ec2.pending_maximum_hdd" if hdd else "ec2.pending_maximum"]:
        raise Fault("ConcurrentSnapshotLimitExceeded", f"Too many pending snapshots of {volume.id}")
    interval = world.rules["ec2.snapshot_interval_seconds"]
    if volume.last_snapshot is not None and world.now - volume.last_snapshot < interval:
        raise Fault("SnapshotCreationPerVolumeRateExceeded", "The maximum per volume CreateSnapshot request rate has "
                    "been exceeded. Use an increasing or variable sleep interval between requests.")  # fmt: skip
    seconds = world.rules["ec2.snapshot_seconds"]
    volume.last_snapshot = world.now
    snapshot = Snapshot(
        world.ids.hex("snap"), volume.id, volume.size_gib, world.now, completes=world.now + seconds,
        description=description, encrypted=volume.encrypted, kms_key=volume.kms_key, tags=tags,
        content=dict(volume.content), lineage=volume.id,
    )  # fmt: skip
    region.snapshots[snapshot.id] = snapshot
    _seal_after(world, snapshot, seconds)
    return snapshot


def _seal_after(world: World, snapshot: Snapshot, seconds: float) -> None:
    def completed() -> None:
        snapshot.state, snapshot.completes = "completed", world.now

    world.clock.after(seconds, completed)


@operation("ec2", "CreateSnapshot")
def create_snapshot(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A snapshot of the volume as it is now. No token makes this safe to repeat."""
    tags = born_with(params, "snapshot")
    volume = find_volume(call, params["VolumeId"])
    view = _view(call, _take(call.world, call.region, volume, params.get("Description", ""), tags))
    return {**view, "Progress": ""}


@operation("ec2", "CreateSnapshots")
def create_snapshots(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Snapshots of all volumes of an instance at one moment."""
    tags = born_with(params, "snapshot")
    wanted = params["InstanceSpecification"]
    volumes = [each for each in call.region.volumes.values() if each.instance == wanted.get("InstanceId")]
    if not volumes:
        raise Fault("InvalidInstanceID.NotFound", f"The instance ID '{wanted.get('InstanceId')}' does not exist")
    excluded = set(wanted.get("ExcludeDataVolumeIds", []))
    volumes = [each for each in volumes if each.id not in excluded]
    if wanted.get("ExcludeBootVolume"):
        volumes = [each for each in volumes if not each.root]
    made = []
    for volume in volumes:
        own = dict(volume.tags) if params.get("CopyTagsFromSource") == "volume" else {}
        made.append(_take(call.world, call.region, volume, params.get("Description", ""), {**own, **tags}))
    infos = [
        {
            "SnapshotId": each.id, "VolumeId": each.volume_id, "State": each.state, "VolumeSize": each.size_gib,
            "StartTime": each.started, "Progress": "", "OwnerId": call.account, "Description": each.description,
            "Encrypted": each.encrypted, "Tags": shown_tags(each.tags),
        }
        for each in made
    ]  # fmt: skip
    return {"Snapshots": infos}


@operation("ec2", "CopySnapshot")
def copy_snapshot(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Copies a snapshot into the region that is called."""
    tags = born_with(params, "snapshot")
    source = call.world.region(call.account, params["SourceRegion"]).snapshots.get(params["SourceSnapshotId"])
    if source is None:
        raise Fault("InvalidSnapshot.NotFound", f"The snapshot '{params['SourceSnapshotId']}' does not exist.")
    if source.state != "completed":
        raise Fault("IncorrectState", f"Snapshot is in invalid state - {source.state}")
    seconds = call.rule("ec2.snapshot_seconds")
    made = dataclasses.replace(
        source, id=call.world.ids.hex("snap"), volume_id=call.rule("ec2.copied_volume_id"), started=call.now,
        state="pending", completes=call.now + seconds, tags=tags, description=params.get("Description", ""),
        content=dict(source.content), encrypted=bool(params.get("Encrypted") or source.encrypted),
        kms_key=params.get("KmsKeyId") or source.kms_key, locked=False,
    )  # fmt: skip
    call.region.snapshots[made.id] = made
    _seal_after(call.world, made, seconds)
    return {"SnapshotId": made.id, "Tags": shown_tags(tags)}


@operation("ec2", "DeleteSnapshot")
def delete_snapshot(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Deletes a snapshot that is neither locked nor a recovery point."""
    snapshot = find(call, params["SnapshotId"])
    if snapshot.locked:
        raise Fault("SnapshotLocked", f"The snapshot '{snapshot.id}' is locked.")
    if call.region.point(call.region.snapshot_arn(snapshot.id)) is not None:
        raise Fault("InvalidParameterValue", "This snapshot is managed by the AWS Backup service and cannot be "
                    "deleted via EC2 APIs.")  # fmt: skip
    del call.region.snapshots[snapshot.id]
    return {}
