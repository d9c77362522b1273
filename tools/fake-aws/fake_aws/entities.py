"""The things that exist in the fake's accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fake_cloud.clock import Timer

from .content import Content

Tags = dict[str, str]


@dataclass
class Volume:
    """An EBS volume."""

    id: str
    size_gib: int
    zone: str
    created: float
    state: str = "available"
    type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key: str | None = None
    snapshot_id: str = ""
    tags: Tags = field(default_factory=dict)
    instance: str | None = None
    root: bool = False
    initialization_rate: int | None = None
    content: Content = field(default_factory=dict)
    changed_bytes: int = 0
    last_snapshot: float | None = None


@dataclass
class Snapshot:
    """An EBS snapshot, whoever made it."""

    id: str
    volume_id: str
    size_gib: int
    started: float
    state: str = "pending"
    completes: float | None = None
    description: str = ""
    encrypted: bool = False
    kms_key: str | None = None
    tags: Tags = field(default_factory=dict)
    content: Content = field(default_factory=dict)
    lineage: str = ""
    parent: str | None = None
    direct: bool = False
    locked: bool = False
    locked_until: float | None = None
    changed: Content = field(default_factory=dict)
    write_until: float | None = None
    timeout: float = 3600.0


@dataclass
class MountTarget:
    """A file system's address in one zone."""

    id: str
    file_system: str
    subnet: str
    zone: str
    vpc: str
    address: str
    groups: list[str]
    state: str = "creating"


@dataclass
class FileSystem:
    """An EFS file system."""

    id: str
    creation_token: str
    created: float
    state: str = "available"
    bytes: int = 0
    files: int = 0
    written_bytes: int = 0
    written_files: int = 0
    tags: Tags = field(default_factory=dict)
    encrypted: bool = True
    kms_key: str | None = None
    performance_mode: str = "generalPurpose"
    throughput_mode: str = "bursting"
    provisioned_mibps: float | None = None
    zone: str | None = None
    backup_policy: str = "DISABLED"
    lifecycle: list[dict[str, str]] = field(default_factory=list)
    policy: str | None = None
    access_points: list[dict[str, Any]] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    mount_targets: dict[str, MountTarget] = field(default_factory=dict)


@dataclass
class RecoveryPoint:
    """A backup in a vault."""

    arn: str
    vault: str
    resource_arn: str
    type: str
    role: str
    created: float
    status: str = "CREATING"
    message: str | None = None
    completed: float | None = None
    size: int = 0
    lifecycle: dict[str, Any] = field(default_factory=dict)
    tags: Tags = field(default_factory=dict)
    created_by: dict[str, str] | None = None
    source_vault_arn: str | None = None
    key: str | None = None
    snapshot_id: str | None = None
    files: int = 0
    entries: list[str] = field(default_factory=list)
    tree: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    readers: int = 0
    last_restore: float | None = None


@dataclass
class Vault:
    """A backup vault, its lock and what holds its points."""

    name: str
    arn: str
    created: float
    creator_request_id: str | None = None
    key: str | None = None
    tags: Tags = field(default_factory=dict)
    points: dict[str, RecoveryPoint] = field(default_factory=dict)
    min_retention: int | None = None
    max_retention: int | None = None
    locked: bool = False
    lock_date: float | None = None
    deny_delete: bool = False
    state: str = "AVAILABLE"

    def immutable(self, now: float) -> bool:
        """Whether the lock itself can no longer be taken away."""
        return self.locked and self.lock_date is not None and now >= self.lock_date


@dataclass
class LegalHold:
    """A hold on recovery points of some vaults or resources."""

    id: str
    title: str
    created: float
    vaults: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    status: str = "ACTIVE"
    cancelled: float | None = None


@dataclass
class Job:
    """What backup, restore and copy jobs have in common."""

    id: str
    kind: str
    resource_arn: str
    type: str
    role: str
    created: float
    state: str
    message: str | None = None
    category: str | None = None
    started: float | None = None
    ends: float | None = None
    completed: float | None = None
    size: int = 0
    transferred: int = 0
    created_by: dict[str, str] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    outcome: dict[str, Any] | None = None
    vault: str = ""
    point_arn: str | None = None
    start_by: float | None = None
    complete_by: float | None = None
    total: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    destination_vault_arn: str | None = None
    destination_point_arn: str | None = None
    created_resource: str | None = None
    lifecycle: dict[str, Any] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether it may still change its state."""
        return self.state in {"CREATED", "PENDING", "RUNNING", "ABORTING"}

    def fraction(self, now: float) -> float:
        """How much of the job is done, from 0 to 1."""
        if self.state == "COMPLETED":
            return 1.0
        if self.started is None or self.ends is None:
            return 0.0
        until = self.completed if self.completed is not None else now
        return min(0.999, (until - self.started) / max(1e-9, self.ends - self.started))

    def finish(self, now: float, state: str, message: str | None = None, category: str | None = None) -> None:
        """Ends the job for good."""
        self.state, self.message, self.category, self.completed = state, message, category, now
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()
