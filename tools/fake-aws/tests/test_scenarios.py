"""The scenarios in the folder are what their names say."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from conftest import FILES_ARN, HERE, ROLE

FILES = sorted((HERE / "scenarios").glob("*.json"))
GIVEN = {"BackupVaultName": "Default", "ResourceArn": FILES_ARN, "IamRoleArn": ROLE}


def begin(fake, name):
    fake.reset(json.loads((HERE / "scenarios" / f"{name}.json").read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_scenario_can_be_begun(fake, path):
    begin(fake, path.stem)
    assert fake.region()["file_systems"]


def test_a_slow_file_system_takes_ten_hours(fake, backup):
    begin(fake, "slow-file-system")
    job = backup.start_backup_job(**GIVEN)["BackupJobId"]
    fake.advance(2 * 3600)
    shown = backup.describe_backup_job(BackupJobId=job)
    assert shown["State"] == "RUNNING"
    assert 18 < float(shown["PercentDone"]) < 21
    fake.advance(8.1 * 3600)
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "COMPLETED"


def test_busy_resources_have_foreign_jobs(fake, backup):
    begin(fake, "busy")
    fake.advance(60)
    listed = backup.list_backup_jobs(ByState="RUNNING")["BackupJobs"]
    assert len(listed) == 2
    assert all("BackupPlanId" in job["CreatedBy"] for job in listed)
    job = backup.start_backup_job(**GIVEN, StartWindowMinutes=60)["BackupJobId"]
    fake.advance(3600)
    assert backup.describe_backup_job(BackupJobId=job)["State"] == "EXPIRED"


def test_a_throttle_storm_throttles_everything_for_a_while(fake, backup):
    begin(fake, "throttle-storm")
    for _ in range(12):
        with pytest.raises(ClientError, match="Rate exceeded"):
            backup.list_backup_vaults()
    backup.list_backup_vaults()


def test_an_expiring_session_has_a_successor(fake):
    begin(fake, "expiring-session")
    fake.advance(900)
    with pytest.raises(ClientError, match="expired"):
        fake.client("backup", token="first").list_backup_vaults()
    fake.client("backup", key="renewed", token="second").list_backup_vaults()


def test_a_locked_vault_and_an_opted_out_type_are_seen_beforehand(fake, backup):
    begin(fake, "locked-vault")
    vault = backup.describe_backup_vault(BackupVaultName="Default")
    assert (vault["Locked"], vault["MaxRetentionDays"]) == (True, 30)
    begin(fake, "opted-out")
    assert backup.describe_region_settings()["ResourceTypeOptInPreference"]["EFS"] is False
    begin(fake, "automatic-backups")
    [files] = fake.client("efs").describe_file_systems()["FileSystems"]
    assert {"Key": "aws:elasticfilesystem:default-backup", "Value": "enabled"} in files["Tags"]
