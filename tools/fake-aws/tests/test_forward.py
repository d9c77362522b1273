"""S3 through the same address."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import HERE, Fake
from fake_cloud import testing


@pytest.fixture(scope="module")
def url():
    """A fake in front of moto."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    moto = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen(moto, **quiet) as behind,
        testing.process("fake_aws", HERE, "--s3", f"http://127.0.0.1:{port}") as front,
    ):
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert behind.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{front}"
        behind.kill()


def client(url, service):
    given = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return boto3.client(service, endpoint_url=url, **given)


def test_one_address_serves_s3_and_the_rest(url):
    s3 = client(url, "s3")
    s3.create_bucket(Bucket="bucket")
    body = bytes(range(256)) * 4096
    s3.put_object(Bucket="bucket", Key="a folder/ö+1", Body=body)
    assert s3.get_object(Bucket="bucket", Key="a folder/ö+1", Range="bytes=1-3")["Body"].read() == b"\x01\x02\x03"
    assert s3.head_object(Bucket="bucket", Key="a folder/ö+1")["ContentLength"] == len(body)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="bucket", Prefix="a ")["Contents"]] == ["a folder/ö+1"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="bucket", Key="a folder/ö+1", Body=b"", IfNoneMatch="*")
    assert error.value.response["Error"]["Code"] == "PreconditionFailed"
    s3.delete_object(Bucket="bucket", Key="a folder/ö+1")
    assert client(url, "backup").list_backup_vaults()["BackupVaultList"][0]["BackupVaultName"] == "Default"
    fake = Fake(int(url.rpartition(":")[2]))
    assert fake.call("violations") == []
    assert [entry["service"] for entry in fake.call("journal")] == ["backup"]


@pytest.mark.parametrize("elsewhere", ["http://example.com", "https://127.0.0.1:1"])
def test_nothing_is_passed_on_beyond_this_machine(elsewhere):
    from fake_aws.forward import Forward

    with pytest.raises(ValueError, match="loopback"):
        Forward(elsewhere)
