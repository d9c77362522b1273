//! Listing, finding, saving and deleting snapshots.

use std::collections::HashSet;

use futures::{StreamExt, stream};

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::snapshot::Snapshot;

/// Snapshots read at once.
const AT_ONCE: usize = 16;
/// The kind of the records that say which snapshots were removed on purpose.
const REMOVED: &str = "removed";
/// Identifiers an `Ambiguous` error names at most.
const MAX_CANDIDATES: usize = 20;

/// A snapshot and its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSnapshot {
    /// The identifier, by which restic knows it too.
    pub id: Id,
    /// Its contents.
    pub snapshot: Snapshot,
}

/// A snapshot that is there but cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct DamagedSnapshot {
    /// Its identifier.
    pub id: Id,
    /// What is wrong with it.
    pub error: Error,
}

/// All snapshots of a repository.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SnapshotList {
    /// Those that can be read, oldest first.
    pub readable: Vec<StoredSnapshot>,
    /// Those that cannot.
    pub damaged: Vec<DamagedSnapshot>,
}

impl Repository {
    /// All snapshots. One that vanishes meanwhile is left out; a damaged one does not hide the others.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn snapshots(&self) -> Result<SnapshotList> {
        let ids = self.list_files(FileKind::Snapshot).await?;
        let mut loads =
            stream::iter(ids.into_iter().map(|(id, _)| async move { (id, self.load_snapshot(&id).await) }))
                .buffer_unordered(AT_ONCE);
        let mut list = SnapshotList::default();
        while let Some((id, loaded)) = loads.next().await {
            match loaded {
                Ok(snapshot) => list.readable.push(StoredSnapshot { id, snapshot }),
                Err(error) => match error.kind() {
                    ErrorKind::NotFound => {}
                    ErrorKind::Corrupt { .. } | ErrorKind::Unsupported => {
                        list.damaged.push(DamagedSnapshot { id, error });
                    }
                    _ => return Err(error),
                },
            }
        }
        list.readable.sort_by_key(|stored| (stored.snapshot.time, stored.id));
        list.damaged.sort_by_key(|damaged| damaged.id);
        Ok(list)
    }

    /// The snapshot whose identifier begins with `prefix`.
    ///
    /// # Errors
    /// `NotFound` if none does, `Ambiguous` with the candidates if several do, `InvalidInput` if it is empty or not
    /// hexadecimal.
    pub async fn find_snapshot(&self, prefix: &str) -> Result<StoredSnapshot> {
        let prefix = prefix.to_ascii_lowercase();
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::invalid(format!("`{prefix}` is not a snapshot identifier")));
        }
        let mut ids: Vec<Id> =
            self.list_files(FileKind::Snapshot).await?.into_iter().map(|(id, _)| id).collect();
        ids.retain(|id| id.to_hex().starts_with(&prefix));
        ids.sort_unstable();
        match ids.as_slice() {
            [] => Err(Error::new(ErrorKind::NotFound, format!("no snapshot begins with `{prefix}`"))),
            [id] => Ok(StoredSnapshot { id: *id, snapshot: self.load_snapshot(id).await? }),
            several => {
                let candidates: Vec<String> = several.iter().take(MAX_CANDIDATES).map(Id::to_hex).collect();
                let shown = several.iter().take(5).map(Id::short).collect::<Vec<_>>().join(", ");
                let message =
                    format!("`{prefix}` fits {} snapshots ({shown}); give more digits", several.len());
                Err(Error::new(ErrorKind::Ambiguous { candidates }, message))
            }
        }
    }

    /// The snapshot of this identifier.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Corrupt` if it is damaged.
    pub async fn load_snapshot(&self, id: &Id) -> Result<Snapshot> {
        let json = self.load_file(FileKind::Snapshot, *id).await?;
        Snapshot::from_json(&FileKind::Snapshot.key(id), &json)
    }

    /// Stores a snapshot and returns its identifier; it is durable then.
    ///
    /// Call it after [`BlobWriter::finish`](crate::BlobWriter::finish), while the lock is still
    /// [held](crate::Lock::ensure_held): everything it refers to must be stored before.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<Id> {
        self.save_file(FileKind::Snapshot, snapshot.to_json()?).await
    }

    /// Removes the snapshot object. Blobs only it uses stay until a prune. Removing an absent one succeeds.
    ///
    /// A record that it was removed on purpose is stored first. By it a [check](Self::check) tells a removed snapshot
    /// from one that the store hides, and notices one that comes back.
    ///
    /// # Errors
    /// If the store fails or denies it; the same call may be made again.
    pub async fn delete_snapshot(&self, id: &Id) -> Result<()> {
        self.create_record(REMOVED, &id.to_hex(), b"").await?;
        self.store().delete(&FileKind::Snapshot.key(id)).await
    }

    /// The snapshots that were removed with [`Self::delete_snapshot`].
    pub(crate) async fn removed_snapshots(&self) -> Result<HashSet<Id>> {
        let names = self.list_records(REMOVED).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}
