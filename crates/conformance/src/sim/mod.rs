//! A simulated cloud whose jobs run for hours of virtual time and outlive every process that watches them.
//!
//! [`SimCloud`] is the cloud: it lives as long as the test holds it and is advanced by its clock alone, so nothing
//! runs in the background and equal inputs give equal traces. [`SimProvider`] is one process's handle on it; any
//! number may come and go. What is simulated follows AWS Backup where its documents say how it behaves
//! (idempotency tokens that expire after an hour, one running job per resource, jobs without the caller's key on
//! them, recovery points whose tags show late) and is made worse where a vendor promises nothing.

mod calls;
mod cloud;
mod config;
mod fault;
mod harness;
mod job;
mod journal;
mod listing;
mod provider;
mod provisioner;
mod resource;
mod skewed;
mod snapshot;
mod state;
mod status;
mod view;
mod workspace;
mod world;

pub use cloud::SimCloud;
pub use config::SimConfig;
pub use fault::{Call, Chaos, Fate, FateEnd, Fault, FaultPlan};
pub use harness::SimHarness;
pub use journal::JournalEntry;
pub use provider::SimProvider;
pub use provisioner::{SimProvisioner, SimProvisionerHarness};
pub use resource::SimKind;
pub use skewed::SkewedClock;
pub use view::{SimJob, SimResource, SimSnapshot};
pub use workspace::{SimHold, SimWorkspace, SimWorkspaceHarness};
pub use world::{END_WITHIN, LEASE_TTL, SimWorld};
