"""Data Protection: vaults, and the jobs of disks."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import DISK, GROUP, INSTANCE, VAULT, code, workspace

RULE = {"backupRuleOptions": {"ruleName": "BackupDaily", "triggerOption": {}}}
AT = ("rg", "vault", "db")
NEW = f"{GROUP}/providers/Microsoft.Compute/disks/restored"


@pytest.fixture
def protection(fake):
    return fake.client("dataprotection")


@pytest.fixture
def backup(fake):
    return fake.client("backup")


def adhoc(protection):
    return protection.backup_instances.begin_adhoc_backup(*AT, RULE).result().job_id.rpartition("/")[2]


def job(protection, name):
    return protection.jobs.get("rg", "vault", name).properties


def request(point, target=NEW, option="FailIfExists"):
    return {"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": point,
            "sourceDataStoreType": "OperationalStore", "restoreTargetInfo": {
                "objectType": "RestoreTargetInfo", "recoveryOption": option, "restoreLocation": "westeurope",
                "datasourceInfo": {"resourceID": target}}}  # fmt: skip


def test_a_disk_is_backed_up_by_a_rule_of_its_policy(fake, protection):
    name = adhoc(protection)
    shown = job(protection, name)
    assert (shown.status, shown.operation_category, shown.is_user_triggered) == ("InProgress", "Backup", True)
    assert shown.data_source_id == DISK
    assert [each.name for each in protection.jobs.list("rg", "vault")] == [name]
    fake.call("write", {"resource": DISK})
    fake.advance(300)
    assert job(protection, name).status == "Completed"
    [point] = protection.recovery_points.list(*AT)
    assert point.properties.object_type == "AzureBackupDiscreteRecoveryPoint"
    assert protection.recovery_points.get(*AT, point.name).name == point.name
    assert fake.resource(f"{INSTANCE}/recoveryPoints/{point.name}")["hidden"]["content"] == "db@0"


def test_a_job_is_listed_after_a_while(fake, protection):
    fake.reset(workspace(rules={"job.start_delay_seconds": 60, "lro.variant": "immediate"}))
    adhoc(protection)
    assert list(protection.jobs.list("rg", "vault")) == []
    fake.advance(60)
    assert len(list(protection.jobs.list("rg", "vault"))) == 1


@pytest.mark.parametrize("state", ["Failed", "CompletedWithWarnings", "Cancelled", "Paused"])
def test_a_job_ends_in_every_state(fake, protection, state):
    fake.inject("BackupJob", {"kind": "outcome", "state": state, "code": "UserErrorX", "message": "why"})
    name = adhoc(protection)
    fake.advance(300)
    shown = job(protection, name)
    assert shown.status == state
    points = len(list(protection.recovery_points.list(*AT)))
    assert points == (1 if state == "CompletedWithWarnings" else 0)
    if state == "Failed":
        assert (shown.error_details[0].code, shown.error_details[0].is_retryable) == ("UserErrorX", False)
    if state == "CompletedWithWarnings":
        assert shown.extended_info.warning_details[0].warning.message == "why"


def test_the_second_job_of_two_has_another_outcome(fake, protection):
    fake.inject("BackupJob", {"kind": "outcome", "state": "Failed"}, nth=2)
    first = adhoc(protection)
    fake.advance(300)
    second = adhoc(protection)
    fake.advance(300)
    assert [job(protection, name).status for name in (first, second)] == ["Completed", "Failed"]


def test_a_job_whose_operation_fails_goes_no_further(fake, protection):
    fake.inject("backup_instances.adhoc_backup", {"kind": "outcome", "state": "Failed", "code": "X", "message": "why"})
    with pytest.raises(HttpResponseError, match="why"):
        adhoc(protection)
    fake.advance(300)
    [shown] = protection.jobs.list("rg", "vault")
    assert (shown.properties.status, shown.properties.error_details[0].code) == ("Failed", "X")
    assert list(protection.recovery_points.list(*AT)) == []


def test_a_second_backup_is_refused_or_waits(fake, protection):
    adhoc(protection)
    with pytest.raises(HttpResponseError) as error:
        adhoc(protection)
    assert code(error) == "UserErrorJobAlreadyInProgress"
    fake.reset(workspace(rules={"job.second_backup": "wait", "lro.variant": "immediate"}, clock={}))
    adhoc(protection)
    second = adhoc(protection)
    fake.advance(400)
    assert job(protection, second).status == "InProgress"
    fake.advance(200)
    assert job(protection, second).status == "Completed"


def test_a_job_of_a_policy_is_told_from_ours(fake, protection):
    fake.call("foreign-job", {"item": INSTANCE})
    fake.advance(10)
    [shown] = protection.jobs.list("rg", "vault")
    assert shown.properties.is_user_triggered is False
    with pytest.raises(HttpResponseError):
        adhoc(protection)


def test_a_disk_is_restored_into_a_new_one(fake, protection, compute):
    adhoc(protection)
    fake.advance(300)
    [point] = protection.recovery_points.list(*AT)
    fake.call("write", {"resource": DISK})
    protection.backup_instances.begin_validate_for_restore(*AT, {"restoreRequestObject": request(point.name)}).result()
    started = protection.backup_instances.begin_trigger_restore(*AT, request(point.name)).result()
    name = started.job_id.rpartition("/")[2]
    with pytest.raises(ResourceNotFoundError):
        compute.disks.get("rg", "restored")
    fake.advance(600)
    assert job(protection, name).status == "Completed"
    assert compute.disks.get("rg", "restored").provisioning_state == "Succeeded"
    assert fake.resource(NEW)["hidden"]["content"] == "db@0"
    with pytest.raises(HttpResponseError) as error:
        protection.backup_instances.begin_trigger_restore(*AT, request(point.name))
    assert code(error) == "UserErrorTargetResourceExists"
    with pytest.raises(HttpResponseError) as error:
        protection.backup_instances.begin_validate_for_restore(*AT, {"restoreRequestObject": request(point.name, DISK)})
    assert code(error) == "UserErrorTargetResourceExists"


def test_what_a_backup_needs_is_validated(fake, protection):
    policy = f"{VAULT}/backupPolicies/daily"

    def asked(source, at=policy):
        return {"backupInstance": {"objectType": "BackupInstance", "dataSourceInfo": {"resourceID": source},
                                   "policyInfo": {"policyId": at}}}  # fmt: skip

    protection.backup_instances.begin_validate_for_backup("rg", "vault", asked(DISK)).result()
    for wrong in (asked(NEW), asked(DISK, f"{VAULT}/backupPolicies/none")):
        with pytest.raises(ResourceNotFoundError):
            protection.backup_instances.begin_validate_for_backup("rg", "vault", wrong)
    with pytest.raises(HttpResponseError, match="no rule"):
        protection.backup_instances.begin_adhoc_backup(
            *AT, {"backupRuleOptions": {"ruleName": "None", "triggerOption": {}}})  # fmt: skip
    fake.call("set", {"resource": INSTANCE, "set": {"properties.currentProtectionState": "ProtectionStopped"}})
    with pytest.raises(HttpResponseError, match="ProtectionStopped"):
        adhoc(protection)


def test_vaults_tell_what_a_preflight_asks(fake, protection, backup):
    vaults = [{"name": "vault", "soft_delete": "AlwaysOn", "soft_delete_days": 30, "immutability": "Locked",
               "instances": [{"name": "db", "disk": "db"}]}]  # fmt: skip
    recovery = [{"name": "recovery", "soft_delete": "Disabled", "immutability": "Unlocked"}]
    fake.reset(workspace(group={"backup_vaults": vaults, "recovery_vaults": recovery}))
    [vault] = protection.backup_vaults.get_in_resource_group("rg")
    security = protection.backup_vaults.get("rg", "vault").properties.security_settings
    assert (vault.name, security.soft_delete_settings.state) == ("vault", "AlwaysOn")
    assert security.immutability_settings.state == "Locked"
    assert [each.name for each in protection.backup_instances.list("rg", "vault")] == ["db"]
    assert protection.backup_instances.get(*AT).properties.current_protection_state == "ProtectionConfigured"
    [policy] = protection.backup_policies.list("rg", "vault")
    assert protection.backup_policies.get("rg", "vault", policy.name).properties.policy_rules[0].name == "BackupDaily"
    client = fake.client("recovery")
    assert [each.name for each in client.vaults.list_by_resource_group("rg")] == ["recovery"]
    assert client.vaults.get("rg", "recovery").properties.security_settings.immutability_settings.state == "Unlocked"
    config = backup.backup_resource_vault_configs.get("recovery", "rg")
    assert config.properties.soft_delete_feature_state == "Disabled"


@pytest.mark.parametrize("kind", ["backup", "restore"])
def test_a_vault_whose_identity_lacks_a_right_says_so_beforehand_and_fails_its_jobs(fake, protection, kind):
    adhoc(protection)
    fake.advance(300)
    [point] = protection.recovery_points.list(*AT)
    policy = f"{VAULT}/backupPolicies/daily"
    asked = {"objectType": "BackupInstance", "dataSourceInfo": {"resourceID": DISK}, "friendlyName": "db",
             "policyInfo": {"policyId": policy}}  # fmt: skip

    def validate():
        if kind == "backup":
            return protection.backup_instances.begin_validate_for_backup("rg", "vault", {"backupInstance": asked})
        given = {"restoreRequestObject": request(point.name)}
        return protection.backup_instances.begin_validate_for_restore(*AT, given)

    validate().result()
    fake.call("set", {"resource": VAULT, "set": {f"hidden.rights.{kind}": False}})
    with pytest.raises(HttpResponseError) as error:
        validate().result()
    assert code(error) == "UserErrorMissingRequiredPermissions"
    if kind == "backup":
        name = adhoc(protection)
    else:
        begun = protection.backup_instances.begin_trigger_restore(*AT, request(point.name)).result()
        name = begun.job_id.rpartition("/")[2]
    assert job(protection, name).status == "InProgress"
    fake.advance(60)
    told = job(protection, name)
    assert (told.status, told.error_details[0].code) == ("Failed", "UserErrorMissingRequiredPermissions")
    fake.advance(1000)
    assert len(list(protection.recovery_points.list(*AT))) == 1
    assert NEW not in fake.call("state")["resources"]


def test_a_scenario_says_what_a_vaults_identity_may(fake, protection):
    vault = {"name": "vault", "rights": {"backup": False}, "instances": [{"name": "db", "disk": "db"}]}
    fake.reset(workspace(group={"backup_vaults": [vault]}))
    name = adhoc(protection)
    fake.advance(60)
    assert job(protection, name).status == "Failed"
    with pytest.raises(ValueError, match="unknown in rights"):
        fake.reset(workspace(group={"backup_vaults": [{**vault, "rights": {"delete": False}}]}))


@pytest.mark.parametrize(("rule", "kept"), [("request", True), ("own", False)])
def test_a_job_says_what_its_request_was_called(fake, protection, rule, kept):
    fake.reset(workspace(rules={"job.activity_id": rule}))
    asked = {"x-ms-client-request-id": "0f0f-stillpoint"}
    status, _, _ = fake.send("POST", f"{INSTANCE}/backup?api-version=2026-06-01", RULE, asked)
    assert status == 202
    fake.advance(10)
    [shown] = protection.jobs.list("rg", "vault")
    assert (shown.properties.activity_id == "0f0f-stillpoint") is kept
    fake.advance(300)
    fake.call("foreign-job", {"item": INSTANCE, "user": True})
    fake.advance(10)
    newest = next(iter(protection.jobs.list("rg", "vault")))
    assert newest.properties.activity_id == newest.name


def test_a_recovery_point_goes_by_itself_when_its_policy_says(fake, protection):
    policy = [{"name": "daily", "retention_days": 2}]
    vaults = [{"name": "vault", "policies": policy, "instances": [{"name": "db", "disk": "db"}]}]
    fake.reset(workspace(group={"backup_vaults": vaults}))
    adhoc(protection)
    fake.advance(300)
    [point] = protection.recovery_points.list(*AT)
    kept = point.properties.expiry_time - point.properties.recovery_point_time
    assert kept.days == 2
    fake.advance(2 * 86400)
    fake.bearer.token = fake.token()
    assert list(protection.recovery_points.list(*AT)) == []
