//! Watching a backup or restore while it runs.

use std::fmt::Debug;
use std::path::Path;

/// Told what a running operation does, from several threads, often: answer fast and do not block.
///
/// Every method has an empty default.
pub trait Progress: Debug + Send + Sync + 'static {
    /// More work was found: this many files with this many bytes.
    fn found(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }

    /// Work on a file begins. The path is relative to the source or target.
    fn started(&self, path: &Path) {
        let _ = path;
    }

    /// Bytes of content were read or written, or found to be in place already.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// This many files are done, whatever became of them.
    fn finished(&self, files: u64) {
        let _ = files;
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to hold")]
pub struct NoProgress;

impl Progress for NoProgress {}
