"""STS, IAM and KMS: who calls, what a role may do, and whether a key can be used."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..access import allowed
from ..errors import Fault
from ..registry import operation
from ..world import AccessKey, Call, Role

_ROLE_ACTIONS = {
    "backup": {"ec2:CreateSnapshot", "elasticfilesystem:Backup", "backup:CopyIntoBackupVault"},
    "restore": {"ec2:CreateVolume", "elasticfilesystem:Restore", "elasticfilesystem:CreateFileSystem"},
    "delete": {"ec2:DeleteSnapshot"},
}


@operation("sts", "GetCallerIdentity")
def get_caller_identity(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Who calls; nobody can be denied this."""
    return {"UserId": call.key.id, "Account": call.account, "Arn": call.key.arn}


@operation("iam", "GetRole")
def get_role(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A role and who may assume it."""
    name = params["RoleName"]
    role = call.world.roles.get(f"arn:aws:iam::{call.account}:role/{name}")
    if role is None:
        raise Fault("NoSuchEntityException", f"The role with name {name} cannot be found.", 404)
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
             "Principal": {"Service": "backup.amazonaws.com"}}]}  # fmt: skip
    return {"Role": {"Path": "/", "RoleName": name, "RoleId": "AROA00000000EXAMPLE0", "Arn": role.arn,
                     "CreateDate": call.now, "AssumeRolePolicyDocument": quote(json.dumps(trust))}}  # fmt: skip


@operation("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """What a caller or a role may do."""
    source = params["PolicySourceArn"]
    keys = [key for key in call.world.keys.values() if key.arn == source]
    role = call.world.roles.get(source)
    if not keys and role is None:
        raise Fault("NoSuchEntityException", f"{source} cannot be found.", 404)
    resource = (params.get("ResourceArns") or ["*"])[0]
    results = [
        {"EvalActionName": action, "EvalResourceName": resource,
         "EvalDecision": "allowed" if _may(keys, role, action) else "implicitDeny"}
        for action in params["ActionNames"]
    ]  # fmt: skip
    return {"EvaluationResults": results, "IsTruncated": False}


def _may(keys: list[AccessKey], role: Role | None, action: str) -> bool:
    if keys:
        return allowed(keys[0], action)
    return role is not None and any(
        action in actions and getattr(role, right) for right, actions in _ROLE_ACTIONS.items()
    )


@operation("kms", "DescribeKey")
def describe_key(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One key; those of a scenario have a state, AWS's own are always enabled."""
    name = params["KeyId"].rpartition("/")[2]
    own = any(vault.key and vault.key.endswith(name) for vault in call.region.vaults.values())
    if name not in call.region.keys and not own:
        raise Fault("NotFoundException", f"Key '{params['KeyId']}' does not exist")
    state = call.region.keys.get(name, {}).get("state", "Enabled")
    return {"KeyMetadata": {
        "AWSAccountId": call.account, "KeyId": name, "Arn": call.region.arn("kms", f"key/{name}"),
        "Enabled": state == "Enabled", "KeyState": state, "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER" if name in call.region.keys else "AWS", "MultiRegion": False,
    }}  # fmt: skip
