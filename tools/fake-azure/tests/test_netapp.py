"""NetApp Files: volumes, snapshots, backups and what is made of them."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import ANF, GROUP, VOLUME, code, workspace

AT = ("rg", "anf", "pool", "home")
SNAP = {"location": "westeurope"}
OWN = {"properties": {"volumeResourceId": VOLUME, "label": "wsb o1"}}
QUIET = {"netapp.backup_seconds": 100, "lro.variant": "immediate"}


def body(name="copy", **more):
    network = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/net/subnets/anf"
    return {"location": "westeurope", "tags": {"wsb:op": "o1"}, "properties": {
        "creationToken": name, "usageThreshold": 200 * 2**30, "subnetId": network, **more}}  # fmt: skip


def snapshot(netapp, name="s1"):
    return netapp.snapshots.begin_create(*AT, name, SNAP).result()


def test_a_snapshot_holds_what_the_volume_held_and_its_name_is_the_key(fake, netapp):
    first, second = snapshot(netapp), snapshot(netapp)
    assert first.properties.snapshot_id == second.properties.snapshot_id
    fake.call("write", {"resource": VOLUME, "bytes": 10})
    assert fake.resource(f"{VOLUME}/snapshots/s1")["hidden"]["content"] == "home@0"
    assert [each.name for each in netapp.snapshots.list(*AT)] == ["s1"]
    netapp.snapshots.begin_delete(*AT, "s1").result()
    with pytest.raises(ResourceNotFoundError):
        netapp.snapshots.get(*AT, "s1")


def test_two_hundred_and_fifty_five_snapshots_are_the_most_of_a_volume(fake, netapp):
    fake.reset(workspace(rules={"netapp.snapshot_maximum": 2}))
    snapshot(netapp)
    snapshot(netapp, "s2")
    with pytest.raises(HttpResponseError) as error:
        snapshot(netapp, "s3")
    assert code(error) == "QuotaExceeded"
    assert {rule["name"]: rule["value"] for rule in fake.call("rules")}["netapp.snapshot_maximum"] == 255


@pytest.mark.parametrize("by", ["id", "number"])
def test_a_volume_is_made_of_a_snapshot_and_restoring_for_a_while(fake, netapp, by):
    fake.reset(workspace(clock={"per_request": 20}))
    taken = snapshot(netapp)
    fake.call("write", {"resource": VOLUME})
    named = taken.id if by == "id" else taken.properties.snapshot_id
    made = netapp.volumes.begin_create_or_update("rg", "anf", "pool", "copy", body(snapshotId=named)).result()
    assert (made.properties.is_restoring, made.tags) == (True, {"wsb:op": "o1"})
    status = netapp.backups.get_volume_latest_restore_status("rg", "anf", "pool", "copy")
    assert (status.relationship_status, status.healthy) == ("Transferring", True)
    with pytest.raises(HttpResponseError) as error:
        netapp.snapshots.begin_delete(*AT, "s1")
    assert code(error) == "ResourceInUse"
    fake.advance(300)
    assert netapp.volumes.get("rg", "anf", "pool", "copy").properties.is_restoring is False
    assert netapp.backups.get_volume_latest_restore_status("rg", "anf", "pool", "copy").relationship_status == "Idle"
    assert fake.resource(f"{ANF}/capacityPools/pool/volumes/copy")["hidden"]["content"] == "home@0"


def test_a_restore_may_fail(fake, netapp):
    fake.inject("RestoreJob", {"kind": "outcome", "state": "Failed", "message": "out of luck"})
    snapshot(netapp)
    made = body(snapshotId=f"{VOLUME}/snapshots/s1")
    fake.inject("netapp:volumes.create_or_update", {"kind": "lro", "variant": "immediate"})
    netapp.volumes.begin_create_or_update("rg", "anf", "pool", "copy", made).result()
    fake.advance(400)
    status = netapp.backups.get_volume_latest_restore_status("rg", "anf", "pool", "copy")
    assert (status.relationship_status, status.error_message) == ("Failed", "out of luck")


def test_a_backup_is_transferred_and_its_name_is_the_key(fake, netapp):
    fake.reset(workspace(clock={}, rules={"lro.variant": "sdk", "netapp.backup_seconds": 100}))
    first = netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN, polling=False).result()
    assert first.properties.provisioning_state == "Creating"
    fake.advance(60)
    status = netapp.backups.get_latest_status(*AT)
    assert (status.relationship_status, status.transfer_progress_bytes) == ("Transferring", 6_000_000_000)
    again = netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN, polling=False).result()
    assert again.properties.backup_id == first.properties.backup_id
    fake.advance(60)
    assert netapp.backups.get_latest_status(*AT).mirror_state == "Mirrored"
    volumes = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes"
    assert fake.call("journal")[-1]["actions"] == [f"{volumes}/latestBackupStatus/current/read"]
    done = netapp.backups.get("rg", "anf", "keep", "b1")
    assert (done.properties.provisioning_state, done.properties.size) == ("Succeeded", 12_000_000_000)
    assert [each.name for each in netapp.backups.list_by_vault("rg", "anf", "keep")] == ["b1"]
    wanted = f"VolumeResourceId eq '{VOLUME}'"
    assert len(list(netapp.backups.list_by_vault("rg", "anf", "keep", filter=wanted))) == 1
    fake.call("write", {"resource": VOLUME, "bytes": 500_000_000})
    netapp.backups.begin_create("rg", "anf", "keep", "b2", OWN, polling=False)
    assert netapp.backups.get_latest_status(*AT).total_transfer_bytes == 500_000_000


def test_one_backup_of_a_volume_at_a_time(fake, netapp):
    netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN, polling=False)
    with pytest.raises(HttpResponseError) as error:
        netapp.backups.begin_create("rg", "anf", "keep", "b2", OWN, polling=False)
    assert code(error) == "Conflict"
    with pytest.raises(HttpResponseError):
        netapp.volumes.begin_delete("rg", "anf", "pool", "home")
    with pytest.raises(HttpResponseError):
        netapp.backups.begin_delete("rg", "anf", "keep", "b1")


def test_a_backup_of_a_snapshot_that_exists(fake, netapp):
    fake.reset(workspace(rules=QUIET))
    snapshot(netapp)
    own = {"properties": {"volumeResourceId": VOLUME, "useExistingSnapshot": True, "snapshotName": "s1"}}
    made = netapp.backups.begin_create("rg", "anf", "keep", "b1", own).result()
    assert made.properties.snapshot_name == "s1"
    own["properties"]["snapshotName"] = "nothing"
    with pytest.raises(ResourceNotFoundError):
        netapp.backups.begin_create("rg", "anf", "keep", "b2", own)


def test_a_volume_needs_a_vault_for_its_backups(fake, netapp):
    pools = [{"name": "pool", "volumes": [{"name": "home"}]}]
    anf = {"name": "anf", "backup_vaults": [{"name": "keep"}], "pools": pools}
    fake.reset(workspace(group={"netapp_accounts": [anf]}, rules=QUIET))
    with pytest.raises(HttpResponseError) as error:
        netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN)
    assert code(error) == "VolumeNotAssignedToBackupVault"
    patch = {"properties": {"dataProtection": {"backup": {"backupVaultId": f"{ANF}/backupVaults/keep"}}}}
    netapp.volumes.begin_update(*AT, patch).result()
    netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN).result()


def test_what_is_being_deleted_is_not_made_again_meanwhile(fake, netapp):
    fake.reset(workspace(clock={}))
    snapshot_of = f"{VOLUME}/snapshots/s1?api-version=2026-08-01"
    assert fake.send("PUT", snapshot_of, SNAP)[0] == 202
    fake.advance(10)
    assert fake.send("DELETE", snapshot_of)[0] == 202
    status, _, told = fake.send("PUT", snapshot_of, SNAP)
    assert (status, told["error"]["code"]) == (409, "Conflict")
    fake.advance(10)
    assert fake.send("PUT", snapshot_of, SNAP)[0] == 202


def test_a_failed_backup_says_why(fake, netapp):
    fake.inject("backups.create", {"kind": "outcome", "state": "Failed", "message": "no space"})
    fake.inject("backups.create", {"kind": "lro", "variant": "async", "seconds": 2})
    with pytest.raises(HttpResponseError, match="no space"):
        netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN).result()
    assert netapp.backups.get("rg", "anf", "keep", "b1").properties.failure_reason == "no space"
    status = netapp.backups.get_latest_status(*AT)
    assert (status.relationship_status, status.healthy) == ("Failed", False)


def test_a_volume_is_made_of_a_backup(fake, netapp):
    fake.reset(workspace(rules=QUIET))
    made = netapp.backups.begin_create("rg", "anf", "keep", "b1", OWN).result()
    netapp.volumes.begin_create_or_update("rg", "anf", "pool", "copy", body(backupId=made.id)).result()
    assert fake.resource(f"{ANF}/capacityPools/pool/volumes/copy")["hidden"]["content"] == "home@0"
    netapp.backups.begin_delete("rg", "anf", "keep", "b1").result()
    assert list(netapp.backups.list_by_vault("rg", "anf", "keep")) == []


@pytest.mark.parametrize(("change", "word"), [
    ({"creationToken": "home"}, "CreationTokenExists"),
    ({"usageThreshold": 5 * 2**40}, "PoolSizeTooSmall"),
    ({"snapshotId": "nothing"}, "ResourceNotFound"),
])  # fmt: skip
def test_a_volume_that_cannot_be_is_refused(fake, netapp, change, word):
    with pytest.raises(HttpResponseError) as error:
        netapp.volumes.begin_create_or_update("rg", "anf", "pool", "copy", body(**change))
    assert code(error) == word


def test_volumes_are_directories_when_the_scenario_wants_them(fake, netapp, tmp_path):
    fake.reset(workspace(trees=str(tmp_path), rules=QUIET))
    (tmp_path / "home" / "d").mkdir()
    (tmp_path / "home" / "d" / "a.txt").write_text("before")
    snapshot(netapp)
    (tmp_path / "home" / "d" / "a.txt").write_text("after")
    assert (tmp_path / "home" / ".snapshot" / "s1" / "d" / "a.txt").read_text() == "before"
    made = body(snapshotId=f"{VOLUME}/snapshots/s1")
    netapp.volumes.begin_create_or_update("rg", "anf", "pool", "copy", made).result()
    assert (tmp_path / "copy" / "d" / "a.txt").read_text() == "before"
    netapp.volumes.begin_delete("rg", "anf", "pool", "copy").result()
    assert not (tmp_path / "copy").exists()


def test_accounts_pools_and_vaults_are_found(fake, netapp):
    assert netapp.accounts.get("rg", "anf").location == "westeurope"
    assert [each.name for each in netapp.accounts.list("rg")] == ["anf"]
    assert netapp.pools.get("rg", "anf", "pool").properties.size == 4 * 2**40
    assert [each.name for each in netapp.pools.list("rg", "anf")] == ["pool"]
    assert [each.name for each in netapp.volumes.list("rg", "anf", "pool")] == ["home"]
    assert netapp.backup_vaults.get("rg", "anf", "keep").name == "keep"
    assert [each.name for each in netapp.backup_vaults.list_by_net_app_account("rg", "anf")] == ["keep"]
    assert netapp.volumes.get(*AT).properties.mount_targets[0].ip_address.startswith("10.1.")
