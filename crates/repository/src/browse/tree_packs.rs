//! Packs of directory listings, read as wholes.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use crate::blob::{BlobKind, BlobLocation};
use crate::decoder::Decoder;
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::repository::{Repository, is_pack_gone};
use crate::tree::Tree;

/// Longest single read, in bytes; packs of listings are shorter unless another program made them.
const READ_BYTES_MAX: u64 = 32 << 20;
/// Sealed bytes kept altogether. Listings of neighbouring directories lie in the same pack or the next.
const KEPT_BYTES: u64 = 48 << 20;

/// The listings of a repository, fetched pack by pack.
#[derive(Default)]
pub(super) struct TreePacks {
    /// The part of each pack that holds listings.
    extents: Option<HashMap<Id, Range<u64>>>,
    kept: VecDeque<Part>,
    bytes: u64,
    decoder: Decoder,
    /// The repository by its index files of later, where packs turned out to have gone since the walk began.
    fresh: Option<Repository>,
    /// Whether that told nothing about the pack that was missed last.
    all_told: bool,
}

impl std::fmt::Debug for TreePacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreePacks").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Part {
    pack: Id,
    range: Range<u64>,
    bytes: Bytes,
}

impl Part {
    fn slice(&self, location: &BlobLocation) -> Option<&[u8]> {
        let start = usize::try_from(u64::from(location.offset).checked_sub(self.range.start)?).ok()?;
        (self.pack == location.pack)
            .then(|| self.bytes.get(start..start.checked_add(usize::try_from(location.length).ok()?)?))
            .flatten()
    }
}

impl TreePacks {
    /// The tree called `id`, from any pack that holds it whole.
    ///
    /// # Errors
    /// As [`Repository::load_blob`], and `Corrupt` if the blob is not a tree.
    pub(super) async fn tree(&mut self, repository: &Repository, id: &Id) -> Result<Tree> {
        let known = self.fresh.as_ref().unwrap_or(repository).clone();
        let error = match self.in_first_pack(&known, id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => error,
            tree => return tree,
        };
        match known.load_blob(BlobKind::Tree, id).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {}
            json => return Tree::decode(id, &json?),
        }
        if self.all_told || !is_pack_gone(&error) {
            return Err(error);
        }
        let fresh = repository.with_fresh_index();
        let found = fresh.load_blob(BlobKind::Tree, id).await;
        (self.all_told, self.extents) = (found.is_err(), None);
        if found.is_ok() {
            self.fresh = Some(fresh);
        }
        Tree::decode(id, &found?)
    }

    /// The tree from the pack that the index names first.
    async fn in_first_pack(&mut self, repository: &Repository, id: &Id) -> Result<Tree> {
        let index = repository.index().await?;
        let location = repository.locate(BlobKind::Tree, id).await?;
        if !self.kept.iter().any(|part| part.slice(&location).is_some()) {
            let extents = self.extents.get_or_insert_with(|| index.extents(BlobKind::Tree));
            let range = part_around(&location, extents.get(&location.pack));
            let part = match fetch(repository, &location, range).await {
                // A pack that ends early may still hold this very listing.
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                    fetch(repository, &location, u64::from(location.offset)..location.end()).await?
                }
                part => part?,
            };
            self.keep(part);
        }
        let sealed = self.kept.iter().find_map(|part| part.slice(&location)).unwrap_or_default();
        let json = repository.decode_blob_with(&mut self.decoder, BlobKind::Tree, id, &location, sealed)?;
        Tree::decode(id, json)
    }

    fn keep(&mut self, part: Part) {
        self.bytes += part.range.end - part.range.start;
        self.kept.push_front(part);
        while self.bytes > KEPT_BYTES && self.kept.len() > 1 {
            let Some(oldest) = self.kept.pop_back() else { break };
            self.bytes -= oldest.range.end - oldest.range.start;
        }
    }
}

async fn fetch(repository: &Repository, location: &BlobLocation, range: Range<u64>) -> Result<Part> {
    let bytes = repository.read_pack_range(&location.pack, range.clone()).await?;
    Ok(Part { pack: location.pack, range, bytes })
}

/// The whole extent of the pack's listings, or where that is too long, the part that begins with this one.
fn part_around(location: &BlobLocation, extent: Option<&Range<u64>>) -> Range<u64> {
    let own = u64::from(location.offset)..location.end();
    match extent {
        Some(extent) if extent.end - extent.start <= READ_BYTES_MAX => extent.clone(),
        Some(extent) => own.start..extent.end.min(own.start + READ_BYTES_MAX).max(own.end),
        None => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_pack_is_read_whole_and_a_long_one_in_parts() {
        let location =
            BlobLocation { pack: Id::of(b"p"), offset: 1000, length: 50, uncompressed_length: None };
        assert_eq!(part_around(&location, Some(&(10..2000))), 10..2000);
        assert_eq!(part_around(&location, Some(&(10..u64::MAX))), 1000..1000 + READ_BYTES_MAX);
        assert_eq!(part_around(&location, None), 1000..1050);
    }
}
