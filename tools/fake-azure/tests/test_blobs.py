"""Blobs in a vault of Data Protection: which containers are kept, and where they come back."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from conftest import GROUP, SUBSCRIPTION, VAULT, code

KIND = "Microsoft.Storage/storageAccounts/blobServices"
AT = ("rg", "vault", "blobs")
SOURCE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/models"
TARGET = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/again"
INSTANCE = f"{VAULT}/backupInstances/blobs"


def scenario():
    accounts = [
        {"name": "models", "containers": [{"name": "weights"}, {"name": "scratch"}]},
        {"name": "again", "containers": [{"name": "taken"}, {"name": "held", "legal_hold": True}]},
    ]
    vaults = [{
        "name": "vault", "policies": [{"name": "blobs", "type": KIND}],
        "instances": [{"name": "blobs", "account": "models", "policy": "blobs", "containers": ["weights"]}],
    }]  # fmt: skip
    groups = {"rg": {"storage_accounts": accounts, "backup_vaults": vaults}}
    return {"clock": {"per_request": 1}, "subscriptions": {SUBSCRIPTION: {"groups": groups}}}


@pytest.fixture
def protection(fake):
    fake.reset(scenario())
    return fake.client("dataprotection")


@pytest.fixture
def storage(fake):
    return fake.client("storage")


def captured(fake, protection):
    rule = {"backupRuleOptions": {"ruleName": "BackupDaily", "triggerOption": {}}}
    protection.backup_instances.begin_adhoc_backup(*AT, rule).result()
    fake.advance(300)
    [point] = protection.recovery_points.list(*AT)
    return point


def request(point, path="weights", name="new", target=TARGET, store="VaultStore"):
    criteria = {"objectType": "ItemPathBasedRestoreCriteria", "itemPath": path, "isPathRelativeToBackupItem": True,
                "renameTo": name}  # fmt: skip
    return {"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": point.name,
            "sourceDataStoreType": store, "restoreTargetInfo": {
                "objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
                "restoreLocation": "westeurope", "restoreCriteria": [criteria],
                "datasourceInfo": {"resourceID": target}}}  # fmt: skip


def test_only_the_chosen_containers_are_kept_and_come_back_under_new_names(fake, protection, storage):
    point = captured(fake, protection)
    fake.call("write", {"resource": f"{SOURCE}/blobServices/default/containers/weights", "content": "later"})
    assert fake.resource(f"{INSTANCE}/recoveryPoints/{point.name}")["hidden"]["content"] == {"weights": "weights@0"}
    protection.backup_instances.begin_trigger_restore(*AT, request(point)).result()
    with pytest.raises(ResourceNotFoundError):
        storage.blob_containers.get("rg", "again", "new")
    fake.advance(600)
    assert storage.blob_containers.get("rg", "again", "new").metadata == {}
    assert fake.resource(f"{TARGET}/blobServices/default/containers/new")["hidden"]["content"] == "weights@0"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"target": SOURCE}, "UserErrorRestoreToSourceNotSupported"),
        ({"target": f"{TARGET}x"}, "UserErrorTargetStorageAccountNotFound"),
        ({"path": "scratch"}, "UserErrorContainerNotInRecoveryPoint"),
        ({"name": "taken"}, "UserErrorTargetContainerExists"),
        ({"store": "OperationalStore"}, "UserErrorInvalidDataStore"),
    ],
)
def test_what_cannot_be_restored_is_refused(fake, protection, asked, told):
    point = captured(fake, protection)
    with pytest.raises(HttpResponseError) as refused:
        protection.backup_instances.begin_trigger_restore(*AT, request(point, **asked))
    assert code(refused) == told


def test_metadata_of_a_container_is_replaced_and_it_goes_unless_it_is_held(fake, protection, storage):
    storage.blob_containers.update("rg", "again", "taken", {"properties": {"metadata": {"keep": "yes"}}})
    assert storage.blob_containers.get("rg", "again", "taken").metadata == {"keep": "yes"}
    storage.blob_containers.delete("rg", "again", "taken")
    storage.blob_containers.delete("rg", "again", "taken")
    with pytest.raises(HttpResponseError) as refused:
        storage.blob_containers.delete("rg", "again", "held")
    assert code(refused) == "ContainerProtectedFromDeletion"
