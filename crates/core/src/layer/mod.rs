//! Layers: behaviour that every provider shares, wrapped around it and never written inside it.

mod retry;

pub use retry::{RetryPolicy, Retrying};
