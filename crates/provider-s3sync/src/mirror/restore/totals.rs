//! What a restore counts and remarks on.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use stillpoint_core::{Issue, JobState, JobStatus};
use stillpoint_localfs::ExtractReport;

use crate::jobs::{Issues, Noted, lacks, remark};
use crate::path_text;

/// Counters that the driver and all transfers feed.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) restored: AtomicU64,
    pub(super) unchanged: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) directories: AtomicU64,
    pub(super) hard_links: AtomicU64,
    pub(super) symlinks: AtomicU64,
    pub(super) fetched: AtomicU64,
    pub(super) written: AtomicU64,
    issues: Mutex<Issues>,
    noted: Mutex<Noted>,
}

pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Totals {
    /// Notes an entry that was not restored.
    pub(super) fn skip(&self, kind: &str, path: &Path, message: impl Into<String>) {
        add(&self.skipped, 1);
        self.issue(Issue::new(kind, path_text::to_text(path), message));
    }

    pub(super) fn issue(&self, issue: Issue) {
        self.issues.lock().unwrap_or_else(PoisonError::into_inner).push(issue);
    }

    /// Notes an entry that was kept as it stood, as was asked for.
    pub(super) fn kept(&self, path: &Path) {
        add(&self.skipped, 1);
        let remark = "something else stands there and was kept".to_owned();
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).add(remark, path_text::to_text(path));
    }

    pub(super) fn into_status(self, report: &ExtractReport) -> JobStatus {
        let mut issues = self.issues.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut noted = self.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let root = rustix::process::geteuid().is_root();
        for warning in report.warnings.items() {
            let path = path_text::to_text(&warning.path);
            match lacks(warning, root) {
                true => issues.push(Issue::new("metadata", path, remark(warning))),
                false => noted.add(remark(warning), path),
            }
        }
        issues.add_unlisted(report.warnings.omitted());
        let whole = issues.is_empty();
        let mut status =
            JobStatus::new(if whole { JobState::Succeeded } else { JobState::SucceededWithIssues });
        status.issues = issues.into_list();
        status.warnings = noted.into_warnings();
        let counts = [
            ("files_restored", self.restored),
            ("files_unchanged", self.unchanged),
            ("files_skipped", self.skipped),
            ("dirs", self.directories),
            ("hard_links", self.hard_links),
            ("symlinks", self.symlinks),
            ("bytes_fetched", self.fetched),
            ("bytes_written", self.written),
        ];
        status.counts = counts.map(|(name, count)| (name.to_owned(), count.into_inner())).into();
        status
    }
}
