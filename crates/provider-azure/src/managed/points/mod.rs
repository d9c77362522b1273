//! Snapshots: opened, found by their tags, deleted and read back.

mod delete;
mod find;
mod open;
mod refusal;

pub(super) use refusal::state_of;
