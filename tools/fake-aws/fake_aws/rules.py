"""Every assumption of the fake, each as one named rule with its evidence.

Marks: M the service model, D vendor documentation, P a practitioner's report, A an assumption that waits for an
answer from a real account. A scenario may set any rule; what a real account teaches changes one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One thing the fake believes about AWS."""

    name: str
    value: Any
    evidence: str
    says: str


RULES: tuple[Rule, ...] = (
    Rule("token.lifetime_seconds", 3600, "D", "an idempotency token is remembered this long (older texts)"),
    Rule("token.burned_by_rejected_restore", True, "P", "a StartRestoreJob refused with 400 uses its token up"),
    Rule("token.burned_by_rejected_backup", False, "A", "the same of StartBackupJob and StartCopyJob"),
    Rule("token.changed_parameters", "refuse", "A", "same token, other parameters: refuse, or replay the first answer"),
    Rule("backup.second_job", "wait", "D", "a job while another runs on the resource: wait, or reject the call"),
    Rule(
        "backup.busy_message",
        "Backup job failed because there was a running job for the same resource.",
        "D",
        "what a job says that expired behind another",
    ),
    Rule("backup.start_delay_seconds", 60, "A", "from CREATED to RUNNING when nothing is in the way"),
    Rule("backup.retry_start_seconds", 600, "M", "a start that failed is tried again at least this often"),
    Rule("backup.start_window_minutes", 480, "M", "the start window when none is given"),
    Rule("backup.start_window_minimum_minutes", 60, "M", "a shorter start window is refused"),
    Rule("backup.complete_window_minutes", 10080, "A", "the completion window when none is given"),
    Rule("backup.complete_window_state", "ABORTED", "A", "the state of a job that outlived its completion window"),
    Rule("backup.ebs_seconds", 300, "A", "a job on a volume takes this long at least"),
    Rule("backup.ebs_bytes_per_second", 200_000_000, "A", "rate of a volume's changed blocks"),
    Rule("backup.efs_bytes_per_second", 100_000_000, "D", "rate of a file system's changed bytes"),
    Rule("backup.efs_files_per_second", 500, "D", "rate of a file system's changed files"),
    Rule("backup.efs_seconds", 120, "A", "a job on a file system takes this long at least"),
    Rule("backup.ebs_arn_from", "RUNNING", "M", "a volume's recovery point is named by the job from this state on"),
    Rule("backup.ebs_tags_from", "RUNNING", "A", "the snapshot carries RecoveryPointTags from this state on"),
    Rule("backup.stop_seconds", 120, "A", "from ABORTING to ABORTED"),
    Rule("backup.stopped_message", "Backup job was stopped by user.", "D", "what a stopped job says"),
    Rule("backup.late_completion_wins", True, "A", "a job that finishes while it is ABORTING is COMPLETED"),
    Rule("backup.aborted_leaves", "none", "A", "an aborted job leaves no recovery point, or a PARTIAL one"),
    Rule("backup.role_missing", "fail", "A", "a role nobody can assume: the job fails later, or refuse the call"),
    Rule("kms.unusable_message", "The KMS key is not usable.", "A", "what a job says whose key is disabled or going"),
    Rule("backup.opt_out_error", "InvalidRequestException", "A", "the error when the resource type is not opted in"),
    Rule("backup.tags_maximum", 50, "D", "tags of a recovery point, those of the resource included"),
    Rule("list.lag_seconds", 5, "A", "new jobs and points are missing from lists this long"),
    Rule("list.horizon_days", 30, "M", "lists of jobs reach back this far"),
    Rule("delete.seconds", 60, "A", "a recovery point is DELETING this long"),
    Rule("delete.expire_seconds", 60, "A", "a deletion that AWS cannot carry out turns EXPIRED after this"),
    Rule("delete.role_missing", "expire", "M", "deletion without its role: 200 and later EXPIRED"),
    Rule("delete.locked_error", "InvalidRequestException", "A", "the error of deletion in a locked vault"),
    Rule("delete.hold_error", "InvalidRequestException", "A", "the error of deletion under a legal hold"),
    Rule("restore.start_delay_seconds", 60, "A", "from PENDING to RUNNING"),
    Rule("restore.ebs_seconds", 300, "A", "a volume is restored in this time"),
    Rule("restore.efs_bytes_per_second", 50_000_000, "D", "slower than the backup"),
    Rule("restore.efs_seconds", 300, "A", "a file system's restore takes this long at least"),
    Rule("restore.fail_seconds", 120, "P", "a restore with unusable metadata fails after running this long"),
    Rule("restore.created_arn_from", "COMPLETED", "A", "CreatedResourceArn is told from this state on"),
    Rule("restore.request_id_round_trip", True, "A", "aws:backup:request-id comes back in GetRestoreJobMetadata"),
    Rule("restore.efs_needs_file_system_id", True, "P", "a new file system needs file-system-id all the same"),
    Rule("restore.efs_needs_performance_mode", True, "P", "a new file system needs PerformanceMode"),
    Rule("restore.efs_directory", "ns", "P", "aws-backup-restore_ with milliseconds (ms) or nanoseconds (ns)"),
    Rule("restore.efs_lost_and_found", False, "D", "a restore leaves stray fragments in aws-backup-lost+found"),
    Rule("restore.items_maximum", 5, "M", "entries in ItemsToRestore"),
    Rule("copy.start_delay_seconds", 60, "A", "from CREATED to RUNNING"),
    Rule("copy.bytes_per_second", 100_000_000, "A", "rate of a copy"),
    Rule("copy.seconds", 300, "A", "a copy takes this long at least"),
    Rule("copy.outbound_maximum", 100, "D", "copies at once out of one account and region"),
    Rule("vault.maximum", 300, "D", "vaults in a region"),
    Rule("ebs_point.backup_tags", "refuse", "A", "backup:ListTags of a volume's recovery point: refuse, or answer"),
    Rule("efs.page", 100, "D", "file systems on a page, whatever MaxItems says"),
    Rule("efs.mount_target_page", 10, "D", "mount targets on a page, whatever MaxItems says"),
    Rule("efs.create_seconds", 10, "A", "a new file system is creating this long"),
    Rule("efs.delete_seconds", 10, "A", "a file system is deleting this long"),
    Rule("efs.mount_target_seconds", 90, "P", "a mount target is creating this long"),
    Rule("efs.backup_policy_seconds", 10, "A", "a backup policy is ENABLING or DISABLING this long"),
    Rule("ec2.snapshot_seconds", 300, "A", "a snapshot is pending this long"),
    Rule("ec2.volume_seconds", 5, "A", "a volume is creating this long"),
    Rule("ec2.describe_lag_seconds", 0, "A", "a new volume or snapshot is not found this long"),
    Rule("ec2.pending_maximum", 5, "D", "pending snapshots of one gp or io volume"),
    Rule("ec2.pending_maximum_hdd", 1, "D", "pending snapshots of one st1 or sc1 volume"),
    Rule("ec2.snapshot_interval_seconds", 0, "D", "snapshots of a volume closer than this are throttled (AWS: 15)"),
    Rule("ec2.lazy_bytes_per_second", 10_000_000, "A", "hydration of a volume without an initialization rate"),
    Rule("ec2.copied_volume_id", "vol-ffffffff", "M", "the meaningless VolumeId of a copied snapshot"),
    Rule("ebs.token_seconds", 604800, "A", "block and page tokens are good this long"),
    Rule("ebs.seal_seconds", 60, "A", "a direct snapshot is pending this long after CompleteSnapshot"),
    Rule("ebs.pending_maximum", 100, "P", "pending direct snapshots of an account"),
    Rule("tagging.lag_seconds", 5, "A", "GetResources shows a tag change this late"),
    Rule("tagging.lists_formerly_tagged", True, "D", "GetResources lists what lost its tags, without them"),
    Rule("sagemaker.tag_page", 50, "M", "tags on a page of ListTags"),
    Rule("auth.skew_seconds", 300, "D", "a signature older or newer than this is refused"),
)

DEFAULTS: dict[str, Any] = {rule.name: rule.value for rule in RULES}


class Rules:
    """The rules in force: the defaults, and what a scenario set otherwise."""

    def __init__(self, changed: dict[str, Any] | None = None) -> None:
        unknown = sorted(set(changed or {}) - set(DEFAULTS))
        if unknown:
            raise ValueError(f"unknown rules: {', '.join(unknown)}")
        self._values = {**DEFAULTS, **(changed or {})}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]
