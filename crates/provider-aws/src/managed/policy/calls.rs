//! Every call that this provider makes, and what IAM calls it: the one table behind plans and policies.
//!
//! Source of actions and resource types: <https://docs.aws.amazon.com/service-authorization/latest/reference/>.

use super::super::settings::SourceKind;
use super::Task;

/// What a call is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum On {
    /// The service does not tell resources apart here.
    Anything,
    /// The vaults that are named.
    Vaults,
    /// Recovery points, whatever keeps them.
    Points,
    /// Snapshots of volumes: those that imports make have no name before.
    Snapshots,
    /// Legal holds.
    Holds,
    /// The components themselves.
    Sources,
    /// The roles that are named.
    Roles,
    /// The same, handed to AWS Backup and to no other service.
    PassedRoles,
    /// The keys of vaults and volumes.
    Keys,
    /// Volumes of the account: those that restores make have no name before.
    Volumes,
    /// File systems of the account, likewise.
    FileSystems,
}

/// One call.
#[derive(Debug)]
pub(in super::super) struct Call {
    /// The vendor's name of it.
    pub(in super::super) name: &'static str,
    /// The actions that it needs, each with what it is on; none where nobody can be denied it.
    pub(in super::super) needs: &'static [(&'static str, On)],
    pub(in super::super) tasks: &'static [Task],
    /// Made for components of this kind only.
    pub(in super::super) kind: Option<SourceKind>,
}

const VOLUME: Option<SourceKind> = Some(SourceKind::Volume);
const FILE_SYSTEM: Option<SourceKind> = Some(SourceKind::FileSystem);

/// All calls, in the order in which a task makes them, as far as there is one.
pub(in super::super) const CALLS: &[Call] = &[
    Call {
        name: "GetResources",
        needs: &[("tag:GetResources", On::Anything)],
        tasks: &[Task::Discover],
        kind: None,
    },
    Call { name: "GetCallerIdentity", needs: &[], tasks: &[Task::Discover, Task::Preflight], kind: None },
    Call {
        name: "DescribeVolumes",
        needs: &[("ec2:DescribeVolumes", On::Anything)],
        tasks: &[Task::Discover, Task::Preflight, Task::Backup],
        kind: VOLUME,
    },
    Call {
        name: "DescribeFileSystems",
        needs: &[("elasticfilesystem:DescribeFileSystems", On::FileSystems)],
        tasks: &[Task::Discover, Task::Preflight, Task::Backup],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeBackupPolicy",
        needs: &[("elasticfilesystem:DescribeBackupPolicy", On::Sources)],
        tasks: &[Task::Preflight],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeRegionSettings",
        needs: &[("backup:DescribeRegionSettings", On::Anything)],
        tasks: &[Task::Preflight],
        kind: None,
    },
    Call { name: "GetRole", needs: &[("iam:GetRole", On::Roles)], tasks: &[Task::Preflight], kind: None },
    Call {
        name: "SimulatePrincipalPolicy",
        needs: &[("iam:SimulatePrincipalPolicy", On::Anything)],
        tasks: &[Task::Preflight],
        kind: None,
    },
    Call {
        name: "DescribeKey",
        needs: &[("kms:DescribeKey", On::Keys)],
        tasks: &[Task::Preflight],
        kind: None,
    },
    Call {
        name: "ListBackupJobs",
        needs: &[("backup:ListBackupJobs", On::Anything)],
        tasks: &[Task::Preflight, Task::Backup],
        kind: None,
    },
    Call {
        name: "DescribeBackupVault",
        needs: &[("backup:DescribeBackupVault", On::Vaults)],
        tasks: &[Task::Preflight, Task::Backup, Task::Delete],
        kind: None,
    },
    Call {
        name: "StartBackupJob",
        needs: &[
            ("backup:StartBackupJob", On::Vaults),
            ("backup:TagResource", On::Points),
            ("iam:PassRole", On::PassedRoles),
        ],
        tasks: &[Task::Backup],
        kind: None,
    },
    Call {
        name: "DescribeBackupJob",
        needs: &[("backup:DescribeBackupJob", On::Anything)],
        tasks: &[Task::Backup],
        kind: None,
    },
    Call {
        name: "StopBackupJob",
        needs: &[("backup:StopBackupJob", On::Anything)],
        tasks: &[Task::Backup],
        kind: None,
    },
    Call {
        name: "ListRecoveryPointsByBackupVault",
        needs: &[("backup:ListRecoveryPointsByBackupVault", On::Vaults)],
        tasks: &[Task::List],
        kind: None,
    },
    Call {
        name: "DescribeRecoveryPoint",
        needs: &[("backup:DescribeRecoveryPoint", On::Points)],
        tasks: &[Task::Backup, Task::List, Task::Delete],
        kind: None,
    },
    Call {
        name: "DescribeSnapshots",
        needs: &[("ec2:DescribeSnapshots", On::Anything)],
        tasks: &[Task::Backup, Task::List, Task::Delete, Task::Export, Task::Import],
        kind: VOLUME,
    },
    Call {
        name: "ListTags",
        needs: &[("backup:ListTags", On::Points)],
        tasks: &[Task::Backup, Task::List, Task::Delete],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeLockedSnapshots",
        needs: &[("ec2:DescribeLockedSnapshots", On::Anything)],
        tasks: &[Task::Delete],
        kind: VOLUME,
    },
    Call {
        name: "DeleteRecoveryPoint",
        needs: &[("backup:DeleteRecoveryPoint", On::Points)],
        tasks: &[Task::Delete],
        kind: None,
    },
    Call {
        name: "ListLegalHolds",
        needs: &[("backup:ListLegalHolds", On::Anything)],
        tasks: &[Task::Delete],
        kind: None,
    },
    Call {
        name: "GetLegalHold",
        needs: &[("backup:GetLegalHold", On::Holds)],
        tasks: &[Task::Delete],
        kind: None,
    },
    Call {
        name: "ListSnapshotBlocks",
        needs: &[("ebs:ListSnapshotBlocks", On::Snapshots)],
        tasks: &[Task::Export],
        kind: VOLUME,
    },
    Call {
        name: "ListChangedBlocks",
        needs: &[("ebs:ListChangedBlocks", On::Snapshots)],
        tasks: &[Task::Export],
        kind: VOLUME,
    },
    Call {
        name: "GetSnapshotBlock",
        needs: &[("ebs:GetSnapshotBlock", On::Snapshots)],
        tasks: &[Task::Export],
        kind: VOLUME,
    },
    Call {
        name: "StartSnapshot",
        needs: &[("ebs:StartSnapshot", On::Snapshots), ("ec2:CreateTags", On::Snapshots)],
        tasks: &[Task::Import],
        kind: VOLUME,
    },
    Call {
        name: "PutSnapshotBlock",
        needs: &[("ebs:PutSnapshotBlock", On::Snapshots)],
        tasks: &[Task::Import],
        kind: VOLUME,
    },
    Call {
        name: "CompleteSnapshot",
        needs: &[("ebs:CompleteSnapshot", On::Snapshots)],
        tasks: &[Task::Import],
        kind: VOLUME,
    },
];

/// The calls of a task on components of one kind.
pub(in super::super) fn calls(task: Task, kind: SourceKind) -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(move |call| call.tasks.contains(&task) && call.kind.is_none_or(|only| only == kind))
}
