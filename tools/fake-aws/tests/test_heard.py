"""Journals of a real account against this fake's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from conftest import HERE
from fake_aws import heard

VAULT = "/backup-vaults/Default"
DESCRIBED = {"BackupVaultName": "Default", "Locked": False, "NumberOfRecoveryPoints": 1}


def line(response: Any, target: str = VAULT, status: int = 200, **more: Any) -> str:
    text = response if isinstance(response, str) else json.dumps(response)
    given = {"service": "backup", "method": "GET", "target": target, "operation": None, "request": "", "status": status,
             "error": None, "response": text}  # fmt: skip
    return json.dumps({"at": "2026-01-01T00:00:00Z", "wire": {**given, **more}})


def told(live: list[str], fake: list[str]) -> list[str]:
    (one, strange), (other, _) = heard.read(live), heard.read(fake)
    return strange + heard.differences(one, other)


def test_equal_journals_differ_in_nothing_and_steps_are_passed_over():
    journal = [line(DESCRIBED), json.dumps({"step": "backup", "good": True}), line({}, status=400, error="X:http://x")]
    assert told(journal, journal) == []


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (line({**DESCRIBED, "VaultType": "BACKUP_VAULT"}), "only AWS answers VaultType"),
        (line({"BackupVaultName": "Default", "Locked": False}), "only the fake answers NumberOfRecoveryPoints"),
        (line({**DESCRIBED, "Brandnew": 1}), "Brandnew is not in the model"),
        (line({**DESCRIBED, "VaultType": "SHED"}), "'SHED' is none of"),
        (line("{}", status=400, error="aws.backup#OddException:http://x"), "only AWS has the error 400 OddException"),
        (line({"Jobs": []}, target="/odd"), "is no operation of the models"),
        (line({"BackupJobs": []}, target="/backup-jobs/?resourceArn=a"), "the fake was not asked for it"),
    ],
)
def test_what_only_one_of_them_does_is_said(live, expected):
    found = told([live, line(DESCRIBED)] if "only the fake" not in expected else [live], [line(DESCRIBED)])
    assert len([each for each in found if expected in each]) == 1, found


def test_queries_are_told_by_their_action():
    volumes = "<DescribeVolumesResponse><volumeSet><item><volumeId>vol-1</volumeId>{}</item></volumeSet></DescribeVolumesResponse>"
    given = {"service": "ec2", "method": "POST", "target": "/", "request": "Action=DescribeVolumes&Version=2016-11-15"}
    live, fake = line(volumes.format("<kmsKeyId>k</kmsKeyId>"), **given), line(volumes.format(""), **given)
    assert told([live], [fake]) == ["ec2:DescribeVolumes: only AWS answers Volumes[].KmsKeyId"]


def test_the_command_says_how_many_and_ends_accordingly(tmp_path):
    for name, text in [("live", line({**DESCRIBED, "VaultType": "BACKUP_VAULT"})), ("fake", line(DESCRIBED))]:
        (tmp_path / name).write_text(text + "\n")

    def run(*names: str) -> subprocess.CompletedProcess[str]:
        paths = [str(tmp_path / name) for name in names]
        command = [sys.executable, "-m", "fake_aws.heard", *paths]
        return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)

    differ, same = run("live", "fake"), run("fake", "fake")
    assert (differ.returncode, differ.stdout.count("\n")) == (1, 2), differ
    assert (same.returncode, same.stdout) == (0, "1 answers of 1 operations, 0 differences\n"), same
