"""EC2: zones, subnets, security groups, and tags of everything."""

from __future__ import annotations

from typing import Any

from ..errors import Fault
from ..registry import operation
from ..world import Call
from . import tagging
from .ec2_common import Fields, check_tags, chosen, paged


@operation("ec2", "DescribeAvailabilityZones")
def describe_availability_zones(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The region's zones."""
    zones = [
        {
            "OptInStatus": "opt-in-not-required", "RegionName": call.region.name, "ZoneName": zone,
            "ZoneId": f"{zone[:-1].replace('-', '')}-az{index}", "State": "available",
            "ZoneType": "availability-zone", "tags": {},
        }
        for index, zone in enumerate(call.region.zones, 1)
    ]  # fmt: skip
    missing = set(params.get("ZoneNames", [])) - set(call.region.zones)
    if missing:
        raise Fault("InvalidParameterValue", f"Invalid availability zone: {', '.join(sorted(missing))}")
    if params.get("ZoneNames"):
        zones = [zone for zone in zones if zone["ZoneName"] in params["ZoneNames"]]
    fields: Fields = {"zone-name": lambda zone: zone["ZoneName"], "zone-id": lambda zone: zone["ZoneId"],
                      "region-name": lambda zone: zone["RegionName"], "state": lambda zone: zone["State"]}  # fmt: skip
    zones = chosen(zones, params.get("Filters"), fields)
    return {"AvailabilityZones": [{name: zone[name] for name in zone if name != "tags"} for zone in zones]}


@operation("ec2", "DescribeSecurityGroups")
def describe_security_groups(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Security groups by id or filter."""
    groups = [{"id": each, "tags": {}} for each in call.region.groups]
    missing = set(params.get("GroupIds", [])) - set(call.region.groups)
    if missing:
        raise Fault("InvalidGroup.NotFound", f"The security group '{sorted(missing)[0]}' does not exist")
    if params.get("GroupIds"):
        groups = [each for each in groups if each["id"] in params["GroupIds"]]
    fields: Fields = {"group-id": lambda each: each["id"]}
    shown, following = paged(chosen(groups, params.get("Filters"), fields), params)
    views = [
        {"GroupId": each["id"], "GroupName": each["id"], "Description": "", "OwnerId": call.account} for each in shown
    ]
    return {"SecurityGroups": views, "NextToken": following}


@operation("ec2", "DescribeSubnets")
def describe_subnets(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Subnets by id or filter."""
    subnets = [{"tags": {}, "cidr": "10.0.0.0/24", "free": 250, **each} for each in call.region.subnets.values()]
    wanted = params.get("SubnetIds", [])
    missing = set(wanted) - set(call.region.subnets)
    if missing:
        raise Fault("InvalidSubnetID.NotFound", f"The subnet ID '{sorted(missing)[0]}' does not exist")
    if wanted:
        subnets = [each for each in subnets if each["id"] in wanted]
    fields: Fields = {"subnet-id": lambda each: each["id"], "vpc-id": lambda each: each["vpc"],
                      "availability-zone": lambda each: each["zone"]}  # fmt: skip
    shown, following = paged(chosen(subnets, params.get("Filters"), fields), params)
    views = [
        {
            "SubnetId": each["id"], "VpcId": each["vpc"], "AvailabilityZone": each["zone"], "State": "available",
            "CidrBlock": each["cidr"], "AvailableIpAddressCount": each["free"], "OwnerId": call.account,
            "SubnetArn": call.region.arn("ec2", f"subnet/{each['id']}"),
            "Tags": [{"Key": key, "Value": value} for key, value in each["tags"].items()] or None,
        }
        for each in shown
    ]  # fmt: skip
    return {"Subnets": views, "NextToken": following}


def _tagged(call: Call, name: str) -> tuple[str, dict[str, str]]:
    if name in call.region.volumes:
        return call.region.volume_arn(name), call.region.volumes[name].tags
    if name in call.region.snapshots:
        return call.region.arn("ec2", f"snapshot/{name}"), call.region.snapshots[name].tags
    if name.startswith("vol-"):
        raise Fault("InvalidVolume.NotFound", f"The volume '{name}' does not exist.")
    if name.startswith("snap-"):
        raise Fault("InvalidSnapshot.NotFound", f"The snapshot '{name}' does not exist.")
    raise Fault("InvalidID", f"The ID '{name}' is not valid")


@operation("ec2", "CreateTags")
def create_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Adds and replaces tags of all resources, or of none."""
    tags = {tag["Key"]: tag.get("Value", "") for tag in params["Tags"]}
    check_tags(tags)
    found = [_tagged(call, name) for name in params["Resources"]]
    for _, own in found:
        check_tags({key: value for key, value in {**own, **tags}.items() if not key.startswith("aws:")})
    for arn, own in found:
        tagging.remember(call, arn, own)
        own.update(tags)
    return {}


@operation("ec2", "DeleteTags")
def delete_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Takes tags away; with a value only when it is that one."""
    for arn, own in [_tagged(call, name) for name in params["Resources"]]:
        tagging.remember(call, arn, own)
        for tag in params.get("Tags", [{"Key": key} for key in own if not key.startswith("aws:")]):
            if "Value" not in tag or own.get(tag["Key"]) == tag["Value"]:
                own.pop(tag["Key"], None)
    return {}


@operation("ec2", "DescribeTags")
def describe_tags(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Tags one by one."""
    owners = [("volume", call.region.volumes), ("snapshot", call.region.snapshots)]
    rows = [
        {"ResourceType": kind, "ResourceId": name, "Key": key, "Value": value, "tags": {}}
        for kind, things in owners
        for name, thing in things.items()  # type: ignore[attr-defined]
        for key, value in sorted(thing.tags.items())
    ]
    fields: Fields = {"resource-id": lambda row: row["ResourceId"], "resource-type": lambda row: row["ResourceType"],
                      "key": lambda row: row["Key"], "value": lambda row: row["Value"]}  # fmt: skip
    shown, following = paged(chosen(rows, params.get("Filters"), fields), params)
    return {"Tags": [{name: row[name] for name in row if name != "tags"} for row in shown], "NextToken": following}
