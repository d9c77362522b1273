//! Layers: behaviour that every provider shares, wrapped around it and never written inside it.
//!
//! A host writes one of its own as a [`ProviderLayer`] or a [`CatalogLayer`].

mod around;
mod fair;
mod limited;
mod retry;

pub use around::{Call, CatalogLayer, ProviderLayer};
pub(crate) use fair::{FairQueue, Place};
pub use limited::{CallLimits, Limited};
pub use retry::{RetryPolicy, Retrying};
