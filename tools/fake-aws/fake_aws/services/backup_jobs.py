"""AWS Backup: backup jobs, from the call to the recovery point."""

from __future__ import annotations

from typing import Any

from .. import trees
from ..entities import FileSystem, Job, RecoveryPoint, Snapshot, Vault, Volume
from ..errors import Fault
from ..registry import operation
from ..world import Call, Region, World
from . import backup_views

_INVALID = "InvalidParameterValueException"
BLOCK_GIB = 1 << 30


@operation("backup", "StartBackupJob")
def start_backup_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Starts a job, or refuses what AWS refuses at once."""
    region = call.region
    region.vault(params["BackupVaultName"])
    resource = region.resource(params["ResourceArn"])
    if resource is None:
        raise Fault(_INVALID, f"{params['ResourceArn']} is no resource of this account and region")
    kind = _type(resource)
    if not region.opt_in.get(kind, False):
        raise Fault(call.rule("backup.opt_out_error"), f"The service {kind} is not opted in to AWS Backup.")
    minimum = call.rule("backup.start_window_minimum_minutes")
    if params.get("StartWindowMinutes", minimum) < minimum:
        raise Fault(_INVALID, f"StartWindowMinutes must be at least {minimum}")
    check_lifecycle(params.get("Lifecycle"))
    tags = {**resource.tags, **params.get("RecoveryPointTags", {})}
    if len(tags) > call.rule("backup.tags_maximum"):
        raise Fault(_INVALID, f"{len(tags)} tags are too many for a recovery point")
    role = call.world.roles.get(params["IamRoleArn"])
    if role is None and call.rule("backup.role_missing") == "refuse":
        raise Fault(_INVALID, f"AWS Backup cannot assume {params['IamRoleArn']}")
    if role is not None and not role.passable:
        raise Fault("AccessDeniedException", f"not authorized to perform iam:PassRole on {role.arn}", 403)
    if call.rule("backup.second_job") == "reject" and rivals(region, params["ResourceArn"]):
        raise Fault("LimitExceededException", "There is a running job for this resource.")
    job = begin(call.world, region, params)
    arn = job.point_arn if kind == "EFS" else None
    return {"BackupJobId": job.id, "CreationDate": job.created, "RecoveryPointArn": arn, "IsParent": False}


def check_lifecycle(lifecycle: dict[str, Any] | None) -> None:
    """Refuses a lifecycle that AWS would refuse.

    Raises Fault.
    """
    if not lifecycle:
        return
    if "DeleteAfterEvent" in lifecycle:
        raise Fault(_INVALID, "DeleteAfterEvent is not valid as an input")
    delete, move = lifecycle.get("DeleteAfterDays", -1), lifecycle.get("MoveToColdStorageAfterDays", -1)
    if delete == 0 or delete < -1:
        raise Fault(_INVALID, "DeleteAfterDays must be positive, or -1")
    if delete != -1 and move != -1 and delete < move + 90:
        raise Fault(_INVALID, "DeleteAfterDays cannot be less than 90 days apart from MoveToColdStorageAfterDays")


def _type(resource: Volume | FileSystem) -> str:
    return "EBS" if isinstance(resource, Volume) else "EFS"


def rivals(region: Region, resource: str, but: Job | None = None) -> list[Job]:
    """Jobs that hold the resource's one place: backups and copies that have started."""
    started = [*region.backups.values(), *region.copies.values()]
    return [job for job in started if job is not but and job.resource_arn == resource
            and job.state in {"RUNNING", "ABORTING"}]  # fmt: skip


def begin(world: World, region: Region, params: dict[str, Any], created_by: dict[str, str] | None = None) -> Job:
    """A new job in state CREATED, with all that will happen to it planned."""
    rules, now = world.rules, world.now
    resource = region.resource(params["ResourceArn"])
    if resource is None:
        raise ValueError(f"no resource {params['ResourceArn']}")
    job = Job(
        world.ids.uuid("backup-job"), "backup", params["ResourceArn"], _type(resource), params["IamRoleArn"], now,
        "CREATED", created_by=created_by, params=params, vault=params["BackupVaultName"],
        lifecycle=params.get("Lifecycle", {}),
    )  # fmt: skip
    outcomes = world.faults.take({"BackupJob"}, params)
    job.outcome = outcomes[0] if outcomes else None
    if job.type == "EFS":
        job.point_arn = region.arn("backup", f"recovery-point:{world.ids.uuid('recovery-point')}")
    job.start_by = now + 60 * params.get("StartWindowMinutes", rules["backup.start_window_minutes"])
    job.complete_by = now + 60 * params.get("CompleteWindowMinutes", rules["backup.complete_window_minutes"])
    region.backups[job.id] = job
    clock = world.clock
    job.timers = [
        clock.after(rules["backup.start_delay_seconds"], lambda: try_start(world, region, job)),
        clock.after(job.start_by - now, lambda: _expire(world, job)),
        clock.after(job.complete_by - now, lambda: _overrun(world, region, job)),
    ]
    return job


