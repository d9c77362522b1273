"""AWS Backup: recovery points described, listed, tagged, kept and deleted."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..entities import RecoveryPoint, Vault
from ..errors import Fault
from ..registry import operation
from ..world import Call
from . import backup_views
from .backup_jobs import check_lifecycle

_INVALID = "InvalidParameterValueException"


def _find(call: Call, params: dict[str, Any]) -> tuple[Vault, RecoveryPoint]:
    vault = call.region.vault(params["BackupVaultName"])
    if params["RecoveryPointArn"] not in vault.points:
        raise Fault("ResourceNotFoundException", f"Cannot find recovery point {params['RecoveryPointArn']}")
    return vault, vault.points[params["RecoveryPointArn"]]


@operation("backup", "DescribeRecoveryPoint")
def describe_recovery_point(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One recovery point."""
    point = _find(call, params)[1]
    return {**backup_views.recovery_point(call, point), "StorageClass": backup_views.storage_class(point, call.now)}


@operation("backup", "GetRecoveryPointRestoreMetadata")
def get_recovery_point_restore_metadata(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """What AWS proposes for a restore; it must not be sent back as it is."""
    vault, point = _find(call, params)
    if point.type == "EBS":
        volume = point.resource_arn.rpartition("/")[2]
        metadata = {"encrypted": str(point.key is not None).lower(), "volumeId": volume}
    else:
        metadata = {
            "file-system-id": point.attributes["file_system"],
            "Encrypted": str(point.attributes["encrypted"]).lower(),
            "PerformanceMode": point.attributes["performance_mode"],
            "newFileSystem": "false",
        }
    return {"BackupVaultArn": vault.arn, "RecoveryPointArn": point.arn, "RestoreMetadata": metadata,
            "ResourceType": point.type}  # fmt: skip


def _visible(call: Call, point: RecoveryPoint) -> bool:
    return call.now - point.created >= call.rule("list.lag_seconds")


@operation("backup", "ListRecoveryPointsByBackupVault")
def list_recovery_points_by_backup_vault(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A vault's recovery points, newest first."""
    vault = call.region.vault(params["BackupVaultName"])
    points = [point for point in vault.points.values() if _visible(call, point)]
    for name, field in (("ByResourceArn", "resource_arn"), ("ByResourceType", "type")):
        if name in params:
            points = [point for point in points if getattr(point, field) == params[name]]
    if "ByBackupPlanId" in params:
        plan = params["ByBackupPlanId"]
        points = [point for point in points if (point.created_by or {}).get("BackupPlanId") == plan]
    if "ByParentRecoveryPointArn" in params:
        points = []
    after, before = params.get("ByCreatedAfter", float("-inf")), params.get("ByCreatedBefore", float("inf"))
    points = sorted((point for point in points if after <= point.created <= before), key=lambda each: -each.created)
    shown, following = paging.page(points, params.get("NextToken"), params.get("MaxResults"), 1000)
    return {"RecoveryPoints": [backup_views.recovery_point(call, point) for point in shown], "NextToken": following}


@operation("backup", "ListRecoveryPointsByResource")
def list_recovery_points_by_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A resource's recovery points in all vaults; the size has another name here."""
    points = [point for vault in call.region.vaults.values() for point in vault.points.values()
              if point.resource_arn == params["ResourceArn"] and _visible(call, point)]  # fmt: skip
    points.sort(key=lambda point: -point.created)
    shown, following = paging.page(points, params.get("NextToken"), params.get("MaxResults"), 1000)
    items = [
        {
            "RecoveryPointArn": point.arn, "CreationDate": point.created, "Status": point.status,
            "StatusMessage": point.message, "EncryptionKeyArn": point.key, "BackupSizeBytes": point.size,
            "BackupVaultName": point.vault, "IsParent": False, "VaultType": "BACKUP_VAULT",
        }
        for point in shown
    ]  # fmt: skip
    return {"RecoveryPoints": items, "NextToken": following}


@operation("backup", "UpdateRecoveryPointLifecycle")
def update_recovery_point_lifecycle(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Another retention; a locked vault only lets it grow."""
    vault, point = _find(call, params)
    lifecycle = params.get("Lifecycle", {})
    check_lifecycle(lifecycle)
    days, before = lifecycle.get("DeleteAfterDays", -1), point.lifecycle.get("DeleteAfterDays", -1)
    outside = vault.max_retention is not None and (days == -1 or days > vault.max_retention)
    if vault.locked and (outside or (days != -1 and (before == -1 or days < before))):
        raise Fault("InvalidRequestException", "The vault lock does not allow this retention.")
    point.lifecycle = lifecycle
    backup_views.plan_expiry(call.world, call.region, point)
    return {"BackupVaultArn": vault.arn, "RecoveryPointArn": point.arn, "Lifecycle": lifecycle,
            "CalculatedLifecycle": backup_views.calculated(point)}  # fmt: skip


@operation("backup", "DeleteRecoveryPoint")
def delete_recovery_point(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Deletes a point, or answers 200 and does not, as AWS does when a role is missing."""
    vault, point = _find(call, params)
    if vault.deny_delete:
        raise Fault("AccessDeniedException", "Access Denied: Insufficient privileges to perform this action.", 403)
    if backup_views.held(call.region, point):
        message = f"{point.arn} cannot be deleted because it has active legal hold(s)"
        raise Fault(call.rule("delete.hold_error"), message)
    if point.status in {"CREATING", "DELETING"} or point.readers:
        raise Fault("InvalidResourceStateException",
                    "AWS Backup is already performing an action on this recovery point. Try again later.")  # fmt: skip
    if vault.locked and _kept(call, vault, point):
        raise Fault(call.rule("delete.locked_error"), f"{vault.name} is locked: the recovery point cannot be deleted")
    world, region = call.world, call.region
    role = world.roles.get(point.role)
    snapshot = region.snapshots.get(point.snapshot_id or "")
    roleless = (role is None or not role.delete) and call.rule("delete.role_missing") == "expire"
    if (point.type == "EBS" and roleless) or (snapshot is not None and snapshot.locked):
        world.clock.after(call.rule("delete.expire_seconds"), lambda: _expired(point))
        return {}
    point.status = "DELETING"
    world.clock.after(call.rule("delete.seconds"), lambda: backup_views.remove(world, region, point, "deleted"))
    return {}


def _expired(point: RecoveryPoint) -> None:
    point.status = "EXPIRED"
    point.message = "AWS Backup could not delete the recovery point with the role that created it."


def _kept(call: Call, vault: Vault, point: RecoveryPoint) -> bool:
    """Whether the lock still protects the point: to the end of its own retention."""
    days = point.lifecycle.get("DeleteAfterDays", -1)
    return days == -1 or call.now < point.created + 86400 * days


@operation("backup", "ListTags")
def list_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Tags of a vault or of a point that AWS Backup itself keeps."""
    tags = _tags(call, params["ResourceArn"])
    items = sorted(tags.items())
    shown, following = paging.page(items, params.get("NextToken"), params.get("MaxResults"), 1000)
    return {"Tags": dict(shown), "NextToken": following}


@operation("backup", "TagResource")
def tag_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Adds and replaces tags."""
    _tags(call, params["ResourceArn"]).update(params["Tags"])
    return {}


@operation("backup", "UntagResource")
def untag_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes tags away."""
    tags = _tags(call, params["ResourceArn"])
    for key in params["TagKeyList"]:
        tags.pop(key, None)
    return {}


def _tags(call: Call, arn: str) -> dict[str, str]:
    for vault in call.region.vaults.values():
        if vault.arn == arn:
            return vault.tags
        point = vault.points.get(arn)
        if point is None:
            continue
        elsewhere = point.type == "EBS" and call.rule("ebs_point.backup_tags") == "refuse"
        if elsewhere or point.type not in {"EBS", "EFS"}:
            raise Fault(_INVALID, "This resource type keeps its tags in its own service.")
        return point.tags
    raise Fault("ResourceNotFoundException", f"{arn} not found")
