//! The JSON documents of Stillpoint, one set for the command line, the API and its clients.
//!
//! They own what they show, so that a client reads them back into the same types.

mod backup;
mod component;
mod failure;
mod operation;
mod plan;
mod restore;
mod result;
mod workspace;

pub use backup::{BackupDetail, BackupItem, BackupPage};
pub use component::{ComponentItem, excluded_reason};
pub use failure::{ErrorDocument, FailureDocument};
pub use operation::{ComponentProgressItem, OperationItem, OperationPage, ProgressItem};
pub use plan::{PlanDocument, PlannedItem};
pub use restore::{RestoreByteCounts, RestoreDocument, RestoreFileCounts};
pub use result::{BackupByteCounts, BackupDocument, BackupFileCounts};
pub use workspace::{WorkspaceComponent, WorkspaceDetail, WorkspaceItem, WorkspacePage};
