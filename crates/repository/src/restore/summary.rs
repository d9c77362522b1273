//! What a restore did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stillpoint_localfs::{Itemised, Warning};

use crate::issue::Issue;

/// The outcome of a restore. It is complete if there are no `issues`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RestoreSummary {
    /// Whether an interrupted run was taken up.
    pub resumed: bool,
    /// Files written.
    pub files_restored: u64,
    /// Files that stood in the target with the right content, proved by its hash.
    pub files_unchanged: u64,
    /// Files, links and special files that were not restored; each has an issue or a warning.
    pub skipped: u64,
    /// Directories made or found.
    pub directories: u64,
    /// Further names of files.
    pub hard_links: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Pipes, sockets and devices.
    pub special_files: u64,
    /// Bytes read from the store's packs.
    pub bytes_fetched: u64,
    /// Bytes of file content written, holes included.
    pub bytes_written: u64,
    /// Attributes that could not be set or were withheld.
    pub warnings: Itemised<Warning>,
    /// Entries that are missing or were kept as they stood.
    pub issues: Itemised<Issue>,
}

/// Counters that all tasks feed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) restored: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) hard_links: AtomicU64,
    pub(super) symlinks: AtomicU64,
    pub(super) special_files: AtomicU64,
    pub(super) fetched: AtomicU64,
    pub(super) written: AtomicU64,
    issues: Mutex<Itemised<Issue>>,
}

impl Totals {
    /// Notes an entry that is not restored.
    pub(super) fn skip(&self, issue: Issue) {
        add(&self.skipped, 1);
        self.issues.lock().unwrap_or_else(PoisonError::into_inner).push(issue);
    }

    pub(super) fn summary(&self, resumed: bool, warnings: Itemised<Warning>) -> RestoreSummary {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RestoreSummary {
            resumed,
            files_restored: load(&self.restored),
            files_unchanged: load(&self.unchanged),
            skipped: load(&self.skipped),
            directories: load(&self.directories),
            hard_links: load(&self.hard_links),
            symlinks: load(&self.symlinks),
            special_files: load(&self.special_files),
            bytes_fetched: load(&self.fetched),
            bytes_written: load(&self.written),
            warnings,
            issues: std::mem::take(&mut *self.issues.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
