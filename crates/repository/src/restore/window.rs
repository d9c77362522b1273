//! File content that is wanted together.

use std::collections::VecDeque;
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
#[derive(Clone, Debug)]
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

/// Cuts a read into parts for the workers, which follow each other and do not overlap. The places of one blob stay
/// together, so that it is decoded once.
pub(super) fn segments<T>(read: PackRead<T>) -> VecDeque<PackRead<T>> {
    let pack = read.pack;
    let mut segments: VecDeque<PackRead<T>> = VecDeque::new();
    for (location, attached) in read.blobs {
        let (start, end) = (u64::from(location.offset), location.end());
        match segments.back_mut() {
            Some(last) if start < last.range.end.max(last.range.start + SEGMENT_BYTES) => {
                last.range.end = last.range.end.max(end);
                last.blobs.push((location, attached));
            }
            _ => segments.push_back(PackRead { pack, range: start..end, blobs: vec![(location, attached)] }),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::plan_reads;

    fn at(offset: u32, length: u32) -> BlobLocation {
        BlobLocation { pack: Id::of(b"p"), offset, length, uncompressed_length: None }
    }

    fn shape(read: PackRead<u32>) -> Vec<(std::ops::Range<u64>, usize)> {
        segments(read).into_iter().map(|part| (part.range, part.blobs.len())).collect()
    }

    #[test]
    fn segments_cover_a_read_and_part_no_blob_from_itself() {
        let mib = 1 << 20;
        let blobs = [at(0, mib), at(mib, mib), at(2 * mib, mib), at(2 * mib, mib), at(3 * mib, 9 * mib)];
        let read = plan_reads(blobs.into_iter().zip(0..), 64 << 20).pop().unwrap();
        assert_eq!(shape(read), [(0..2 << 20, 2), (2 << 20..12 << 20, 3)]);
        let many = (0..10).map(|number| (at(0, 4 * mib), number));
        assert_eq!(shape(plan_reads(many, 64 << 20).pop().unwrap()), [(0..4 << 20, 10)]);
    }

    #[test]
    fn segments_do_not_overlap_even_if_the_index_says_that_blobs_do() {
        let mib = 1 << 20;
        let blobs = (0..8).map(|number| (at(number * mib, mib + 1), number));
        assert_eq!(shape(plan_reads(blobs, 64 << 20).pop().unwrap()), [(0..(8 << 20) + 1, 8)]);
    }
}
