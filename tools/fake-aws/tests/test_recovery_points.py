"""Recovery points: lists, tags, deletion and what stands in its way; vaults; copies."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, FILES_ARN, OWN, ROLE, VOLUME_ARN, workspace

DAY = 86400


def code(error):
    return error.value.response["Error"]["Code"]


def status(backup, arn):
    return backup.describe_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)["Status"]


def delete(backup, arn):
    return backup.delete_recovery_point(BackupVaultName="Default", RecoveryPointArn=arn)


def test_a_point_is_creating_and_then_completed(fake, backup, start):
    start(FILES_ARN)
    fake.advance(70)
    [point] = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    assert point["Status"] == "CREATING"
    fake.advance(360)
    assert status(backup, point["RecoveryPointArn"]) == "COMPLETED"


def test_both_lists_lag_and_name_the_size_differently(fake, backup, start):
    start(FILES_ARN)
    fake.advance(64)
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"] == []
    assert backup.list_recovery_points_by_resource(ResourceArn=FILES_ARN)["RecoveryPoints"] == []
    fake.advance(400)
    [by_vault] = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    [by_resource] = backup.list_recovery_points_by_resource(ResourceArn=FILES_ARN)["RecoveryPoints"]
    assert by_vault["BackupSizeInBytes"] == by_resource["BackupSizeBytes"] == 36_000_000_000


def test_backup_keeps_tags_of_file_systems_points_only(fake, backup, point):
    files, volume = point(FILES_ARN), point(VOLUME_ARN)
    assert backup.list_tags(ResourceArn=files)["Tags"] == {"team": "ml", **OWN}
    with pytest.raises(ClientError) as error:
        backup.list_tags(ResourceArn=volume)
    assert code(error) == "InvalidParameterValueException"
    backup.tag_resource(ResourceArn=files, Tags={"more": "1"})
    backup.untag_resource(ResourceArn=files, TagKeyList=["team"])
    assert backup.list_tags(ResourceArn=files)["Tags"] == {"more": "1", **OWN}


def test_deletion_takes_a_while_and_takes_the_snapshot_with_it(fake, backup, point):
    arn = point()
    delete(backup, arn)
    assert status(backup, arn) == "DELETING"
    with pytest.raises(ClientError) as error:
        delete(backup, arn)
    assert code(error) == "InvalidResourceStateException"
    fake.advance(60)
    with pytest.raises(ClientError) as error:
        status(backup, arn)
    assert code(error) == "ResourceNotFoundException"
    assert fake.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


def test_deletion_without_the_role_says_200_and_leaves_the_point_expired(fake, backup, point):
    for change in ({"remove": True}, {"set": {"delete": False}}):
        fake.reset(workspace())
        arn = point()
        fake.call("set", {"role": ROLE, **change})
        answer = delete(backup, arn)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        fake.advance(3600)
        assert status(backup, arn) == "EXPIRED"


def test_a_locked_snapshot_expires_too(fake, backup, point):
    arn = point()
    fake.call("set", {"snapshot": arn.rpartition("/")[2], "set": {"locked": True}})
    delete(backup, arn)
    fake.advance(60)
    assert status(backup, arn) == "EXPIRED"


def test_a_point_cannot_be_deleted_while_it_is_made_or_read(fake, backup, start, point):
    start(FILES_ARN)
    fake.advance(70)
    [making] = backup.list_recovery_points_by_backup_vault(BackupVaultName="Default")["RecoveryPoints"]
    with pytest.raises(ClientError) as error:
        delete(backup, making["RecoveryPointArn"])
    assert code(error) == "InvalidResourceStateException"
    arn = point()
    backup.start_restore_job(RecoveryPointArn=arn, Metadata={"availabilityZone": "us-east-1a"}, IamRoleArn=ROLE)
    with pytest.raises(ClientError) as error:
        delete(backup, arn)
    assert code(error) == "InvalidResourceStateException"
    fake.advance(400)
    delete(backup, arn)


def test_a_locked_vault_keeps_a_point_to_the_end_of_its_retention(fake, backup, point):
    backup.put_backup_vault_lock_configuration(BackupVaultName="Default", MinRetentionDays=7, MaxRetentionDays=30)
    arn = point(Lifecycle={"DeleteAfterDays": 7})
    with pytest.raises(ClientError) as error:
        delete(backup, arn)
    assert code(error) == "InvalidRequestException"
    vault = backup.describe_backup_vault(BackupVaultName="Default")
    assert (vault["Locked"], vault["MinRetentionDays"], vault["MaxRetentionDays"]) == (True, 7, 30)
    assert "LockDate" not in vault
    with pytest.raises(ClientError):
        backup.update_recovery_point_lifecycle(
            BackupVaultName="Default", RecoveryPointArn=arn, Lifecycle={"DeleteAfterDays": 6}
        )
    fake.advance(7 * DAY)
    with pytest.raises(ClientError) as error:
        status(backup, arn)
    assert code(error) == "ResourceNotFoundException"


def test_the_code_of_a_locked_deletion_is_one_rule(fake, backup, point):
    fake.reset(workspace(rules={"delete.locked_error": "AccessDeniedException"}))
    backup.put_backup_vault_lock_configuration(BackupVaultName="Default")
    with pytest.raises(ClientError) as error:
        delete(backup, point())
    assert code(error) == "AccessDeniedException"


def test_a_compliance_lock_is_for_good_after_its_date(fake, backup):
    backup.put_backup_vault_lock_configuration(BackupVaultName="Default", ChangeableForDays=3)
    fake.advance(3 * DAY - 1)
    backup.delete_backup_vault_lock_configuration(BackupVaultName="Default")
    backup.put_backup_vault_lock_configuration(BackupVaultName="Default", ChangeableForDays=3)
    fake.advance(3 * DAY)
    with pytest.raises(ClientError) as error:
        backup.delete_backup_vault_lock_configuration(BackupVaultName="Default")
    assert code(error) == "InvalidRequestException"


def test_a_legal_hold_keeps_a_point_until_it_is_lifted(fake, backup, point):
    arn = point()
    hold = fake.call("set", {"hold": {"title": "case", "vaults": ["Default"]}})["id"]
    with pytest.raises(ClientError) as error:
        delete(backup, arn)
    assert code(error) == "InvalidRequestException"
    assert "active legal hold(s)" in str(error.value)
    assert [each["LegalHoldId"] for each in backup.list_legal_holds()["LegalHolds"]] == [hold]
    backup.cancel_legal_hold(LegalHoldId=hold, CancelDescription="over")
    delete(backup, arn)


def test_holds_are_made_over_the_api_too(fake, backup, point):
    made = backup.create_legal_hold(
        Title="case", Description="d", RecoveryPointSelection={"ResourceIdentifiers": [VOLUME_ARN]}
    )
    with pytest.raises(ClientError):
        delete(backup, point())
    assert backup.get_legal_hold(LegalHoldId=made["LegalHoldId"])["Status"] == "ACTIVE"


def test_a_vault_policy_may_refuse_deletion(fake, backup, point):
    arn = point()
    fake.call("set", {"vault": "Default", "set": {"deny_delete": True}})
    with pytest.raises(ClientError) as error:
        delete(backup, arn)
    assert code(error) == "AccessDeniedException"


def test_aws_deletes_what_has_outlived_its_retention(fake, backup, point):
    arn = point(Lifecycle={"DeleteAfterDays": 1})
    fake.advance(DAY)
    with pytest.raises(ClientError):
        status(backup, arn)


def test_a_longer_retention_and_a_hold_put_the_end_off(fake, backup, point):
    arn = point(Lifecycle={"DeleteAfterDays": 1})
    backup.update_recovery_point_lifecycle(
        BackupVaultName="Default", RecoveryPointArn=arn, Lifecycle={"DeleteAfterDays": 3}
    )
    fake.advance(2 * DAY)
    assert status(backup, arn) == "COMPLETED"
    fake.call("set", {"hold": {"resources": [VOLUME_ARN]}})
    fake.advance(2 * DAY)
    assert status(backup, arn) == "COMPLETED"
    other = point(FILES_ARN, Lifecycle={"DeleteAfterDays": 9})
    backup.update_recovery_point_lifecycle(
        BackupVaultName="Default", RecoveryPointArn=other, Lifecycle={"DeleteAfterDays": 1}
    )
    fake.advance(DAY)
    with pytest.raises(ClientError):
        status(backup, other)


def test_a_lock_ends_for_a_point_whose_retention_is_over(fake, backup, point):
    backup.put_backup_vault_lock_configuration(BackupVaultName="Default", MinRetentionDays=1)
    arn = point(Lifecycle={"DeleteAfterDays": 1})
    hold = fake.call("set", {"hold": {"vaults": ["Default"]}})["id"]
    fake.advance(2 * DAY)
    fake.call("set", {"hold": hold, "set": {"status": "CANCELED"}})
    delete(backup, arn)
    assert status(backup, arn) == "DELETING"


def test_ec2_does_not_delete_a_recovery_point(fake, point):
    snapshot = point().rpartition("/")[2]
    with pytest.raises(ClientError) as error:
        fake.client("ec2").delete_snapshot(SnapshotId=snapshot)
    assert code(error) == "InvalidParameterValue"


def test_a_vault_is_made_once_per_creator_request(backup):
    made = backup.create_backup_vault(BackupVaultName="ours", CreatorRequestId="r1")
    assert (
        backup.create_backup_vault(BackupVaultName="ours", CreatorRequestId="r1")["BackupVaultArn"]
        == (made["BackupVaultArn"])
    )
    with pytest.raises(ClientError) as error:
        backup.create_backup_vault(BackupVaultName="ours", CreatorRequestId="r2")
    assert code(error) == "AlreadyExistsException"
    assert error.value.response["Arn"] == made["BackupVaultArn"]
    assert error.value.response["CreatorRequestId"] == "r1"
    assert {vault["BackupVaultName"] for vault in backup.list_backup_vaults()["BackupVaultList"]} == {"Default", "ours"}
    backup.delete_backup_vault(BackupVaultName="ours")


def test_a_vault_with_points_is_not_deleted(backup, point):
    point()
    with pytest.raises(ClientError) as error:
        backup.delete_backup_vault(BackupVaultName="Default")
    assert code(error) == "InvalidRequestException"


def test_protected_resources_are_those_with_a_point(backup, point):
    with pytest.raises(ClientError):
        backup.describe_protected_resource(ResourceArn=VOLUME_ARN)
    arn = point()
    assert backup.describe_protected_resource(ResourceArn=VOLUME_ARN)["LastRecoveryPointArn"] == arn
    assert [each["ResourceArn"] for each in backup.list_protected_resources()["Results"]] == [VOLUME_ARN]


@pytest.fixture
def two(fake):
    """A second region of the same account, and a second account."""
    fake.reset(workspace(
        regions={"eu-west-1": {"vaults": {"far": {}}}},
        accounts={"444455556666": {"keys": {"other": {}}, "regions": {"us-east-1": {"vaults": {"theirs": {}}}}}},
    ))  # fmt: skip


@pytest.mark.parametrize("resource", [VOLUME_ARN, FILES_ARN])
def test_a_copy_arrives_in_another_region_with_its_tags(fake, two, backup, point, resource):
    arn = point(resource)
    job = backup.start_copy_job(
        RecoveryPointArn=arn, SourceBackupVaultName="Default", IamRoleArn=ROLE, IdempotencyToken="c1",
        DestinationBackupVaultArn=f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:far",
    )["CopyJobId"]  # fmt: skip
    fake.advance(10)
    assert backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"] == "CREATED"
    fake.advance(50)
    assert backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"] == "RUNNING"
    fake.advance(400)
    done = backup.list_copy_jobs(BySourceRecoveryPointArn=arn)["CopyJobs"][0]
    assert (done["State"], done["MessageCategory"]) == ("COMPLETED", "SUCCESS")
    there = done["DestinationRecoveryPointArn"]
    far = fake.client("backup", region="eu-west-1")
    assert far.describe_recovery_point(BackupVaultName="far", RecoveryPointArn=there)["ResourceArn"] == resource
    if resource == VOLUME_ARN:
        [snapshot] = fake.client("ec2", region="eu-west-1").describe_snapshots(OwnerIds=["self"])["Snapshots"]
        assert snapshot["VolumeId"] == "vol-ffffffff"
        assert {"Key": "wsb:op", "Value": OWN["wsb:op"]} in snapshot["Tags"]
    else:
        assert far.list_tags(ResourceArn=there)["Tags"]["wsb:op"] == OWN["wsb:op"]


def test_a_copy_to_another_account_arrives_and_one_to_nowhere_fails(fake, two, backup, point):
    arn = point()
    given = {"RecoveryPointArn": arn, "SourceBackupVaultName": "Default", "IamRoleArn": ROLE}
    vault = "arn:aws:backup:us-east-1:444455556666:backup-vault"
    jobs = [backup.start_copy_job(**given, DestinationBackupVaultArn=f"{vault}:{name}")["CopyJobId"]
            for name in ("theirs", "nothing")]  # fmt: skip
    fake.advance(2000)
    states = [backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"] for job in jobs]
    assert states == ["COMPLETED", "FAILED"]
    theirs = fake.client("backup", key="other")
    assert len(theirs.list_recovery_points_by_backup_vault(BackupVaultName="theirs")["RecoveryPoints"]) == 1


def test_a_copy_takes_the_resources_one_place(fake, two, backup, start, point):
    arn = point(FILES_ARN)
    vault = f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:far"
    backup.start_copy_job(
        RecoveryPointArn=arn, SourceBackupVaultName="Default", IamRoleArn=ROLE, DestinationBackupVaultArn=vault
    )
    fake.advance(60)
    job = start(FILES_ARN)
    fake.advance(60)
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "CREATED"
    fake.advance(600)
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "COMPLETED"


@pytest.mark.parametrize("mended", [True, False])
def test_a_copy_that_cannot_start_tries_for_a_while(fake, backup, point, mended):
    fake.reset(workspace(rules={"copy.retry_for_seconds": 7200}, regions={"eu-west-1": {"vaults": {"far": {}}}}))
    arn = point()
    fake.call("set", {"role": ROLE, "set": {"backup": False}})
    vault = f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:far"
    job = backup.start_copy_job(
        RecoveryPointArn=arn, SourceBackupVaultName="Default", IamRoleArn=ROLE, DestinationBackupVaultArn=vault
    )["CopyJobId"]

    def state():
        return backup.describe_copy_job(CopyJobId=job)["CopyJob"]["State"]

    fake.advance(7000)
    assert state() == "CREATED"
    if mended:
        fake.call("set", {"role": ROLE, "set": {"backup": True}})
    fake.advance(1200)
    assert state() == ("COMPLETED" if mended else "FAILED")
