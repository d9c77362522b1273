"""Who may call what: rights by action name, and what each service says when they are missing."""

from __future__ import annotations

import base64
import hashlib
from fnmatch import fnmatchcase
from typing import Any

from .errors import Fault
from .world import AccessKey, Region

_PREFIXES = {"tagging": "tag"}

# What a refusal is called, by what went wrong, then by service; "" is everybody else.
_CODES: dict[str, dict[str, str]] = {
    "invalid": {
        "": "ValidationException", "backup": "InvalidParameterValueException", "elasticfilesystem": "BadRequest",
        "ec2": "InvalidParameterValue", "tagging": "InvalidParameterException", "sts": "ValidationError",
        "iam": "ValidationError",
    },
    "denied": {
        "": "AccessDeniedException", "ec2": "UnauthorizedOperation", "sts": "AccessDenied", "iam": "AccessDenied",
    },
    "expired": {"": "ExpiredTokenException", "ec2": "RequestExpired", "sts": "ExpiredToken", "iam": "ExpiredToken"},
    "stranger": {
        "": "UnrecognizedClientException", "ec2": "AuthFailure", "sts": "InvalidClientTokenId",
        "iam": "InvalidClientTokenId",
    },
    "signature": {
        "": "InvalidSignatureException", "ec2": "AuthFailure", "sts": "SignatureDoesNotMatch",
        "iam": "SignatureDoesNotMatch",
    },
}  # fmt: skip

_STATUS = {"invalid": 400, "denied": 403, "expired": 403, "stranger": 403, "signature": 403}


def refusal(what: str, service: str, message: str, **fields: Any) -> Fault:
    """A refusal that any operation of the service may answer with."""
    codes = _CODES[what]
    if what == "denied" and service == "ebs":
        fields.setdefault("Reason", "UNAUTHORIZED_ACCOUNT")
    return Fault(codes.get(service, codes[""]), message, _STATUS[what], **fields)


def denied(service: str, message: str) -> Fault:
    """The refusal of what a caller may not do; EC2 adds a code that only its owner's STS could read."""
    if service == "ec2":
        code = base64.urlsafe_b64encode(hashlib.sha512(message.encode()).digest()).decode()
        told = "You are not authorized to perform this operation."
        message = f"{told} {message} Encoded authorization failure message: {code}"
    return refusal("denied", service, message)


Need = tuple[str, str]

# What a vault with a key of the customer's needs of that key.
_KEY_OF_A_VAULT = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey", "kms:RetireGrant")


def needs(service: str, operation: str, params: dict[str, Any], region: Region) -> list[Need]:
    """The IAM actions that a call needs, each with its resource, as the service authorization reference lists them."""
    needed = [(f"{_PREFIXES.get(service, service)}:{operation}", _resource(service, params, region))]
    if service == "backup" and operation in {"StartBackupJob", "StartRestoreJob", "StartCopyJob"}:
        needed += [("iam:PassRole", params["IamRoleArn"])] if params.get("IamRoleArn") else []
        needed += [("backup:TagResource", "*")] if params.get("RecoveryPointTags") else []
    if service == "backup" and operation == "CreateBackupVault":
        needed += [("backup-storage:MountCapsule", "*")]
        needed += [("backup:TagResource", needed[0][1])] if params.get("BackupVaultTags") else []
        needed += [(action, key) for action in _KEY_OF_A_VAULT] if (key := params.get("EncryptionKeyArn")) else []
    if (service == "ec2" and params.get("TagSpecifications")) or (service == "ebs" and params.get("Tags")):
        needed += [("ec2:CreateTags", "*")]
    if service == "elasticfilesystem" and operation.startswith("Create") and params.get("Tags"):
        needed += [("elasticfilesystem:TagResource", "*")]
    return needed


def _resource(service: str, params: dict[str, Any], region: Region) -> str:
    """The resource that an action is about; `*` where the service does not tell resources apart, or here not."""
    if service == "backup":
        vault = params.get("BackupVaultName")
        by_vault = region.arn("backup", f"backup-vault:{vault}") if vault else "*"
        return params.get("RecoveryPointArn") or (by_vault if vault else params.get("ResourceArn", "*"))
    if service == "elasticfilesystem" and "MountTargetId" in params:
        systems = region.file_systems.values()
        its = [each.id for each in systems if params["MountTargetId"] in (each.mount_targets or {})]
        return region.file_system_arn(its[0]) if its else "*"
    if service == "elasticfilesystem" and params.get("ResourceId", "").startswith("fs-"):
        return region.file_system_arn(params["ResourceId"])
    if service == "ec2" and params.get("Resources", [""])[0].startswith("vol-"):
        return region.volume_arn(params["Resources"][0])
    if service == "elasticfilesystem" and "FileSystemId" in params:
        return region.file_system_arn(params["FileSystemId"].rpartition("/")[2])
    if service in {"ebs", "ec2"} and isinstance(params.get("SnapshotId"), str) and "AvailabilityZone" not in params:
        return region.snapshot_arn(params["SnapshotId"])
    if service == "ec2" and "VolumeId" in params:
        return region.volume_arn(params["VolumeId"])
    if service == "sagemaker" and "SpaceName" in params:
        return region.arn("sagemaker", f"space/{params['DomainId']}/{params['SpaceName']}")
    if service == "sagemaker" and "UserProfileName" in params:
        return region.arn("sagemaker", f"user-profile/{params['DomainId']}/{params['UserProfileName']}")
    return params.get("ResourceArn", "*") if service == "sagemaker" else "*"


def _tags(resource: str, region: Region | None) -> dict[str, str] | None:
    """The tags of a resource as IAM sees them, none where there is no such thing.

    `None` where nothing is named, and for a snapshot, whose tags AWS Backup is not known to see.
    """
    if region is None or resource == "*" or ":snapshot/" in resource:
        return None
    thing = region.resource(resource) or region.point(resource)
    return dict(thing.tags) if thing is not None else {}


def allowed(key: AccessKey, action: str, resource: str = "*", region: Region | None = None) -> bool:
    """Whether the caller may do this: by the short lists, and by the policy documents when there are any."""
    if any(fnmatchcase(action, pattern) for pattern in key.deny):
        return False
    if not any(fnmatchcase(action, pattern) for pattern in key.allow):
        return False
    if key.policies is None:
        return True
    effects = [
        statement.get("Effect")
        for document in key.policies
        for statement in _many(document["Statement"])
        if _applies(statement, action, resource, region)
    ]
    return "Allow" in effects and "Deny" not in effects


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _applies(statement: dict[str, Any], action: str, resource: str, region: Region | None) -> bool:
    """Whether a statement speaks of this call. Of conditions iam:PassedToService and aws:ResourceTag are looked at."""
    if not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _many(statement["Action"])):
        return False
    conditions = statement.get("Condition", {})
    passed = conditions.get("StringEquals", {}).get("iam:PassedToService")
    if action == "iam:PassRole" and passed is not None and "backup.amazonaws.com" not in _many(passed):
        return False
    for name, patterns in conditions.get("StringLike", {}).items():
        its = _tags(resource, region) if name.startswith("aws:ResourceTag/") else None
        if its is None:
            continue
        value = its.get(name.partition("/")[2])
        if value is None or not any(fnmatchcase(value, pattern) for pattern in _many(patterns)):
            return False
    return any(resource == "*" or fnmatchcase(resource, pattern) for pattern in _many(statement["Resource"]))
