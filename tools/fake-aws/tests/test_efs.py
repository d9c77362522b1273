"""File systems, mount targets, settings."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import FILES, workspace


def code(error):
    return error.value.response["Error"]["Code"]


@pytest.fixture
def efs(fake):
    return fake.client("efs")


@pytest.fixture
def subnets(fake):
    return [each["SubnetId"] for each in fake.client("ec2").describe_subnets()["Subnets"]]


def test_a_file_system_is_creating_and_then_available(fake, efs):
    made = efs.create_file_system(CreationToken="t1", Encrypted=True, Tags=[{"Key": "Name", "Value": "home"}])
    assert (made["LifeCycleState"], made["Name"]) == ("creating", "home")
    fake.advance(10)
    [shown] = efs.describe_file_systems(FileSystemId=made["FileSystemId"])["FileSystems"]
    assert shown["LifeCycleState"] == "available"
    with pytest.raises(ClientError) as error:
        efs.create_file_system(CreationToken="t1")
    assert code(error) == "FileSystemAlreadyExists"
    assert error.value.response["FileSystemId"] == made["FileSystemId"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_file_systems_come_a_hundred_at_a_time(fake, efs):
    fake.reset(workspace(region={"file_systems": [{"id": f"fs-{number:017x}"} for number in range(101)]}))
    first = efs.describe_file_systems(MaxItems=200)
    assert len(first["FileSystems"]) == 100
    assert len(efs.describe_file_systems(Marker=first["NextMarker"])["FileSystems"]) == 1


def test_mount_targets_one_per_zone_in_one_network(fake, efs, subnets):
    made = efs.create_mount_target(FileSystemId=FILES, SubnetId=subnets[0])
    assert made["LifeCycleState"] == "creating"
    with pytest.raises(ClientError) as error:
        efs.create_mount_target(FileSystemId=FILES, SubnetId=subnets[0])
    assert code(error) == "MountTargetConflict"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    fake.advance(90)
    [shown] = efs.describe_mount_targets(FileSystemId=FILES)["MountTargets"]
    assert (shown["LifeCycleState"], shown["MountTargetId"]) == ("available", made["MountTargetId"])
    groups = efs.describe_mount_target_security_groups(MountTargetId=made["MountTargetId"])["SecurityGroups"]
    assert groups == ["sg-0123456789abcdef0"]


def test_a_mount_target_waits_for_its_file_system(fake, efs, subnets):
    made = efs.create_file_system(CreationToken="t1")["FileSystemId"]
    with pytest.raises(ClientError) as error:
        efs.create_mount_target(FileSystemId=made, SubnetId=subnets[0])
    assert code(error) == "IncorrectFileSystemLifeCycleState"
    fake.advance(10)
    efs.create_mount_target(FileSystemId=made, SubnetId=subnets[0])


def test_mount_targets_come_ten_at_a_time(fake, efs):
    zones = [f"us-east-1{letter}" for letter in "abcdefghijkl"]
    fake.reset(workspace(region={"zones": zones, "file_systems": [{"id": FILES}]}))
    for subnet in fake.client("ec2").describe_subnets()["Subnets"]:
        efs.create_mount_target(FileSystemId=FILES, SubnetId=subnet["SubnetId"])
    first = efs.describe_mount_targets(FileSystemId=FILES, MaxItems=100)
    assert len(first["MountTargets"]) == 10
    assert len(efs.describe_mount_targets(FileSystemId=FILES, Marker=first["NextMarker"])["MountTargets"]) == 2


def test_mount_targets_that_cannot_be(fake, efs, subnets):
    for given, expected in (
        ({"SubnetId": "subnet-0123456789abcdef9"}, "SubnetNotFound"),
        ({"SubnetId": subnets[0], "SecurityGroups": ["sg-0123456789abcdef9"]}, "SecurityGroupNotFound"),
        ({"SubnetId": subnets[0], "FileSystemId": "fs-0123456789abcdef9"}, "FileSystemNotFound"),
    ):
        with pytest.raises(ClientError) as error:
            efs.create_mount_target(**{"FileSystemId": FILES, **given})
        assert code(error) == expected
    one = efs.create_file_system(CreationToken="one-zone", AvailabilityZoneName="us-east-1b")["FileSystemId"]
    fake.advance(10)
    with pytest.raises(ClientError) as error:
        efs.create_mount_target(FileSystemId=one, SubnetId=subnets[0])
    assert code(error) == "AvailabilityZonesMismatch"


def test_mount_targets_go_before_their_file_system(fake, efs, subnets):
    target = efs.create_mount_target(FileSystemId=FILES, SubnetId=subnets[0])["MountTargetId"]
    with pytest.raises(ClientError) as error:
        efs.delete_file_system(FileSystemId=FILES)
    assert code(error) == "FileSystemInUse"
    efs.delete_mount_target(MountTargetId=target)
    fake.advance(10)
    efs.delete_file_system(FileSystemId=FILES)
    fake.advance(10)
    with pytest.raises(ClientError) as error:
        efs.describe_file_systems(FileSystemId=FILES)
    assert code(error) == "FileSystemNotFound"


def test_tags(efs):
    efs.tag_resource(ResourceId=FILES, Tags=[{"Key": "wsb:op", "Value": "op-1"}])
    tags = {tag["Key"]: tag["Value"] for tag in efs.list_tags_for_resource(ResourceId=FILES)["Tags"]}
    assert tags == {"team": "ml", "wsb:op": "op-1"}
    efs.untag_resource(ResourceId=FILES, TagKeys=["team"])
    assert [tag["Key"] for tag in efs.list_tags_for_resource(ResourceId=FILES)["Tags"]] == ["wsb:op"]


def test_automatic_backups_show_as_policy_and_tag(fake, efs):
    assert efs.describe_backup_policy(FileSystemId=FILES)["BackupPolicy"]["Status"] == "DISABLED"
    assert efs.put_backup_policy(FileSystemId=FILES, BackupPolicy={"Status": "ENABLED"})["BackupPolicy"] == {
        "Status": "ENABLING"
    }
    fake.advance(10)
    assert efs.describe_backup_policy(FileSystemId=FILES)["BackupPolicy"]["Status"] == "ENABLED"
    keys = [tag["Key"] for tag in efs.list_tags_for_resource(ResourceId=FILES)["Tags"]]
    assert "aws:elasticfilesystem:default-backup" in keys
    fake.reset(workspace(region={"file_systems": [{"id": FILES, "backup_policy": "NONE"}]}))
    with pytest.raises(ClientError) as error:
        efs.describe_backup_policy(FileSystemId=FILES)
    assert code(error) == "PolicyNotFound"


def test_settings_that_a_restore_must_bring_back(fake, efs):
    efs.put_lifecycle_configuration(FileSystemId=FILES, LifecyclePolicies=[{"TransitionToIA": "AFTER_30_DAYS"}])
    assert efs.describe_lifecycle_configuration(FileSystemId=FILES)["LifecyclePolicies"] == [
        {"TransitionToIA": "AFTER_30_DAYS"}
    ]
    with pytest.raises(ClientError) as error:
        efs.describe_file_system_policy(FileSystemId=FILES)
    assert code(error) == "PolicyNotFound"
    efs.put_file_system_policy(FileSystemId=FILES, Policy="{}")
    assert efs.describe_file_system_policy(FileSystemId=FILES)["Policy"] == "{}"
    changed = efs.update_file_system(
        FileSystemId=FILES, ThroughputMode="provisioned", ProvisionedThroughputInMibps=128.0
    )
    assert (changed["ThroughputMode"], changed["ProvisionedThroughputInMibps"]) == ("provisioned", 128.0)
    given = {"ClientToken": "a1", "FileSystemId": FILES, "PosixUser": {"Uid": 1000, "Gid": 1000},
             "RootDirectory": {"Path": "/home"}}  # fmt: skip
    made = efs.create_access_point(**given)["AccessPointId"]
    assert efs.create_access_point(**given)["AccessPointId"] == made
    with pytest.raises(ClientError) as error:
        efs.create_access_point(**{**given, "RootDirectory": {"Path": "/other"}})
    assert code(error) == "AccessPointAlreadyExists"
    assert [each["AccessPointId"] for each in efs.describe_access_points(FileSystemId=FILES)["AccessPoints"]] == [made]
    efs.delete_access_point(AccessPointId=made)
    assert efs.describe_access_points()["AccessPoints"] == []
