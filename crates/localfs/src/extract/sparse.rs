//! Finding runs of zeros that need not be written.

use std::ops::Range;

/// The granularity of holes, in bytes: the block size of common file systems.
const BLOCK: usize = 4096;

/// The ranges of `data` to write at `offset` of a file that reads as zeros; where it shall be `sparse`, without its blocks
/// of zeros.
pub(super) fn written_ranges(offset: u64, data: &[u8], sparse: bool) -> impl Iterator<Item = Range<usize>> {
    let misaligned = usize::try_from(offset % BLOCK as u64).unwrap_or(0);
    let mut at = 0;
    std::iter::from_fn(move || {
        let mut run: Option<Range<usize>> = None;
        while at < data.len() {
            let length = if at == 0 { BLOCK - misaligned } else { BLOCK };
            let block = at..(at + length).min(data.len());
            let zero = sparse && data.get(block.clone()).is_none_or(is_zero);
            at = block.end;
            match (&mut run, zero) {
                (Some(run), false) => run.end = block.end,
                (None, false) => run = Some(block),
                (Some(_), true) => break,
                (None, true) => {}
            }
        }
        run
    })
}

fn is_zero(block: &[u8]) -> bool {
    let (head, rest) = block.split_at(block.len().min(16));
    // Most blocks differ within the first bytes, so the whole block is rarely looked at.
    head.iter().all(|byte| *byte == 0) && rest.iter().fold(0, |seen, byte| seen | byte) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(offset: u64, data: &[u8]) -> Vec<Range<usize>> {
        written_ranges(offset, data, true).collect()
    }

    #[test]
    fn only_whole_blocks_of_zeros_are_left_out() {
        assert!(ranges(0, &[]).is_empty());
        assert!(ranges(0, &[0; 3 * BLOCK]).is_empty());
        assert!(written_ranges(0, &[0; 3 * BLOCK], false).eq(std::iter::once(0..3 * BLOCK)));
        assert_eq!(ranges(0, &[1; 2 * BLOCK + 1]), vec![0..2 * BLOCK + 1]);
        let mut data = [0; 4 * BLOCK];
        data[BLOCK + 7] = 1;
        data[3 * BLOCK] = 1;
        assert_eq!(ranges(0, &data), [BLOCK..2 * BLOCK, 3 * BLOCK..4 * BLOCK]);
    }

    #[test]
    fn blocks_are_counted_from_the_file_and_not_from_the_data() {
        let mut data = [0; 2 * BLOCK];
        data[0] = 1;
        assert_eq!(ranges(100, &data), vec![0..BLOCK - 100]);
    }
}
