//! Taking up what a run that was killed had stored already.

use futures::{StreamExt, stream};

use super::{BlobWriter, lock, upload};
use crate::check::data::{open_pack, pack_memory};
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::MAX_BLOBS_PER_FILE;
use crate::pack::{PackEntry, entries_of};
use crate::repository::Repository;

/// Packs taken up by one run at most; the rest is left to the next.
const MAX_PACKS: usize = 20_000;
/// Packs read at once, as far as memory allows.
const AT_ONCE: usize = 8;

impl BlobWriter {
    /// Indexes those of the `packs`, which are all that are stored, that no index lists, as a killed run leaves them, and
    /// returns how many: a read of each such pack, and one listing if there is one.
    ///
    /// A pack whose bytes are what its name says is what its maker verified, and its header is sealed under the
    /// repository's key, so what the header lists is as good as what this run stores itself. The header alone would not do:
    /// it is whole also where a blob was damaged since, and whoever relies on it stores that blob never again. A pack that a
    /// living run has just stored is listed twice then, which the format permits. Damaged packs are passed over and left
    /// alone. A run killed during this changes nothing; the next one begins anew.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn adopt_unindexed(&self, mut packs: Vec<(Id, u64)>) -> Result<usize> {
        let repository = &self.shared.repository;
        let known = self.shared.index.packs();
        packs.retain(|(id, _)| !known.contains(id));
        if !packs.is_empty() {
            // What a prune may delete before our index is stored must not come into it.
            let doomed = repository.doomed_packs().await?;
            packs.retain(|(id, _)| !doomed.contains(id));
        }
        packs.sort_unstable();
        packs.truncate(MAX_PACKS);
        let memory = &pack_memory();
        let reads = packs.into_iter().map(|(id, size)| async move {
            let look = move |repository: &Repository, pack: &[u8]| {
                entries_of(repository.key(), pack)
                    .map_err(|fault| Error::corrupt(FileKind::Pack.key(&id), fault))
            };
            (id, open_pack(repository, id, size, memory, look).await)
        });
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        let mut adopted = 0;
        while let Some((id, entries)) = reads.next().await {
            let entries = match entries {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::NotFound) => {
                    tracing::warn!(pack = %id, %error, "a pack that no index lists cannot be used");
                    continue;
                }
                entries => entries?,
            };
            self.adopt(id, entries);
            adopted += 1;
            if self.shared.unindexed_blobs() >= MAX_BLOBS_PER_FILE {
                self.index_stored().await?;
            }
        }
        if adopted > 0 {
            tracing::info!(packs = adopted, "going on from what an interrupted run had stored");
        }
        Ok(adopted)
    }

    fn adopt(&self, id: Id, entries: Vec<PackEntry>) {
        self.shared.index.insert_pack(id, &entries);
        lock(&self.shared.unindexed).push(upload::stored_pack(id, entries));
    }
}
