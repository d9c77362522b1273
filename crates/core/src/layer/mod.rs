//! Layers: behaviour that every provider shares, wrapped around it and never written inside it.

mod fair;
mod limited;
mod retry;

pub(crate) use fair::{FairQueue, Place};
pub use limited::{CallLimits, Limited};
pub use retry::{RetryPolicy, Retrying};
