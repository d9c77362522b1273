//! The workspaces of the configuration file.

mod arn;
mod managed;
mod value;

use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use managed::{ConfiguredComponent, HookLines, Kind, ManagedConfig};

/// One `[[workspace]]`.
#[derive(Debug)]
pub(crate) enum ConfiguredWorkspace {
    /// A directory of this machine.
    Directory(ConfiguredDirectory),
    /// Storage in a cloud, held still by hooks.
    Managed(Box<ManagedConfig>),
    /// Of a provider whose keys this program does not read.
    Unread {
        /// Its id.
        id: String,
        /// The provider.
        provider: String,
    },
}

impl ConfiguredWorkspace {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Directory(directory) => &directory.id,
            Self::Managed(managed) => managed.id.as_str(),
            Self::Unread { id, .. } => id,
        }
    }

    /// The provider's name.
    pub(crate) fn provider(&self) -> &str {
        match self {
            Self::Directory(_) => "directory",
            Self::Managed(managed) => &managed.provider,
            Self::Unread { provider, .. } => provider,
        }
    }
}

/// A directory with an id.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfiguredDirectory {
    /// Its id.
    pub(crate) id: String,
    #[serde(rename = "provider")]
    _provider: serde::de::IgnoredAny,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Patterns of what backups leave out.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// Presets of what backups leave out.
    #[serde(default)]
    pub(crate) presets: Vec<String>,
    /// Whether backups stay on the file system of `path`; they do unless told otherwise.
    pub(crate) one_file_system: Option<bool>,
}
