"""Long-running operations in every variant that the SDK's client accepts."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError
from conftest import DISK, SNAPSHOT, SUBSCRIPTION, VOLUME, copy_of, workspace

PUT = "compute:snapshots.create_or_update"
BODY = copy_of(DISK, incremental=True)
AGAIN = f"{SNAPSHOT}?api-version=2026-03-02"


def polls(fake):
    return [entry for entry in fake.call("journal") if entry.get("operation") == "poll"]


@pytest.mark.parametrize(("variant", "status", "headers"), [
    ("immediate", 200, set()),
    ("async", 202, {"Azure-AsyncOperation"}),
    ("location", 202, {"Location"}),
    ("both", 202, {"Azure-AsyncOperation", "Location"}),
    ("state", 200, set()),
])  # fmt: skip
def test_each_variant_of_a_put_is_followed_by_the_sdk(fake, compute, variant, status, headers):
    fake.inject(PUT, {"kind": "lro", "variant": variant, "seconds": 3}, count=2)
    got, told, body = fake.send("PUT", AGAIN, BODY)
    assert got == status
    assert {name for name in ("Azure-AsyncOperation", "Location") if told[name]} == headers
    assert body["properties"]["provisioningState"] == ("Succeeded" if variant == "immediate" else "Creating")
    made = compute.snapshots.begin_create_or_update("rg", "s2", BODY).result()
    assert made.provisioning_state == "Succeeded"
    assert bool(polls(fake)) == (variant in {"async", "location", "both"})


@pytest.mark.parametrize("variant", ["immediate", "async", "location", "both"])
def test_each_variant_of_a_deletion_is_followed_by_the_sdk(fake, compute, snap, variant):
    snap()
    fake.inject("compute:snapshots.delete", {"kind": "lro", "variant": variant})
    compute.snapshots.begin_delete("rg", "s1").result()
    assert SNAPSHOT not in fake.call("state")["resources"]


@pytest.mark.parametrize("variant", ["immediate", "location", "both"])
def test_each_variant_of_a_post_yields_what_it_is_asked_for(fake, compute, snap, variant):
    snap()
    fake.inject("snapshots.grant_access", {"kind": "lro", "variant": variant})
    access = {"access": "Read", "durationInSeconds": 600}
    assert compute.snapshots.begin_grant_access("rg", "s1", access).result().access_sas.startswith("http")


@pytest.mark.parametrize("variant", ["immediate", "async", "location", "both", "state"])
def test_a_scenario_chooses_the_variant_for_all(fake, netapp, variant):
    rules = {"lro.variant": variant, "netapp.backup_seconds": 3, "netapp.backup_bytes_per_second": 10**10}
    fake.reset(workspace(rules=rules))
    made = netapp.snapshots.begin_create("rg", "anf", "pool", "home", "s1", {"location": "westeurope"}).result()
    assert made.properties.provisioning_state == "Succeeded"
    statuses = {"immediate": 201, "async": 201, "location": 202, "both": 202, "state": 201}
    [first] = [entry for entry in fake.call("journal") if entry.get("operation") == "snapshots.create"]
    assert first["status"] == statuses[variant]
    backup = {"properties": {"volumeResourceId": VOLUME}}
    netapp.backups.begin_create("rg", "anf", "keep", "b1", backup).result()
    [first] = [entry for entry in fake.call("journal") if entry.get("operation") == "backups.create"]
    assert first["status"] == (200 if variant == "immediate" else 201)


def test_an_operation_is_not_answered_as_its_client_would_refuse(fake):
    fake.inject("snapshots.grant_access", {"kind": "lro", "variant": "async"})
    fake.send("PUT", AGAIN, BODY)
    status, _, _ = fake.send("POST", f"{SNAPSHOT}/beginGetAccess?api-version=2026-03-02",
                             {"access": "Read", "durationInSeconds": 60})  # fmt: skip
    fake.expected.add("snapshots.grant_access")
    assert status == 500
    assert "never answered async" in fake.call("violations")[0]["errors"][0]


@pytest.mark.parametrize("patience", [0, None, 900])
def test_retry_after_is_absent_or_any_number(fake, patience):
    fake.inject(PUT, {"kind": "lro", "variant": "both", "retry_after": patience})
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    wanted = None if patience is None else str(patience)
    assert told["Retry-After"] == wanted
    status, told, body = fake.send("GET", told["Azure-AsyncOperation"])
    assert (status, told["Retry-After"], body["status"]) == (200, wanted, "InProgress")


def test_poll_urls_may_be_longer_than_four_kilobytes(fake, compute):
    fake.reset(workspace(rules={"lro.url_bytes": 5000, "lro.variant": "both"}))
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    assert len(told["Location"]) > 5000
    assert compute.snapshots.begin_create_or_update("rg", "s2", BODY).result().provisioning_state == "Succeeded"


def test_a_location_runs_with_202_and_ends_with_the_resource(fake):
    fake.inject(PUT, {"kind": "lro", "variant": "location", "seconds": 10})
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    status, again, body = fake.send("GET", told["Location"])
    assert (status, again["Location"], body) == (202, told["Location"], None)
    fake.advance(10)
    status, _, body = fake.send("GET", told["Location"])
    assert (status, body["name"]) == (200, "s1")
    _, told, _ = fake.send("DELETE", AGAIN)
    fake.advance(10)
    assert fake.send("GET", told["Location"])[0] == 204


def test_a_status_tells_times_and_any_word_while_it_runs(fake):
    fake.reset(workspace(rules={"lro.running_word": "Accepted", "lro.variant": "async"}))
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    url = told["Azure-AsyncOperation"]
    assert fake.send("GET", url)[2]["status"] == "Accepted"
    fake.advance(10)
    body = fake.send("GET", url)[2]
    assert (body["status"], body["id"].startswith(f"/subscriptions/{SUBSCRIPTION}/")) == ("Succeeded", True)
    assert body["endTime"] > body["startTime"]


@pytest.mark.parametrize("variant", ["async", "location", "both", "state", "immediate"])
def test_a_failure_is_told_with_its_details(fake, compute, variant):
    fake.inject(PUT, {"kind": "lro", "variant": variant})
    details = [{"code": "DiskBusy", "message": "inner"}]
    fake.inject(PUT, {"kind": "outcome", "state": "Failed", "code": "OperationNotAllowed", "message": "outer",
                      "details": details})  # fmt: skip
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_create_or_update("rg", "s1", BODY).result()
    if variant != "state":
        assert error.value.error.code == "OperationNotAllowed"
        assert error.value.error.details[0].code == "DiskBusy"
    failed = fake.resource(SNAPSHOT)["properties"]
    assert failed["provisioningState"] == "Failed"
    again = compute.snapshots.begin_create_or_update("rg", "s1", BODY).result()
    assert (again.provisioning_state, again.unique_id != failed["uniqueId"]) == ("Succeeded", True)


def test_an_operation_may_be_cancelled(fake, compute):
    fake.inject(PUT, {"kind": "lro", "variant": "async"})
    fake.inject(PUT, {"kind": "outcome", "state": "Canceled"})
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_create_or_update("rg", "s1", BODY).result()
    assert error.value.error.code == "OperationPreempted"


def test_a_poll_url_may_be_lost_while_the_operation_goes_on(fake, compute):
    fake.inject(PUT, {"kind": "lro", "variant": "both", "seconds": 60, "lost_after": 30})
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    fake.advance(20)
    assert fake.send("GET", told["Location"])[0] == 202
    fake.advance(20)
    for name in ("Location", "Azure-AsyncOperation"):
        assert fake.send("GET", told[name])[0] == 404
    assert compute.snapshots.get("rg", "s1").provisioning_state == "Creating"
    fake.advance(20)
    assert compute.snapshots.get("rg", "s1").provisioning_state == "Succeeded"


def test_poll_urls_are_good_for_a_day_after_the_end(fake):
    fake.inject(PUT, {"kind": "lro", "variant": "async", "seconds": 10})
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    fake.advance(86000)
    fake.bearer.token = fake.token()
    assert fake.send("GET", told["Azure-AsyncOperation"])[0] == 200
    fake.advance(500)
    assert fake.send("GET", told["Azure-AsyncOperation"])[0] == 404


def test_a_changed_poll_url_is_a_violation(fake):
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    assert fake.send("GET", told["Location"].replace("&t=", "&u="))[0] == 400
    fake.expected.add("poll")
    assert "not the one that was given out" in fake.call("violations")[0]["errors"][0]


def test_a_poll_may_fail_or_tell_words_nobody_knows(fake):
    fake.inject(PUT, {"kind": "lro", "variant": "async"})
    _, told, _ = fake.send("PUT", AGAIN, BODY)
    url = told["Azure-AsyncOperation"]
    fake.inject("poll", {"kind": "http", "status": 503, "retry_after": 7})
    fake.inject("poll", {"kind": "rewrite", "set": {"status": "Hibernating", "startTime": None}}, nth=2)
    status, headers, _ = fake.send("GET", url)
    assert (status, headers["Retry-After"]) == (503, "7")
    body = fake.send("GET", url)[2]
    assert (body["status"], "startTime" in body) == ("Hibernating", False)
    fake.inject("poll", {"kind": "cut"}, match={"operation": "compute:snapshots.delete"})
    fake.inject("poll", {"kind": "cut"}, match={"operation": PUT}, nth=2)
    assert fake.send("GET", url)[0] == 200
    assert fake.call("journal")[-1]["params"]["operation"] == PUT
    with pytest.raises(ConnectionError):
        fake.send("GET", url)
