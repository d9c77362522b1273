"""The fake as a process of its own, and boto3 clients of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from fake_cloud import testing

HERE = Path(__file__).resolve().parent.parent

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/AWSBackupDefaultServiceRole"
VOLUME = "vol-00000000000000001"
FILES = "fs-00000000000000001"
VOLUME_ARN = f"arn:aws:ec2:us-east-1:{ACCOUNT}:volume/{VOLUME}"
FILES_ARN = f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:file-system/{FILES}"
OWN = {"wsb:op": "0123456789abcdef0123456789abcdef", "wsb:backup": "b1"}


def workspace(**more: Any) -> dict[str, Any]:
    """A scenario with one volume and one file system of 36 GB; `region` fields are merged in."""
    region = {
        "volumes": [{"id": VOLUME, "size_gib": 10, "blocks": 4, "tags": {"team": "ml", "wsb:backup": "theirs"}}],
        "file_systems": [{"id": FILES, "bytes": 36_000_000_000, "files": 1000, "tags": {"team": "ml"}}],
        **more.pop("region", {}),
    }
    account = {"regions": {"us-east-1": region, **more.pop("regions", {})}, **more.pop("account", {})}
    return {"accounts": {ACCOUNT: account, **more.pop("accounts", {})}, **more}


class Fake(testing.Fake):
    """The running fake, and clients."""

    def client(
        self, service: str, region: str = "us-east-1", key: str = "test", token: str | None = None, attempts: int = 1
    ) -> Any:
        """A boto3 client; it retries only when more attempts are asked for."""
        return _client(self.url, service, region, key, token, attempts)

    def region(self, name: str = f"{ACCOUNT}/us-east-1") -> dict[str, Any]:
        """The state of a region."""
        return self.call("state")["regions"][name]


@functools.cache
def _client(url: str, service: str, region: str, key: str, token: str | None, attempts: int) -> Any:
    settings = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=20)
    return boto3.client(
        service, endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key="test",
        aws_session_token=token, config=settings,
    )  # fmt: skip


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """A server for all tests; it ends with them."""
    with testing.process("fake_aws", HERE) as port:
        yield port


@pytest.fixture
def fake(port: int) -> Iterator[Fake]:
    """A fake with the workspace scenario. No test may leave a violation that it did not ask for."""
    one = Fake(port)
    one.call("reset", workspace())
    with one.checked():
        yield one


@pytest.fixture
def backup(fake: Fake) -> Any:
    """The client of AWS Backup."""
    return fake.client("backup")


@pytest.fixture
def start(fake: Fake) -> Callable[..., str]:
    """Starts a backup job of the volume, or of another resource, and gives its id."""

    def run(resource: str = VOLUME_ARN, **more: Any) -> str:
        given = {"BackupVaultName": "Default", "ResourceArn": resource, "IamRoleArn": ROLE, "RecoveryPointTags": OWN}
        return fake.client("backup").start_backup_job(**{**given, **more})["BackupJobId"]

    return run


@pytest.fixture
def point(fake: Fake, start: Callable[..., str]) -> Callable[..., str]:
    """Makes a whole backup and gives the recovery point's ARN."""

    def run(resource: str = VOLUME_ARN, **more: Any) -> str:
        job = start(resource, **more)
        fake.advance(7200)
        done = fake.client("backup").describe_backup_job(BackupJobId=job)
        assert done["State"] == "COMPLETED", done
        return done["RecoveryPointArn"]

    return run
