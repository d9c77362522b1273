"""EFS: file systems, mount targets and tags."""

from __future__ import annotations

from typing import Any

from .. import paging, trees
from ..entities import FileSystem, MountTarget
from ..errors import Fault
from ..registry import operation
from ..world import Call
from . import tagging

_BAD = "BadRequest"
_TAGS_MAXIMUM = 50


def find(call: Call, name: str) -> FileSystem:
    """The caller's file system, by id or ARN.

    Raises Fault when there is none.
    """
    system = call.region.file_systems.get(name.rpartition("/")[2])
    if system is None:
        raise Fault("FileSystemNotFound", f"File system '{name}' does not exist.")
    return system


def usable(system: FileSystem) -> FileSystem:
    """The file system, when it is `available`.

    Raises Fault when it is in another state.
    """
    if system.state != "available":
        raise Fault("IncorrectFileSystemLifeCycleState", f"File system '{system.id}' is {system.state}.")
    return system


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Tags as EFS lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def view(call: Call, system: FileSystem) -> dict[str, Any]:
    """A file system as EFS describes it."""
    return {
        "OwnerId": call.account,
        "CreationToken": system.creation_token,
        "FileSystemId": system.id,
        "FileSystemArn": call.region.file_system_arn(system.id),
        "CreationTime": system.created,
        "LifeCycleState": system.state,
        "Name": system.tags.get("Name"),
        "NumberOfMountTargets": len(system.mount_targets),
        "SizeInBytes": {"Value": system.bytes, "Timestamp": float(int(call.now))},
        "PerformanceMode": system.performance_mode,
        "Encrypted": system.encrypted,
        "KmsKeyId": system.kms_key if system.encrypted else None,
        "ThroughputMode": system.throughput_mode,
        "ProvisionedThroughputInMibps": system.provisioned_mibps,
        "AvailabilityZoneName": system.zone,
        "Tags": tag_list(system.tags),
    }


