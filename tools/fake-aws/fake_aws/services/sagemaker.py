"""SageMaker: domains, user profiles, spaces and their tags."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..errors import Fault
from ..registry import operation
from ..world import Call

_MISSING = "ResourceNotFound"


def _domain(call: Call, name: str) -> dict[str, Any]:
    if name not in call.region.domains:
        raise Fault(_MISSING, f"Domain [{name}] does not exist.")
    return call.region.domains[name]


def _member(call: Call, domain: str, kind: str, name: str) -> dict[str, Any]:
    members = _domain(call, domain)[kind]
    if name not in members:
        raise Fault(_MISSING, f"{kind[:-1]} [{name}] does not exist.")
    return members[name]


@operation("sagemaker", "DescribeDomain")
def describe_domain(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One domain."""
    domain = _domain(call, params["DomainId"])
    return {
        "DomainId": domain["id"], "DomainName": domain["name"], "Status": "InService", "AuthMode": "IAM",
        "DomainArn": call.region.arn("sagemaker", f"domain/{domain['id']}"),
        "HomeEfsFileSystemId": domain["home_efs"], "SubnetIds": list(call.region.subnets) or None,
    }  # fmt: skip


@operation("sagemaker", "DescribeSpace")
def describe_space(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One space: its owner and the size of its volume."""
    space = _member(call, params["DomainId"], "spaces", params["SpaceName"])
    owner = space.get("owner")
    return {
        "DomainId": params["DomainId"], "SpaceName": space["name"], "SpaceArn": space["arn"],
        "Status": space["status"],
        "SpaceSettings": {
            "AppType": space.get("app", "JupyterLab"),
            "SpaceStorageSettings": {"EbsStorageSettings": {"EbsVolumeSizeInGb": space.get("size_gib", 5)}},
        },
        "OwnershipSettings": {"OwnerUserProfileName": owner} if owner else None,
        "SpaceSharingSettings": {"SharingType": space.get("sharing", "Private")},
    }  # fmt: skip


@operation("sagemaker", "ListSpaces")
def list_spaces(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Spaces of one domain or of all."""
    rows = []
    for domain in call.region.domains.values():
        if params.get("DomainIdEquals", domain["id"]) != domain["id"]:
            continue
        for space in domain["spaces"].values():
            if params.get("SpaceNameContains", "").lower() not in space["name"].lower():
                continue
            owner = space.get("owner")
            rows.append({
                "DomainId": domain["id"], "SpaceName": space["name"], "Status": space["status"],
                "OwnershipSettingsSummary": {"OwnerUserProfileName": owner} if owner else None,
                "SpaceSharingSettingsSummary": {"SharingType": space.get("sharing", "Private")},
            })  # fmt: skip
    return _page(rows, params, "Spaces", 10)


@operation("sagemaker", "DescribeUserProfile")
def describe_user_profile(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One user profile."""
    profile = _member(call, params["DomainId"], "profiles", params["UserProfileName"])
    return {"DomainId": params["DomainId"], "UserProfileName": profile["name"], "UserProfileArn": profile["arn"],
            "Status": profile["status"]}  # fmt: skip


@operation("sagemaker", "ListUserProfiles")
def list_user_profiles(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """User profiles of one domain or of all."""
    rows = [
        {"DomainId": domain["id"], "UserProfileName": profile["name"], "Status": profile["status"]}
        for domain in call.region.domains.values()
        if params.get("DomainIdEquals", domain["id"]) == domain["id"]
        for profile in domain["profiles"].values()
        if params.get("UserProfileNameContains", "").lower() in profile["name"].lower()
    ]
    return _page(rows, params, "UserProfiles", 10)


def _page(rows: list[Any], params: dict[str, Any], name: str, default: int) -> dict[str, Any]:
    shown, following = paging.page(
        rows, params.get("NextToken"), params.get("MaxResults"), default, "ValidationException"
    )
    return {name: shown, "NextToken": following}


def _tags(call: Call, arn: str) -> dict[str, str]:
    for domain in call.region.domains.values():
        if arn.lower() == call.region.arn("sagemaker", f"domain/{domain['id']}").lower():
            return domain["tags"]
        for member in [*domain["profiles"].values(), *domain["spaces"].values()]:
            if arn.lower() == member["arn"].lower():
                return member["tags"]
    raise Fault("ValidationException", f"Resource {arn} does not exist.")


@operation("sagemaker", "ListTags")
def list_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Tags, in pages."""
    tags = [{"Key": key, "Value": value} for key, value in sorted(_tags(call, params["ResourceArn"]).items())]
    return _page(tags, params, "Tags", call.rule("sagemaker.tag_page"))


@operation("sagemaker", "AddTags")
def add_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Adds and replaces tags."""
    _tags(call, params["ResourceArn"]).update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
    return {"Tags": params["Tags"]}


@operation("sagemaker", "DeleteTags")
def delete_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes tags away."""
    tags = _tags(call, params["ResourceArn"])
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}
