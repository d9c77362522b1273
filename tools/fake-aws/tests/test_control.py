"""The control plane: scenarios, time, journal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, FILES_ARN, OWN, ROLE, VOLUME_ARN, workspace


def test_the_same_scenario_gives_the_same_ids(fake, start):
    seen = []
    for seed in (1, 1, 2):
        fake.reset(workspace(seed=seed))
        seen.append(start())
    assert seen[0] == seen[1] != seen[2]


def test_time_stands_still_unless_it_is_moved(fake):
    before = fake.call("now")
    time.sleep(0.05)
    assert fake.call("now") == before
    fake.advance(0.5)
    assert fake.call("now")["now"] == before["now"] + 0.5
    with pytest.raises(ValueError, match="backwards"):
        fake.advance(-1)


def test_time_may_move_with_requests(fake, backup, start):
    fake.reset(workspace(clock={"per_request": 30}))
    job = start()
    states = [backup.describe_backup_job(BackupJobId=job)["State"] for _ in range(14)]
    assert states == ["CREATED"] + ["RUNNING"] * 10 + ["COMPLETED"] * 3


def test_time_may_run_faster_than_real(fake, backup, start):
    fake.reset(workspace(clock={"speed": 100_000}))
    job = start()
    deadline = time.monotonic() + 10
    while backup.describe_backup_job(BackupJobId=job)["State"] != "COMPLETED":
        assert time.monotonic() < deadline


def test_a_scenario_may_begin_now(fake):
    fake.reset(workspace(start="now"))
    assert abs(fake.call("now")["now"] - time.time()) < 5


@pytest.mark.parametrize("scenario", [
    {"accunts": {}},
    {"rules": {"backup.second": "wait"}},
    workspace(region={"volumes": [{"id": "vol-1", "size": 8}]}),
    workspace(region={"vaults": {"Default": {"lock": True}}}),
    {"garbage_collector": {"after": 1}},
])  # fmt: skip
def test_a_typing_error_in_a_scenario_is_refused(fake, scenario):
    with pytest.raises(ValueError, match="unknown"):
        fake.reset(scenario)


def test_the_journal_tells_calls_in_order_with_the_rights_they_need(fake, backup, start):
    job = start(IdempotencyToken="t1")
    backup.describe_backup_job(BackupJobId=job)
    first, second = fake.call("journal")
    assert (first["n"], first["operation"], first["outcome"]) == (1, "StartBackupJob", "ok")
    assert first["actions"] == ["backup:StartBackupJob", "iam:PassRole", "backup:TagResource"]
    assert first["params"]["RecoveryPointTags"] == OWN
    assert second["actions"] == ["backup:DescribeBackupJob"]
    assert fake.call("journal?since=1") == [second]


def test_events_tell_what_happened_by_itself(fake, start):
    start()
    fake.advance(400)
    assert [event["what"] for event in fake.call("events")] == ["backup job RUNNING", "backup job COMPLETED"]


def test_each_access_key_leads_to_its_own_account(fake):
    fake.reset(workspace(accounts={"444455556666": {"keys": {"other": {}}}}))
    mine = fake.client("backup").list_backup_vaults()["BackupVaultList"][0]["BackupVaultArn"]
    theirs = fake.client("backup", key="other").list_backup_vaults()["BackupVaultList"][0]["BackupVaultArn"]
    assert mine.split(":")[4] == "111122223333"
    assert theirs.split(":")[4] == "444455556666"


def test_changes_from_outside_name_what_exists(fake):
    for name, body in (
        ("set", {"vault": "Nothing", "set": {}}), ("set", {"role": ROLE, "set": {"colour": 1}}), ("set", {}),
        ("write", {"volume": "vol-0", "blocks": [1]}), ("foreign-job", {"resource": "arn:x"}), ("unknown", {}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            fake.call(name, body)


def test_every_rule_says_what_it_rests_on(fake):
    rules = fake.call("rules")
    assert {rule["evidence"] for rule in rules} <= {"M", "D", "P", "A"}
    assert len({rule["name"] for rule in rules}) == len(rules)
    fake.reset({"rules": {"list.lag_seconds": 7}})
    changed = [rule for rule in fake.call("rules") if rule["in_force"] != rule["value"]]
    assert [rule["name"] for rule in changed] == ["list.lag_seconds"]


def test_every_rule_is_asked_for_somewhere():
    from conftest import HERE

    from fake_aws.rules import RULES

    source = "".join(path.read_text() for path in (HERE / "fake_aws").rglob("*.py") if path.name != "rules.py")
    assert [rule.name for rule in RULES if f'"{rule.name}"' not in source] == []


def test_a_foreign_job_may_be_anybodys(fake, backup):
    job = fake.call("foreign-job", {"resource": FILES_ARN, "created_by": None})["BackupJobId"]
    assert "CreatedBy" not in backup.describe_backup_job(BackupJobId=job)
    fake.call("foreign-job", {"resource": VOLUME_ARN, "params": {"StartWindowMinutes": 60}})
    assert len(fake.region()["backups"]) == 2


def test_the_servers_clock_may_be_off(fake, backup):
    fake.reset(workspace(clock={"skew": 200}))
    told = backup.list_backup_vaults()["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert 190 < parsedate_to_datetime(told).timestamp() - time.time() < 210
    fake.reset(workspace(clock={"skew": -400}))
    fake.expected.add("ListBackupVaults")
    with pytest.raises(ClientError) as error:
        backup.list_backup_vaults()
    assert error.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_many_clients_at_once_are_answered_one_by_one(fake, backup):
    given = {"BackupVaultName": "Default", "ResourceArn": VOLUME_ARN, "IamRoleArn": ROLE, "IdempotencyToken": "t1"}
    with ThreadPoolExecutor(8) as pool:
        jobs = set(pool.map(lambda _: backup.start_backup_job(**given)["BackupJobId"], range(40)))
    assert len(jobs) == 1
    assert [entry["n"] for entry in fake.call("journal")] == list(range(1, 41))


def test_calls_are_counted_by_operation(fake, backup, start):
    start()
    seen = fake.call("calls")
    backup.describe_backup_vault(BackupVaultName="Default")
    backup.describe_backup_vault(BackupVaultName="Default")
    assert fake.call(f"calls?since={seen['n']}") == {"n": seen["n"] + 2, "calls": {"DescribeBackupVault": 2}}
    assert fake.call("calls")["calls"] == {**seen["calls"], "DescribeBackupVault": 2}


def test_a_vault_with_a_key_of_ones_own_needs_that_key(fake, backup):
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k-1"
    fake.call("set", {"key": "test", "set": {"deny": ["kms:CreateGrant"]}})
    backup.create_backup_vault(BackupVaultName="plain", CreatorRequestId="r1")
    with pytest.raises(ClientError, match="kms:CreateGrant"):
        backup.create_backup_vault(BackupVaultName="keyed", CreatorRequestId="r2", EncryptionKeyArn=key)
