#![doc = include_str!("../README.md")]
//!
//! # Layers
//! - [`store`]: where objects lie (a directory, S3, Azure, Google Cloud, memory).
//! - [`Repository`]: keys, index, packs, snapshots, locks and our own records on top of a store.
//! - [`BlobWriter`]: turns blobs into verified packs in the order pack, index, snapshot.
//! - [`tree`]: the directory listings inside tree blobs.
//! - [`check`]: proves a repository whole, to a stated depth.

mod archive;
mod blob;
mod browse;
mod cache;
mod cancellation;
pub mod check;
mod clock;
mod compression;
mod config;
mod credentials;
mod crypto;
mod decoder;
mod error;
mod file;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod id;
mod index;
mod issue;
mod key;
mod lock;
mod origin;
mod pack;
mod polynomial;
mod progress;
mod prune;
mod random;
mod repair;
mod repository;
mod restore;
mod sealed;
mod snapshot;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod stages;
pub mod store;
mod time;
pub mod tree;
mod writer;

pub use archive::{Assembly, BackupOptions, BackupSource, BackupSummary, ContentWriter, Parent};
pub use blob::{BlobKind, BlobLocation};
pub use browse::{Change, Difference, SnapshotEntry};
pub use cache::CacheFolder;
pub use cancellation::Cancellation;
pub use credentials::Credentials;
pub use error::{Error, ErrorKind, Result};
pub use id::Id;
pub use index::Index;
pub use issue::{Issue, IssueKind};
pub use lock::{FoundLock, Lock, LockMode};
pub use origin::Origin;
pub use progress::{NoProgress, Progress};
pub use prune::{PruneOptions, PruneReport, PruneState, Rounds};
pub use repair::{RepairOptions, RepairReport};
pub use repository::{
    DamagedSnapshot, PackRead, Repository, SnapshotList, StoredKey, StoredSnapshot, plan_reads,
};
pub use restore::{RestoreOptions, RestoreSummary};
pub use snapshot::{Snapshot, SnapshotSummary};
pub use store::{PlainObject, Store, StoreSettings, TransferCounters, TransferLimits, Upload};
pub use time::Timestamp;
pub use writer::{AddOutcome, BlobWriter, PreparedBlob, WriteSummary, WriterOptions};
