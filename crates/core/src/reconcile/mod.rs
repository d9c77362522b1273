//! The reconciler: what providers and stores hold, against what the catalog says.
//!
//! A report changes nothing. [`settle`] does what its caller opted into, and deletes only what two reports in a row
//! called an orphan, what an operation of this very catalog made, and what no operation under way can own. A guard that two
//! reports called stray is removed also where this catalog does not know its operation.

mod compare;
mod guards;
mod rebuild;
mod settle;

use serde::{Deserialize, Serialize};

pub use compare::reconcile;
pub use rebuild::{Rebuilt, from_snapshots, rebuild};
pub use settle::{Settled, Settlement, settle};

use crate::catalog::DamagedRow;
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::{BackupId, ComponentId, OperationId, ProviderId, WorkspaceId};
use crate::records::DamagedRecord;
use crate::snapshot::{SnapshotInfo, SnapshotRef};
use crate::workspace::Component;

/// The most findings of one kind that a report lists; the others are counted.
pub const FINDINGS_MAX: usize = 10_000;

/// Where providers, stores and catalog disagree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reconciliation {
    /// When the providers were asked.
    pub at: Timestamp,
    /// Snapshots with our mark that no backup names.
    pub orphans: Vec<Orphan>,
    /// Backups that name a snapshot which is gone.
    pub lost: Vec<LostSnapshot>,
    /// Backups that only their record beside the data knows of.
    pub unknown: Vec<BackupId>,
    /// Catalogued backups without a record beside the data.
    pub unrecorded: Vec<BackupId>,
    /// Backups that the catalog and the record beside the data describe differently.
    pub differing: Vec<BackupId>,
    /// Backups that are half deleted: a deletion was begun, has ended without success, and nobody carries it on. Deleting
    /// them again does, as applying any retention policy does.
    #[serde(default)]
    pub half_deleted: Vec<BackupId>,
    /// Guards on sources that no operation under way needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<StrayGuard>,
    /// Providers that could not be asked; nothing is said of what they hold.
    pub unreachable: Vec<(ProviderId, ErrorRecord)>,
    /// Snapshots that belong to operations under way, and are none of this report's business.
    pub in_use: u64,
    /// Findings beyond [`FINDINGS_MAX`].
    pub left_out: u64,
    /// Backups whose row in the catalog cannot be read. Nothing is said of their snapshots, which are no orphans.
    #[serde(default)]
    pub damaged: Vec<DamagedRow>,
    /// Records beside the data that cannot be read. A backup that the catalog knows counts as unrecorded too, unless a newer
    /// version wrote its record.
    #[serde(default)]
    pub damaged_records: Vec<DamagedRecord>,
}

impl Reconciliation {
    /// A report in which nothing was found, of `at`.
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            orphans: Vec::new(),
            lost: Vec::new(),
            unknown: Vec::new(),
            unrecorded: Vec::new(),
            differing: Vec::new(),
            half_deleted: Vec::new(),
            guards: Vec::new(),
            unreachable: Vec::new(),
            in_use: 0,
            left_out: 0,
            damaged: Vec::new(),
            damaged_records: Vec::new(),
        }
    }

    /// Whether all agree, as far as all could be asked.
    pub fn agrees(&self) -> bool {
        let Self { orphans, lost, unknown, unrecorded, differing, half_deleted, .. } = self;
        let Self { guards, unreachable, left_out, damaged, damaged_records, .. } = self;
        orphans.is_empty()
            && lost.is_empty()
            && unknown.is_empty()
            && unrecorded.is_empty()
            && differing.is_empty()
            && half_deleted.is_empty()
            && guards.is_empty()
            && unreachable.is_empty()
            && *left_out == 0
            && damaged.is_empty()
            && damaged_records.is_empty()
    }
}

/// A snapshot with our mark that no backup names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Orphan {
    /// What it says of itself.
    pub snapshot: SnapshotInfo,
    /// Who made it, as far as the catalog knows.
    pub made_by: Maker,
}

/// A guard that stands on a source though no operation under way needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StrayGuard {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its component.
    pub component: ComponentId,
    /// The source.
    pub resource: String,
    /// Who wrote it, as far as the catalog knows.
    pub made_by: Maker,
}

impl StrayGuard {
    fn new(workspace: &WorkspaceId, component: &Component, made_by: Maker) -> Self {
        let (workspace, resource) = (workspace.clone(), component.resource.clone());
        Self { workspace, component: component.id.clone(), resource, made_by }
    }
}

/// Who made something, as far as a catalog knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Maker {
    /// An operation of this catalog, which has ended.
    Ended(OperationId),
    /// An operation that this catalog does not know: it may be another catalog's, or this one was lost.
    Unknown(OperationId),
    /// Nothing on it says who.
    Unmarked,
}

/// A snapshot that a backup names and that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LostSnapshot {
    /// The backup.
    pub backup: BackupId,
    /// Whose snapshot.
    pub component: ComponentId,
    /// The snapshot.
    pub snapshot: SnapshotRef,
}
