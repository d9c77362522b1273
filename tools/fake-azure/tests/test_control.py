"""The control plane: scenarios, time, journal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
from azure.core.exceptions import ResourceNotFoundError
from conftest import CLIENT, DISK, GROUP, HERE, INSTANCE, SHARE, SNAPSHOT, copy_of, workspace

PUT = f"{SNAPSHOT}?api-version=2026-03-02"
GET = f"{DISK}?api-version=2026-03-02"


def test_the_same_scenario_gives_the_same_ids(fake, snap):
    seen = []
    for seed in (1, 1, 2):
        fake.reset(workspace(seed=seed))
        seen.append(snap().unique_id)
    assert seen[0] == seen[1] != seen[2]


def test_time_stands_still_unless_it_is_moved(fake):
    fake.reset(workspace(clock={}))
    before = fake.call("now")
    time.sleep(0.02)
    assert fake.call("now") == before
    fake.advance(0.5)
    assert fake.call("now")["now"] == before["now"] + 0.5
    with pytest.raises(ValueError, match="backwards"):
        fake.advance(-1)


def test_time_may_run_faster_than_real(fake, compute):
    fake.reset(workspace(clock={"speed": 1000}))
    compute.snapshots.begin_create_or_update("rg", "s1", copy_of(DISK), polling=False)
    deadline = time.monotonic() + 10
    while compute.snapshots.get("rg", "s1").provisioning_state != "Succeeded":
        assert time.monotonic() < deadline


def test_a_scenario_may_begin_now(fake):
    fake.reset(workspace(start="now"))
    assert abs(fake.call("now")["now"] - time.time()) < 10


@pytest.mark.parametrize("scenario", [
    {"acounts": {}},
    {"rules": {"disk.second": 1}},
    {"clock": {"fast": 1}},
    {"principals": {"p": {"colour": "red"}}},
    {"subscriptions": {"s": {"group": {}}}},
    workspace(group={"disks": [{"name": "a", "size": 8}]}),
    workspace(group={"storage_accounts": [{"name": "a", "shares": [{"name": "s", "nfs": True}]}]}),
    workspace(group={"netapp_accounts": [{"name": "a", "pools": [{"name": "p", "volumes": [{"name": "v", "x": 1}]}]}]}),
    workspace(group={"backup_vaults": [{"name": "a", "locked": True}]}),
    {"garbage_collector": {"after": 1}},
])  # fmt: skip
def test_a_typing_error_in_a_scenario_is_refused(fake, scenario):
    with pytest.raises(ValueError, match="unknown"):
        fake.reset(scenario)


def test_the_journal_tells_calls_in_order(fake, compute):
    fake.send("PUT", PUT, copy_of(DISK))
    compute.disks.get("rg", "db")
    login, first, second = fake.call("journal")
    assert (login["operation"], login["outcome"], login["principal"]) == ("token.oauth", "ok", CLIENT)
    assert (first["n"], first["operation"], first["service"], first["outcome"]) == (
        2, "snapshots.create_or_update", "compute", "ok")  # fmt: skip
    assert (first["status"], first["lro"]["variant"]) == (202, "location")
    assert first["params"]["body"]["properties"]["creationData"]["sourceResourceId"] == DISK
    assert fake.call("journal?since=2") == [second]
    assert second["params"]["diskName"] == "db"


def test_events_tell_what_happened_by_itself(fake):
    fake.send("PUT", PUT, copy_of(DISK))
    fake.advance(10)
    assert [event["what"] for event in fake.call("events")] == [
        "Microsoft.Compute/snapshots Succeeded", "operation ended"]  # fmt: skip


def test_changes_from_outside_name_what_exists(fake):
    for name, body in (
        ("set", {"resource": "/nothing", "set": {}}), ("set", {"principal": "nobody", "set": {}}), ("set", {}),
        ("set", {"principal": CLIENT, "set": {"colour": 1}}), ("set", {"rules": {"colour": 1}}),
        ("set", {"lock": {"scope": GROUP, "level": "Soft"}}), ("write", {"resource": GROUP}),
        ("foreign-job", {"item": DISK}), ("unknown", {}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            fake.call(name, body)


def test_administrators_change_their_minds(fake, compute):
    fake.call("set", {"resource": DISK, "set": {"tags.keep": "yes", "managedBy": "/vm"}})
    disk = compute.disks.get("rg", "db")
    assert (disk.tags, disk.managed_by) == ({"team": "ml", "keep": "yes"}, "/vm")
    fake.call("set", {"rules": {"page.size": 1}})
    fake.call("set", {"resource": DISK, "remove": True})
    with pytest.raises(ResourceNotFoundError):
        compute.disks.get("rg", "db")


def test_users_write(fake):
    assert fake.call("write", {"resource": SHARE, "bytes": 10})["content"] == "projects@1"
    assert fake.call("write", {"resource": SHARE, "content": "mine"})["content"] == "mine"
    assert fake.resource(SHARE)["hidden"]["bytes"] == 5_000_000_010


def test_every_rule_says_what_it_rests_on(fake):
    rules = fake.call("rules")
    assert {rule["evidence"] for rule in rules} <= {"M", "D", "P", "A"}
    assert len({rule["name"] for rule in rules}) == len(rules)
    fake.reset({"rules": {"page.size": 7}})
    changed = [rule for rule in fake.call("rules") if rule["in_force"] != rule["value"]]
    assert [rule["name"] for rule in changed] == ["page.size"]


def test_every_rule_is_asked_for_somewhere():
    from fake_azure.rules import RULES

    source = "".join(path.read_text() for path in (HERE / "fake_azure").rglob("*.py") if path.name != "rules.py")
    assert [rule.name for rule in RULES if f'"{rule.name}"' not in source] == []


def test_a_foreign_job_may_be_anybodys(fake):
    job = fake.call("foreign-job", {"item": INSTANCE, "user": True})["job"]
    assert fake.call("state")["jobs"][job]["user"] is True


def test_the_servers_clock_may_be_off(fake):
    fake.reset(workspace(clock={"skew": 200}))
    told = fake.send("GET", GET)[1]["Date"]
    assert 190 < parsedate_to_datetime(told).timestamp() - time.time() < 210


def test_many_clients_at_once_are_answered_one_by_one(fake):
    with ThreadPoolExecutor(8) as pool:
        statuses = set(pool.map(lambda _: fake.send("PUT", PUT, copy_of(DISK))[0], range(40)))
    assert statuses == {202}
    assert [entry["n"] for entry in fake.call("journal")] == list(range(1, 42))
