"""Requests that AWS's models do not allow are refused, and kept as violations."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from conftest import HERE, ROLE, VOLUME_ARN, workspace

GOOD = {"BackupVaultName": "Default", "ResourceArn": VOLUME_ARN, "IamRoleArn": ROLE}
EC2 = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
SAGEMAKER = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.DescribeSpace"}


def send(fake, method, path, body=b"", service="backup", region="us-east-1", secret="test", headers=None, late=None):
    """A hand-made request; returns status, error code and body."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = AWSRequest(method, fake.url + path, headers=headers or {}, data=raw)
    SigV4Auth(Credentials("test", secret), service, region).add_auth(request)
    sent = dict(request.headers)
    if late:
        sent.update(late)
    wire = urllib.request.Request(fake.url + path, raw or None, sent, method=method)
    try:
        with urllib.request.urlopen(wire) as answer:
            return answer.status, None, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("x-amzn-errortype"), error.read()


def broken(fake, operation, word):
    """The one violation, which is expected, and says why."""
    fake.expected.add(operation)
    [found] = fake.call("violations")
    assert found["operation"] == operation
    assert word in " ".join(found["errors"]), found
    return found


def test_a_good_hand_made_request_is_no_violation(fake):
    assert send(fake, "PUT", "/backup-jobs", GOOD)[0] == 200


@pytest.mark.parametrize(("change", "word"), [
    ({"BackupVaultName": None}, "BackupVaultName"),
    ({"Retention": 7}, "Retention"),
    ({"StartWindowMinutes": "sixty"}, "StartWindowMinutes"),
    ({"BackupVaultName": "no spaces"}, "does not match"),
    ({"Index": "MAYBE"}, "is none of"),
    ({"Lifecycle": {"DeleteAfter": 1}}, "DeleteAfter"),
    ({"RecoveryPointTags": {"k": 1}}, "RecoveryPointTags"),
])  # fmt: skip
def test_a_wrong_body_is_a_violation(fake, change, word):
    body = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    status, error, _ = send(fake, "PUT", "/backup-jobs", body)
    assert (status, error) == (400, "InvalidParameterValueException")
    broken(fake, "StartBackupJob", word)
    assert fake.region()["backups"] == {}


def test_a_body_that_is_no_json_is_a_violation(fake):
    assert send(fake, "PUT", "/backup-jobs", b"{")[0] == 400
    broken(fake, "StartBackupJob", "no JSON")


@pytest.mark.parametrize(("query", "word"), [
    ("?maxresults=5", "unexpected query key maxresults"),
    ("?maxResults=5000", "more than 1000"),
    ("?maxResults=0", "min value"),
    ("?maxResults=x", "MaxResults"),
    ("?state=SLEEPING", "is none of"),
    ("?createdAfter=yesterday-ish", "ByCreatedAfter"),
    ("?state=CREATED&state=RUNNING", "2 times"),
])  # fmt: skip
def test_a_wrong_query_is_a_violation(fake, query, word):
    assert send(fake, "GET", f"/backup-jobs/{query}")[0] == 400
    broken(fake, "ListBackupJobs", word)


def test_an_unknown_path_is_a_violation(fake):
    assert send(fake, "GET", "/backups")[0] == 404
    broken(fake, None, "no operation of backup")


def test_a_request_signed_for_another_service_is_a_violation(fake):
    assert send(fake, "GET", "/backup-jobs/", service="elasticfilesystem")[0] == 404
    broken(fake, None, "no operation of elasticfilesystem")


def test_a_service_that_is_not_here_is_a_violation(fake):
    assert send(fake, "GET", "/", service="s3")[0] == 404
    broken(fake, None, "'s3'")


def test_another_region_is_a_violation(fake):
    status, error, _ = send(fake, "GET", "/backup-jobs/", region="eu-west-1")
    assert (status, error) == (403, "InvalidSignatureException")
    broken(fake, "ListBackupJobs", "eu-west-1")


