"""EFS: the settings that a restore does not bring back."""

from __future__ import annotations

import json
from typing import Any

from .. import paging
from ..errors import Fault
from ..registry import operation
from ..world import Call
from .efs import find, tag_list, usable


@operation("elasticfilesystem", "DescribeBackupPolicy")
def describe_backup_policy(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Whether AWS backs the file system up by itself."""
    system = find(call, params["FileSystemId"])
    if system.backup_policy == "NONE":
        raise Fault("PolicyNotFound", "No backup policy was found for the file system.")
    return {"BackupPolicy": {"Status": system.backup_policy}}


@operation("elasticfilesystem", "PutBackupPolicy")
def put_backup_policy(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Turns automatic backups on or off, with a state in between."""
    system = usable(find(call, params["FileSystemId"]))
    wanted = params["BackupPolicy"]["Status"]
    if wanted not in {"ENABLED", "DISABLED"}:
        raise Fault("ValidationException", "A backup policy is put as ENABLED or DISABLED.")
    system.backup_policy = {"ENABLED": "ENABLING", "DISABLED": "DISABLING"}[wanted]

    def settled() -> None:
        system.backup_policy = wanted
        key = "aws:elasticfilesystem:default-backup"
        if wanted == "ENABLED":
            system.tags[key] = "enabled"
        else:
            system.tags.pop(key, None)

    call.world.clock.after(call.rule("efs.backup_policy_seconds"), settled)
    return {"BackupPolicy": {"Status": system.backup_policy}}


@operation("elasticfilesystem", "DescribeLifecycleConfiguration")
def describe_lifecycle_configuration(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """When files move to cheaper storage."""
    return {"LifecyclePolicies": find(call, params["FileSystemId"]).lifecycle}


@operation("elasticfilesystem", "PutLifecycleConfiguration")
def put_lifecycle_configuration(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Replaces the lifecycle policies; each object of the list holds one of them."""
    system = usable(find(call, params["FileSystemId"]))
    if any(len(policy) != 1 for policy in params["LifecyclePolicies"]):
        raise Fault("BadRequest", "Each LifecyclePolicy object must have only one transition.")
    system.lifecycle = params["LifecyclePolicies"]
    return {"LifecyclePolicies": system.lifecycle}


@operation("elasticfilesystem", "DescribeFileSystemPolicy")
def describe_file_system_policy(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The resource policy."""
    system = find(call, params["FileSystemId"])
    if system.policy is None:
        raise Fault("PolicyNotFound", "No policy was found for the file system.")
    return {"FileSystemId": system.id, "Policy": system.policy}


@operation("elasticfilesystem", "PutFileSystemPolicy")
def put_file_system_policy(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Replaces the resource policy."""
    system = usable(find(call, params["FileSystemId"]))
    try:
        json.loads(params["Policy"])
    except ValueError:
        raise Fault("InvalidPolicyException", "The policy is no JSON.") from None
    system.policy = params["Policy"]
    return {"FileSystemId": system.id, "Policy": system.policy}


def _point(call: Call, point: dict[str, Any], system: str) -> dict[str, Any]:
    return {
        "ClientToken": point["ClientToken"],
        "Name": point["tags"].get("Name"),
        "Tags": tag_list(point["tags"]),
        "AccessPointId": point["id"],
        "AccessPointArn": call.region.arn("elasticfilesystem", f"access-point/{point['id']}"),
        "FileSystemId": system,
        "PosixUser": point.get("PosixUser"),
        "RootDirectory": point.get("RootDirectory", {"Path": "/"}),
        "OwnerId": call.account,
        "LifeCycleState": "available",
    }


@operation("elasticfilesystem", "DescribeAccessPoints")
def describe_access_points(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Access points of one file system, or one, or all."""
    systems = list(call.region.file_systems.values())
    if "FileSystemId" in params:
        systems = [find(call, params["FileSystemId"])]
    points = [_point(call, point, system.id) for system in systems for point in system.access_points]
    if "AccessPointId" in params:
        points = [point for point in points if point["AccessPointId"] == params["AccessPointId"]]
        if not points:
            raise Fault("AccessPointNotFound", f"Access point {params['AccessPointId']} does not exist.")
    shown, following = paging.page(points, params.get("NextToken"), params.get("MaxResults"), 100, "BadRequest")
    return {"AccessPoints": shown, "NextToken": following}


@operation("elasticfilesystem", "CreateAccessPoint")
def create_access_point(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A new access point; the same token again gives the same one."""
    system = usable(find(call, params["FileSystemId"]))
    names = ("ClientToken", "PosixUser", "RootDirectory")
    kept: dict[str, Any] = {name: params[name] for name in names if name in params}
    tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
    for point in system.access_points:
        if point["ClientToken"] == params["ClientToken"]:
            if point != {**kept, "tags": tags, "id": point["id"]}:
                raise Fault("AccessPointAlreadyExists", "An access point with this token exists.",
                            ErrorCode="AccessPointAlreadyExists", AccessPointId=point["id"])  # fmt: skip
            return _point(call, point, system.id)
    point = {**kept, "tags": tags, "id": call.world.ids.hex("fsap")}
    system.access_points.append(point)
    return _point(call, point, system.id)


@operation("elasticfilesystem", "DeleteAccessPoint")
def delete_access_point(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes an access point away."""
    for system in call.region.file_systems.values():
        for point in system.access_points:
            if point["id"] == params["AccessPointId"]:
                system.access_points.remove(point)
                return {}
    raise Fault("AccessPointNotFound", f"Access point {params['AccessPointId']} does not exist.")
