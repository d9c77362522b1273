//! Planning reads: many blobs, few requests.

use std::ops::Range;

use crate::blob::BlobLocation;
use crate::id::Id;

/// Bytes between two blobs that are read and thrown away rather than asking twice: about what 10 ms of a fast link
/// carries.
const MAX_GAP: u64 = 256 << 10;

/// One ranged read of a pack and what it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackRead<T> {
    /// The pack.
    pub pack: Id,
    /// Bytes to read.
    pub range: Range<u64>,
    /// The blobs inside, by ascending offset, each with what the caller attached to it.
    pub blobs: Vec<(BlobLocation, T)>,
}

impl<T> PackRead<T> {
    /// The sealed bytes of a blob inside `bytes`, which were read from this read's range.
    pub fn slice<'a>(&self, bytes: &'a [u8], location: &BlobLocation) -> Option<&'a [u8]> {
        bytes.get(self.place(location)?)
    }

    /// Where a blob lies in the bytes of this read's range.
    pub(crate) fn place(&self, location: &BlobLocation) -> Option<Range<usize>> {
        let start = usize::try_from(u64::from(location.offset).checked_sub(self.range.start)?).ok()?;
        Some(start..start.checked_add(usize::try_from(location.length).ok()?)?)
    }

    /// The same, with a read of its own for each blob.
    pub(crate) fn into_singles(self) -> Vec<Self> {
        let mut singles: Vec<Self> = Vec::new();
        for (location, attached) in self.blobs {
            let range = u64::from(location.offset)..location.end();
            match singles.last_mut().filter(|last| last.range == range) {
                Some(last) => last.blobs.push((location, attached)),
                None => singles.push(Self { pack: self.pack, range, blobs: vec![(location, attached)] }),
            }
        }
        singles
    }
}

/// Groups blobs by pack, orders them by offset, and joins neighbours into reads of at most `max_length` bytes.
///
/// A single blob longer than that is a read of its own. Reads of one pack are adjacent and ascending.
pub fn plan_reads<T>(
    wanted: impl IntoIterator<Item = (BlobLocation, T)>,
    max_length: u64,
) -> Vec<PackRead<T>> {
    plan_reads_across(wanted, max_length, MAX_GAP)
}

/// As [`plan_reads`], but reads on over gaps of up to `max_gap` bytes.
pub(crate) fn plan_reads_across<T>(
    wanted: impl IntoIterator<Item = (BlobLocation, T)>,
    max_length: u64,
    max_gap: u64,
) -> Vec<PackRead<T>> {
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_by_key(|(location, _)| (location.pack, location.offset));
    let mut reads: Vec<PackRead<T>> = Vec::new();
    for (location, attached) in wanted {
        let (start, end) = (u64::from(location.offset), location.end());
        match reads.last_mut() {
            Some(read)
                if read.pack == location.pack
                    && start <= read.range.end.saturating_add(max_gap)
                    && end.max(read.range.end) - read.range.start <= max_length =>
            {
                read.range.end = read.range.end.max(end);
                read.blobs.push((location, attached));
            }
            _ => reads.push(PackRead {
                pack: location.pack,
                range: start..end,
                blobs: vec![(location, attached)],
            }),
        }
    }
    reads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pack: &[u8], offset: u32, length: u32) -> BlobLocation {
        BlobLocation { pack: Id::of(pack), offset, length, uncompressed_length: None }
    }

    #[test]
    fn neighbours_share_a_request_and_distant_blobs_do_not() {
        let far = 10 << 20;
        let wanted =
            [at(b"p", far, 10), at(b"p", 100, 50), at(b"q", 0, 10), at(b"p", 0, 100), at(b"p", 0, 100)];
        let mut reads = plan_reads(wanted.into_iter().zip(0..), 1 << 20);
        reads.sort_by_key(|read| (read.pack != Id::of(b"p"), read.range.start));
        let shape: Vec<_> = reads.iter().map(|read| (read.range.clone(), read.blobs.len())).collect();
        assert_eq!(shape, [(0..150, 3), (u64::from(far)..u64::from(far) + 10, 1), (0..10, 1)]);
        let bytes = vec![7; 150];
        assert_eq!(reads[0].slice(&bytes, &at(b"p", 100, 50)).unwrap().len(), 50);
        assert_eq!(reads[0].slice(&bytes, &at(b"p", 100, 51)), None);
    }

    #[test]
    fn reads_stay_below_their_bound() {
        let wanted = (0..100).map(|at_blob| (at(b"p", at_blob * 1000, 1000), ()));
        let reads = plan_reads(wanted, 10_000);
        assert_eq!(reads.len(), 10);
        assert_eq!(plan_reads([(at(b"p", 0, 50_000), ())], 10_000).len(), 1);
    }
}
