//! Which of Azure's services a component, a snapshot or a resource is of.

use stillpoint_core::Component;

use super::netapp;
use super::resource_id::ResourceId;
use super::storage::SHARES;

/// The kind of component that is a file share of Azure Files.
pub(super) const FILE_SHARE: &str = "file-share";
/// The kind of component that is a volume of Azure NetApp Files.
pub(super) const NETAPP_VOLUME: &str = "netapp-volume";

/// The kind of component that is a container of blobs. Nothing but a vault protects one here.
pub(super) const BLOB_CONTAINER: &str = "blob-container";

/// What answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A managed disk; also whatever this provider does not know, which the part for disks refuses.
    Disk,
    Share,
    Volume,
}

impl Kind {
    pub(super) fn of(component: &Component) -> Self {
        match component.kind.as_str() {
            FILE_SHARE => Self::Share,
            NETAPP_VOLUME => Self::Volume,
            _ => Self::Disk,
        }
    }

    /// By the name of a snapshot.
    pub(super) fn of_point(text: &str) -> Self {
        let id = text.split('@').next().unwrap_or_default();
        id.parse().map_or(Self::Disk, |id| Self::of_id(&id))
    }

    /// By what a job or resource is about.
    pub(super) fn of_id(id: &ResourceId) -> Self {
        match id {
            id if id.is(SHARES) => Self::Share,
            id if [netapp::VOLUMES, netapp::SNAPSHOTS, netapp::BACKUPS].iter().any(|kind| id.is(kind)) => {
                Self::Volume
            }
            _ => Self::Disk,
        }
    }
}
