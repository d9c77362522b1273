"""Role definitions, and what they must allow."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import ACCOUNT, CLIENT, DISK, GROUP, SHARE, SNAPSHOT, SUBSCRIPTION, code, copy_of, workspace

SNAPSHOTS = ["Microsoft.Compute/snapshots/read", "Microsoft.Compute/snapshots/write"]
SOURCE = "Microsoft.Compute/disks/beginGetAccess/action"
POLL = "Microsoft.Compute/locations/*/read"


def holds(fake, *roles):
    fake.call("set", {"principal": CLIENT, "set": {"roles": list(roles)}})


def role(actions, scope=f"/subscriptions/{SUBSCRIPTION}", **more):
    return {"scope": scope, "definition": {"properties": {"permissions": [{"actions": actions, **more}]}}}


def test_each_call_tells_the_actions_that_it_needs(fake, compute, snap):
    snap()
    first, *polls, last = fake.call("journal")[1:]
    assert first["actions"] == ["Microsoft.Compute/snapshots/write", SOURCE]
    assert first["resources"] == [SNAPSHOT, DISK]
    assert {poll["actions"][0] for poll in polls} == {"Microsoft.Compute/locations/operationResults/read"}
    assert last["outcome"] == "ok"


def test_a_role_must_allow_each_call(fake, compute, snap):
    holds(fake)
    with pytest.raises(HttpResponseError) as error:
        compute.disks.get("rg", "db")
    assert (error.value.status_code, code(error)) == (403, "AuthorizationFailed")
    assert "'Microsoft.Compute/disks/read' over scope" in error.value.message
    holds(fake, role(SNAPSHOTS))
    with pytest.raises(HttpResponseError) as error:
        snap()
    assert code(error) == "LinkedAuthorizationFailed"
    holds(fake, role([*SNAPSHOTS, SOURCE]))
    with pytest.raises(HttpResponseError, match="operationResults/read"):
        snap()
    holds(fake, role([*SNAPSHOTS, SOURCE, POLL]))
    assert snap("s2").provisioning_state == "Succeeded"
    with pytest.raises(HttpResponseError):
        compute.snapshots.begin_delete("rg", "s2")


def test_what_a_role_takes_from_itself_another_may_give(fake, compute):
    holds(fake, role(["Microsoft.Compute/*"], notActions=["Microsoft.Compute/disks/*"]))
    with pytest.raises(HttpResponseError):
        compute.disks.get("rg", "db")
    holds(fake, role(["Microsoft.Compute/*"], notActions=["Microsoft.Compute/disks/*"]),
          role(["microsoft.compute/DISKS/read"]))  # fmt: skip
    assert compute.disks.get("rg", "db").name == "db"


def test_a_role_holds_at_and_below_its_scope(fake, compute):
    fake.reset(workspace(groups={"other": {"disks": [{"name": "db"}]}}))
    holds(fake, role(["*"], scope=GROUP))
    assert compute.disks.get("rg", "db").name == "db"
    for call in (lambda: compute.disks.get("other", "db"), lambda: list(compute.disks.list())):
        with pytest.raises(HttpResponseError):
            call()
    holds(fake, role(["*"], scope=DISK))
    assert compute.disks.get("rg", "db").name == "db"


@pytest.mark.parametrize("definition", [
    {"properties": {"permissions": [{"actions": ["*/read"]}]}},
    {"permissions": [{"actions": ["*/read"]}]},
    {"Name": "reader", "Actions": ["*/read"], "NotActions": [], "AssignableScopes": ["/"]},
])  # fmt: skip
def test_a_definition_may_be_written_in_each_known_form(fake, compute, definition):
    holds(fake, {"scope": "/", "definition": definition})
    assert compute.disks.get("rg", "db").name == "db"
    with pytest.raises(HttpResponseError):
        compute.disks.begin_delete("rg", "db")


def test_what_is_no_definition_is_refused(fake):
    for definition in ({"name": "reader"}, {"actions": ["read"]}):
        with pytest.raises(ValueError, match="action"):
            holds(fake, {"scope": "/", "definition": definition})


def test_one_action_may_be_denied(fake, compute, storage):
    fake.call("set", {"principal": CLIENT, "set": {"deny": ["Microsoft.Storage/storageAccounts/listKeys/action"]}})
    with pytest.raises(HttpResponseError):
        storage.storage_accounts.list_keys("rg", "files")
    assert compute.disks.get("rg", "db").name == "db"


def test_the_caller_may_ask_what_it_may_do(fake):
    holds(fake, role(["Microsoft.Compute/*", "Microsoft.Authorization/*/read"], notActions=["*/delete"]))
    client = fake.client("authorization")
    [told] = client.permissions.list_for_resource_group("rg")
    assert told.actions == ["Microsoft.Compute/*", "Microsoft.Authorization/*/read"]
    assert told.not_actions == ["*/delete"]
    [told] = client.permissions.list_for_resource("rg", "Microsoft.Compute", "", "disks", "db")
    assert told.actions[0] == "Microsoft.Compute/*"


def test_a_role_of_storage_covers_shares_and_their_snapshots(fake, storage):
    holds(fake, role(["Microsoft.Storage/storageAccounts/fileServices/shares/*"], scope=ACCOUNT))
    storage.file_shares.create("rg", "files", "projects", {"properties": {"metadata": {"a": "b"}}}, expand="snapshots")
    assert fake.call("journal")[-1]["actions"] == ["Microsoft.Storage/storageAccounts/fileServices/shares/write"]
    assert fake.call("journal")[-1]["resources"] == [SHARE]
    with pytest.raises(HttpResponseError):
        storage.storage_accounts.get_properties("rg", "files")


def test_another_tenant_s_subscription_is_not_found(fake, compute):
    fake.call("reset", workspace(subscription={"tenant": "55555555-5555-4555-8555-555555555555"}))
    fake.bearer.token = fake.token()
    with pytest.raises(ResourceNotFoundError):
        compute.disks.get("rg", "db")


def test_locks_forbid_what_they_say(fake, compute, snap):
    placed = fake.call("set", {"lock": {"scope": GROUP, "name": "keep"}})["id"]
    snap()
    with pytest.raises(HttpResponseError) as error:
        compute.snapshots.begin_delete("rg", "s1")
    assert (error.value.status_code, code(error)) == (409, "ScopeLocked")
    locks = fake.client("locks")
    assert [each.level for each in locks.management_locks.list_at_resource_group_level("rg")] == ["CanNotDelete"]
    [lock] = locks.management_locks.list_at_resource_level("rg", "Microsoft.Compute", "", "snapshots", "s1")
    assert lock.name == "keep"
    fake.call("set", {"resource": placed, "remove": True})
    compute.snapshots.begin_delete("rg", "s1").result()
    fake.call("set", {"lock": {"scope": DISK, "name": "still", "level": "ReadOnly"}})
    with pytest.raises(HttpResponseError):
        compute.disks.begin_update("rg", "db", {"tags": {}})
    snap("s2")
    assert compute.disks.begin_create_or_update("rg", "new", copy_of(f"{SNAPSHOT[:-2]}s2")).result().name == "new"


def test_a_volume_is_made_by_who_may_join_its_subnet(fake):
    netapp = fake.client("netapp")
    volume = {"location": "westeurope", "properties": {"creationToken": "new", "usageThreshold": 100 * 2**30,
              "subnetId": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net/subnets/anf"}}  # fmt: skip
    holds(fake, role(["Microsoft.NetApp/*"]))
    with pytest.raises(HttpResponseError) as error:
        netapp.volumes.begin_create_or_update("rg", "anf", "pool", "new", volume)
    assert code(error) == "LinkedAuthorizationFailed"
    holds(fake, role(["Microsoft.NetApp/*", "Microsoft.Network/virtualNetworks/subnets/join/action"]))
    assert netapp.volumes.begin_create_or_update("rg", "anf", "pool", "new", volume).result().name.endswith("new")
