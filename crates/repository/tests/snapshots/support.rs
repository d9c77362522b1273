//! A repository, a source and targets in one temporary folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, Cancellation, Credentials, Id, NoProgress, Origin, Progress,
    Repository, RestoreOptions, RestoreSummary, Result, Store, StoreSettings,
};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery staple, all lower case";

pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) repository: Repository,
}

impl House {
    /// A new repository on disk and an empty source.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}/repository", folder.path().display());
        std::fs::create_dir(folder.path().join("source")).unwrap();
        let repository = open(&url).await;
        Self { folder, repository }
    }

    /// Waits until what was just written would show another time of change if it were written again.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    }

    /// The same repository as another process would see it.
    pub(crate) async fn reopened(&self) -> Repository {
        open(self.repository.store().description()).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.path("source")
    }

    pub(crate) async fn backup(&self) -> BackupSummary {
        self.backup_with(BackupOptions::default()).await.unwrap()
    }

    pub(crate) async fn backup_with(&self, options: BackupOptions) -> Result<BackupSummary> {
        let source = BackupSource::new(self.source());
        self.repository.backup(&source, options, Arc::new(NoProgress), &Cancellation::new()).await
    }

    pub(crate) async fn restore(&self, snapshot: &Id, target: &str) -> RestoreSummary {
        self.restore_with(snapshot, target, RestoreOptions::new("op")).await.unwrap()
    }

    /// As [`Self::restore`], by a process that has not looked at the repository before.
    pub(crate) async fn restore_afresh(&self, snapshot: &Id, target: &str) -> RestoreSummary {
        let (repository, target) = (self.reopened().await, self.path(target));
        let (options, progress) = (RestoreOptions::new("op"), Arc::new(NoProgress));
        repository.restore(snapshot, &target, options, progress, &Cancellation::new()).await.unwrap()
    }

    pub(crate) async fn restore_with(
        &self,
        snapshot: &Id,
        target: &str,
        options: RestoreOptions,
    ) -> Result<RestoreSummary> {
        let target = self.path(target);
        self.repository.restore(snapshot, &target, options, Arc::new(NoProgress), &Cancellation::new()).await
    }
}

async fn open(url: &str) -> Repository {
    let store = Store::from_url(url, &StoreSettings::default()).unwrap();
    let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
    Repository::open_or_init(store, &credentials, Origin::detect()).await.unwrap()
}

/// The default options with a change.
pub(crate) fn options(change: impl FnOnce(&mut BackupOptions)) -> BackupOptions {
    let mut options = BackupOptions::default();
    change(&mut options);
    options
}

/// Cancels once this many bytes have passed, and counts what it sees.
#[derive(Debug)]
pub(crate) struct CancelAfter {
    bytes: u64,
    seen: AtomicU64,
    cancellation: Cancellation,
}

impl CancelAfter {
    pub(crate) fn new(bytes: u64, cancellation: &Cancellation) -> Arc<Self> {
        Arc::new(Self { bytes, seen: AtomicU64::new(0), cancellation: cancellation.clone() })
    }
}

impl Progress for CancelAfter {
    fn advanced(&self, bytes: u64) {
        if self.seen.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.bytes {
            self.cancellation.cancel();
        }
    }
}

/// The names directly in a directory, sorted; none if there is no such directory.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
