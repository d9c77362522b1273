"""Who may call what: rights by action name, and what each service says when they are missing."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from .errors import Fault
from .world import AccessKey

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


def actions(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """The IAM actions that a call needs, as the services' authorization references list them."""
    needed = [f"{_PREFIXES.get(service, service)}:{operation}"]
    if service == "backup" and operation in {"StartBackupJob", "StartRestoreJob", "StartCopyJob"}:
        needed += ["iam:PassRole"] if params.get("IamRoleArn") else []
        needed += ["backup:TagResource"] if params.get("RecoveryPointTags") else []
    if service == "backup" and operation == "CreateBackupVault":
        needed += ["backup-storage:MountCapsule"]
        needed += ["backup:TagResource"] if params.get("BackupVaultTags") else []
    if service == "ec2" and params.get("TagSpecifications"):
        needed += ["ec2:CreateTags"]
    if service == "ebs" and params.get("Tags"):
        needed += ["ec2:CreateTags"]
    if service == "elasticfilesystem" and operation.startswith("Create") and params.get("Tags"):
        needed += ["elasticfilesystem:TagResource"]
    return needed


def allowed(key: AccessKey, action: str) -> bool:
    """Whether the caller may do this."""
    if any(fnmatchcase(action, pattern) for pattern in key.deny):
        return False
    return any(fnmatchcase(action, pattern) for pattern in key.allow)
