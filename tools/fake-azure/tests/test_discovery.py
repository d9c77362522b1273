"""What a client looks around by."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import DISK, SUBSCRIPTION, VOLUME, code, workspace

TAGGED = "tagName eq 'team' and tagValue eq 'ml'"


@pytest.fixture
def resources(fake):
    return fake.client("resources").resources


def names(listed):
    return [each.name for each in listed]


def test_resources_are_found_by_their_tags(fake, resources, snap):
    snap(tags={"Team": "ml"})
    assert [each.id for each in resources.list(filter=TAGGED)][0] == DISK
    assert names(resources.list(filter=TAGGED)) == ["db", "s1"]
    assert names(resources.list_by_resource_group("rg", filter="tagName eq 'team'", top=1)) == ["db", "s1"]
    assert names(resources.list(filter="tagName eq 'team' and tagValue eq 'ops'")) == []


def test_nested_resources_are_listed_with_all_their_names_and_shares_are_not(fake, resources):
    found = {each.id: each.name for each in resources.list()}
    assert found[VOLUME] == "anf/pool/home"
    assert not [name for name in found.values() if "projects" in name]
    assert names(resources.list(filter="resourceType eq 'Microsoft.Compute/disks'")) == ["db"]


@pytest.mark.parametrize("wrong", ["colour eq 'red'", "tagName eq team", f"{TAGGED} and location eq 'westeurope'"])
def test_a_filter_that_azure_does_not_take_is_refused(fake, resources, wrong):
    with pytest.raises(HttpResponseError) as error:
        list(resources.list(filter=wrong))
    assert code(error) == "InvalidFilterInQueryString"


def test_a_group_that_does_not_exist_has_no_list(fake, resources):
    with pytest.raises(ResourceNotFoundError):
        list(resources.list_by_resource_group("nothing"))


def test_a_new_resource_may_be_missing_for_a_while(fake, resources, snap):
    fake.reset(workspace(rules={"list.lag_seconds": 60}))
    snap(tags={"team": "ml"})
    assert names(resources.list(filter=TAGGED)) == ["db"]
    fake.advance(60)
    assert names(resources.list(filter=TAGGED)) == ["db", "s1"]


def test_a_provider_may_not_be_registered(fake):
    fake.reset(workspace(subscription={"unregistered": ["Microsoft.NetApp"]}))
    providers = fake.client("resources").providers
    assert providers.get("Microsoft.NetApp").registration_state == "NotRegistered"
    assert providers.get("Microsoft.Compute").registration_state == "Registered"
    assert fake.call("journal")[-1]["actions"] == ["Microsoft.Resources/subscriptions/providers/read"]
    status, _, body = fake.send("GET", f"{VOLUME}?api-version=2026-08-01")
    assert (status, body["error"]["code"]) == (409, "MissingSubscriptionRegistration")


def test_skus_tell_zones_and_what_may_not_be_had(fake, compute):
    fake.reset(workspace(subscription={"restricted": ["UltraSSD_LRS"]}))
    told = {each.name: each for each in compute.resource_skus.list(filter="location eq 'westeurope'")}
    assert told["Premium_LRS"].location_info[0].zones == ["1", "2", "3"]
    assert told["Premium_ZRS"].location_info[0].zones == []
    assert told["UltraSSD_LRS"].restrictions[0].reason_code == "NotAvailableForSubscription"
    assert told["Premium_LRS"].restrictions == []
    assert len(list(compute.resource_skus.list())) == 2 * len(told)


def test_looking_around_needs_its_own_rights(fake, resources):
    names(resources.list())
    names(resources.list_by_resource_group("rg"))
    one, two = fake.call("journal")[-2:]
    assert one["actions"] == ["Microsoft.Resources/subscriptions/resources/read"]
    assert two["actions"] == ["Microsoft.Resources/subscriptions/resourceGroups/resources/read"]
    fake.client("subscriptions").subscriptions.get(SUBSCRIPTION)
    assert fake.call("journal")[-1]["actions"] == ["Microsoft.Resources/subscriptions/read"]
