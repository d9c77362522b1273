//! What callers do: each checks role and environment, submits to the orchestrator, and notes in the audit log who
//! asked. The API and the page share them.

mod audit;
mod backup;
mod operation;

pub(crate) use backup::{BackupOrder, operation_id};
