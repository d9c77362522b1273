//! What a backup counts and remarks on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stillpoint_core::Issue;
use stillpoint_localfs::FileKind;

use crate::jobs::{Issues, Noted};
use crate::mirror::manifest::Entry;
use crate::path_text;

/// How a file relates to earlier captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Changed,
    /// Its content is that of an earlier capture.
    Unmodified,
}

/// Counters that the walk and all transfers feed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    files: [AtomicU64; 3],
    directories: AtomicU64,
    skipped: AtomicU64,
    torn: AtomicU64,
    scanned: AtomicU64,
    read: AtomicU64,
    sent: AtomicU64,
    copied_files: AtomicU64,
    copied_bytes: AtomicU64,
    issues: Mutex<Issues>,
    remarks: Mutex<Noted>,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Totals {
    pub(super) fn file(&self, novelty: Novelty, bytes: u64) {
        add(&self.files[novelty as usize], 1);
        add(&self.scanned, bytes);
    }

    /// Counts an entry without content.
    pub(super) fn other(&self, entry: &Entry) {
        if entry.kind == FileKind::Directory {
            add(&self.directories, 1);
        }
    }

    pub(super) fn read(&self, bytes: u64) {
        add(&self.read, bytes);
    }

    pub(super) fn sent(&self, bytes: u64) {
        add(&self.sent, bytes);
    }

    pub(super) fn copied(&self, bytes: u64) {
        add(&self.copied_files, 1);
        add(&self.copied_bytes, bytes);
    }

    /// Notes an entry that is missing because it could not be read; one that is gone was never there.
    pub(super) fn unreadable(&self, path: &Path, error: &stillpoint_localfs::Error) {
        if !error.is_not_found() {
            add(&self.skipped, 1);
            self.note("skipped", path, sentence(error));
        }
    }

    /// What was read, or a note that it is missing from an entry that is there.
    pub(super) fn readable<T>(&self, path: &Path, read: stillpoint_localfs::Result<T>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                self.note("skipped", path, sentence(&error));
                None
            }
        }
    }

    pub(super) fn torn(&self, path: &Path, why: String) {
        add(&self.torn, 1);
        self.note("torn", path, why);
    }

    /// Remarks that a directory or file went away before it was read.
    pub(super) fn vanished(&self, path: &Path) {
        let message = "it went away while the backup ran: it was removed, or moved to another directory; if it was moved, make \
                       sure that the next backup holds it";
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        remarks.add(message.to_owned(), path_text::to_text(path));
    }

    /// Notes a directory that can be read only out of order.
    pub(super) fn renamed(&self, path: &Path) {
        add(&self.skipped, 1);
        let message = "it was renamed while the backup ran to a name that was read already, and is not in it; back it up again";
        self.note("skipped", path, message.to_owned());
    }

    /// Everything that was remarked; it is given away.
    pub(super) fn take_remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner)).into_warnings()
    }

    /// Notes what the directory as a whole is known to lack.
    pub(super) fn lacks(&self, what: String) {
        self.note("unrestored", Path::new(""), what);
    }

    /// Notes it where a capture that ought to hold files holds none.
    pub(super) fn must_hold_files(&self) {
        if self.captured().0 == 0 {
            let message = "it holds no file any more, though the backup before did or doubted it too; if its volume is mounted and \
                           it is meant to be empty, say so (`--may-be-empty`)";
            self.note("emptied", Path::new(""), message.to_owned());
        }
    }

    /// Notes that the directory is not where it was any more.
    pub(super) fn displaced(&self) {
        let message = "it was removed, replaced or unmounted while it was read, so that a part of it may be missing; \
                       back it up again";
        self.note("displaced", Path::new(""), message.to_owned());
    }

    fn note(&self, kind: &str, path: &Path, message: String) {
        let issue = Issue::new(kind, path_text::to_text(path), message);
        self.issues.lock().unwrap_or_else(PoisonError::into_inner).push(issue);
    }

    /// Everything that was noted; it is given away.
    pub(super) fn take_issues(&self) -> Vec<Issue> {
        std::mem::take(&mut *self.issues.lock().unwrap_or_else(PoisonError::into_inner)).into_list()
    }

    /// Files and bytes in the capture.
    pub(super) fn captured(&self) -> (u64, u64) {
        let files = self.files.iter().map(|counter| counter.load(Ordering::Relaxed)).sum();
        (files, self.scanned.load(Ordering::Relaxed))
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let [new, changed, unmodified] = &self.files;
        let counts = [
            ("files_new", new),
            ("files_changed", changed),
            ("files_unmodified", unmodified),
            ("files_skipped", &self.skipped),
            ("files_torn", &self.torn),
            ("files_copied", &self.copied_files),
            ("dirs", &self.directories),
            ("bytes_scanned", &self.scanned),
            ("bytes_read", &self.read),
            ("bytes_copied", &self.copied_bytes),
            ("bytes_added", &self.sent),
            ("bytes_stored", &self.sent),
        ];
        counts.map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed))).into()
    }
}

/// An error and its causes on one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
