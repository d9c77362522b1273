//! Managed workspaces: what the configuration says of them, turned into the contract's workspace and provisioner.

mod empty;
mod hold;
mod hook;
mod inventory;
mod left;
mod plan_file;
mod providers;
mod provisioner;
mod target_findings;
mod workspace;

use std::path::PathBuf;

pub(crate) use left::HostNotes;
pub(crate) use providers::{AWS, AZURE, Aws, Clouds, aws, azure, complete, is_aws};
pub(crate) use provisioner::HookProvisioner;
pub(crate) use target_findings::ENVIRONMENT;
pub(crate) use workspace::ManagedWorkspace;

/// The name under which restores into managed workspaces find their provisioner.
pub(crate) const PROVISIONER: &str = "hooks";

/// Where this host keeps what hooks need.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Who holds which workspace still.
    pub(crate) holds: PathBuf,
    /// Locks of hooks, and the plans they are given.
    pub(crate) hooks: PathBuf,
}

#[cfg(test)]
mod tests;
