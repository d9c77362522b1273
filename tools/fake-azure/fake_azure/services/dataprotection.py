"""Data Protection: vaults, policies, instances, recovery points and jobs, for disks and blobs."""

from __future__ import annotations

from typing import Any

from .. import arm, paging
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Job, Reply, Work, World
from . import disks, storage, vault_jobs

VAULT = "Microsoft.DataProtection/backupVaults"
INSTANCE = f"{VAULT}/backupInstances"
POINT = f"{INSTANCE}/recoveryPoints"
POLICY = f"{VAULT}/backupPolicies"
_KINDS = {"backup_vaults": VAULT, "backup_policies": POLICY, "backup_instances": INSTANCE, "recovery_points": POINT}


def make_vault(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """A vault as a scenario gives it: location, tags, soft_delete, soft_delete_days, immutability, rights."""
    security = {
        "softDeleteSettings": {"state": given.get("soft_delete", "On"),
                               "retentionDurationInDays": float(given.get("soft_delete_days", 14))},
        "immutabilitySettings": {"state": given.get("immutability", "Disabled")},
    }  # fmt: skip
    stores = [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]
    return world.new(resource_id, {
        "location": given["location"], "tags": given.get("tags", {}),
        "identity": {"type": "SystemAssigned", "principalId": world.ids.uuid("identity"), "tenantId": given["tenant"]},
        "properties": {"provisioningState": "Succeeded", "securitySettings": security, "storageSettings": stores},
    }, rights={"backup": True, "restore": True, **given.get("rights", {})})  # fmt: skip


def _unable(world: World, vault_id: str, kind: str) -> str | None:
    """What the vault's own identity may not do, in a sentence; `None` when it may."""
    vault = world.find(vault_id)
    if vault is None or vault.hidden["rights"][kind]:
        return None
    return f"The managed identity of the vault {vault.name} has not the permissions that a {kind} needs."


def _check_rights(world: World, vault_id: str, kind: str) -> None:
    """Raises Fault when the vault's identity lacks a right."""
    told = _unable(world, vault_id, kind)
    if told is not None:
        raise Fault(world.rules["vault.rights_error"], told)


BLOBS = "Microsoft.Storage/storageAccounts/blobServices"


def make_policy(
    world: World, resource_id: str, kind: str, rule: str, days: int = 7, store: str | None = None
) -> Resource:
    """A policy with one rule that backs up every day, and one that keeps recovery points so many days.

    Blobs go into the vault unless `store` says otherwise; snapshots of disks stay outside.
    """
    store = store or ("VaultStore" if kind == BLOBS else "OperationalStore")
    kept = {"dataStoreType": store, "objectType": "DataStoreInfoBase"}
    return world.new(resource_id, {"properties": {"objectType": "BackupPolicy", "datasourceTypes": [kind],
        "policyRules": [{
            "objectType": "AzureBackupRule", "name": rule,
            "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
            "dataStore": kept,
            "trigger": {"objectType": "ScheduleBasedTriggerContext",
                        "schedule": {"repeatingTimeIntervals": ["R/2026-01-01T00:00:00+00:00/P1D"]},
                        "taggingCriteria": [{"isDefault": True, "taggingPriority": 99,
                                             "tagInfo": {"tagName": "Default"}}]},
        }, {
            "objectType": "AzureRetentionRule", "name": "Default", "isDefault": True, "lifecycles": [{
                "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": f"P{days}D"},
                "sourceDataStore": kept}],
        }]}}, days=days, store=store)  # fmt: skip


def make_instance(world: World, resource_id: str, given: dict[str, Any]) -> Resource:
    """An instance that protects a resource: datasource, policy, type, state, and of blobs which containers."""
    source, kind = given["datasource"], given.get("type", "Microsoft.Compute/disks")
    policy: dict[str, Any] = {"policyId": f"{arm.parent(resource_id)}/backupPolicies/{given['policy']}"}
    if given.get("containers") is not None:
        policy["policyParameters"] = {"backupDatasourceParametersList": [
            {"objectType": "BlobBackupDatasourceParameters", "containersList": given["containers"]}]}  # fmt: skip
    return world.new(resource_id, {"tags": {}, "properties": {
        "friendlyName": arm.name(source), "objectType": "BackupInstance", "provisioningState": "Succeeded",
        "currentProtectionState": given.get("state", "ProtectionConfigured"),
        "protectionStatus": {"status": given.get("state", "ProtectionConfigured")},
        "policyInfo": policy,
        "dataSourceInfo": {"objectType": "Datasource", "datasourceType": kind, "resourceID": source,
                           "resourceName": arm.name(source), "resourceType": kind, "resourceUri": "",
                           "resourceLocation": given["location"]},
    }})  # fmt: skip


