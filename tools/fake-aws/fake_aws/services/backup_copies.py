"""AWS Backup: copies to another vault, region or account."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..entities import Job, RecoveryPoint, Snapshot, Vault
from ..errors import Fault
from ..registry import operation
from ..world import Call, Region, World
from . import backup_jobs, backup_views


@operation("backup", "StartCopyJob")
def start_copy_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Starts a copy; whether the destination can be written to shows only later."""
    region, world = call.region, call.world
    vault = region.vault(params["SourceBackupVaultName"])
    point = vault.points.get(params["RecoveryPointArn"])
    if point is None:
        raise Fault("ResourceNotFoundException", f"Cannot find recovery point {params['RecoveryPointArn']}")
    if point.status not in {"COMPLETED", "AVAILABLE"}:
        raise Fault("InvalidRequestException", f"Recovery point is in state {point.status} and cannot be copied")
    backup_jobs.check_lifecycle(params.get("Lifecycle"))
    if params["DestinationBackupVaultArn"] == vault.arn:
        raise Fault("InvalidRequestException", "The destination vault is the source vault")
    if sum(job.open for job in region.copies.values()) >= call.rule("copy.outbound_maximum"):
        raise Fault("LimitExceededException", "Too many concurrent copies")
    job = Job(
        world.ids.upper("copy-job"), "copy", point.resource_arn, point.type, params["IamRoleArn"], call.now,
        "CREATED", vault=vault.name, point_arn=point.arn, params=params, size=point.size,
        destination_vault_arn=params["DestinationBackupVaultArn"], lifecycle=params.get("Lifecycle", {}),
    )  # fmt: skip
    outcomes = world.faults.take({"CopyJob"}, params)
    job.outcome = outcomes[0] if outcomes else None
    region.copies[job.id] = job
    point.readers += 1
    world.clock.after(call.rule("copy.start_delay_seconds"), lambda: _start(world, region, job, point))
    return {"CopyJobId": job.id, "CreationDate": job.created, "IsParent": False}


def _destination(world: World, arn: str) -> tuple[Region, Vault] | None:
    for region in world.regions.values():
        for vault in region.vaults.values():
            if vault.arn == arn:
                return region, vault
    return None


def _start(world: World, region: Region, job: Job, point: RecoveryPoint) -> None:
    if backup_jobs.rivals(region, job.resource_arn, job):
        retry = world.rules["backup.retry_start_seconds"]
        world.clock.after(retry, lambda: _start(world, region, job, point))
        return
    refused = _refused(world, job)
    if refused is not None and world.now < job.created + world.rules["copy.retry_for_seconds"]:
        retry = world.rules["backup.retry_start_seconds"]
        world.clock.after(retry, lambda: _start(world, region, job, point))
        return
    job.state, job.started = "RUNNING", world.now
    if refused is not None:
        _end(world, region, job, point, "FAILED", *refused)
        return
    seconds = max(world.rules["copy.seconds"], point.size / world.rules["copy.bytes_per_second"])
    job.ends = world.now + seconds
    world.clock.after(seconds, lambda: _complete(world, region, job, point))


def _refused(world: World, job: Job) -> tuple[str, str] | None:
    """Why a copy cannot start, as a sentence and a category; `None` when it can."""
    role = world.roles.get(job.role)
    if role is None or not role.backup:
        return f"AWS Backup cannot assume {job.role}.", "AccessDenied"
    if _destination(world, job.destination_vault_arn or "") is None:
        return "The destination vault does not exist.", "InvalidParameters"
    return None


def _complete(world: World, region: Region, job: Job, point: RecoveryPoint) -> None:
    outcome = job.outcome or {}
    state, message, category = outcome.get("state", "COMPLETED"), outcome.get("message"), outcome.get("category")
    found = _destination(world, job.destination_vault_arn or "")
    if state == "COMPLETED" and found is not None:
        job.destination_point_arn = _copy(world, region, found[0], found[1], point, job).arn
    _end(world, region, job, point, state, message, category or ("SUCCESS" if state == "COMPLETED" else "FAILURE"))


def _copy(world: World, source: Region, target: Region, vault: Vault, point: RecoveryPoint, job: Job) -> RecoveryPoint:
    made = dataclasses.replace(
        point, vault=vault.name, created=world.now, completed=world.now, status="COMPLETED", role=job.role,
        tags=dict(point.tags), lifecycle=job.lifecycle, key=vault.key, readers=0, created_by=None,
        source_vault_arn=source.vaults[point.vault].arn,
    )  # fmt: skip
    if point.snapshot_id is not None:
        origin = source.snapshots[point.snapshot_id]
        snapshot: Snapshot = dataclasses.replace(
            origin, id=world.ids.hex("snap"), volume_id=world.rules["ec2.copied_volume_id"], started=world.now,
            completes=world.now, state="completed", content=dict(origin.content), tags=dict(point.tags),
        )  # fmt: skip
        target.snapshots[snapshot.id] = snapshot
        made.snapshot_id, made.arn = snapshot.id, target.snapshot_arn(snapshot.id)
    else:
        made.arn = target.arn("backup", f"recovery-point:{world.ids.uuid('recovery-point')}")
    vault.points[made.arn] = made
    backup_views.plan_expiry(world, target, made)
    return made


def _end(
    world: World, region: Region, job: Job, point: RecoveryPoint, state: str, message: str | None, category: str
) -> None:
    point.readers -= 1
    job.finish(world.now, state, message, category)
    world.journal.event(world.now, f"copy job {state}", job=job.id, point=job.destination_point_arn)
    backup_jobs.wake(world, region, job.resource_arn)
