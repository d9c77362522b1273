"""Backup jobs: states, windows, one job per resource, tokens, increments."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import FILES, FILES_ARN, OWN, ROLE, VOLUME, VOLUME_ARN, workspace

BUSY = "Backup job failed because there was a running job for the same resource."


def state(backup, job):
    return backup.describe_backup_job(BackupJobId=job)["State"]


def code(error):
    return error.value.response["Error"]["Code"]


def test_a_job_goes_from_created_over_running_to_completed(fake, backup, start):
    job = start()
    assert state(backup, job) == "CREATED"
    fake.advance(60)
    running = backup.describe_backup_job(BackupJobId=job)
    assert running["State"] == "RUNNING"
    assert isinstance(running["PercentDone"], str)
    assert "MessageCategory" not in running
    fake.advance(300)
    done = backup.describe_backup_job(BackupJobId=job)
    assert (done["State"], done["MessageCategory"]) == ("COMPLETED", "SUCCESS")
    assert done["BackupSizeInBytes"] == 10 << 30


def test_only_a_file_systems_point_is_named_at_once(fake, backup, start):
    given = {"BackupVaultName": "Default", "IamRoleArn": ROLE}
    files = backup.start_backup_job(ResourceArn=FILES_ARN, **given)
    assert files["RecoveryPointArn"].startswith("arn:aws:backup:us-east-1:111122223333:recovery-point:")
    volume = backup.start_backup_job(ResourceArn=VOLUME_ARN, **given)
    assert "RecoveryPointArn" not in volume
    assert "RecoveryPointArn" not in backup.describe_backup_job(BackupJobId=volume["BackupJobId"])
    fake.advance(60)
    named = backup.describe_backup_job(BackupJobId=volume["BackupJobId"])["RecoveryPointArn"]
    assert named.startswith("arn:aws:ec2:us-east-1::snapshot/snap-")


def test_a_second_job_waits_and_starts_when_the_first_has_ended(fake, backup, start):
    first, second = start(), start()
    fake.advance(60)
    assert (state(backup, first), state(backup, second)) == ("RUNNING", "CREATED")
    fake.advance(300)
    assert (state(backup, first), state(backup, second)) == ("COMPLETED", "RUNNING")


def test_a_second_job_expires_when_its_start_window_closes(fake, backup, start):
    fake.reset(workspace(rules={"backup.ebs_seconds": 20_000}))
    fake.call("foreign-job", {"resource": VOLUME_ARN})
    fake.advance(60)
    job = start(StartWindowMinutes=60)
    fake.advance(3599)
    assert state(backup, job) == "CREATED"
    fake.advance(1)
    done = backup.describe_backup_job(BackupJobId=job)
    assert (done["State"], done["StatusMessage"]) == ("EXPIRED", BUSY)


def test_by_the_other_answer_a_second_job_is_refused_outright(fake, start):
    fake.reset(workspace(rules={"backup.second_job": "reject"}))
    start()
    fake.advance(60)
    with pytest.raises(ClientError) as error:
        start()
    assert code(error) == "LimitExceededException"


def test_a_start_window_under_an_hour_is_refused(start):
    with pytest.raises(ClientError) as error:
        start(StartWindowMinutes=59)
    assert code(error) == "InvalidParameterValueException"


def test_the_same_token_gives_the_same_job_until_it_is_forgotten(fake, start):
    first = start(IdempotencyToken="t1")
    assert start(IdempotencyToken="t1") == first
    assert start(IdempotencyToken="t2") != first
    fake.advance(3599)
    assert start(IdempotencyToken="t1") == first
    fake.advance(1)
    assert start(IdempotencyToken="t1") != first


def test_a_token_with_other_parameters_is_refused(start):
    start(IdempotencyToken="t1")
    with pytest.raises(ClientError) as error:
        start(FILES_ARN, IdempotencyToken="t1")
    assert code(error) == "InvalidParameterValueException"


def test_a_refused_backup_leaves_its_token_unless_the_rule_says_otherwise(fake, start):
    for burns in (False, True):
        fake.reset(workspace(rules={"token.burned_by_rejected_backup": burns}))
        with pytest.raises(ClientError):
            start(StartWindowMinutes=1, IdempotencyToken="t1")
        if burns:
            with pytest.raises(ClientError):
                start(IdempotencyToken="t1")
        else:
            assert start(IdempotencyToken="t1")


def test_a_file_systems_second_backup_takes_what_changed_only(fake, backup, start):
    first = start(FILES_ARN)
    fake.advance(60 + 359)
    assert state(backup, first) == "RUNNING"
    fake.advance(1)
    assert backup.describe_backup_job(BackupJobId=first)["BackupSizeInBytes"] == 36_000_000_000
    fake.call("write", {"file_system": FILES, "bytes": 20_000_000_000, "files": 10})
    second = start(FILES_ARN)
    fake.advance(60 + 199)
    assert state(backup, second) == "RUNNING"
    fake.advance(1)
    assert backup.describe_backup_job(BackupJobId=second)["BackupSizeInBytes"] == 20_000_000_000


def test_many_small_files_take_their_time(fake, backup, start):
    fake.reset(workspace(region={"file_systems": [{"id": FILES, "bytes": 1000, "files": 500_000}]}))
    job = start(FILES_ARN)
    fake.advance(60 + 999)
    assert state(backup, job) == "RUNNING"
    fake.advance(1)
    assert state(backup, job) == "COMPLETED"


def test_the_completion_window_aborts_and_the_next_backup_resumes(fake, backup, start):
    systems = [{"id": FILES, "bytes": 600_000_000_000, "files": 1000}]
    fake.reset(workspace(region={"file_systems": systems}))
    job = start(FILES_ARN, CompleteWindowMinutes=51)
    fake.advance(51 * 60 - 1)
    assert state(backup, job) == "RUNNING"
    fake.advance(1)
    done = backup.describe_backup_job(BackupJobId=job)
    assert done["State"] == "ABORTED"
    assert done["BytesTransferred"] == 300_000_000_000
    again = start(FILES_ARN)
    fake.advance(60 + 2999)
    assert state(backup, again) == "RUNNING"
    fake.advance(1)
    done = backup.describe_backup_job(BackupJobId=again)
    assert (done["State"], done["BackupSizeInBytes"]) == ("COMPLETED", 300_000_000_000)
    fake.call("write", {"file_system": FILES, "bytes": 1_000_000_000})
    third = start(FILES_ARN)
    fake.advance(400)
    assert backup.describe_backup_job(BackupJobId=third)["BackupSizeInBytes"] == 1_000_000_000


def test_a_stopped_job_is_aborting_and_then_aborted(fake, backup, start):
    job = start(FILES_ARN)
    fake.advance(70)
    backup.stop_backup_job(BackupJobId=job)
    assert state(backup, job) == "ABORTING"
    fake.advance(119)
    assert state(backup, job) == "ABORTING"
    fake.advance(1)
    done = backup.describe_backup_job(BackupJobId=job)
    assert (done["State"], done["StatusMessage"]) == ("ABORTED", "Backup job was stopped by user.")
    with pytest.raises(ClientError) as error:
        backup.stop_backup_job(BackupJobId=job)
    assert code(error) == "InvalidRequestException"


def test_a_stop_just_before_the_end_comes_too_late(fake, backup, start):
    for wins, expected in ((True, "COMPLETED"), (False, "ABORTED")):
        fake.reset(workspace(rules={"backup.late_completion_wins": wins}))
        job = start()
        fake.advance(60 + 290)
        backup.stop_backup_job(BackupJobId=job)
        fake.advance(120)
        assert state(backup, job) == expected


def test_an_aborted_file_system_job_may_leave_a_partial_point(fake, backup, start):
    for leaves, expected in (("none", []), ("PARTIAL", ["PARTIAL"])):
        fake.reset(workspace(rules={"backup.aborted_leaves": leaves}))
        job = start(FILES_ARN)
        fake.advance(70)
        backup.stop_backup_job(BackupJobId=job)
        fake.advance(200)
        points = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
        assert [point["Status"] for point in points] == expected


def test_a_job_goes_on_when_its_client_is_gone(fake, backup):
    fake.inject("StartBackupJob", {"kind": "cut", "when": "after"})
    with pytest.raises(Exception, match=r"(?i)connection|aborted|reset"):
        backup.start_backup_job(BackupVaultName="Default", ResourceArn=VOLUME_ARN, IamRoleArn=ROLE)
    fake.advance(400)
    jobs = backup.list_backup_jobs(ByResourceArn=VOLUME_ARN)["BackupJobs"]
    assert [job["State"] for job in jobs] == ["COMPLETED"]


def test_own_tags_win_over_the_resources(fake, backup, start):
    start()
    fake.advance(60)
    [snapshot] = fake.client("ec2").describe_snapshots(Filters=[{"Name": "tag:wsb:op", "Values": [OWN["wsb:op"]]}])[
        "Snapshots"
    ]
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert tags["team"] == "ml"
    assert tags["wsb:backup"] == OWN["wsb:backup"]
    assert snapshot["VolumeId"] == VOLUME


def test_tags_of_a_snapshot_may_come_late(fake, backup, start):
    fake.reset(workspace(rules={"backup.ebs_tags_from": "COMPLETED"}))
    start()
    fake.advance(60)
    own = [{"Name": "tag:wsb:op", "Values": [OWN["wsb:op"]]}]
    assert fake.client("ec2").describe_snapshots(Filters=own)["Snapshots"] == []
    fake.advance(300)
    assert len(fake.client("ec2").describe_snapshots(Filters=own)["Snapshots"]) == 1


def test_more_than_fifty_tags_are_refused(start):
    with pytest.raises(ClientError) as error:
        start(RecoveryPointTags={f"k{number}": "v" for number in range(49)})
    assert code(error) == "InvalidParameterValueException"


def test_lists_lag_and_forget(fake, backup, start):
    job = start()
    assert backup.list_backup_jobs()["BackupJobs"] == []
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "CREATED"
    fake.advance(5)
    assert [each["BackupJobId"] for each in backup.list_backup_jobs()["BackupJobs"]] == [job]
    fake.advance(30 * 86400 - 5)
    assert len(backup.list_backup_jobs()["BackupJobs"]) == 1
    fake.advance(1)
    assert backup.list_backup_jobs()["BackupJobs"] == []
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "COMPLETED"


def test_lists_are_filtered_and_paged(fake, backup, start):
    jobs = []
    for number in range(3):
        jobs.append(start(FILES_ARN if number == 2 else VOLUME_ARN))
        fake.advance(400)
    created = backup.describe_backup_job(BackupJobId=jobs[1])["CreationDate"]
    later = backup.list_backup_jobs(ByCreatedAfter=created)["BackupJobs"]
    assert [each["BackupJobId"] for each in later] == [jobs[2], jobs[1]]
    assert len(backup.list_backup_jobs(ByResourceType="EFS")["BackupJobs"]) == 1
    assert len(backup.list_backup_jobs(ByState="COMPLETED")["BackupJobs"]) == 2
    pages = list(backup.get_paginator("list_backup_jobs").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["BackupJobs"]) for page in pages] == [2, 1]


def test_a_foreign_job_shows_whose_it_is(fake, backup):
    job = fake.call("foreign-job", {"resource": VOLUME_ARN})["BackupJobId"]
    assert backup.describe_backup_job(BackupJobId=job)["CreatedBy"]["BackupPlanId"] == "plan-1"


def test_retention_outside_of_the_lock_fails_the_job_later(fake, backup, start):
    vaults = {"Default": {"locked": True, "min_retention": 7, "max_retention": 30}}
    fake.reset(workspace(region={"vaults": vaults}))
    for days in (6, 31, None):
        lifecycle = {"DeleteAfterDays": days} if days else {"DeleteAfterDays": -1}
        job = start(Lifecycle=lifecycle)
        assert state(backup, job) == "CREATED"
        fake.advance(60)
        done = backup.describe_backup_job(BackupJobId=job)
        assert (done["State"], done["MessageCategory"]) == ("FAILED", "InvalidParameters")
    job = start(Lifecycle={"DeleteAfterDays": 7})
    fake.advance(60)
    assert state(backup, job) == "RUNNING"


def test_cold_storage_needs_ninety_days(start):
    with pytest.raises(ClientError) as error:
        start(Lifecycle={"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 119})
    assert code(error) == "InvalidParameterValueException"


def test_what_is_not_opted_in_is_refused(fake, backup, start):
    fake.call("set", {"opt_in": {"EFS": False}})
    assert backup.describe_region_settings()["ResourceTypeOptInPreference"]["EFS"] is False
    with pytest.raises(ClientError) as error:
        start(FILES_ARN)
    assert code(error) == "InvalidRequestException"


def test_without_its_role_a_job_fails_later_or_is_refused(fake, backup, start):
    job = start(IamRoleArn="arn:aws:iam::111122223333:role/Nobody")
    fake.advance(60)
    done = backup.describe_backup_job(BackupJobId=job)
    assert (done["State"], done["MessageCategory"]) == ("FAILED", "AccessDenied")
    fake.reset(workspace(rules={"backup.role_missing": "refuse"}))
    with pytest.raises(ClientError) as error:
        start(IamRoleArn="arn:aws:iam::111122223333:role/Nobody")
    assert code(error) == "InvalidParameterValueException"


def test_jobs_end_as_planned(fake, backup, start):
    for outcome in (
        {"state": "FAILED", "message": "disk on fire", "category": "InternalError"},
        {"state": "PARTIAL", "message": "some"},
        {"state": "COMPLETED", "message": "with issues", "category": "Issues"},
    ):
        fake.reset(workspace())
        fake.inject("BackupJob", {"kind": "outcome", **outcome})
        job = start()
        fake.advance(400)
        done = backup.describe_backup_job(BackupJobId=job)
        assert (done["State"], done["StatusMessage"]) == (outcome["state"], outcome["message"])
        if "category" in outcome:
            assert done["MessageCategory"] == outcome["category"]


def test_a_job_whose_key_cannot_be_used_fails(fake, backup, start):
    key = "arn:aws:kms:us-east-1:111122223333:key/k-1"
    for state_of_key, expected in (("Enabled", "RUNNING"), ("Disabled", "FAILED"), ("PendingDeletion", "FAILED")):
        volumes = [{"id": VOLUME, "encrypted": True, "kms_key": key}]
        region = {"keys": {"k-1": {"state": state_of_key}}, "vaults": {"Default": {"key": key}}, "volumes": volumes}
        fake.reset(workspace(region=region))
        jobs = [start(VOLUME_ARN), start(FILES_ARN)]
        fake.advance(60)
        assert [state(backup, job) for job in jobs] == [expected] * 2
