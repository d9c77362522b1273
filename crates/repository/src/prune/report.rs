//! What a prune did.

use crate::id::Id;
use crate::time::Timestamp;

/// How a prune ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PruneState {
    /// Everything stored is in use.
    #[default]
    Clean,
    /// Packs are condemned, and deleted by a run after [`PruneReport::due`].
    Condemned,
    /// Packs were deleted, and nothing is condemned.
    Freed,
    /// A trial run: nothing was changed.
    Planned,
}

/// Result of a prune. Figures of packs count objects, figures of bytes their whole length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PruneReport {
    /// How it ended.
    pub state: PruneState,
    /// Snapshots whose content was kept.
    pub snapshots: u64,
    /// Packs in the store when the run began to look.
    pub packs: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Packs that hold nothing that is used.
    pub unused_packs: u64,
    /// Bytes of those.
    pub unused_bytes: u64,
    /// Packs whose used content is copied because the rest is too large a share.
    pub wasteful_packs: u64,
    /// Unused bytes in those.
    pub wasteful_bytes: u64,
    /// Packs that wait for the grace to end.
    pub condemned_packs: u64,
    /// When that is, by the store's clock.
    pub due: Option<Timestamp>,
    /// Packs deleted by this run.
    pub deleted_packs: u64,
    /// Bytes of those.
    pub deleted_bytes: u64,
    /// Blobs copied out of packs before they were deleted.
    pub copied_blobs: u64,
    /// Bytes written for those.
    pub copied_bytes: u64,
    /// Packs that the store refused to delete, as under a retention lock. They are unused and tried again next time.
    pub retained: Vec<Id>,
    /// The store keeps versions of what is deleted: space is free only when its own rules let those expire.
    pub versioned: bool,
}
