"""Restores: metadata, what appears when, and the garbage collector."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError
from conftest import FILES, FILES_ARN, OWN, ROLE, VOLUME_ARN, workspace

EFS = {"newFileSystem": "true", "file-system-id": FILES, "Encrypted": "true", "PerformanceMode": "generalPurpose",
       "CreationToken": "op-1"}  # fmt: skip
EBS = {"availabilityZone": "us-east-1b"}


def code(error):
    return error.value.response["Error"]["Code"]


def restore(backup, arn, metadata, **more):
    answer = backup.start_restore_job(RecoveryPointArn=arn, Metadata=metadata, IamRoleArn=ROLE, **more)
    return answer["RestoreJobId"]


def job(backup, job_id):
    return backup.describe_restore_job(RestoreJobId=job_id)


def test_a_volume_appears_before_its_name_does(fake, backup, point):
    arn = point()
    started = restore(backup, arn, EBS)
    assert job(backup, started)["Status"] == "PENDING"
    fake.advance(60)
    running = job(backup, started)
    assert running["Status"] == "RUNNING"
    assert "CreatedResourceArn" not in running
    snapshot = arn.rpartition("/")[2]
    [volume] = fake.client("ec2").describe_volumes(Filters=[{"Name": "snapshot-id", "Values": [snapshot]}])["Volumes"]
    assert volume["State"] == "creating"
    assert "Tags" not in volume
    fake.advance(300)
    done = job(backup, started)
    assert done["Status"] == "COMPLETED"
    assert done["CreatedResourceArn"].endswith(volume["VolumeId"])
    [volume] = fake.client("ec2").describe_volumes(VolumeIds=[volume["VolumeId"]])["Volumes"]
    assert (volume["State"], volume["AvailabilityZone"], volume["Size"]) == ("available", "us-east-1b", 10)


def test_by_the_other_rule_the_name_comes_with_running(fake, backup, point):
    fake.reset(workspace(rules={"restore.created_arn_from": "RUNNING"}))
    started = restore(backup, point(), EBS)
    fake.advance(60)
    assert "CreatedResourceArn" in job(backup, started)


@pytest.mark.parametrize("metadata", [{"encrypted": "true"}, {"availabilityZone": "eu-west-1a"}])
def test_a_volume_without_a_zone_of_the_region_fails(fake, backup, point, metadata):
    started = restore(backup, point(), metadata)
    fake.advance(60)
    assert job(backup, started)["Status"] == "RUNNING"
    fake.advance(120)
    assert job(backup, started)["Status"] == "FAILED"


def test_what_aws_proposes_has_no_zone(backup, point):
    volume = backup.get_recovery_point_restore_metadata(BackupVaultName="Default", RecoveryPointArn=point())
    assert "availabilityZone" not in volume["RestoreMetadata"]
    files = backup.get_recovery_point_restore_metadata(BackupVaultName="Default", RecoveryPointArn=point(FILES_ARN))
    assert files["RestoreMetadata"]["newFileSystem"] == "false"


@pytest.mark.parametrize(("form", "pattern"), [
    ("ns", r"^aws-backup-restore_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{9}Z$"),
    ("ms", r"^aws-backup-restore_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$"),
])  # fmt: skip
def test_a_file_system_is_restored_below_a_directory_without_mount_targets(fake, backup, point, form, pattern):
    fake.reset(workspace(rules={"restore.efs_directory": form}))
    started = restore(backup, point(FILES_ARN), EFS)
    fake.advance(60)
    [made] = fake.client("efs").describe_file_systems(CreationToken="op-1")["FileSystems"]
    assert made["LifeCycleState"] == "creating"
    fake.advance(720)
    done = job(backup, started)
    assert done["Status"] == "COMPLETED"
    assert done["CreatedResourceArn"].endswith(made["FileSystemId"])
    [made] = fake.client("efs").describe_file_systems(CreationToken="op-1")["FileSystems"]
    assert (made["NumberOfMountTargets"], made["Tags"], made["SizeInBytes"]["Value"]) == (0, [], 36_000_000_000)
    [entry] = fake.region()["file_systems"][made["FileSystemId"]]["entries"]
    assert re.match(pattern, entry)


@pytest.mark.parametrize("missing", ["CreationToken", "file-system-id", "PerformanceMode", "Encrypted"])
def test_a_file_system_without_needed_metadata_is_accepted_and_fails_later(fake, backup, point, missing):
    started = restore(backup, point(FILES_ARN), {key: value for key, value in EFS.items() if key != missing})
    fake.advance(60)
    assert job(backup, started)["Status"] == "RUNNING"
    fake.advance(119)
    assert job(backup, started)["Status"] == "RUNNING"
    fake.advance(1)
    failed = job(backup, started)
    assert failed["Status"] == "FAILED"
    assert missing.lower() in failed["StatusMessage"].lower()


def test_a_rule_says_whether_the_old_id_is_needed(fake, backup, point):
    fake.reset(workspace(rules={"restore.efs_needs_file_system_id": False}))
    started = restore(backup, point(FILES_ARN), {key: EFS[key] for key in EFS if key != "file-system-id"})
    fake.advance(2000)
    assert job(backup, started)["Status"] == "COMPLETED"


def test_unknown_metadata_is_refused_and_burns_its_token(fake, backup, point):
    arn = point()
    with pytest.raises(ClientError) as error:
        restore(backup, arn, {**EBS, "InformationalOnly:Path": "/"}, IdempotencyToken="t1")
    assert code(error) == "InvalidParameterValueException"
    with pytest.raises(ClientError) as error:
        restore(backup, arn, EBS, IdempotencyToken="t1")
    assert code(error) == "InvalidParameterValueException"
    assert restore(backup, arn, EBS, IdempotencyToken="t2")
    fake.advance(3600)
    assert restore(backup, arn, EBS, IdempotencyToken="t1")


def test_a_burned_token_stays_burned_where_other_parameters_would_be_let_pass(fake, backup, point):
    fake.reset(workspace(rules={"token.changed_parameters": "replay"}))
    arn = point()
    for metadata in ({**EBS, "cluster_id": "x"}, EBS, EBS):
        with pytest.raises(ClientError) as error:
            restore(backup, arn, metadata, IdempotencyToken="t1")
        assert "cluster_id" in str(error.value)


def test_by_the_other_rule_a_refusal_leaves_the_token(fake, backup, point):
    fake.reset(workspace(rules={"token.burned_by_rejected_restore": False}))
    arn = point()
    with pytest.raises(ClientError):
        restore(backup, arn, {**EBS, "cluster_id": "x"}, IdempotencyToken="t1")
    assert restore(backup, arn, EBS, IdempotencyToken="t1")


def test_a_restore_job_tells_what_it_was_given(fake, backup, point):
    arn = point()
    metadata = {**EBS, "aws:backup:request-id": OWN["wsb:op"]}
    started = restore(backup, arn, metadata)
    assert backup.get_restore_job_metadata(RestoreJobId=started)["Metadata"] == metadata
    fake.reset(workspace(rules={"restore.request_id_round_trip": False}))
    started = restore(backup, point(), metadata)
    assert backup.get_restore_job_metadata(RestoreJobId=started)["Metadata"] == EBS


def test_restores_are_listed_by_resource(fake, backup, point):
    started = restore(backup, point(), EBS)
    assert backup.list_restore_jobs()["RestoreJobs"] == []
    fake.advance(5)
    [listed] = backup.list_restore_jobs_by_protected_resource(ResourceArn=VOLUME_ARN)["RestoreJobs"]
    assert listed["RestoreJobId"] == started
    assert backup.list_restore_jobs_by_protected_resource(ResourceArn=FILES_ARN)["RestoreJobs"] == []
    assert len(backup.list_restore_jobs(ByStatus="PENDING", ByResourceType="EBS")["RestoreJobs"]) == 1


def test_tags_come_along_when_asked_for_but_late(fake, backup, point):
    started = restore(backup, point(), EBS, CopySourceTagsToRestoredResource=True)
    fake.advance(359)
    snapshot = job(backup, started)["RecoveryPointArn"].rpartition("/")[2]
    mine = [{"Name": "snapshot-id", "Values": [snapshot]}]
    [volume] = fake.client("ec2").describe_volumes(Filters=mine)["Volumes"]
    assert "Tags" not in volume
    fake.advance(1)
    [volume] = fake.client("ec2").describe_volumes(Filters=mine)["Volumes"]
    assert {"Key": "team", "Value": "ml"} in volume["Tags"]


def test_the_garbage_collector_takes_what_nobody_tagged(fake, backup, point):
    fake.reset(workspace(garbage_collector={"after_seconds": 120, "every_seconds": 10, "keep_tag": "keep"}))
    arn = point()
    started = restore(backup, arn, EBS)
    fake.advance(400)
    failed = job(backup, started)
    assert failed["Status"] == "FAILED"
    started = restore(backup, arn, EBS)
    fake.advance(61)
    snapshot = arn.rpartition("/")[2]
    [volume] = fake.client("ec2").describe_volumes(Filters=[{"Name": "snapshot-id", "Values": [snapshot]}])["Volumes"]
    fake.client("ec2").create_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": "keep", "Value": "yes"}])
    fake.advance(10_000)
    assert job(backup, started)["Status"] == "COMPLETED"
    assert fake.client("ec2").describe_volumes(VolumeIds=[volume["VolumeId"]])["Volumes"]
    assert any(event["what"] == "garbage collected" for event in fake.call("events"))


def test_the_garbage_collector_spares_what_was_there_before(fake):
    fake.reset(workspace(garbage_collector={"after_seconds": 1}))
    fake.advance(10_000)
    assert len(fake.client("ec2").describe_volumes()["Volumes"]) == 1


def test_a_restore_may_be_made_to_fail(fake, backup, point):
    fake.inject("RestoreJob", {"kind": "outcome", "state": "FAILED", "message": "no capacity"})
    started = restore(backup, point(), EBS)
    fake.advance(400)
    done = job(backup, started)
    assert (done["Status"], done["StatusMessage"]) == ("FAILED", "no capacity")


def test_real_files_go_through_backup_and_restore(fake, backup, start, tmp_path):
    fake.reset(workspace(trees=str(tmp_path)))
    home = tmp_path / FILES
    (home / "project").mkdir()
    for number in range(20):
        (home / "project" / f"file{number}").write_text("before")
    started = start(FILES_ARN)
    fake.advance(60)
    for number in range(20):
        (home / "project" / f"file{number}").write_text("after")
    fake.advance(7200)
    arn = backup.describe_backup_job(BackupJobId=started)["RecoveryPointArn"]
    restored = restore(backup, arn, {**EFS, "ItemsToRestore": json.dumps(["/project"])})
    fake.advance(7200)
    made = job(backup, restored)["CreatedResourceArn"].rpartition("/")[2]
    [landing] = (tmp_path / made).iterdir()
    assert landing.name.startswith("aws-backup-restore_")
    files = sorted((landing / "project").iterdir())
    assert len(files) == 20
    assert {path.read_text() for path in files} == {"before", "after"}


@pytest.mark.parametrize(("resource", "metadata"), [(VOLUME_ARN, EBS), (FILES_ARN, EFS)])
def test_a_failed_restore_leaves_a_file_system_that_says_so_but_no_volume(fake, backup, point, resource, metadata):
    arn = point(resource)
    fake.inject("RestoreJob", {"kind": "outcome", "state": "FAILED"})
    started = restore(backup, arn, metadata)
    fake.advance(7200)
    failed = job(backup, started)
    assert failed["Status"] == "FAILED"
    assert "CreatedResourceArn" not in failed
    assert len(fake.client("ec2").describe_volumes()["Volumes"]) == 1
    if resource == FILES_ARN:
        [left] = fake.client("efs").describe_file_systems(CreationToken="op-1")["FileSystems"]
        [entry] = fake.region()["file_systems"][left["FileSystemId"]]["entries"]
        assert entry.startswith("aws-backup-failed-restore_")


def test_stray_fragments_may_lie_beside_the_restored_directory(fake, backup, point, tmp_path):
    fake.reset(workspace(rules={"restore.efs_lost_and_found": True}, trees=str(tmp_path)))
    started = restore(backup, point(FILES_ARN), EFS)
    fake.advance(7200)
    made = job(backup, started)["CreatedResourceArn"].rpartition("/")[2]
    names = sorted(path.name for path in (tmp_path / made).iterdir())
    assert names[0] == "aws-backup-lost+found"
    assert names[1].startswith("aws-backup-restore_")


def test_a_restore_under_a_disabled_key_fails(fake, backup, point):
    fake.reset(workspace(region={"keys": {"k-1": {"state": "Disabled"}}}))
    key = "arn:aws:kms:us-east-1:111122223333:key/k-1"
    started = restore(backup, point(), {**EBS, "encrypted": "true", "kmsKeyId": key})
    fake.advance(200)
    assert "KMS" in job(backup, started)["StatusMessage"]


@pytest.mark.parametrize(("resource", "metadata", "more", "seconds"), [
    (FILES_ARN, EFS, {}, 14_400),
    (VOLUME_ARN, EBS, {"OptInToArchiveForSupportedResources": True}, 259_200),
    (VOLUME_ARN, EBS, {}, 0),
])  # fmt: skip
def test_what_lies_in_cold_storage_takes_longer(fake, backup, point, resource, metadata, more, seconds):
    arn = point(resource, Lifecycle={"MoveToColdStorageAfterDays": 10, "DeleteAfterDays": 200, **more})

    def told():
        return backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)["StorageClass"]

    def took(token):
        started = restore(backup, arn, {**metadata, "CreationToken": token} if metadata is EFS else metadata)
        before = fake.call("now")["now"]
        fake.advance(600_000)
        return (job(backup, started)["CompletionDate"].timestamp() - before, job(backup, started)["Status"])

    fake.advance(10 * 86_400 - 600_000 - 7300)
    warm, status = took("warm")
    assert (told(), status) == ("WARM", "COMPLETED")
    fake.advance(7300)
    cold, status = took("cold")
    assert (told(), status) == ("COLD" if seconds else "WARM", "COMPLETED")
    assert cold - warm == seconds
