//! The provider against the fake Azure of `tools/fake-azure`, over HTTP, by the fake's own clock.

mod connection;
mod crash;
mod disks;
mod fake;
mod faults;
mod live;
#[path = "../../../provider-aws/tests/managed/pace.rs"]
mod pace;
mod policy;
mod shares;
mod stories;
mod suite;
#[path = "../../../provider-aws/tests/managed/under_way.rs"]
mod under_way;
mod vault_jobs;
mod vaults;
mod volumes;
