"""AWS Backup: how jobs and recovery points are shown, and how points go away."""

from __future__ import annotations

from typing import Any

from ..entities import Job, RecoveryPoint
from ..world import Call, Region, World


def remove(world: World, region: Region, point: RecoveryPoint, why: str) -> None:
    """Takes a recovery point, and the snapshot that it is, out of the world."""
    vault = region.vaults.get(point.vault)
    if vault is not None:
        vault.points.pop(point.arn, None)
    if point.snapshot_id is not None:
        region.snapshots.pop(point.snapshot_id, None)
    world.journal.event(world.now, "recovery point gone", point=point.arn, why=why)


def held(region: Region, point: RecoveryPoint) -> bool:
    """Whether a legal hold protects a point."""
    return any(
        hold.status == "ACTIVE" and (point.vault in hold.vaults or point.resource_arn in hold.resources)
        for hold in region.holds.values()
    )


def plan_expiry(world: World, region: Region, point: RecoveryPoint) -> None:
    """AWS deletes by itself what has reached the end of its lifecycle, which may have changed meanwhile."""
    days = point.lifecycle.get("DeleteAfterDays", -1)
    if days <= 0:
        return

    def due() -> None:
        vault = region.vaults.get(point.vault)
        if vault is None or point.arn not in vault.points:
            return
        now_days = point.lifecycle.get("DeleteAfterDays", -1)
        if now_days > 0 and world.now >= point.created + now_days * 86400.0 and not held(region, point):
            remove(world, region, point, "lifecycle")

    world.clock.after(point.created + days * 86400.0 - world.now, due)


def lock_state(call: Call, vault_name: str) -> str | None:
    """The lock of the vault that a job writes into, as job records tell it."""
    vault = call.region.vaults.get(vault_name)
    return "LOCKED" if vault is not None and vault.locked else None


def backup_job(call: Call, job: Job) -> dict[str, Any]:
    """The members that DescribeBackupJob and ListBackupJobs share."""
    vault = call.region.vaults.get(job.vault)
    early = call.rule("backup.ebs_arn_from") == "RUNNING" and job.started is not None
    named = job.type == "EFS" or early or job.state == "COMPLETED"
    percent = job.fraction(call.now) * 100
    transferred = job.transferred or int(job.total * job.fraction(call.now))
    return {
        "AccountId": call.account,
        "BackupJobId": job.id,
        "BackupVaultName": job.vault,
        "BackupVaultArn": vault.arn if vault else None,
        "VaultType": "BACKUP_VAULT",
        "VaultLockState": lock_state(call, job.vault),
        "RecoveryPointArn": job.point_arn if named else None,
        "RecoveryPointLifecycle": job.lifecycle or None,
        "IsEncrypted": True,
        "ResourceArn": job.resource_arn,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "State": job.state,
        "StatusMessage": job.message,
        "PercentDone": f"{percent:.1f}",
        "BackupSizeInBytes": job.size if job.started is not None else None,
        "IamRoleArn": job.role,
        "CreatedBy": job.created_by,
        "ResourceType": job.type,
        "BytesTransferred": transferred if job.started is not None else None,
        "ExpectedCompletionDate": job.ends if job.open else None,
        "StartBy": job.start_by,
        "IsParent": False,
        "InitiationDate": job.started,
        "MessageCategory": job.category,
    }


def restore_job(call: Call, job: Job) -> dict[str, Any]:
    """The members that DescribeRestoreJob and the lists of restore jobs share."""
    point = call.region.point(job.point_arn or "")
    shown = job.state == "COMPLETED" or (call.rule("restore.created_arn_from") == "RUNNING" and job.started is not None)
    minutes = int((job.ends - (job.started or job.created)) // 60) if job.ends else None
    return {
        "AccountId": call.account,
        "RestoreJobId": job.id,
        "RecoveryPointArn": job.point_arn,
        "SourceResourceArn": job.resource_arn,
        "BackupVaultArn": call.region.vaults[job.vault].arn if job.vault in call.region.vaults else None,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "Status": job.state,
        "StatusMessage": job.message,
        "PercentDone": f"{job.fraction(call.now) * 100:.2f}%",
        "BackupSizeInBytes": job.size,
        "IamRoleArn": job.role or None,
        "ExpectedCompletionTimeMinutes": minutes,
        "CreatedResourceArn": job.created_resource if shown else None,
        "ResourceType": job.type,
        "RecoveryPointCreationDate": point.created if point else None,
        "IsParent": False,
    }


def copy_job(call: Call, job: Job) -> dict[str, Any]:
    """A copy job."""
    source = call.region.vaults.get(job.vault)
    return {
        "AccountId": call.account,
        "CopyJobId": job.id,
        "SourceBackupVaultArn": source.arn if source else None,
        "SourceRecoveryPointArn": job.point_arn,
        "DestinationBackupVaultArn": job.destination_vault_arn,
        "DestinationRecoveryPointArn": job.destination_point_arn if job.state == "COMPLETED" else None,
        "DestinationRecoveryPointLifecycle": job.lifecycle or None,
        "ResourceArn": job.resource_arn,
        "CreationDate": job.created,
        "CompletionDate": job.completed,
        "State": job.state,
        "StatusMessage": job.message,
        "BackupSizeInBytes": job.size,
        "IamRoleArn": job.role,
        "ResourceType": job.type,
        "IsParent": False,
        "MessageCategory": job.category,
    }


def storage_class(point: RecoveryPoint, now: float) -> str:
    """WARM, or COLD from the day that the lifecycle names; a volume's only when it opts in to the archive."""
    days = point.lifecycle.get("MoveToColdStorageAfterDays", -1)
    moves = point.type != "EBS" or point.lifecycle.get("OptInToArchiveForSupportedResources", False)
    return "COLD" if moves and days > 0 and now >= point.created + days * 86400.0 else "WARM"


def calculated(point: RecoveryPoint) -> dict[str, Any] | None:
    """The times at which AWS will move and delete a point."""
    days = point.lifecycle
    move, delete = days.get("MoveToColdStorageAfterDays", -1), days.get("DeleteAfterDays", -1)
    found = {
        "MoveToColdStorageAt": point.created + 86400 * move if move > 0 else None,
        "DeleteAt": point.created + 86400 * delete if delete > 0 else None,
    }
    return {name: value for name, value in found.items() if value is not None} or None


def recovery_point(call: Call, point: RecoveryPoint) -> dict[str, Any]:
    """The members that DescribeRecoveryPoint and ListRecoveryPointsByBackupVault share."""
    return {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": point.vault,
        "BackupVaultArn": call.region.vaults[point.vault].arn,
        "SourceBackupVaultArn": point.source_vault_arn,
        "ResourceArn": point.resource_arn,
        "ResourceType": point.type,
        "CreatedBy": point.created_by,
        "IamRoleArn": point.role,
        "Status": point.status,
        "StatusMessage": point.message,
        "CreationDate": point.created,
        "InitiationDate": point.created,
        "CompletionDate": point.completed,
        "BackupSizeInBytes": point.size,
        "CalculatedLifecycle": calculated(point),
        "Lifecycle": point.lifecycle or None,
        "EncryptionKeyArn": point.key,
        "IsEncrypted": point.key is not None,
        "LastRestoreTime": point.last_restore,
        "IsParent": False,
        "VaultType": "BACKUP_VAULT",
    }
