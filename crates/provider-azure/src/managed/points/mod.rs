//! Snapshots: opened, found by their tags, deleted and read back.

mod delete;
mod find;
mod open;
