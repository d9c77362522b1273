"""Requests that Azure's models do not allow are refused, and kept as violations."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import DISK, GROUP, HERE, INSTANCE, SHARE, SNAPSHOT, SUBSCRIPTION, copy_of, workspace

PUT = f"{SNAPSHOT}?api-version=2026-03-02"
GOOD = copy_of(DISK, incremental=True)
RESTORE = {"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": "p",
           "sourceDataStoreType": "OperationalStore", "restoreTargetInfo": {
               "objectType": "RestoreTargetInfo", "recoveryOption": "FailIfExists", "datasourceInfo": {
                   "resourceID": "/x"}}}  # fmt: skip


def broken(fake, operation, word):
    """The one violation, which is expected, and says why."""
    fake.expected.add(operation)
    [found] = fake.call("violations")
    assert found["operation"] == operation
    assert word in " ".join(found["errors"]), found
    return found


def changed(body, path, value):
    """A copy of a body with one member set, or taken away by `None`."""
    made = copy.deepcopy(body)
    target, names = made, path.split(".")
    for name in names[:-1]:
        target = target[name]
    if value is None:
        del target[names[-1]]
    else:
        target[names[-1]] = value
    return made


def test_a_good_hand_made_request_is_no_violation(fake):
    assert fake.send("PUT", PUT, GOOD)[0] == 202


@pytest.mark.parametrize(("path", "value", "word"), [
    ("location", None, "location is missing"),
    ("location", 7, "location is 7, which is no str"),
    ("colour", "red", "colour is unknown"),
    ("id", "/x", "id is read-only"),
    ("tags", {"a": 1}, "tags.a is 1, which is no str"),
    ("properties.incremental", "yes", "properties.incremental is 'yes', which is no bool"),
    ("properties.uniqueId", "u", "properties.uniqueId is read-only"),
    ("properties.diskSizeGB", True, "properties.diskSizeGB is True, which is no int"),
    ("properties.creationData", None, "properties.creationData is missing"),
    ("properties.creationData.createOption", "Clone", "'Clone', which is none of"),
    ("properties.creationData.createOption", "copy", "'copy', which is none of"),
    ("properties.creationData.sourceUniqueId", "u", "sourceUniqueId is read-only"),
    ("properties.creationData", [], "properties.creationData is no object"),
])  # fmt: skip
def test_a_wrong_body_is_a_violation(fake, path, value, word):
    status, _, body = fake.send("PUT", PUT, changed(GOOD, path, value))
    assert (status, body["error"]["code"]) == (400, "InvalidRequestContent")
    broken(fake, "snapshots.create_or_update", word)
    assert SNAPSHOT not in fake.call("state")["resources"]


@pytest.mark.parametrize(("path", "value", "word"), [
    ("objectType", "AzureBackupRestore", "which is none of"),
    ("objectType", None, "objectType is missing"),
    ("recoveryPointId", None, "recoveryPointId is missing"),
    ("restoreTargetInfo.objectType", "Target", "which is none of"),
    ("restoreTargetInfo.recoveryOption", "Overwrite", "which is none of"),
    ("restoreTargetInfo.datasourceInfo", None, "datasourceInfo is missing"),
    ("restoreTargetInfo.filePrefix", "p", "filePrefix is unknown"),
])  # fmt: skip
def test_what_a_body_is_follows_from_its_discriminator(fake, path, value, word):
    at = f"{INSTANCE}/restore?api-version=2026-06-01"
    assert fake.send("POST", at, changed(RESTORE, path, value))[0] == 400
    broken(fake, "backup_instances.trigger_restore", word)


@pytest.mark.parametrize(("raw", "headers", "word"), [
    (b"{", {}, "no JSON"),
    (None, {}, "the body is missing"),
    (b"[]", {}, "the body is no object"),
    (json.dumps(GOOD).encode(), {"Content-Type": "text/plain"}, "content type"),
])  # fmt: skip
def test_a_body_that_is_none_is_a_violation(fake, raw, headers, word):
    assert fake.send("PUT", PUT, raw, headers)[0] == 400
    broken(fake, "snapshots.create_or_update", word)


@pytest.mark.parametrize(("query", "word"), [
    ("", "api-version is missing"),
    ("?api-version=2019-01-01", "api-version 2019-01-01 is not 2026-03-02"),
    ("?api-version=2026-03-02&$expand=all", "unexpected query key $expand"),
    ("?api-version=2026-03-02&api-version=2026-03-02", "twice"),
])  # fmt: skip
def test_a_wrong_query_is_a_violation(fake, query, word):
    assert fake.send("GET", DISK + query)[0] == 400
    broken(fake, "disks.get", word)


def test_a_body_where_none_belongs_is_a_violation(fake):
    assert fake.send("DELETE", f"{DISK}?api-version=2026-03-02", {"a": 1})[0] == 400
    broken(fake, "disks.delete", "none of this operation's")


@pytest.mark.parametrize(("method", "path"), [
    ("GET", f"{GROUP}/providers/Microsoft.Compute/diskettes/a?api-version=2026-03-02"),
    ("POST", f"{DISK}/explode?api-version=2026-03-02"),
    ("GET", f"{GROUP}/providers/Microsoft.Nothing/disks/a?api-version=2026-03-02"),
    ("GET", f"{GROUP}/providers/Microsoft.Compute//disks/a?api-version=2026-03-02"),
    ("GET", "/"),
])  # fmt: skip
def test_a_path_that_no_model_knows_is_a_violation(fake, method, path):
    assert fake.send(method, path)[0] == 404
    broken(fake, None, "no operation of Azure's")


def test_an_operation_that_is_not_modelled_is_a_violation_of_the_fake(fake):
    assert fake.send("GET", f"{GROUP}/providers/Microsoft.Compute/images/a?api-version=2026-03-02")[0] == 501
    assert broken(fake, "images_get", "not modelled")["side"] == "fake"


def test_the_case_of_a_path_does_not_count(fake):
    path = f"{DISK}?api-version=2026-03-02".replace("resourceGroups/rg", "RESOURCEGROUPS/RG").replace("disks", "Disks")
    status, _, body = fake.send("GET", path)
    assert (status, body["id"]) == (200, DISK)


def test_an_update_need_not_have_what_a_creation_needs(fake):
    assert fake.send("PATCH", f"{SHARE}?api-version=2026-09-01", {"properties": {"shareQuota": 7}})[0] == 200
    assert fake.send("PATCH", f"{SHARE}?api-version=2026-09-01", {"properties": {"shareQuota": "7"}})[0] == 400
    broken(fake, "file_shares.update", "shareQuota is '7'")


def test_an_answer_that_breaks_the_contract_is_a_violation_too(fake):
    fake.call("set", {"resource": DISK, "set": {"properties.diskState": "Sleeping", "properties.colour": "red"}})
    assert fake.send("GET", f"{DISK}?api-version=2026-03-02")[0] == 200
    found = broken(fake, "disks.get", "properties.diskState is 'Sleeping'")
    assert "properties.colour is unknown" in found["errors"]
    assert found["side"] == "response"


def test_what_a_test_injects_is_no_violation(fake):
    fake.inject("disks.get", {"kind": "rewrite", "set": {"properties.diskState": "Sleeping"}})
    assert fake.send("GET", f"{DISK}?api-version=2026-03-02")[2]["properties"]["diskState"] == "Sleeping"


def test_groups_and_subscriptions_exist_or_not(fake, compute):
    resources, subscriptions = fake.client("resources"), fake.client("subscriptions")
    assert resources.resource_groups.get("rg").location == "westeurope"
    assert resources.resource_groups.check_existence("rg") is True
    assert resources.resource_groups.check_existence("nothing") is False
    assert [each.name for each in resources.resource_groups.list()] == ["rg"]
    assert subscriptions.subscriptions.get(SUBSCRIPTION).state == "Enabled"
    regions = [each.name for each in subscriptions.subscriptions.list_locations(SUBSCRIPTION)]
    assert regions == ["westeurope", "northeurope"]
    with pytest.raises(ResourceNotFoundError) as error:
        compute.disks.get("nothing", "db")
    assert error.value.error.code == "ResourceGroupNotFound"
    with pytest.raises(ResourceNotFoundError) as error:
        fake.client("compute", "99999999-9999-4999-8999-999999999999").disks.get("rg", "db")
    assert error.value.error.code == "SubscriptionNotFound"


def test_a_disabled_subscription_can_only_be_read(fake, compute):
    fake.reset(workspace(subscription={"state": "Disabled"}))
    assert compute.disks.get("rg", "db").name == "db"
    with pytest.raises(HttpResponseError) as error:
        compute.disks.begin_delete("rg", "db")
    assert error.value.error.code == "ReadOnlyDisabledSubscription"


def test_the_contract_can_be_read(fake):
    told = fake.call("operations")
    put = told["operations"]["compute:snapshots.create_or_update"]
    assert (put["method"], put["version"], put["statuses"]) == ("PUT", "2026-03-02", [200, 202])
    assert put["action"] == "Microsoft.Compute/snapshots/write"
    assert put["polling"]["location"] == 202
    assert told["packages"]["azure-mgmt-compute"] == "39.0.0"
    assert len(told["operations"]) > 80


def test_the_outline_of_a_contract_has_its_models():
    from fake_azure import drift

    body = drift.contract()["compute:snapshots.create_or_update"]["body"]
    assert "createOption*" in body["properties"]["creationData*"]
    assert "uniqueId (read)" in body["properties"]


@pytest.mark.parametrize(("status", "body", "word"), [
    (201, {"location": "westeurope"}, "status 201, where the client takes (200, 202)"),
    (200, None, "a body is missing"),
    (200, {"location": "westeurope", "colour": "red"}, "colour is unknown"),
    (200, {}, "location is missing"),
])  # fmt: skip
def test_an_answer_is_held_to_what_the_client_takes(status, body, word):
    from fake_azure import contract, models

    operation = models.service("compute").operation("snapshots.create_or_update")
    assert contract.answer_faults(operation, status, body) == [word]
    assert contract.answer_faults(operation, 200, {"location": "westeurope"}) == []
    listing = models.service("compute").operation("snapshots.list")
    assert contract.answer_faults(listing, 200, {"value": [], "next": ""}) == ["next is unknown in a list"]


@pytest.mark.parametrize(("model", "value", "told"), [
    ("Usage", {"unit": "Bytes", "currentValue": 1, "limit": 2, "name": {}},
     ["unit is 'Bytes', which is none of Count"]),
    ("Usage", {"unit": "Count", "currentValue": 1.5, "limit": 2, "name": {}},
     ["currentValue is 1.5, which is no int"]),
    ("Disk", {"location": "x", "zones": "1"}, ["zones is no list"]),
    ("Disk", {"location": "x", "zones": [1]}, ["zones[0] is 1, which is no str"]),
    ("Disk", {"location": "x", "tags": []}, ["tags is no object"]),
    ("Disk", {"location": "x", "tags": None}, []),
    ("Disk", {"location": None}, ["location is None, which is no str"]),
    ("ImmutabilityPolicy", {"policyStartTime": "2026-01-05T00:00:00.0000000Z"}, []),
    ("ImmutabilityPolicy", {"policyStartTime": "yesterday"}, ["policyStartTime is 'yesterday', which is no time"]),
])  # fmt: skip
def test_a_value_fits_its_model_or_says_why_not(model, value, told):
    from fake_azure import models, validation

    operation = models.service("compute").operation("snapshots.get")
    assert validation.faults(value, operation.model(model), answer=True) == told


@pytest.mark.parametrize(("value", "told"), [
    ({"jobType": "AzureStorageJob", "duration": "PT1H2M3S"}, []),
    ({"jobType": "AzureStorageJob", "duration": "an hour"}, ["duration is 'an hour', which is no duration"]),
    ({"jobType": "AzureStorageJob", "actionsInfo": ["Fly"]}, ["actionsInfo[0] is 'Fly', which is none of"]),
    ({"jobType": "DpmJob", "storageAccountName": "x"}, ["storageAccountName is unknown"]),
])  # fmt: skip
def test_a_value_is_held_to_the_model_that_it_says_it_is(value, told):
    from fake_azure import models, validation

    operation = models.service("recoveryservicesbackup").operation("job_details.get")
    found = validation.faults(value, operation.model("Job"), answer=True)
    assert len(found) == len(told)
    assert all(one.startswith(other) for one, other in zip(found, told, strict=True))


def test_a_start_loads_nothing_of_the_sdk():
    program = """if True:
        import sys
        from fake_azure import control, models
        control.control()
        for name in models.SERVICES:
            models.service(name)
        print([name for name in sys.modules if name.startswith("azure")])
    """
    run = [sys.executable, "-c", program]
    assert [subprocess.check_output(run, cwd=HERE) for _ in range(2)][-1] == b"[]\n"


def test_what_is_kept_of_a_package_is_what_it_says_today():
    from fake_azure import models
    from fake_azure.package import Package
    from fake_azure.registry import HANDLERS

    for name, (package, _) in models.SERVICES.items():
        its = models.service(name)
        fresh = Package(package).contract(operation for service, operation in HANDLERS if service == name)
        assert fresh["operations"] == its._kept["operations"]
        assert fresh["routes"] == its._kept["routes"]
        assert {model: its._models[model] for model in fresh["models"]} == fresh["models"]
