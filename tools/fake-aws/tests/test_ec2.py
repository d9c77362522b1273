"""Volumes and snapshots over EC2's own calls."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, VOLUME, workspace

OP = [{"Key": "wsb:op", "Value": "op-1"}]


def code(error):
    return error.value.response["Error"]["Code"]


@pytest.fixture
def ec2(fake):
    return fake.client("ec2")


def snapshot(ec2, **more):
    return ec2.create_snapshot(VolumeId=VOLUME, **more)["SnapshotId"]


def specification(kind, tags=OP):
    return [{"ResourceType": kind, "Tags": tags}]


def test_volumes_are_found_by_tag_and_state(fake, ec2):
    fake.reset(workspace(region={"volumes": [
        {"id": "vol-1", "tags": {"team": "ml"}, "instance": "i-1"}, {"id": "vol-2", "tags": {"team": "web"}},
    ]}))  # fmt: skip

    def found(**filters):
        wanted = [{"Name": name, "Values": values} for name, values in filters.items()]
        return [volume["VolumeId"] for volume in ec2.describe_volumes(Filters=wanted)["Volumes"]]

    assert found(**{"tag:team": ["ml"]}) == ["vol-1"]
    assert found(**{"tag:team": ["m*", "x"]}) == ["vol-1"]
    assert found(**{"tag-key": ["team"]}) == ["vol-1", "vol-2"]
    assert found(status=["available"]) == ["vol-2"]
    assert found(**{"attachment.instance-id": ["i-1"]}) == ["vol-1"]
    with pytest.raises(ClientError) as error:
        found(color=["red"])
    assert code(error) == "InvalidParameterValue"
    with pytest.raises(ClientError) as error:
        ec2.describe_volumes(VolumeIds=["vol-3"])
    assert code(error) == "InvalidVolume.NotFound"


def test_lists_come_in_pages(fake, ec2):
    fake.reset(workspace(region={"volumes": [{"id": f"vol-{number}"} for number in range(12)]}))
    pages = list(ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["Volumes"]) for page in pages] == [5, 5, 2]


def test_a_snapshot_is_pending_for_a_while(fake, ec2):
    made = snapshot(ec2, TagSpecifications=specification("snapshot"))
    fake.advance(150)
    [half] = ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    assert (half["State"], half["Progress"]) == ("pending", "50%")
    fake.advance(150)
    [done] = ec2.describe_snapshots(Filters=[{"Name": "tag:wsb:op", "Values": ["op-1"]}])["Snapshots"]
    assert (done["State"], done["Progress"], done["SnapshotId"]) == ("completed", "100%", made)


def test_a_snapshot_has_no_token(ec2):
    assert snapshot(ec2) != snapshot(ec2)


def test_new_snapshots_may_be_found_late(fake, ec2):
    fake.reset(workspace(rules={"ec2.describe_lag_seconds": 30}))
    made = snapshot(ec2)
    fake.advance(29)
    assert ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    with pytest.raises(ClientError) as error:
        ec2.describe_snapshots(SnapshotIds=[made])
    assert code(error) == "InvalidSnapshot.NotFound"
    fake.advance(1)
    assert len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]) == 1


def test_pending_snapshots_are_limited(fake, ec2):
    for _ in range(5):
        snapshot(ec2)
    with pytest.raises(ClientError) as error:
        snapshot(ec2)
    assert code(error) == "ConcurrentSnapshotLimitExceeded"
    fake.advance(300)
    snapshot(ec2)


def test_snapshots_may_come_too_fast(fake, ec2):
    fake.reset(workspace(rules={"ec2.snapshot_interval_seconds": 15}))
    snapshot(ec2)
    with pytest.raises(ClientError) as error:
        snapshot(ec2)
    assert code(error) == "SnapshotCreationPerVolumeRateExceeded"
    fake.advance(15)
    snapshot(ec2)


def test_an_instances_volumes_are_captured_together(fake, ec2):
    fake.reset(workspace(region={"volumes": [
        {"id": "vol-1", "instance": "i-1", "root": True}, {"id": "vol-2", "instance": "i-1", "tags": {"team": "ml"}},
        {"id": "vol-3", "instance": "i-1"}, {"id": "vol-4"},
    ]}))  # fmt: skip
    made = ec2.create_snapshots(
        InstanceSpecification={"InstanceId": "i-1", "ExcludeBootVolume": True, "ExcludeDataVolumeIds": ["vol-3"]},
        CopyTagsFromSource="volume", TagSpecifications=specification("snapshot"),
    )["Snapshots"]  # fmt: skip
    assert [each["VolumeId"] for each in made] == ["vol-2"]
    assert {tag["Key"] for tag in made[0]["Tags"]} == {"team", "wsb:op"}


def test_a_copied_snapshot_forgets_its_volume(fake, ec2):
    fake.reset(workspace(regions={"eu-west-1": {}}))
    made = snapshot(ec2)
    far = fake.client("ec2", region="eu-west-1")
    given = {"SourceRegion": "us-east-1", "SourceSnapshotId": made}
    with pytest.raises(ClientError) as error:
        far.copy_snapshot(**given)
    assert code(error) == "IncorrectState"
    with pytest.raises(ClientError) as error:
        far.copy_snapshot(**{**given, "SourceRegion": "us-west-2"})
    assert code(error) == "InvalidSnapshot.NotFound"
    assert f"{ACCOUNT}/us-west-2" not in fake.call("state")["regions"]
    fake.advance(300)
    copy = far.copy_snapshot(**given, TagSpecifications=specification("snapshot"))["SnapshotId"]
    [shown] = far.describe_snapshots(SnapshotIds=[copy])["Snapshots"]
    assert (shown["VolumeId"], shown["State"], shown["Tags"]) == ("vol-ffffffff", "pending", OP)


def test_a_volume_is_made_once_per_token_and_tagged_at_birth(fake, ec2):
    made = snapshot(ec2)
    given = {"SnapshotId": made, "AvailabilityZone": "us-east-1b", "VolumeType": "gp3", "ClientToken": "t1",
             "TagSpecifications": specification("volume")}  # fmt: skip
    with pytest.raises(ClientError) as error:
        ec2.create_volume(**given)
    assert code(error) == "IncorrectState"
    fake.advance(300)
    first = ec2.create_volume(**given)
    assert (first["State"], first["Tags"], first["Size"]) == ("creating", OP, 10)
    assert ec2.create_volume(**given)["VolumeId"] == first["VolumeId"]
    with pytest.raises(ClientError) as error:
        ec2.create_volume(**{**given, "AvailabilityZone": "us-east-1c"})
    assert code(error) == "IdempotentParameterMismatch"
    fake.advance(5)
    assert ec2.describe_volumes(VolumeIds=[first["VolumeId"]])["Volumes"][0]["State"] == "available"


@pytest.mark.parametrize(("change", "expected"), [
    ({"AvailabilityZone": "eu-west-1a"}, "InvalidZone.NotFound"),
    ({"SnapshotId": "snap-1"}, "InvalidSnapshot.NotFound"),
    ({"Size": 4}, "InvalidParameterValue"),
    ({"VolumeType": "st1", "Size": 100}, "InvalidParameterValue"),
    ({"VolumeInitializationRate": 99}, "InvalidParameterCombination"),
    ({"KmsKeyId": "k"}, "InvalidParameterCombination"),
    ({"TagSpecifications": [{"ResourceType": "snapshot", "Tags": OP}]}, "InvalidParameterValue"),
    ({"TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "aws:x", "Value": "1"}]}]},
     "InvalidParameterValue"),
    ({"DryRun": True}, "DryRunOperation"),
])  # fmt: skip
def test_volumes_that_cannot_be_made(fake, ec2, change, expected):
    made = snapshot(ec2)
    fake.advance(300)
    with pytest.raises(ClientError) as error:
        ec2.create_volume(**{"SnapshotId": made, "AvailabilityZone": "us-east-1a", "VolumeType": "gp3", **change})
    assert code(error) == expected
    assert len(ec2.describe_volumes()["Volumes"]) == 1


def test_a_dry_run_of_the_denied_says_so(fake, ec2):
    fake.call("set", {"key": "test", "set": {"deny": ["ec2:CreateSnapshot"]}})
    with pytest.raises(ClientError) as error:
        ec2.create_snapshot(VolumeId=VOLUME, DryRun=True)
    assert code(error) == "UnauthorizedOperation"
    message = error.value.response["Error"]["Message"]
    assert message.startswith("You are not authorized to perform this operation. User: ")
    assert "not authorized to perform: ec2:CreateSnapshot on" in message
    assert len(message.partition(" Encoded authorization failure message: ")[2]) > 80


def test_hydration_is_lazy_or_at_a_rate(fake, ec2):
    fake.reset(workspace(region={"volumes": [{"id": VOLUME, "size_gib": 100, "blocks": 2000}]}))
    made = snapshot(ec2)
    fake.advance(300)
    given = {"SnapshotId": made, "AvailabilityZone": "us-east-1a"}
    lazy = ec2.create_volume(**given)["VolumeId"]
    fast = ec2.create_volume(**given, VolumeInitializationRate=100)["VolumeId"]
    fake.advance(5)

    def status(volume):
        [one] = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"]
        return one["InitializationStatusDetails"]

    assert status(lazy)["InitializationType"] == "default"
    assert (status(fast)["Progress"], status(fast)["EstimatedTimeToCompleteInSeconds"]) == (50, 5)
    fake.advance(5)
    assert status(fast)["Progress"] == 100
    assert 0 < status(lazy)["Progress"] < 100


def test_what_is_attached_or_locked_is_not_deleted(fake, ec2):
    made = snapshot(ec2)
    fake.call("set", {"snapshot": made, "set": {"locked": True}})
    with pytest.raises(ClientError) as error:
        ec2.delete_snapshot(SnapshotId=made)
    assert code(error) == "SnapshotLocked"
    fake.call("set", {"volume": VOLUME, "set": {"instance": "i-1"}})
    with pytest.raises(ClientError) as error:
        ec2.delete_volume(VolumeId=VOLUME)
    assert code(error) == "VolumeInUse"
    fake.call("set", {"volume": VOLUME, "set": {"instance": None}})
    fake.call("set", {"snapshot": made, "set": {"locked": False}})
    ec2.delete_snapshot(SnapshotId=made)
    ec2.delete_volume(VolumeId=VOLUME)
    assert ec2.describe_volumes()["Volumes"] == []


def test_tags_are_set_and_taken_away(ec2):
    ec2.create_tags(Resources=[VOLUME], Tags=OP)
    rows = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [VOLUME]}])["Tags"]
    assert ("wsb:op", "op-1") in {(row["Key"], row["Value"]) for row in rows}
    ec2.delete_tags(Resources=[VOLUME], Tags=[{"Key": "wsb:op", "Value": "another"}])
    assert len(ec2.describe_tags()["Tags"]) == len(rows)
    ec2.delete_tags(Resources=[VOLUME], Tags=[{"Key": "wsb:op"}])
    assert len(ec2.describe_tags()["Tags"]) == len(rows) - 1
    with pytest.raises(ClientError) as error:
        ec2.create_tags(Resources=[VOLUME], Tags=[{"Key": f"k{number}", "Value": ""} for number in range(50)])
    assert code(error) == "TagLimitExceeded"


def test_zones_and_subnets(ec2):
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    [subnet] = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1b"]}])["Subnets"]
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"] == [subnet]
    with pytest.raises(ClientError) as error:
        ec2.describe_subnets(SubnetIds=["subnet-0"])
    assert code(error) == "InvalidSubnetID.NotFound"


def test_a_locked_snapshot_says_until_when(fake, ec2):
    open_one, locked = snapshot(ec2), snapshot(ec2)
    fake.call("set", {"snapshot": locked, "set": {"locked": True, "locked_until": 1_800_000_000.0}})
    both = ec2.describe_locked_snapshots(SnapshotIds=[open_one, locked])["Snapshots"]
    assert [each["SnapshotId"] for each in both] == [locked]
    assert both[0]["LockExpiresOn"].timestamp() == 1_800_000_000


def test_what_a_volume_holds_is_told_block_by_block(fake):
    before = fake.call("digests", {"volume": VOLUME})
    fake.call("write", {"volume": VOLUME, "blocks": [3]})
    after = fake.call("digests", {"volume": VOLUME})
    assert {block for block in after if before.get(block) != after[block]} == {"3"}
    assert fake.call("digests", {"volume": "vol-00000000000000000"}) == {}
