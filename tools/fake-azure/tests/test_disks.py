"""Managed disks and their snapshots."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import DISK, SNAPSHOT, SUBSCRIPTION, code, copy_of, workspace


def test_a_snapshot_holds_what_the_disk_held(fake, compute, snap):
    taken = snap(tags={"wsb:op": "o1"})
    assert (taken.provisioning_state, taken.incremental, taken.completion_percent) == ("Succeeded", True, 100)
    assert taken.tags == {"wsb:op": "o1"}
    disk = compute.disks.get("rg", "db")
    assert taken.creation_data.source_resource_id == DISK
    assert taken.creation_data.source_unique_id == disk.unique_id
    assert taken.incremental_snapshot_family_id
    fake.call("write", {"resource": DISK})
    assert fake.resource(SNAPSHOT)["hidden"]["content"] == "db@0"
    assert snap("s2").incremental_snapshot_family_id == taken.incremental_snapshot_family_id
    assert fake.resource(SNAPSHOT.replace("s1", "s2"))["hidden"]["content"] == "db@1"


def test_the_same_put_again_finds_the_snapshot(fake, snap):
    first, second = snap(), snap()
    assert first.unique_id == second.unique_id
    assert first.time_created == second.time_created


def test_a_put_of_another_source_over_a_snapshot_is_refused(fake, compute, snap):
    fake.reset(workspace(group={"disks": [{"name": "db"}, {"name": "other"}]}))
    first = snap()
    with pytest.raises(HttpResponseError) as error:
        snap(source=DISK.replace("/db", "/other"))
    assert code(error) == "PropertyChangeNotAllowed"
    fake.reset(workspace(group={"disks": [{"name": "db"}, {"name": "other"}]}, rules={"snapshot.changed_put": "keep"}))
    first = snap()
    assert snap(source=DISK.replace("/db", "/other")).creation_data.source_resource_id == DISK
    assert compute.snapshots.get("rg", "s1").unique_id == first.unique_id


def test_a_disk_that_was_made_again_has_another_unique_id(fake, compute, snap):
    before = snap().creation_data.source_unique_id
    compute.disks.begin_delete("rg", "db").result()
    body = {"location": "westeurope", "properties": {"diskSizeGB": 64, "creationData": {"createOption": "Empty"}}}
    compute.disks.begin_create_or_update("rg", "db", body).result()
    assert compute.disks.get("rg", "db").unique_id != before
    assert snap("s2").incremental_snapshot_family_id != snap().incremental_snapshot_family_id


def test_a_disk_is_made_of_a_snapshot(fake, compute, snap):
    taken = snap()
    fake.call("write", {"resource": DISK})
    body = copy_of(taken.id, zones=["2"], sku={"name": "StandardSSD_ZRS"}, tags={"wsb:op": "o2"})
    made = compute.disks.begin_create_or_update("rg", "db-restored", body).result()
    assert (made.zones, made.sku.name, made.tags) == (["2"], "StandardSSD_ZRS", {"wsb:op": "o2"})
    assert made.disk_size_gb == 64
    assert made.creation_data.source_unique_id == taken.unique_id
    assert fake.resource(made.id)["hidden"]["content"] == "db@0"


@pytest.mark.parametrize(("change", "word"), [
    ({"zones": ["7"]}, "InvalidAvailabilityZone"),
    ({"location": "northeurope"}, "InvalidParameter"),
    ({"sku": {"name": "PremiumV2_LRS"}}, "InvalidParameter"),
])  # fmt: skip
def test_a_disk_that_cannot_be_is_refused(fake, compute, snap, change, word):
    snap()
    with pytest.raises(HttpResponseError) as error:
        compute.disks.begin_create_or_update("rg", "new", {**copy_of(SNAPSHOT), **change})
    assert code(error) == word


def test_a_disk_is_not_made_smaller_than_its_source(fake, compute, snap):
    snap()
    body = copy_of(SNAPSHOT)
    body["properties"]["diskSizeGB"] = 8
    with pytest.raises(HttpResponseError, match="fewer"):
        compute.disks.begin_create_or_update("rg", "new", body)


def test_sources_are_of_the_same_subscription_and_exist(fake, compute, snap):
    with pytest.raises(HttpResponseError) as error:
        snap(source=DISK.replace(SUBSCRIPTION, "99999999-9999-4999-8999-999999999999"))
    assert code(error) == "InvalidParameter"
    with pytest.raises(ResourceNotFoundError):
        snap(source=DISK.replace("/db", "/nothing"))


def test_what_is_deleted_is_gone_and_deleting_again_is_no_error(fake, compute, snap):
    snap()
    compute.snapshots.begin_delete("rg", "s1").result()
    with pytest.raises(ResourceNotFoundError) as error:
        compute.snapshots.get("rg", "s1")
    assert code(error) == "ResourceNotFound"
    compute.snapshots.begin_delete("rg", "s1").result()


def test_an_attached_disk_is_not_deleted_but_snapshotted(fake, compute, snap):
    fake.reset(workspace(group={"disks": [{"name": "db", "managed_by": "/subscriptions/x/vm"}]}))
    assert snap().provisioning_state == "Succeeded"
    with pytest.raises(HttpResponseError) as error:
        compute.disks.begin_delete("rg", "db")
    assert code(error) == "OperationNotAllowed"


def test_five_hundred_snapshots_are_the_most_of_a_disk(fake, snap):
    fake.reset(workspace(rules={"snapshot.maximum": 3}))
    for number in range(3):
        snap(f"s{number}")
    with pytest.raises(HttpResponseError) as error:
        snap("s4")
    assert code(error) == "OperationNotAllowed"
    assert {rule["name"]: rule["value"] for rule in fake.call("rules")}["snapshot.maximum"] == 500


def test_seven_snapshots_in_five_minutes_are_the_most_of_a_disk(fake, snap):
    fake.reset(workspace(clock={"per_request": 8}))
    for number in range(7):
        snap(f"s{number}")
    with pytest.raises(HttpResponseError) as error:
        snap("s7")
    assert code(error) == "TooManyRequests"
    wait = int(error.value.response.headers["Retry-After"])
    assert 0 < wait < 300
    fake.advance(wait)
    snap("s7")


@pytest.mark.parametrize("sku", ["PremiumV2_LRS", "UltraSSD_LRS"])
def test_snapshots_of_fast_disks_are_complete_later(fake, compute, snap, sku):
    fake.reset(workspace(clock={}, rules={"lro.variant": "immediate"},
                         group={"disks": [{"name": "db", "sku": sku, "zones": ["1"]}]}))  # fmt: skip
    assert snap().completion_percent == 0
    with pytest.raises(HttpResponseError, match="completionPercent is 0"):
        compute.disks.begin_create_or_update("rg", "new", copy_of(SNAPSHOT, zones=["1"]))
    fake.advance(300)
    assert compute.snapshots.get("rg", "s1").completion_percent == 50
    with pytest.raises(HttpResponseError, match="not complete"):
        compute.snapshots.begin_grant_access("rg", "s1", {"access": "Read", "durationInSeconds": 60})
    fake.advance(300)
    assert compute.snapshots.get("rg", "s1").completion_percent == 100
    compute.disks.begin_create_or_update("rg", "new", copy_of(SNAPSHOT, zones=["1"])).result()


def test_a_snapshot_is_copied_to_another_region_in_the_background(fake, compute, snap):
    snap()
    body = copy_of(SNAPSHOT, incremental=True, location="northeurope")
    body["properties"]["creationData"]["createOption"] = "CopyStart"
    copied = compute.snapshots.begin_create_or_update("rg", "far", body).result()
    assert copied.completion_percent < 100
    fake.advance(700)
    assert compute.snapshots.get("rg", "far").completion_percent == 100


def test_access_is_given_for_a_while(fake, compute, snap):
    snap()
    given = compute.snapshots.begin_grant_access("rg", "s1", {"access": "Read", "durationInSeconds": 600}).result()
    assert given.access_sas.startswith("http")
    assert compute.snapshots.get("rg", "s1").disk_state == "ActiveSAS"
    with pytest.raises(HttpResponseError, match="shared access"):
        compute.snapshots.begin_delete("rg", "s1")
    compute.snapshots.begin_revoke_access("rg", "s1").result()
    assert compute.snapshots.get("rg", "s1").disk_state == "Unattached"
    compute.disks.begin_grant_access("rg", "db", {"access": "Read", "durationInSeconds": 60}).result()
    fake.advance(60)
    assert compute.disks.get("rg", "db").disk_state == "Unattached"


def test_only_so_many_of_a_family_are_read_at_once(fake, compute, snap):
    fake.reset(workspace(rules={"snapshot.sas_maximum": 1}))
    snap("s1")
    snap("s2")
    access = {"access": "Read", "durationInSeconds": 600}
    compute.snapshots.begin_grant_access("rg", "s1", access).result()
    with pytest.raises(HttpResponseError, match="family"):
        compute.snapshots.begin_grant_access("rg", "s2", access)


def test_an_immutable_snapshot_is_deleted_when_its_time_is_over(fake, compute, snap):
    snap()
    policy = {"immutabilityDurationDays": 2, "type": "Unlocked"}
    told = compute.snapshots.begin_update_immutability_policy("rg", "s1", policy).result()
    assert told.immutability_policy.is_policy_expired is False
    with pytest.raises(HttpResponseError, match="immutable until"):
        compute.snapshots.begin_delete("rg", "s1")
    locked = {"immutabilityDurationDays": 2, "type": "Locked"}
    compute.snapshots.begin_update_immutability_policy_lock("rg", "s1", locked).result()
    with pytest.raises(HttpResponseError, match="cannot be shortened"):
        compute.snapshots.begin_update_immutability_policy("rg", "s1", {**locked, "immutabilityDurationDays": 1})
    fake.advance(2 * 86400)
    fake.bearer.token = fake.token()
    compute.snapshots.begin_delete("rg", "s1").result()


def test_tags_change_and_disks_grow(fake, compute, snap):
    snap()
    assert compute.snapshots.begin_update("rg", "s1", {"tags": {"a": "b"}}).result().tags == {"a": "b"}
    assert compute.disks.begin_update("rg", "db", {"properties": {"diskSizeGB": 128}}).result().disk_size_gb == 128
    with pytest.raises(HttpResponseError, match="smaller"):
        compute.disks.begin_update("rg", "db", {"properties": {"diskSizeGB": 16}})


def test_lists_tell_all_on_many_pages(fake, compute, snap):
    fake.reset(workspace(rules={"page.size": 2}))
    for number in range(5):
        snap(f"s{number}")
    assert [each.name for each in compute.snapshots.list()] == ["s0", "s1", "s2", "s3", "s4"]
    assert len(list(compute.snapshots.list_by_resource_group("rg"))) == 5
    assert [each.name for each in compute.disks.list_by_resource_group("rg")] == ["db"]


def test_the_group_in_ids_may_be_in_capitals(fake, compute, snap):
    fake.reset(workspace(rules={"compute.group_case": "upper"}))
    snap()
    assert "/resourceGroups/RG/" in compute.snapshots.get("rg", "s1").id


def test_usage_counts_disks(fake, compute):
    usages = {each.name.value: each for each in compute.usage.list("westeurope")}
    assert (usages["StandardDiskCount"].current_value, usages["StandardDiskCount"].limit) == (1, 50000)


def test_more_disks_than_the_quota_are_refused(fake, compute):
    fake.reset(workspace(rules={"disk.quota": 1}))
    body = {"location": "westeurope", "properties": {"diskSizeGB": 8, "creationData": {"createOption": "Empty"}}}
    with pytest.raises(HttpResponseError, match="exceeding approved StandardDiskCount quota") as error:
        compute.disks.begin_create_or_update("rg", "new", body)
    assert code(error) == "OperationNotAllowed"
    body["location"] = "northeurope"
    compute.disks.begin_create_or_update("rg", "new", body).result()


def test_what_the_fake_cannot_do_is_its_violation(fake, compute):
    body = {"location": "westeurope", "properties": {"diskSizeGB": 8, "creationData": {"createOption": "FromImage"}}}
    with pytest.raises(HttpResponseError):
        compute.disks.begin_create_or_update("rg", "new", body)
    fake.expected.add("disks.create_or_update")
    assert fake.call("violations")[0]["side"] == "fake"


def test_a_new_snapshot_may_not_be_found_for_a_while(fake, compute, snap):
    fake.reset(workspace(rules={"read.lag_seconds": 60, "lro.variant": "immediate"}))
    snap()
    with pytest.raises(ResourceNotFoundError):
        compute.snapshots.get("rg", "s1")
    assert list(compute.snapshots.list()) == []
    assert snap().provisioning_state == "Succeeded"
    fake.advance(60)
    assert compute.snapshots.get("rg", "s1").name == "s1"
    assert len(list(compute.snapshots.list())) == 1


@pytest.mark.parametrize(("sizes", "families"), [((128, 4096), 1), ((4096, 4097), 2), ((8192, 16384), 2)])
def test_a_disk_that_grows_over_four_tebibytes_begins_a_new_family(fake, compute, snap, sizes, families):
    seen = {snap().incremental_snapshot_family_id}
    for number, size in enumerate(sizes):
        compute.disks.begin_update("rg", "db", {"properties": {"diskSizeGB": size}}).result()
        seen.add(snap(f"after-{number}").incremental_snapshot_family_id)
    assert len(seen) == families
