//! Listing, finding, saving and deleting snapshots.

use std::collections::HashSet;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::Repository;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::snapshot::Snapshot;
use crate::time::Timestamp;

/// Snapshots read at once.
const AT_ONCE: usize = 16;
/// The kind of the records that say which snapshots were removed on purpose.
const REMOVED: &str = "removed";
/// Identifiers an `Ambiguous` error names at most.
const MAX_CANDIDATES: usize = 20;

/// How the names begin under which this machine remembers when a snapshot was checked.
const CHECKED: &str = "checked/";

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
        let ids = match self.objects() {
            Some(_) => self.list_snapshots_once().await?.snapshots,
            None => self.list_files(FileKind::Snapshot).await?.into_iter().map(|(id, _)| id).collect(),
        };
        let listed = self.objects().map(|_| ids.iter().map(|id| FileKind::Snapshot.key(id)).collect());
        let mut loads =
            stream::iter(ids.into_iter().map(|id| async move { (id, self.load_known_snapshot(&id).await) }))
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
        if let Some(listed) = listed {
            self.forget_other_snapshots(listed).await?;
        }
        Ok(list)
    }

    /// As [`Self::load_snapshot`], but from this machine's memory where it is there; whether the store still has it is
    /// then not known.
    ///
    /// # Errors
    /// As [`Self::load_snapshot`].
    pub async fn load_known_snapshot(&self, id: &Id) -> Result<Snapshot> {
        let (key, id) = (FileKind::Snapshot.key(id), *id);
        let Some(objects) = self.objects() else { return self.load_snapshot(&id).await };
        let open = |stored: &Bytes| {
            let json = self.open_named(FileKind::Snapshot, id, stored)?;
            Snapshot::from_json(&key, &json)
        };
        if let Some(Ok(known)) = objects.get(&key).map(|stored| open(&stored)) {
            return Ok(known);
        }
        let stored = self.store().get(&key, FileKind::Snapshot.max_length()).await?;
        let snapshot = open(&stored)?;
        objects.put(&key, &stored);
        Ok(snapshot)
    }

    /// When this machine last made sure that everything a snapshot needs is stored, as far as it remembers.
    pub fn remembered_check(&self, id: &Id) -> Option<Timestamp> {
        let stored = self.objects()?.get(&checked_key(id))?;
        let (seconds, nanoseconds) = stored.split_first_chunk()?;
        let nanoseconds = u32::from_le_bytes(nanoseconds.try_into().ok()?);
        Some(Timestamp::new(i64::from_le_bytes(*seconds), nanoseconds))
    }

    /// Remembers on this machine that everything a snapshot needs was seen to be stored at `time`. Does nothing without
    /// a [cache](crate::Store::with_cache).
    ///
    /// # Errors
    /// None that matter; a cache that cannot be written is only told to the log.
    pub async fn remember_check(&self, id: &Id, time: Timestamp) -> Result<()> {
        let Some(objects) = self.objects() else { return Ok(()) };
        let value = [&time.seconds.to_le_bytes()[..], &time.nanoseconds.to_le_bytes()].concat();
        objects.put(&checked_key(id), &value.into());
        self.save_objects().await
    }

    /// Forgets what this machine remembers of snapshots that are not among `listed`.
    async fn forget_other_snapshots(&self, listed: HashSet<String>) -> Result<()> {
        self.blocking(move |this| {
            if let Some(objects) = this.objects() {
                let folder = FileKind::Snapshot.folder();
                objects.retain(|key| {
                    let snapshot = key.strip_prefix(CHECKED).unwrap_or(key);
                    !snapshot.starts_with(folder) || listed.contains(snapshot)
                });
                objects.save();
            }
            Ok(())
        })
        .await
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
        drop(self.take_opening());
        let (id, stored) = self.save_file_stored(FileKind::Snapshot, snapshot.to_json()?).await?;
        if let Some(objects) = self.objects() {
            objects.put(&FileKind::Snapshot.key(&id), &stored);
            self.save_objects().await?;
        }
        Ok(id)
    }

    /// Removes the snapshot object. Blobs only it uses stay until a prune. Removing an absent one succeeds.
    ///
    /// A record that it was removed on purpose is stored first. By it a [check](Self::check) tells a removed snapshot
    /// from one that the store hides, and notices one that comes back. In a store that is full, which deletions are to empty,
    /// the record is stored afterwards; if there is no room even then, a check may tell the snapshot as hidden.
    ///
    /// # Errors
    /// If the store fails or denies it; the same call may be made again.
    pub async fn delete_snapshot(&self, id: &Id) -> Result<()> {
        let name = id.to_hex();
        let noted = self.create_record(REMOVED, &name, b"").await;
        let is_full = noted.as_ref().is_err_and(|error| *error.kind() == ErrorKind::NoSpace);
        if !is_full {
            noted?;
        }
        drop(self.take_opening());
        self.store().delete(&FileKind::Snapshot.key(id)).await?;
        if is_full && let Err(error) = self.create_record(REMOVED, &name, b"").await {
            tracing::warn!(snapshot = %id, %error, "no record says that the snapshot was removed on purpose");
        }
        Ok(())
    }

    /// The snapshots that were removed with [`Self::delete_snapshot`].
    pub(crate) async fn removed_snapshots(&self) -> Result<HashSet<Id>> {
        let names = self.list_records(REMOVED).await?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

fn checked_key(id: &Id) -> String {
    format!("{CHECKED}{}", FileKind::Snapshot.key(id))
}
