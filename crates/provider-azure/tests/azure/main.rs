//! The provider against the fake Azure of `tools/fake-azure`, over HTTP, by the fake's own clock.

mod connection;
mod disks;
mod fake;
mod faults;
mod policy;
mod shares;
mod suite;
mod volumes;
