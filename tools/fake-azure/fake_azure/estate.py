"""What a scenario's resource groups hold."""

from __future__ import annotations

from typing import Any

from fake_cloud.scenario import only

from . import arm
from .services import dataprotection, disks, netapp, netapp_snapshots, recovery, shares, snapshots, storage
from .world import World

_KINDS = {"location", "tags", "disks", "snapshots", "storage_accounts", "netapp_accounts", "backup_vaults",
          "recovery_vaults", "locks"}  # fmt: skip


def group(world: World, at: str, given: dict[str, Any]) -> None:
    """A resource group and all in it."""
    only(given, _KINDS, f"group {at}")
    location = given.get("location", "westeurope")
    made = world.new(at, {"location": location, "tags": given.get("tags", {}),
                          "properties": {"provisioningState": "Succeeded"}})  # fmt: skip
    made.kind = "Microsoft.Resources/resourceGroups"
    for each in given.get("disks", []):
        _disk(world, at, location, each)
    for each in given.get("snapshots", []):
        _snapshot(world, at, location, each)
    for each in given.get("storage_accounts", []):
        _account(world, at, location, each)
    for each in given.get("netapp_accounts", []):
        _netapp(world, at, location, each)
    for each in given.get("backup_vaults", []):
        _backup_vault(world, at, location, each)
    for each in given.get("recovery_vaults", []):
        _recovery_vault(world, at, location, each)
    for each in given.get("locks", []):
        only(each, {"name", "level", "scope", "notes"}, "locks")
        lock(world, each.get("scope", at), each["name"], each.get("level", "CanNotDelete"), each.get("notes", ""))


def lock(world: World, scope: str, name: str, level: str, notes: str = "") -> str:
    """A lock at a scope; gives its id."""
    if level not in {"CanNotDelete", "ReadOnly"}:
        raise ValueError(f"a lock's level is CanNotDelete or ReadOnly, not {level}")
    at = f"{scope}/providers/Microsoft.Authorization/locks/{name}"
    return world.new(at, {"properties": {"level": level, "notes": notes}}).id


def _disk(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "size_gib", "sku", "zones", "tags", "managed_by", "location"}, "disks")
    properties = {"diskSizeGB": given.get("size_gib", 32), "creationData": {"createOption": "Empty"}}
    body = {"location": given.get("location", location), "tags": given.get("tags", {}), "zones": given.get("zones"),
            "managedBy": given.get("managed_by"), "sku": {"name": given.get("sku", "Premium_LRS")},
            "properties": properties}  # fmt: skip
    made = disks.make(world, f"{at}/providers/{disks.KIND}/{given['name']}", body, f"{given['name']}@0")
    made.state = "Succeeded"


def _snapshot(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "disk", "incremental", "tags"}, "snapshots")
    source = world.resources[arm.key(f"{at}/providers/{disks.KIND}/{given['disk']}")]
    body = {"location": location, "tags": given.get("tags", {}), "properties": {
        "incremental": given.get("incremental", True),
        "creationData": {"createOption": "Copy", "sourceResourceId": source.id}}}  # fmt: skip
    snapshots.make(world, f"{at}/providers/{snapshots.KIND}/{given['name']}", body, source).state = "Succeeded"


def _account(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "kind", "sku", "tags", "location", "soft_delete_days", "immutability", "endpoints",
                 "shared_key", "https_only", "versioning", "shares", "containers"}, "storage_accounts")  # fmt: skip
    made = storage.make(world, f"{at}/providers/{storage.KIND}/{given['name']}", {"location": location, **given})
    for each in given.get("shares", []):
        only(each, {"name", "protocol", "quota", "metadata", "bytes"}, "shares")
        asked = {"enabledProtocols": each.get("protocol"), "shareQuota": each.get("quota"),
                 "metadata": each.get("metadata")}  # fmt: skip
        share = shares.make(world, f"{made.id}/fileServices/default/shares/{each['name']}", asked)
        share.hidden |= {"content": f"{each['name']}@0", "bytes": each.get("bytes", 0)}
    for each in given.get("containers", []):
        only(each, {"name", "metadata", "immutability_days", "immutability_state", "legal_hold"}, "containers")
        storage.make_container(world, f"{made.id}/blobServices/default/containers/{each['name']}", each)


