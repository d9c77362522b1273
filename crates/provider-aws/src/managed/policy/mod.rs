//! The least permissions that a set of tasks needs, as documents for IAM.

pub(super) mod calls;
mod document;
mod on;
mod scope;

use serde::{Deserialize, Serialize};

use super::settings::SourceKind;
use calls::CALLS;
pub(super) use document::BACKUP_SERVICE;
pub use document::{PolicyDocument, PolicyDocuments, ServiceRole, Statement};
use on::On;
pub use scope::PolicyScope;

/// What a caller is to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// Find components by their tags.
    Discover,
    /// Look for what would make a backup fail.
    Preflight,
    /// Start, follow and stop backup jobs.
    Backup,
    /// Find and open recovery points: rebuilding and reconciling the catalog, verifying.
    List,
    /// Delete recovery points.
    Delete,
    /// Restore into new resources, and discard what a failed restore made.
    Restore,
    /// Copy recovery points to another vault, region or account.
    Copy,
    /// Make vaults where there are none: those of [`PolicyScope::new_vaults`], for which nobody has to name this task.
    CreateVault,
    /// Write protective tags on sources while they are captured, and remove them.
    Guard,
    /// Read the blocks of volumes' snapshots into a repository.
    Export,
    /// Make snapshots of volumes from a repository.
    Import,
}

impl Task {
    /// All that goes through AWS Backup, whatever the configuration; sources are guarded only where that is asked for.
    pub const ALL: [Self; 7] =
        [Self::Discover, Self::Preflight, Self::Backup, Self::List, Self::Delete, Self::Restore, Self::Copy];
}

/// The exact documents for what `scope` says: the caller's policy, and what AWS Backup's own role needs.
///
/// Each action is there because a call of this provider needs it, and on the narrowest resource that IAM tells apart
/// for it. A service that cannot tell resources apart gets `*` (the describing calls of EC2, the listing ones of AWS
/// Backup). What is deleted must carry Stillpoint's mark, where IAM can see it: volumes, file systems, and the recovery
/// points that AWS Backup keeps itself. Those that are snapshots of volumes have their tags at EC2, so their marks are
/// looked at by the provider alone.
///
/// ```
/// use stillpoint_core::Component;
/// use stillpoint_provider_aws::managed::{BackupSettings, PolicyScope, Task, policy};
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let volume = "arn:aws:ec2:us-west-2:123456789012:volume/vol-0a1";
/// let settings = BackupSettings::new("ml-backups", "arn:aws:iam::123456789012:role/AWSBackupRole");
/// let component = settings.on(Component::new("db".parse()?, "ebs", "aws".parse()?, volume));
/// let documents = policy(&PolicyScope::of(&[component], [Task::Backup])?);
/// let text = serde_json::to_string(&documents.caller).unwrap();
/// assert!(text.contains("backup:StartBackupJob") && !text.contains("backup:DeleteRecoveryPoint"));
/// # Ok(()) }
/// ```
pub fn policy(scope: &PolicyScope) -> PolicyDocuments {
    let kinds = [SourceKind::Volume, SourceKind::FileSystem].map(|kind| (kind, scope.has(kind)));
    let applies = |only: Option<SourceKind>| only.is_none_or(|only| kinds.contains(&(only, true)));
    let mut actions: Vec<(On, &'static str)> = CALLS
        .iter()
        .filter(|call| call.tasks.iter().any(|task| scope.includes(*task)) && applies(call.kind))
        .flat_map(|call| call.needs.iter().map(|(action, on)| (*on, *action)))
        .collect();
    actions.sort_unstable();
    actions.dedup();
    let statements = actions.chunk_by(|a, b| a.0 == b.0).filter_map(|group| {
        let (on, _) = group.first()?;
        let actions = group.iter().map(|(_, action)| (*action).to_owned()).collect();
        let resources = scope.resources(*on);
        (!resources.is_empty()).then(|| Statement::allow(*on, actions, resources))
    });
    PolicyDocuments { caller: PolicyDocument::new(statements.collect()), role: ServiceRole::of(scope) }
}