def _expire(world: World, job: Job) -> None:
    if job.state == "CREATED":
        _end(world, job, "EXPIRED", world.rules["backup.busy_message"], "FAILURE")


def _end(world: World, job: Job, state: str, message: str | None, category: str | None) -> None:
    job.finish(world.now, state, message, category)
    world.journal.event(world.now, f"backup job {state}", job=job.id, resource=job.resource_arn)


def _overrun(world: World, region: Region, job: Job) -> None:
    if job.state not in {"CREATED", "RUNNING"}:
        return
    state = world.rules["backup.complete_window_state"]
    _give_up(world, region, job, state, "Backup job was aborted as it did not complete within its window.")


def wake(world: World, region: Region, resource: str) -> None:
    """Lets the oldest waiting job of a resource start, after another has ended."""
    for job in region.backups.values():
        if job.resource_arn == resource and job.state == "CREATED" and job.started is None:
            due = job.created + world.rules["backup.start_delay_seconds"]
            world.clock.after(max(0.0, due - world.now), lambda job=job: try_start(world, region, job))  # type: ignore[misc]
            return


def try_start(world: World, region: Region, job: Job) -> None:
    """Starts a job unless another holds the resource; then it is tried again later."""
    if job.state != "CREATED":
        return
    if rivals(region, job.resource_arn, job):
        retry = world.rules["backup.retry_start_seconds"]
        job.timers.append(world.clock.after(retry, lambda: try_start(world, region, job)))
        return
    resource = region.resource(job.resource_arn)
    vault = region.vaults.get(job.vault)
    role = world.roles.get(job.role)
    if resource is None or vault is None:
        _fail(world, region, job, "The resource or the vault does not exist any more.", "InvalidParameters")
    elif role is None or not role.backup:
        _fail(world, region, job, f"AWS Backup cannot assume {job.role}, or it may not back up.", "AccessDenied")
    elif not region.key_usable(resource.kms_key if isinstance(resource, Volume) else vault.key):
        _fail(world, region, job, world.rules["kms.unusable_message"], "AccessDenied")
    elif vault.locked and not _retained(vault, job):
        message = "The retention of the backup is outside of the limits of the vault's lock."
        _fail(world, region, job, message, "InvalidParameters")
    else:
        _start(world, region, job, resource, vault)


def _retained(vault: Vault, job: Job) -> bool:
    """Whether the job's retention lies within the lock's limits; without an end it is longer than any."""
    days = job.lifecycle.get("DeleteAfterDays", -1)
    length = float("inf") if days == -1 else days
    low = vault.min_retention if vault.min_retention is not None else 0
    high = vault.max_retention if vault.max_retention is not None else float("inf")
    return low <= length <= high


def _fail(world: World, region: Region, job: Job, message: str, category: str) -> None:
    _end(world, job, "FAILED", message, category)
    wake(world, region, job.resource_arn)


def _start(world: World, region: Region, job: Job, resource: Volume | FileSystem, vault: Vault) -> None:
    rules, now = world.rules, world.now
    job.state, job.started = "RUNNING", now
    last, last_files = region.marks.get((job.vault, job.resource_arn), (0, 0))
    if isinstance(resource, Volume):
        changed = resource.changed_bytes - last
        seconds = max(rules["backup.ebs_seconds"], changed / rules["backup.ebs_bytes_per_second"])
        job.size = resource.size_gib * BLOCK_GIB
        point = _volume_point(world, region, job, resource, vault)
    else:
        carried = region.carried.get(job.resource_arn, 0)
        whole = max(0, resource.written_bytes - last)
        changed = max(0, whole - carried)
        share = changed / whole if whole else 0.0
        by_files = (resource.written_files - last_files) * share / rules["backup.efs_files_per_second"]
        seconds = max(rules["backup.efs_seconds"], changed / rules["backup.efs_bytes_per_second"], by_files)
        point = _file_point(world, region, job, resource, vault)
        job.size = changed
    job.total, job.ends = changed, now + seconds
    job.params = {**job.params, "marks": _written(resource)}
    vault.points[point.arn] = point
    job.timers.append(world.clock.after(seconds, lambda: _complete(world, region, job)))
    world.journal.event(now, "backup job RUNNING", job=job.id, resource=job.resource_arn, seconds=seconds)


def _written(resource: Volume | FileSystem) -> tuple[int, int]:
    if isinstance(resource, Volume):
        return resource.changed_bytes, 0
    return resource.written_bytes, resource.written_files


