"""AWS Backup: restore jobs, which have no undo and no stop."""

from __future__ import annotations

import json
from typing import Any

from fake_cloud.clock import stamp

from .. import trees
from ..entities import FileSystem, Job, RecoveryPoint, Volume
from ..errors import Fault
from ..registry import operation
from ..world import Call, Region, World
from .backup_views import storage_class

_INVALID = "InvalidParameterValueException"

_KEYS = {
    "EBS": {"availabilityzone", "encrypted", "kmskeyid", "volumetype", "volumesize", "iops", "throughput",
            "temporaryrestoredays", "restoretype", "volumeid", "aws:backup:request-id"},
    "EFS": {"newfilesystem", "file-system-id", "encrypted", "kmskeyid", "performancemode", "creationtoken",
            "itemstorestore", "singleazfilesystem", "availabilityzonename", "aws:backup:request-id"},
}  # fmt: skip


@operation("backup", "StartRestoreJob")
def start_restore_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Starts a restore; most of what is wrong with its metadata shows only later, as a failed job."""
    region, world = call.region, call.world
    point = region.point(params["RecoveryPointArn"])
    if point is None:
        raise Fault("ResourceNotFoundException", f"Cannot find recovery point {params['RecoveryPointArn']}")
    if params.get("ResourceType", point.type) != point.type:
        raise Fault(_INVALID, f"The recovery point is of type {point.type}")
    metadata = {key.lower(): value for key, value in params["Metadata"].items()}
    unknown = sorted(set(metadata) - _KEYS[point.type])
    if unknown:
        raise Fault(_INVALID, f"Metadata has keys that are not valid: {', '.join(unknown)}")
    if len(metadata) < len(params["Metadata"]):
        raise Fault(_INVALID, "Metadata names a key twice")
    if "IamRoleArn" not in params:
        raise Fault("MissingParameterValueException", "IamRoleArn is required for this resource type")
    items = json.loads(metadata["itemstorestore"]) if "itemstorestore" in metadata else []
    if len(items) > call.rule("restore.items_maximum"):
        raise Fault(_INVALID, "ItemsToRestore has too many entries")
    if point.status not in {"COMPLETED", "AVAILABLE", "EXPIRED"}:
        raise Fault("InvalidRequestException", f"Recovery point is in state {point.status} and cannot be restored")
    role = world.roles.get(params["IamRoleArn"])
    if role is not None and not role.passable:
        raise Fault("AccessDeniedException", f"not authorized to perform iam:PassRole on {role.arn}", 403)
    job = Job(
        world.ids.upper("restore-job"), "restore", point.resource_arn, point.type, params["IamRoleArn"], call.now,
        "PENDING", vault=point.vault, point_arn=point.arn, metadata=dict(params["Metadata"]),
        params={**params, "lowered": metadata, "point_created": point.created},
    )  # fmt: skip
    outcomes = world.faults.take({"RestoreJob"}, params)
    job.outcome = outcomes[0] if outcomes else None
    region.restores[job.id] = job
    point.readers += 1
    world.clock.after(call.rule("restore.start_delay_seconds"), lambda: _start(world, region, job, point))
    return {"RestoreJobId": job.id}


def _start(world: World, region: Region, job: Job, point: RecoveryPoint) -> None:
    rules, now = world.rules, world.now
    job.state, job.started, job.size = "RUNNING", now, point.size
    reason = _unusable(world, region, job, point)
    if reason is not None:
        job.ends = now + rules["restore.fail_seconds"]
        world.clock.after(rules["restore.fail_seconds"], lambda: _end(world, job, point, "FAILED", reason))
        return
    if point.type == "EBS":
        seconds = float(rules["restore.ebs_seconds"])
        volume = _make_volume(world, region, job, point)
        job.created_resource = region.volume_arn(volume.id)
        made: Volume | FileSystem = volume
    else:
        size = point.attributes.get("bytes", point.size)
        seconds = max(rules["restore.efs_seconds"], size / rules["restore.efs_bytes_per_second"])
        system = _target(world, region, job, point)
        job.created_resource = region.file_system_arn(system.id)
        made = system
    if storage_class(point, job.created) == "COLD":
        seconds += rules["restore.archive_seconds" if point.type == "EBS" else "restore.cold_seconds"]
    job.ends = now + seconds
    world.clock.after(seconds, lambda: _complete(world, region, job, point, made))
    world.journal.event(now, "restore job RUNNING", job=job.id, resource=made.id, seconds=seconds)


def _unusable(world: World, region: Region, job: Job, point: RecoveryPoint) -> str | None:
    """Why the job will fail, in a sentence; `None` when it will not."""
    rules, sent = world.rules, job.params["lowered"]
    role = world.roles.get(job.role)
    if role is None or not role.restore:
        return f"AWS Backup cannot assume {job.role}, or it may not restore."
    if sent.get("kmskeyid") and sent.get("encrypted", "").lower() != "true":
        return "Encrypted must be true when a KMS key is given."
    if not region.key_usable(point.key) or not region.key_usable(sent.get("kmskeyid")):
        return str(rules["kms.unusable_message"])
    if point.type == "EBS":
        zone = sent.get("availabilityzone")
        return None if zone in region.zones else f"Availability zone {zone!r} is not valid."
    if sent.get("newfilesystem", "").lower() != "true":
        target = sent.get("file-system-id", "")
        return None if target in region.file_systems else f"File system {target!r} does not exist."
    needed = {"creationtoken": True, "encrypted": True,
              "file-system-id": rules["restore.efs_needs_file_system_id"],
              "performancemode": rules["restore.efs_needs_performance_mode"]}  # fmt: skip
    for key, wanted in needed.items():
        if wanted and not sent.get(key):
            return f"Metadata lacks {key}."
    if any(system.creation_token == sent["creationtoken"] for system in region.file_systems.values()):
        return "A file system with this creation token already exists."
    return None


def _make_volume(world: World, region: Region, job: Job, point: RecoveryPoint) -> Volume:
    sent = job.params["lowered"]
    snapshot = region.snapshots[point.snapshot_id or ""]
    volume = Volume(
        world.ids.hex("vol"), int(sent.get("volumesize") or snapshot.size_gib), sent["availabilityzone"], world.now,
        state="creating", type=sent.get("volumetype") or "gp3", snapshot_id=snapshot.id,
        encrypted=snapshot.encrypted or sent.get("encrypted", "").lower() == "true",
        kms_key=sent.get("kmskeyid") or snapshot.kms_key, content=dict(snapshot.content),
    )  # fmt: skip
    region.volumes[volume.id] = volume
    return volume


def _target(world: World, region: Region, job: Job, point: RecoveryPoint) -> FileSystem:
    sent = job.params["lowered"]
    if sent.get("newfilesystem", "").lower() != "true":
        return region.file_systems[sent["file-system-id"]]
    zone = sent.get("availabilityzonename") if sent.get("singleazfilesystem", "").lower() == "true" else None
    system = FileSystem(
        world.ids.hex("fs"), sent["creationtoken"], world.now, state="creating", zone=zone,
        encrypted=sent.get("encrypted", "").lower() == "true", kms_key=sent.get("kmskeyid"),
        performance_mode=sent.get("performancemode") or "generalPurpose",
    )  # fmt: skip
    region.file_systems[system.id] = system

    def available() -> None:
        system.state = "available"

    world.clock.after(world.rules["efs.create_seconds"], available)
    return system


def _land(world: World, system: FileSystem, point: RecoveryPoint, items: list[str], word: str) -> None:
    trees.restore(world, system, point, directory(world, word), items or None)
    if world.rules["restore.efs_lost_and_found"]:
        trees.fragments(world, system)


def _break(world: World, region: Region, made: Volume | FileSystem, point: RecoveryPoint) -> None:
    """What a failed restore leaves: no volume, but a file system with a directory that says so."""
    if isinstance(made, Volume):
        del region.volumes[made.id]
    else:
        _land(world, made, point, [], "failed-restore")


def directory(world: World, word: str) -> str:
    """The directory of a restore, in one of the two forms that have been seen."""
    moment = stamp(world.now).strftime("%Y-%m-%dT%H-%M-%S")
    fraction = "417720408" if world.rules["restore.efs_directory"] == "ns" else "832"
    return f"aws-backup-{word}_{moment}-{fraction}Z"


def _complete(world: World, region: Region, job: Job, point: RecoveryPoint, made: Volume | FileSystem) -> None:
    things: dict[str, Any] = region.volumes if isinstance(made, Volume) else region.file_systems
    if made.id not in things:
        _end(world, job, point, "FAILED", f"{made.id} was deleted while it was restored.")
        return
    outcome = job.outcome or {}
    if outcome.get("state", "COMPLETED") == "FAILED":
        _break(world, region, made, point)
        _end(world, job, point, "FAILED", outcome.get("message", "An internal error occurred."))
        return
    if isinstance(made, Volume):
        made.state = "available"
    else:
        items = json.loads(job.params["lowered"].get("itemstorestore", "[]"))
        _land(world, made, point, items, "restore")
        size = point.attributes.get("bytes", point.size)
        made.bytes, made.files = made.bytes + size, made.files + point.files
        made.written_bytes, made.written_files = made.written_bytes + size, made.written_files + point.files
    if job.params.get("CopySourceTagsToRestoredResource"):
        own = {key: value for key, value in point.tags.items() if not key.startswith("aws:")}
        made.tags = {**own, **made.tags}
    point.last_restore = world.now
    _end(world, job, point, outcome.get("state", "COMPLETED"), outcome.get("message"))


def _end(world: World, job: Job, point: RecoveryPoint, state: str, message: str | None) -> None:
    point.readers -= 1
    job.finish(world.now, state, message)
    world.journal.event(world.now, f"restore job {state}", job=job.id, resource=job.created_resource)