def test_iam_is_signed_for_its_own_region(fake):
    fake.reset(workspace(regions={"eu-west-1": {}}))
    body = b"Action=GetRole&Version=2010-05-08&RoleName=AWSBackupDefaultServiceRole"
    assert send(fake, "POST", "/", body, service="iam", headers=EC2)[0] == 200
    assert send(fake, "POST", "/", body, service="iam", headers=EC2, region="eu-west-1")[0] == 403
    broken(fake, "GetRole", "eu-west-1")


def test_a_missing_signature_is_a_violation(fake):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{fake.url}/backup-jobs/")
    assert error.value.code == 403
    broken(fake, None, "Missing Authentication Token")


def test_a_wrong_signature_is_a_violation(fake):
    status, error, _ = send(fake, "GET", "/backup-jobs/", secret="wrong")
    assert (status, error) == (403, "InvalidSignatureException")
    broken(fake, "ListBackupJobs", "does not match")


def test_a_changed_body_breaks_the_signature(fake):
    late = {"x-amz-date": "20200101T000000Z"}
    assert send(fake, "GET", "/backup-jobs/", late=late)[0] == 403
    broken(fake, "ListBackupJobs", "Credential scope")


@pytest.mark.parametrize("arn", [
    VOLUME_ARN, "arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-1",
])  # fmt: skip
def test_a_path_with_an_arn_is_signed_as_the_sdk_signs_it(fake, backup, arn):
    assert backup.list_recovery_points_by_resource(ResourceArn=arn)["RecoveryPoints"] == []


def test_unknown_credentials_are_refused_without_blame(fake):
    with pytest.raises(ClientError) as error:
        fake.client("backup", key="stranger").list_backup_jobs()
    assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"
    with pytest.raises(ClientError) as error:
        fake.client("ec2", key="stranger").describe_volumes()
    assert error.value.response["Error"]["Code"] == "AuthFailure"


@pytest.mark.parametrize(("body", "word"), [
    (b"Action=DescribeVolumes&Version=2016-11-15&VolumeIds.1=vol-1", "unexpected query key VolumeIds.1"),
    (b"Action=DescribeVolumes&Version=2015-10-01", "Version"),
    (b"Action=DescribeVolumes&Version=2016-11-15&VolumeId.2=vol-1", "unexpected query key VolumeId.2"),
    (b"Action=DescribeVolumes&Version=2016-11-15&MaxResults=many", "form of its type"),
    (b"Action=DescribeVolumes&Version=2016-11-15&MaxResults=5&MaxResults=6", "more than once"),
])  # fmt: skip
def test_a_wrong_query_protocol_request_is_a_violation(fake, body, word):
    assert send(fake, "POST", "/", body, service="ec2", headers=EC2)[0] == 400
    broken(fake, "DescribeVolumes", word)


def test_an_ec2_enumeration_is_held_to(fake):
    body = b"Action=CreateVolume&Version=2016-11-15&AvailabilityZone=us-east-1a&Size=1&VolumeType=fast"
    assert send(fake, "POST", "/", body, service="ec2", headers=EC2)[0] == 400
    broken(fake, "CreateVolume", "is none of")


def test_an_unknown_action_is_a_violation(fake):
    body = b"Action=DescribeEverything&Version=2016-11-15"
    assert send(fake, "POST", "/", body, service="ec2", headers=EC2)[0] == 404
    broken(fake, None, "DescribeEverything")


@pytest.mark.parametrize(("body", "word"), [
    ({"DomainId": "d-1"}, "SpaceName"),
    ({"DomainId": "d-1", "SpaceName": "s", "Space": "s"}, "Space"),
    ({"DomainId": "d 1", "SpaceName": "s"}, "does not match"),
    ({"DomainId": "d-1", "SpaceName": "s" * 64}, "more than 63"),
])  # fmt: skip
def test_a_wrong_json_request_is_a_violation(fake, body, word):
    assert send(fake, "POST", "/", body, service="sagemaker", headers=SAGEMAKER)[0] == 400
    broken(fake, "DescribeSpace", word)


