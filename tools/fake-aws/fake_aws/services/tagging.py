"""Resource Groups Tagging API: what is tagged how, told a little late."""

from __future__ import annotations

from typing import Any

from .. import paging
from ..errors import Fault
from ..registry import operation
from ..world import Call


def remember(call: Call, arn: str, tags: dict[str, str]) -> None:
    """Keeps the tags from before a change, which the index shows for a while yet."""
    call.region.tag_index.setdefault(arn, []).append((call.now, dict(tags)))


def _current(call: Call) -> dict[str, tuple[str, dict[str, str], float]]:
    """Type, tags and birth of every resource by its ARN."""
    region = call.region
    found: dict[str, tuple[str, dict[str, str], float]] = {}
    for volume in region.volumes.values():
        found[region.volume_arn(volume.id)] = ("ec2:volume", volume.tags, volume.created)
    for snapshot in region.snapshots.values():
        found[region.arn("ec2", f"snapshot/{snapshot.id}")] = ("ec2:snapshot", snapshot.tags, snapshot.started)
    for system in region.file_systems.values():
        arn = region.file_system_arn(system.id)
        found[arn] = ("elasticfilesystem:file-system", system.tags, system.created)
    for vault in region.vaults.values():
        found[vault.arn] = ("backup:backup-vault", vault.tags, vault.created)
        for point in vault.points.values():
            if point.type == "EFS":
                found[point.arn] = ("backup:recovery-point", point.tags, point.created)
    return found


def _indexed(call: Call, arn: str, tags: dict[str, str]) -> dict[str, str]:
    """The tags as the index has them: those of before a change that is too fresh."""
    lag = call.rule("tagging.lag_seconds")
    fresh = [before for at, before in call.region.tag_index.get(arn, []) if call.now - at < lag]
    return fresh[0] or {} if fresh else tags


@operation("tagging", "GetResources")
def get_resources(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Tagged resources; ones that were tagged once are listed too."""
    types, arns = params.get("ResourceTypeFilters"), params.get("ResourceARNList")
    lag = call.rule("tagging.lag_seconds")
    formerly = call.rule("tagging.lists_formerly_tagged")
    rows = []
    for arn, (kind, tags, born) in sorted(_current(call).items()):
        if types and not any(kind == each or kind.split(":")[0] == each for each in types):
            continue
        if arns and arn not in arns:
            continue
        known = {} if call.now - born < lag else _indexed(call, arn, tags)
        once = bool(call.region.tag_index.get(arn)) and formerly
        if not known and not once:
            continue
        if not all(_passes(known, each) for each in params.get("TagFilters", [])):
            continue
        pairs = [{"Key": key, "Value": value} for key, value in sorted(known.items())]
        rows.append({"ResourceARN": arn, "Tags": pairs})
    size = params.get("ResourcesPerPage", 50)
    shown, following = paging.page(rows, params.get("PaginationToken"), size, 50, "InvalidParameterException")
    return {"ResourceTagMappingList": shown, "PaginationToken": following or ""}


def _passes(tags: dict[str, str], wanted: dict[str, Any]) -> bool:
    key = wanted.get("Key", "")
    return key in tags and (not wanted.get("Values") or tags[key] in wanted["Values"])


@operation("tagging", "TagResources")
def tag_resources(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Tags many resources; what cannot be tagged is told, not raised."""
    return _each(call, params, lambda tags: tags.update(params["Tags"]))


@operation("tagging", "UntagResources")
def untag_resources(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Untags many resources."""

    def strip(tags: dict[str, str]) -> None:
        for key in params["TagKeys"]:
            tags.pop(key, None)

    return _each(call, params, strip)


def _each(call: Call, params: dict[str, Any], change: Any) -> dict[str, Any]:
    if any(key.startswith("aws:") for key in [*params.get("Tags", {}), *params.get("TagKeys", [])]):
        raise Fault("InvalidParameterException", "Tag keys that begin with aws: are reserved")
    current, failed = _current(call), {}
    for arn in params["ResourceARNList"]:
        if arn not in current:
            failed[arn] = {"StatusCode": 404, "ErrorCode": "InvalidParameterException",
                           "ErrorMessage": "The resource does not exist."}  # fmt: skip
            continue
        remember(call, arn, current[arn][1])
        change(current[arn][1])
    return {"FailedResourcesMap": failed}
