//! The contract in memory: small, complete implementations for documentation, examples and tests.

mod catalog;
mod provider;
mod workspace;

pub use catalog::MemoryCatalog;
pub use provider::MemoryProvider;
pub use workspace::{MemoryProvisioner, MemoryWorkspace};
