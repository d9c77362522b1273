//! The sweep: from its announcement to its end. A run that finds one begun by another goes on with it.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::copy::copy;
use super::mark::{Reached, new_roots, reach};
use super::options::PruneOptions;
use super::reindex::remove_packs;
use super::report::{PruneReport, PruneState};
use super::rounds::{KIND, condemned, done, sweep};
use crate::blob::{BlobKind, BlobLocation};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::Index;
use crate::lock::Lock;
use crate::repository::Repository;

/// Packs deleted between two looks at the lock, and how many at once.
const BATCH: usize = 1000;
const AT_ONCE: usize = 16;

/// What one sweep works with.
pub(super) struct Sweep<'a> {
    pub(super) repository: &'a Repository,
    pub(super) lock: &'a Lock,
    pub(super) options: &'a PruneOptions,
    pub(super) round: u64,
    /// The packs that were announced.
    pub(super) doomed: Arc<HashSet<Id>>,
}

impl Sweep<'_> {
    /// Brings an announced sweep to its end. `known` and `reached` are what the same run has marked before; snapshots
    /// stored since are added.
    pub(super) async fn run(
        &self,
        known: &mut HashSet<Id>,
        reached: &mut Reached,
        report: &mut PruneReport,
    ) -> Result<()> {
        tokio::time::sleep(self.options.listing_delay.saturating_mul(2)).await;
        // First the snapshots, then the index: whatever a listed snapshot needs was indexed before it.
        let roots = new_roots(self.repository, known).await?;
        let fresh = self.repository.with_fresh_index();
        let index = fresh.index().await?;
        let stored = self.stored().await?;
        let vanished = self.read_headers(&fresh, &index, &stored).await?;
        reach(&fresh, &roots, reached).await?;
        report.snapshots = u64::try_from(known.len()).unwrap_or(u64::MAX);

        let needed = needed(&index, &self.doomed, &vanished, reached)?;
        // What only a pack that is gone has besides is not stored either.
        let gone = Arc::new(self.doomed.union(&vanished).copied().collect());
        let copied = copy(&fresh, self.lock, &gone, needed).await?;
        report.copied_blobs += copied.data_blobs + copied.tree_blobs;
        report.copied_bytes += copied.pack_bytes;
        self.ensure_alone().await?;
        remove_packs(self.repository, self.lock, &gone).await?;
        self.delete(&stored, report).await?;
        self.end().await?;
        report.state = PruneState::Freed;
        Ok(())
    }

    /// Fails unless the lock is held and its object still there: a process that stood still while its clock did, too, is
    /// told by nothing else that others took its lock for stale, and may be deleting by now.
    async fn ensure_alone(&self) -> Result<()> {
        self.lock.watch().ensure_stands(self.repository, &[]).await
    }

    /// All packs that are there, with their sizes.
    async fn stored(&self) -> Result<Vec<(Id, u64)>> {
        let mut packs = self.repository.list_packs().await?;
        packs.sort_unstable();
        Ok(packs)
    }

    /// Adds packs of this sweep that a run before took out of the index already, and returns the packs that the index
    /// names although they are gone.
    async fn read_headers(
        &self,
        fresh: &Repository,
        index: &Index,
        stored: &[(Id, u64)],
    ) -> Result<HashSet<Id>> {
        let mut indexed: HashSet<Id> = index.pack_lengths().into_iter().map(|(id, _)| id).collect();
        for (id, size) in stored {
            if !indexed.remove(id) && self.doomed.contains(id) {
                match fresh.read_pack_header(id, *size).await {
                    Ok(entries) => index.insert_pack(*id, &entries),
                    // An unfinished upload of a dead process; nobody can need it.
                    Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                        tracing::info!(pack = %id, %error, "a pack that no index names is not readable");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.vanished(indexed).await
    }

    /// Of packs that the listing does not show, those that are not there: it may not show yet what another run has just
    /// copied, and what is taken out of the index is lost to all.
    async fn vanished(&self, unlisted: HashSet<Id>) -> Result<HashSet<Id>> {
        let looks = unlisted.into_iter().map(|id| async move {
            match self.repository.store().stat(&FileKind::Pack.key(&id)).await {
                Ok(_) => Ok(None),
                Err(error) if *error.kind() == ErrorKind::NotFound => Ok(Some(id)),
                Err(error) => Err(error),
            }
        });
        let gone = stream::iter(looks).buffer_unordered(AT_ONCE);
        gone.try_filter_map(|found| async move { Ok(found) }).try_collect().await
    }

    async fn delete(&self, stored: &[(Id, u64)], report: &mut PruneReport) -> Result<()> {
        let doomed: Vec<(Id, u64)> =
            stored.iter().filter(|(id, _)| self.doomed.contains(id)).copied().collect();
        for batch in doomed.chunks(BATCH) {
            self.ensure_alone().await?;
            let deletions = batch.iter().copied().map(|(id, size)| async move {
                (id, size, self.repository.store().delete(&FileKind::Pack.key(&id)).await)
            });
            let mut outcomes = stream::iter(deletions).buffer_unordered(AT_ONCE);
            while let Some((id, size, outcome)) = outcomes.next().await {
                match outcome {
                    Ok(()) => {
                        report.deleted_packs += 1;
                        report.deleted_bytes += size;
                    }
                    // It is in no index any more, and the next round meets it as a pack that no index names.
                    Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                        tracing::warn!(pack = %id, %error, "the store keeps an unused pack");
                        report.retained.push(id);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        report.retained.sort_unstable();
        Ok(())
    }

    /// Counts the round as done, then withdraws its marks: whoever looks meanwhile sees one or the other.
    async fn end(&self) -> Result<()> {
        self.lock.ensure_held()?;
        self.repository.replace_record(KIND, &done(self.round), b"done").await?;
        tokio::time::sleep(self.options.listing_delay).await;
        withdraw(self.repository, self.round).await
    }
}

/// Removes the marks of a round that is done, and the marks that say so of earlier rounds.
pub(super) async fn withdraw(repository: &Repository, round: u64) -> Result<()> {
    repository.delete_record(KIND, &sweep(round)).await?;
    repository.delete_record(KIND, &condemned(round)).await?;
    let names = repository.list_records(KIND).await?;
    let last = done(round);
    let earlier = names.into_iter().filter(move |name| name.starts_with("done-") && *name < last);
    stream::iter(earlier.map(|name| async move { repository.delete_record(KIND, &name).await }))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// The used blobs of which every copy lies in a pack that goes, each with one of those copies.
fn needed(
    index: &Index,
    doomed: &HashSet<Id>,
    vanished: &HashSet<Id>,
    reached: &Reached,
) -> Result<Vec<(BlobKind, Id, BlobLocation)>> {
    let (mut safe, mut at_risk) = (HashSet::new(), Vec::new());
    for (pack, entries) in index.by_pack() {
        for entry in entries.iter().filter(|entry| reached.contains(entry.kind, &entry.id)) {
            if doomed.contains(&pack) && !vanished.contains(&pack) {
                at_risk.push((entry.kind, entry.id, entry.at(pack)));
            } else if !vanished.contains(&pack) {
                safe.insert((entry.kind, entry.id));
            }
        }
    }
    let mut needed = Vec::new();
    for (kind, id, location) in at_risk {
        if safe.insert((kind, id)) {
            needed.push((kind, id, location));
        }
    }
    if let Some((kind, id)) = reached.iter().find(|(kind, id)| !safe.contains(&(*kind, **id))) {
        let message = "a snapshot needs it and its pack is gone; nothing is deleted, run `stillpoint check`";
        return Err(Error::corrupt(format!("{} blob {id}", kind.name()), message));
    }
    Ok(needed)
}
