//! Cutting file content where the content itself says so.

use std::io::{self, Read};
use std::ops::Range;

use fastcdc::v2020::FastCDC;
use stillpoint_localfs::OpenFile;

/// Bounds of a chunk in bytes. Restic's reader accepts any length up to its own 8 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    shortest: usize,
    average: usize,
    longest: usize,
}

/// Of most files: long chunks compress better and need fewer names.
const USUAL: Bounds = Bounds { shortest: 512 << 10, average: 1 << 20, longest: 2 << 20 };

/// Of large files, which are rather altered in places than replaced: an alteration costs little more than itself.
const FINE: Bounds = Bounds { shortest: 64 << 10, average: 128 << 10, longest: 512 << 10 };
const FINE_FROM: u64 = 32 << 20;

/// What the buffer holds beyond the longest chunk, so that its content is moved only every few chunks.
const SLACK: usize = 2 << 20;

/// Something to cut, which may know where it holds nothing but zeros.
pub(super) trait Content: Read {
    /// How many bytes from here on are zeros that need not be read. A read that begins in them ends with them at the latest.
    fn hole(&mut self) -> u64;

    /// Passes over so many of them.
    fn skip(&mut self, bytes: u64);
}

impl Content for &mut OpenFile {
    fn hole(&mut self) -> u64 {
        OpenFile::hole(self)
    }

    fn skip(&mut self, bytes: u64) {
        self.skip_hole(bytes);
    }
}

/// A stream that knows of no holes.
#[derive(Debug)]
pub(super) struct Plain<R>(R);

impl<R: Read> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Content for Plain<R> {
    fn hole(&mut self) -> u64 {
        0
    }

    fn skip(&mut self, _: u64) {}
}

/// A chunk as it was cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Data(Vec<u8>),
    /// So many zeros, which were not read.
    Zeros(usize),
}

/// An iterator over the chunks of a stream.
///
/// The cuts depend on nothing but the content, which of the two bounds its length asks for, and the constants of this
/// file: changing those costs deduplication with what was stored before, never data.
#[derive(Debug)]
pub(super) struct Chunker<C> {
    content: C,
    bounds: Bounds,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet handed out.
    rest: Range<usize>,
    /// How many bytes at the end of it are of a hole.
    zeros: usize,
    /// Where zeros without end are cut, once that was asked.
    zeros_cut: Option<usize>,
    ended: bool,
}

impl<R: Read> Chunker<Plain<R>> {
    /// Cuts what `reader` gives; `size` is how much is expected.
    pub(super) fn new(reader: R, size: u64) -> Self {
        Self::of(Plain(reader), size)
    }

    /// The next chunk, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.next_chunk()?.map(|chunk| match chunk {
            Chunk::Data(data) => data,
            Chunk::Zeros(length) => vec![0; length],
        }))
    }
}

impl<C: Content> Chunker<C> {
    /// Cuts `content`, of which so many bytes are expected.
    pub(super) fn of(content: C, size: u64) -> Self {
        let bounds = if size < FINE_FROM { USUAL } else { FINE };
        // One byte more than expected, so that the end shows at once.
        let expected = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        let buffer = vec![0; expected.min(bounds.longest + SLACK)];
        Self { content, bounds, buffer, rest: 0..0, zeros: 0, zeros_cut: None, ended: false }
    }

