#![doc = include_str!("../README.md")]

pub mod agent;
mod error;
mod extent;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod import;
mod jobs;
mod mirror;
mod path_text;
mod provider;
mod provisioner;
mod repository;
mod target;
mod workspace;

pub use error::{REPOSITORY, from_repository};
pub use import::{Import, ImportState, ImportedTimestamp};
pub use mirror::{MirrorSource, Space};
pub use path_text::to_text as path_to_text;
pub use provider::{RestorePreview, S3SyncProvider};
pub use provisioner::DirectoryProvisioner;
pub use repository::RepositorySource;
pub use target::UNCHANGED_SINCE;
pub use workspace::{
    CaptureRules, DirectoryWorkspace, QuiesceHook, expects_mount, is_mount_point, pattern_of,
};

pub use stillpoint_localfs::{Fate, FileKind, Foreseen, Preview};
pub use stillpoint_repository::{Credentials, Origin, Repository, Store, StoreSettings};
