"""The scenarios in the folder are what their names say."""

from __future__ import annotations

import json

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceResponseError
from conftest import ACCOUNT, DISK, GROUP, HERE, SNAPSHOT, VAULT, code, copy_of

FILES = sorted((HERE / "scenarios").glob("*.json"))
RULE = {"backupRuleOptions": {"ruleName": "BackupDaily", "triggerOption": {}}}
PUT = f"{SNAPSHOT}?api-version=2026-03-02"


def begin(fake, name):
    fake.call("reset", json.loads((HERE / "scenarios" / f"{name}.json").read_text()))
    if name != "throttle-storm":
        fake.bearer.token = fake.token()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_scenario_can_be_begun(fake, path):
    begin(fake, path.stem)
    assert any(each["type"] == "Microsoft.Compute/disks" for each in fake.call("state")["resources"].values())


def test_a_workspace_has_two_disks_and_a_share(fake, compute, storage):
    begin(fake, "workspace")
    assert [each.name for each in compute.disks.list_by_resource_group("rg")] == ["db", "models"]
    assert [each.name for each in storage.file_shares.list("rg", "files")] == ["projects"]
    begin(fake, "external-nfs")
    assert storage.file_shares.get("rg", "files", "exports").enabled_protocols == "NFS"


def test_a_slow_job_takes_ten_hours_and_cannot_be_cancelled(fake):
    begin(fake, "slow-job")
    client = fake.client("dataprotection")
    client.backup_instances.begin_adhoc_backup("rg", "vault", "db", RULE, polling=False)
    fake.advance(9 * 3600)
    fake.bearer.token = fake.token()
    [job] = client.jobs.list("rg", "vault")
    assert (job.properties.status, job.properties.supported_actions) == ("InProgress", [])
    assert fake.send("POST", f"{VAULT}/backupJobs/{job.name}/cancel?api-version=2026-06-01")[0] == 404
    fake.expected.add(None)
    fake.advance(2 * 3600)
    fake.bearer.token = fake.token()
    assert client.jobs.get("rg", "vault", job.name).properties.status == "Completed"


def test_busy_resources_have_foreign_jobs(fake):
    begin(fake, "busy")
    fake.advance(60)
    client = fake.client("dataprotection")
    assert [each.properties.is_user_triggered for each in client.jobs.list("rg", "vault")] == [False]
    with pytest.raises(HttpResponseError) as error:
        client.backup_instances.begin_adhoc_backup("rg", "vault", "db", RULE)
    assert code(error) == "UserErrorJobAlreadyInProgress"
    assert len(list(fake.client("backup").backup_jobs.list("recovery", "rg"))) == 1


def test_locks_and_immutability_are_seen_beforehand(fake, compute, storage):
    begin(fake, "locked")
    locks = fake.client("locks").management_locks.list_at_resource_group_level("rg")
    assert [each.level for each in locks] == ["CanNotDelete"]
    security = fake.client("dataprotection").backup_vaults.get("rg", "vault").properties.security_settings
    assert (security.immutability_settings.state, security.soft_delete_settings.state) == ("Locked", "AlwaysOn")
    assert storage.blob_containers.get("rg", "store", "backups").has_immutability_policy is True
    fake.client("recovery").vaults.get("rg", "recovery")
    fake.client("backup").backup_resource_vault_configs.get("recovery", "rg")
    fake.send("PUT", PUT, copy_of(DISK))
    fake.advance(60)
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_delete("rg", "s1")
    assert code(error) == "ScopeLocked"


def test_a_throttle_storm_throttles_everything_for_a_while(fake, compute):
    begin(fake, "throttle-storm")
    for _ in range(12):
        assert fake.login()[0] == 429
    fake.bearer.token = fake.token()
    assert compute.disks.get("rg", "db").name == "db"


def test_replies_are_lost_but_not_the_work(fake, compute):
    begin(fake, "lost-replies")
    with pytest.raises(ServiceResponseError):
        compute.snapshots.begin_create_or_update("rg", "s1", copy_of(DISK))
    assert compute.snapshots.get("rg", "s1").provisioning_state == "Creating"


