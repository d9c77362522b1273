"""Recovery Services: vaults, and the jobs of SMB shares."""

from __future__ import annotations

import copy

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import ACCOUNT, CONTAINER, ITEM, SHARE, SUBSCRIPTION, code, workspace

ITEM_AT = ("recovery", "rg", "Azure", CONTAINER, "AzureFileShare;projects")
BACKUP = {"properties": {"objectType": "AzureFileShareBackupRequest"}}
INTO_NEW = {"properties": {
    "objectType": "AzureFileShareRestoreRequest", "recoveryType": "AlternateLocation", "sourceResourceId": ACCOUNT,
    "copyOptions": "FailOnConflict", "restoreRequestType": "FullShareRestore",
    "targetDetails": {"name": "new", "targetResourceId": ACCOUNT}}}  # fmt: skip


@pytest.fixture
def backup(fake):
    return fake.client("backup")


def start(fake, backup):
    backup.backups.trigger(*ITEM_AT, BACKUP)
    fake.advance(10)
    return next(iter(backup.backup_jobs.list("recovery", "rg"))).name


def status(backup, name):
    return backup.job_details.get("recovery", "rg", name).properties.status


def test_a_share_is_backed_up_and_the_operation_names_its_job(fake, backup):
    got, told, _ = fake.send("POST", f"{ITEM}/backup?api-version=2026-10-01", BACKUP)
    assert got == 202
    fake.advance(10)
    body = fake.send("GET", told["Azure-AsyncOperation"])[2]
    [shown] = backup.backup_jobs.list("recovery", "rg", filter="operation eq 'Backup' and status eq 'InProgress'")
    assert body["properties"]["jobId"] == shown.name
    assert list(backup.backup_jobs.list("recovery", "rg", filter="operation eq 'Restore'")) == []
    fake.advance(300)
    assert status(backup, shown.name) == "Completed"
    [point] = backup.recovery_points.list(*ITEM_AT)
    assert backup.recovery_points.get(*ITEM_AT, point.name).properties.object_type == "AzureFileShareRecoveryPoint"
    item = backup.protected_items.get(*ITEM_AT).properties
    assert (item.last_backup_status, item.friendly_name) == ("Completed", "projects")
    listed = backup.backup_protected_items.list("recovery", "rg")
    assert [each.properties.friendly_name for each in listed] == ["projects"]


def test_a_share_is_restored_into_another(fake, backup, storage):
    start(fake, backup)
    fake.advance(300)
    [point] = backup.recovery_points.list(*ITEM_AT)
    fake.call("write", {"resource": SHARE})
    storage.file_shares.create("rg", "files", "new", {"properties": {}})
    body = copy.deepcopy(INTO_NEW)
    backup.restores.begin_trigger(*ITEM_AT, point.name, body).result()
    fake.advance(600)
    [done] = backup.backup_jobs.list("recovery", "rg", filter="operation eq 'Restore'")
    assert done.properties.status == "Completed"
    assert fake.resource(f"{ACCOUNT}/fileServices/default/shares/new")["hidden"]["content"] == "projects@0"
    body["properties"]["targetDetails"]["name"] = "nothing"
    with pytest.raises(ResourceNotFoundError):
        backup.restores.begin_trigger(*ITEM_AT, point.name, body)
    storage.file_shares.delete("rg", "files", "new")
    body["properties"]["targetDetails"]["name"] = "new"
    with pytest.raises(ResourceNotFoundError):
        backup.restores.begin_trigger(*ITEM_AT, point.name, body)
    del body["properties"]["copyOptions"]
    with pytest.raises(HttpResponseError, match="copyOptions"):
        backup.restores.begin_trigger(*ITEM_AT, point.name, body)


