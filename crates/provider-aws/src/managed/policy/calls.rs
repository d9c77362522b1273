//! Every call that this provider makes, and what IAM calls it: the one table behind plans and policies.
//!
//! Source of actions and resource types: <https://docs.aws.amazon.com/service-authorization/latest/reference/>; of what
//! mount targets need of EC2: <https://docs.aws.amazon.com/efs/latest/ug/API_CreateMountTarget.html>; of what a new vault
//! needs: <https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html>.

use super::super::settings::SourceKind;
use super::Task;
use super::on::On;

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
    Call {
        name: "GetCallerIdentity",
        needs: &[],
        tasks: &[Task::Discover, Task::Preflight, Task::List, Task::Delete, Task::Restore, Task::Copy],
        kind: None,
    },
    Call {
        name: "DescribeVolumes",
        needs: &[("ec2:DescribeVolumes", On::Anything)],
        tasks: &[Task::Discover, Task::Preflight, Task::Backup, Task::Restore, Task::Guard],
        kind: VOLUME,
    },
    Call {
        name: "DescribeFileSystems",
        needs: &[("elasticfilesystem:DescribeFileSystems", On::FileSystems)],
        tasks: &[Task::Discover, Task::Preflight, Task::Backup, Task::Restore, Task::Guard],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeBackupPolicy",
        needs: &[("elasticfilesystem:DescribeBackupPolicy", On::Sources)],
        tasks: &[Task::Preflight],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeBackupPolicy",
        needs: &[("elasticfilesystem:DescribeBackupPolicy", On::FileSystems)],
        tasks: &[Task::Discover, Task::Restore],
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
        needs: &[("iam:SimulatePrincipalPolicy", On::Principals)],
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
        tasks: &[Task::Preflight, Task::Backup, Task::Delete, Task::CreateVault],
        kind: None,
    },
    Call {
        name: "CreateBackupVault",
        needs: &[
            ("backup:CreateBackupVault", On::NewVaults),
            ("backup:TagResource", On::NewVaults),
            ("backup-storage:MountCapsule", On::Anything),
            ("kms:CreateGrant", On::NewVaultKeys),
            ("kms:Decrypt", On::NewVaultKeys),
            ("kms:DescribeKey", On::NewVaultKeys),
            ("kms:GenerateDataKey", On::NewVaultKeys),
            ("kms:RetireGrant", On::NewVaultKeys),
        ],
        tasks: &[Task::CreateVault],
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
        tasks: &[Task::Backup, Task::List, Task::Delete, Task::Restore, Task::Copy],
        kind: None,
    },
    Call {
        name: "DescribeSnapshots",
        needs: &[("ec2:DescribeSnapshots", On::Anything)],
        tasks: &[
            Task::Backup,
            Task::List,
            Task::Delete,
            Task::Restore,
            Task::Copy,
            Task::Export,
            Task::Import,
        ],
        kind: VOLUME,
    },
    Call {
        name: "ListTags",
        needs: &[("backup:ListTags", On::Points)],
        tasks: &[Task::Backup, Task::List, Task::Delete, Task::Copy],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeLockedSnapshots",
        needs: &[("ec2:DescribeLockedSnapshots", On::Anything)],
        tasks: &[Task::Delete],
        kind: VOLUME,
    },
    Call {
        name: "UpdateRecoveryPointLifecycle",
        needs: &[
            ("backup:UpdateRecoveryPointLifecycle", On::MarkedPoints),
            ("backup:UpdateRecoveryPointLifecycle", On::SnapshotPoints),
        ],
        tasks: &[Task::Delete],
        kind: None,
    },
    Call {
        name: "DeleteRecoveryPoint",
        needs: &[
            ("backup:DeleteRecoveryPoint", On::MarkedPoints),
            ("backup:DeleteRecoveryPoint", On::SnapshotPoints),
        ],
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
    Call {
        name: "DescribeAvailabilityZones",
        needs: &[("ec2:DescribeAvailabilityZones", On::Anything)],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "CreateVolume",
        needs: &[
            ("ec2:CreateVolume", On::Volumes),
            ("ec2:CreateVolume", On::Points),
            ("ec2:CreateTags", On::Volumes),
        ],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "DescribeVolumeStatus",
        needs: &[("ec2:DescribeVolumeStatus", On::Anything)],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "DeleteVolume",
        needs: &[("ec2:DeleteVolume", On::MarkedVolumes)],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "StartRestoreJob",
        needs: &[("backup:StartRestoreJob", On::Points), ("iam:PassRole", On::PassedRoles)],
        tasks: &[Task::Restore],
        kind: None,
    },
    Call {
        name: "DescribeRestoreJob",
        needs: &[("backup:DescribeRestoreJob", On::Anything)],
        tasks: &[Task::Restore],
        kind: None,
    },
    Call {
        name: "GetRestoreJobMetadata",
        needs: &[("backup:GetRestoreJobMetadata", On::Anything)],
        tasks: &[Task::Restore],
        kind: None,
    },
    Call {
        name: "ListRestoreJobsByProtectedResource",
        needs: &[("backup:ListRestoreJobsByProtectedResource", On::Anything)],
        tasks: &[Task::Restore],
        kind: None,
    },
    Call {
        name: "DescribeSubnets",
        needs: &[("ec2:DescribeSubnets", On::Anything)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeSecurityGroups",
        needs: &[("ec2:DescribeSecurityGroups", On::Anything)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "CreateMountTarget",
        needs: &[
            ("elasticfilesystem:CreateMountTarget", On::FileSystems),
            ("ec2:DescribeSubnets", On::Anything),
            ("ec2:DescribeNetworkInterfaces", On::Anything),
            ("ec2:CreateNetworkInterface", On::Anything),
        ],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DeleteMountTarget",
        needs: &[
            ("elasticfilesystem:DeleteMountTarget", On::MarkedFileSystems),
            ("ec2:DeleteNetworkInterface", On::Anything),
        ],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeMountTargets",
        needs: &[("elasticfilesystem:DescribeMountTargets", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeMountTargetSecurityGroups",
        needs: &[("elasticfilesystem:DescribeMountTargetSecurityGroups", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeLifecycleConfiguration",
        needs: &[("elasticfilesystem:DescribeLifecycleConfiguration", On::FileSystems)],
        tasks: &[Task::Discover, Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "PutLifecycleConfiguration",
        needs: &[("elasticfilesystem:PutLifecycleConfiguration", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "PutBackupPolicy",
        needs: &[("elasticfilesystem:PutBackupPolicy", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeFileSystemPolicy",
        needs: &[("elasticfilesystem:DescribeFileSystemPolicy", On::FileSystems)],
        tasks: &[Task::Discover, Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "PutFileSystemPolicy",
        needs: &[("elasticfilesystem:PutFileSystemPolicy", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "UpdateFileSystem",
        needs: &[("elasticfilesystem:UpdateFileSystem", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DescribeAccessPoints",
        needs: &[("elasticfilesystem:DescribeAccessPoints", On::FileSystems)],
        tasks: &[Task::Discover, Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "CreateAccessPoint",
        needs: &[
            ("elasticfilesystem:CreateAccessPoint", On::FileSystems),
            ("elasticfilesystem:TagResource", On::FileSystems),
            ("elasticfilesystem:TagResource", On::AccessPoints),
        ],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "TagResource",
        needs: &[("elasticfilesystem:TagResource", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "UntagResource",
        needs: &[("elasticfilesystem:UntagResource", On::FileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "DeleteFileSystem",
        needs: &[("elasticfilesystem:DeleteFileSystem", On::MarkedFileSystems)],
        tasks: &[Task::Restore],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "CreateTags",
        needs: &[("ec2:CreateTags", On::Volumes)],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "DeleteTags",
        needs: &[("ec2:DeleteTags", On::Volumes)],
        tasks: &[Task::Restore],
        kind: VOLUME,
    },
    Call {
        name: "CreateTags",
        needs: &[("ec2:CreateTags", On::Sources)],
        tasks: &[Task::Guard],
        kind: VOLUME,
    },
    Call {
        name: "DeleteTags",
        needs: &[("ec2:DeleteTags", On::Sources)],
        tasks: &[Task::Guard],
        kind: VOLUME,
    },
    Call {
        name: "TagResource",
        needs: &[("elasticfilesystem:TagResource", On::Sources)],
        tasks: &[Task::Guard],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "UntagResource",
        needs: &[("elasticfilesystem:UntagResource", On::Sources)],
        tasks: &[Task::Guard],
        kind: FILE_SYSTEM,
    },
    Call {
        name: "ListCopyJobs",
        needs: &[("backup:ListCopyJobs", On::Anything)],
        tasks: &[Task::Preflight, Task::Backup, Task::Copy],
        kind: None,
    },
    Call {
        name: "StartCopyJob",
        needs: &[("backup:StartCopyJob", On::Points), ("iam:PassRole", On::PassedRoles)],
        tasks: &[Task::Copy],
        kind: None,
    },
    Call {
        name: "DescribeCopyJob",
        needs: &[("backup:DescribeCopyJob", On::Anything)],
        tasks: &[Task::Copy],
        kind: None,
    },
    Call { name: "CreateTags", needs: &[("ec2:CreateTags", On::Points)], tasks: &[Task::Copy], kind: VOLUME },
    Call {
        name: "TagResource",
        needs: &[("backup:TagResource", On::Points)],
        tasks: &[Task::Copy],
        kind: FILE_SYSTEM,
    },
];

/// The calls of a task on components of one kind.
pub(in super::super) fn calls(task: Task, kind: SourceKind) -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(move |call| call.tasks.contains(&task) && call.kind.is_none_or(|only| only == kind))
}