def test_poll_urls_are_lost_but_not_the_work(fake, compute):
    begin(fake, "lost-poll-urls")
    _, told, _ = fake.send("PUT", PUT, copy_of(DISK))
    fake.advance(5)
    assert fake.send("GET", told["Azure-AsyncOperation"])[0] == 404
    fake.advance(30)
    assert compute.snapshots.get("rg", "s1").provisioning_state == "Succeeded"


def test_a_token_expires_soon(fake, compute):
    begin(fake, "expiring-token")
    fake.advance(900)
    with pytest.raises(ClientAuthenticationError):
        compute.disks.get("rg", "db")
    fake.bearer.token = fake.token()
    compute.disks.get("rg", "db")


def test_the_garbage_collector_takes_what_is_not_tagged(fake, compute, storage):
    begin(fake, "garbage-collector")
    fake.call("set", {"rules": {"lro.variant": "immediate"}})
    empty = {"diskSizeGB": 8, "creationData": {"createOption": "Empty"}}
    for name, tags in (("kept", {"keep": ""}), ("taken", {})):
        body = {"location": "westeurope", "tags": tags, "properties": empty}
        compute.disks.begin_create_or_update("rg", name, body).result()
        storage.file_shares.create("rg", "files", name, {"properties": {"metadata": tags}})
    fake.advance(1000)
    assert {each.name for each in compute.disks.list()} == {"db", "models", "kept"}
    assert {each.name for each in storage.file_shares.list("rg", "files")} == {"projects", "kept"}
    taken = [event["resource"] for event in fake.call("events") if event["what"] == "garbage collected"]
    assert taken == [DISK.replace("/db", "/taken"), f"{ACCOUNT}/fileServices/default/shares/taken"]


def test_odd_answers_are_odd(fake, compute):
    begin(fake, "odd-answers")
    _, told, _ = fake.send("PUT", PUT, copy_of(DISK))
    assert (len(told["Azure-AsyncOperation"]) > 4096, told["Retry-After"]) == (True, None)
    words = [fake.send("GET", told["Azure-AsyncOperation"])[2]["status"] for _ in range(2)]
    assert words == ["Hibernating", "Accepted"]
    assert compute.snapshots.get("rg", "s1").provisioning_state == "Hibernating"


def test_fast_disks_need_patience(fake, compute):
    begin(fake, "fast-disks")
    fake.send("PUT", PUT, copy_of(DISK, incremental=True))
    fake.advance(60)
    assert compute.snapshots.get("rg", "s1").completion_percent == 10


def test_operations_fail_one_by_one(fake, compute):
    begin(fake, "failing-operations")
    fake.call("set", {"rules": {"snapshot.seconds": 0, "disk.seconds": 0}})
    fake.send("PUT", PUT, copy_of(DISK))
    fake.advance(0)
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_create_or_update("rg", "s2", copy_of(DISK)).result()
    assert error.value.error.details[0].code == "StorageError"


def test_netapp_has_volumes_with_and_without_a_vault(fake, netapp):
    begin(fake, "netapp")
    home, datasets = netapp.volumes.list("rg", "anf", "pool")
    assert home.properties.data_protection.backup.backup_vault_id.endswith("/keep")
    assert datasets.properties.data_protection is None


def test_two_regions_and_subscriptions_do_not_mix(fake, compute):
    begin(fake, "two-regions-two-subscriptions")
    other = "44444444-4444-4444-8444-444444444444"
    far = f"{GROUP.replace('/rg', '/elsewhere')}/providers/Microsoft.Compute/disks/far"
    with pytest.raises(HttpResponseError, match="another region"):
        compute.snapshots.begin_create_or_update("rg", "s1", copy_of(far))
    with pytest.raises(HttpResponseError, match="another subscription"):
        fake.client("compute", other).snapshots.begin_create_or_update("rg", "s1", copy_of(DISK))


def test_the_least_privilege_of_a_reader_is_not_enough(fake, compute):
    begin(fake, "least-privilege")
    compute.disks.get("rg", "db")
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_create_or_update("rg", "s1", copy_of(DISK))
    assert code(error) == "AuthorizationFailed"
