#![doc = include_str!("../README.md")]

mod backups;
mod catalog;
mod database;
mod error;
mod location;
mod operations;
mod options;
mod page;
mod rows;
mod schedules;
mod schema;
mod workspaces;

pub use catalog::SqlCatalog;
pub use options::SqlOptions;
