"""Planned failures, as clients meet them."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from conftest import FILES_ARN, ROLE, VOLUME_ARN, workspace

GIVEN = {"BackupVaultName": "Default", "ResourceArn": VOLUME_ARN, "IamRoleArn": ROLE}


def code(error):
    return error.value.response["Error"]["Code"]


def jobs(fake):
    return list(fake.region()["backups"])


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_cut_connection_leaves_the_job_made_or_not(fake, backup, when, made):
    fake.inject("StartBackupJob", {"kind": "cut", "when": when})
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        backup.start_backup_job(**GIVEN, IdempotencyToken="t1")
    assert len(jobs(fake)) == made
    again = backup.start_backup_job(**GIVEN, IdempotencyToken="t1")["BackupJobId"]
    assert jobs(fake) == [again]
    first = fake.call("journal")[0]
    assert first["cut"] is True
    assert first["outcome"] == ("ok" if made else "unanswered")


@pytest.mark.parametrize(("committed", "made"), [(False, 0), (True, 1)])
def test_a_bare_503_may_hide_a_job(fake, backup, committed, made):
    fake.inject("backup:StartBackupJob", {"kind": "http", "status": 503, "committed": committed})
    with pytest.raises(ClientError) as error:
        backup.start_backup_job(**GIVEN)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert len(jobs(fake)) == made


def test_a_throttling_burst_has_an_end(fake, backup):
    fake.inject("ListBackupJobs", {"kind": "error", "code": "ThrottlingException", "message": "Rate exceeded"}, count=3)
    for _ in range(3):
        with pytest.raises(ClientError) as error:
            backup.list_backup_jobs()
        assert code(error) == "ThrottlingException"
    assert backup.list_backup_jobs()["BackupJobs"] == []


def test_a_quota_is_reported_as_aws_does_and_retried_by_the_sdk_as_throttling(fake):
    fake.inject("StartBackupJob", {"kind": "error", "code": "LimitExceededException"}, count=10)
    eager = fake.client("backup", attempts=3)
    with pytest.raises(ClientError) as error:
        eager.start_backup_job(**GIVEN, IdempotencyToken="t1")
    assert code(error) == "LimitExceededException"
    tokens = [entry["params"]["IdempotencyToken"] for entry in fake.call("journal")]
    assert tokens == ["t1"] * 3


def test_the_nth_call_fails_and_no_other(fake, backup):
    fake.inject("DescribeBackupVault", {"kind": "error", "code": "ServiceUnavailableException"}, nth=2)
    backup.describe_backup_vault(BackupVaultName="Default")
    with pytest.raises(ClientError) as error:
        backup.describe_backup_vault(BackupVaultName="Default")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    backup.describe_backup_vault(BackupVaultName="Default")


def test_a_fault_may_be_for_some_parameters_only(fake, start):
    fault = {"kind": "error", "code": "InvalidRequestException"}
    fake.inject("StartBackupJob", fault, match={"ResourceArn": FILES_ARN})
    start(VOLUME_ARN)
    with pytest.raises(ClientError):
        start(FILES_ARN)


def test_access_may_be_denied_by_action(fake, backup):
    fake.call("set", {"key": "test", "set": {"deny": ["backup:List*"]}})
    with pytest.raises(ClientError) as error:
        backup.list_backup_jobs()
    assert code(error) == "AccessDeniedException"
    assert "backup:ListBackupJobs" in str(error.value)
    backup.describe_backup_vault(BackupVaultName="Default")
    fake.call("set", {"key": "test", "set": {"deny": ["iam:PassRole", "ec2:CreateTags", "ec2:Describe*"]}})
    with pytest.raises(ClientError) as error:
        backup.start_backup_job(**GIVEN)
    assert "iam:PassRole" in str(error.value)
    with pytest.raises(ClientError) as error:
        fake.client("ec2").describe_volumes()
    assert code(error) == "UnauthorizedOperation"


def test_access_may_follow_policy_documents(fake, backup):
    vault = "arn:aws:backup:us-east-1:111122223333:backup-vault:Default"
    statements = [
        {"Effect": "Allow", "Action": "backup:StartBackupJob", "Resource": vault},
        {"Effect": "Allow", "Action": ["backup:describe*", "ec2:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "ec2:DeleteVolume", "Resource": "*"},
    ]
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE,
               "Condition": {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}}}  # fmt: skip

    def holds(*given):
        documents = [{"Version": "2012-10-17", "Statement": list(given)}]
        fake.call("set", {"key": "test", "set": {"policies": documents}})

    def denied(call, **given):
        with pytest.raises(ClientError) as error:
            call(**given)
        assert code(error) in {"AccessDeniedException", "UnauthorizedOperation"}
        return str(error.value)

    holds(*statements)
    assert "iam:PassRole" in denied(backup.start_backup_job, **GIVEN)
    other = {"iam:PassedToService": "ec2.amazonaws.com"}
    holds(*statements, {**passing, "Condition": {"StringEquals": other}})
    assert "iam:PassRole" in denied(backup.start_backup_job, **GIVEN)
    holds(*statements, passing)
    job = backup.start_backup_job(**GIVEN)["BackupJobId"]
    backup.describe_backup_job(BackupJobId=job)
    assert "backup-vault:ours" in denied(backup.start_backup_job, **{**GIVEN, "BackupVaultName": "ours"})
    denied(backup.list_backup_jobs)
    fake.client("ec2").describe_volumes()
    denied(fake.client("ec2").delete_volume, VolumeId="vol-1")
    fake.client("sts").get_caller_identity()

    ec2 = fake.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    marked = {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": "*",
              "Condition": {"StringLike": {"aws:ResourceTag/ours": "*"}}}  # fmt: skip
    holds({"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}, marked)
    denied(ec2.delete_volume, VolumeId=volume)
    denied(ec2.delete_volume, VolumeId="vol-0123456789abcdef0")
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "ours", "Value": "op-1"}])
    ec2.delete_volume(VolumeId=volume)


def test_a_token_may_expire_between_two_polls(fake, start):
    fake.reset(workspace(account={"keys": {"test": {"session_token": "st", "expires_in": 100}}}))
    client = fake.client("backup", token="st")
    job = client.start_backup_job(**GIVEN)["BackupJobId"]
    fake.advance(99)
    client.describe_backup_job(BackupJobId=job)
    fake.advance(1)
    with pytest.raises(ClientError) as error:
        client.describe_backup_job(BackupJobId=job)
    assert code(error) == "ExpiredTokenException"
    fake.call("set", {"key": "test", "set": {"expires_in": 100}})
    assert client.describe_backup_job(BackupJobId=job)["State"] == "RUNNING"


def test_an_empty_page_goes_on(fake, backup, start):
    start()
    fake.advance(10)
    fake.inject("ListBackupJobs", {"kind": "empty_page"})
    first = backup.list_backup_jobs()
    assert first["BackupJobs"] == []
    second = backup.list_backup_jobs(NextToken=first["NextToken"])
    assert len(second["BackupJobs"]) == 1
    fake.inject("ListBackupJobs", {"kind": "empty_page"}, nth=2)
    pages = backup.get_paginator("list_backup_jobs").paginate(PaginationConfig={"PageSize": 1})
    assert len([job for page in pages for job in page["BackupJobs"]]) == 1


def test_an_item_may_be_listed_twice(fake, backup, start):
    start()
    fake.advance(10)
    fake.inject("ListBackupJobs", {"kind": "duplicate_item"})
    listed = [job["BackupJobId"] for job in backup.list_backup_jobs()["BackupJobs"]]
    assert listed == [jobs(fake)[0]] * 2


def test_an_answer_may_hold_a_word_that_nobody_knows(fake, backup, start):
    job = start()
    fake.inject("DescribeBackupJob", {"kind": "rewrite", "set": {"State": "HIBERNATING", "PercentDone": None}})
    odd = backup.describe_backup_job(BackupJobId=job)
    assert odd["State"] == "HIBERNATING"
    assert "PercentDone" not in odd
    fake.advance(10)
    fake.inject("ListBackupJobs", {"kind": "rewrite", "set": {"BackupJobs.*.State": "HIBERNATING"}})
    assert backup.list_backup_jobs()["BackupJobs"][0]["State"] == "HIBERNATING"
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "CREATED"


def test_time_may_pass_while_a_call_is_on_its_way(fake, backup, start):
    job = start()
    fake.inject("DescribeBackupJob", {"kind": "advance", "seconds": 60})
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "RUNNING"


@pytest.mark.parametrize("plan", [
    {"op": "StartBackupJobs", "fault": {"kind": "cut"}},
    {"op": "StartBackupJob", "fault": {"kind": "explode"}},
    {"op": "ListBackupJobs", "fault": {"kind": "error", "code": "LimitExceededException"}},
    {"op": "BackupJob", "fault": {"kind": "cut"}},
    {"op": "StartBackupJob", "fault": {"kind": "cut"}, "when": 1},
])  # fmt: skip
def test_a_fault_that_aws_would_not_show_is_refused(fake, plan):
    with pytest.raises(ValueError, match=r"."):
        fake.call("inject", plan)
