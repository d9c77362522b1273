//! How far a job is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stillpoint_core::Progress;

/// Counters that the engine's threads feed and polls read.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    files: AtomicU64,
    bytes_found: AtomicU64,
    files_found: AtomicU64,
    all_found: AtomicBool,
}

impl Meter {
    /// The figures now. Totals appear once everything is found.
    pub(crate) fn read(&self) -> Progress {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let total = |counter| self.all_found.load(Ordering::Relaxed).then(|| load(counter));
        Progress::new(load(&self.bytes), load(&self.files))
            .of(total(&self.bytes_found), total(&self.files_found))
    }

    /// States the totals beforehand.
    pub(crate) fn expect(&self, files: u64, bytes: u64) {
        self.files_found.store(files, Ordering::Relaxed);
        self.bytes_found.store(bytes, Ordering::Relaxed);
        self.all_found.store(true, Ordering::Relaxed);
    }

    /// Takes over the figures of a job that ended in another process.
    pub(crate) fn resume_at(&self, progress: Progress) {
        self.bytes.store(progress.bytes_done, Ordering::Relaxed);
        self.files.store(progress.files_done, Ordering::Relaxed);
        self.complete();
    }

    /// States that everything that was found is done.
    pub(crate) fn complete(&self) {
        let done = self.read();
        self.expect(done.files_done, done.bytes_done);
    }
}

impl stillpoint_repository::Progress for Meter {
    fn advanced(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn finished(&self, files: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use stillpoint_repository::Progress as _;

    use super::*;

    #[test]
    fn totals_appear_only_when_they_are_known() {
        let meter = Meter::default();
        meter.advanced(7);
        meter.finished(1);
        assert_eq!(meter.read(), Progress::new(7, 1));
        meter.complete();
        assert_eq!(meter.read(), Progress::new(7, 1).of(Some(7), Some(1)));
    }
}
