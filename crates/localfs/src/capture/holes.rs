//! Where a file has holes, asked piece by piece as it is read.

use std::os::fd::AsFd;

use rustix::fs::{SeekFrom, fstat, fstatfs, seek};
use rustix::io::Errno;

use crate::metadata::Metadata;

/// Files shorter than this are read in one go, holes and all.
const BYTES_MIN: u64 = 1 << 20;

/// File systems whose answers count what is written and not yet on the disk: ext2 to ext4, XFS, Btrfs, tmpfs and F2FS, by
/// their numbers in `linux/magic.h`. Others are read in full: OpenZFS has told of holes where data waited to be written
/// (<https://github.com/openzfs/zfs/issues/15526>), and what a server tells is not known.
const EXACT: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010];

/// The stretch of a file that was asked for last: a hole, then data.
#[derive(Debug)]
pub(super) struct Holes {
    hole_end: u64,
    /// Up to here nothing need be asked.
    data_end: u64,
}

impl Holes {
    /// Where holes are to be looked for: only in a file that takes less space than its length, on a file system that is
    /// known to tell of them exactly.
    pub(super) fn expected_in(file: impl AsFd, metadata: &Metadata) -> Self {
        let taken = || fstat(&file).map_or(u64::MAX, |stat| u64::try_from(stat.st_blocks).unwrap_or(0) * 512);
        let is_exact = || {
            let found = fstatfs(&file).ok().and_then(|found| u64::try_from(found.f_type).ok());
            found.is_some_and(|kind| EXACT.contains(&kind))
        };
        let sparse = metadata.size >= BYTES_MIN && taken() < metadata.size && is_exact();
        Self { hole_end: 0, data_end: if sparse { 0 } else { u64::MAX } }
    }

    /// How many bytes at `position` and behind it are a hole.
    pub(super) fn at(&mut self, file: impl AsFd, position: u64) -> u64 {
        if position >= self.data_end {
            self.look(file, position);
        }
        self.hole_end.saturating_sub(position)
    }

    /// As much of `buffer` as lies before the next hole, if it is filled from `position`.
    pub(super) fn before_next<'a>(&self, buffer: &'a mut [u8], position: u64) -> &'a mut [u8] {
        let data = usize::try_from(self.data_end.saturating_sub(position)).unwrap_or(usize::MAX);
        let length = data.min(buffer.len());
        buffer.get_mut(..length).unwrap_or_default()
    }

    fn look(&mut self, file: impl AsFd, position: u64) {
        let at = |whence| seek(&file, whence);
        (self.hole_end, self.data_end) = match at(SeekFrom::Data(position)) {
            Ok(data) => (data, at(SeekFrom::Hole(data)).unwrap_or(u64::MAX)),
            // There is no data any more, only what is left up to the end.
            Err(Errno::NXIO) => match at(SeekFrom::End(0)) {
                Ok(end) if end > position => (end, end),
                _ => (0, u64::MAX),
            },
            // This file system does not tell.
            Err(_) => (0, u64::MAX),
        };
        if self.hole_end.max(self.data_end) <= position {
            self.data_end = u64::MAX;
        }
    }
}