@operation("dataprotection", "backup_vaults.get", "backup_policies.get", "backup_instances.get", "recovery_points.get")
def get(call: Call) -> Reply:
    """One of them."""
    return Reply(call.here().view())


@operation("dataprotection", "backup_vaults.get_in_resource_group", "backup_policies.list", "backup_instances.list",
           "recovery_points.list")  # fmt: skip
def listed(call: Call) -> Reply:
    """All of a kind below the scope."""
    kind = _KINDS[call.operation.name.partition(".")[0]]
    if kind != VAULT:
        call.here()
    if call.query.get("$filter"):
        raise Fault("NotImplemented", "the fake does not filter recovery points")
    found = [each for each in call.world.below(call.resource_id, kind) if call.now >= each.hidden.get("visible_at", 0)]
    return paging.page(call, [each.view() for each in found])


def _reached(call: Call, job: Job) -> Work:
    """An operation that ends when its job is in the list, and names it."""
    info = {"objectType": "OperationJobExtendedInfo", "jobId": f"{job.vault}/backupJobs/{job.id}"}
    return vault_jobs.reached(call, job, info, result=True)


def make_point(world: World, instance: Resource, job: Job, content: Any) -> Resource:
    """The recovery point that a job has made."""
    name = world.ids.uuid("recovery-point")
    policy = world.find(instance.properties["policyInfo"]["policyId"])
    body = {"properties": {
        "objectType": "AzureBackupDiscreteRecoveryPoint", "recoveryPointId": name, "recoveryPointType": "Incremental",
        "recoveryPointTime": world.time(job.started), "friendlyName": name, "retentionTagName": "Default",
        "policyName": arm.name(instance.properties["policyInfo"]["policyId"]),
        "recoveryPointState": "Partial" if job.error else "Completed",
        "recoveryPointDataStoresDetails": [{
            "id": world.ids.uuid("store"), "type": policy.hidden["store"] if policy else "OperationalStore",
            "state": "COMMITTED", "visible": True, "creationTime": world.time(job.started)}],
    }}  # fmt: skip
    job.point = name
    until = job.started + (policy.hidden["days"] if policy else 7) * 86400
    body["properties"]["expiryTime"] = world.time(until)
    delay = world.rules["vault.point_delay_seconds"]
    made = world.new(f"{instance.id}/recoveryPoints/{name}", body, content=content, visible_at=world.now + delay)
    vault_jobs.expire(world, made, until)
    return made


def _content(world: World, instance: Resource, source: Resource) -> Any:
    """What a backup of a source holds: of an account that of each of its containers that are protected."""
    if instance.properties["dataSourceInfo"]["datasourceType"] != BLOBS:
        return source.hidden.get("content", "")
    chosen = instance.properties["policyInfo"].get("policyParameters")
    names = chosen["backupDatasourceParametersList"][0]["containersList"] if chosen else None
    found = world.below(source.id, storage.CONTAINER)
    return {each.name: each.hidden["content"] for each in found if names is None or each.name in names}


def start_backup(world: World, instance: Resource, *, user: bool = True, activity: str | None = None) -> Job:
    """Begins a backup job; what it holds is what the resource holds now."""
    source = world.find(instance.properties["dataSourceInfo"]["resourceID"])
    content = _content(world, instance, source) if source else ""
    vault = arm.parent(instance.id)

    def done(job: Job) -> None:
        make_point(world, instance, job, content)

    job = vault_jobs.begin(world, vault, "Backup", instance.id, done, user=user, activity=activity)
    vault_jobs.foredoom(world, job, _unable(world, vault, "backup"))
    return job


