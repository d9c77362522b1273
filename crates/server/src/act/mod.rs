//! What callers do: each checks role and environment, submits to the orchestrator, and notes in the audit log who
//! asked. The API and the page share them.

mod audit;
mod backup;
mod bounds;
mod copy;
mod delete;
mod hold;
mod operation;
mod restore;
mod retention;
mod schedule;
mod token;
mod verify;

pub(crate) use backup::{BackupOrder, operation_id};
pub(crate) use bounds::object;
pub(crate) use copy::CopyOrder;
pub(crate) use restore::RestoreOrder;
pub use restore::{RestoreRoute, Routed, SameProvisioner};
pub(crate) use retention::{RetentionOrder, Rules};
pub(crate) use schedule::ScheduleOrder;
pub(crate) use token::TokenOrder;
pub(crate) use verify::VerifyOrder;
