//! Backup jobs: started once, found again, followed, stopped.

mod cancel;
mod copying;
mod find;
mod foresee;
mod job;
mod poll;
mod start;
mod state;

pub(super) use find::active_jobs;
pub(super) use foresee::foreseen;
pub(super) use start::{lifecycle, refusal, retention_days, too_long};

/// The note of a job's name that says by which key it was started.
const KEY: &str = "key";
/// The note of the name of a job that is ours beyond doubt, because AWS answered our call with it or because it carries our
/// mark.
const OURS: &str = "ours";
