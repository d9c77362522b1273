"""AWS Backup: vaults, their locks, and legal holds."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..entities import LegalHold, Vault
from ..errors import Fault
from ..registry import operation
from ..world import Call

_INVALID = "InvalidParameterValueException"
_DAY = 86400.0


def _view(call: Call, vault: Vault) -> dict[str, Any]:
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "VaultType": "BACKUP_VAULT",
        "VaultState": vault.state,
        "EncryptionKeyArn": vault.key,
        "CreationDate": vault.created,
        "CreatorRequestId": vault.creator_request_id,
        "NumberOfRecoveryPoints": len(vault.points),
        "Locked": vault.locked,
        "MinRetentionDays": vault.min_retention,
        "MaxRetentionDays": vault.max_retention,
        "LockDate": vault.lock_date,
    }


@operation("backup", "CreateBackupVault")
def create_backup_vault(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A new vault; the same CreatorRequestId again is answered with the same vault."""
    name, request = params["BackupVaultName"], params.get("CreatorRequestId")
    vault = call.region.vaults.get(name)
    if vault is not None and (request is None or vault.creator_request_id != request):
        raise Fault("AlreadyExistsException", f"Backup vault {name} already exists", Arn=vault.arn,
                    CreatorRequestId=vault.creator_request_id or "")  # fmt: skip
    if vault is None:
        if len(call.region.vaults) >= call.rule("vault.maximum"):
            raise Fault("LimitExceededException", "Too many backup vaults")
        key = params.get("EncryptionKeyArn") or call.region.arn("kms", "key/00000000-0000-4000-8000-00000000000a")
        vault = Vault(name, call.region.arn("backup", f"backup-vault:{name}"), call.now, request, key,
                      dict(params.get("BackupVaultTags", {})))  # fmt: skip
        call.region.vaults[name] = vault
    return {"BackupVaultName": name, "BackupVaultArn": vault.arn, "CreationDate": vault.created}


@operation("backup", "DescribeBackupVault")
def describe_backup_vault(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One vault and its lock."""
    if params.get("BackupVaultAccountId", call.account) != call.account:
        raise Fault("ResourceNotFoundException", "The vault is in another account")
    return _view(call, call.region.vault(params["BackupVaultName"]))


@operation("backup", "ListBackupVaults")
def list_backup_vaults(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """All vaults."""
    vaults = [] if params.get("ByVaultType", "BACKUP_VAULT") != "BACKUP_VAULT" else list(call.region.vaults.values())
    shown, following = paging.page(vaults, params.get("NextToken"), params.get("MaxResults"), 1000)
    return {"BackupVaultList": [_view(call, vault) for vault in shown], "NextToken": following}


@operation("backup", "DeleteBackupVault")
def delete_backup_vault(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Deletes an empty vault."""
    vault = call.region.vault(params["BackupVaultName"])
    if vault.points:
        raise Fault("InvalidRequestException", "Backup vault cannot be deleted because it contains recovery points",
                    Code="ERROR_9101")  # fmt: skip
    if vault.immutable(call.now):
        raise Fault("InvalidRequestException", "Backup vault is locked and cannot be deleted")
    del call.region.vaults[vault.name]
    return {}


@operation("backup", "PutBackupVaultLockConfiguration")
def put_backup_vault_lock_configuration(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Locks a vault: for good after some days when ChangeableForDays is given, else as long as nobody unlocks it."""
    vault = call.region.vault(params["BackupVaultName"])
    if vault.immutable(call.now):
        raise Fault("InvalidRequestException", "The vault lock is immutable")
    days = params.get("ChangeableForDays")
    if days is not None and days < 3:
        raise Fault(_INVALID, "ChangeableForDays must be at least 3")
    low, high = params.get("MinRetentionDays"), params.get("MaxRetentionDays")
    if (low is not None and low < 1) or (high is not None and high > 36500) or (low and high and low > high):
        raise Fault(_INVALID, "MinRetentionDays and MaxRetentionDays must be ordered, between 1 and 36500")
    vault.locked, vault.min_retention, vault.max_retention = True, low, high
    vault.lock_date = call.now + days * _DAY if days is not None else None
    return {}


@operation("backup", "DeleteBackupVaultLockConfiguration")
def delete_backup_vault_lock_configuration(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Unlocks a vault whose lock is not for good."""
    vault = call.region.vault(params["BackupVaultName"])
    if vault.immutable(call.now):
        raise Fault("InvalidRequestException", "The vault lock is immutable")
    vault.locked, vault.min_retention, vault.max_retention, vault.lock_date = False, None, None, None
    return {}


@operation("backup", "CreateLegalHold")
def create_legal_hold(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A hold on the points of some vaults or resources."""
    chosen = params.get("RecoveryPointSelection", {})
    hold = LegalHold(call.world.ids.uuid("hold"), params["Title"], call.now, list(chosen.get("VaultNames", [])),
                     list(chosen.get("ResourceIdentifiers", [])))  # fmt: skip
    call.region.holds[hold.id] = hold
    return {**_hold(call, hold), "RecoveryPointSelection": chosen or None}


@operation("backup", "ListLegalHolds")
def list_legal_holds(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """All holds, cancelled ones too."""
    holds = list(call.region.holds.values())
    shown, following = paging.page(holds, params.get("NextToken"), params.get("MaxResults"), 1000)
    return {"LegalHolds": [_hold(call, hold) for hold in shown], "NextToken": following}


@operation("backup", "GetLegalHold")
def get_legal_hold(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One hold and what it holds."""
    hold = _find_hold(call, params["LegalHoldId"])
    chosen = {"VaultNames": hold.vaults or None, "ResourceIdentifiers": hold.resources or None}
    return {**_hold(call, hold), "RecoveryPointSelection": chosen}


@operation("backup", "CancelLegalHold")
def cancel_legal_hold(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Lifts a hold."""
    hold = _find_hold(call, params["LegalHoldId"])
    hold.status, hold.cancelled = "CANCELED", call.now
    return {}


def _find_hold(call: Call, hold_id: str) -> LegalHold:
    if hold_id not in call.region.holds:
        raise Fault("ResourceNotFoundException", f"Legal hold {hold_id} not found")
    return call.region.holds[hold_id]


def _hold(call: Call, hold: LegalHold) -> dict[str, Any]:
    return {"Title": hold.title, "Status": hold.status, "LegalHoldId": hold.id, "CreationDate": hold.created,
            "LegalHoldArn": call.region.arn("backup", f"legal-hold:{hold.id}"),
            "CancellationDate": hold.cancelled}  # fmt: skip
