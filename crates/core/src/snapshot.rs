//! The snapshot: one immutable point of one component.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{BackupId, ComponentId, OperationId, ProviderId, SnapshotId, WorkspaceId};
use crate::provider::Issue;

/// One of the stores that a provider can be pointed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoreRef {
    /// What the store says it is, wherever it lies by now.
    pub id: String,
    /// Where it was reached, for people. Never holds a secret.
    pub url: String,
}

impl StoreRef {
    /// The store `id`, reached at `url`.
    pub fn new(id: impl Into<String>, url: impl Into<String>) -> Self {
        Self { id: id.into(), url: url.into() }
    }
}

/// A snapshot as its provider names it. Two that name the same snapshot are equal, whatever they know of its store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotRef {
    /// The provider.
    pub provider: ProviderId,
    /// The provider's id of the snapshot.
    pub id: SnapshotId,
    /// The store that holds it, where the provider can be pointed at several: that a snapshot is absent from another
    /// one says nothing. `None` where there is only one, and on snapshots from before this was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreRef>,
}

impl SnapshotRef {
    /// Snapshot `id` of `provider`.
    pub fn new(provider: ProviderId, id: SnapshotId) -> Self {
        Self { provider, id, store: None }
    }

    /// The same, held by `store`.
    #[must_use]
    pub fn in_store(mut self, store: StoreRef) -> Self {
        self.store = Some(store);
        self
    }
}

impl PartialEq for SnapshotRef {
    fn eq(&self, other: &Self) -> bool {
        (&self.provider, &self.id) == (&other.provider, &other.id)
    }
}

impl Eq for SnapshotRef {}

impl PartialOrd for SnapshotRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SnapshotRef {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.provider, &self.id).cmp(&(&other.provider, &other.id))
    }
}

impl Hash for SnapshotRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.provider, &self.id).hash(state);
    }
}

/// What is known of a snapshot from itself, without any catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// The snapshot.
    pub snapshot: SnapshotRef,
    /// The workspace written on it.
    pub workspace: Option<WorkspaceId>,
    /// The component written on it.
    pub component: Option<ComponentId>,
    /// The backup written on it.
    pub backup: Option<BackupId>,
    /// The operation written on it.
    pub operation: Option<OperationId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether a restore can use it now.
    pub usable: bool,
    /// The account and region the provider itself says it stands in; `None` outside a cloud.
    pub account_region: Option<(String, String)>,
}

impl SnapshotInfo {
    /// A usable snapshot with nothing written on it.
    pub fn new(snapshot: SnapshotRef, created_at: Timestamp) -> Self {
        Self {
            snapshot,
            workspace: None,
            component: None,
            backup: None,
            operation: None,
            created_at,
            usable: true,
            account_region: None,
        }
    }
}

/// What keeps a snapshot from being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Locked {
    /// When that ends, where it is known.
    pub until: Option<Timestamp>,
    /// Whose lock it is and what to do.
    pub reason: String,
}

impl Locked {
    /// Locked until then, for this reason.
    pub fn new(until: Option<Timestamp>, reason: impl Into<String>) -> Self {
        Self { until, reason: reason.into() }
    }
}

/// How deep a verification went, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Depth {
    /// Everything the snapshot needs is listed.
    Listed,
    /// Everything is listed with the right size.
    Sized,
    /// Every byte was read, decrypted and compared with its digest.
    Decrypted,
    /// A trial restore was compared with the snapshot.
    Restored,
}

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Verification {
    /// How deep it went; never more than was asked for, and never less without a problem that says so.
    pub depth: Depth,
    /// What is wrong; empty for a good snapshot.
    pub problems: Vec<Issue>,
}

impl Verification {
    /// A verification that went to `depth` and found `problems`.
    pub fn new(depth: Depth, problems: Vec<Issue>) -> Self {
        Self { depth, problems }
    }

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One entry of a snapshot that can list them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// The path inside the component, without a leading slash; bytes that are not UTF-8 appear escaped.
    pub path: String,
    /// `file`, `dir`, `symlink`, `fifo`, `socket`, `dev`, `chardev`.
    pub kind: String,
    /// Bytes of content.
    pub size_bytes: u64,
    /// Permission bits with the file type, as in `st_mode`.
    pub mode: u32,
    /// Last change of the content, where known.
    pub modified_at: Option<Timestamp>,
    /// The target of a symbolic link.
    pub link_target: Option<String>,
}

impl Entry {
    /// An entry that knows path, kind and size.
    pub fn new(path: impl Into<String>, kind: impl Into<String>, size_bytes: u64) -> Self {
        Self {
            path: path.into(),
            kind: kind.into(),
            size_bytes,
            mode: 0,
            modified_at: None,
            link_target: None,
        }
    }
}

/// A page of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryPage {
    /// The entries, in path order.
    pub entries: Vec<Entry>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
}

impl EntryPage {
    /// A page.
    pub fn new(entries: Vec<Entry>, next: Option<String>) -> Self {
        Self { entries, next }
    }
}

/// One immutable point of one component.
///
/// ```
/// use stillpoint_core::*;
/// use stillpoint_core::memory::MemoryProvider;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let cx = OpContext::background();
/// # let provider = MemoryProvider::new("memory".parse()?);
/// # provider.write("/home/ada", "notes.txt", b"first");
/// # let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// # let operation: OperationId = "op-1".parse()?;
/// # let key = JobKey::new(operation.clone(), home.id.clone(), 1);
/// # let job = BackupJob::new(key, "ada".parse()?, BackupId::of(&operation), home, cx.clock().now());
/// # provider.start(&cx, &JobRequest::Backup(job)).await?;
/// let found = provider.snapshots(&cx, &SnapshotQuery::of_operation(operation)).await?;
/// let snapshot = provider.open(&cx, &found[0].snapshot).await?;
/// assert!(snapshot.verify(&cx, Depth::Sized).await?.is_good());
/// assert_eq!(snapshot.entries(&cx, "", None).await?.entries[0].path, "notes.txt");
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Snapshot: Debug + Send + Sync + 'static {
    /// Describes it, read from the provider now.
    ///
    /// # Errors
    /// `NotFound` where it is gone.
    async fn describe(&self, cx: &OpContext) -> Result<SnapshotInfo>;

    /// Verifies it to `depth`, or as deep as the provider can.
    ///
    /// # Errors
    /// Only where it cannot look at all; damage is reported as problems.
    async fn verify(&self, cx: &OpContext, depth: Depth) -> Result<Verification>;

    /// What keeps it from being deleted now, as far as can be read without trying: a lock, a legal hold, an immutability
    /// policy. Asked of all snapshots of a backup before the first is deleted.
    ///
    /// # Errors
    /// Whatever looking can meet; the deletion itself finds out then.
    async fn locked(&self, cx: &OpContext) -> Result<Option<Locked>> {
        let _unused = cx;
        Ok(None)
    }

    /// The entries below `path` (empty for all), a bounded page at a time, starting after `after`.
    ///
    /// Requires [`Capabilities::lists_entries`](crate::Capabilities::lists_entries).
    ///
    /// # Errors
    /// `Unsupported` without the capability; `NotFound` where nothing stands at `path`.
    async fn entries(&self, cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage>;
}