def test_a_vault_keeps_its_points_as_snapshots_of_the_share(fake, backup, storage, tmp_path):
    fake.reset(workspace(trees=str(tmp_path)))
    (tmp_path / "projects" / "a.txt").write_text("before")
    start(fake, backup)
    fake.advance(300)
    (tmp_path / "projects" / "a.txt").write_text("after")
    taken = [each.properties.metadata for each in storage.file_shares.list("rg", "files", expand="snapshots")
             if each.properties.snapshot_time]  # fmt: skip
    assert taken == [{"Initiator": "AzureBackup"}]
    [point] = backup.recovery_points.list(*ITEM_AT)
    storage.file_shares.create("rg", "files", "new", {"properties": {}})
    backup.restores.begin_trigger(*ITEM_AT, point.name, INTO_NEW).result()
    fake.advance(600)
    assert (tmp_path / "new" / "a.txt").read_text() == "before"


def test_a_job_is_cancelled(fake, backup):
    name = start(fake, backup)
    backup.job_cancellations.trigger("recovery", "rg", name)
    assert status(backup, name) == "Cancelling"
    fake.advance(60)
    assert status(backup, name) == "Cancelled"
    with pytest.raises(HttpResponseError) as error:
        backup.job_cancellations.trigger("recovery", "rg", name)
    assert code(error) == "BMSUserErrorJobNotInCancellableState"
    assert list(backup.recovery_points.list(*ITEM_AT)) == []


@pytest.mark.parametrize(("wins", "end"), [(True, "Completed"), (False, "Cancelled")])
def test_a_job_may_finish_while_it_is_cancelled(fake, backup, wins, end):
    fake.reset(workspace(clock={}, rules={"job.late_completion_wins": wins, "job.cancel_seconds": 600}))
    name = start(fake, backup)
    backup.job_cancellations.trigger("recovery", "rg", name)
    fake.advance(1000)
    assert status(backup, name) == end


def test_an_nfs_share_cannot_be_protected(fake):
    with pytest.raises(ValueError, match="NFS share"):
        items = [{"account": "files", "share": "exports"}]
        fake.reset(workspace(group={"recovery_vaults": [{"name": "r", "items": items}]}))


def test_jobs_and_points_are_found_by_their_time(fake, backup):
    start(fake, backup)
    fake.advance(300)
    day = "startTime eq '2026-01-05 12:00:00 AM' and endTime eq '2026-01-05 11:00:00 AM'"
    assert len(list(backup.backup_jobs.list("recovery", "rg", filter=day))) == 1
    assert list(backup.backup_jobs.list("recovery", "rg", filter=day.replace("05", "06"))) == []
    assert len(list(backup.recovery_points.list(*ITEM_AT, filter="startDate eq '2026-01-05 12:00:00 AM'"))) == 1
    assert list(backup.recovery_points.list(*ITEM_AT, filter="startDate eq '2026-01-06 12:00:00 AM'")) == []
    with pytest.raises(HttpResponseError, match="startTime"):
        list(backup.backup_jobs.list("recovery", "rg", filter="startTime eq '2026-01-05T00:00:00Z'"))


def test_a_filter_that_is_none_is_refused(fake, backup):
    with pytest.raises(HttpResponseError, match="no filter"):
        list(backup.backup_jobs.list("recovery", "rg", filter="colour eq 'red'"))
    assert SUBSCRIPTION in backup.protected_items.get(*ITEM_AT).id


def test_a_recovery_point_is_kept_as_long_as_its_request_says(fake, backup):
    def kept(request):
        backup.backups.trigger(*ITEM_AT, {"properties": {"objectType": "AzureFileShareBackupRequest", **request}})
        fake.advance(310)
        newest = next(iter(backup.recovery_points.list(*ITEM_AT))).properties
        return newest.recovery_point_properties.expiry_time[:10]

    assert kept({}) == "2026-02-04"
    assert kept({"recoveryPointExpiryTimeInUTC": "2026-01-06T00:00:00Z"}) == "2026-01-06"
    fake.advance(2 * 86400)
    fake.bearer.token = fake.token()
    assert len(list(backup.recovery_points.list(*ITEM_AT))) == 1


def test_a_job_says_what_its_request_was_called(fake, backup):
    asked = {"x-ms-client-request-id": "0f0f-stillpoint"}
    assert fake.send("POST", f"{ITEM}/backup?api-version=2026-10-01", BACKUP, asked)[0] == 202
    fake.advance(10)
    [shown] = backup.backup_jobs.list("recovery", "rg")
    assert shown.properties.activity_id == "0f0f-stillpoint"
