//! What a backup did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stillpoint_localfs::{Itemised, RuleReport};

use crate::id::Id;
use crate::issue::{Issue, IssueKind};
use crate::snapshot::SnapshotSummary;
use crate::time::Timestamp;
use crate::writer::WriteSummary;

/// The outcome of a backup. It is complete if there are no `issues`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupSummary {
    /// The new snapshot.
    pub snapshot: Id,
    /// The listing of the source directory.
    pub tree: Id,
    /// The snapshot it was built on.
    pub parent: Option<Id>,
    /// Whether the snapshot's tree is the parent's: nothing at all has changed.
    pub same_as_parent: bool,
    /// Whether every pack that the snapshot may need was seen in the store with its length after the snapshot stood. Only
    /// a backup without a lock looks.
    pub packs_seen: bool,
    /// Files the parent did not have.
    pub files_new: u64,
    /// Files that differ from the parent.
    pub files_changed: u64,
    /// Files as in the parent, there or in a directory that was moved since. They were not opened, except those that
    /// were changed so shortly before the parent was made that only their content could tell.
    pub files_unmodified: u64,
    /// Entries that could not be read and are missing.
    pub skipped: u64,
    /// Files that kept changing while they were read.
    pub files_torn: u64,
    /// Directories the parent did not have.
    pub directories_new: u64,
    /// Directories that differ from the parent.
    pub directories_changed: u64,
    /// Directories as in the parent, with everything below; one that was moved counts as changed.
    pub directories_unmodified: u64,
    /// Sizes of all files in the snapshot, in bytes.
    pub bytes_scanned: u64,
    /// Bytes of content that were read.
    pub bytes_read: u64,
    /// What was added to the repository.
    pub written: WriteSummary,
    /// What each exclusion rule left out.
    pub rules: Vec<RuleReport>,
    /// What is missing or doubtful.
    pub issues: Itemised<Issue>,
    /// What the snapshot has whole, though not exactly as it stands.
    pub warnings: Itemised<Issue>,
}

/// How an entry relates to the parent snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Changed,
    Unmodified,
}

/// Counters that all workers feed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    files: [AtomicU64; 3],
    directories: [AtomicU64; 3],
    skipped: AtomicU64,
    torn: AtomicU64,
    scanned: AtomicU64,
    read: AtomicU64,
    issues: Mutex<Itemised<Issue>>,
    warnings: Mutex<Itemised<Issue>>,
}

impl Totals {
    /// Counts files of so many bytes together.
    pub(super) fn files(&self, novelty: Novelty, files: u64, bytes: u64) {
        self.files[novelty as usize].fetch_add(files, Ordering::Relaxed);
        self.scanned.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn directory(&self, novelty: Novelty) {
        self.directories[novelty as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes an entry that is missing from the snapshot.
    pub(super) fn skip(&self, issue: Issue) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        self.note(issue);
    }

    /// Notes an entry that is in the snapshot but not as it should be.
    pub(super) fn note(&self, issue: Issue) {
        if issue.kind == IssueKind::Torn {
            self.torn.fetch_add(1, Ordering::Relaxed);
        }
        self.issues.lock().unwrap_or_else(PoisonError::into_inner).push(issue);
    }

    /// Notes what nobody loses anything by.
    pub(super) fn warn(&self, warning: Issue) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    /// Files in the snapshot.
    pub(super) fn file_count(&self) -> u64 {
        self.files.each_ref().map(|counter| counter.load(Ordering::Relaxed)).iter().sum()
    }

    /// Whether nothing was noted.
    pub(super) fn is_complete(&self) -> bool {
        self.issues.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(super) fn snapshot_summary(
        &self,
        start: Timestamp,
        end: Timestamp,
        written: &WriteSummary,
    ) -> SnapshotSummary {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut summary = SnapshotSummary::default();
        (summary.backup_start, summary.backup_end) = (start, end);
        [summary.files_new, summary.files_changed, summary.files_unmodified] =
            self.files.each_ref().map(load);
        [summary.dirs_new, summary.dirs_changed, summary.dirs_unmodified] =
            self.directories.each_ref().map(load);
        (summary.data_blobs, summary.tree_blobs) = (written.data_blobs, written.tree_blobs);
        (summary.data_added, summary.data_added_packed) = (written.plaintext_bytes, written.stored_bytes);
        summary.total_files_processed = self.file_count();
        summary.total_bytes_processed = load(&self.scanned);
        summary
    }

    pub(super) fn summary(
        &self,
        (snapshot, tree): (Id, Id),
        parent: Option<Id>,
        written: WriteSummary,
        rules: Vec<RuleReport>,
    ) -> BackupSummary {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [files_new, files_changed, files_unmodified] = self.files.each_ref().map(load);
        let [directories_new, directories_changed, directories_unmodified] =
            self.directories.each_ref().map(load);
        BackupSummary {
            snapshot,
            tree,
            parent,
            same_as_parent: false,
            packs_seen: false,
            files_new,
            files_changed,
            files_unmodified,
            skipped: load(&self.skipped),
            files_torn: load(&self.torn),
            directories_new,
            directories_changed,
            directories_unmodified,
            bytes_scanned: load(&self.scanned),
            bytes_read: load(&self.read),
            written,
            rules,
            issues: std::mem::take(&mut *self.issues.lock().unwrap_or_else(PoisonError::into_inner)),
            warnings: std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
