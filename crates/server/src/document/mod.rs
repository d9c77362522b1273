//! The JSON documents of Stillpoint, one set for the command line, the API and its clients.
//!
//! They own what they show, so that a client reads them back into the same types.

mod backup;
mod component;
mod failure;
mod file;
mod held;
mod operation;
mod outcome;
mod outlook;
mod plan;
mod preflight;
mod restore;
mod result;
mod retention;
mod roles;
mod schedule;
mod workspace;

pub use backup::{BackupDetail, BackupItem, BackupPage};
pub use component::{ComponentItem, excluded_reason};
pub use failure::{ErrorDocument, FailureDocument};
pub use file::{FileItem, FilePage};
pub use held::LeftHold;
pub use operation::{ComponentProgressItem, OperationItem, OperationPage, ProgressItem};
pub use outcome::OperationResult;
pub use outlook::{DeletePlanDocument, RestorePlanDocument};
pub use plan::{PlanDocument, PlannedItem};
pub use preflight::{FindingItem, PreflightDocument};
pub use restore::{RestoreByteCounts, RestoreDocument, RestoreFileCounts};
pub use result::{BackupByteCounts, BackupDocument, BackupFileCounts};
pub use retention::{FailedItem, ForgottenDocument, KeptItem, RetentionDocument};
pub use roles::RolesDocument;
pub use schedule::{ScheduleItem, SchedulePage};
pub use workspace::{WorkspaceComponent, WorkspaceDetail, WorkspaceItem, WorkspacePage};
