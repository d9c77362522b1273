"""Storage accounts, file shares and containers."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import SHARE, code, workspace

OWN = {"properties": {"metadata": {"wsb_op": "0123456789abcdef0123456789abcdef"}}}


def shares(storage, expand=None):
    return [(each.name, each.properties.snapshot_time, each.properties.metadata)
            for each in storage.file_shares.list("rg", "files", expand=expand)]  # fmt: skip


def take(storage, share="projects", body=None):
    return storage.file_shares.create("rg", "files", share, body or OWN, expand="snapshots")


def test_the_same_request_takes_another_snapshot(fake, storage):
    first, second = take(storage), take(storage)
    assert first.snapshot_time != second.snapshot_time
    listed = shares(storage, "snapshots")
    assert [metadata for name, at, metadata in listed if at] == [OWN["properties"]["metadata"]] * 2
    assert [name for name, _, _ in shares(storage)] == ["projects", "exports"]
    assert fake.operations().count("file_shares.create") == 2


def test_two_snapshots_of_one_moment_have_two_names_in_whole_seconds(fake, storage):
    fake.reset(workspace(clock={}))
    fake.advance(0.7)
    first, second = take(storage).snapshot_time, take(storage).snapshot_time
    assert ((second - first).total_seconds(), first.microsecond) == (1, 0)


def test_a_snapshot_is_read_and_deleted_by_its_time(fake, storage):
    at = take(storage).snapshot_time.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    fake.call("write", {"resource": SHARE, "bytes": 100})
    got = storage.file_shares.get("rg", "files", "projects", x_ms_snapshot=at)
    assert got.metadata == OWN["properties"]["metadata"]
    assert fake.resource(SHARE)["hidden"]["snapshots"][0]["content"] == "projects@0"
    storage.file_shares.delete("rg", "files", "projects", x_ms_snapshot=at)
    with pytest.raises(ResourceNotFoundError) as error:
        storage.file_shares.get("rg", "files", "projects", x_ms_snapshot=at)
    assert code(error) == "ShareSnapshotNotFound"
    assert storage.file_shares.get("rg", "files", "projects").name == "projects"


def test_two_hundred_snapshots_are_the_most_of_a_share(fake, storage):
    for _ in range(200):
        at = f"{SHARE}?api-version=2026-09-01&$expand=snapshots"
        assert fake.send("PUT", at, OWN)[0] == 201
    with pytest.raises(HttpResponseError) as error:
        take(storage)
    assert code(error) == "ShareSnapshotCountExceeded"


def test_an_nfs_share_takes_snapshots_on_ssd_only(fake, storage):
    assert take(storage, "exports").enabled_protocols == "NFS"
    fake.reset(workspace(rules={"share.nfs_snapshots": False}))
    with pytest.raises(HttpResponseError) as error:
        take(storage, "exports")
    assert code(error) == "UnsupportedOperation"
    fake.reset(workspace(group={"storage_accounts": [{"name": "files"}], "recovery_vaults": []}))
    with pytest.raises(HttpResponseError, match="FileStorage"):
        storage.file_shares.create("rg", "files", "new", {"properties": {"enabledProtocols": "NFS"}})


def test_a_share_is_made_with_metadata_and_found_again(fake, storage):
    body = {"properties": {"shareQuota": 200, "metadata": {"wsb_op": "o1"}}}
    made = storage.file_shares.create("rg", "files", "restored", body)
    assert made.share_quota == 200
    again = storage.file_shares.create("rg", "files", "restored", {"properties": {"metadata": {"wsb_op": "o2"}}})
    assert again.metadata == {"wsb_op": "o2"}
    changed = storage.file_shares.update("rg", "files", "restored", {"properties": {"shareQuota": 300}})
    assert (changed.share_quota, changed.metadata) == (300, {"wsb_op": "o2"})
    assert fake.operations().count("file_shares.create") == 2


def test_a_deleted_share_can_be_brought_back_with_its_snapshots_for_a_while(fake, storage):
    take(storage)
    with pytest.raises(HttpResponseError) as error:
        storage.file_shares.delete("rg", "files", "projects")
    assert code(error) == "ShareHasSnapshots"
    storage.file_shares.delete("rg", "files", "projects", include="snapshots")
    assert [name for name, _, _ in shares(storage)] == ["exports"]
    with pytest.raises(HttpResponseError) as error:
        storage.file_shares.create("rg", "files", "projects", {"properties": {}})
    assert code(error) == "ShareBeingDeleted"
    [gone] = [each for each in storage.file_shares.list("rg", "files", expand="deleted") if each.properties.deleted]
    assert gone.properties.remaining_retention_days in {6, 7}
    back = {"deletedShareName": "projects", "deletedShareVersion": gone.properties.version}
    storage.file_shares.restore("rg", "files", "projects", back)
    assert len([at for _, at, _ in shares(storage, "snapshots") if at]) == 1


def test_a_deleted_share_is_gone_when_its_time_is_over(fake, storage):
    storage.file_shares.delete("rg", "files", "exports")
    fake.advance(7 * 86400)
    fake.bearer.token = fake.token()
    assert [name for name, _, _ in shares(storage, "deleted")] == ["projects"]
    fake.reset(workspace(group={"storage_accounts": [{"name": "files", "soft_delete_days": 0, "shares": [
        {"name": "projects"}]}], "recovery_vaults": []}))  # fmt: skip
    storage.file_shares.delete("rg", "files", "projects")
    assert shares(storage, "deleted") == []
    assert storage.file_services.get_service_properties("rg", "files").share_delete_retention_policy.enabled is False


def test_lists_are_filtered_and_paged(fake, storage):
    listed = storage.file_shares.list("rg", "files", filter="pro", maxpagesize="1")
    assert [each.name for each in listed] == ["projects"]
    assert [each.name for each in storage.file_shares.list("rg", "files", maxpagesize="1")] == ["projects", "exports"]


def test_what_does_not_exist_is_not_found(fake, storage):
    with pytest.raises(ResourceNotFoundError) as error:
        storage.file_shares.get("rg", "files", "nothing")
    assert code(error) == "ShareNotFound"
    with pytest.raises(ResourceNotFoundError) as error:
        storage.file_shares.get("rg", "nobody", "projects")
    assert code(error) == "ResourceNotFound"


def test_shares_are_directories_when_the_scenario_wants_them(fake, storage, tmp_path):
    fake.reset(workspace(trees=str(tmp_path)))
    (tmp_path / "projects" / "a.txt").write_text("before")
    at = take(storage).snapshot_time.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    (tmp_path / "projects" / "a.txt").write_text("after")
    assert (tmp_path / "projects" / ".snapshots" / at / "a.txt").read_text() == "before"
    storage.file_shares.delete("rg", "files", "projects", x_ms_snapshot=at)
    assert not (tmp_path / "projects" / ".snapshots" / at).exists()


def test_accounts_tell_what_a_preflight_asks(fake, storage):
    known = {"name": "files", "kind": "FileStorage", "soft_delete_days": 14, "versioning": True, "shared_key": False,
             "immutability": {"days": 7, "state": "Locked"}, "endpoints": {"blob": "http://127.0.0.1:1/files/"},
             "containers": [{"name": "store", "immutability_days": 30, "immutability_state": "Locked"},
                            {"name": "held", "legal_hold": True}]}  # fmt: skip
    fake.reset(workspace(group={"storage_accounts": [known], "recovery_vaults": []}))
    account = storage.storage_accounts.get_properties("rg", "files")
    assert account.immutable_storage_with_versioning.immutability_policy.state == "Locked"
    assert account.primary_endpoints.blob == "http://127.0.0.1:1/files/"
    assert [each.name for each in storage.storage_accounts.list()] == ["files"]
    assert storage.blob_services.get_service_properties("rg", "files").is_versioning_enabled is True
    store, held = storage.blob_containers.list("rg", "files")
    assert (store.properties.has_immutability_policy, held.properties.has_legal_hold) == (True, True)
    got = storage.blob_containers.get("rg", "files", "store")
    assert got.immutability_policy.properties.immutability_period_since_creation_in_days == 30
    with pytest.raises(HttpResponseError) as error:
        storage.storage_accounts.list_keys("rg", "files")
    assert code(error) == "KeyBasedAuthenticationNotPermitted"
    fake.reset(workspace())
    assert len(storage.storage_accounts.list_keys("rg", "files").keys_property) == 2


def test_a_new_snapshot_may_not_be_listed_for_a_while(fake, storage):
    fake.reset(workspace(rules={"share.list_lag_seconds": 60}))
    take(storage)
    assert [at for _, at, _ in shares(storage, "snapshots") if at] == []
    fake.advance(60)
    assert len([at for _, at, _ in shares(storage, "snapshots") if at]) == 1
