"""EC2: volumes."""

from __future__ import annotations

from typing import Any

from fake_cloud.clock import stamp

from ..content import BLOCK
from ..entities import Volume
from ..errors import Fault
from ..registry import operation
from ..world import Call
from .ec2_common import Fields, born_with, chosen, paged, settled, shown_tags

_FIELDS: Fields = {
    "volume-id": lambda volume: volume.id,
    "snapshot-id": lambda volume: volume.snapshot_id,
    "status": lambda volume: volume.state,
    "availability-zone": lambda volume: volume.zone,
    "volume-type": lambda volume: volume.type,
    "size": lambda volume: str(volume.size_gib),
    "encrypted": lambda volume: str(volume.encrypted).lower(),
    "create-time": lambda volume: stamp(volume.created).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "attachment.instance-id": lambda volume: volume.instance or "",
}

_SIZES = {"gp2": (1, 16384), "gp3": (1, 65536), "io1": (4, 16384), "io2": (4, 65536), "st1": (125, 16384),
          "sc1": (125, 16384), "standard": (1, 1024)}  # fmt: skip


def find(call: Call, volume_id: str) -> Volume:
    """The caller's volume of this id.

    Raises Fault when there is none.
    """
    volume = call.region.volumes.get(volume_id)
    if volume is None or not settled(call, volume.created):
        raise Fault("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
    return volume


def _attachments(volume: Volume) -> list[dict[str, Any]] | None:
    if volume.instance is None:
        return None
    return [{"VolumeId": volume.id, "InstanceId": volume.instance, "State": "attached", "DeleteOnTermination": False,
             "Device": "/dev/xvda" if volume.root else "/dev/sdf", "AttachTime": volume.created}]  # fmt: skip


def _view(volume: Volume) -> dict[str, Any]:
    return {
        "VolumeId": volume.id,
        "Size": volume.size_gib,
        "SnapshotId": volume.snapshot_id,
        "AvailabilityZone": volume.zone,
        "State": volume.state,
        "CreateTime": volume.created,
        "VolumeType": volume.type,
        "Iops": volume.iops or (3000 if volume.type in {"gp2", "gp3"} else None),
        "Throughput": volume.throughput or (125 if volume.type == "gp3" else None),
        "Encrypted": volume.encrypted,
        "KmsKeyId": volume.kms_key if volume.encrypted else None,
        "MultiAttachEnabled": False,
        "Tags": shown_tags(volume.tags),
        "VolumeInitializationRate": volume.initialization_rate,
    }


def _selected(call: Call, params: dict[str, Any]) -> list[Volume]:
    if params.get("VolumeIds"):
        volumes = [find(call, each) for each in params["VolumeIds"]]
    else:
        volumes = [volume for volume in call.region.volumes.values() if settled(call, volume.created)]
    return chosen(volumes, params.get("Filters"), _FIELDS)


@operation("ec2", "DescribeVolumes")
def describe_volumes(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Volumes by id or filter."""
    shown, following = paged(_selected(call, params), params)
    return {"Volumes": [{**_view(volume), "Attachments": _attachments(volume)} for volume in shown],
            "NextToken": following}  # fmt: skip


@operation("ec2", "DescribeVolumeStatus")
def describe_volume_status(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """How far each volume has been filled from its snapshot."""
    shown, following = paged(_selected(call, params), params)
    return {"VolumeStatuses": [_status(call, volume) for volume in shown], "NextToken": following}


def _status(call: Call, volume: Volume) -> dict[str, Any]:
    ready = volume.state in {"available", "in-use"}
    whole = {"Status": "ok" if ready else "insufficient-data"}
    shown: dict[str, Any] = {"VolumeId": volume.id, "AvailabilityZone": volume.zone, "VolumeStatus": whole}
    if volume.snapshot_id:
        per_second = (volume.initialization_rate or 0) << 20 or call.rule("ec2.lazy_bytes_per_second")
        seconds = len(volume.content) * BLOCK / per_second
        done = min(1.0, (call.now - volume.created) / seconds) if seconds else 1.0
        shown["InitializationStatusDetails"] = {
            "InitializationType": "provisioned-rate" if volume.initialization_rate else "default",
            "Progress": int(done * 100),
            "EstimatedTimeToCompleteInSeconds": int(seconds * (1 - done)) if volume.initialization_rate else None,
        }
    return shown


@operation("ec2", "CreateVolume")
def create_volume(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A new volume, empty or from a snapshot."""
    tags = born_with(params, "volume")
    zone = params.get("AvailabilityZone", "")
    if zone not in call.region.zones:
        raise Fault("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    snapshot = None
    if params.get("SnapshotId"):
        snapshot = call.region.snapshots.get(params["SnapshotId"])
        if snapshot is None or not settled(call, snapshot.started):
            raise Fault("InvalidSnapshot.NotFound", f"The snapshot '{params['SnapshotId']}' does not exist.")
        if snapshot.state != "completed":
            raise Fault("IncorrectState", f"Snapshot is in invalid state - {snapshot.state}")
    size = params.get("Size") or (snapshot.size_gib if snapshot else 0)
    if not size:
        raise Fault("MissingParameter", "The request must contain the parameter size or snapshotId")
    kind = params.get("VolumeType", "gp2")
    low, high = _SIZES[kind]
    if not low <= size <= high or (snapshot and size < snapshot.size_gib):
        raise Fault("InvalidParameterValue", f"Volume of {size}GiB is not possible for {kind} or for its snapshot")
    rate = params.get("VolumeInitializationRate")
    if rate is not None and (snapshot is None or not 100 <= rate <= 300):
        raise Fault("InvalidParameterCombination", "VolumeInitializationRate is 100 to 300 and needs a snapshot")
    if "KmsKeyId" in params and not (params.get("Encrypted") or (snapshot and snapshot.encrypted)):
        raise Fault("InvalidParameterCombination", "KmsKeyId requires Encrypted")
    volume = Volume(
        call.world.ids.hex("vol"), size, zone, call.now, state="creating", type=kind, iops=params.get("Iops"),
        throughput=params.get("Throughput"), snapshot_id=snapshot.id if snapshot else "", tags=tags,
        encrypted=bool(params.get("Encrypted") or (snapshot and snapshot.encrypted)),
        kms_key=params.get("KmsKeyId") or (snapshot.kms_key if snapshot else None), initialization_rate=rate,
        content=dict(snapshot.content) if snapshot else {},
    )  # fmt: skip
    volume.changed_bytes = len(volume.content) * BLOCK
    call.region.volumes[volume.id] = volume

    def available() -> None:
        if volume.state == "creating":
            volume.state = "available"

    call.world.clock.after(call.rule("ec2.volume_seconds"), available)
    return _view(volume)


@operation("ec2", "DeleteVolume")
def delete_volume(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Deletes a volume that nothing uses."""
    volume = find(call, params["VolumeId"])
    if volume.instance is not None:
        raise Fault("VolumeInUse", f"Volume {volume.id} is currently attached to {volume.instance}")
    del call.region.volumes[volume.id]
    return {}