def test_an_operation_that_is_not_modelled_is_a_violation_of_the_fake(fake):
    assert send(fake, "GET", "/backup/plans/")[0] == 501
    assert broken(fake, "ListBackupPlans", "not modelled")["side"] == "fake"


def test_every_answered_operation_exists_in_aws_models():
    from fake_aws import services
    from fake_aws.models import SERVICES, service
    from fake_aws.registry import HANDLERS

    services.load()
    assert len(HANDLERS) > 80
    for name, operation in HANDLERS:
        assert operation in service(name).names
    assert {name for name, _ in HANDLERS} == set(SERVICES)


def test_every_path_leads_to_its_own_operation():
    from fake_aws.models import SERVICES, service

    for name in SERVICES:
        its = service(name)
        assert bool(its.routes) == (its.protocol == "rest-json")
        for route in its.routes:
            path = re.sub(r"\{\w+\}", "some-thing", route.path.replace("+}", "}"))
            found = its.find(route.method, path, "", "")
            assert found is not None
            assert found[0].name == route.name, path


def test_a_wrong_answer_of_the_fake_itself_would_be_noticed():
    from fake_aws import validation
    from fake_aws.models import service

    shape = service("backup").operation("DescribeBackupJob").output_shape
    assert validation.faults({"State": "RUNNING", "BackupSizeInBytes": 1}, shape) == []
    assert validation.faults({"State": "HIBERNATING"}, shape)
    assert validation.faults({"Stat": "RUNNING"}, shape)
    assert validation.faults({"BackupSizeInBytes": "1"}, shape)


def test_the_pins_are_what_runs():
    session = botocore.session.get_session()
    assert session.user_agent_version == botocore.__version__
    from importlib.metadata import version

    from conftest import HERE

    pinned = [line.split("==") for name in ("requirements.txt", "../moto/requirements.txt")
              for line in (HERE / name).read_text().splitlines() if "==" in line]  # fmt: skip
    names = {name.split("[")[0]: number for name, number in pinned}
    for name in ("boto3", "botocore", "moto", "regex", "pytest"):
        assert version(name) == names[name]


def test_a_start_loads_no_client():
    start = [sys.executable, "-X", "importtime", "-m", "fake_aws", "--until-stdin-ends"]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    told = subprocess.run(start, cwd=HERE, check=True, text=True, **quiet).stderr
    loaded = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert {"fake_aws.dispatch", "botocore.utils", "moto.core.model"} <= loaded
    assert {"urllib3", "boto3", "botocore.session", "moto.core.models", "http.server"} & loaded == set()


def test_what_is_kept_of_a_model_is_the_whole_models_own():
    from moto.core.model import ServiceModel

    from fake_aws.models import SERVICES, service
    from fake_aws.outline import whole
    from fake_aws.registry import HANDLERS

    for name, operation in sorted(HANDLERS):
        real = ServiceModel(whole(SERVICES[name]), name).operation_model(operation)
        ours = service(name).operation(operation)
        assert shapes(ours.input_shape) == shapes(real.input_shape)
        assert shapes(ours.output_shape) == shapes(real.output_shape)
        assert [shapes(each) for each in ours.error_shapes] == [shapes(each) for each in real.error_shapes]
        assert ours.http == real.http


def shapes(shape, above=()):
    """All that a model says of a shape and those inside it, but the prose."""
    if shape is None or shape.name in above:
        return shape and shape.name
    told = [shape.name, shape.type_name, shape.metadata, shape.serialization, shape._shape_model.get("pattern")]
    above = (*above, shape.name)
    inside = dict(shape.members) if shape.type_name == "structure" else {}
    inside |= {part: getattr(shape, part) for part in ("member", "key", "value") if part in shape._shape_model}
    return [*told, {name: shapes(each, above) for name, each in inside.items()}]
