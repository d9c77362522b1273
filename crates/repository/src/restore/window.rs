//! File content that is wanted together.

use std::ops::Range;
use std::sync::Arc;

use super::pending::PendingFile;
use crate::blob::BlobLocation;
use crate::id::Id;
use crate::repository::{PackRead, plan_reads_across};

/// Longest single read, in bytes: a whole pack as this program writes them, so that each is fetched once.
const READ_BYTES_MAX: u64 = 72 << 20;
/// Unwanted bytes between two wanted blobs that are read rather than asked around: what a store sends in about the time
/// it takes to answer.
const GAP_BYTES_MAX: u64 = 4 << 20;
/// Sealed bytes of a read that one worker decodes and writes at a time.
const SEGMENT_BYTES: u64 = 2 << 20;

/// When a window is full: about 60 and 50 MiB of plans.
const FILES_MAX: usize = 256 * 1024;
const PLACES_MAX: usize = 512 * 1024;

/// File content wanted together. A snapshot that fits into one window costs one read for each of its packs.
#[derive(Debug, Default)]
pub(super) struct Window {
    files: usize,
    places: Vec<(BlobLocation, Place)>,
}

/// Where a blob's content goes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: Id,
    pub(super) file: Arc<PendingFile>,
    pub(super) offset: u64,
    /// How early it was asked for.
    turn: u32,
}

impl Window {
    /// Wants a blob at a place of a file.
    pub(super) fn want(&mut self, id: Id, location: BlobLocation, file: &Arc<PendingFile>, offset: u64) {
        let turn = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((location, Place { id, file: Arc::clone(file), offset, turn }));
    }

    /// Counts a file whose content was wanted.
    pub(super) fn count_file(&mut self) {
        self.files += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.len() >= PLACES_MAX || self.files >= FILES_MAX
    }

    /// Plans the reads, packs in the order they are first needed.
    pub(super) fn into_reads(self) -> Vec<PackRead<Place>> {
        let mut reads = plan_reads_across(self.places, READ_BYTES_MAX, GAP_BYTES_MAX);
        reads.sort_by_key(|read| read.blobs.iter().map(|(_, place)| place.turn).min());
        reads
    }
}

/// Cuts a read into parts for the workers. The places of one blob stay together, so that it is decoded once.
pub(super) fn segments<T>(read: &PackRead<T>) -> Vec<Range<usize>> {
    let mut segments = Vec::new();
    let (mut first, mut from) = (0, read.range.start);
    for (at, (location, _)) in read.blobs.iter().enumerate() {
        let begins = at > first && read.blobs.get(at - 1).is_some_and(|(before, _)| before != location);
        if begins && u64::from(location.offset).saturating_sub(from) >= SEGMENT_BYTES {
            segments.push(first..at);
            (first, from) = (at, u64::from(location.offset));
        }
    }
    segments.push(first..read.blobs.len());
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::plan_reads;

    fn at(offset: u32, length: u32) -> BlobLocation {
        BlobLocation { pack: Id::of(b"p"), offset, length, uncompressed_length: None }
    }

    #[test]
    fn segments_cover_a_read_and_part_no_blob_from_itself() {
        let mib = 1 << 20;
        let blobs = [at(0, mib), at(mib, mib), at(2 * mib, mib), at(2 * mib, mib), at(3 * mib, 9 * mib)];
        let read = plan_reads(blobs.into_iter().zip(0..), 64 << 20).pop().unwrap();
        assert_eq!(segments(&read), [0..2, 2..5]);
        let many = (0..10).map(|number| (at(0, 4 * mib), number));
        assert_eq!(segments(&plan_reads(many, 64 << 20)[0]), vec![0..10]);
    }
}
