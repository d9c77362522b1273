"""Every assumption of the fake, each as one named rule with its evidence.

Marks: M the SDK's models, D vendor documentation, P a practitioner's report, A an assumption that waits for an answer
from a real account. A scenario may set any rule; what a real account teaches changes one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One thing the fake believes about Azure."""

    name: str
    value: Any
    evidence: str
    says: str


RULES: tuple[Rule, ...] = (
    Rule("token.seconds", 3599, "D", "a token of client credentials is good this long"),
    Rule("token.managed_seconds", 86400, "D", "a token of a managed identity is good this long"),
    Rule("rights.linked_access", True, "P", "a copy needs beginGetAccess on its source too"),
    Rule("rights.polling", True, "A", "a poll needs the right to read the provider's operations"),
    Rule("throttle.reads_per_hour", 12000, "D", "reads of a principal in a subscription and hour"),
    Rule("throttle.writes_per_hour", 1200, "D", "writes of a principal in a subscription and hour"),
    Rule("throttle.deletes_per_hour", 15000, "D", "deletions of a principal in a subscription and hour"),
    Rule("throttle.storage_reads", 800, "D", "reads of a subscription's storage accounts in five minutes"),
    Rule("throttle.storage_lists", 100, "D", "lists of a subscription's storage accounts in five minutes"),
    Rule("throttle.storage_writes", 1200, "D", "writes to a subscription's storage accounts in an hour"),
    Rule("lro.variant", "sdk", "M", "how operations are polled: sdk (as its models tell), or one of the variants"),
    Rule("lro.retry_after_seconds", 0, "A", "Retry-After of a running operation; null leaves it out"),
    Rule("lro.url_bytes", 0, "D", "poll URLs are at least this long; clients must take 4 KB and more"),
    Rule("lro.lost_after_seconds", None, "A", "poll URLs answer 404 so long after the operation began; null is never"),
    Rule("lro.kept_seconds", 86400, "D", "poll URLs answer this long after the operation ended"),
    Rule("lro.running_word", "InProgress", "D", "the status of an operation that runs; any non-terminal word may come"),
    Rule("lro.lost_code", "NotFound", "A", "the error of a poll URL that is gone"),
    Rule("put.failed", "anew", "A", "a PUT over what failed to be created: begins anew, or is kept as it is"),
    Rule("list.lag_seconds", 0, "P", "new resources are missing from the list of all resources this long"),
    Rule("read.lag_seconds", 0, "A", "a new disk, snapshot or volume is neither found nor listed this long"),
    Rule("page.size", 100, "A", "items on a page of a list"),
    Rule("disk.seconds", 5, "A", "a disk is created or copied in this time"),
    Rule("disk.delete_seconds", 5, "A", "a disk is deleted in this time"),
    Rule("disk.quota", 50000, "D", "managed disks of one kind in a subscription and region"),
    Rule("disk.quota_error", "OperationNotAllowed", "A", "the error of one more, whose message speaks of the quota"),
    Rule("disk.attached_delete_error", "OperationNotAllowed", "P", "the error of deleting an attached disk"),
    Rule("snapshot.seconds", 5, "A", "a snapshot is created in this time"),
    Rule("snapshot.delete_seconds", 5, "A", "a snapshot is deleted in this time"),
    Rule("snapshot.maximum", 500, "D", "incremental snapshots of one disk"),
    Rule("snapshot.maximum_error", "OperationNotAllowed", "A", "the error of one more"),
    Rule("snapshot.rate", 7, "D", "incremental snapshots of one disk in five minutes"),
    Rule("snapshot.rate_error", "TooManyRequests", "A", "the error of one more"),
    Rule("snapshot.background_seconds", 600, "D", "a snapshot of a Premium v2 or Ultra disk is incomplete this long"),
    Rule("snapshot.incomplete_error", "OperationNotAllowed", "A", "the error of using one before it is complete"),
    Rule("snapshot.changed_put", "refuse", "A", "a PUT of another source over a snapshot: refuse, or keep the old"),
    Rule("snapshot.sas_maximum", 5, "D", "SAS at once of one incremental snapshot family"),
    Rule("snapshot.locked_error", "OperationNotAllowed", "A", "the error of deleting a snapshot under immutability"),
    Rule("compute.group_case", "kept", "P", "the resource group in ids: kept, or upper as some answers have it"),
    Rule("share.snapshot_maximum", 200, "D", "snapshots of one share"),
    Rule("share.snapshot_maximum_error", "ShareSnapshotCountExceeded", "D", "the error of one more"),
    Rule("share.snapshot_seconds", 1, "P", "the times that name snapshots are whole multiples of this"),
    Rule("share.list_lag_seconds", 0, "A", "a new snapshot of a share is not listed this long"),
    Rule("share.nfs_snapshots", True, "D", "an NFS share on SSD takes snapshots"),
    Rule("share.delete_with_snapshots", "refuse", "D", "deleting a share that has snapshots without $include"),
    Rule("netapp.volume_seconds", 60, "A", "a volume is created in this time"),
    Rule("netapp.snapshot_seconds", 5, "A", "a snapshot of a volume is taken in this time"),
    Rule("netapp.snapshot_maximum", 255, "D", "snapshots of one volume"),
    Rule("netapp.snapshot_maximum_error", "QuotaExceeded", "A", "the error of one more"),
    Rule("netapp.backup_bytes_per_second", 100_000_000, "A", "rate of a backup's transfer"),
    Rule("netapp.backup_seconds", 60, "A", "a backup takes this long at least"),
    Rule("netapp.restore_seconds", 300, "A", "a volume from a snapshot or backup is restoring this long"),
    Rule("netapp.busy_error", "Conflict", "P", "a second backup of a volume while one runs"),
    Rule("netapp.changed_put", "refuse", "A", "a PUT of another volume over a backup: refuse, or keep the old"),
    Rule("job.start_delay_seconds", 5, "A", "from the request until the job is in the list"),
    Rule("job.backup_seconds", 300, "A", "a vault's backup job takes this long"),
    Rule("job.restore_seconds", 600, "A", "a vault's restore job takes this long"),
    Rule("job.cancel_seconds", 60, "A", "from the cancellation to Cancelled"),
    Rule("job.second_backup", "refuse", "P", "a backup while one runs on the item: refuse, or wait behind it"),
    Rule("job.busy_error", "UserErrorJobAlreadyInProgress", "A", "the error of a refused second backup"),
    Rule("job.late_completion_wins", True, "A", "a job that finishes while it is cancelled is completed"),
    Rule("vault.point_delay_seconds", 0, "A", "a recovery point is listed this long after its job"),
)

DEFAULTS: dict[str, Any] = {rule.name: rule.value for rule in RULES}


class Rules:
    """The rules in force: the defaults, and what a scenario set otherwise."""

    def __init__(self, changed: dict[str, Any] | None = None) -> None:
        self._values = dict(DEFAULTS)
        self.change(changed or {})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def change(self, changed: dict[str, Any]) -> None:
        """Changes rules while the world runs.

        Raises ValueError for a rule that is not known.
        """
        unknown = sorted(set(changed) - set(DEFAULTS))
        if unknown:
            raise ValueError(f"unknown rules: {', '.join(unknown)}")
        self._values.update(changed)
