#![doc = include_str!("../README.md")]

mod audit;
mod catalog;
mod clock;
mod context;
pub mod decide;
mod entropy;
mod error;
mod event;
mod extent;
mod forecast;
mod forget;
mod guard;
mod holding;
mod id;
mod job;
pub mod layer;
mod ledger;
pub mod memory;
pub mod meter;
mod operation;
mod orchestrator;
mod outlook;
mod plan;
mod progress;
mod provider;
mod provisioner;
mod reconcile;
mod records;
mod request;
mod retention;
mod roles;
mod schedule;
mod snapshot;
mod trim;
mod wanted;
mod watchdog;
mod workspace;

pub use audit::{AuditRecord, audit};
pub use catalog::*;
pub use clock::{Clock, SystemClock, Timestamp, VirtualClock};
pub use context::{Cancellation, OpContext};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use error::{Effect, Error, ErrorKind, ErrorRecord, Result, Retry};
pub use event::{EventKind, OperationEvent};
pub use extent::{Extent, ExtentMark};
pub use forecast::{Basis, Estimate, Forecast, forecast, forecast_restore};
pub use forget::{Forgotten, forget, preview};
pub use guard::{GUARD_TAG, GuardChange, guard_of};
pub use holding::hold;
pub use id::{
    BackupId, ComponentId, ID_BYTES_MAX, JobId, OperationId, ProviderId, QuiesceId, ScheduleId, SnapshotId,
    WorkspaceId,
};
pub use operation::*;
pub use orchestrator::*;
pub use outlook::{AcceptedPlan, Conflict, DeletePlan, Foreseen, Outlook, PlannedCall, RestorePlan};
pub use plan::{Plan, PlannedComponent};
pub use progress::ComponentProgress;
pub use provider::*;
pub use provisioner::{ProvisionRequest, Provisioned, Provisioner};
pub use reconcile::*;
pub use records::{DamagedRecord, Records};
pub use retention::{Kept, Retention, RetentionPolicy, retain};
pub use roles::{RoleDiff, compare_roles};
pub use schedule::*;
pub use snapshot::{
    Depth, Entry, EntryPage, Locked, Snapshot, SnapshotInfo, SnapshotRef, StoreRef, Verification,
};
pub use trim::{HistoryKept, Trimmed, Trimming};
pub use wanted::Wanted;
pub use watchdog::{Watchdog, Watched};
pub use workspace::{
    Component, Consistency, Definition, HoldInfo, Protection, QuiesceOptions, RoleGrant, Settings, Workspace,
};