@operation("elasticfilesystem", "DescribeFileSystems")
def describe_file_systems(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """File systems; by creation token this finds an orphaned restore."""
    systems = list(call.region.file_systems.values())
    if "FileSystemId" in params:
        systems = [find(call, params["FileSystemId"])]
    elif "CreationToken" in params:
        systems = [each for each in systems if each.creation_token == params["CreationToken"]]
    shown, following = paging.page(systems, params.get("Marker"), None, call.rule("efs.page"), _BAD)
    return {"FileSystems": [view(call, each) for each in shown], "Marker": params.get("Marker"),
            "NextMarker": following}  # fmt: skip


@operation("elasticfilesystem", "CreateFileSystem")
def create_file_system(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A new, empty file system; its creation token exists once."""
    token = params["CreationToken"]
    for each in call.region.file_systems.values():
        if each.creation_token == token:
            raise Fault("FileSystemAlreadyExists", f"File system '{each.id}' already exists with creation token "
                        f"'{token}'", ErrorCode="FileSystemAlreadyExists", FileSystemId=each.id)  # fmt: skip
    if "KmsKeyId" in params and not params.get("Encrypted"):
        raise Fault(_BAD, "KmsKeyId requires Encrypted")
    zone = params.get("AvailabilityZoneName")
    if zone is not None and zone not in call.region.zones:
        raise Fault("UnsupportedAvailabilityZone", f"Zone {zone} is not supported.")
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    system = FileSystem(
        call.world.ids.hex("fs"), token, call.now, state="creating", tags=tags,
        encrypted=params.get("Encrypted", False), kms_key=params.get("KmsKeyId"), zone=zone,
        performance_mode=params.get("PerformanceMode", "generalPurpose"),
        throughput_mode=params.get("ThroughputMode", "bursting"),
        provisioned_mibps=params.get("ProvisionedThroughputInMibps"),
        backup_policy="ENABLED" if params.get("Backup", zone is not None) else "DISABLED",
    )  # fmt: skip
    call.region.file_systems[system.id] = system
    if call.world.trees is not None:
        (call.world.trees / system.id).mkdir(exist_ok=True)

    def available() -> None:
        if system.state == "creating":
            system.state = "available"

    call.world.clock.after(call.rule("efs.create_seconds"), available)
    return view(call, system)


@operation("elasticfilesystem", "UpdateFileSystem")
def update_file_system(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Another throughput mode."""
    system = usable(find(call, params["FileSystemId"]))
    mode = params.get("ThroughputMode", system.throughput_mode)
    if (mode == "provisioned") != ("ProvisionedThroughputInMibps" in params):
        raise Fault(_BAD, "ProvisionedThroughputInMibps is for throughput mode provisioned, and needed there")
    system.throughput_mode, system.provisioned_mibps = mode, params.get("ProvisionedThroughputInMibps")
    return view(call, system)


@operation("elasticfilesystem", "DeleteFileSystem")
def delete_file_system(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Deletes a file system without mount targets."""
    system = find(call, params["FileSystemId"])
    if system.mount_targets:
        raise Fault("FileSystemInUse", f"File system '{system.id}' has mount targets created in it.",
                    ErrorCode="FileSystemInUse")  # fmt: skip
    system.state = "deleting"
    world, region = call.world, call.region

    def gone() -> None:
        region.file_systems.pop(system.id, None)
        trees.discard(world, system)

    world.clock.after(call.rule("efs.delete_seconds"), gone)
    return {}


def _target(call: Call, target: MountTarget) -> dict[str, Any]:
    return {
        "OwnerId": call.account, "MountTargetId": target.id, "FileSystemId": target.file_system,
        "SubnetId": target.subnet, "LifeCycleState": target.state, "IpAddress": target.address,
        "AvailabilityZoneName": target.zone, "VpcId": target.vpc,
    }  # fmt: skip


@operation("elasticfilesystem", "CreateMountTarget")
def create_mount_target(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One address per zone, all in one VPC."""
    system = usable(find(call, params["FileSystemId"]))
    subnet = call.region.subnets.get(params["SubnetId"])
    if subnet is None:
        raise Fault("SubnetNotFound", f"The subnet ID '{params['SubnetId']}' does not exist.")
    groups = params.get("SecurityGroups", call.region.groups[:1])
    missing = sorted(set(groups) - set(call.region.groups))
    if missing:
        raise Fault("SecurityGroupNotFound", f"The security group ID '{missing[0]}' does not exist.")
    if system.zone is not None and subnet["zone"] != system.zone:
        raise Fault("AvailabilityZonesMismatch", f"The file system is in {system.zone}.")
    for each in system.mount_targets.values():
        if each.zone == subnet["zone"] or each.vpc != subnet["vpc"]:
            raise Fault("MountTargetConflict", "Mount target already exists in this AZ, or in another VPC.")
    if subnet.get("free", 250) <= 0:
        raise Fault("NoFreeAddressesInSubnet", "The specified subnet does not have enough free addresses.")
    target = MountTarget(
        call.world.ids.hex("fsmt"), system.id, params["SubnetId"], subnet["zone"], subnet["vpc"],
        params.get("IpAddress", f"10.0.0.{10 + len(system.mount_targets)}"), list(groups),
    )  # fmt: skip
    system.mount_targets[target.id] = target

    def available() -> None:
        target.state = "available"

    call.world.clock.after(call.rule("efs.mount_target_seconds"), available)
    return _target(call, target)


def _find_target(call: Call, target_id: str) -> tuple[FileSystem, MountTarget]:
    for system in call.region.file_systems.values():
        if target_id in system.mount_targets:
            return system, system.mount_targets[target_id]
    raise Fault("MountTargetNotFound", f"Mount target '{target_id}' does not exist.")


@operation("elasticfilesystem", "DescribeMountTargets")
def describe_mount_targets(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Mount targets of one file system, or one."""
    if "MountTargetId" in params:
        targets = [_find_target(call, params["MountTargetId"])[1]]
    elif "FileSystemId" in params:
        targets = list(find(call, params["FileSystemId"]).mount_targets.values())
    else:
        raise Fault(_BAD, "A file system or a mount target must be named.")
    shown, following = paging.page(targets, params.get("Marker"), None, call.rule("efs.mount_target_page"), _BAD)
    return {"MountTargets": [_target(call, each) for each in shown], "Marker": params.get("Marker"),
            "NextMarker": following}  # fmt: skip


@operation("elasticfilesystem", "DescribeMountTargetSecurityGroups")
def describe_mount_target_security_groups(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The security groups of a mount target."""
    return {"SecurityGroups": _find_target(call, params["MountTargetId"])[1].groups}


@operation("elasticfilesystem", "DeleteMountTarget")
def delete_mount_target(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes an address away."""
    system, target = _find_target(call, params["MountTargetId"])
    target.state = "deleting"

    def gone() -> None:
        system.mount_targets.pop(target.id, None)

    call.world.clock.after(call.rule("efs.delete_seconds"), gone)
    return {}


@operation("elasticfilesystem", "TagResource")
def tag_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Adds and replaces tags."""
    system = find(call, params["ResourceId"])
    tags = {**system.tags, **{tag["Key"]: tag["Value"] for tag in params["Tags"]}}
    if len([key for key in tags if not key.startswith("aws:")]) > _TAGS_MAXIMUM:
        raise Fault(_BAD, "A resource can have no more than 50 tags")
    tagging.remember(call, call.region.file_system_arn(system.id), system.tags)
    system.tags.update(tags)
    return {}


@operation("elasticfilesystem", "UntagResource")
def untag_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes tags away."""
    system = find(call, params["ResourceId"])
    tagging.remember(call, call.region.file_system_arn(system.id), system.tags)
    for key in params["TagKeys"]:
        system.tags.pop(key, None)
    return {}


@operation("elasticfilesystem", "ListTagsForResource")
def list_tags_for_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A file system's tags."""
    tags = tag_list(find(call, params["ResourceId"]).tags)
    shown, following = paging.page(tags, params.get("NextToken"), params.get("MaxResults"), 100, _BAD)
    return {"Tags": shown, "NextToken": following}
