"""Recovery Services: vaults, protected SMB shares, their recovery points and jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from .. import arm, paging, trees
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Job, Reply, Work, World
from . import shares, vault_jobs

VAULT = "Microsoft.RecoveryServices/vaults"
ITEM = f"{VAULT}/backupFabrics/protectionContainers/protectedItems"
POINT = f"{ITEM}/recoveryPoints"
_FILTER = re.compile(r"\s*(\w+) (eq|ge|le) '([^']*)'\s*")
_TIME = "%Y-%m-%d %I:%M:%S %p"
_JOB_FILTERS = {"status", "operation", "backupManagementType", "jobId", "startTime", "endTime"}


def make_vault(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """A vault as a scenario gives it: location, tags, soft_delete, soft_delete_days, immutability."""
    state = given.get("soft_delete", "Enabled")
    security = {"softDeleteSettings": {"softDeleteState": state,
                                       "softDeleteRetentionPeriodInDays": given.get("soft_delete_days", 14)},
                "immutabilitySettings": {"state": given.get("immutability", "Disabled")}}  # fmt: skip
    return world.new(resource_id, {
        "location": given["location"], "tags": given.get("tags", {}), "sku": {"name": "RS0", "tier": "Standard"},
        "properties": {"provisioningState": "Succeeded", "securitySettings": security},
    }, soft_delete=state, soft_delete_days=given.get("soft_delete_days", 14))  # fmt: skip


def make_item(world: World, vault: Resource, share: Resource, state: str = "Protected") -> Resource:
    """A protected share; NFS shares cannot be."""
    if share.properties["enabledProtocols"] == "NFS":
        raise ValueError(f"{share.name} is an NFS share, which Azure Backup does not take")
    account = arm.parent(arm.parent(share.id))
    container = f"StorageContainer;Storage;{arm.group(account)};{arm.name(account)}"
    name = f"AzureFileShare;{share.name}"
    at = f"{vault.id}/backupFabrics/Azure/protectionContainers/{container}/protectedItems/{name}"
    return world.new(at, {"properties": {
        "protectedItemType": "AzureFileShareProtectedItem", "backupManagementType": "AzureStorage",
        "workloadType": "AzureFileShare", "containerName": container, "sourceResourceId": account,
        "friendlyName": share.name, "protectionState": state, "protectionStatus": "Healthy",
        "lastBackupStatus": "", "policyId": f"{vault.id}/backupPolicies/DailyPolicy",
    }}, share=share.id)  # fmt: skip


@operation("recoveryservices", "vaults.get")
def get_vault(call: Call) -> Reply:
    """One vault."""
    return Reply(call.here().view())


@operation("recoveryservices", "vaults.list_by_resource_group")
def list_vaults(call: Call) -> Reply:
    """All vaults of a resource group."""
    return paging.page(call, [each.view() for each in call.world.below(call.resource_id, VAULT)])


@operation("recoveryservicesbackup", "backup_resource_vault_configs.get")
def vault_config(call: Call) -> Reply:
    """The soft deletion of a vault."""
    vault = call.need(arm.parent(call.resource_id))
    properties = {"softDeleteFeatureState": vault.hidden["soft_delete"], "enhancedSecurityState": "Enabled",
                  "softDeleteRetentionPeriodInDays": vault.hidden["soft_delete_days"]}  # fmt: skip
    return Reply({"id": call.resource_id, "name": "vaultconfig", "type": f"{VAULT}/backupconfig",
                  "properties": properties})  # fmt: skip


@operation("recoveryservicesbackup", "protected_items.get", "recovery_points.get")
def get(call: Call) -> Reply:
    """A protected item, or one of its recovery points."""
    return Reply(call.here().view())


def between(call: Call, wanted: dict[str, str], names: tuple[str, str]) -> tuple[float, float]:
    """The span of time that a filter asks for.

    Raises Fault for a time that is not written as this service wants it.
    """
    ends = [0.0, float("inf")]
    for index, name in enumerate(names):
        if name in wanted:
            try:
                ends[index] = datetime.strptime(wanted[name], _TIME).replace(tzinfo=UTC).timestamp()
            except ValueError:
                raise Fault("BMSUserErrorInvalidInput", f"{name} is {wanted[name]!r}, not {_TIME}") from None
    return ends[0], ends[1]


def filters(call: Call, known: set[str]) -> dict[str, str]:
    """The `X eq 'Y' and …` of a list.

    Raises Fault for what the list does not filter by.
    """
    found = {}
    for part in re.split(r"\s+and\s+", call.query.get("$filter") or ""):
        match = _FILTER.fullmatch(part)
        if part and (match is None or match[1] not in known):
            raise Fault("BMSUserErrorInvalidInput", f"no filter by {part!r}: {', '.join(sorted(known))}")
        if match:
            found[match[1]] = match[3]
    return found


@operation("recoveryservicesbackup", "backup_protected_items.list")
def list_items(call: Call) -> Reply:
    """The protected items of a vault."""
    wanted = filters(call, {"backupManagementType", "itemType", "friendlyName"})
    vault = call.here()
    management, name = wanted.get("backupManagementType", "AzureStorage"), wanted.get("friendlyName")
    found = [each.view() for each in call.world.below(vault.id, ITEM)
             if management == "AzureStorage" and name in {None, each.properties["friendlyName"]}]  # fmt: skip
    return paging.page(call, found)


@operation("recoveryservicesbackup", "recovery_points.list")
def list_points(call: Call) -> Reply:
    """The recovery points of an item, newest first."""
    item = call.here()
    since, until = between(call, filters(call, {"startDate", "endDate"}), ("startDate", "endDate"))
    found = [each for each in call.world.below(item.id, POINT)
             if call.now >= each.hidden["visible_at"] and since <= each.created <= until]  # fmt: skip
    return paging.page(call, [each.view() for each in reversed(found)])


def _reached(call: Call, job: Job) -> Work:
    """An operation that ends when its job is in the list, and names it."""
    info = {"objectType": "OperationStatusJobExtendedInfo", "jobId": job.id}
    return vault_jobs.reached(call, job, info, result=False)


def start_backup(
    world: World, item: Resource, *, user: bool = True, activity: str | None = None, until: str | None = None
) -> Job:
    """Begins a backup job of a share, whose point is kept until a time."""
    vault = item.id.partition("/backupFabrics/")[0]
    share = world.resources[arm.key(item.hidden["share"])]
    # The vault keeps its points as snapshots of the share, which count among the share's own.
    taken = shares.snapshot(world, share, {"Initiator": "AzureBackup"})
    where = trees.place(world, share)
    tree = where / trees.share_snapshot(taken["time"]) if where else None

    def done(job: Job) -> None:
        name = world.ids.uuid("recovery-point")
        job.point = name
        delay = world.rules["vault.point_delay_seconds"]
        ends = job.started + world.rules["vault.share_days"] * 86400
        if until is not None:
            ends = datetime.fromisoformat(until).timestamp()
        made = world.new(f"{item.id}/recoveryPoints/{name}", {"properties": {
            "objectType": "AzureFileShareRecoveryPoint", "recoveryPointType": "FileSystemConsistent",
            "recoveryPointTime": world.time(job.started), "recoveryPointSizeInGB": 1,
            "fileShareSnapshotUri": f"{item.hidden['share']}?sharesnapshot={taken['time']}",
            "recoveryPointProperties": {"expiryTime": world.time(ends)},
        }}, content=taken["content"], tree=tree, visible_at=world.now + delay)  # fmt: skip
        vault_jobs.expire(world, made, ends)
        item.properties |= {"lastBackupStatus": "Completed", "lastBackupTime": world.time(job.started),
                            "lastRecoveryPoint": world.time(job.started)}  # fmt: skip

    return vault_jobs.begin(world, vault, "Backup", item.id, done, user=user, activity=activity)


@operation("recoveryservicesbackup", "backups.trigger")
def trigger_backup(call: Call) -> Work:
    """Begins a backup of a share."""
    item, request = call.here(), call.body.get("properties")
    if not request or request["objectType"] != "AzureFileShareBackupRequest":
        raise Fault("BMSUserErrorInvalidInput", "an Azure file share is backed up by AzureFileShareBackupRequest.")
    if item.properties["protectionState"] not in {"Protected", "IRPending"}:
        raise Fault("UserErrorProtectionNotConfigured", f"The item is {item.properties['protectionState']}.")
    if shares.live(call.world, item.hidden["share"]) is None:
        raise Fault("UserErrorFileShareNotFound", "The file share does not exist.", 404)
    vault_jobs.free(call, item.id)
    activity, until = vault_jobs.activity(call), request.get("recoveryPointExpiryTimeInUTC")
    return _reached(call, start_backup(call.world, item, activity=activity, until=until))


def _check_restore(request: dict[str, Any]) -> None:
    """Raises Fault for a request that does not say all that a restore needs."""
    if request.get("objectType") != "AzureFileShareRestoreRequest":
        raise Fault("BMSUserErrorInvalidInput", "an Azure file share is restored by AzureFileShareRestoreRequest.")
    for name in ("recoveryType", "sourceResourceId", "copyOptions", "restoreRequestType"):
        if not request.get(name):
            raise Fault("BMSUserErrorInvalidInput", f"{name} is missing.", target=name)
    target = request.get("targetDetails") or {}
    if request["recoveryType"] == "AlternateLocation" and not (target.get("name") and target.get("targetResourceId")):
        raise Fault("BMSUserErrorInvalidInput", "AlternateLocation needs targetDetails.", target="targetDetails")


@operation("recoveryservicesbackup", "restores.trigger")
def trigger_restore(call: Call) -> Work:
    """Begins the restore of a recovery point into a share that exists."""
    world, point = call.world, call.here()
    item = call.need(arm.parent(point.id))
    request = call.body.get("properties") or {}
    _check_restore(request)
    target = request.get("targetDetails") or {}
    account = target.get("targetResourceId") or item.properties["sourceResourceId"]
    name = target.get("name") or item.properties["friendlyName"]
    share = shares.live(world, f"{account}/fileServices/default/shares/{name}")
    if share is None:
        raise Fault("UserErrorTargetFileShareNotFound", f"The target share {name} does not exist.", 404)

    def done(job: Job) -> None:
        share.hidden["content"] = point.hidden["content"]
        trees.make(world, share, point.hidden["tree"])

    vault = item.id.partition("/backupFabrics/")[0]
    job = vault_jobs.begin(world, vault, "Restore", item.id, done, activity=vault_jobs.activity(call),
                           target=share.id)  # fmt: skip
    job.point = point.name
    return _reached(call, job)


def view_job(world: World, job: Job) -> dict[str, Any]:
    """A job as GET shows it."""
    item = world.find(job.item)
    properties: dict[str, Any] = {
        "jobType": "AzureStorageJob", "operation": job.kind, "status": job.status,
        "activityId": job.activity or job.id,
        "startTime": world.time(job.started), "backupManagementType": "AzureStorage", "isUserTriggered": job.user,
        "entityFriendlyName": item.properties["friendlyName"] if item else "",
        "duration": vault_jobs.duration(world, job),
        "actionsInfo": ["Cancellable"] if job.status == "InProgress" else [],
        "extendedInfo": {"propertyBag": {"Point": job.point or ""}},
    }  # fmt: skip
    if item:
        properties["storageAccountName"] = arm.name(item.properties["sourceResourceId"])
    if job.ended is not None:
        properties["endTime"] = world.time(job.ended)
    if job.error:
        properties["errorDetails"] = [{"errorCode": 400001, "errorString": job.error["message"],
                                       "recommendations": ["Look at the message."]}]  # fmt: skip
    return {"id": f"{job.vault}/backupJobs/{job.id}", "name": job.id, "type": f"{VAULT}/backupJobs",
            "properties": properties}  # fmt: skip


@operation("recoveryservicesbackup", "backup_jobs.list")
def list_jobs(call: Call) -> Reply:
    """The jobs of a vault, newest first."""
    wanted, vault = filters(call, _JOB_FILTERS), call.here()
    since, until = between(call, wanted, ("startTime", "endTime"))
    found = []
    for job in vault_jobs.listed(call, vault.id):
        if not since <= job.started <= until:
            continue
        if wanted.get("status", job.status) != job.status or wanted.get("operation", job.kind) != job.kind:
            continue
        if wanted.get("jobId", job.id) == job.id:
            found.append(view_job(call.world, job))
    return paging.page(call, found)


@operation("recoveryservicesbackup", "job_details.get")
def get_job(call: Call) -> Reply:
    """One job."""
    vault = call.need(arm.parent(call.resource_id))
    return Reply(view_job(call.world, vault_jobs.find(call, vault.id, call.path["jobName"])))


@operation("recoveryservicesbackup", "job_cancellations.trigger")
def cancel(call: Call) -> Work:
    """Begins to cancel a job that runs."""
    vault = call.need(arm.parent(call.resource_id))
    job = vault_jobs.find(call, vault.id, call.path["jobName"])
    if job.status != "InProgress":
        raise Fault("BMSUserErrorJobNotInCancellableState", f"The job is {job.status}.")
    vault_jobs.cancel(call.world, job)
    return Work(1, lambda: None, resource=vault.id)
