//! What calls are made on, as far as IAM tells it apart.

use super::super::tags;

/// What a call is made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum On {
    /// The service does not tell resources apart here.
    Anything,
    /// The vaults that are named.
    Vaults,
    /// Those of them that are made where they are not there.
    NewVaults,
    /// The keys that are named for them.
    NewVaultKeys,
    /// Recovery points, whatever keeps them.
    Points,
    /// Recovery points that AWS Backup keeps itself and that carry our mark.
    MarkedPoints,
    /// Recovery points that are snapshots of volumes. AWS Backup does not know their tags, so no mark can be asked for.
    SnapshotPoints,
    /// Snapshots of volumes: those that imports make have no name before.
    Snapshots,
    /// Legal holds.
    Holds,
    /// The components themselves.
    Sources,
    /// The roles that are named.
    Roles,
    /// The users and roles of the account: whoever calls is one of them.
    Principals,
    /// The same, handed to AWS Backup and to no other service.
    PassedRoles,
    /// The keys of volumes and of the vaults of file systems: those that the settings name, and all of the region where one
    /// is not named. A preflight learns its name from the volume or vault, so that nobody need write it down.
    Keys,
    /// Volumes of the account: those that restores make have no name before.
    Volumes,
    /// File systems of the account, likewise.
    FileSystems,
    /// Access points of file systems.
    AccessPoints,
    /// Volumes that carry the mark of a restore.
    MarkedVolumes,
    /// File systems that carry the mark of a restore.
    MarkedFileSystems,
}

impl On {
    /// The tag without which nothing is allowed on it.
    pub(super) fn mark(self) -> Option<&'static str> {
        match self {
            Self::MarkedPoints => Some(tags::JOB),
            Self::MarkedVolumes | Self::MarkedFileSystems => Some(tags::OPERATION),
            _ => None,
        }
    }
}
