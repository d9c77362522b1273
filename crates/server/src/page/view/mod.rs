//! The pages as functions from what is known to HTML. No function here asks anything of anybody, and every value that
//! comes from outside is escaped by the template language.

pub(crate) mod backup;
pub(crate) mod backup_now;
pub(crate) mod backups;
pub(crate) mod delete;
pub(crate) mod files;
pub(crate) mod operation;
pub(crate) mod operations;
pub(crate) mod part;
pub(crate) mod plan;
pub(crate) mod problem;
pub(crate) mod restore;

pub(crate) mod retention;
pub(crate) mod schedule;
pub(crate) mod shell;
pub(crate) mod sign_in;
pub(crate) mod text;
pub(crate) mod timeline;
pub(crate) mod windows;
pub(crate) mod workspace;
pub(crate) mod workspaces;
