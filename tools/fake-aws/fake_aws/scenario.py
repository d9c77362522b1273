"""From a scenario's JSON to a world. Unknown fields are refused, so that a typing error cannot weaken a test."""

from __future__ import annotations

from typing import Any

from fake_cloud import scenario
from fake_cloud.clock import Clock
from fake_cloud.ids import Ids
from fake_cloud.rules import Rules
from fake_cloud.scenario import make, only

from . import change, collector
from .content import Block
from .entities import FileSystem, LegalHold, Snapshot, Vault, Volume
from .faults import faults
from .rules import RULES
from .world import AccessKey, Region, Role, World

ACCOUNT = "111122223333"
REGION = "us-east-1"


def build(body: dict[str, Any]) -> World:
    """The world of a scenario.

    Raises ValueError for a field that is not known.
    """
    clock = Clock(scenario.start(body, {"accounts"}))
    world = World(clock, Rules(RULES, body.get("rules")), Ids(body.get("seed", 1)), faults())
    scenario.pace(world, body)
    for account, its in (body.get("accounts") or {ACCOUNT: {}}).items():
        _account(world, account, its)
    scenario.finish(world, body, collector.start, change.foreign_job)
    return world


def _before(world: World) -> float:
    """What a scenario begins with is a day old, so that no delay of new things hides it."""
    return world.now - 86400.0


def _account(world: World, account: str, its: dict[str, Any]) -> None:
    only(its, {"keys", "roles", "regions"}, f"account {account}")
    for name, key in (its.get("keys") or {"test": {}}).items():
        given = {"secret": "test", "arn": f"arn:aws:iam::{account}:user/{name}", **key}
        if "expires_in" in given:
            given["expires"] = world.now + given.pop("expires_in")
        if name in world.keys:
            raise ValueError(f"access key {name} is given to two accounts")
        world.keys[name] = make(AccessKey, given, f"key {name}", id=name, account=account)
    for name, role in its.get("roles", {"AWSBackupDefaultServiceRole": {}}).items():
        arn = f"arn:aws:iam::{account}:role/{name}"
        world.roles[arn] = make(Role, role, f"role {name}", arn=arn)
    for name, region in (its.get("regions") or {REGION: {}}).items():
        made = world.regions[account, name] = world.region(account, name)
        _region(world, made, region)


def _region(world: World, region: Region, its: dict[str, Any]) -> None:
    where = f"region {region.name}"
    only(its, {"zones", "opt_in", "vaults", "holds", "volumes", "snapshots", "file_systems", "subnets", "groups",
                "keys", "domains"}, where)  # fmt: skip
    region.zones = its.get("zones", region.zones)
    region.opt_in.update(its.get("opt_in", {}))
    region.groups = its.get("groups", ["sg-0123456789abcdef0"])
    for name, vault in its.get("vaults", {"Default": {}}).items():
        key = vault.get("key") or region.arn("kms", "key/00000000-0000-4000-8000-00000000000a")
        fixed = {"name": name, "arn": region.arn("backup", f"backup-vault:{name}"), "created": _before(world)}
        region.vaults[name] = make(Vault, {**vault, "key": key}, f"vault {name}", **fixed)
    for hold in its.get("holds", []):
        made = make(LegalHold, hold, "hold", id=world.ids.uuid("hold"), created=world.now)
        region.holds[made.id] = made
    for each in its.get("subnets", _subnets(region)):
        region.subnets[each["id"]] = each
    for name, key in its.get("keys", {}).items():
        region.keys[name] = key
    for each in its.get("volumes", []):
        _volume(world, region, dict(each))
    for each in its.get("snapshots", []):
        _snapshot(world, region, dict(each))
    for each in its.get("file_systems", []):
        _file_system(world, region, dict(each))
    for domain in its.get("domains", []):
        _domain(region, domain)


def _subnets(region: Region) -> list[dict[str, Any]]:
    return [{"id": f"subnet-{index:017x}", "zone": zone, "vpc": "vpc-0123456789abcdef0", "cidr": f"10.0.{index}.0/24"}
            for index, zone in enumerate(region.zones, 1)]  # fmt: skip


def _blocks(world: World, owner: str, given: dict[str, Any]) -> dict[int, Block]:
    numbers = given.pop("blocks", [])
    return {number: Block(f"{owner}/{number}") for number in (range(numbers) if isinstance(numbers, int) else numbers)}


def _volume(world: World, region: Region, given: dict[str, Any]) -> None:
    name = given.setdefault("id", world.ids.hex("vol"))
    given.setdefault("size_gib", 8)
    given.setdefault("zone", region.zones[0])
    content = _blocks(world, name, given)
    volume = make(Volume, given, f"volume {name}", created=_before(world), content=content)
    volume.changed_bytes = volume.changed_bytes or len(content) * 524_288
    if volume.instance:
        volume.state = "in-use"
    region.volumes[name] = volume


def _snapshot(world: World, region: Region, given: dict[str, Any]) -> None:
    name = given.setdefault("id", world.ids.hex("snap"))
    given.setdefault("volume_id", "vol-ffffffff")
    given.setdefault("size_gib", 8)
    given.setdefault("lineage", given["volume_id"])
    given.setdefault("started", _before(world))
    content = _blocks(world, name, given)
    fixed = {"state": "completed", "completes": world.now, "content": content}
    region.snapshots[name] = make(Snapshot, given, f"snapshot {name}", **fixed)


def _file_system(world: World, region: Region, given: dict[str, Any]) -> None:
    name = given.setdefault("id", world.ids.hex("fs"))
    given.setdefault("creation_token", f"token-of-{name}")
    given.setdefault("files", max(1, given.get("bytes", 0) // 1_000_000))
    if given.pop("automatic_backups", False):
        given["backup_policy"] = "ENABLED"
        given.setdefault("tags", {})["aws:elasticfilesystem:default-backup"] = "enabled"
    system = make(FileSystem, given, f"file system {name}", created=_before(world), mount_targets={})
    system.written_bytes, system.written_files = system.bytes, system.files
    region.file_systems[name] = system
    if world.trees is not None:
        (world.trees / name).mkdir(exist_ok=True)


def _domain(region: Region, given: dict[str, Any]) -> None:
    only(given, {"id", "name", "home_efs", "profiles", "spaces", "tags"}, "domain")
    domain: dict[str, Any] = {"home_efs": "fs-0123456789abcdef0", "name": given["id"], "tags": {}, **given}
    for kind in ("profiles", "spaces"):
        made = {}
        for each in given.get(kind, []):
            only(each, {"name", "tags", "owner", "size_gib", "status", "arn", "app", "sharing"}, kind)
            word = "user-profile" if kind == "profiles" else "space"
            arn = region.arn("sagemaker", f"{word}/{given['id']}/{each['name']}")
            made[each["name"]] = {"tags": {}, "status": "InService", "arn": arn, **each}
        domain[kind] = made
    region.domains[given["id"]] = domain