def _netapp(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "tags", "pools", "backup_vaults"}, "netapp_accounts")
    account = netapp.plain(world, f"{at}/providers/{netapp.ACCOUNT}/{given['name']}", {"location": location, **given})
    for each in given.get("backup_vaults", []):
        only(each, {"name", "tags"}, "backup_vaults of a NetApp account")
        netapp.plain(world, f"{account.id}/backupVaults/{each['name']}", {"location": location, **each})
    for pool in given.get("pools", []):
        only(pool, {"name", "tags", "size_tib", "service_level", "volumes"}, "pools")
        size, level = pool.get("size_tib", 4) * 2**40, pool.get("service_level", "Premium")
        made = netapp.plain(world, f"{account.id}/capacityPools/{pool['name']}", {"location": location, **pool},
                            size=size, serviceLevel=level, poolId=world.ids.uuid("pool"))  # fmt: skip
        for each in pool.get("volumes", []):
            _volume(world, account.id, made.id, {"location": location, **each})


def _volume(world: World, account: str, pool: str, given: dict[str, Any]) -> None:
    only(given, {"name", "location", "tags", "zones", "size_gib", "used_bytes", "token", "subnet", "protocols",
                 "backup_vault", "snapshots"}, "volumes")  # fmt: skip
    network = f"{account.partition('/providers/')[0]}/providers/Microsoft.Network/virtualNetworks/net/subnets/anf"
    properties = {
        "creationToken": given.get("token", given["name"]), "usageThreshold": given.get("size_gib", 100) * 2**30,
        "subnetId": given.get("subnet", network), "protocolTypes": given.get("protocols", ["NFSv4.1"]),
    }  # fmt: skip
    if given.get("backup_vault"):
        properties["dataProtection"] = {"backup": {"backupVaultId": f"{account}/backupVaults/{given['backup_vault']}"}}
    body = {"location": given["location"], "tags": given.get("tags", {}), "zones": given.get("zones"),
            "properties": properties}  # fmt: skip
    volume = netapp.make(world, f"{pool}/volumes/{given['name']}", body, f"{given['name']}@0",
                         used_bytes=given.get("used_bytes", 10 * 2**30))  # fmt: skip
    volume.state = "Succeeded"
    netapp.trees.make(world, volume)
    for name in given.get("snapshots", []):
        netapp_snapshots.make_snapshot(world, volume, name, given["location"]).state = "Succeeded"


def _backup_vault(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "tags", "location", "soft_delete", "soft_delete_days", "immutability", "policies",
                 "instances", "rights"}, "backup_vaults")  # fmt: skip
    only(given.get("rights", {}), {"backup", "restore"}, "rights of a backup vault")
    tenant = world.subscriptions[arm.subscription(at)].tenant
    where = {"location": location, "tenant": tenant, **given}
    vault = dataprotection.make_vault(world, f"{at}/providers/{dataprotection.VAULT}/{given['name']}", where)
    for each in given.get("policies", [{"name": "daily"}]):
        only(each, {"name", "type", "rule", "retention_days", "store"}, "policies")
        dataprotection.make_policy(world, f"{vault.id}/backupPolicies/{each['name']}",
                                   each.get("type", disks.KIND), each.get("rule", "BackupDaily"),
                                   each.get("retention_days", 7), each.get("store"))  # fmt: skip
    for each in given.get("instances", []):
        only(each, {"name", "disk", "account", "policy", "state", "containers"}, "instances")
        kind = disks.KIND if "disk" in each else f"{storage.KIND}/blobServices"
        source = f"{disks.KIND}/{each['disk']}" if "disk" in each else f"{storage.KIND}/{each['account']}"
        dataprotection.make_instance(world, f"{vault.id}/backupInstances/{each['name']}", {
            "location": location, "datasource": f"{at}/providers/{source}", "type": kind,
            "policy": each.get("policy", "daily"), "state": each.get("state", "ProtectionConfigured"),
            "containers": each.get("containers")})  # fmt: skip


def _recovery_vault(world: World, at: str, location: str, given: dict[str, Any]) -> None:
    only(given, {"name", "tags", "location", "soft_delete", "soft_delete_days", "immutability", "items"},
         "recovery_vaults")  # fmt: skip
    where = {"location": location, **given}
    vault = recovery.make_vault(world, f"{at}/providers/{recovery.VAULT}/{given['name']}", where)
    for each in given.get("items", []):
        only(each, {"account", "share", "state"}, "items")
        share = f"{at}/providers/{storage.KIND}/{each['account']}/fileServices/default/shares/{each['share']}"
        recovery.make_item(world, vault, world.resources[arm.key(share)], each.get("state", "Protected"))
