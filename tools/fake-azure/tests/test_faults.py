"""Failures on demand, and limits of the subscription."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from conftest import DISK, SNAPSHOT, SUBSCRIPTION, code, workspace


@pytest.mark.parametrize(("when", "made"), [("before", False), ("after", True)])
def test_a_connection_may_be_cut_before_or_after_the_work(fake, compute, snap, when, made):
    fake.inject("compute:snapshots.create_or_update", {"kind": "cut", "when": when})
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        snap()
    assert (SNAPSHOT in fake.call("state")["resources"]) is made
    assert fake.call("journal")[-1]["cut"] is True
    assert snap().provisioning_state == "Succeeded"


@pytest.mark.parametrize("committed", [False, True])
def test_an_answer_may_be_none_of_azures(fake, storage, committed):
    fake.inject("file_shares.create", {"kind": "http", "status": 503, "committed": committed, "retry_after": 3})
    with pytest.raises(HttpResponseError) as error:
        storage.file_shares.create("rg", "files", "projects", {"properties": {}}, expand="snapshots")
    assert (error.value.status_code, error.value.response.headers["Retry-After"]) == (503, "3")
    listed = storage.file_shares.list("rg", "files", expand="snapshots")
    assert len([each for each in listed if each.properties.snapshot_time]) == int(committed)


def test_an_error_has_code_status_patience_and_details(fake, compute):
    fault = {"kind": "error", "code": "TooManyRequests", "message": "slow down", "retry_after": 17,
             "target": "GetDisk30Min", "details": [{"code": "inner", "message": "m"}]}  # fmt: skip
    fake.inject("disks.get", fault, count=2)
    for _ in range(2):
        with pytest.raises(HttpResponseError) as error:
            compute.disks.get("rg", "db")
        assert (error.value.status_code, code(error)) == (429, "TooManyRequests")
        assert error.value.response.headers["Retry-After"] == "17"
        assert error.value.error.details[0].code == "inner"
    compute.disks.get("rg", "db")
    fake.inject("disks.get", {"kind": "error", "code": "Odd", "status": 418})
    with pytest.raises(HttpResponseError) as error:
        compute.disks.get("rg", "db")
    assert error.value.status_code == 418


def test_the_nth_call_fails_and_no_other(fake, compute):
    fake.inject("disks.get", {"kind": "error", "code": "InternalServerError"}, nth=2)
    compute.disks.get("rg", "db")
    with pytest.raises(HttpResponseError) as error:
        compute.disks.get("rg", "db")
    assert error.value.status_code == 500
    compute.disks.get("rg", "db")


def test_a_fault_may_be_for_some_parameters_only(fake, compute, snap):
    fault = {"kind": "error", "code": "Conflict"}
    fake.inject("compute:snapshots.create_or_update", fault, match={"snapshotName": "s2"})
    snap("s1")
    with pytest.raises(HttpResponseError) as error:
        snap("s2")
    assert error.value.status_code == 409


def test_an_operation_of_two_services_is_named_with_its_service(fake, compute, netapp, snap):
    fake.inject("netapp:snapshots.get", {"kind": "error", "code": "Conflict"})
    snap()
    compute.snapshots.get("rg", "s1")
    with pytest.raises(HttpResponseError):
        netapp.snapshots.get("rg", "anf", "pool", "home", "s1")


def test_an_empty_page_goes_on(fake, compute, snap):
    fake.reset(workspace(rules={"page.size": 1}))
    snap("s1")
    snap("s2")
    fake.inject("compute:snapshots.list", {"kind": "empty_page"}, nth=2)
    assert [each.name for each in compute.snapshots.list()] == ["s1", "s2"]
    assert fake.operations().count("snapshots.list") == 3


def test_an_item_may_be_listed_twice(fake, compute):
    fake.inject("disks.list", {"kind": "duplicate_item"})
    assert [each.name for each in compute.disks.list()] == ["db", "db"]


def test_an_answer_may_hold_a_word_that_nobody_knows(fake, compute):
    change = {"properties.provisioningState": "Hibernating", "properties.uniqueId": None}
    fake.inject("disks.get", {"kind": "rewrite", "set": change})
    odd = compute.disks.get("rg", "db")
    assert (odd.provisioning_state, odd.unique_id) == ("Hibernating", None)
    fake.inject("disks.list", {"kind": "rewrite", "set": {"value.*.tags.team": "x"}})
    assert [each.tags["team"] for each in compute.disks.list()] == ["x"]
    assert compute.disks.get("rg", "db").provisioning_state == "Succeeded"


def test_time_may_pass_while_a_call_is_on_its_way(fake, compute):
    before = fake.call("now")["now"]
    fake.inject("disks.get", {"kind": "advance", "seconds": 60})
    compute.disks.get("rg", "db")
    assert fake.call("now")["now"] == before + 61


@pytest.mark.parametrize("plan", [
    {"op": "disks.got", "fault": {"kind": "cut"}},
    {"op": "storage:disks.get", "fault": {"kind": "cut"}},
    {"op": "disks.get", "fault": {"kind": "explode"}},
    {"op": "disks.get", "fault": {"kind": "cut", "where": 1}},
    {"op": "disks.get", "fault": {"kind": "cut"}, "when": 1},
    {"op": "BackupJob", "fault": {"kind": "cut"}},
    {"op": "BackupJob", "fault": {"kind": "outcome", "state": "Canceled"}},
    {"op": "disks.delete", "fault": {"kind": "outcome", "state": "Cancelled"}},
])  # fmt: skip
def test_a_fault_that_makes_no_sense_is_refused(fake, plan):
    with pytest.raises(ValueError, match=r"."):
        fake.call("inject", plan)


def test_reads_and_writes_of_an_hour_are_counted(fake, compute, snap):
    rules = {"throttle.reads_per_hour": 3, "throttle.writes_per_hour": 2, "lro.variant": "immediate"}
    fake.reset(workspace(rules=rules))
    headers = fake.send("GET", f"{DISK}?api-version=2026-03-02")[1]
    assert headers["x-ms-ratelimit-remaining-subscription-reads"] == "2"
    compute.disks.get("rg", "db")
    compute.disks.get("rg", "db")
    with pytest.raises(HttpResponseError) as error:
        compute.disks.get("rg", "db")
    assert (error.value.status_code, code(error)) == (429, "SubscriptionRequestsThrottled")
    snap("s1")
    snap("s2")
    with pytest.raises(HttpResponseError) as error:
        snap("s3")
    assert error.value.status_code == 429
    wait = int(error.value.response.headers["Retry-After"])
    fake.advance(wait)
    fake.bearer.token = fake.token()
    compute.disks.get("rg", "db")
    snap("s3")


def test_each_subscription_is_counted_for_itself(fake, compute):
    other = "88888888-8888-4888-8888-888888888888"
    its = {"groups": {"rg": {"disks": [{"name": "db"}]}}}
    fake.reset({"rules": {"throttle.reads_per_hour": 1}, "subscriptions": {SUBSCRIPTION: its, other: its}})
    compute.disks.get("rg", "db")
    with pytest.raises(HttpResponseError):
        compute.disks.get("rg", "db")
    fake.client("compute", other).disks.get("rg", "db")


@pytest.mark.parametrize(("rule", "seconds"), [("reads", 300), ("lists", 300), ("writes", 3600)])
def test_the_provider_of_storage_has_limits_of_its_own(fake, storage, rule, seconds):
    fake.reset(workspace(rules={f"throttle.storage_{rule}": 2}))
    call = {
        "reads": lambda: storage.file_shares.get("rg", "files", "projects"),
        "lists": lambda: list(storage.file_shares.list("rg", "files")),
        "writes": lambda: storage.file_shares.create("rg", "files", "projects", {"properties": {}}, expand="snapshots"),
    }[rule]
    call()
    call()
    with pytest.raises(HttpResponseError) as error:
        call()
    assert (error.value.status_code, code(error)) == (429, "TooManyRequests")
    wait = int(error.value.response.headers["Retry-After"])
    assert seconds - 10 < wait <= seconds
    fake.advance(wait)
    fake.bearer.token = fake.token()
    call()
