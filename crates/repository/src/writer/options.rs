//! Sizes and bounds of a writer.

use std::collections::HashSet;
use std::sync::Arc;

use crate::blob::BlobKind;
use crate::id::Id;
use crate::lock::{Lock, LockWatch};
use crate::prune::Rounds;

const MIB: usize = 1 << 20;

/// How large packs get and how many are on their way at once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriterOptions {
    /// Target size of packs of file content in bytes: 32 MiB, kept between 4 and 128 MiB.
    pub data_pack_size: usize,
    /// Target size of packs of directory listings in bytes: 4 MiB, kept between 1 and 32 MiB.
    pub tree_pack_size: usize,
    /// Full packs of file content uploaded at once: 2, at least 1. More smaller packs may be on their way, as long as
    /// they hold no more bytes together.
    pub packs_in_flight: usize,
    /// Packs that a prune is deleting: what lies in them is stored again.
    pub(crate) avoided: Arc<HashSet<Id>>,
    /// No index is written once this lock is lost: others may have deleted its packs since.
    pub(crate) lock: Option<LockWatch>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            data_pack_size: 32 * MIB,
            tree_pack_size: 4 * MIB,
            packs_in_flight: 2,
            avoided: Arc::default(),
            lock: None,
        }
    }
}

impl WriterOptions {
    /// Other target sizes, brought into the allowed range.
    #[must_use]
    pub fn with_pack_sizes(mut self, data: usize, tree: usize) -> Self {
        self.data_pack_size = data.clamp(4 * MIB, 128 * MIB);
        self.tree_pack_size = tree.clamp(MIB, 32 * MIB);
        self
    }

    /// Another number of packs on their way.
    #[must_use]
    pub fn with_packs_in_flight(mut self, packs: usize) -> Self {
        self.packs_in_flight = packs.clamp(1, 64);
        self
    }

    /// For writers beside prunes: what lies in packs that a prune deletes, as `rounds` says, is stored anew, and no index
    /// is written once the lock is lost.
    #[must_use]
    pub fn guarded(self, lock: &Lock, rounds: &Rounds) -> Self {
        self.avoiding(lock, Arc::clone(&rounds.swept))
    }

    pub(crate) fn avoiding(mut self, lock: &Lock, packs: Arc<HashSet<Id>>) -> Self {
        (self.avoided, self.lock) = (packs, Some(lock.watch()));
        self
    }

    pub(super) fn target(&self, kind: BlobKind) -> usize {
        match kind {
            BlobKind::Data => self.data_pack_size,
            BlobKind::Tree => self.tree_pack_size,
        }
    }

    /// Memory for packs on their way, in MiB.
    pub(super) fn mib_in_flight(&self) -> u32 {
        u32::try_from(self.packs_in_flight.saturating_mul(self.data_pack_size) / MIB)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// What a pack takes of [`Self::mib_in_flight`]: never more than all of it.
    pub(super) fn share(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.mib_in_flight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_packs_share_the_room_of_one_full_pack() {
        let options = WriterOptions::default().with_pack_sizes(64 * MIB, MIB).with_packs_in_flight(1);
        assert_eq!(options.mib_in_flight(), 64);
        assert_eq!([0, 1, MIB, MIB + 1, 200 * MIB].map(|bytes| options.share(bytes)), [1, 1, 1, 2, 64]);
    }
}
