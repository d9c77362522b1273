//! The provider against the fake Azure of `tools/fake-azure`, over HTTP, by the fake's own clock.

mod blobs;
mod connection;
mod crash;
mod disks;
mod fake;
mod faults;
mod guards;
mod live;
mod policy;
mod shares;
mod stories;
mod suite;
mod vault_jobs;
mod vaults;
mod volumes;
