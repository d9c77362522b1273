//! The data directory and what lies in it.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};

use super::environment::variable;

/// A folder of this user's: `catalog.sqlite`, `key`, and `store/` where no other store is named.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The folder that is named, or `$XDG_DATA_HOME/stillpoint`, or `~/.local/share/stillpoint`.
    ///
    /// # Errors
    /// `InvalidConfig` where none of them is known.
    pub(crate) fn find(named: Option<&Path>) -> Result<Self> {
        let named = named.map(Path::to_path_buf);
        let found = named
            .or_else(|| variable("XDG_DATA_HOME").map(|base| PathBuf::from(base).join("stillpoint")))
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share/stillpoint")));
        let found = found.and_then(|path| std::path::absolute(path).ok());
        found.map(Self).ok_or_else(|| {
            let message = "there is no home directory to keep data in; name one with --data-dir";
            Error::new(ErrorKind::InvalidConfig, message)
        })
    }

    /// The folder at `path`.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// The folder, made with mode 0700 where it is missing.
    ///
    /// # Errors
    /// `PermissionDenied` where it cannot be made.
    pub(crate) fn make(&self) -> Result<&Path> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(|error| {
            let message = format!("the data directory {} cannot be made", self.0.display());
            Error::new(ErrorKind::PermissionDenied, message).with_source(error)
        })?;
        Ok(&self.0)
    }

    /// The catalog, unless another one is named.
    pub(crate) fn default_catalog(&self) -> PathBuf {
        self.0.join("catalog.sqlite")
    }

    /// The store, unless another one is named.
    pub(crate) fn default_store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// The random name of the volume that this directory lies on.
    pub(crate) fn instance(&self) -> PathBuf {
        self.0.join("instance")
    }

    /// Notes about requests for a restore whose time was over.
    pub(crate) fn expired_requests(&self) -> PathBuf {
        self.0.join("expired")
    }

    /// What an agent holds while it works.
    pub(crate) fn agent_lock(&self) -> PathBuf {
        self.0.join("agent.lock")
    }

    /// Where an agent in the background writes, unless another file is named.
    pub(crate) fn agent_log(&self) -> PathBuf {
        self.0.join("agent.log")
    }

    /// The key that the first backup makes where no password is given.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.0.join("key")
    }

    /// What makes the next backup fast; rebuilt when it is deleted.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Who holds which managed workspace still.
    pub(crate) fn holds(&self) -> PathBuf {
        self.0.join("holds")
    }

    /// Locks of hooks, and the plans that they are given.
    pub(crate) fn hooks(&self) -> PathBuf {
        self.0.join("hooks")
    }

    /// What the last `reconcile` found.
    pub(crate) fn reconciliation(&self) -> PathBuf {
        self.0.join("reconciliation.json")
    }

    /// Notes about restores whose results were not told yet.
    pub(crate) fn untold_results(&self) -> PathBuf {
        self.0.join("untold")
    }
}
