#![doc = include_str!("../README.md")]

pub mod catalog;
pub mod crash;
pub mod fake;
pub mod memory;
pub mod provider;
pub mod provisioner;
pub mod sim;
pub mod workspace;
