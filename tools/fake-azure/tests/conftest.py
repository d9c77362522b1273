"""The fake as a process of its own, and the SDK's clients of it."""

from __future__ import annotations

import functools
import importlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from fake_cloud import testing

HERE = Path(__file__).resolve().parent.parent

TENANT = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
CLIENT = "33333333-3333-4333-8333-333333333333"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
DISK = f"{GROUP}/providers/Microsoft.Compute/disks/db"
SNAPSHOT = f"{GROUP}/providers/Microsoft.Compute/snapshots/s1"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/files"
SHARE = f"{ACCOUNT}/fileServices/default/shares/projects"
ANF = f"{GROUP}/providers/Microsoft.NetApp/netAppAccounts/anf"
VOLUME = f"{ANF}/capacityPools/pool/volumes/home"
VAULT = f"{GROUP}/providers/Microsoft.DataProtection/backupVaults/vault"
INSTANCE = f"{VAULT}/backupInstances/db"
RECOVERY = f"{GROUP}/providers/Microsoft.RecoveryServices/vaults/recovery"
CONTAINER = "StorageContainer;Storage;rg;files"
ITEM = f"{RECOVERY}/backupFabrics/Azure/protectionContainers/{CONTAINER}/protectedItems/AzureFileShare;projects"

_CLIENTS = {
    "compute": ("azure.mgmt.compute", "ComputeManagementClient"),
    "storage": ("azure.mgmt.storage", "StorageManagementClient"),
    "netapp": ("azure.mgmt.netapp", "NetAppManagementClient"),
    "dataprotection": ("azure.mgmt.dataprotection", "DataProtectionMgmtClient"),
    "backup": ("azure.mgmt.recoveryservicesbackup", "RecoveryServicesBackupClient"),
    "recovery": ("azure.mgmt.recoveryservices", "RecoveryServicesClient"),
    "authorization": ("azure.mgmt.authorization", "AuthorizationManagementClient"),
    "resources": ("azure.mgmt.resource.resources", "ResourceManagementClient"),
    "locks": ("azure.mgmt.resource.locks", "ManagementLockClient"),
    "subscriptions": ("azure.mgmt.resource.subscriptions", "SubscriptionClient"),
}


def workspace(**more: Any) -> dict[str, Any]:
    """A scenario with a disk, a share, a volume and both kinds of vaults; fields of `group` are merged in."""
    group = {
        "disks": [{"name": "db", "size_gib": 64, "tags": {"team": "ml"}}],
        "storage_accounts": [
            {"name": "files", "kind": "FileStorage", "sku": "Premium_LRS",
             "shares": [{"name": "projects", "bytes": 5_000_000_000}, {"name": "exports", "protocol": "NFS"}]},
        ],
        "netapp_accounts": [{"name": "anf", "backup_vaults": [{"name": "keep"}], "pools": [
            {"name": "pool", "volumes": [{"name": "home", "backup_vault": "keep", "used_bytes": 12_000_000_000}]}]}],
        "backup_vaults": [{"name": "vault", "instances": [{"name": "db", "disk": "db"}]}],
        "recovery_vaults": [{"name": "recovery", "items": [{"account": "files", "share": "projects"}]}],
        **more.pop("group", {}),
    }  # fmt: skip
    subscription = {"groups": {"rg": group, **more.pop("groups", {})}, **more.pop("subscription", {})}
    return {"clock": {"per_request": 1}, "subscriptions": {SUBSCRIPTION: subscription}, **more}


class Bearer(SansIOHTTPPolicy):
    """The SDK's own policy insists on TLS."""

    def __init__(self, token: str) -> None:
        self.token = token

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


class Fake(testing.Fake):
    """The running fake, and clients."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.bearer = Bearer("")

    def reset(self, scenario: Any) -> None:
        """Begins anew, and logs in again."""
        super().reset(scenario)
        self.bearer.token = self.token()

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A hand-made request; gives status, headers and the body as JSON."""
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.bearer.token}", "Content-Type": "application/json", **(headers or {})}
        url = path if path.startswith("http") else self.url + path
        sent = {name: value for name, value in sent.items() if value}
        request = urllib.request.Request(url, raw, sent, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.headers, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            told = error.read()
            return error.code, error.headers, json.loads(told) if told.startswith(b"{") else told

    def login(self, client: str = CLIENT, tenant: str = TENANT, **more: str) -> Any:
        """The answer of the endpoint for client credentials."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": "test",
                "scope": "https://management.azure.com/.default", **more}  # fmt: skip
        form = {name: value for name, value in form.items() if value}
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}
        return self.send("POST", f"/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode(), kind)

    def token(self, client: str = CLIENT, **more: str) -> str:
        """A token of client credentials."""
        status, _, body = self.login(client, **more)
        assert status == 200, body
        return body["access_token"]

    def client(self, service: str, subscription: str = SUBSCRIPTION) -> Any:
        """A client of the SDK, which neither retries nor waits between polls."""
        return _client(self.url, service, subscription, self.bearer)

    def resource(self, resource_id: str) -> dict[str, Any]:
        """A resource as the fake knows it."""
        return self.call("state")["resources"][resource_id]

    def operations(self) -> list[str]:
        """The operations that were called."""
        return [entry.get("operation") for entry in self.call("journal")]


@functools.cache
def _client(url: str, service: str, subscription: str, bearer: Bearer) -> Any:
    module, name = _CLIENTS[service]
    kind = getattr(importlib.import_module(module), name)
    more = {} if service == "subscriptions" else {"subscription_id": subscription}
    return kind(object(), base_url=url, authentication_policy=bearer, retry_total=0, polling_interval=0, **more)


@pytest.fixture(scope="session")
def running() -> Iterator[Fake]:
    """A server for all tests; it ends with them."""
    with testing.process("fake_azure", HERE) as port:
        yield Fake(port)


@pytest.fixture
def fake(running: Fake) -> Iterator[Fake]:
    """A fake with the workspace scenario. No test may leave a violation that it did not ask for."""
    one = running
    one.expected, one.found = set(), []
    one.call("reset", workspace())
    one.bearer.token = one.token()
    with one.checked():
        yield one


@pytest.fixture
def compute(fake: Fake) -> Any:
    """The client of Compute."""
    return fake.client("compute")


@pytest.fixture
def storage(fake: Fake) -> Any:
    """The client of Storage."""
    return fake.client("storage")


@pytest.fixture
def netapp(fake: Fake) -> Any:
    """The client of NetApp Files."""
    return fake.client("netapp")


def copy_of(
    source: str, *, incremental: bool | None = None, location: str = "westeurope", **more: Any
) -> dict[str, Any]:
    """The body that makes a snapshot of a disk, or a disk of a snapshot."""
    properties: dict[str, Any] = {"creationData": {"createOption": "Copy", "sourceResourceId": source}}
    if incremental is not None:
        properties["incremental"] = incremental
    return {"location": location, "properties": properties, **more}


@pytest.fixture
def snap(compute: Any) -> Callable[..., Any]:
    """Takes an incremental snapshot of the disk."""

    def run(name: str = "s1", source: str = DISK, **more: Any) -> Any:
        body = copy_of(source, incremental=True, **more)
        return compute.snapshots.begin_create_or_update("rg", name, body).result()

    return run


def code(error: Any) -> str:
    """The code of an error that the SDK raised."""
    return error.value.error.code
