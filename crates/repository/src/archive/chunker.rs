//! Cutting file content where the content itself says so.

use std::io::{self, Read};
use std::ops::Range;

use fastcdc::v2020::FastCDC;

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

/// An iterator over the chunks of a stream.
///
/// The cuts depend on nothing but the content, which of the two bounds its length asks for, and the constants of this
/// file: changing those costs deduplication with what was stored before, never data.
#[derive(Debug)]
pub(super) struct Chunker<R> {
    reader: R,
    bounds: Bounds,
    buffer: Vec<u8>,
    /// What of the buffer was read and not yet handed out.
    rest: Range<usize>,
    ended: bool,
}

impl<R: Read> Chunker<R> {
    /// Cuts what `reader` gives; `size` is how much is expected.
    pub(super) fn new(reader: R, size: u64) -> Self {
        let bounds = if size < FINE_FROM { USUAL } else { FINE };
        // One byte more than expected, so that the end shows at once.
        let expected = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        let buffer = vec![0; expected.min(bounds.longest + SLACK)];
        Self { reader, bounds, buffer, rest: 0..0, ended: false }
    }

    /// The next chunk, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Bounds { shortest, average, longest } = self.bounds;
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
            return Ok(Some(all));
        }
        let window = rest.get(..longest).unwrap_or(rest);
        let (_, length) = FastCDC::new(window, shortest, average, longest).cut(0, window.len());
        let chunk = window.get(..length).unwrap_or(window).to_vec();
        self.rest.start += chunk.len();
        Ok(Some(chunk))
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
            let room = self.buffer.get_mut(self.rest.end..).unwrap_or_default();
            match self.reader.read(room) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(read) => self.rest.end += read,
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

    #[test]
    fn the_cuts_are_those_of_every_earlier_version() {
        let lengths = |size| cut_as(&noise(4 << 20), size).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(4 << 20), GOLDEN_USUAL);
        assert_eq!(lengths(FINE_FROM)[..8], GOLDEN_FINE);
    }

    const GOLDEN_USUAL: [usize; 4] = [532_150, 2_088_921, 1_361_465, 211_768];
    const GOLDEN_FINE: [usize; 8] = [175_684, 173_622, 163_827, 361_153, 143_486, 132_960, 169_586, 158_345];
}
