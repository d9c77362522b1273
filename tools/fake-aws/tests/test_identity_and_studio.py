"""SageMaker, tagging, and who is who."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, FILES_ARN, ROLE, VOLUME, VOLUME_ARN, workspace

DOMAIN = {
    "id": "d-1", "profiles": [{"name": "ann", "tags": {"SM_EBS_RESTORE_TIMESTAMP": "20260101T000000Z"}}],
    "spaces": [{"name": "lab", "owner": "ann", "size_gib": 50}, {"name": "shared", "sharing": "Shared"}],
}  # fmt: skip
PROFILE = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:user-profile/d-1/ann"


def code(error):
    return error.value.response["Error"]["Code"]


@pytest.fixture
def studio(fake):
    fake.reset(workspace(region={"domains": [DOMAIN]}))
    return fake.client("sagemaker")


def test_a_space_tells_its_owner_and_size(studio):
    space = studio.describe_space(DomainId="d-1", SpaceName="lab")
    assert space["OwnershipSettings"]["OwnerUserProfileName"] == "ann"
    assert space["SpaceSettings"]["SpaceStorageSettings"]["EbsStorageSettings"]["EbsVolumeSizeInGb"] == 50
    assert "OwnershipSettings" not in studio.describe_space(DomainId="d-1", SpaceName="shared")
    with pytest.raises(ClientError) as error:
        studio.describe_space(DomainId="d-1", SpaceName="none")
    assert code(error) == "ResourceNotFound"


def test_spaces_profiles_and_the_domain(studio):
    assert [space["SpaceName"] for space in studio.list_spaces(DomainIdEquals="d-1")["Spaces"]] == ["lab", "shared"]
    assert len(studio.list_spaces(MaxResults=1)["Spaces"]) == 1
    assert studio.describe_user_profile(DomainId="d-1", UserProfileName="ann")["UserProfileArn"] == PROFILE
    assert [each["UserProfileName"] for each in studio.list_user_profiles()["UserProfiles"]] == ["ann"]
    assert studio.describe_domain(DomainId="d-1")["HomeEfsFileSystemId"] == "fs-0123456789abcdef0"


def test_the_restore_tag_is_read_and_removed(studio):
    assert studio.list_tags(ResourceArn=PROFILE)["Tags"] == [
        {"Key": "SM_EBS_RESTORE_TIMESTAMP", "Value": "20260101T000000Z"}
    ]
    studio.delete_tags(ResourceArn=PROFILE, TagKeys=["SM_EBS_RESTORE_TIMESTAMP"])
    assert studio.list_tags(ResourceArn=PROFILE)["Tags"] == []
    for start in (0, 30):
        tags = [{"Key": f"k{number:02}", "Value": "v"} for number in range(start, start + 30)][: 51 - start]
        studio.add_tags(ResourceArn=PROFILE, Tags=tags)
    studio.add_tags(ResourceArn=PROFILE, Tags=[{"Key": "k00", "Value": "w"}])
    first = studio.list_tags(ResourceArn=PROFILE)
    assert (len(first["Tags"]), first["Tags"][0]["Value"]) == (50, "w")
    assert len(studio.list_tags(ResourceArn=PROFILE, NextToken=first["NextToken"])["Tags"]) == 1


def test_a_denied_space_is_told_apart_from_a_missing_one(fake, studio):
    fake.call("set", {"key": "test", "set": {"deny": ["sagemaker:DescribeSpace"]}})
    with pytest.raises(ClientError) as error:
        studio.describe_space(DomainId="d-1", SpaceName="lab")
    assert code(error) == "AccessDeniedException"


def test_tagged_resources_are_listed_late(fake):
    tagging = fake.client("resourcegroupstaggingapi")

    def found(key):
        rows = tagging.get_resources(TagFilters=[{"Key": key}])["ResourceTagMappingList"]
        return [row["ResourceARN"] for row in rows]

    assert found("team") == sorted([VOLUME_ARN, FILES_ARN])
    fake.client("ec2").create_tags(Resources=[VOLUME], Tags=[{"Key": "new", "Value": "1"}])
    assert found("new") == []
    fake.advance(5)
    assert found("new") == [VOLUME_ARN]
    assert tagging.tag_resources(ResourceARNList=[FILES_ARN], Tags={"new": "1"})["FailedResourcesMap"] == {}
    fake.advance(5)
    assert found("new") == sorted([VOLUME_ARN, FILES_ARN])
    gone = f"arn:aws:ec2:us-east-1:{ACCOUNT}:volume/vol-0"
    assert list(tagging.tag_resources(ResourceARNList=[gone], Tags={"a": "b"})["FailedResourcesMap"]) == [gone]


def test_what_was_tagged_once_is_listed_without_tags(fake):
    tagging = fake.client("resourcegroupstaggingapi")
    keys = ["team", "wsb:backup"]
    tagging.untag_resources(ResourceARNList=[VOLUME_ARN], TagKeys=keys)
    fake.advance(5)
    rows = tagging.get_resources(ResourceTypeFilters=["ec2:volume"])["ResourceTagMappingList"]
    assert rows == [{"ResourceARN": VOLUME_ARN, "Tags": []}]
    assert tagging.get_resources(TagFilters=[{"Key": "team", "Values": ["web"]}])["ResourceTagMappingList"] == []


def test_who_calls_and_what_a_role_may_do(fake):
    assert fake.client("sts").get_caller_identity()["Account"] == ACCOUNT
    iam = fake.client("iam")
    assert iam.get_role(RoleName="AWSBackupDefaultServiceRole")["Role"]["Arn"] == ROLE
    with pytest.raises(ClientError) as error:
        iam.get_role(RoleName="Nobody")
    assert code(error) == "NoSuchEntity"
    fake.call("set", {"role": ROLE, "set": {"delete": False}})
    actions = ["ec2:CreateSnapshot", "ec2:DeleteSnapshot"]
    results = iam.simulate_principal_policy(PolicySourceArn=ROLE, ActionNames=actions)["EvaluationResults"]
    assert [each["EvalDecision"] for each in results] == ["allowed", "implicitDeny"]


def test_keys_have_a_state(fake):
    fake.reset(workspace(region={"keys": {"k-1": {"state": "PendingDeletion"}}}))
    kms = fake.client("kms")
    assert kms.describe_key(KeyId="k-1")["KeyMetadata"]["KeyState"] == "PendingDeletion"
    with pytest.raises(ClientError) as error:
        kms.describe_key(KeyId="k-2")
    assert code(error) == "NotFoundException"
