//! What was called, by whom, when, and how it was answered.

use std::fmt;

use stillpoint_core::Timestamp;

/// The most entries that are kept; a run that makes more is counted, not stored.
pub(super) const ENTRIES_MAX: usize = 200_000;

/// One call to the simulated cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalEntry {
    /// When.
    pub at: Timestamp,
    /// The handle that called; each process has one.
    pub process: u32,
    /// The call.
    pub call: &'static str,
    /// What it was for.
    pub subject: String,
    /// The answer: `ok`, or the error's words.
    pub answer: String,
}

impl fmt::Display for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} p{} {} {} -> {}", self.at, self.process, self.call, self.subject, self.answer)
    }
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: Vec<JournalEntry>,
    dropped: u64,
}

impl Journal {
    pub(super) fn add(&mut self, entry: JournalEntry) {
        if self.entries.len() < ENTRIES_MAX {
            self.entries.push(entry);
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn entries(&self) -> Vec<JournalEntry> {
        self.entries.clone()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
