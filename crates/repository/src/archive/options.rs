//! What to back up, and how.

use std::path::{Path, PathBuf};

use stillpoint_localfs::Rules;

use crate::blob::BlobKind;
use crate::id::Id;
use crate::time::Timestamp;
use crate::writer::WriterOptions;

/// The directory to back up, and what the snapshot calls it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupSource {
    /// Where the directory is now.
    pub root: PathBuf,
    /// The absolute path the snapshot records; later backups of the same path find this one as their parent.
    pub stored_path: PathBuf,
    /// The host the snapshot records; this machine if `None`.
    pub hostname: Option<String>,
}

impl BackupSource {
    /// The directory at `root`, recorded under its own path made absolute.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let stored_path = std::path::absolute(&root).unwrap_or_else(|_no_current_directory| root.clone());
        Self { root, stored_path, hostname: None }
    }

    /// Records another absolute path, such as the one the directory has inside its workspace.
    #[must_use]
    pub fn stored_as(mut self, path: impl AsRef<Path>) -> Self {
        self.stored_path = Path::new("/").join(path);
        self
    }

    /// Records another host.
    #[must_use]
    pub fn on_host(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }
}

/// Which earlier snapshot unchanged files are recognised by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parent {
    /// The newest one of the same host and path.
    #[default]
    Newest,
    /// None: every file is read. What is stored already is still not stored again.
    None,
    /// This one.
    Snapshot(Id),
}

/// How to back up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupOptions {
    /// Labels of the snapshot.
    pub tags: Vec<String>,
    /// One more label, put on the snapshot if an entry was skipped or torn: the list of issues dies with the process,
    /// the label does not.
    pub tag_if_incomplete: Option<String>,
    /// The time the snapshot records; the time the backup began if `None`.
    pub time: Option<Timestamp>,
    /// The earlier snapshot to build on.
    pub parent: Parent,
    /// What is left out.
    pub rules: Rules,
    /// Whether other file systems mounted below the source are left out. On by default.
    pub one_file_system: bool,
    /// Files larger than this many bytes are left out.
    pub file_bytes_max: Option<u64>,
    /// A directory whose listing takes more bytes is left out, and said; 256 MiB, which is the most there can be and room
    /// for around half a million entries. While a directory is listed, about a kilobyte for each of its entries is in memory.
    pub listing_bytes_max: usize,
    /// Whether a source may have lost all of its files since the parent snapshot. Unless it may, that is an issue of the
    /// backup: a volume that is not mounted looks just so.
    pub may_be_empty: bool,
    /// Threads that read and seal; as many as there are processors, at most 8, if `None`.
    pub workers: Option<usize>,
    /// Sizes of packs and uploads at once.
    pub writer: WriterOptions,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            tag_if_incomplete: None,
            time: None,
            parent: Parent::default(),
            rules: Rules::new(),
            one_file_system: true,
            file_bytes_max: None,
            may_be_empty: false,
            listing_bytes_max: BlobKind::Tree.max_len(),
            workers: None,
            // One pack on its way and one being filled stay within the memory a small machine can spare.
            writer: WriterOptions::default().with_pack_sizes(48 << 20, 8 << 20).with_packs_in_flight(1),
        }
    }
}