    /// The next chunk, or `None` at the end.
    pub(super) fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let Bounds { shortest, average, longest } = self.bounds;
        if let Some(zeros) = self.next_zeros() {
            return Ok(Some(Chunk::Zeros(zeros)));
        }
        if self.rest.len() < longest && !self.ended {
            self.fill()?;
        }
        let rest = self.buffer.get(self.rest.clone()).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if self.ended && self.rest.start == 0 && rest.len() <= shortest {
            let mut all = std::mem::take(&mut self.buffer);
            all.truncate(self.rest.end);
            self.rest = 0..0;
            return Ok(Some(Chunk::Data(all)));
        }
        let window = rest.get(..longest).unwrap_or(rest);
        let (_, length) = FastCDC::new(window, shortest, average, longest).cut(0, window.len());
        let chunk = window.get(..length).unwrap_or(window).to_vec();
        self.rest.start += chunk.len();
        Ok(Some(Chunk::Data(chunk)))
    }

    /// The length of the next chunk where all that its cut depends on is known to be zeros.
    fn next_zeros(&mut self) -> Option<usize> {
        let Bounds { shortest, average, longest } = self.bounds;
        if self.ended || self.zeros < self.rest.len() {
            return None;
        }
        let ahead = usize::try_from(self.content.hole()).unwrap_or(usize::MAX);
        if self.rest.len().saturating_add(ahead) < longest {
            return None;
        }
        let length = *self.zeros_cut.get_or_insert_with(|| {
            let window = vec![0; longest];
            FastCDC::new(&window, shortest, average, longest).cut(0, longest).1
        });
        let buffered = length.min(self.rest.len());
        self.rest.start += buffered;
        self.zeros = self.rest.len();
        self.content.skip((length - buffered) as u64);
        Some(length)
    }

    /// Moves what is left to the front and reads until the buffer is full or the end is reached.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        loop {
            if self.rest.end == self.buffer.len() {
                if self.buffer.len() >= self.bounds.longest {
                    return Ok(());
                }
                // There is more than was expected.
                self.buffer.resize(self.bounds.longest + SLACK, 0);
            }
            let in_hole = self.content.hole() > 0;
            let room = self.buffer.get_mut(self.rest.end..).unwrap_or_default();
            match self.content.read(room) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(read) => {
                    self.rest.end += read;
                    self.zeros = if in_hole { self.zeros + read } else { 0 };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::id::Id;

    /// Deterministic noise: 64-bit xorshift.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    fn cut_as(data: &[u8], size: u64) -> Vec<Vec<u8>> {
        let mut chunker = Chunker::new(data, size);
        std::iter::from_fn(|| chunker.next().unwrap()).collect()
    }

    fn cut(data: &[u8]) -> Vec<Vec<u8>> {
        cut_as(data, data.len() as u64)
    }

    #[test]
    fn chunks_join_to_the_content_and_keep_their_bounds() {
        for bounds in [USUAL, FINE] {
            let Bounds { shortest, longest, .. } = bounds;
            for length in [0, 1, shortest, shortest + 1, longest, longest + SLACK, (9 << 20) + 7] {
                let data = noise(length);
                let size = if bounds == FINE { FINE_FROM } else { data.len() as u64 };
                let chunks = cut_as(&data, size);
                assert!(chunks.concat() == data, "{length}");
                let (last, others) =
                    chunks.split_last().map_or((0, &[][..]), |(last, others)| (last.len(), others));
                assert!(last <= longest);
                assert!(others.iter().all(|chunk| (shortest..=longest).contains(&chunk.len())));
            }
            assert_eq!(cut(&noise(shortest)).len(), 1);
        }
    }

    #[test]
    fn an_alteration_of_a_large_file_costs_little_more_than_itself() {
        let data = noise(8 << 20);
        let mut altered = data.clone();
        altered[3 << 20..(3 << 20) + (256 << 10)].reverse();
        let before: HashSet<Id> = cut_as(&data, FINE_FROM).iter().map(|chunk| Id::of(chunk)).collect();
        let new = cut_as(&altered, FINE_FROM).into_iter().filter(|chunk| !before.contains(&Id::of(chunk)));
        let new: usize = new.map(|chunk| chunk.len()).sum();
        assert!(new < 768 << 10, "{new}");
    }

    #[test]
    fn an_insertion_moves_only_the_cuts_near_it() {
        let data = noise(24 << 20);
        let mut longer = data.clone();
        longer.splice(1000..1000, [1, 2, 3]);
        let ids = |data: &[u8]| cut(data).iter().map(|chunk| Id::of(chunk)).collect::<Vec<_>>();
        let (before, after) = (ids(&data), ids(&longer));
        let kept = before.iter().filter(|id| after.contains(id)).count();
        assert!(kept + 3 >= before.len(), "{kept} of {} chunks kept", before.len());
    }

    #[test]
    fn cuts_do_not_depend_on_how_the_reader_delivers() {
        struct Dribble<'a>(&'a [u8]);
        impl Read for Dribble<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let length = buffer.len().min(9973);
                self.0.read(&mut buffer[..length])
            }
        }
        let data = noise(9 << 20);
        let mut dribbled = Chunker::new(Dribble(&data), 0);
        let chunks: Vec<_> = std::iter::from_fn(|| dribbled.next().unwrap()).collect();
        assert_eq!(chunks, cut(&data));
    }

    /// Content with holes, which is told that they are such or not.
    struct Holed<'a> {
        data: &'a [u8],
        at: usize,
        holes: &'a [Range<usize>],
        skipped: usize,
    }

    impl Read for Holed<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let edges = self.holes.iter().flat_map(|hole| [hole.start, hole.end]);
            let edge = edges.filter(|edge| *edge > self.at).min().unwrap_or(self.data.len());
            let length = buffer.len().min(edge - self.at).min(9973);
            buffer[..length].copy_from_slice(&self.data[self.at..self.at + length]);
            self.at += length;
            Ok(length)
        }
    }

    impl Content for Holed<'_> {
        fn hole(&mut self) -> u64 {
            self.holes.iter().find(|hole| hole.contains(&self.at)).map_or(0, |hole| hole.end - self.at) as u64
        }

        fn skip(&mut self, bytes: u64) {
            assert!(bytes <= self.hole());
            self.at += bytes as usize;
            self.skipped += bytes as usize;
        }
    }

    #[test]
    fn holes_are_cut_as_the_zeros_that_they_are_and_are_not_read() {
        for size in [24 << 20, FINE_FROM] {
            for holes in
                [vec![0..20 << 20], vec![1_000_001..9 << 20, (12 << 20) + 5..24 << 20], vec![0..24 << 20]]
            {
                let mut data = noise(24 << 20);
                for hole in &holes {
                    data[hole.clone()].fill(0);
                }
                let holed = Holed { data: &data, at: 0, holes: &holes, skipped: 0 };
                let mut chunker = Chunker::of(holed, size);
                let mut lengths = Vec::new();
                while let Some(chunk) = chunker.next_chunk().unwrap() {
                    let start: usize = lengths.iter().sum();
                    lengths.push(match chunk {
                        Chunk::Zeros(length) => {
                            assert!(data[start..start + length].iter().all(|byte| *byte == 0));
                            length
                        }
                        Chunk::Data(chunk) => {
                            assert!(data[start..start + chunk.len()] == chunk);
                            chunk.len()
                        }
                    });
                }
                assert_eq!(lengths, cut_as(&data, size).iter().map(Vec::len).collect::<Vec<_>>());
                let hollow: usize = holes.iter().map(Range::len).sum();
                assert!(
                    chunker.content.skipped + holes.len() * (8 << 20) > hollow,
                    "{}",
                    chunker.content.skipped
                );
            }
        }
    }

    #[test]
    fn the_cuts_are_those_of_every_earlier_version() {
        let lengths = |size| cut_as(&noise(4 << 20), size).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(4 << 20), GOLDEN_USUAL);
        assert_eq!(lengths(FINE_FROM)[..8], GOLDEN_FINE);
    }

    const GOLDEN_USUAL: [usize; 4] = [532_150, 2_088_921, 1_361_465, 211_768];
    const GOLDEN_FINE: [usize; 8] = [175_684, 173_622, 163_827, 361_153, 143_486, 132_960, 169_586, 158_345];
}