@operation("dataprotection", "backup_instances.adhoc_backup")
def adhoc_backup(call: Call) -> Work:
    """Begins a backup by one of the policy's rules."""
    instance = call.here()
    policy = call.need(instance.properties["policyInfo"]["policyId"])
    names = [rule["name"] for rule in policy.properties["policyRules"] if rule["objectType"] == "AzureBackupRule"]
    asked = call.body["backupRuleOptions"]["ruleName"]
    if asked not in names:
        raise Fault("BMSUserErrorInvalidInput", f"The policy has no rule {asked!r}: {', '.join(names)}.")
    if instance.properties["currentProtectionState"] != "ProtectionConfigured":
        state = instance.properties["currentProtectionState"]
        raise Fault("UserErrorProtectionNotConfigured", f"The protection of {instance.name} is {state}.")
    if call.world.find(instance.properties["dataSourceInfo"]["resourceID"]) is None:
        raise Fault("UserErrorDatasourceNotFound", "The datasource does not exist.", 404)
    vault_jobs.free(call, instance.id)
    return _reached(call, start_backup(call.world, instance, activity=vault_jobs.activity(call)))


@operation("dataprotection", "backup_instances.validate_for_backup")
def validate_backup(call: Call) -> Work:
    """Whether a resource can be protected."""
    asked, vault = call.body["backupInstance"], call.here()
    source = call.world.find(asked["dataSourceInfo"]["resourceID"])
    if source is None:
        raise Fault("UserErrorDatasourceNotFound", "The datasource does not exist.", 404)
    if source.location and source.location != vault.location:
        raise Fault("UserErrorVaultAndDatasourceRegionMismatch", "The vault is in another region than the datasource.")
    call.need(asked["policyInfo"]["policyId"])
    _check_rights(call.world, vault.id, "backup")
    info = {"objectType": "OperationJobExtendedInfo"}
    return Work(2, lambda: None, result=lambda: info, resource=vault.id)


def _target(call: Call, request: dict[str, Any]) -> tuple[Resource, str]:
    """The recovery point and the id of what is restored to.

    Raises Fault when either cannot be.
    """
    point = call.need(f"{call.resource_id}/recoveryPoints/{request['recoveryPointId']}")
    info = request["restoreTargetInfo"]
    if info["recoveryOption"] != "FailIfExists":
        raise Fault("UserErrorInvalidRecoveryOption", "recoveryOption must be FailIfExists.")
    stores = {each["type"] for each in point.properties["recoveryPointDataStoresDetails"]}
    if request["sourceDataStoreType"] not in stores:
        raise Fault("UserErrorInvalidDataStore", f"The recovery point is in {', '.join(sorted(stores))}.")
    target = (info.get("datasourceInfo") or {}).get("resourceID") or (info.get("targetDetails") or {}).get("url", "")
    return point, target


@operation("dataprotection", "backup_instances.validate_for_restore")
def validate_restore(call: Call) -> Work:
    """Whether a recovery point can be restored to a target."""
    _, target = _target(call, call.body["restoreRequestObject"])
    if arm.kind(target) == disks.KIND and call.world.find(target) is not None:
        raise Fault("UserErrorTargetResourceExists", f"{target} exists.", 409)
    _check_rights(call.world, arm.parent(call.resource_id), "restore")
    info = {"objectType": "OperationJobExtendedInfo"}
    return Work(2, lambda: None, result=lambda: info, resource=arm.parent(call.resource_id))


def _containers(call: Call, instance: Resource, point: Resource, target: str) -> dict[str, Any]:
    """What is to be in which container of the account that blobs are restored to.

    Raises Fault for an account that is not there or is the source, and for containers that are there or are not kept.
    """
    if call.world.find(target) is None:
        raise Fault("UserErrorTargetStorageAccountNotFound", f"{target} does not exist.", 404)
    source = instance.properties["dataSourceInfo"]["resourceID"]
    if call.rule("vault.blobs_elsewhere") and arm.key(target) == arm.key(source):
        raise Fault("UserErrorRestoreToSourceNotSupported", "Blobs in a vault are restored to another storage account.")
    found: dict[str, Any] = {}
    for each in call.body["restoreTargetInfo"].get("restoreCriteria") or []:
        name, path = each.get("renameTo") or each["itemPath"], each["itemPath"]
        if path not in point.hidden["content"]:
            raise Fault("UserErrorContainerNotInRecoveryPoint", f"The recovery point has no container {path}.")
        if call.world.find(f"{target}/blobServices/default/containers/{name}") is not None:
            raise Fault("UserErrorTargetContainerExists", f"The container {name} exists.", 409)
        found[name] = point.hidden["content"][path]
    return found


