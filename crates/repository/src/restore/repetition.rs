//! Bounding what a snapshot can make of few bytes by naming a listing many times.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;

/// Counts the entries of listings that were met before.
#[derive(Debug)]
pub(super) struct Repetition {
    /// The beginnings of the identifiers of all listings met. Two listings that share one are taken for the same, which
    /// no honest snapshot brings about.
    met: HashSet<u64>,
    repeated: u64,
    max: u64,
}

impl Repetition {
    pub(super) fn up_to(max: u64) -> Self {
        Self { met: HashSet::new(), repeated: 0, max }
    }

    /// Notes a listing of `entries` entries.
    ///
    /// # Errors
    /// `Unsupported` when more entries were repeated than are allowed.
    pub(super) fn met(&mut self, listing: &Id, entries: usize) -> Result<()> {
        let [a, b, c, d, e, f, g, h, ..] = *listing.as_bytes();
        if self.met.insert(u64::from_le_bytes([a, b, c, d, e, f, g, h])) {
            return Ok(());
        }
        self.repeated =
            self.repeated.saturating_add(u64::try_from(entries).unwrap_or(u64::MAX)).saturating_add(1);
        if self.repeated <= self.max {
            return Ok(());
        }
        let message = format!(
            "the snapshot repeats listings that make up more than {} entries, as a malicious one would; allow more \
             repeated entries if it is right",
            self.max
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repeated_entries_count() {
        let mut repetition = Repetition::up_to(30);
        for number in 0..100_u8 {
            repetition.met(&Id::of(&[number]), 1000).unwrap();
        }
        for _ in 0..3 {
            repetition.met(&Id::of(&[200]), 14).unwrap();
        }
        assert_eq!(*repetition.met(&Id::of(&[200]), 0).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
