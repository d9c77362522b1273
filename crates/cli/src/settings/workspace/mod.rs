//! The workspaces of the configuration file.

mod arn;
mod azure;
mod check;
mod kind;
mod managed;
mod value;

use std::path::PathBuf;

use serde::Deserialize;

use value::{Account, Region};

pub(crate) use kind::Kind;
pub(crate) use managed::{ConfiguredComponent, HookLines, ManagedConfig};

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

/// Another account of AWS, which copies may go to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsAccount {
    /// Its number.
    pub(crate) account: Account,
    /// The profile of AWS's own files that has its credentials, or the role to assume.
    pub(crate) profile: String,
    /// Its vaults, for `rebuild` and `reconcile`.
    #[serde(default)]
    pub(crate) vaults: Vec<AccountVault>,
}

/// A vault of another account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountVault {
    /// Its region.
    pub(crate) region: Region,
    /// Its name.
    pub(crate) vault: String,
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
