"""All accounts and regions at one virtual moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fake_cloud import world

from .entities import FileSystem, Job, LegalHold, RecoveryPoint, Snapshot, Tags, Vault, Volume
from .errors import Fault
from .tokens import Tokens


@dataclass
class AccessKey:
    """A caller's credentials and rights."""

    id: str
    secret: str
    account: str
    arn: str
    session_token: str | None = None
    expires: float | None = None
    allow: list[str] = field(default_factory=lambda: ["*"])
    deny: list[str] = field(default_factory=list)
    policies: list[dict[str, Any]] | None = None


@dataclass
class Role:
    """A service role, as far as AWS Backup needs one."""

    arn: str
    backup: bool = True
    restore: bool = True
    delete: bool = True
    passable: bool = True


@dataclass
class Region:
    """What one account has in one region."""

    account: str
    name: str
    zones: list[str]
    opt_in: dict[str, bool] = field(default_factory=lambda: {"EBS": True, "EFS": True, "EC2": True})
    management: dict[str, bool] = field(default_factory=lambda: {"EFS": True})
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    file_systems: dict[str, FileSystem] = field(default_factory=dict)
    vaults: dict[str, Vault] = field(default_factory=dict)
    holds: dict[str, LegalHold] = field(default_factory=dict)
    backups: dict[str, Job] = field(default_factory=dict)
    restores: dict[str, Job] = field(default_factory=dict)
    copies: dict[str, Job] = field(default_factory=dict)
    subnets: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    domains: dict[str, dict[str, Any]] = field(default_factory=dict)
    carried: dict[str, int] = field(default_factory=dict)
    marks: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    tag_index: dict[str, list[tuple[float, Tags | None]]] = field(default_factory=dict)

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.name}:{self.account}:{rest}"

    def volume_arn(self, volume: str) -> str:
        """The ARN of a volume."""
        return self.arn("ec2", f"volume/{volume}")

    def snapshot_arn(self, snapshot: str) -> str:
        """The ARN of a snapshot, which names no account."""
        return f"arn:aws:ec2:{self.name}::snapshot/{snapshot}"

    def file_system_arn(self, file_system: str) -> str:
        """The ARN of a file system."""
        return self.arn("elasticfilesystem", f"file-system/{file_system}")

    def vault(self, name: str) -> Vault:
        """The vault of this name.

        Raises Fault when there is none.
        """
        if name not in self.vaults:
            raise Fault("ResourceNotFoundException", f"Backup vault {name} does not exist")
        return self.vaults[name]

    def point(self, arn: str) -> RecoveryPoint | None:
        """A recovery point in whichever vault it lies."""
        for vault in self.vaults.values():
            if arn in vault.points:
                return vault.points[arn]
        return None

    def resource(self, arn: str) -> Volume | FileSystem | None:
        """The volume or file system with this ARN."""
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        if arn == self.volume_arn(name) and kind == "volume":
            return self.volumes.get(name)
        if arn == self.file_system_arn(name) and kind == "file-system":
            return self.file_systems.get(name)
        return None

    def key_usable(self, key: str | None) -> bool:
        """Whether a KMS key can be used; one that the scenario does not name can."""
        return self.keys.get((key or "").rpartition("/")[2], {}).get("state", "Enabled") == "Enabled"


@dataclass
class World(world.World):
    """All accounts and regions."""

    keys: dict[str, AccessKey] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)

    def region(self, account: str, name: str) -> Region:
        """One account's region; an empty one that is nobody's when the scenario does not name it."""
        known = self.regions.get((account, name))
        return known or Region(account, name, [f"{name}{letter}" for letter in "abc"])


@dataclass(frozen=True)
class Call:
    """One request on its way through a handler: who calls, and where."""

    world: World
    region: Region
    key: AccessKey

    @property
    def now(self) -> float:
        """The virtual time."""
        return self.world.now

    def rule(self, name: str) -> Any:
        """The value of a rule in force."""
        return self.world.rules[name]

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.key.account
