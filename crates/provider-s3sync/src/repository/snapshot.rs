//! One snapshot of the repository, as the contract sees it.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    DeleteState, Depth, EntryPage, OpContext, Result, Snapshot, SnapshotInfo, SnapshotRef, Verification,
};
use stillpoint_repository::{BlobKind, ErrorKind, Id, Repository, StoredSnapshot};

use super::convert::{snapshot_id, to_stored};
use super::{RepositorySource, entries, made, tags, verify};
use crate::error::from_repository;

/// A snapshot that was there when it was opened.
#[derive(Debug)]
pub(crate) struct RepositorySnapshot {
    source: Arc<RepositorySource>,
    reference: SnapshotRef,
    id: Id,
}

impl RepositorySnapshot {
    /// Opens the snapshot.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(crate) async fn open(source: Arc<RepositorySource>, reference: SnapshotRef) -> Result<Self> {
        let id = snapshot_id(&reference.id)?;
        if source.made().contains(&id) {
            return Ok(Self { source, reference, id });
        }
        let repository = source.open().await?;
        let StoredSnapshot { id, snapshot, .. } =
            repository.follow_snapshot(&id).await.map_err(from_repository)?;
        // Another process may have written it since our index was loaded.
        if repository.loaded_index().is_some_and(|index| !index.contains(BlobKind::Tree, &snapshot.tree)) {
            source.open_fresh().await?;
        }
        Ok(Self { source, reference, id })
    }

    async fn verified(&self, repository: &Repository, depth: Depth) -> Result<Verification> {
        verify::run(repository, &self.id, depth).await
    }
}

#[async_trait]
impl Snapshot for RepositorySnapshot {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        let repository = self.source.open().await?;
        let snapshot = repository.load_known_snapshot(&self.id).await.map_err(from_repository)?;
        Ok(tags::info(self.reference.clone(), &snapshot))
    }

    async fn verify(&self, cx: &OpContext, depth: Depth) -> Result<Verification> {
        if let Some(made) = self.source.made().take(&self.id) {
            // The index must know what the backup has stored.
            let repository = self.source.open_fresh().await?;
            if depth <= Depth::Sized
                && let Some(seen) = made::verify(&repository, &self.id, made).await?
            {
                return Ok(Verification::new(depth, seen.problems));
            }
        }
        let (at, repository) = (to_stored(cx.clock().now()), self.source.open().await?);
        let mut seen = self.verified(&repository, depth).await?;
        if !seen.is_good() {
            // An index that has grown old in this process must not be mistaken for damage.
            seen = self.verified(&self.source.open_fresh().await?, depth).await?;
        }
        if seen.is_good() && depth >= Depth::Sized {
            repository.remember_check(&self.id, at).await.map_err(from_repository)?;
        }
        Ok(seen)
    }

    async fn entries(&self, _cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        entries::page(&self.source.open().await?, &self.id, path, after).await
    }
}

/// Deletes a snapshot, or what another program made of it, and reads back what became of it.
pub(crate) async fn delete(repository: &Repository, reference: &SnapshotRef) -> Result<DeleteState> {
    let Ok(id) = snapshot_id(&reference.id) else { return Ok(DeleteState::Gone) };
    match repository.follow_snapshot(&id).await {
        // It goes first: once the removal of the original is noted, nothing leads to it.
        Ok(stored) if stored.id != id => {
            repository.delete_snapshot(&stored.id).await.map_err(from_repository)?;
        }
        Err(error) if error.is_transient() => return Err(from_repository(error)),
        Ok(_) | Err(_) => {}
    }
    repository.delete_snapshot(&id).await.map_err(from_repository)?;
    match repository.load_snapshot(&id).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(DeleteState::Gone),
        Err(error) if error.is_transient() => Err(from_repository(error)),
        Ok(_) | Err(_) => {
            let reason =
                "the store still holds the snapshot; look for a retention or a version rule on it".to_owned();
            Ok(DeleteState::Stuck { reason })
        }
    }
}
