"""AWS Backup: jobs looked up and listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import paging
from ..entities import Job
from ..errors import Fault
from ..registry import operation
from ..world import Call
from . import backup_views
from .backup_jobs import find

_PAGE = 1000


@operation("backup", "DescribeBackupJob")
def describe_backup_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One backup job."""
    return backup_views.backup_job(call, find(call, params["BackupJobId"]))


@operation("backup", "ListBackupJobs")
def list_backup_jobs(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Backup jobs of the last 30 days that have been there for a while, newest first."""
    jobs = _filtered(call, call.region.backups.values(), params, {
        "ByResourceArn": lambda job: job.resource_arn,
        "ByState": lambda job: job.state,
        "ByBackupVaultName": lambda job: job.vault,
        "ByResourceType": lambda job: job.type,
        "ByMessageCategory": lambda job: job.category,
        "ByParentJobId": lambda job: None,
    })  # fmt: skip
    return _page(call, jobs, params, "BackupJobs", backup_views.backup_job)


@operation("backup", "DescribeRestoreJob")
def describe_restore_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One restore job."""
    return backup_views.restore_job(call, _restore(call, params["RestoreJobId"]))


@operation("backup", "GetRestoreJobMetadata")
def get_restore_job_metadata(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """The metadata that a restore job was started with."""
    job = _restore(call, params["RestoreJobId"])
    metadata = dict(job.metadata)
    if not call.rule("restore.request_id_round_trip"):
        metadata = {key: value for key, value in metadata.items() if key.lower() != "aws:backup:request-id"}
    return {"RestoreJobId": job.id, "Metadata": metadata}


def _restore(call: Call, job_id: str) -> Job:
    if job_id not in call.region.restores:
        raise Fault("ResourceNotFoundException", f"Restore job {job_id} not found")
    return call.region.restores[job_id]


@operation("backup", "ListRestoreJobs")
def list_restore_jobs(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Restore jobs; the resource is no filter here."""
    jobs = _filtered(call, call.region.restores.values(), params, {
        "ByResourceType": lambda job: job.type,
        "ByStatus": lambda job: job.state,
        "ByParentJobId": lambda job: None,
        "ByRestoreTestingPlanArn": lambda job: None,
    })  # fmt: skip
    return _page(call, jobs, params, "RestoreJobs", backup_views.restore_job)


@operation("backup", "ListRestoreJobsByProtectedResource")
def list_restore_jobs_by_protected_resource(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Restore jobs of backups of one resource."""
    jobs = _filtered(call, call.region.restores.values(), params, {
        "ResourceArn": lambda job: job.resource_arn,
        "ByStatus": lambda job: job.state,
    })  # fmt: skip
    if not jobs and call.region.resource(params["ResourceArn"]) is None:
        raise Fault("ResourceNotFoundException", f"{params['ResourceArn']} is not protected")
    after = params.get("ByRecoveryPointCreationDateAfter", float("-inf"))
    before = params.get("ByRecoveryPointCreationDateBefore", float("inf"))
    kept = [job for job in jobs if after <= job.params.get("point_created", job.created) <= before]
    return _page(call, kept, params, "RestoreJobs", backup_views.restore_job)


@operation("backup", "DescribeCopyJob")
def describe_copy_job(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """One copy job."""
    if params["CopyJobId"] not in call.region.copies:
        raise Fault("ResourceNotFoundException", f"Copy job {params['CopyJobId']} not found")
    return {"CopyJob": backup_views.copy_job(call, call.region.copies[params["CopyJobId"]])}


@operation("backup", "ListCopyJobs")
def list_copy_jobs(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    """Copy jobs of the region that they leave from."""
    jobs = _filtered(call, call.region.copies.values(), params, {
        "ByResourceArn": lambda job: job.resource_arn,
        "ByState": lambda job: job.state,
        "ByResourceType": lambda job: job.type,
        "ByDestinationVaultArn": lambda job: job.destination_vault_arn,
        "ByMessageCategory": lambda job: job.category,
        "BySourceRecoveryPointArn": lambda job: job.point_arn,
        "ByParentJobId": lambda job: None,
    })  # fmt: skip
    return _page(call, jobs, params, "CopyJobs", backup_views.copy_job)


def _filtered(
    call: Call, jobs: Iterable[Job], params: dict[str, Any], filters: dict[str, Callable[[Job], str | None]]
) -> list[Job]:
    lag, horizon = call.rule("list.lag_seconds"), call.rule("list.horizon_days") * 86400
    found = [job for job in jobs if lag <= call.now - job.created <= horizon]
    if params.get("ByAccountId", call.account) not in {call.account, "*"}:
        return []
    for name, value in filters.items():
        if name in params:
            found = [job for job in found if value(job) == params[name]]
    bounds: list[tuple[str, Callable[[Job], bool]]] = [
        ("ByCreatedAfter", lambda job: job.created >= params["ByCreatedAfter"]),
        ("ByCreatedBefore", lambda job: job.created <= params["ByCreatedBefore"]),
        ("ByCompleteAfter", lambda job: job.completed is not None and job.completed >= params["ByCompleteAfter"]),
        ("ByCompleteBefore", lambda job: job.completed is not None and job.completed <= params["ByCompleteBefore"]),
    ]
    for name, inside in bounds:
        if name in params:
            found = [job for job in found if inside(job)]
    return sorted(found, key=lambda job: -job.created)


def _page(
    call: Call, jobs: list[Job], params: dict[str, Any], name: str, view: Callable[[Call, Job], dict[str, Any]]
) -> dict[str, Any]:
    shown, following = paging.page(jobs, params.get("NextToken"), params.get("MaxResults"), _PAGE)
    return {name: [view(call, job) for job in shown], "NextToken": following}
