//! The crash enumerator: kill the orchestrator at every boundary of a durable effect, start another one on what
//! survives, and check that every promise holds.
//!
//! A boundary is one call that changes something lasting: a write to the catalog, or a mutating call of the
//! provider, the workspace or the provisioner. The process can die before it (nothing happened), or after it (it
//! happened, but nobody heard the answer); dying after the catalog's write of an outcome is the third point of the
//! classic three. [`Scenario::run`] dies at the points it is given, one per process, and ends with a process that
//! lives; then it looks behind everybody's back ([`Outcome::broken`]).
//!
//! [`Rivalry`] has several processes at work at the same time instead, each with a clock of its own.
//!
//! A failing run names itself as one command, see [`Case`].

mod case;
mod fuse;
mod guards;
mod invariants;
mod planted;
mod rivals;
mod scenario;
mod wrapped;

pub use case::{Case, CrashPoint, Moment};
pub use fuse::Fuse;
pub use planted::Planted;
pub use rivals::Rivalry;
pub use scenario::{Outcome, Scenario};
pub use wrapped::{FusedCatalog, FusedProvider, FusedProvisioner, FusedWorkspace};
