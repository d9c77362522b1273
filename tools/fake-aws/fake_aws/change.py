"""Changes that happen to an account from outside: users write, administrators change their minds."""

from __future__ import annotations

import base64
from typing import Any

from fake_cloud.scenario import put

from .content import BLOCK, Block
from .entities import LegalHold, RecoveryPoint
from .services import backup_jobs
from .world import Region, World


def _where(world: World, body: dict[str, Any]) -> Region:
    """The region that a change is for; it need not be named when there is only one."""
    if "region" not in body and "account" not in body and len(world.regions) == 1:
        return next(iter(world.regions.values()))
    found = [
        region
        for (account, name), region in world.regions.items()
        if body.get("account", account) == account and body.get("region", name) == name
    ]
    if len(found) != 1:
        raise ValueError("say which account and region")
    return found[0]


def write(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Writes to a volume (`blocks`, with `data` or new generated content) or a file system (`bytes`, `files`)."""
    region = _where(world, body)
    if "volume" in body:
        volume = region.volumes[body["volume"]]
        data = base64.b64decode(body["data"]) if "data" in body else None
        if data is not None and len(data) != BLOCK:
            raise ValueError(f"a block has {BLOCK} bytes, not {len(data)}")
        for number in body["blocks"]:
            seed = None if data is not None else world.ids.uuid("content")
            volume.content[number] = Block(seed, data)
        volume.changed_bytes += len(body["blocks"]) * BLOCK
        return {"blocks": len(volume.content)}
    system = region.file_systems[body["file_system"]]
    grown, files = body.get("bytes", 0), body.get("files", 1)
    system.written_bytes += grown
    system.written_files += files
    system.bytes += 0 if body.get("in_place") else grown
    return {"bytes": system.bytes}


def digests(world: World, body: dict[str, Any]) -> dict[str, str]:
    """What a volume or a snapshot holds: the SHA-256 of each of its blocks."""
    region = _where(world, body)
    named = region.volumes.get(body["volume"]) if "volume" in body else region.snapshots.get(body["snapshot"])
    content = named.content if named is not None else {}
    return {str(number): block.digest.hex() for number, block in sorted(content.items())}


def foreign_job(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Starts a backup job of somebody else: of a backup plan unless `created_by` is null."""
    region = _where(world, body)
    given = {"BackupPlanId": "plan-1", "BackupPlanName": "foreign", "BackupRuleId": "rule-1"}
    plan = body.get("created_by", given)
    params = {
        "BackupVaultName": body.get("vault", "Default"),
        "ResourceArn": body["resource"],
        "IamRoleArn": body.get("role", f"arn:aws:iam::{region.account}:role/AWSBackupDefaultServiceRole"),
        **body.get("params", {}),
    }
    if plan and not (set(plan) <= {"BackupPlanId", "BackupPlanName", "BackupRuleId", "BackupPlanArn"}):
        raise ValueError("created_by has the members of RecoveryPointCreator")
    job = backup_jobs.begin(world, region, params, created_by=plan)
    return {"BackupJobId": job.id}


def settle(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Sets fields: `{"role": ARN, "set": {...}}`, likewise key, vault, snapshot; `"remove": true` takes a role away.

    `{"hold": {...}}` places a legal hold, `{"hold": ID, "set": {"status": "CANCELED"}}` lifts it;
    `{"opt_in": {...}}` opts resource types in or out; `{"point": {...}}` places a recovery point of another service,
    `{"point": ARN, "set": {...}}` changes one; `{"snapshot": ID, "remove": true}` takes a snapshot from its point.
    """
    if "role" in body:
        if body.get("remove"):
            del world.roles[body["role"]]
            return {}
        return put(world.roles[body["role"]], body["set"])
    if "key" in body:
        given = dict(body["set"])
        if "expires_in" in given:
            given["expires"] = world.now + given.pop("expires_in")
        return put(world.keys[body["key"]], given)
    region = _where(world, body)
    if "opt_in" in body:
        region.opt_in.update(body["opt_in"])
        return dict(region.opt_in)
    if isinstance(body.get("hold"), dict):
        hold = LegalHold(world.ids.uuid("hold"), body["hold"].get("title", "hold"), world.now,
                         body["hold"].get("vaults", []), body["hold"].get("resources", []))  # fmt: skip
        region.holds[hold.id] = hold
        return {"id": hold.id}
    if "point" in body or body.get("remove"):
        return _points(world, region, body)
    things: dict[str, dict[str, Any]] = {
        "hold": region.holds, "vault": region.vaults, "snapshot": region.snapshots, "volume": region.volumes,
        "file_system": region.file_systems,
    }  # fmt: skip
    for kind, known in things.items():
        if kind in body:
            return put(known[body[kind]], body["set"])
    raise ValueError("say what to set")


def _points(world: World, region: Region, body: dict[str, Any]) -> dict[str, Any]:
    if isinstance(body.get("point"), dict):
        made = RecoveryPoint(**{"created": world.now, "status": "COMPLETED", **body["point"]})
        region.vaults[made.vault].points[made.arn] = made
        return {"arn": made.arn}
    if "point" in body:
        point = region.point(body["point"])
        if point is None:
            raise ValueError(f"no recovery point {body['point']}")
        return put(point, body["set"])
    del region.snapshots[body["snapshot"]]
    return {}
