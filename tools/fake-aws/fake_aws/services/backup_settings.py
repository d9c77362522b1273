"""AWS Backup: what an account opted in to, and which resources are protected."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..errors import Fault
from ..registry import operation
from ..world import Call


@operation("backup", "DescribeRegionSettings")
def describe_region_settings(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Which resource types AWS Backup may touch in this region."""
    region = call.region
    return {"ResourceTypeOptInPreference": region.opt_in, "ResourceTypeManagementPreference": region.management}


@operation("backup", "UpdateRegionSettings")
def update_region_settings(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Opts types in or out, for everybody in the account."""
    call.region.opt_in.update(params.get("ResourceTypeOptInPreference", {}))
    call.region.management.update(params.get("ResourceTypeManagementPreference", {}))
    return {}


@operation("backup", "GetSupportedResourceTypes")
def get_supported_resource_types(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The types that there are here."""
    return {"ResourceTypes": ["EBS", "EFS"]}


def _protected(call: Call, arn: str) -> dict[str, Any] | None:
    points = [point for vault in call.region.vaults.values() for point in vault.points.values()
              if point.resource_arn == arn and point.status == "COMPLETED"]  # fmt: skip
    if not points:
        return None
    last = max(points, key=lambda point: point.created)
    return {"ResourceArn": arn, "ResourceType": last.type, "LastBackupTime": last.completed,
            "LastBackupVaultArn": call.region.vaults[last.vault].arn, "LastRecoveryPointArn": last.arn}  # fmt: skip


@operation("backup", "DescribeProtectedResource")
def describe_protected_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """A resource's last backup."""
    found = _protected(call, params["ResourceArn"])
    if found is None:
        raise Fault("ResourceNotFoundException", f"{params['ResourceArn']} is not protected")
    return found


@operation("backup", "ListProtectedResources")
def list_protected_resources(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """All resources that have a recovery point."""
    arns = sorted({point.resource_arn for vault in call.region.vaults.values() for point in vault.points.values()})
    found = [each for each in (_protected(call, arn) for arn in arns) if each is not None]
    shown, following = paging.page(found, params.get("NextToken"), params.get("MaxResults"), 1000)
    return {"Results": shown, "NextToken": following}