@operation("dataprotection", "backup_instances.trigger_restore")
def trigger_restore(call: Call) -> Work:
    """Begins the restore of a recovery point into a new disk, or into a storage account."""
    world, instance = call.world, call.here()
    point, target = _target(call, call.body)
    if arm.kind(target) == disks.KIND and world.find(target) is not None:
        raise Fault("UserErrorTargetResourceExists", f"{target} exists.", 409)
    location = call.body["restoreTargetInfo"].get("restoreLocation") or instance.location
    containers = _containers(call, instance, point, target) if arm.kind(target) == storage.KIND else {}

    def done(job: Job) -> None:
        for name, kept in containers.items():
            at = f"{target}/blobServices/default/containers/{name}"
            storage.make_container(world, at, {"content": kept})
        if arm.kind(target) != disks.KIND:
            return
        source = world.find(instance.properties["dataSourceInfo"]["resourceID"])
        size = source.properties["diskSizeGB"] if source else 32
        body = {"location": location, "properties": {"diskSizeGB": size, "creationData": {"createOption": "Copy"}}}
        disks.make(world, target, body, point.hidden["content"]).state = "Succeeded"

    job = vault_jobs.begin(world, arm.parent(instance.id), "Restore", instance.id, done, activity=vault_jobs.activity(call),
                           target=target)  # fmt: skip
    job.point = point.name
    vault_jobs.foredoom(world, job, _unable(world, job.vault, "restore"))
    return _reached(call, job)


def _user_error(job: Job) -> dict[str, Any]:
    error = job.error or {}
    return {"code": error["code"], "message": error["message"], "isRetryable": False, "isUserError": True,
            "recommendedAction": ["Look at the message."]}  # fmt: skip


def view_job(world: World, job: Job) -> dict[str, Any]:
    """A job as GET shows it."""
    instance = world.find(job.item)
    source = instance.properties["dataSourceInfo"] if instance else {"resourceID": "", "datasourceType": ""}
    properties: dict[str, Any] = {
        "activityID": job.activity or job.id, "backupInstanceFriendlyName": arm.name(source["resourceID"]),
        "backupInstanceId": job.item,
        "dataSourceId": source["resourceID"], "dataSourceLocation": source.get("resourceLocation", ""),
        "dataSourceName": arm.name(source["resourceID"]), "dataSourceType": source["datasourceType"],
        "duration": vault_jobs.duration(world, job), "isUserTriggered": job.user, "operation": job.kind,
        "operationCategory": job.kind, "progressEnabled": False, "startTime": world.time(job.started),
        "sourceResourceGroup": arm.group(source["resourceID"]), "sourceSubscriptionID": arm.subscription(job.item),
        "status": job.status, "subscriptionId": arm.subscription(job.vault), "supportedActions": [],
        "vaultName": arm.name(job.vault),
    }  # fmt: skip
    if job.ended is not None:
        properties["endTime"] = world.time(job.ended)
    if job.error and job.status == "CompletedWithWarnings":
        properties["extendedInfo"] = {"warningDetails": [{"resourceName": properties["dataSourceName"],
                                                          "warning": _user_error(job)}]}  # fmt: skip
    elif job.error:
        properties["errorDetails"] = [_user_error(job)]
    return {"id": f"{job.vault}/backupJobs/{job.id}", "name": job.id, "type": f"{VAULT}/backupJobs",
            "properties": properties}  # fmt: skip


@operation("dataprotection", "jobs.list")
def list_jobs(call: Call) -> Reply:
    """The jobs of a vault, newest first."""
    vault = call.here()
    return paging.page(call, [view_job(call.world, job) for job in vault_jobs.listed(call, vault.id)])


@operation("dataprotection", "jobs.get")
def get_job(call: Call) -> Reply:
    """One job."""
    vault = call.need(arm.parent(call.resource_id))
    return Reply(view_job(call.world, vault_jobs.find(call, vault.id, call.path["jobId"])))
