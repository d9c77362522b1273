#![doc = include_str!("../README.md")]

// catalog
// crash
pub mod memory;
pub mod provider;
pub mod provisioner;
// sim
pub mod workspace;
