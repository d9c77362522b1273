"""EBS direct APIs: blocks out of snapshots and into them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError
from conftest import VOLUME, workspace

BLOCK = 524_288


def code(error):
    return error.value.response["Error"]["Code"], error.value.response.get("Reason")


def digest(data):
    return hashlib.sha256(data).digest()


def text(raw):
    return base64.b64encode(raw).decode()


@pytest.fixture
def ebs(fake):
    return fake.client("ebs")


@pytest.fixture
def taken(fake):
    """Takes a snapshot of the volume and waits for it."""

    def run():
        made = fake.client("ec2").create_snapshot(VolumeId=VOLUME)["SnapshotId"]
        fake.advance(300)
        return made

    return run


def put(ebs, snapshot, index, data, **more):
    given = {"SnapshotId": snapshot, "BlockIndex": index, "BlockData": data, "DataLength": len(data),
             "Checksum": text(digest(data)), "ChecksumAlgorithm": "SHA256", **more}  # fmt: skip
    return ebs.put_snapshot_block(**given)


def block(number):
    return bytes([number]) * BLOCK


def complete(ebs, snapshot, blocks, **more):
    whole = text(digest(b"".join(digest(data) for data in blocks)))
    given = {"ChangedBlocksCount": len(blocks), "Checksum": whole, "ChecksumAlgorithm": "SHA256",
             "ChecksumAggregationMethod": "LINEAR", **more}  # fmt: skip
    return ebs.complete_snapshot(SnapshotId=snapshot, **given)


def test_blocks_are_read_with_their_digest(fake, ebs, taken):
    listed = ebs.list_snapshot_blocks(SnapshotId=taken())
    assert [each["BlockIndex"] for each in listed["Blocks"]] == [0, 1, 2, 3]
    assert (listed["BlockSize"], listed["VolumeSize"]) == (BLOCK, 10)
    snapshot = list(fake.region()["snapshots"])[0]
    for each in listed["Blocks"]:
        read = ebs.get_snapshot_block(SnapshotId=snapshot, **each)
        data = read["BlockData"].read()
        assert len(data) == read["DataLength"] == BLOCK
        assert read["Checksum"] == text(digest(data))


def test_changes_between_two_snapshots(fake, ebs, taken):
    first = taken()
    fake.call("write", {"volume": VOLUME, "blocks": [2, 9], "data": text(block(7))})
    second = taken()
    rows = ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=second)["ChangedBlocks"]
    assert [row["BlockIndex"] for row in rows] == [2, 9]
    assert "FirstBlockToken" in rows[0]
    assert "FirstBlockToken" not in rows[1]
    read = ebs.get_snapshot_block(SnapshotId=second, BlockIndex=9, BlockToken=rows[1]["SecondBlockToken"])
    assert read["BlockData"].read() == block(7)
    alone = ebs.list_changed_blocks(SecondSnapshotId=second)["ChangedBlocks"]
    assert [row["BlockIndex"] for row in alone] == [0, 1, 2, 3, 9]


def test_unrelated_snapshots_are_not_compared(fake, ebs, taken):
    first = taken()
    other = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    put(ebs, other, 0, block(1))
    complete(ebs, other, [block(1)])
    fake.advance(60)
    with pytest.raises(ClientError) as error:
        ebs.list_changed_blocks(FirstSnapshotId=first, SecondSnapshotId=other)
    assert code(error) == ("ValidationException", "UNRELATED_SNAPSHOTS")


def test_lists_come_in_pages_that_may_be_empty(fake, ebs, taken):
    fake.reset(workspace(region={"volumes": [{"id": VOLUME, "size_gib": 10, "blocks": 250}]}))
    snapshot = taken()
    fake.inject("ListSnapshotBlocks", {"kind": "empty_page"}, nth=2)
    token, sizes = {}, []
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=snapshot, MaxResults=100, **token)
        sizes.append(len(page["Blocks"]))
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert sizes == [100, 0, 100, 50]
    assert len(ebs.list_snapshot_blocks(SnapshotId=snapshot, StartingBlockIndex=240)["Blocks"]) == 10


def test_block_tokens_expire_and_are_for_one_block(fake, ebs, taken):
    snapshot = taken()
    rows = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    with pytest.raises(ClientError) as error:
        ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=1, BlockToken=rows[0]["BlockToken"])
    assert code(error) == ("ValidationException", "INVALID_BLOCK_TOKEN")
    fake.advance(604_800)
    with pytest.raises(ClientError) as error:
        ebs.get_snapshot_block(SnapshotId=snapshot, **rows[0])
    assert code(error) == ("ValidationException", "INVALID_BLOCK_TOKEN")


def test_a_snapshot_is_written_and_becomes_a_volume(fake, ebs):
    tags = [{"Key": "wsb:op", "Value": "op-1"}]
    started = ebs.start_snapshot(VolumeSize=2, ClientToken="t1", Tags=tags, Description="imported")
    snapshot = started["SnapshotId"]
    assert (started["Status"], started["BlockSize"], started["Tags"]) == ("pending", BLOCK, tags)
    for index, data in ((0, block(1)), (4095, block(2))):
        put(ebs, snapshot, index, data)
    answer = complete(ebs, snapshot, [block(1), block(2)])
    assert (answer["Status"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("pending", 202)
    ec2 = fake.client("ec2")
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "pending"
    fake.advance(60)
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "completed"
    volume = ec2.create_volume(SnapshotId=snapshot, AvailabilityZone="us-east-1a")
    assert volume["Size"] == 2
    rows = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
    assert [row["BlockIndex"] for row in rows] == [0, 4095]
    assert ebs.get_snapshot_block(SnapshotId=snapshot, **rows[1])["BlockData"].read() == block(2)


def test_an_incremental_snapshot_builds_on_its_parent(fake, ebs, taken):
    parent = taken()
    snapshot = ebs.start_snapshot(VolumeSize=10, ParentSnapshotId=parent)["SnapshotId"]
    put(ebs, snapshot, 1, block(5))
    complete(ebs, snapshot, [block(5)])
    fake.advance(60)
    rows = ebs.list_changed_blocks(FirstSnapshotId=parent, SecondSnapshotId=snapshot)["ChangedBlocks"]
    assert [row["BlockIndex"] for row in rows] == [1]
    assert len(ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]) == 4


def test_starting_has_a_token(ebs):
    first = ebs.start_snapshot(VolumeSize=2, ClientToken="t1")["SnapshotId"]
    assert ebs.start_snapshot(VolumeSize=2, ClientToken="t1")["SnapshotId"] == first
    with pytest.raises(ClientError) as error:
        ebs.start_snapshot(VolumeSize=3, ClientToken="t1")
    assert code(error)[0] == "ConflictException"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


@pytest.mark.parametrize("wrong", [
    {"Checksum": text(digest(b"other"))},
    {"DataLength": 512},
    {"BlockIndex": 2048},
])  # fmt: skip
def test_wrong_blocks_are_refused(ebs, wrong):
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    with pytest.raises(ClientError) as error:
        put(ebs, snapshot, 0, block(1), **wrong)
    assert code(error) == ("ValidationException", "INVALID_BLOCK")


@pytest.mark.parametrize("wrong", [
    {"ChangedBlocksCount": 2}, {"Checksum": text(digest(b"other"))},
])  # fmt: skip
def test_a_wrong_completion_is_refused(ebs, wrong):
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    put(ebs, snapshot, 0, block(1))
    with pytest.raises(ClientError) as error:
        complete(ebs, snapshot, [block(1)], **wrong)
    assert code(error) == ("ValidationException", "INVALID_PARAMETER_VALUE")
    complete(ebs, snapshot, [block(1)])


def test_a_completed_snapshot_takes_no_more(fake, ebs):
    snapshot = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    put(ebs, snapshot, 0, block(1))
    complete(ebs, snapshot, [block(1)])
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            put(ebs, snapshot, 1, block(1))
        assert code(error) == ("ValidationException", "INVALID_SNAPSHOT_ID")
        fake.advance(60)


def test_an_abandoned_snapshot_is_given_up(fake, ebs):
    snapshot = ebs.start_snapshot(VolumeSize=1, Timeout=10)["SnapshotId"]
    fake.advance(599)
    put(ebs, snapshot, 0, block(1))
    fake.advance(599)
    put(ebs, snapshot, 0, block(1))
    fake.advance(600)
    with pytest.raises(ClientError) as error:
        put(ebs, snapshot, 0, block(1))
    assert code(error) == ("ValidationException", "WRITE_REQUEST_TIMEOUT")
    assert fake.client("ec2").describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"] == "error"


def test_pending_snapshots_are_limited_and_unknown_ones_not_found(fake, ebs):
    fake.reset(workspace(rules={"ebs.pending_maximum": 1}))
    ebs.start_snapshot(VolumeSize=1)
    with pytest.raises(ClientError) as error:
        ebs.start_snapshot(VolumeSize=1)
    assert code(error)[0] == "ConcurrentLimitExceededException"
    with pytest.raises(ClientError) as error:
        ebs.list_snapshot_blocks(SnapshotId="snap-00000000000000000")
    assert code(error) == ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")


def test_a_recovery_point_is_a_snapshot_that_can_be_read(ebs, point):
    snapshot = point().rpartition("/")[2]
    assert len(ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]) == 4


def test_denial_says_why(fake, ebs, taken):
    snapshot = taken()
    fake.call("set", {"key": "test", "set": {"deny": ["ebs:*"]}})
    with pytest.raises(ClientError) as error:
        ebs.list_snapshot_blocks(SnapshotId=snapshot)
    assert code(error) == ("AccessDeniedException", "UNAUTHORIZED_ACCOUNT")