def _point(job: Job, arn: str, vault: Vault, now: float, tags: dict[str, str]) -> RecoveryPoint:
    own = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return RecoveryPoint(
        arn, vault.name, job.resource_arn, job.type, job.role, now, lifecycle=job.lifecycle,
        tags={**own, **job.params.get("RecoveryPointTags", {})}, created_by=job.created_by, key=vault.key,
    )  # fmt: skip


def _volume_point(world: World, region: Region, job: Job, volume: Volume, vault: Vault) -> RecoveryPoint:
    snapshot = Snapshot(
        world.ids.hex("snap"), volume.id, volume.size_gib, world.now, encrypted=volume.encrypted,
        kms_key=volume.kms_key, content=dict(volume.content), lineage=volume.id,
        description=f"This snapshot is created by the AWS Backup service. {job.id}",
    )  # fmt: skip
    region.snapshots[snapshot.id] = snapshot
    job.point_arn = region.snapshot_arn(snapshot.id)
    point = _point(job, job.point_arn, vault, world.now, volume.tags)
    point.snapshot_id, point.key = snapshot.id, volume.kms_key
    snapshot.tags = {"aws:backup:source-resource": f"{volume.id}:{job.id}"}
    if world.rules["backup.ebs_tags_from"] == "RUNNING":
        snapshot.tags.update(point.tags)
    return point


def _file_point(world: World, region: Region, job: Job, system: FileSystem, vault: Vault) -> RecoveryPoint:
    point = _point(job, job.point_arn or "", vault, world.now, system.tags)
    point.files, point.entries = system.files, list(system.entries)
    point.attributes = {"encrypted": system.encrypted, "performance_mode": system.performance_mode,
                        "bytes": system.bytes, "file_system": system.id}  # fmt: skip
    trees.capture(world, system, point, 0)
    return point


def _complete(world: World, region: Region, job: Job) -> None:
    if job.state == "ABORTING" and not world.rules["backup.late_completion_wins"]:
        return
    outcome = job.outcome or {}
    state = outcome.get("state", "COMPLETED")
    point = region.vaults[job.vault].points[job.point_arn or ""]
    if state not in {"COMPLETED", "PARTIAL"}:
        _give_up(world, region, job, state, outcome.get("message", "An internal error occurred."),
                 outcome.get("category", "InternalError"))  # fmt: skip
        return
    resource = region.resource(job.resource_arn)
    if point.snapshot_id is not None:
        snapshot = region.snapshots[point.snapshot_id]
        snapshot.state, snapshot.completes = "completed", world.now
        snapshot.tags.update(point.tags)
    elif isinstance(resource, FileSystem):
        trees.capture(world, resource, point, 1)
    point.status, point.completed, point.size = state, world.now, job.size
    job.transferred = job.total
    region.marks[job.vault, job.resource_arn] = job.params["marks"]
    region.carried.pop(job.resource_arn, None)
    _end(world, job, state, outcome.get("message"), outcome.get("category", "SUCCESS"))
    backup_views.plan_expiry(world, region, point)
    wake(world, region, job.resource_arn)


def _give_up(world: World, region: Region, job: Job, state: str, message: str, category: str = "FAILURE") -> None:
    """Ends a job without success; what an EFS job has copied shortens the next."""
    if job.started is not None and job.point_arn is not None:
        job.transferred = int(job.total * job.fraction(world.now))
        vault = region.vaults[job.vault]
        point = vault.points.get(job.point_arn)
        if job.type == "EFS":
            region.carried[job.resource_arn] = region.carried.get(job.resource_arn, 0) + job.transferred
        if point is not None and world.rules["backup.aborted_leaves"] == "PARTIAL" and job.type == "EFS":
            point.status, point.size = "PARTIAL", job.transferred
        elif point is not None:
            backup_views.remove(world, region, point, "incomplete")
    _end(world, job, state, message, category)
    wake(world, region, job.resource_arn)


@operation("backup", "StopBackupJob")
def stop_backup_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Asks a job to stop; it goes on for a while, and may even complete."""
    job = find(call, params["BackupJobId"])
    if job.state not in {"CREATED", "PENDING", "RUNNING"}:
        raise Fault("InvalidRequestException", f"Backup job {job.id} is in state {job.state} and cannot be stopped")
    world, region = call.world, call.region
    job.state = "ABORTING"

    def stopped() -> None:
        if job.state == "ABORTING":
            _give_up(world, region, job, "ABORTED", world.rules["backup.stopped_message"], "ABORTED")

    job.timers.append(world.clock.after(world.rules["backup.stop_seconds"], stopped))
    return {}


def find(call: Call, job_id: str) -> Job:
    """The caller's backup job of this id.

    Raises Fault when there is none.
    """
    if job_id not in call.region.backups:
        raise Fault("ResourceNotFoundException", f"Backup job {job_id} not found")
    return call.region.backups[job_id]
