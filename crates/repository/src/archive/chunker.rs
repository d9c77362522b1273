//! Cutting file content where the content itself says so.

use std::io::{self, Read};

use fastcdc::v2020::FastCDC;

/// Bounds of a chunk in bytes. Restic's reader accepts any length up to its own 8 MiB.
const SHORTEST: usize = 512 << 10;
const AVERAGE: usize = 1 << 20;
const LONGEST: usize = 4 << 20;

/// What the buffer holds beyond the longest chunk, so that its content is moved only every few chunks.
const SLACK: usize = 2 << 20;

/// An iterator over the chunks of a stream.
///
/// The cuts depend on nothing but the content and the constants of this file: changing those costs deduplication with
/// what was stored before, never data.
#[derive(Debug)]
pub(super) struct Chunker<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl<R: Read> Chunker<R> {
    /// Cuts what `reader` gives; `size` is how much is expected, which only sizes the buffer.
    pub(super) fn new(reader: R, size: u64) -> Self {
        let expected = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
        Self { reader, buffer: Vec::with_capacity(expected.min(LONGEST + SLACK)), start: 0, ended: false }
    }

    /// The next chunk, or `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.buffer.len() - self.start < LONGEST && !self.ended {
            self.fill()?;
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        if self.ended && self.start == 0 && rest.len() <= SHORTEST {
            return Ok(Some(std::mem::take(&mut self.buffer)));
        }
        let window = rest.get(..LONGEST).unwrap_or(rest);
        let (_, length) = FastCDC::new(window, SHORTEST, AVERAGE, LONGEST).cut(0, window.len());
        let chunk = window.get(..length).unwrap_or(window).to_vec();
        self.start += chunk.len();
        Ok(Some(chunk))
    }

    /// Moves what is left to the front and reads until the buffer holds a longest chunk, and a little more, or the end
    /// is reached.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let room = (LONGEST + SLACK).saturating_sub(self.buffer.len());
        let limit = u64::try_from(room).unwrap_or(u64::MAX);
        let read = self.reader.by_ref().take(limit).read_to_end(&mut self.buffer)?;
        self.ended = read < room;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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

    fn cut(data: &[u8]) -> Vec<Vec<u8>> {
        let mut chunker = Chunker::new(data, data.len() as u64);
        std::iter::from_fn(|| chunker.next().unwrap()).collect()
    }

    #[test]
    fn chunks_join_to_the_content_and_keep_their_bounds() {
        for length in [0, 1, SHORTEST, SHORTEST + 1, LONGEST, (20 << 20) + 7] {
            let data = noise(length);
            let chunks = cut(&data);
            assert_eq!(chunks.concat(), data);
            let (last, others) =
                chunks.split_last().map_or((0, &[][..]), |(last, others)| (last.len(), others));
            assert!(last <= LONGEST);
            assert!(others.iter().all(|chunk| (SHORTEST..=LONGEST).contains(&chunk.len())));
        }
        assert_eq!(cut(&noise(SHORTEST)).len(), 1);
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
        let lengths: Vec<_> = cut(&noise(8 << 20)).iter().map(Vec::len).collect();
        assert_eq!(lengths, GOLDEN_LENGTHS);
    }

    const GOLDEN_LENGTHS: [usize; 7] =
        [532_150, 2_088_921, 1_361_465, 604_807, 1_071_987, 2_119_792, 609_486];
}
