#![doc = include_str!("../README.md")]

mod access;
mod backups;
mod catalog;
mod commit;
mod engine;
mod leases;
mod migrations;
mod operations;
mod options;
mod page;
#[cfg(test)]
mod plans;
#[cfg(feature = "postgres")]
mod postgres;
mod reservations;
mod rows;
mod schedules;
mod sqlite;
mod workspaces;

pub use access::TokenRow;
pub use catalog::SqlCatalog;
pub use options::SqlOptions;
